"""From what a document says to what the core counts: minor units, smallest parts, instants. Exact, never a float."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from iso4217 import Currency

from app.domain import calendar, money

WITHDRAWN = {"ANG": 2, "BGN": 2, "HRK": 2}
"""Currencies that have left ISO 4217, with their decimals. Programs with past sales in them must still compile."""


def plain(number: Decimal) -> str:
    """The shortest decimal text of a number, without an exponent: 1.50 is "1.5" and 200.00 is "200"."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def zones() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset(available_timezones())


def zone(name: object) -> ZoneInfo | None:
    """The time zone of this name; None if there is none."""
    return ZoneInfo(name) if isinstance(name, str) and name in zones() else None


def currency_decimals(currency: str) -> int | None:
    """How many decimals ISO 4217 gives a currency; None if it knows none of this code or no minor unit for it."""
    try:
        return Currency(currency).exponent
    except ValueError:
        return WITHDRAWN.get(currency)


def amounts(stated: Decimal | Mapping[str, Decimal], *, currencies: tuple[str, ...]) -> dict[str, Decimal]:
    """The amount of each currency; a single amount is one of the program's only currency."""
    return {currencies[0]: stated} if isinstance(stated, Decimal) else dict(stated)


def minor_units(amount: Decimal, *, decimals: int) -> int:
    """An amount in minor units. Raises money.BadAmount for too many decimals or too large an amount."""
    return money.minor_units(plain(amount), decimals=decimals)


def smallest_parts(value: Decimal, *, decimals: int) -> Fraction:
    """A value shown with a unit's decimals, in its smallest parts: 1.25 of a unit with two decimals is 125."""
    return Fraction(value) * Fraction(10**decimals)


def starts_at(moment: date | datetime, *, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, of a moment; a date begins when its day begins in the zone."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else calendar.start_of_day(moment, zone)


def ends_at(moment: date | datetime, *, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, after a period until this moment; a date still belongs to the period."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else calendar.end_of_day(moment, zone)
