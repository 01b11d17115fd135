"""What members may owe, and what may be adjusted and passed on: in units that can be spent."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from app.program.checking import names
from app.program.document import Adjustments, Transfers
from app.program.parsing import Path, Problem
from app.program.parts import Parts


def owed(place: Path, stated: Mapping[str, Decimal], parts: Parts) -> Iterator[Problem]:
    """What is wrong with how much members may owe."""
    for code, floor in stated.items():
        path: Path = (*place, code)
        yield from names.known_unit(path, code, parts)
        yield from names.whole_parts(path, floor, code, parts)
        unit = parts.units.get(code)
        if unit is not None and not unit.spendable:
            yield Problem(path, "nobody owes what cannot be spent")


def adjustments(adjustments: Adjustments, parts: Parts) -> Iterator[Problem]:
    """What is wrong with the terms of adjustments."""
    named = (("approval_above", adjustments.approval_above), ("daily_limit", adjustments.daily_limit))
    for name, stated in named:
        for code, most in stated.items():
            path: Path = ("adjustments", name, code)
            yield from names.known_unit(path, code, parts)
            yield from names.whole_parts(path, most, code, parts)


def transfers(transfers: Transfers, parts: Parts) -> Iterator[Problem]:
    """What is wrong with the terms of transfers."""
    for index, code in enumerate(transfers.units):
        path: Path = ("transfers", "units", index)
        yield from names.known_unit(path, code, parts)
        unit = parts.units.get(code)
        if unit is not None and not unit.spendable:
            yield Problem(path, "what cannot be spent is not passed on")
    for code, most in transfers.daily_limit.items():
        path = ("transfers", "daily_limit", code)
        yield from names.known_unit(path, code, parts)
        yield from names.whole_parts(path, most, code, parts)
        if code in parts.units and code not in transfers.units:
            yield Problem(path, "members cannot pass this unit on: list it in units")
