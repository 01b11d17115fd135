"""Milestones as the core follows them."""

from collections.abc import Mapping

from app.domain import rules, units
from app.program import document as documents
from app.program.compiling import amounts, periods


def milestone(stated: documents.Milestone, known: Mapping[str, units.Unit]) -> rules.Milestone:
    """One milestone of a document."""
    decimals = known[stated.unit].decimals
    return rules.Milestone(
        code=stated.id,
        unit=stated.unit,
        gives=_gives(stated.give, known),
        every=0 if stated.every is None else amounts.whole_parts(stated.every, decimals),
        at=tuple(amounts.whole_parts(total, decimals) for total in stated.at or ()),
        within=periods.within(stated.in_),
        consume=stated.consume,
    )


def _gives(given: documents.Given, known: Mapping[str, units.Unit]) -> tuple[str, int] | rules.Rewarded:
    if given.reward is not None:
        return rules.Rewarded(given.reward)
    assert given.unit is not None, "a milestone gives something: reading refuses others"
    assert given.points is not None
    return given.unit, amounts.whole_parts(given.points, known[given.unit].decimals)
