"""Referrals: somebody gets something, of a unit or a reward that there is."""

from collections.abc import Iterator

from app.program.checking import names
from app.program.document import Bonus, FriendMilestone, Referrals
from app.program.parsing import Path, Problem
from app.program.parts import Parts


def check(referrals: Referrals, parts: Parts) -> Iterator[Problem]:
    """What is wrong with the bonuses for friends."""
    sides: tuple[tuple[str, Bonus | None], ...] = (("referrer", referrals.referrer), ("referee", referrals.referee))
    if all(bonus is None for _, bonus in sides) and not referrals.milestones:
        yield Problem(("referrals",), "must say what the referrer, the referee or both get")
    for side, bonus in sides:
        if bonus is not None:
            yield from _bonus(("referrals", side), bonus, parts)
    unit = None if referrals.referrer is None else referrals.referrer.unit
    for index, milestone in enumerate(referrals.milestones):
        yield from _milestone(("referrals", "milestones", index), milestone, unit, parts)
    if referrals.minimum is not None:
        yield from names.each_currency(("referrals", "minimum"), referrals.minimum, parts)


def _bonus(path: Path, bonus: Bonus, parts: Parts) -> Iterator[Problem]:
    if bonus.reward is not None:
        for name in ("unit", "points"):
            if getattr(bonus, name) is not None:
                yield Problem((*path, name), "must not stand beside reward: a reward is of no unit")
        if bonus.reward not in parts.rewards:
            yield Problem((*path, "reward"), "there is no such reward", names.nearest(bonus.reward, parts.rewards))
        return
    if bonus.unit is None or bonus.points is None:
        yield Problem(path, "must say what it gives: a unit and points, or a reward")
    if bonus.unit is not None:
        yield from names.known_unit((*path, "unit"), bonus.unit, parts)
        if bonus.points is not None:
            yield from names.whole_parts((*path, "points"), bonus.points, bonus.unit, parts)


def _milestone(path: Path, milestone: FriendMilestone, unit: str | None, parts: Parts) -> Iterator[Problem]:
    if (milestone.at is None) == (milestone.every is None):
        yield Problem(path, "must say for which friends: one of at and every")
    code = milestone.unit or unit
    if code is None:
        yield Problem(path, "must name the unit that it gives")
        return
    if milestone.unit is not None:
        yield from names.known_unit((*path, "unit"), code, parts)
    yield from names.whole_parts((*path, "points"), milestone.points, code, parts)
