"""Milestones: on a unit that there is, giving one thing, and never in a circle."""

from collections.abc import Iterator, Mapping

from app.program.checking import earning, names
from app.program.document import Milestone
from app.program.parsing import Path, Problem
from app.program.parts import Parts


def check(path: Path, milestone: Milestone, parts: Parts) -> Iterator[Problem]:
    """What is wrong with one milestone."""
    yield from names.known_unit((*path, "unit"), milestone.unit, parts)
    if (milestone.every is None) == (milestone.at is None):
        yield Problem(path, "must name either every or at")
    if milestone.every is not None:
        yield from names.whole_parts((*path, "every"), milestone.every, milestone.unit, parts)
    for index, total in enumerate(milestone.at or ()):
        yield from names.whole_parts((*path, "at", index), total, milestone.unit, parts)
    if milestone.at is not None and list(milestone.at) != sorted(set(milestone.at)):
        yield Problem((*path, "at"), "must go from low to high, each once")
    if milestone.consume:
        yield from _consumes(path, milestone, parts)
    yield from _gives((*path, "give"), milestone, parts)


def circles(milestones: tuple[tuple[Path, Milestone], ...]) -> Iterator[Problem]:
    """Tells where what a milestone gives comes round to the unit that it consumes: that might never end."""
    leads: dict[str, set[str]] = {}
    for _, one in milestones:
        if one.consume and one.give.unit is not None:
            leads.setdefault(one.unit, set()).add(one.give.unit)
    for path, one in milestones:
        if one.consume and one.give.unit is not None and one.unit in _reached(one.give.unit, leads):
            yield Problem((*path, "give", "unit"), "must not lead back to the unit that the milestone consumes")


def _reached(unit: str, leads: Mapping[str, set[str]]) -> set[str]:
    found, following = {unit}, {unit}
    while following:
        following = {next for one in following for next in leads.get(one, ())} - found
        found |= following
    return found


def _consumes(path: Path, milestone: Milestone, parts: Parts) -> Iterator[Problem]:
    if milestone.every is None:
        yield Problem((*path, "consume"), "needs every: so many are drawn each time")
    if milestone.in_ != "lifetime":
        yield Problem((*path, "in"), "must not stand beside consume: a card is full whenever it is")
    unit = parts.units.get(milestone.unit)
    if unit is not None and not unit.spendable and unit.expires == "never" and unit.pending is None:
        text = "draws on points of which each has its lot: let the unit be spendable, or expire"
        yield Problem((*path, "consume"), text)


def _gives(path: Path, milestone: Milestone, parts: Parts) -> Iterator[Problem]:
    given = milestone.give
    points = given.unit is not None or given.points is not None
    gifts = [name for name in ("reward", "tag", "tier") if getattr(given, name) is not None]
    if len(gifts) + points != 1:
        yield Problem(path, "must name one thing: a reward, a tag, a tier, or a unit and points")
        return
    if given.reward is not None and given.reward not in parts.rewards:
        yield Problem((*path, "reward"), "there is no such reward", names.nearest(given.reward, parts.rewards))
    if given.tier is not None:
        yield from earning.tier((*path, "tier"), given.tier, parts)
    if points:
        yield from _points(path, milestone, parts)


def _points(path: Path, milestone: Milestone, parts: Parts) -> Iterator[Problem]:
    given = milestone.give
    if given.unit is None or given.points is None:
        yield Problem(path, "must name both a unit and points")
        return
    yield from names.known_unit((*path, "unit"), given.unit, parts)
    yield from names.whole_parts((*path, "points"), given.points, given.unit, parts)
