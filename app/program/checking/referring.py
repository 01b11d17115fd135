"""Referrals: somebody gets something, of a unit that there is."""

from collections.abc import Iterator

from app.program.checking import names
from app.program.document import Bonus, Referrals
from app.program.parsing import Problem
from app.program.parts import Parts


def check(referrals: Referrals, parts: Parts) -> Iterator[Problem]:
    """What is wrong with the bonuses for friends."""
    sides: tuple[tuple[str, Bonus | None], ...] = (("referrer", referrals.referrer), ("referee", referrals.referee))
    if all(bonus is None for _, bonus in sides):
        yield Problem(("referrals",), "must say what the referrer, the referee or both get")
    for side, bonus in sides:
        if bonus is not None:
            yield from names.known_unit(("referrals", side, "unit"), bonus.unit, parts)
            yield from names.whole_parts(("referrals", side, "points"), bonus.points, bonus.unit, parts)
    if referrals.minimum is not None:
        yield from names.each_currency(("referrals", "minimum"), referrals.minimum, parts)
