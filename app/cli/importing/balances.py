"""From a member's rows to the opening that is sent: what they had in another system (semantics E7), or why not."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.cli.importing import rows
from app.cli.importing.columns import OpeningColumns
from app.cli.importing.records import Fault, Record
from app.cli.importing.rows import Bad, Mark
from app.domain import messages, money

MOST_ROWS = 10_000
"""Rows of one member that are kept in mind; an opening itself may have 1,000 lots."""

NEVER = "never"
"""What stands for no end at all; an empty field leaves the end to the program's rules."""

_NEIGHBOR = Fault(
    "other_row_refused", "another row of this member cannot be taken: mend them, and import them together"
)
_TIMED = re.compile("%[HIMSTXcfprR]")


@dataclass(frozen=True, slots=True)
class OpeningPlan:
    """How the rows of this file become openings. `decimals` are the units', `ladders` the program's."""

    columns: OpeningColumns
    as_of: datetime
    decimals: Mapping[str, int]
    ladders: tuple[str, ...]
    zone: ZoneInfo
    identity_kind: str = "customer"
    id_prefix: str = "row"
    date_format: str | None = None
    decimal: Mark = Mark.POINT
    messages: bool = False


@dataclass(frozen=True, slots=True)
class Balances:
    """An event to send."""

    body: dict[str, Any]


def understood(header: Sequence[str], plan: OpeningPlan) -> str:
    """What is read, for a person to check, and what is passed over: a misspelt column changes what comes in."""
    found = plan.columns
    read = {found.member, *found.said.values(), *(() if found.id is None else (found.id,))}
    passed = ", ".join(name for at, name in enumerate(header) if at not in read)
    said = ", ".join([f"member: {header[found.member]}", *found.said])
    return f"{said}; not read: {passed or 'nothing'}; as of {plan.as_of.astimezone(plan.zone).isoformat()}"


def together(one: Record, other: Record, columns: OpeningColumns) -> bool:
    """Whether neighbors go in one piece: rows of a member, or one that may be, because it cannot be told whose it is.

    An opening comes once, so none is sent of which a row may be missing.
    """
    named = _named(one, columns), _named(other, columns)
    return None in named or named[0] == named[1]


def opening(mine: Sequence[Record], number: int, plan: OpeningPlan) -> Balances | tuple[Fault, ...]:
    """The event of rows that go together; `number` is the first one's among the file's rows. Or a fault for each."""
    parts = [_part(record, plan) for record in mine]
    good = [part for part in parts if not isinstance(part, Fault)]
    if len(good) < len(parts):
        return tuple(part if isinstance(part, Fault) else _NEIGHBOR for part in parts)
    try:
        return _opening(mine[0].fields, good, number, plan)
    except Bad as bad:
        return (bad.fault,) * len(mine)


def _named(record: Record, columns: OpeningColumns) -> str | None:
    if record.fault is not None or len(record.fields) != columns.count:
        return None
    return record.fields[columns.member].strip() or None


Part = tuple[str, Any]
"""What a row says: of `lots`, `totals` or `tiers`, or the `referral_code`."""


def _opening(first: tuple[str, ...], parts: Sequence[list[Part]], number: int, plan: OpeningPlan) -> Balances:
    columns = plan.columns
    id = f"{plan.id_prefix}-{number}" if columns.id is None else rows.needed(first, columns.id, "id")
    if not rows.ID.match(id):
        raise Bad("bad_id", "the id must have 1 to 128 printable ASCII characters")
    body: dict[str, Any] = {
        "type": "opening",
        "id": id,
        "member": {"identity": f"{plan.identity_kind}:{first[columns.member].strip()}", "enrol": True},
        "occurred_at": _text(plan.as_of),
    }
    for kind, said in (part for row in parts for part in row):
        if kind == "referral_code":
            _say_once(body, kind, said)
            continue
        listed = body.setdefault(kind, [])
        if kind != "tiers" or said not in listed:  # a tier may be repeated in each row of its member
            listed.append(said)
    if not body.keys() & {"lots", "totals", "tiers"}:
        raise Bad("no_points", "the member had nothing that could be brought over")
    if plan.messages:
        body["messages"] = True
    return Balances(body)


