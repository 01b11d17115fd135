"""Bringing a friend, step by step: claimed, qualified, rewarded; lapsed, held for a person (semantics F1, F2, F4).

All of it is the referee's state. What either side gets is in `bonuses`.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from app.domain import bonuses, calendar, encoding, messages, typeid
from app.domain.bonuses import Side
from app.domain.commands import Purchase, ReferralClaim, ReferralLapse, ReferralReview, Verdict
from app.domain.effects import Case, Effect
from app.domain.events import Recorded
from app.domain.posting import Moment, Tell
from app.domain.refusals import (
    AlreadyReferred,
    HasBought,
    HasReferred,
    NotInReview,
    OwnReferralCode,
    Refused,
    UnknownReferralCode,
)
from app.domain.rules import ReferralTerms, Rules
from app.domain.state import MemberState, ReferralState, Scheduled

APPROVED = "approved"
"""What `referral_review` says once somebody has looked: nobody has to look again."""

TOLD = 2
"""The engine number from which on shops are told of every step."""

REVIEW = "review"
"""Where an event's context tells why somebody has to look; and what a referral that is held is shown as."""


class Progress(NamedTuple):
    """What a step of a referral comes to: the referee's state, whom to tell, what follows, what was judged."""

    state: MemberState
    tells: tuple[Tell, ...] = ()
    schedules: tuple[Scheduled, ...] = ()
    context: Mapping[str, Any] = MappingProxyType({})


def held(state: MemberState) -> bool:
    """Whether somebody has to look at it first (semantics F4)."""
    return state.referral_review not in ("", APPROVED)


def reasons(state: MemberState) -> tuple[str, ...]:
    """Why somebody has to look at it."""
    return tuple(state.referral_review.split(",")) if held(state) else ()


def shown(state: MemberState, *, now: datetime) -> str:
    """How far it has come by the instant, as readers are told: what is held is in review, what is over has lapsed."""
    over = state.referral_lapses_at is not None and state.referral_lapses_at <= now
    if state.referral is ReferralState.CLAIMED and over:
        return ReferralState.LAPSED.value
    return REVIEW if held(state) else state.referral.value


def claim(state: MemberState, facts: ReferralClaim, case: Case) -> Effect:
    """A member names their friend after joining: once, before a first purchase, and before bringing anybody (F1).

    Both are locked, and no member who has brought others can be brought: so nobody is ever at both ends of a ring.
    """
    referrer = case.identities.get(facts.code.digest)
    if state.referrer is not None:
        raise Refused(AlreadyReferred(state.referral_claimed_at, shown(state, now=case.moment.judged_at)))
    if referrer is None:
        raise Refused(UnknownReferralCode())
    if referrer == state.id:
        raise Refused(OwnReferralCode())
    if case.beside.friends.refers:
        raise Refused(HasReferred())
    if state.purchases:
        raise Refused(HasBought(state.purchases))
    after, tells, schedules, context = claimed(state, referrer, case)
    return Effect(after, context={"referrer": referrer.hex(), **context}, tells=tells, schedules=schedules)


def claimed(state: MemberState, referrer: bytes, case: Case) -> Progress:
    """A friend is named; once, for life (semantics F1). It lapses if no purchase qualifies in time (F2)."""
    terms, zone = case.rules.referrals, case.rules.zone
    lapses_at = None
    if terms is not None:
        lapses_at = calendar.end_of_day(calendar.add(calendar.local_day(case.occurred_at, zone), terms.lapse), zone)
    why = case.beside.friends.reasons if terms is not None else ()
    state = state._replace(
        referrer=referrer,
        referral=ReferralState.CLAIMED,
        referral_lapses_at=lapses_at,
        referral_claimed_at=case.occurred_at,
        referral_review=",".join(why),
    )
    context = {REVIEW: list(why)} if why else {}
    if case.moment.silent:
        return Progress(state, context=context)
    schedules = () if lapses_at is None else (_lapse(state, case, due_at=lapses_at),)
    tell = messages.REFERRAL_HELD if why else messages.CLAIMED
    return Progress(state, _tells(tell, state, case.moment), schedules, context)


def qualified(state: MemberState, purchase: Purchase, case: Case) -> Progress:
    """The first purchase of at least the minimum earns each side its bonus, at once or after the wait (F2, F5).

    One that occurred in time and arrives after the lapse still counts. A `silent` one brings no bonus, so that none can
    be taken back (semantics E7).
    """
    terms = case.rules.referrals
    if terms is None or not _qualifies(state, purchase, terms, occurred_at=case.occurred_at):
        return Progress(state)
    if case.moment.silent:
        return Progress(state._replace(referral=ReferralState.REWARDED, referral_review=""))
    why = () if state.referral_review == APPROVED else case.beside.friends.reasons
    all_of = tuple(dict.fromkeys((*reasons(state), *why)))
    state = state._replace(
        referral=ReferralState.QUALIFIED,
        referral_purchase=state.sequence + 1,
        referral_rounds=state.referral_rounds + 1,
        referral_due_at=_due_at(terms, case),
        referral_review=",".join(all_of) or state.referral_review,
        referral_version=case.rules.version if all_of else None,
    )
    context = {REVIEW: list(why)} if why else {}
    if all_of:
        return Progress(state, _tells(messages.REFERRAL_HELD, state, case.moment), context=context)
    tells = _tells(messages.QUALIFIED, state, case.moment)
    state, schedules = _rewarding(state, case.rules, due_at=case.moment.recorded_at, cause=case.command.id)
    return Progress(state, tells, schedules, context)


