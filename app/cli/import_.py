"""`zegel import`: a file of past purchases, or of balances in another system, into the ledger."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.api.schemas.common import MINOR_UNITS
from app.cli import opening
from app.cli.errors import CliError
from app.cli.importing import progress, running
from app.cli.importing.columns import Named
from app.cli.importing.progress import Totals
from app.cli.importing.rows import Mark
from app.cli.importing.running import Done, Options, Watch
from app.cli.importing.sending import Patience
from app.domain import money

REFUSED_EXIT = 3
_NO_KEY = (
    "no API key: set ZEGEL_KEY, or say --key; make one with "
    "`zegel keys create --program NAME --shop import --also events:history`"
)


def _column(help: str, default: str = "") -> object:
    return typer.Option(help=help, metavar="NAME", show_default=default or False)


File = Annotated[
    Path,
    typer.Argument(
        help="The CSV file, one purchase a row; with --opening, one lot or total.", exists=True, dir_okay=False
    ),
]
IdColumn = Annotated[
    str | None, _column("Column of the order or receipt number; `-`: none, rows are numbered.", "guessed")
]
MemberColumn = Annotated[str | None, _column("Column that says who bought.", "guessed")]
DateColumn = Annotated[str | None, _column("Column of the date, or date and time.", "guessed")]
AmountColumn = Annotated[str | None, _column("Column of what was paid.", "guessed")]
CurrencyColumn = Annotated[str | None, _column("Column of the currency, if rows differ.")]
SkuColumn = Annotated[str | None, _column("Column of the article number.")]
QuantityColumn = Annotated[str | None, _column("Column of the quantity.")]
CategoryColumn = Annotated[str | None, _column("Column of the article's category.")]
LocationColumn = Annotated[str | None, _column("Column of the place of sale.")]
IdentityKind = Annotated[
    str, typer.Option(help="What the member column holds: customer, card, email, phone, or a word of yours.")
]
IdPrefix = Annotated[str | None, typer.Option(help="Begins the id of numbered rows.", show_default="the file's name")]
Header = Annotated[bool, typer.Option(help="The first row names the columns; if not, their names are 1, 2, 3, …")]
Delimiter = Annotated[str | None, typer.Option(help="What stands between fields.", show_default="guessed")]
Encoding = Annotated[str, typer.Option(help="How letters are stored; older spreadsheets write cp1252.")]
DateFormat = Annotated[
    str | None,
    typer.Option(
        help="How dates are written, such as %d-%m-%Y or '%d/%m/%Y %H:%M'.", show_default="2026-11-21, ISO 8601"
    ),
]
TimeZone = Annotated[
    str | None, typer.Option(help="Where dates, and times without an offset, hold.", show_default="the program's zone")
]
Currency = Annotated[str | None, typer.Option(help="Currency of the amounts.", show_default="the program's only one")]
Decimal = Annotated[Mark, typer.Option(help="What stands before the cents.")]
Messages = Annotated[bool, typer.Option("--messages", help="Send webhooks for this history too.")]
BatchSize = Annotated[int, typer.Option(min=1, max=running.MOST_BATCH, help="Rows a request.")]
RefusedTo = Annotated[Path | None, typer.Option(help="Where refused rows go.", show_default="FILE.refused.csv")]
Restart = Annotated[bool, typer.Option("--restart", help="Begin at the top, though an earlier run came further.")]
Url = Annotated[str | None, typer.Option(help="Where the API is.", show_default="ZEGEL_URL")]
Key = Annotated[
    str | None, typer.Option(help="A shop's API key that has the scope events:history.", show_default="ZEGEL_KEY")
]
Opening = Annotated[bool, typer.Option("--opening", help="The rows are members' balances in another system.")]
AsOf = Annotated[
    str | None, typer.Option(help="With --opening: the day, or date and time, as of which they hold.", metavar="DATE")
]


def import_(
    file: File,
    id_column: IdColumn = None,
    member_column: MemberColumn = None,
    date_column: DateColumn = None,
    amount_column: AmountColumn = None,
    currency_column: CurrencyColumn = None,
    sku_column: SkuColumn = None,
    quantity_column: QuantityColumn = None,
    category_column: CategoryColumn = None,
    location_column: LocationColumn = None,
    identity_kind: IdentityKind = "customer",
    id_prefix: IdPrefix = None,
    header: Header = True,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    date_format: DateFormat = None,
    time_zone: TimeZone = None,
    currency: Currency = None,
    decimal: Decimal = Mark.POINT,
    messages: Messages = False,
    batch_size: BatchSize = running.MOST_BATCH,
    refused: RefusedTo = None,
    restart: Restart = False,
    as_opening: Opening = False,
    as_of: AsOf = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send a CSV file of past purchases into the ledger, in the order of the file.

    Each row becomes a purchase of the past, and enrols its member if new. Points that would have expired meanwhile,
    have. No webhooks are sent unless you say --messages.

    Import a file as often as you like: a row's id is its order number or, without one, FILE-1, FILE-2, … by its
    place, so nothing is recorded twice. To a file without order numbers add rows only at the end.

    Rows that cannot be taken are written to FILE.refused.csv, with line, code and reason before what they contained:
    mend them there, and import that file. The others go on. If an import stops halfway, run the same command again:
    it goes on from FILE.progress.

    With --opening and --as-of, rows are what members had in another system: one lot a row in the columns unit, points,
    earned_at, available_at, expires_at (the last day of use, or never), or one total without earned_at; and ladder,
    tier, tier_since and tier_review_at. A member's rows must follow each other; they come in together, once.

    Exit code: 0 all rows are in; 3 the end was reached and some rows were refused; 1 it stopped before.
    """
    named = Named(
        id_column, member_column, date_column, amount_column, currency_column, sku_column, quantity_column,
        category_column, location_column,
    )  # fmt: skip
    _check_opening(named, opening=as_opening, as_of=as_of, header=header)
    options = Options(
        file=file, named=named, header=header, delimiter=_delimiter(delimiter), encoding=encoding,
        date_format=date_format, time_zone=time_zone, currency=currency, decimal=decimal, identity_kind=identity_kind,
        id_prefix=id_prefix, messages=messages, batch_size=batch_size, refused=refused, restart=restart, as_of=as_of,
    )  # fmt: skip
    _import(options, url=url, key=key)


