"""Holds: what became of one, and what a member had on hold at an instant (semantics L12, L14)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.domain import chain, holds, lots
from app.domain.commands import Hold, Purchase
from app.domain.events import Recorded
from app.domain.state import Account, OpenLot, Reserve
from app.queries import events, past
from app.queries.balances import MemberAccounts
from app.queries.past import AsOf, Left, Written

PURCHASES = 500
"""So many purchases after a hold are looked at."""

MEMBERS = 500
"""Of so many members holds are looked at together."""

_NO_CLOCK = datetime.min.replace(tzinfo=UTC)
_e = t.event.c


async def paid_for(engine: AsyncEngine, hold: Recorded, *, program_id: bytes) -> tuple[Recorded, ...]:
    """The member's next purchases after a hold: those that it may have paid for."""
    query = (
        events.all_of(program_id)
        .where(_e.member_id == hold.member_id, _e.sequence > hold.sequence, _e.kind == Purchase.kind)
        .order_by(_e.sequence)
        .limit(PURCHASES)
    )
    return await events.read(engine, query, program_id=program_id)


async def accounts_then(engine: AsyncEngine, member_id: bytes, as_of: AsOf, *, program_id: bytes) -> MemberAccounts:
    """The member's accounts as they stood by the clock, with their lots; what a hold kept had not expired."""
    written = await past.written(engine, member_id, as_of, program_id=program_id)
    found, owed = await _standing(engine, member_id, written, as_of, program_id=program_id)
    accounts = (
        _account(unit, [lot for lot in found if lot.unit == unit], owed[unit], of_unit.until, as_of.instant)
        if unit in owed
        else _without_lots(unit, of_unit.points)
        for unit, of_unit in written.sums.items()
    )
    return MemberAccounts(0, tuple(accounts), found)


async def lots_then(
    engine: AsyncEngine,
    member_id: bytes,
    as_of: AsOf,
    *,
    program_id: bytes,
    after: tuple[int, int] | None,
    limit: int,
) -> tuple[OpenLot, ...]:
    """The lots of which something remained by the clock, in order of their credit entries, after the one named."""
    written = await past.written(engine, member_id, as_of, program_id=program_id)
    found, _ = await _standing(engine, member_id, written, as_of, program_id=program_id)
    shown = [lot for lot in found if after is None or lot[:2] > after][:limit]
    over = {unit: sums.until for unit, sums in written.sums.items() if sums.until and sums.until <= as_of.instant}
    return tuple(lots.lasting(lot, over.get(lot.unit)) for lot in shown)


async def kept_then(
    engine: AsyncEngine, members: Sequence[bytes], at: datetime, *, program_id: bytes
) -> Mapping[tuple[bytes, int, int], int]:
    """What holds of these members kept of each lot at an instant, by what had been recorded and by the clock.

    Lots are named by (member, sequence, position).
    """
    kept: Counter[tuple[bytes, int, int]] = Counter()
    query = events.all_of(program_id).where(_e.recorded_at > at - holds.LONGEST, _e.recorded_at <= at)
    for first in range(0, len(members), MEMBERS):
        some = query.where(_e.member_id.in_(members[first : first + MEMBERS])).order_by(_e.member_id, _e.sequence)
        found = await events.read(engine, some, program_id=program_id)
        for member_id, mine in groupby(found, key=lambda event: event.member_id):
            for (sequence, position), reserve in _open_holds(tuple(mine), now=at):
                kept[member_id, sequence, position] += reserve.points
    return kept


def _open_holds(mine: Sequence[Recorded], *, now: datetime) -> Iterator[tuple[tuple[int, int], Reserve]]:
    """What the holds among a member's events still keep of each lot."""
    purchases = [event for event in mine if event.kind == Purchase.kind]
    for hold in mine:
        if hold.kind == Hold.kind:
            own = [event for event in mine if event.about == hold.id]
            if holds.standing(hold, own, purchases, now=now).held:
                yield from _left(hold, own)


async def _standing(
    engine: AsyncEngine, member_id: bytes, written: Written, as_of: AsOf, *, program_id: bytes
) -> tuple[tuple[OpenLot, ...], dict[str, int]]:
    """All lots with what holds kept of each, once they had paid what was owed; with what was left of that by unit."""
    kept = await _kept_then(engine, member_id, as_of, program_id=program_id)
    found, left = [], {unit: sums.owed for unit, sums in written.sums.items() if sums.has_lots}
    for unit, owed in left.items():
        mine, left[unit] = _not_yet_owed([one for one in written.lots if one.lot.unit == unit], owed)
        if kept:  # by effect nobody keeps points, either, before they can be spent
            then = as_of.instant
            mine = [lot._replace(reserves=kept.get(lot[:2], ())) if lot.available_at <= then else lot for lot in mine]
        if owed > 0:
            mine, left[unit] = _paid(mine, owed, written.sums[unit].until, as_of.instant)
        found += [lot for lot in mine if lot.remaining]
    return tuple(sorted(found, key=lambda lot: lot[:2])), left


