"""Which rule gave how much of what an event issued: read from the steps of its explanation."""

from collections.abc import Mapping

from app.domain import books
from app.domain.events import Recorded
from app.domain.steps import LIMITED

SCALE = 1_000_000
"""Parts of a smallest part in which is counted: the steps of an explanation have six decimals at most."""

ADDING = frozenset({"rate", "per_item", "fixed", "milestone"})
"""Steps whose number was added to the unit's sum."""

SUMMING = frozenset({"multiply", "round"})
"""Steps whose number is the unit's sum after them: they gave what it grew by, or took what it shrank by."""


TRIMMING = frozenset(LIMITED)
"""Steps whose number a cap took of what their rule gave."""


def of(event: Recorded) -> Mapping[tuple[str, str], int]:
    """What each rule gave of what an event issued, by rule and unit, in `SCALE`ths of a smallest part; "" rounding.

    What caps took of it is not among it, and counts off the rule that it was taken of (semantics A5).
    What no step accounts for (an adjustment, an opening) is in the name of the event's kind. The parts of a unit sum to
    what was issued of it.
    """
    issued: dict[str, int] = {}
    for entry in event.entries:
        way, points = books.way(event.kind, entry)
        if way == books.ISSUED and points:
            issued[entry.unit] = issued.get(entry.unit, 0) + points
    if not issued:
        return {}
    parts: dict[tuple[str, str], int] = {}
    running = dict.fromkeys(issued, 0)
    for rule, unit, what, number in event.steps:
        if unit not in issued or (number == "0" and what in ADDING):
            continue
        if what in ADDING:
            gave = _parts(number)
        elif what in SUMMING:
            gave = _parts(number) - running[unit]
        elif what in TRIMMING:
            gave = -_parts(number)
        else:
            continue
        running[unit] += gave
        parts[rule, unit] = parts.get((rule, unit), 0) + gave
    for unit, points in issued.items():
        rest = points * SCALE - running[unit]
        if rest:
            name = "" if running[unit] else event.kind
            parts[name, unit] = parts.get((name, unit), 0) + rest
    return parts


def _parts(number: str) -> int:
    whole, point, decimals = number.partition(".")
    if not point:
        return int(whole) * SCALE
    part = int(decimals.ljust(6, "0"))
    return int(whole) * SCALE + (-part if whole.startswith("-") else part)
