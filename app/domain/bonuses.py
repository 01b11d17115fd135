"""What either side of a referral gets, and what is taken back of it (semantics F3, F5, R5)."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.domain import chain, lots, messages, typeid
from app.domain.accrual import Step
from app.domain.commands import ReferralBonus, ReferralReversal
from app.domain.events import Entry, Recorded
from app.domain.posting import Moment, Tell
from app.domain.rules import ReferralTerms, Rules
from app.domain.state import MemberState, OpenLot, ReferralState, Scheduled, StandingBonus

Bonus = tuple[str, int]
"""A unit, and points of it; none of no unit ("") where only the count matters."""

NOTHING: Bonus = ("", 0)


class Side(StrEnum):
    """Whose bonus it is."""

    REFERRER = "referrer"
    REFEREE = "referee"


class Run(NamedTuple):
    """What a scheduled command comes to: the member's state, entries in order, whom to tell, why, what follows."""

    state: MemberState
    entries: tuple[Entry, ...] = ()
    tells: tuple[Tell, ...] = ()
    steps: tuple[Step, ...] = ()
    schedules: tuple[Scheduled, ...] = ()


def of_side(terms: ReferralTerms, side: Side) -> Bonus | None:
    """What a side gets for a friend; None where it gets nothing."""
    return terms.referrer if side is Side.REFERRER else terms.referee


def scheduled(state: MemberState, side: Side, rules: Rules, *, due_at: datetime, cause: bytes) -> Scheduled:
    """A side's bonus for the referral of this referee, under a key by which it happens once (semantics F5)."""
    assert rules.referrals is not None
    unit, points = of_side(rules.referrals, side) or NOTHING
    facts = ReferralBonus(side.value, state.id, unit, points)
    return Scheduled(
        _whose(state, side),
        due_at,
        _key("ref", state.id, side, state.referral_rounds),
        facts.kind,
        chain.encode_facts(facts),
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
        unit, points = of_side(terms, side) or NOTHING
        if of_side(terms, side) is not None:
            facts = ReferralReversal(side.value, state.id, unit, points, chain.micros(given_at.recorded_at))
            key = _key("rrv", state.id, side, state.referral_rounds)
            encoded = chain.encode_facts(facts)
            found.append(Scheduled(_whose(state, side), due_at, key, facts.kind, encoded, rules.version, cause))
    return tuple(found)


def bonus_key(reversal: str) -> str:
    """The key of the bonus that a scheduled reversal takes back."""
    return "ref" + reversal.removeprefix("rrv")


def standing(bonus: Recorded) -> StandingBonus:
    """What a recorded bonus gave."""
    points = sum(entry.points for entry in bonus.entries)
    return StandingBonus(bonus.sequence, points, not any(what == "capped" for _, _, what, _ in bonus.steps))


def pay(state: MemberState, due: Scheduled, moment: Moment) -> Run | None:
    """A bonus that has fallen due (semantics F2); None where what it was for has come back while it waited.

    The referee's that has waited closes the referral, and brings the referrer's.
    """
    bonus = chain.decode_facts(due.kind, due.facts)
    assert isinstance(bonus, ReferralBonus)
    rules = moment.versions.numbered(due.rules_version)
    waited = rules.referrals is not None and rules.referrals.wait is not None
    schedules: tuple[Scheduled, ...] = ()
    if bonus.side == Side.REFEREE:
        if waited:
            if due.key != _key("ref", state.id, Side.REFEREE, state.referral_rounds) or not _stands(state):
                return None
            if rules.referrals is not None and of_side(rules.referrals, Side.REFERRER) is not None:
                schedules = (scheduled(state, Side.REFERRER, rules, due_at=due.due_at, cause=due.cause),)
        if state.referral is ReferralState.QUALIFIED:
            state = state._replace(referral=ReferralState.REWARDED, referral_due_at=None)
    entries: tuple[Entry, ...] = ()
    if bonus.points:
        unit = rules.units[bonus.unit]
        dates = lots.dates(unit, occurred_at=due.due_at, now=due.due_at, zone=rules.zone)
        state, entries = lots.credit_state(state, [(unit, bonus.points, dates)], now=due.due_at)
    given = StandingBonus(state.sequence + 1, bonus.points)
    state = state._replace(bonuses={**state.bonuses, due.key: given})
    points = {bonus.unit: bonus.points} if bonus.points else {}
    tells: tuple[Tell, ...] = ((messages.REWARDED, _said(points, bonus)),)
    if points:
        tells = ((messages.EARNED, {"points": points}), *tells)
    steps = (("referral", bonus.unit, "fixed", str(bonus.points)),)
    return Run(state, entries, tells, steps, schedules)


def take_back(state: MemberState, due: Scheduled, moment: Moment) -> Run:
    """A bonus taken back (semantics R5); what is no longer there is forgiven, unless the rules say otherwise (F3)."""
    reversal = chain.decode_facts(due.kind, due.facts)
    assert isinstance(reversal, ReferralReversal)
    rules = moment.versions.numbered(due.rules_version)
    assert rules.referrals is not None
    given = state.bonuses.get(bonus_key(due.key)) or _by_lot(state, reversal)
    entry = None
    if reversal.points and reversal.unit in state.accounts:
        state, entry = lots.take(
            state,
            rules.units[reversal.unit],
            min(given.points, reversal.points),
            own={given.sequence},
            shortage=rules.referrals.shortage,
            at=lots.Place(state.sequence + 1, 0),
            now=due.due_at,
        )
    taken = -entry.points if entry is not None else 0
    tells: tuple[Tell, ...] = ((messages.REFERRAL_REVERSED, _said({reversal.unit: taken}, reversal)),)
    if entry is not None:
        tells = ((messages.REVERSED, {"points": {reversal.unit: taken}}), *tells)
    steps: tuple[Step, ...] = (("referral", reversal.unit, "taken", str(taken)),)
    if taken < reversal.points:
        steps += (("referral", reversal.unit, "forgiven", str(reversal.points - taken)),)
    return Run(state, () if entry is None else (entry,), tells, steps)


def _stands(state: MemberState) -> bool:
    """Whether the purchase that qualified has stood until now. What is held is not scheduled before somebody looks."""
    return state.referral is ReferralState.QUALIFIED and state.referral_purchase is not None


def _by_lot(state: MemberState, reversal: ReferralReversal) -> StandingBonus:
    """The bonus as its lot tells: of several that may be it, the one that was posted last."""
    given_at = chain.instant(reversal.given_at)
    same = (lot.sequence for lot in state.lots if _is_bonus(lot, reversal, given_at))
    return StandingBonus(max(same, default=0), reversal.points)


def _is_bonus(lot: OpenLot, reversal: ReferralReversal, given_at: datetime) -> bool:
    return (lot.unit, lot.credited, lot.occurred_at) == (reversal.unit, reversal.points, given_at)


def _said(points: dict[str, int], facts: ReferralBonus | ReferralReversal) -> dict[str, object]:
    return {"points": points, "side": facts.side, "referee": typeid.encode(typeid.MEMBER, facts.referee)}


def _whose(state: MemberState, side: Side) -> bytes:
    assert state.referrer is not None
    return state.referrer if side is Side.REFERRER else state.id


def _key(prefix: str, referee: bytes, side: Side, round: int) -> str:
    return f"{prefix}:{referee.hex()}:{side.value}:{round}"