def _not_yet_owed(mine: Sequence[Left], owed: int) -> tuple[list[OpenLot], int]:
    """The lots, the last of them with what they had paid of debts that were to be made later; with what is owed."""
    if owed >= 0:
        return [lot for lot, _ in mine], owed
    found = []
    for lot, paid in reversed(mine):
        early = min(paid, -owed)
        owed += early
        found.append(lot._replace(remaining=lot.remaining + early))
    return found[::-1], owed


def _paid(mine: Iterable[OpenLot], owed: int, until: datetime | None, instant: datetime) -> tuple[list[OpenLot], int]:
    """An account's lots once they have paid what is owed, with what is left of that (semantics L9).

    Beside a debt, what was not kept had waited when that was written down. By effect it may also stand beside points
    that count, where it was reported later: they pay it.
    """
    left, owed = lots.repaid([lot._replace(waiting=not lot.reserves) for lot in mine], owed, until=until, now=instant)
    for place, lot in sorted(enumerate(left), key=lambda one: lots.draw_order(one[1])):
        if lots.is_active(lots.lasting(lot, until), now=instant):
            paid = min(owed, max(0, lot.remaining - lot.kept(instant)))
            owed, left[place] = owed - paid, lot._replace(remaining=lot.remaining - paid)
    return left, owed


def _account(unit: str, found: Iterable[OpenLot], owed: int, until: datetime | None, now: datetime) -> Account:
    mine = [lots.lasting(lot, until) for lot in found]
    active = sum(lot.remaining if lots.is_active(lot, now=now) else lot.kept(now) for lot in mine)
    pending = sum(lot.remaining for lot in mine if lot.available_at > now and not lots.ended(lot, now=now))
    held, deficit = sum(lot.kept(now) for lot in mine), max(0, owed)
    return Account(unit, active + pending - deficit, active, pending, held, deficit, active_until=until)


def _without_lots(unit: str, points: int) -> Account:
    owed = max(0, -points)  # taken, and nothing had been given yet
    return Account(unit, balance=points, active=points + owed, deficit=owed)


async def _kept_then(
    engine: AsyncEngine, member_id: bytes, as_of: AsOf, *, program_id: bytes
) -> dict[tuple[int, int], tuple[Reserve, ...]]:
    """What holds kept of each lot by what was written down; when they lapse, the clock says."""
    when = _e.recorded_at if as_of.by_recording else _e.effective_at
    mine = events.all_of(program_id).where(_e.member_id == member_id, when <= as_of.instant).order_by(_e.sequence)
    settled = func.max(func.least(_e.effective_at, _e.recorded_at))
    last = select(settled).where(_e.program_id == program_id, _e.member_id == member_id, when <= as_of.instant)
    recent = mine.where(_e.recorded_at > last.scalar_subquery() - holds.LONGEST)
    placed = await events.read(engine, recent.where(_e.kind == Hold.kind), program_id=program_id)
    if not placed:
        return {}
    about = recent.where(_e.about.in_([hold.id for hold in placed]))
    followers = await events.read(engine, about, program_id=program_id)
    purchases = await events.read(engine, recent.where(_e.kind == Purchase.kind), program_id=program_id)
    kept: dict[tuple[int, int], tuple[Reserve, ...]] = {}
    for hold in placed:
        own = [event for event in followers if event.about == hold.id]
        if holds.standing(hold, own, purchases, now=_NO_CLOCK).held:
            for lot, reserve in _left(hold, own):
                kept[lot] = (*kept.get(lot, ()), reserve)
    return kept


def _left(hold: Recorded, followers: Iterable[Recorded]) -> Iterator[tuple[tuple[int, int], Reserve]]:
    """What a hold that is open keeps of each lot: what was kept at first less what was captured."""
    made = holds.placed(hold)
    left = {(sequence, position): points for sequence, position, points in made.lots}
    for event in followers:
        for entry in event.entries:
            for draw in entry.draws:
                left[draw.lot_sequence, draw.lot_position] -= draw.points
    for lot, points in left.items():
        if points:
            yield lot, Reserve(hold.sequence, hold.id, points, chain.instant(made.lapses_at))
