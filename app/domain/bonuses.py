"""What either side of a referral gets, and what is taken back of it (semantics F3, F5, R5)."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain import chain, dating, encoding, friends, gifts, lots, messages, typeid
from app.domain.commands import ReferralBonus, ReferralReversal
from app.domain.events import Entry, Recorded
from app.domain.lots import Place
from app.domain.posting import Moment, Tell
from app.domain.rules import ReferralGift, ReferralTerms, Rewarded, Rules
from app.domain.runs import Run
from app.domain.state import MemberState, OpenLot, ReferralState, Scheduled, StandingBonus
from app.domain.steps import Step

FIXED, CAPPED = "fixed", "capped"
"""What a bonus's step says of it: given, or beyond the cap."""

COUNTED = 2
"""The engine number from which on friends are counted for those who brought them."""


class Side(StrEnum):
    """Whose bonus it is."""

    REFERRER = "referrer"
    REFEREE = "referee"


def of_side(terms: ReferralTerms, side: Side) -> ReferralGift | None:
    """What a side gets for a friend; None where it gets nothing. Friends may be only counted, for milestones."""
    if side is Side.REFEREE:
        return terms.referee
    return terms.referrer or (ReferralGift() if terms.milestones else None)


def scheduled(state: MemberState, side: Side, rules: Rules, *, due_at: datetime, cause: bytes) -> Scheduled:
    """A side's bonus for the referral of this referee, under a key by which it happens once (semantics F5)."""
    assert rules.referrals is not None
    gift = of_side(rules.referrals, side) or ReferralGift()
    facts = ReferralBonus(side.value, state.id, gift.unit, gift.points, gift.reward)
    return Scheduled(
        _whose(state, side),
        due_at,
        _key("ref", state.id, side, state.referral_rounds),
        facts.kind,
        encoding.encode_facts(facts),
        rules.version,
        cause,
    )


def reversals(
    state: MemberState, rules: Rules, *, due_at: datetime, cause: bytes, given_at: Recorded
) -> tuple[Scheduled, ...]:
    """What takes each side's bonus back; `given_at` is the purchase by whose recording it was due (semantics R5)."""
    terms = rules.referrals
    assert terms is not None
    found = []
    for side in Side:
        gift = of_side(terms, side)
        if gift is not None:
            given = chain.micros(given_at.recorded_at)
            facts = ReferralReversal(side.value, state.id, gift.unit, gift.points, given, gift.reward)
            key = _key("rrv", state.id, side, state.referral_rounds)
            encoded = encoding.encode_facts(facts)
            found.append(Scheduled(_whose(state, side), due_at, key, facts.kind, encoded, rules.version, cause))
    return tuple(found)


def bonus_key(reversal: str) -> str:
    """The key of the bonus that a scheduled reversal takes back."""
    return "ref" + reversal.removeprefix("rrv")


def standing(bonus: Recorded) -> StandingBonus:
    """What a recorded bonus gave."""
    points = sum(int(value) for rule, _, what, value in bonus.steps if (rule, what) == ("referral", FIXED))
    capped = any(what == CAPPED for _, _, what, _ in bonus.steps)
    facts = encoding.decode_facts(bonus.kind, chain.decode_content(bonus.content).facts)
    assert isinstance(facts, ReferralBonus)
    counted = bonus.engine >= COUNTED and facts.side == Side.REFERRER and not capped
    return StandingBonus(bonus.sequence, bonus.effective_at, points, counted, given=not capped)


def pay(state: MemberState, due: Scheduled, moment: Moment) -> Run | None:
    """A bonus that has fallen due (semantics F2); None where what it was for has come back while it waited.

    The referee's that has waited closes the referral, and brings the referrer's. Beyond the cap nothing is given, and
    the event says so (F3).
    """
    bonus = encoding.decode_facts(due.kind, due.facts)
    assert isinstance(bonus, ReferralBonus)
    rules = moment.versions.numbered(due.rules_version)
    terms = rules.referrals
    assert terms is not None
    if bonus.side == Side.REFEREE:
        if terms.wait is not None and not _stands(state, due):
            return None
        schedules = () if terms.wait is None else _others(state, due, rules)
        if state.referral is ReferralState.QUALIFIED:
            state = state._replace(referral=ReferralState.REWARDED, referral_due_at=None)
        return _given(state, bonus, due, rules, counted=False)._replace(schedules=schedules)
    if moment.engine < COUNTED:
        return _given(state, bonus, due, rules, counted=False)
    if friends.is_capped(state, rules, at=due.due_at):
        beyond = StandingBonus(state.sequence + 1, due.due_at, 0, given=False)
        state = state._replace(bonuses={**state.bonuses, due.key: beyond})
        said = {**_said({}, bonus), "capped": True}
        steps = (("referral", bonus.unit, CAPPED, str(bonus.points)),)
        return Run(state, tells=((messages.REWARDED, said),), steps=steps)
    return friends.one_more(_given(state, bonus, due, rules, counted=True), rules, due, moment)


