"""Milestones as the core follows them."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from app.domain import rules, units
from app.program import document as documents
from app.program.compiling import amounts, earning, periods


def milestone(
    stated: documents.Milestone, known: Mapping[str, units.Unit], zone: ZoneInfo, ladders: Mapping[str, str]
) -> rules.Milestone:
    """One milestone of a document; `ladders` are those of its tiers."""
    decimals = known[stated.unit].decimals
    return rules.Milestone(
        code=stated.id,
        unit=stated.unit,
        gives=_gives(stated.give, known, zone, ladders),
        every=0 if stated.every is None else amounts.whole_parts(stated.every, decimals),
        at=tuple(amounts.whole_parts(total, decimals) for total in stated.at or ()),
        within=periods.within(stated.in_),
        consume=stated.consume,
    )


def _gives(
    given: documents.Given, known: Mapping[str, units.Unit], zone: ZoneInfo, ladders: Mapping[str, str]
) -> tuple[str, int] | rules.Gift:
    if given.reward is not None:
        return rules.Rewarded(given.reward)
    if given.tag is not None:
        return rules.Tagged(given.tag.name, given.tag.for_)
    if given.tier is not None:
        return earning.promoted(given.tier, ladders, zone)
    assert given.unit is not None, "a milestone gives something: reading refuses others"
    assert given.points is not None
    return given.unit, amounts.whole_parts(given.points, known[given.unit].decimals)
