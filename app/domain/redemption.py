"""Points spent: which unit, whether there are enough, and the debit (semantics L5, L6)."""

from app.domain import lots, messages
from app.domain.commands import Hold, Redemption
from app.domain.effects import Case, Effect
from app.domain.refusals import InsufficientPoints, NotSpendable, OfflineAllowance, Refused, UnknownUnit
from app.domain.rules import Rules
from app.domain.state import Account, MemberState
from app.domain.units import Unit


def redeem(state: MemberState, facts: Redemption, case: Case) -> Effect:
    """Points spent, judged by what is available now, not when it occurred (semantics E3, L6)."""
    owed = 0
    if facts.offline:
        unit, owed = _offline(state, facts, case)
    else:
        unit = checked(state, facts, case.rules)
    place = lots.Place(state.sequence + 1, 0)
    state, entry = lots.redeem(state, unit, facts.points, at=place, now=case.moment.judged_at, owed=owed)
    return Effect(state, (entry,), tells=((messages.REDEEMED, {"points": {unit.code: facts.points}}),))


def checked(state: MemberState, facts: Redemption | Hold, rules: Rules) -> Unit:
    """The unit to take the points from. Raises Refused where so many are not available (semantics L6)."""
    unit = _spendable(facts.unit, rules)
    account = state.accounts.get(unit.code)
    available = account.available if account is not None else 0
    if facts.points > available:
        raise Refused(InsufficientPoints(unit.code, asked=facts.points, available=available))
    return unit


def _offline(state: MemberState, facts: Redemption, case: Case) -> tuple[Unit, int]:
    """The unit, and how much of what a till gave out without a network is owed, up to the program's allowance (L6).

    Somebody who lets it in may go beyond.
    """
    unit = _spendable(facts.unit, case.rules)
    account = state.accounts.get(unit.code) or Account(unit.code)
    owed = max(0, facts.points - account.available)
    allowance = case.rules.offline_allowance.get(unit.code, 0)
    if owed and account.deficit + owed > allowance and not case.command.admitted_by:
        raise Refused(OfflineAllowance(unit.code, facts.points, account.available, allowance, account.deficit))
    return unit, owed


def _spendable(named: str | None, rules: Rules) -> Unit:
    """The unit that is named, or the only one there is to spend."""
    spendable = tuple(unit.code for unit in rules.units.values() if unit.spendable)
    code = named if named is not None else spendable[0] if len(spendable) == 1 else None
    if code is None or code not in rules.units:
        raise Refused(UnknownUnit(spendable))
    if code not in spendable:
        raise Refused(NotSpendable(code))
    return rules.units[code]
