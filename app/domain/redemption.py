"""Points spent: which unit, whether there are enough, and the debit (semantics L5, L6)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.domain import lots, messages
from app.domain.commands import Hold, Redemption
from app.domain.effects import Case, Effect
from app.domain.refusals import InsufficientPoints, NotSpendable, OfflineAllowance, Refused, UnknownUnit
from app.domain.rules import Rules
from app.domain.state import Account, MemberState, OpenLot
from app.domain.units import Unit

AS_OF_THEN = 3
"""The engine since which a redemption made offline is judged by what the member had when it occurred."""


class _Judged(NamedTuple):
    """The lots to draw from, in order, and how much may be owed where they do not hold enough."""

    unit: Unit
    order: Sequence[OpenLot]
    owed: int = 0


def redeem(state: MemberState, facts: Redemption, case: Case) -> Effect:
    """Points spent: judged by what is available now, or for a till without a network then (semantics E3, L6)."""
    judge = _online if not facts.offline else _offline if case.moment.engine >= AS_OF_THEN else _offline_by_now
    judged = judge(state, facts, case)
    place, told = lots.Place(state.sequence + 1, 0), {"points": {judged.unit.code: facts.points}}
    state, entry = lots.redeem(state, judged.unit, facts.points, order=judged.order, at=place, owed=judged.owed)
    return Effect(state, (entry,), tells=((messages.REDEEMED, told),))


def checked(state: MemberState, facts: Redemption | Hold, rules: Rules) -> Unit:
    """The unit to take the points from. Raises Refused where so many are not available (semantics L6)."""
    unit = spendable(facts.unit, rules)
    account = state.accounts.get(unit.code)
    available = account.available if account is not None else 0
    if facts.points > available:
        raise Refused(InsufficientPoints(unit.code, asked=facts.points, available=available))
    return unit


def spendable(named: str | None, rules: Rules) -> Unit:
    """The unit that is named, or the only one there is to spend. Raises Refused."""
    known = tuple(unit.code for unit in rules.units.values() if unit.spendable)
    code = named if named is not None else known[0] if len(known) == 1 else None
    if code is None or code not in rules.units:
        raise Refused(UnknownUnit(known))
    if code not in known:
        raise Refused(NotSpendable(code))
    return rules.units[code]


def spent_at(case: Case) -> datetime:
    """When a till gave the goods out by its own clock, which may be a little ahead of ours."""
    return min(case.occurred_at, case.moment.judged_at)


def was_active(lot: OpenLot, *, then: datetime) -> bool:
    """Whether a lot was there, and active, when a till gave the goods out (semantics L6)."""
    return lot.occurred_at <= then and lots.is_active(lot, now=then)


def _online(state: MemberState, facts: Redemption, case: Case) -> _Judged:
    unit = checked(state, facts, case.rules)
    return _Judged(unit, lots.active(state.lots, unit.code, now=case.moment.judged_at))


def _offline(state: MemberState, facts: Redemption, case: Case) -> _Judged:
    """Covered by the lots that were active then, as far as they are unspent; the rest is short (semantics L6).

    What is short may be owed up to the program's allowance; somebody who lets it in may go beyond. Points that came
    since pay it at once, so that none of them stand free beside a deficit (L9). Lots that had ended since are open
    again by now (`reopening`), and nothing of them is left over.
    """
    unit, then = spendable(facts.unit, case.rules), spent_at(case)
    had = lots.active((lot for lot in state.lots if was_active(lot, then=then)), unit.code, now=then)
    covered = sum(lot.remaining - lot.reserved for lot in had)
    short = max(0, facts.points - covered)
    account = state.accounts.get(unit.code) or Account(unit.code)
    allowance = case.rules.offline_allowance.get(unit.code, 0)
    if short and account.deficit + short > allowance and not case.command.admitted_by:
        raise Refused(OfflineAllowance(unit.code, facts.points, covered, allowance, account.deficit))
    since = (lot for lot in state.lots if not was_active(lot, then=then))
    return _Judged(unit, (*had, *lots.active(since, unit.code, now=case.moment.judged_at)), short)


def _offline_by_now(state: MemberState, facts: Redemption, case: Case) -> _Judged:
    """As engines before `AS_OF_THEN` judged: by what is available when it is recorded."""
    unit = spendable(facts.unit, case.rules)
    account = state.accounts.get(unit.code) or Account(unit.code)
    owed = max(0, facts.points - account.available)
    allowance = case.rules.offline_allowance.get(unit.code, 0)
    if owed and account.deficit + owed > allowance and not case.command.admitted_by:
        raise Refused(OfflineAllowance(unit.code, facts.points, account.available, allowance, account.deficit))
    return _Judged(unit, lots.active(state.lots, unit.code, now=case.moment.judged_at), owed)