def unqualified(
    state: MemberState, earlier: Recorded, rules: Rules, case: Case, *, currency: str, left: int
) -> Progress:
    """A return that leaves less of the purchase that qualified than the minimum takes the bonus back (semantics R5).

    `rules` are those that the purchase was judged by, `left` is what is left of its total. The friend may qualify again
    by a later purchase, until the referral lapses; where nothing was given yet, nothing is taken.
    """
    terms, now = rules.referrals, case.moment.recorded_at
    if terms is None or (left > 0 and left >= terms.minimum.get(currency, 0)):
        return Progress(state)
    waiting = state.referral is ReferralState.QUALIFIED and (held(state) or terms.wait is not None)
    schedules = () if waiting else bonuses.reversals(state, rules, due_at=now, cause=case.command.id, given_at=earlier)
    state = state._replace(
        referral=ReferralState.CLAIMED, referral_purchase=None, referral_due_at=None, referral_version=None
    )
    if state.referral_lapses_at is not None and state.referral_lapses_at <= now:
        schedules += (_lapse(state, case, due_at=now),)
    tells = _tells(messages.REFERRAL_REVERSED, state, case.moment) if waiting and not held(state) else ()
    return Progress(state, tells, schedules)


def lapsed(state: MemberState, scheduled: Scheduled, moment: Moment) -> Progress | None:
    """No purchase has qualified in time (semantics F2); None where one has, or where it is over otherwise."""
    if state.referral is not ReferralState.CLAIMED:
        return None
    after = state._replace(referral=ReferralState.LAPSED, referral_review="")
    return Progress(after, _tells(messages.REFERRAL_LAPSED, after, moment))


def review(state: MemberState, facts: ReferralReview, case: Case) -> Effect:
    """A person has looked (semantics F4): it goes on as if it had never been held, or ends."""
    if (found := shown(state, now=case.moment.judged_at)) != REVIEW:
        raise Refused(NotInReview(found))
    purchase, version = state.referral_purchase, state.referral_version
    if facts.verdict is Verdict.REJECT:
        state = state._replace(
            referral=ReferralState.REJECTED,
            referral_review="",
            referral_purchase=None,
            referral_due_at=None,
            referral_version=None,
        )
        return Effect(state, tells=_tells(messages.REFERRAL_REVERSED, state, case.moment))
    state = state._replace(referral_review=APPROVED, referral_version=None)
    if purchase is None or version is None:
        return Effect(state, tells=_tells(messages.CLAIMED, state, case.moment))
    tells, rules = _tells(messages.QUALIFIED, state, case.moment), case.moment.versions.numbered(version)
    state, schedules = _rewarding(state, rules, due_at=case.moment.recorded_at, cause=case.command.id)
    return Effect(state, tells=tells, schedules=schedules)


def _rewarding(
    state: MemberState, rules: Rules, *, due_at: datetime, cause: bytes
) -> tuple[MemberState, tuple[Scheduled, ...]]:
    """What is to be given: each side's bonus at once; or after the wait the referee's, which brings the other's.

    They are scheduled commands, also where they are due at once: the referrer's lock is not held here.
    """
    terms = rules.referrals
    assert terms is not None
    if state.referral_due_at is not None:
        due = max(due_at, state.referral_due_at)
        return state, (bonuses.scheduled(state, Side.REFEREE, rules, due_at=due, cause=cause),)
    sides = [side for side in Side if bonuses.of_side(terms, side) is not None]
    after = ReferralState.QUALIFIED if Side.REFEREE in sides else ReferralState.REWARDED
    schedules = tuple(bonuses.scheduled(state, side, rules, due_at=due_at, cause=cause) for side in sides)
    return state._replace(referral=after), schedules


def _qualifies(state: MemberState, purchase: Purchase, terms: ReferralTerms, *, occurred_at: datetime) -> bool:
    if state.referral not in (ReferralState.CLAIMED, ReferralState.LAPSED) or state.referrer is None:
        return False
    minimum = terms.minimum.get(purchase.currency)
    if minimum is None or purchase.total < minimum:
        return False
    return state.referral_lapses_at is None or occurred_at < state.referral_lapses_at


def _due_at(terms: ReferralTerms, case: Case) -> datetime | None:
    """When the reward falls due where it waits: at the end of the last day on which goods may come back."""
    if terms.wait is None:
        return None
    zone = case.rules.zone
    ends = calendar.end_of_day(calendar.add(calendar.local_day(case.occurred_at, zone), terms.wait), zone)
    return max(ends, case.moment.recorded_at)


def _lapse(state: MemberState, case: Case, *, due_at: datetime) -> Scheduled:
    key, facts = f"rlp:{state.id.hex()}:{state.referral_rounds}", ReferralLapse()
    return Scheduled(
        state.id, due_at, key, facts.kind, encoding.encode_facts(facts), case.rules.version, case.command.id
    )


def _tells(type: str, state: MemberState, moment: Moment) -> tuple[Tell, ...]:
    """A message about the referral, to those who follow the referee."""
    if moment.engine < TOLD or state.referrer is None:
        return ()
    said: dict[str, Any] = {
        "state": state.referral.value,
        "referee": typeid.encode(typeid.MEMBER, state.id),
        "referrer": typeid.encode(typeid.MEMBER, state.referrer),
    }
    if held(state):
        said["reasons"] = list(reasons(state))
    if state.referral is ReferralState.CLAIMED and state.referral_lapses_at is not None:
        said["lapses_at"] = messages.time_text(state.referral_lapses_at)
    if state.referral is ReferralState.QUALIFIED and state.referral_due_at is not None:
        said["due_at"] = messages.time_text(state.referral_due_at)
    return ((type, said),)
