"""A tier that a person sets: a floor until it is removed, or its date passes (semantics T4)."""

from app.domain import floors
from app.domain.commands import TierFloor
from app.domain.effects import Case, Effect
from app.domain.ladders import Ladder
from app.domain.refusals import NoTierFloor, Refused, UnknownTier, UntilPassed
from app.domain.rules import Rules
from app.domain.state import Floor, MemberState


def set_floor(state: MemberState, facts: TierFloor, case: Case) -> Effect:
    """Sets the floor of a ladder, in place of the one that a person set before, or removes that."""
    ladder, now = _ladder(facts, case.rules), case.moment.judged_at
    standing = floors.by_hand(state.floors, ladder.code)
    if facts.tier is None and not standing:
        raise Refused(NoTierFloor())
    if facts.until is not None and facts.until <= now:
        raise Refused(UntilPassed(now))
    left = floors.without(state.floors, standing, zone=case.rules.zone)
    if facts.tier is not None:
        sequence, at = state.sequence + 1, case.occurred_at
        mine = Floor(ladder.code, facts.tier, sequence, floors.BY_HAND, at, facts.until)
        left = floors.added(left, [mine], zone=case.rules.zone)
    return Effect(state._replace(floors=left))


def _ladder(facts: TierFloor, rules: Rules) -> Ladder:
    """The ladder that is meant: the one with the tier, or the only one. Nobody is given what everybody has."""
    for ladder in rules.ladders:
        if facts.ladder not in (None, ladder.code):
            continue
        codes = [tier.code for tier in ladder.tiers[1:]]
        if facts.tier in codes or (facts.tier is None and (facts.ladder is not None or len(rules.ladders) == 1)):
            return ladder
    known = tuple(f"{ladder.code}:{tier.code}" for ladder in rules.ladders for tier in ladder.tiers[1:])
    raise Refused(UnknownTier(known))
