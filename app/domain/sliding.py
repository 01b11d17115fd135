"""Accounts that end together, so long after the last event that counts: one instant on the account (semantics L10)."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain import lots, units
from app.domain.events import Entry
from app.domain.rules import Rules
from app.domain.state import Account, MemberState
from app.domain.units import Slides


def moved(
    state: MemberState, rules: Rules, *, kind: str, occurred_at: datetime, entries: Iterable[Entry], now: datetime
) -> MemberState:
    """The state after an event: the accounts in which something is left last until so long after it, if it counts.

    Whatever gives points begins it where nothing was left, or what a hold kept has outlived its end. No account ends
    sooner than before.
    """
    given = {entry.unit for entry in entries if entry.points > 0}
    for unit in rules.units.values():
        account = state.accounts.get(unit.code)
        if not isinstance(unit.expiry, Slides) or account is None or not (account.active or account.pending):
            continue
        begins = unit.code in given and (account.active_until is None or account.active_until <= now)
        if begins or kind in unit.expiry.events:
            state = lots.with_account(state, _lasting(account, unit.expiry, occurred_at=occurred_at, zone=rules.zone))
    return state


def _lasting(account: Account, slides: Slides, *, occurred_at: datetime, zone: ZoneInfo) -> Account:
    until = units.active_until(slides, occurred_at=occurred_at, zone=zone)
    if account.active_until is not None and until <= account.active_until:
        return account
    return account._replace(active_until=until, next_due_at=lots.sooner(account.next_due_at, until))