def _check_opening(named: Named, *, opening: bool, as_of: str | None, header: bool) -> None:
    if opening != (as_of is not None):
        raise CliError("--opening and --as-of go together: balances hold as of a day")
    if opening and not header:
        raise CliError("a file of balances needs a first row that names its columns")
    if opening and named != Named(id=named.id, member=named.member):
        raise CliError("with --opening only --id-column and --member-column are named; the others have fixed names")


def _import(options: Options, *, url: str | None, key: str | None) -> None:
    settings = opening.settings()
    key = key or settings.key
    if not key:
        raise CliError(_NO_KEY)
    started = time.monotonic()
    done = asyncio.run(_run(options, url=url or settings.url, key=key))
    gave = "earned" if options.as_of is None else "brought"
    print(summary(done, seconds=time.monotonic() - started, gave=gave))
    if done.totals.refused:
        opening.console.print(f"refused rows are in {options.refused_file}", markup=False)
        raise typer.Exit(REFUSED_EXIT)


def summary(done: Done, *, seconds: float, gave: str = "earned") -> str:
    """What the import came to, a line a figure; sums are exact."""
    totals, rate = done.totals, (done.totals.rows - done.earlier) / max(seconds, 0.001)
    refused = sum(totals.refused.values())
    why = ", ".join(f"{count:,} {code}" for code, count in sorted(totals.refused.items(), key=lambda item: -item[1]))
    lines = [
        ("rows", f"{totals.rows:,}" + (f" ({done.earlier:,} of them in an earlier run)" if done.earlier else "")),
        ("created", f"{totals.created:,}" + _points(gave, totals.points)),
        ("replayed", f"{totals.replayed:,}" + _points(gave, totals.points_before)),
        ("refused", f"{refused:,}" + (f" ({why})" if why else "")),
        ("members", f"{totals.members:,} begin with one of these rows"),
        ("amounts", ", ".join(_amounts(totals)) or "none"),
        ("seconds", f"{seconds:,.1f} ({rate:,.0f} rows a second)"),
    ]
    if totals.backwards:
        note = "rows come after a later one of the same member; history is judged in the order of the file"
        lines.append(("note", f"{totals.backwards:,} {note}"))
    return "\n".join(f"{name:<12}{text}" for name, text in lines)


def _points(gave: str, points: Mapping[str, int]) -> str:
    return f", {gave} " + ", ".join(f"{sum:,} {unit}" for unit, sum in sorted(points.items())) if points else ""


def _amounts(totals: Totals) -> Iterator[str]:
    for currency, minor in sorted(totals.amounts.items()):
        whole, point, part = money.decimal_text(minor, decimals=MINOR_UNITS[currency]).partition(".")
        yield f"{int(whole):,}{point}{part} {currency}"


async def _run(options: Options, *, url: str, key: str) -> Done:
    try:
        client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"})
    except (httpx.InvalidURL, ValueError):
        raise CliError("the API's address or the key cannot be used: see --url and --key") from None
    async with client:
        with _bar(options) as watch:
            return await running.run(client, options, patience=Patience(say=watch.say), watch=watch)


@contextmanager
def _bar(options: Options) -> Iterator[Watch]:
    """A bar by bytes, where there is a terminal to show one."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    console = opening.console
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(options.file.name), total=options.file.stat().st_size, rows=0)

        def moved(done: progress.Progress) -> None:
            bar.update(task, completed=done.place.offset, rows=done.totals.rows)

        yield Watch(say=lambda line: console.print(line, markup=False), moved=moved)


def _delimiter(text: str | None) -> str | None:
    if text is None:
        return None
    mark = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(mark) != 1 or mark in '"\r\n':
        raise CliError("--delimiter is one character such as ; or the word tab")
    return mark
