"""Telling ahead of time that points will end: once for each unit and end (semantics L16)."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain import lots, units
from app.domain.calendar import Span
from app.domain.rules import Rules
from app.domain.state import Account, MemberState, OpenLot

NOTICE = "expiry_notice"


def armed(state: MemberState, rules: Rules, *, drew: bool, now: datetime) -> MemberState:
    """The state after an event, with when the next end of each account is to be told, now at the earliest.

    Where the event may have taken from lots or freed them (`drew`) it follows from all of them, which are loaded then;
    else from what stood and the lots that the event opened, its number being the next one.
    """
    for unit in rules.units.values():
        account = state.accounts.get(unit.code)
        if account is None or (unit.notice is None and account.notice_at is None) or _due(account, now):
            continue
        mine = [lot for lot in state.lots if lot.unit == unit.code and (drew or lot.sequence > state.sequence)]
        at = None
        if unit.notice is not None:
            at = _next(account, mine, unit.notice, drew=drew, now=now, zone=rules.zone)
        if at != account.notice_at:
            after = account._replace(notice_at=at, next_due_at=lots.sooner(account.next_due_at, at))
            state = lots.with_account(state, after)
    return state


def soonest(state: MemberState, account: Account) -> tuple[datetime, int] | None:
    """The next end of the account that has not been told, with the points that nobody keeps of it."""
    mine = [lot for lot in state.lots if lot.unit == account.unit]
    ends = _ends(account, mine)
    if not ends:
        return None
    end = min(ends)
    return end, sum(lot.remaining - lot.reserved for lot in mine if lots.in_account(lot, account).expires_at == end)


def left_by(end: datetime, state: MemberState, account: Account) -> int:
    """What would end then of what nobody keeps, once what waits until then has paid what is owed (semantics L9)."""
    mine = [lot for lot in state.lots if lot.unit == account.unit]
    later, _ = lots.repaid(mine, account.deficit, until=account.active_until, now=end)
    pairs = zip(mine, later, strict=True)
    return sum(
        min(lot.remaining - lot.reserved, then.remaining - then.reserved)
        for lot, then in pairs
        if lots.in_account(lot, account).expires_at == end
    )


def _due(account: Account, now: datetime) -> bool:
    """Whether something is about to be told, and will be seen to then."""
    return account.notice_at is not None and account.notice_at <= now


def _next(
    account: Account, mine: Iterable[OpenLot], notice: Span, *, drew: bool, now: datetime, zone: ZoneInfo
) -> datetime | None:
    ends = {end for end in _ends(account, mine) if end > now}
    if not drew and account.active_until is not None and _untold(account, account.active_until):
        ends = {account.active_until}
    at = max(units.notice_at(notice, ends_at=min(ends), zone=zone), now) if ends else None
    return at if drew or account.active_until is not None else lots.sooner(account.notice_at, at)


def _ends(account: Account, mine: Iterable[OpenLot]) -> set[datetime]:
    """When lots of which somebody could spend something end, as far as that has not been told."""
    ends = (lots.in_account(lot, account).expires_at for lot in mine if lot.remaining > lot.reserved)
    return {end for end in ends if end is not None and _untold(account, end)}


def _untold(account: Account, end: datetime) -> bool:
    return account.told_until is None or end > account.told_until
