"""Ladders: on a unit that cannot be spent, from low to high."""

from collections.abc import Iterator

from app.program.checking import names
from app.program.document import Ladder, Level
from app.program.parsing import Path, Problem
from app.program.parts import Parts


def check(path: Path, ladder: Ladder, parts: Parts) -> Iterator[Problem]:
    """What is wrong with one ladder."""
    yield from names.known_unit((*path, "unit"), ladder.unit, parts)
    unit = parts.units.get(ladder.unit)
    if unit is not None and unit.spendable:
        text = "tiers never stand on a unit that can be spent: give the unit spendable: false, or count another"
        yield Problem((*path, "unit"), text)
    lower: Level | None = None
    for index, level in enumerate(ladder.levels):
        place: Path = (*path, "levels", index)
        yield from names.whole_parts((*place, "from"), level.from_, ladder.unit, parts)
        if lower is None and level.from_ != 0:
            yield Problem((*place, "from"), "must be 0: the first tier is everybody's")
        if lower is not None and level.from_ <= lower.from_:
            yield Problem((*place, "from"), "must be more than the tier above it asks: tiers go from low to high")
        for code in level.multiply or ():
            yield from names.known_unit((*place, "multiply", code), code, parts)
        lower = level