def _say_once(body: dict[str, Any], name: str, value: str) -> None:
    if body.setdefault(name, value) != value:
        raise Bad(f"two_{name}s", f"the rows of this member say two different things as {name}")


def _part(record: Record, plan: OpeningPlan) -> list[Part] | Fault:
    if record.fault is not None:
        return record.fault
    count, fields = plan.columns.count, record.fields
    if len(fields) != count:
        return Fault("wrong_fields", f"the row has {len(fields)} fields where the header has {count}")
    try:
        rows.needed(fields, plan.columns.member, "member")
        said = {name: text for name, at in plan.columns.said.items() if (text := rows.optional(fields, at, name))}
        return [*_points(said, plan), *_tier(said, plan), *_code(said)]
    except Bad as bad:
        return bad.fault


def _points(said: Mapping[str, str], plan: OpeningPlan) -> list[Part]:
    """A lot, if the row says when it was earned, else a total; of no points nothing."""
    if "points" not in said:
        if said.keys() & {"unit", "earned_at", "available_at", "expires_at"}:
            raise Bad("no_points", "the row has no points")
        return []
    if "unit" not in said:
        raise Bad("no_unit", "the row has no unit")
    points = _number(said["points"], said["unit"], plan)
    if not points:
        return []
    part: dict[str, Any] = {"unit": said["unit"], "points": points}
    if "earned_at" not in said:
        if said.keys() & {"available_at", "expires_at"}:
            raise Bad("no_earned_at", "the row does not say when its points were earned")
        return [("totals", part)]
    part["earned_at"] = _instant(said["earned_at"], "earned_at", plan)
    if "available_at" in said:
        part["available_at"] = _instant(said["available_at"], "available_at", plan)
    if "expires_at" in said:
        part["expires_at"] = None if said["expires_at"].casefold() == NEVER else _end(said["expires_at"], plan)
    return [("lots", part)]


def _number(text: str, unit: str, plan: OpeningPlan) -> int:
    """The smallest parts of points as people write them."""
    decimals = plan.decimals.get(unit, 0)
    try:
        points = money.minor_units(
            rows.amount(text, currency=unit, decimals=decimals, mark=plan.decimal), decimals=decimals
        )
    except (ValueError, money.BadAmount):
        raise Bad("bad_points", f"the points are not a number with at most {decimals} decimals") from None
    if points < 0:
        raise Bad("bad_points", "the points are below zero")
    return points


def _tier(said: Mapping[str, str], plan: OpeningPlan) -> list[Part]:
    if "tier" not in said:
        return []
    ladder = said.get("ladder") or (plan.ladders[0] if len(plan.ladders) == 1 else None)
    if ladder is None:
        raise Bad("no_ladder", "the row does not say on which ladder its tier is")
    if "tier_since" not in said:
        raise Bad("no_tier_since", "the row does not say since when its tier was held")
    part = {"ladder": ladder, "tier": said["tier"], "since": _instant(said["tier_since"], "tier_since", plan)}
    if "tier_review_at" in said:
        part["review_at"] = _instant(said["tier_review_at"], "tier_review_at", plan)
    return [("tiers", part)]


def _code(said: Mapping[str, str]) -> list[Part]:
    return [("referral_code", said["referral_code"])] if "referral_code" in said else []


def _instant(text: str, name: str, plan: OpeningPlan) -> str:
    try:
        return _text(rows.instant(text, format=plan.date_format, zone=plan.zone))
    except ValueError as error:
        raise Bad("bad_date", f"{name} {error}") from None


def _end(text: str, plan: OpeningPlan) -> str:
    """The end of points: a day is the last one on which they can be used, so they end with it."""
    begins = _instant(text, "expires_at", plan)
    if not _is_day(text, plan.date_format):
        return begins
    day = datetime.fromisoformat(begins).astimezone(plan.zone).date()
    return _text(datetime.combine(day + timedelta(days=1), time(), plan.zone))


def _is_day(text: str, format: str | None) -> bool:
    if format is not None:
        return not _TIMED.search(format)
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _text(instant: datetime) -> str:
    return messages.time_text(instant.astimezone(UTC))
