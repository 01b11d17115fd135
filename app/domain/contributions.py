"""Which rule gave how much of what an event issued: read from the steps of its explanation."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from app.domain import books
from app.domain.events import Recorded

ADDING = frozenset({"rate", "per_item", "fixed"})
"""Steps whose number was added to the unit's sum."""

SUMMING = frozenset({"multiply", "round"})
"""Steps whose number is the unit's sum after them: they gave what it grew by, or took what it shrank by."""


def of(event: Recorded) -> Mapping[tuple[str, str], Fraction]:
    """What each rule gave of what an event issued, by rule and unit, in smallest parts; "" is the rounding.

    What no step accounts for (an adjustment, an opening) is in the name of the event's kind. The parts of a unit sum to
    what was issued of it.
    """
    issued: dict[str, int] = {}
    for entry in event.entries:
        way, points = books.way(event.kind, entry)
        if way == books.ISSUED and points:
            issued[entry.unit] = issued.get(entry.unit, 0) + points
    parts: dict[tuple[str, str], Fraction] = {}
    for unit, points in issued.items():
        running = Fraction(0)
        for rule, of_unit, what, number in event.steps:
            if of_unit != unit or what not in ADDING | SUMMING:
                continue
            value = Fraction(Decimal(number))
            gave = value if what in ADDING else value - running
            running += gave
            parts[rule, unit] = parts.get((rule, unit), Fraction(0)) + gave
        rest = points - running
        if rest:
            name = "" if running else event.kind
            parts[name, unit] = parts.get((name, unit), Fraction(0)) + rest
    return parts
