"""Ladders: on units that cannot be spent, or given only; from low to high; reviews that leave room for grace."""

from collections.abc import Iterator
from decimal import Decimal

from app.domain import calendar
from app.program import document
from app.program.checking import names
from app.program.document import Ladder, Level
from app.program.parsing import Path, Problem
from app.program.parts import Parts

_SHORTEST = {"day": 1, "week": 7, "month": 28, "quarter": 90, "half_year": 181, "year": 365}
"""Days of the shortest period of a kind."""


def check(path: Path, ladder: Ladder, parts: Parts) -> Iterator[Problem]:
    """What is wrong with one ladder."""
    yield from _units(path, ladder, parts)
    lower: Level | None = None
    for index, level in enumerate(ladder.levels):
        place: Path = (*path, "levels", index)
        yield from _asked(place, level, ladder, parts, lower=lower)
        if lower is not None:
            yield from _higher(place, level, ladder, index=index)
        for code in level.multiply or ():
            yield from names.known_unit((*place, "multiply", code), code, parts)
        seen: set[str] = set()
        for number, benefit in enumerate(level.benefits):
            if benefit.id in seen:
                yield Problem((*place, "benefits", number, "id"), "this id is taken by another one above")
            seen.add(benefit.id)
        lower = level
    yield from _times(path, ladder)


def _units(path: Path, ladder: Ladder, parts: Parts) -> Iterator[Problem]:
    if ladder.unit is not None and ladder.units is not None:
        yield Problem((*path, "units"), "must not stand beside unit: name one unit or several")
    named: list[tuple[Path, str]] = [((*path, "unit"), ladder.unit)] if ladder.unit is not None else []
    named += [((*path, "units", index), code) for index, code in enumerate(ladder.units or ())]
    for place, code in named:
        yield from names.known_unit(place, code, parts)
        unit = parts.units.get(code)
        if unit is not None and unit.spendable:
            text = "tiers never stand on a unit that can be spent: give the unit spendable: false, or count another"
            yield Problem(place, text)


def _asked(path: Path, level: Level, ladder: Ladder, parts: Parts, *, lower: Level | None) -> Iterator[Problem]:
    place, units = (*path, "from"), ladder.counted
    if level.from_ is None and units:
        yield Problem(path, "must say from how much on the tier is reached (from), or that it is only given")
    if level.from_ is not None and not units and (lower is not None or level.from_ != 0):
        yield Problem(place, "is only for ladders that name a unit: the tiers of this one are given")
    if isinstance(level.from_, dict):
        for code, value in level.from_.items():
            if code not in units:
                yield Problem((*place, code), "the ladder does not count this unit", names.nearest(code, units))
            yield from names.whole_parts((*place, code), value, code, parts)
        if missing := [code for code in units if code not in level.from_]:
            yield Problem(place, f"must also say how much of {', '.join(missing)}")
    elif isinstance(level.from_, Decimal):
        if len(units) > 1 and level.from_:
            yield Problem(place, f"must say how much of each: {', '.join(units)}")
        for code in units:
            yield from names.whole_parts(place, level.from_, code, parts)
    asked = level.asked(units)
    if lower is None and units and level.from_ is not None and (asked is None or any(asked.values())):
        yield Problem(place, "must be 0: the first tier is everybody's")


def _higher(path: Path, level: Level, ladder: Ladder, *, index: int) -> Iterator[Problem]:
    """More than the last tier below it that asks for anything."""
    asked = level.asked(ladder.counted)
    below = [below.asked(ladder.counted) for below in ladder.levels[:index]]
    lower = next((one for one in reversed(below) if one is not None), None)
    if asked is None or lower is None or asked.keys() != lower.keys():
        return
    if not _above(asked, lower, ladder):
        yield Problem((*path, "from"), "must be more than the tier above it asks: tiers go from low to high")


def _above(asked: dict[str, Decimal], lower: dict[str, Decimal], ladder: Ladder) -> bool:
    """More of something and less of nothing; of each, where any will do."""
    if not asked:
        return True
    if ladder.join == "any":
        return all(asked[code] > lower[code] for code in asked)
    return all(asked[code] >= lower[code] for code in asked) and asked != lower


def _times(path: Path, ladder: Ladder) -> Iterator[Problem]:
    reviewed = isinstance(ladder.review, document.ReviewWithPeriod | document.ReviewAfter)
    if not reviewed:
        if ladder.grace is not None:
            yield Problem(
                (*path, "grace"), "is only for tiers that are reviewed at the end of a period or after a time"
            )
        if ladder.fall != "to_what_is_met":
            yield Problem((*path, "fall"), "is only for tiers that are reviewed at the end of a period or after a time")
        return
    lasts = _days(ladder)
    for name in ("grace", "expiring_notice"):
        span: calendar.Span | None = getattr(ladder, name)
        if span is not None and span.days >= lasts:
            yield Problem((*path, name), f"must be shorter than the time between reviews, which may be {lasts} days")


def _days(ladder: Ladder) -> int:
    """The shortest time between two reviews."""
    match ladder.review:
        case document.ReviewWithPeriod(at_end_of=every):
            return _SHORTEST[every]
        case document.ReviewAfter(after=after):
            return 28 * after.months + after.days
        case _:
            return 0
