"""One import: batch after batch in file order, what is refused into a file, how far it came into another."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, BinaryIO
from zoneinfo import ZoneInfo

import httpx

from app.api.schemas.common import MINOR_UNITS
from app.cli.errors import CliError
from app.cli.importing import balances, columns, progress, records, rows, sending
from app.cli.importing.balances import Balances, OpeningPlan
from app.cli.importing.columns import Columns, Named
from app.cli.importing.progress import Progress, Totals
from app.cli.importing.records import Fault, Format, Place, Record
from app.cli.importing.rows import Mark, Plan, Sale
from app.cli.importing.sending import Patience, Unreachable

MOST_BATCH = 500
_FIRST_SECONDS = 15.0
"""How long a service is waited for that has not answered at all yet."""
_PREFIX_LENGTH = 100
_MEMBERS_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; None is guessed, or the default that `zegel import --help` tells."""

    file: Path
    named: Named = field(default_factory=Named)
    header: bool = True
    delimiter: str | None = None
    encoding: str = "utf-8"
    date_format: str | None = None
    time_zone: str | None = None
    currency: str | None = None
    decimal: Mark = Mark.POINT
    identity_kind: str = "customer"
    id_prefix: str | None = None
    messages: bool = False
    batch_size: int = MOST_BATCH
    refused: Path | None = None
    restart: bool = False
    as_of: str | None = None
    """Of balances of another system: the day of its books. None: the rows are purchases."""

    @property
    def progress_file(self) -> Path:
        return self.file.with_name(self.file.name + ".progress")

    @property
    def refused_file(self) -> Path:
        return self.refused or self.file.with_name(self.file.name + ".refused.csv")


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on: hears a line about what was understood, and after each batch how far it came."""

    say: Callable[[str], None] = lambda line: None
    moved: Callable[[Progress], None] = lambda progress: None


@dataclass(frozen=True, slots=True)
class Import:
    """What is to be sent, and how to read it."""

    options: Options
    plan: Plan | OpeningPlan
    format: Format
    header: tuple[str, ...]
    begin: Place
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Done:
    """What the whole file came to; `earlier` of its rows were acknowledged before this run."""

    totals: Totals
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """Records with what is to be sent of them, or why not of each; `backwards`: the member had a later one before."""

    records: tuple[Record, ...]
    what: Sale | Balances | tuple[Fault, ...]
    backwards: bool = False


_Outcome = tuple[Fault, ...] | Mapping[str, Any]
"""Why not of each record, or what the service said of the event."""


async def run(
    client: httpx.AsyncClient, options: Options, *, patience: Patience = Patience(), watch: Watch = Watch()
) -> Done:
    """Sends the file's rows as purchases of the past, or as openings, and tells what came of them.

    `client` has the API's address and key. Raises CliError for what stops it; running it again goes on.
    """
    with _opened(options.file) as file:
        job = await _prepared(client, file, options, patience=patience, watch=watch)
        done = begun = _begun(job, watch)
        _cut(options.refused_file, done.refused_size)
        for part, after in _parts(file, job, done):
            try:
                done = await _sent(client, job, done, part, after, patience=patience)
            except Unreachable as error:
                raise CliError(f"{error}; {done.totals.rows:,} rows are in: run this again to go on") from None
            if not progress.save(options.progress_file, done, fingerprint=job.fingerprint):
                watch.say(f"{options.progress_file} cannot be written: a next run would begin at the top")
            watch.moved(done)
    progress.forget(options.progress_file)
    return Done(done.totals, begun.totals.rows)


def _begun(job: Import, watch: Watch) -> Progress:
    kept = progress.load(job.options.progress_file, fingerprint=job.fingerprint)
    if kept is None or job.options.restart:
        return Progress(job.begin)
    watch.say(f"going on after {kept.totals.rows:,} rows (--restart begins at the top)")
    return kept


async def _prepared(
    client: httpx.AsyncClient, file: BinaryIO, options: Options, *, patience: Patience, watch: Watch
) -> Import:
    if options.refused_file.absolute() == options.file.absolute():
        raise CliError("the refused rows cannot go into the file that is read: see --refused")
    format = records.detect(file, encoding=options.encoding, delimiter=options.delimiter)
    header, begin = _header(file, format, options)
    briefly = replace(patience, seconds=min(patience.seconds, _FIRST_SECONDS))
    try:
        program = await sending.get(client, "/v1/program", patience=briefly)
    except Unreachable as error:
        raise CliError(f"{error}: is `zegel serve` running there? See --url") from None
    document = (await sending.get(client, "/v1/program/rules", patience=patience))["document"]
    plan = _plan(header, options, document) if options.as_of is None else _opening_plan(header, options, document)
    watch.say(_understood(header, plan, format))
    key = sha256(client.headers.get("Authorization", "").encode()).hexdigest()
    told = (str(client.base_url), program["id"], key, options.refused_file.name, format, _told(plan))
    return Import(options, plan, format, header, begin, progress.fingerprint(options.file, told=told))


def _plan(header: Sequence[str], options: Options, document: Mapping[str, Any]) -> Plan:
    found = columns.find(header, options.named)
    return Plan(
        columns=found,
        currency=_currency(options, document, found),
        minor_units=MINOR_UNITS,
        zone=_zone(options.time_zone or document["time_zone"]),
        identity_kind=options.identity_kind,
        id_prefix=options.id_prefix or _plain(options.file.stem),
        date_format=options.date_format,
        decimal=options.decimal,
        messages=options.messages,
    )


def _opening_plan(header: Sequence[str], options: Options, document: Mapping[str, Any]) -> OpeningPlan:
    zone = _zone(options.time_zone or document["time_zone"])
    try:
        as_of = rows.instant(options.as_of or "", format=None, zone=zone)
    except ValueError:
        raise CliError("--as-of is no day such as 2026-11-21") from None
    return OpeningPlan(
        columns=columns.find_opening(header, options.named),
        as_of=as_of,
        decimals={code: int(unit.get("decimals", 0)) for code, unit in document["units"].items()},
        ladders=tuple(str(ladder["id"]) for ladder in document.get("tiers", ())),
        zone=zone,
        identity_kind=options.identity_kind,
        id_prefix=options.id_prefix or _plain(options.file.stem),
        date_format=options.date_format,
        decimal=options.decimal,
        messages=options.messages,
    )


def _told(plan: Plan | OpeningPlan) -> Plan | OpeningPlan:
    """What of the plan shapes the import: not the table of all currencies."""
    return replace(plan, minor_units={}) if isinstance(plan, Plan) else plan


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from None


def _header(file: BinaryIO, format: Format, options: Options) -> tuple[tuple[str, ...], Place]:
    """The columns' names, and where the rows begin; without a header the columns are named 1, 2, 3, …"""
    for record in records.records(file, start=Place(), format=format):
        if record.blank:
            continue
        if record.fault is not None:
            raise CliError(f"line {record.line}, the first one of the file: {record.fault.detail}")
        if options.header:
            return tuple(name.strip() for name in record.fields), record.after
        return tuple(str(i) for i in range(1, len(record.fields) + 1)), Place()
    raise CliError(f"{options.file} has no rows")


