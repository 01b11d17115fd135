"""What every part is checked for: its unit and currency are known, and its numbers fit them."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches

from app.domain import money, points
from app.program import values
from app.program.parsing import Path, Problem
from app.program.parts import Parts

MAX_COMPARED = 100
"""Comparing costs about 0.1 ms a name, for each of up to a hundred mistakes."""


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that a mistyped one most resembles, if any does; none among more than MAX_COMPARED names."""
    close = get_close_matches(name[:64], known, n=1) if len(known) <= MAX_COMPARED else []
    return next(iter(close), None)


def nearest_zone(name: str) -> str | None:
    """The time zone that a mistyped name most resembles, if any does."""
    by_lower = {zone.lower(): zone for zone in sorted(values.zones())}
    close = get_close_matches(name[:64].lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def known_unit(path: Path, code: str, parts: Parts) -> Iterator[Problem]:
    """Tells a unit that the document does not have."""
    if code not in parts.units:
        yield Problem(path, "there is no such unit", nearest(code, parts.units.keys()))


def whole_parts(path: Path, value: Decimal, code: str, parts: Parts) -> Iterator[Problem]:
    """Tells an amount of points with more decimals than its unit has, or beyond all points."""
    unit = parts.units.get(code)
    if unit is not None and values.smallest_parts(value, decimals=unit.decimals).denominator != 1:
        yield Problem(path, f"has more decimals than the unit has, which is {unit.decimals}")
    yield from within_limit(path, value, code, parts)


def within_limit(path: Path, value: Decimal, code: str, parts: Parts) -> Iterator[Problem]:
    """Tells an amount beyond all points."""
    unit = parts.units.get(code)
    if unit is not None and values.smallest_parts(value, decimals=unit.decimals) > points.LIMIT:
        yield Problem(path, "is too large")


def each_currency(path: Path, stated: Decimal | Mapping[str, Decimal], parts: Parts) -> Iterator[Problem]:
    """Tells where a sum of money does not name an amount for each currency of the program."""
    if not parts.currencies:
        return
    if isinstance(stated, Decimal) and len(parts.currencies) > 1:
        yield Problem(path, f"must name an amount for each currency: {', '.join(parts.currencies)}")
    elif isinstance(stated, Decimal):
        yield from amount(path, stated, next(iter(parts.currencies)), parts)
    else:
        if missing := [code for code in parts.currencies if code not in stated]:
            yield Problem(path, f"must also name an amount for {', '.join(missing)}")
        for code, each in stated.items():
            yield from amount((*path, code), each, code, parts)


def amount(path: Path, stated: Decimal, currency: str, parts: Parts) -> Iterator[Problem]:
    """Tells a sum of money that its currency cannot express."""
    yield from listed(path, currency, parts)
    decimals = parts.currencies.get(currency)
    if decimals is None:
        return
    try:
        values.minor_units(stated, decimals=decimals)
    except money.BadAmount as bad:
        many = f"has more decimals than the currency has, which is {decimals}"
        yield Problem(path, many if bad.reason == "too_many_decimals" else "is too large")


def listed(path: Path, currency: str, parts: Parts) -> Iterator[Problem]:
    """Tells a currency that the program does not list."""
    if parts.currencies and currency not in parts.currencies:
        yield Problem(path, "the program does not list this currency", nearest(currency, parts.currencies.keys()))
