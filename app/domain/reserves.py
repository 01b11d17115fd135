"""What holds keep of lots: reserving, drawing what is reserved, freeing it; each gives a new state (semantics L12)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.domain import lots
from app.domain.events import Draw, Entry
from app.domain.lots import OutOfRange, Place, draw_order
from app.domain.points import LIMIT
from app.domain.state import MemberState, OpenLot, Reserve


class Freed(NamedTuple):
    """Points that a hold kept and keeps no longer; the entry pays a deficit from them (semantics L9)."""

    points: int
    entry: Entry | None


def reserve(
    state: MemberState, unit: str, points: int, *, hold: int, hold_id: bytes, lapses_at: datetime, now: datetime
) -> MemberState:
    """Keeps points of active lots for a hold, soonest expiry first. The caller has checked what is available."""
    missing = points
    changed = []
    for lot in lots.active(state.lots, unit, now=now):
        if not missing:
            break
        taken = min(missing, lot.remaining - lot.reserved)
        if taken:
            missing -= taken
            kept = Reserve(hold, hold_id, taken, lapses_at)
            changed.append(lot._replace(reserves=(*lot.reserves, kept)))
    if missing:
        raise ValueError(f"{missing} of {points} {unit} are not in the open lots")
    account = state.accounts[unit]
    after = account._replace(held=account.held + points, next_due_at=lots.sooner(account.next_due_at, lapses_at))
    return lots.with_account(lots.with_lots(state, changed), after)


def kept(state: MemberState, hold: int) -> int:
    """What the hold of this number still keeps."""
    return sum(_kept(lot, hold) for lot in state.lots if lot.reserves)


def spend(state: MemberState, unit: str, points: int, *, hold: int, at: Place) -> tuple[MemberState, Entry]:
    """Draws points from what a hold keeps, in draw order. The caller has checked how much that is.

    Raises OutOfRange.
    """
    draws, changed, missing = [], [], points
    for lot in _of(state, hold):
        taken = min(missing, _kept(lot, hold))
        if taken:
            missing -= taken
            draws.append(Draw(lot.sequence, lot.position, taken))
            changed.append(_less(lot, hold, taken)._replace(remaining=lot.remaining - taken))
    if missing:
        raise ValueError(f"hold {hold} keeps {points - missing} of {points} {unit}")
    account = state.accounts[unit]
    after = account._replace(
        balance=account.balance - points,
        active=account.active - points,
        held=account.held - points,
        redeemed=account.redeemed + points,
    )
    if after.redeemed > LIMIT:
        raise OutOfRange(unit)
    state = lots.with_account(lots.with_lots(state, changed), after)
    return state, Entry(at.position, unit, -points, after.balance, draws=tuple(draws))


def free(state: MemberState, unit: str, *, hold: int, at: Place, instant: datetime) -> tuple[MemberState, Freed]:
    """Gives up what a hold keeps. An open deficit is paid from it (L9), and what has ended is due to expire then."""
    mine = list(_of(state, hold))
    points = sum(_kept(lot, hold) for lot in mine)
    freed = [_less(lot, hold, _kept(lot, hold)) for lot in mine]
    account, state = state.accounts[unit], lots.with_lots(state, freed)
    over = [lot for lot in freed if lots.ended(lots.in_account(lot, account), now=instant)]
    state, draws, left = lots.drain(state, freed, account.deficit)
    paid = account.deficit - left
    after = account._replace(
        held=account.held - points,
        active=account.active - paid,
        deficit=left,
        next_due_at=lots.sooner(account.next_due_at, instant if over else None),
    )
    state = lots.with_account(state, after)
    return state, Freed(points, Entry(at.position, unit, 0, after.balance, draws=draws) if paid else None)


def lapsed(state: MemberState, instant: datetime) -> Sequence[tuple[int, bytes, str]]:
    """The holds that have lapsed by an instant and still keep points: number, id and unit, in order."""
    return sorted({(r.hold, r.hold_id, lot.unit) for lot in state.lots for r in lot.reserves if r.lapses_at <= instant})


def _of(state: MemberState, hold: int) -> list[OpenLot]:
    return sorted([lot for lot in state.lots if lot.reserves and _kept(lot, hold)], key=draw_order)


def _kept(lot: OpenLot, hold: int) -> int:
    return sum([reserve.points for reserve in lot.reserves if reserve.hold == hold]) if lot.reserves else 0


def _less(lot: OpenLot, hold: int, points: int) -> OpenLot:
    """The lot, with so much less kept by the hold."""
    left = [r._replace(points=r.points - points) if r.hold == hold else r for r in lot.reserves]
    return lot._replace(reserves=tuple(r for r in left if r.points))