def _currency(options: Options, document: Mapping[str, Any], found: Columns) -> str | None:
    listed = [str(code) for code in document["currencies"]]
    if options.currency is not None:
        if options.currency not in listed:
            raise CliError(f"the program does not take {options.currency}, only {', '.join(listed)}")
        return options.currency
    if len(listed) == 1 or found.currency is not None:
        return listed[0] if len(listed) == 1 else None
    raise CliError(f"in which currency are the amounts? Say --currency with one of {', '.join(listed)}")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a KeyError is what ZoneInfo finds no zone with
        raise CliError(f"there is no time zone {name}: use one such as Europe/Amsterdam") from None


def _plain(stem: str) -> str:
    """The file's name as the beginning of an id: printable ASCII, cut short."""
    return "".join(letter if " " < letter < "\x7f" else "_" for letter in stem)[:_PREFIX_LENGTH] or "row"


def _understood(header: Sequence[str], plan: Plan | OpeningPlan, format: Format) -> str:
    if isinstance(plan, OpeningPlan):
        return f"{balances.understood(header, plan)}; {plan.zone.key}; delimiter {format.delimiter!r}"
    found = plan.columns
    id = f"rows are named {plan.id_prefix}-1, -2, …" if found.id is None else f"id: {header[found.id]}"
    parts = [id, f"member: {header[found.member]}", f"date: {header[found.date]}", f"amount: {header[found.amount]}"]
    money = plan.currency or "currency by row"
    return f"{', '.join(parts)}; {money}; {plan.zone.key}; delimiter {format.delimiter!r}"


def _parts(file: BinaryIO, job: Import, done: Progress) -> Iterator[tuple[list[_Read], Place]]:
    """The rest of the file's rows in groups of a batch, each with the place after it."""
    reading = _rows(file, job, job.plan, done) if isinstance(job.plan, Plan) else _openings(file, job, job.plan, done)
    part: list[_Read] = []
    for read in reading:
        part.append(read)
        if sum(len(one.records) for one in part) >= job.options.batch_size:
            yield part, part[-1].records[-1].after
            part = []
    if part:
        yield part, part[-1].records[-1].after


def _rows(file: BinaryIO, job: Import, plan: Plan, done: Progress) -> Iterator[_Read]:
    number = done.totals.rows
    latest: dict[str, datetime] = {}
    for record in records.records(file, start=done.place, format=job.format):
        if record.blank:
            continue
        number += 1
        what = rows.sale(record, number, plan)
        if isinstance(what, Sale):
            yield _Read((record,), what, _backwards(what, latest))
        else:
            yield _Read((record,), (what,))