def take_back(state: MemberState, due: Scheduled, moment: Moment) -> Run:
    """A bonus taken back (semantics R5); what is no longer there is forgiven, unless the rules say otherwise (F3)."""
    reversal = encoding.decode_facts(due.kind, due.facts)
    assert isinstance(reversal, ReferralReversal)
    rules = moment.versions.numbered(due.rules_version)
    assert rules.referrals is not None
    given = state.bonuses.get(bonus_key(due.key)) or _by_lot(state, reversal)
    wanted, entry = min(given.points, reversal.points), None
    if wanted and reversal.unit in state.accounts:
        unit, shortage, place = rules.units[reversal.unit], rules.referrals.shortage, Place(state.sequence + 1, 0)
        state, entry = lots.take(state, unit, wanted, own={given.sequence}, shortage=shortage, at=place, now=due.due_at)
    taken = -entry.points if entry is not None else 0
    tells: tuple[Tell, ...] = ((messages.REFERRAL_REVERSED, _said(_by_unit(reversal.unit, taken), reversal)),)
    if entry is not None:
        tells = ((messages.REVERSED, {"points": {reversal.unit: taken}}), *tells)
    steps: tuple[Step, ...] = (("referral", reversal.unit, "taken", str(taken)),)
    if taken < wanted:
        steps += (("referral", reversal.unit, "forgiven", str(wanted - taken)),)
    besides = gifts.moved(
        _gift(reversal) if given.given else (), (), rules, occurred_at=given.at, sequence=given.sequence
    )
    entries = () if entry is None else (entry,)
    run = Run(state, entries, (*tells, *besides.tells), steps, context=besides.context)
    return friends.one_less(run, rules, given.at, due, moment) if given.counted else run


def _given(state: MemberState, bonus: ReferralBonus, due: Scheduled, rules: Rules, *, counted: bool) -> Run:
    """The points and the reward of a bonus."""
    given = StandingBonus(state.sequence + 1, due.due_at, bonus.points, counted)
    state = state._replace(bonuses={**state.bonuses, due.key: given})
    entries: tuple[Entry, ...] = ()
    if bonus.points:
        unit = rules.units[bonus.unit]
        dates = dating.dates(unit, occurred_at=due.due_at, now=due.due_at, zone=rules.zone, joined=state.enrolled_at)
        state, entries = lots.credit_state(state, [(unit, bonus.points, dates)], now=due.due_at)
    points = {bonus.unit: bonus.points} if bonus.points else {}
    besides = gifts.give(_gift(bonus), rules, occurred_at=due.due_at, sequence=state.sequence + 1)
    tells: tuple[Tell, ...] = ((messages.REWARDED, _said(points, bonus)), *besides.tells)
    if points:
        tells = ((messages.EARNED, {"points": points}), *tells)
    steps = (("referral", bonus.unit, FIXED, str(bonus.points)),)
    return Run(state, entries, tells, steps, context=besides.context)


def _others(state: MemberState, due: Scheduled, rules: Rules) -> tuple[Scheduled, ...]:
    """The referrer's bonus, which the referee's brings once it has waited."""
    assert rules.referrals is not None
    if of_side(rules.referrals, Side.REFERRER) is None:
        return ()
    return (scheduled(state, Side.REFERRER, rules, due_at=due.due_at, cause=due.cause),)


def _stands(state: MemberState, due: Scheduled) -> bool:
    """Whether the purchase that qualified has stood until now. What is held is not scheduled before somebody looks."""
    this = _key("ref", state.id, Side.REFEREE, state.referral_rounds)
    return due.key == this and state.referral is ReferralState.QUALIFIED


def _by_lot(state: MemberState, reversal: ReferralReversal) -> StandingBonus:
    """The bonus as its lot tells: of several that may be it, the one that was posted last."""
    given_at = chain.instant(reversal.given_at)
    same = (lot.sequence for lot in state.lots if _is_bonus(lot, reversal, given_at))
    return StandingBonus(max(same, default=0), given_at, reversal.points)


def _is_bonus(lot: OpenLot, reversal: ReferralReversal, given_at: datetime) -> bool:
    return (lot.unit, lot.credited, lot.occurred_at) == (reversal.unit, reversal.points, given_at)


def _said(points: Mapping[str, int], facts: ReferralBonus | ReferralReversal) -> dict[str, Any]:
    return {"points": points, "side": facts.side, "referee": typeid.encode(typeid.MEMBER, facts.referee)}


def _gift(facts: ReferralBonus | ReferralReversal) -> tuple[gifts.Gained, ...]:
    return () if facts.reward is None else (("referral", Rewarded(facts.reward)),)


def _by_unit(unit: str, points: int) -> dict[str, int]:
    return {unit: points} if unit else {}


def _whose(state: MemberState, side: Side) -> bytes:
    assert state.referrer is not None
    return state.referrer if side is Side.REFERRER else state.id


def _key(prefix: str, referee: bytes, side: Side, round: int) -> str:
    return f"{prefix}:{referee.hex()}:{side.value}:{round}"
