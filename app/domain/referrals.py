"""Bringing a friend: claimed at enrolment, qualified by a first purchase, rewarded on both sides (semantics F)."""

from datetime import datetime
from enum import StrEnum

from app.domain import calendar, chain
from app.domain.commands import Purchase, ReferralBonus, ReferralReversal
from app.domain.rules import ReferralTerms, Rules
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
    state: MemberState,
    purchase: Purchase,
    rules: Rules,
    *,
    occurred_at: datetime,
    due_at: datetime,
    cause: bytes,
    silent: bool,
) -> tuple[MemberState, tuple[Scheduled, ...]]:
    """The first purchase of at least the minimum earns each side its bonus (semantics F2, F5).

    The bonuses are scheduled commands, due at once: the referrer is another member, whose lock is not held here. A
    `silent` one brings none, so none can be taken back (semantics E7).
    """
    terms = rules.referrals
    if terms is None or state.referral is not ReferralState.CLAIMED or state.referrer is None:
        return state, ()
    minimum = terms.minimum.get(purchase.currency)
    if minimum is None or purchase.total < minimum:
        return state, ()
    if state.referral_lapses_at is not None and occurred_at >= state.referral_lapses_at:
        return state, ()
    if silent:
        return state._replace(referral=ReferralState.REWARDED), ()
    round = state.referral_rounds + 1
    scheduled = tuple(
        _scheduled(
            f"ref:{state.id.hex()}:{side.value}:{round}",
            member,
            ReferralBonus(side.value, state.id, unit, points),
            rules,
            due_at=due_at,
            cause=cause,
        )
        for side, member, unit, points in _bonuses(state, state.referrer, terms)
    )
    after = ReferralState.QUALIFIED if terms.referee is not None else ReferralState.REWARDED
    state = state._replace(referral=after, referral_purchase=state.sequence + 1, referral_rounds=round)
    return state, scheduled


def unqualified(
    state: MemberState, rules: Rules, *, currency: str, total: int, due_at: datetime, cause: bytes, given_at: datetime
) -> tuple[MemberState, tuple[Scheduled, ...]]:
    """A return that leaves less of the purchase that qualified than the minimum takes the bonus back (semantics R5).

    `rules` are those that the purchase was judged by, `total` is what is left of it, `given_at` when the bonus was due.
    The friend may qualify again by a later purchase, until the referral lapses.
    """
    terms = rules.referrals
    if terms is None or state.referrer is None:
        return state, ()
    if total > 0 and total >= terms.minimum.get(currency, 0):
        return state, ()
    scheduled = tuple(
        _scheduled(
            f"rrv:{state.id.hex()}:{side.value}:{state.referral_rounds}",
            member,
            ReferralReversal(side.value, state.id, unit, points, chain.micros(given_at)),
            rules,
            due_at=due_at,
            cause=cause,
        )
        for side, member, unit, points in _bonuses(state, state.referrer, terms)
    )
    return state._replace(referral=ReferralState.CLAIMED, referral_purchase=None), scheduled


def rewarded(state: MemberState, bonus: ReferralBonus) -> MemberState:
    """The referee's own bonus closes the referral; the referrer's leaves the referrer's state alone."""
    if bonus.side == Side.REFEREE and state.referral is ReferralState.QUALIFIED:
        return state._replace(referral=ReferralState.REWARDED)
    return state


def _scheduled(
    key: str, member: bytes, facts: ReferralBonus | ReferralReversal, rules: Rules, *, due_at: datetime, cause: bytes
) -> Scheduled:
    return Scheduled(member, due_at, key, facts.kind, chain.encode_facts(facts), rules.version, cause)


def _bonuses(state: MemberState, referrer: bytes, terms: ReferralTerms) -> list[tuple[Side, bytes, str, int]]:
    sides = ((Side.REFERRER, referrer, terms.referrer), (Side.REFEREE, state.id, terms.referee))
    return [(side, member, *bonus) for side, member, bonus in sides if bonus is not None]