def _openings(file: BinaryIO, job: Import, plan: OpeningPlan, done: Progress) -> Iterator[_Read]:
    """The rows of a member in one piece: nothing is acknowledged in the middle of one."""
    number = done.totals.rows + 1
    mine: list[Record] = []
    for record in records.records(file, start=done.place, format=job.format):
        if record.blank:
            continue
        if mine and not balances.together(mine[-1], record, plan.columns):
            yield _Read(tuple(mine), balances.opening(mine, number, plan))
            number += len(mine)
            mine = []
        mine.append(record)
        if len(mine) > balances.MOST_ROWS:
            raise CliError(f"line {mine[0].line}: more than {balances.MOST_ROWS:,} rows of one member")
    if mine:
        yield _Read(tuple(mine), balances.opening(mine, number, plan))


def _backwards(sale: Sale, latest: dict[str, datetime]) -> bool:
    """Whether the member had a later sale before, as far as we remember."""
    member = sale.body["member"]["identity"]
    before = latest.pop(member, sale.occurred_at)
    latest[member] = max(before, sale.occurred_at)
    if len(latest) > _MEMBERS_REMEMBERED:
        del latest[next(iter(latest))]
    return sale.occurred_at < before


async def _sent(
    client: httpx.AsyncClient, job: Import, done: Progress, part: Sequence[_Read], after: Place, *, patience: Patience
) -> Progress:
    """Sends the good rows, writes the others down, and tells how far that brings us."""
    events = [read.what.body for read in part if not isinstance(read.what, tuple)]
    results = iter(await sending.send(client, events, patience=patience) if events else ())
    outcomes = [read.what if isinstance(read.what, tuple) else next(results) for read in part]
    faults = [fault for read, outcome in zip(part, outcomes, strict=True) for fault in _faults(read, outcome)]
    size = _write(job, faults) if faults else done.refused_size
    return Progress(after, done.totals.plus(_totals(part, outcomes)), size)


def _faults(read: _Read, outcome: _Outcome) -> list[tuple[Record, Fault]]:
    """Why each record was not taken; none where it was."""
    if isinstance(outcome, tuple):
        return list(zip(read.records, outcome, strict=True))
    if outcome["outcome"] in ("created", "replayed"):
        return []
    fault = _fault(outcome)
    return [(record, fault) for record in read.records]


def _fault(outcome: Mapping[str, Any]) -> Fault:
    problem = outcome.get("problem", {})
    fields = [f"{error['pointer']} {error['message']}" for error in problem.get("errors", ())]
    detail = "; ".join(fields) or str(problem.get("detail", ""))
    return Fault(str(problem.get("code", outcome["outcome"])), detail)


def _totals(part: Sequence[_Read], outcomes: Sequence[_Outcome]) -> Totals:
    refused: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    points: Counter[str] = Counter()
    points_before: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for read, outcome in zip(part, outcomes, strict=True):
        counts["backwards"] += read.backwards
        if faults := _faults(read, outcome):
            refused.update(fault.code for _, fault in faults)
            continue
        assert isinstance(outcome, Mapping)
        if isinstance(read.what, Sale):
            amounts[read.what.currency] += read.what.minor
        counts[outcome["outcome"]] += 1
        counts["members"] += outcome["event"]["sequence"] == 2  # right after the enrolment it brought
        earned = points if outcome["outcome"] == "created" else points_before
        for entry in outcome["event"]["entries"]:
            earned[entry["unit"]] += entry["points"]
    return Totals(
        rows=sum(len(read.records) for read in part),
        created=counts["created"],
        replayed=counts["replayed"],
        members=counts["members"],
        backwards=counts["backwards"],
        refused=refused,
        amounts=amounts,
        points=points,
        points_before=points_before,
    )


def _cut(path: Path, size: int) -> None:
    """Leaves the refused rows that the acknowledged part wrote, and no other."""
    with suppress(FileNotFoundError):
        if size == 0:
            path.unlink()
        else:
            with path.open("r+b") as file:
                file.truncate(size)


def _write(job: Import, faults: Sequence[tuple[Record, Fault]]) -> int:
    """Adds rows to the refused file: line, code and detail before the row as it was. Answers the file's size."""
    path = job.options.refused_file
    try:
        with path.open("a", encoding=job.format.encoding, errors="surrogateescape", newline="") as file:
            if file.tell() == 0 and job.options.header:
                _rows_to(file, job).writerow(["line", "code", "detail", *job.header])
            for record, fault in faults:
                _rows_to(file, job).writerow([record.line, fault.code, fault.detail, *record.fields])
            file.flush()
            return file.tell()
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}: see --refused") from None


def _rows_to(file: IO[str], job: Import) -> Any:
    return csv.writer(file, delimiter=job.format.delimiter, lineterminator="\n")
