"""Bringing a friend: claimed at enrolment, qualified by a first purchase, rewarded on both sides (semantics F)."""

from datetime import datetime
from enum import StrEnum

from app.domain import calendar, chain
from app.domain.commands import Purchase, ReferralBonus
from app.domain.rules import Rules
from app.domain.state import MemberState, ReferralState, Scheduled


class Side(StrEnum):
    """Whose bonus it is."""

    REFERRER = "referrer"
    REFEREE = "referee"


def claimed(state: MemberState, *, referrer: bytes, rules: Rules, occurred_at: datetime) -> MemberState:
    """The new member named a friend; once, for life (semantics F1). It lapses if no purchase qualifies in time (F2)."""
    lapses_at = None
    if rules.referrals is not None:
        day = calendar.add(calendar.local_day(occurred_at, rules.zone), rules.referrals.lapse)
        lapses_at = calendar.end_of_day(day, rules.zone)
    return state._replace(referrer=referrer, referral=ReferralState.CLAIMED, referral_lapses_at=lapses_at)


def qualified(
    state: MemberState, purchase: Purchase, rules: Rules, *, occurred_at: datetime, due_at: datetime, cause: bytes
) -> tuple[MemberState, tuple[Scheduled, ...]]:
    """The first purchase of at least the minimum earns each side its bonus (semantics F2, F5).

    The bonuses are scheduled commands, due at once: the referrer is another member, whose lock is not held here.
    """
    terms = rules.referrals
    if terms is None or state.referral is not ReferralState.CLAIMED or state.referrer is None:
        return state, ()
    minimum = terms.minimum.get(purchase.currency)
    if minimum is None or purchase.total < minimum:
        return state, ()
    if state.referral_lapses_at is not None and occurred_at >= state.referral_lapses_at:
        return state, ()
    sides = ((Side.REFERRER, state.referrer, terms.referrer), (Side.REFEREE, state.id, terms.referee))
    scheduled = tuple(
        _bonus(side, member, *bonus, referee=state.id, due_at=due_at, version=rules.version, cause=cause)
        for side, member, bonus in sides
        if bonus is not None
    )
    after = ReferralState.QUALIFIED if terms.referee is not None else ReferralState.REWARDED
    return state._replace(referral=after), scheduled


def rewarded(state: MemberState, bonus: ReferralBonus) -> MemberState:
    """The referee's own bonus closes the referral; the referrer's leaves the referrer's state alone."""
    if bonus.side == Side.REFEREE:
        return state._replace(referral=ReferralState.REWARDED)
    return state


def _bonus(
    side: Side,
    member: bytes,
    unit: str,
    points: int,
    *,
    referee: bytes,
    due_at: datetime,
    version: int,
    cause: bytes,
) -> Scheduled:
    facts = ReferralBonus(side=side.value, referee=referee, unit=unit, points=points)
    return Scheduled(
        member_id=member,
        due_at=due_at,
        key=f"ref:{referee.hex()}:{side.value}:1",
        kind=ReferralBonus.kind,
        facts=chain.encode_facts(facts),
        rules_version=version,
        cause=cause,
    )
