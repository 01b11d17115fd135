"""From a record to the event that is sent: a purchase of the past (semantics E7), or the reason why not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from app.cli.importing.columns import Columns
from app.cli.importing.records import Fault, Record
from app.domain import money

_LONGEST = 1_000
ID = re.compile(r"[\x20-\x7e]{1,128}\Z")
"""What can be an event's id."""
_SPACES = " \u00a0\u202f\u2009'\u2019"
"""What people write between thousands, besides point and comma: spaces that do not break, apostrophes."""
_SYMBOLS = "$¢£¤¥฿₡₤₦₩₪₫€₭₮₱₲₴₵₸₹₺₼₽₾"


class Mark(StrEnum):
    """What stands before the cents."""

    POINT = "point"
    COMMA = "comma"


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of this file become events. `id_prefix` names rows where no column has an id."""

    columns: Columns
    currency: str | None
    minor_units: Mapping[str, int]
    zone: ZoneInfo
    identity_kind: str = "customer"
    id_prefix: str = "row"
    date_format: str | None = None
    decimal: Mark = Mark.POINT
    messages: bool = False


@dataclass(frozen=True, slots=True)
class Sale:
    """An event to send, and its amount in minor units for the sum."""

    body: dict[str, Any]
    currency: str
    minor: int
    occurred_at: datetime


class Bad(Exception):
    """Ends the reading of a row with the reason why it cannot be sent."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.fault = Fault(code, detail)


def sale(record: Record, number: int, plan: Plan) -> Sale | Fault:
    """The event of a record; `number` counts the file's rows from 1 and names those without an id."""
    if record.fault is not None:
        return record.fault
    try:
        return _sale(record.fields, number, plan)
    except Bad as bad:
        return bad.fault


def amount(text: str, *, currency: str, decimals: int, mark: Mark) -> str:
    """The canonical decimal text of an amount as people write it: 1,234.50 or € 12,5 or 29.330, always exact.

    Raises ValueError that says what is wrong.
    """
    match = _amount(mark, currency).match(text.strip())
    if match is None or not (match["whole"] or match["part"]) or (match["outer"] and match["inner"]):
        point, comma = Mark.POINT, Mark.COMMA
        sign, other = (",", comma) if mark is point else (".", point)
        hint = f"; if a {other} stands before the cents, say --decimal {other}" if sign in text else ""
        raise ValueError(f"is not an amount of money{hint}")
    whole = re.sub(r"\D", "", match["whole"]).lstrip("0") or "0"
    part = (match["part"] or "").rstrip("0")
    if len(part) > decimals:
        raise ValueError(f"has more decimals than the {decimals} of {currency}")
    exact = whole + ("." + part.ljust(decimals, "0") if decimals else "")
    negative = "-" in (match["outer"], match["inner"]) and exact.strip("0.")
    return "-" + exact if negative else exact


def instant(text: str, *, format: str | None, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, of a date or a date and time; without an offset in `zone`, a date is its midnight.

    Raises ValueError that says what is wrong.
    """
    try:
        found = datetime.fromisoformat(text) if format is None else datetime.strptime(text, format)  # noqa: DTZ007
        return found.replace(tzinfo=found.tzinfo or zone).astimezone(UTC)
    except (ValueError, OverflowError):
        wanted = "a date such as 2026-11-21: see --date-format" if format is None else f"written as {format}"
        raise ValueError(f"is not {wanted}") from None


def _sale(fields: tuple[str, ...], number: int, plan: Plan) -> Sale:
    columns = plan.columns
    if len(fields) != columns.count:
        raise Bad("wrong_fields", f"the row has {len(fields)} fields where the header has {columns.count}")
    id = f"{plan.id_prefix}-{number}" if columns.id is None else needed(fields, columns.id, "id")
    if not ID.match(id):
        raise Bad("bad_id", "the id must have 1 to 128 printable ASCII characters")
    member = needed(fields, columns.member, "member")
    currency, decimals = _currency(fields, plan)
    try:
        total = amount(
            needed(fields, columns.amount, "amount"), currency=currency, decimals=decimals, mark=plan.decimal
        )
        minor = money.minor_units(total, decimals=decimals)
    except ValueError as error:
        raise Bad("bad_amount", f"the amount {error}") from None
    except money.BadAmount:
        raise Bad("bad_amount", "the amount is too large") from None
    try:
        occurred_at = instant(needed(fields, columns.date, "date"), format=plan.date_format, zone=plan.zone)
    except ValueError as error:
        raise Bad("bad_date", f"the date {error}") from None
    body: dict[str, Any] = {
        "type": "purchase",
        "id": id,
        "member": {"identity": f"{plan.identity_kind}:{member}", "enrol": True},
        "occurred_at": occurred_at.replace(tzinfo=None).isoformat() + "Z",
        "currency": currency,
        "total": total,
        "history": True,
    }
    if plan.messages:
        body["messages"] = True
    return Sale(body | _details(fields, total, columns), currency, minor, occurred_at)


def _details(fields: tuple[str, ...], total: str, columns: Columns) -> dict[str, Any]:
    """The one line of the sale and the place, where columns say them; an empty field says nothing."""
    said = {
        "sku": optional(fields, columns.sku, "sku"),
        "quantity": optional(fields, columns.quantity, "quantity"),
        "categories": [kind] if (kind := optional(fields, columns.category, "category")) else None,
    }
    line = {name: value for name, value in said.items() if value is not None}
    details: dict[str, Any] = {"lines": [{**line, "amount": total}]} if line else {}
    location = optional(fields, columns.location, "location")
    return details if location is None else {**details, "location": location}


def _currency(fields: tuple[str, ...], plan: Plan) -> tuple[str, int]:
    said = optional(fields, plan.columns.currency, "currency")
    code = plan.currency if said is None else said.upper()
    if code is None:
        raise Bad("bad_currency", "the row has no currency")
    if code not in plan.minor_units:
        raise Bad("bad_currency", "that is not an ISO 4217 currency")
    return code, plan.minor_units[code]


def needed(fields: tuple[str, ...], at: int, what: str) -> str:
    """The text of a field. Raises Bad where it is empty or too long."""
    value = fields[at].strip()
    if not value:
        raise Bad(f"no_{what}", f"the row has no {what}")
    if len(value) > _LONGEST:
        raise Bad("too_long", f"the {what} is longer than {_LONGEST:,} characters")
    return value


def optional(fields: tuple[str, ...], at: int | None, what: str) -> str | None:
    """The same of a field that may be empty, or have no column."""
    return None if at is None or not fields[at].strip() else needed(fields, at, what)


@cache
def _amount(mark: Mark, currency: str) -> re.Pattern[str]:
    point, comma = (".", ",") if mark is Mark.POINT else (",", ".")
    named = rf"[ \u00a0]?(?:[{_SYMBOLS}]|(?i:{currency}))?[ \u00a0]?"
    grouped = rf"\d{{1,3}}(?P<by>[{comma}{_SPACES}])\d{{3}}(?:(?P=by)\d{{3}})*"
    return re.compile(
        rf"(?P<outer>[+-]?){named}(?P<inner>[+-]?)(?P<whole>{grouped}|\d*)(?:[{point}](?P<part>\d*))?{named}\Z",
        re.ASCII,
    )
