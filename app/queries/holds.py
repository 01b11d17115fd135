"""Holds: what became of one, and what a member had on hold at an instant (semantics L12, L14)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading
from app.domain import holds
from app.domain.commands import Hold, Purchase
from app.domain.events import Recorded
from app.domain.state import Account, OpenLot, Reserve
from app.queries import events, past
from app.queries.balances import MemberAccounts
from app.queries.past import AsOf

FOREVER = datetime.max.replace(tzinfo=UTC)
PURCHASES = 500
"""So many purchases after a hold are looked at."""

_e = t.event.c


class _Kept(NamedTuple):
    """What a hold kept of a lot."""

    unit: str
    lot: tuple[int, int]
    points: int


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
    """The member's accounts as they stood, with what was on hold; what a hold kept had not expired."""
    then = await past.accounts(engine, member_id, as_of, program_id=program_id)
    kept = await _kept_then(engine, member_id, as_of, program_id=program_id)
    if not kept:
        return replace(then, accounts=tuple(map(_paid, then.accounts)))
    over = await _ended(engine, member_id, as_of, kept, program_id=program_id)
    return replace(then, accounts=tuple(_paid(_with(account, kept, over)) for account in then.accounts))


def _paid(account: Account) -> Account:
    """The account without what is owed beside points that count and nobody keeps: they had paid it (semantics L9).

    By the clock, also where that was written down only later.
    """
    paid = min(account.deficit, max(0, account.active - account.held))
    return account._replace(active=account.active - paid, deficit=account.deficit - paid) if paid else account


async def lots_then(
    engine: AsyncEngine, member_id: bytes, lots: Sequence[OpenLot], as_of: AsOf, *, program_id: bytes
) -> tuple[OpenLot, ...]:
    """Lots as they stood at an instant, with what holds kept of each."""
    kept: dict[tuple[int, int], int] = {}
    for one in await _kept_then(engine, member_id, as_of, program_id=program_id):
        kept[one.lot] = kept.get(one.lot, 0) + one.points
    return tuple(
        lot._replace(reserves=(Reserve(0, b"", kept[name], FOREVER),))
        if (name := (lot.sequence, lot.position)) in kept
        else lot
        for lot in lots
    )


def _with(account: Account, kept: Iterable[_Kept], over: frozenset[tuple[int, int]]) -> Account:
    mine = [one for one in kept if one.unit == account.unit]
    ended = sum(one.points for one in mine if one.lot in over)
    return account._replace(
        held=sum(one.points for one in mine), active=account.active + ended, balance=account.balance + ended
    )


async def _kept_then(engine: AsyncEngine, member_id: bytes, as_of: AsOf, *, program_id: bytes) -> tuple[_Kept, ...]:
    when = _e.recorded_at if as_of.by_recording else _e.effective_at
    recent = (
        events.all_of(program_id)
        .where(_e.member_id == member_id, when <= as_of.instant, _e.recorded_at > as_of.instant - holds.LONGEST)
        .order_by(_e.sequence)
    )
    placed = await events.read(engine, recent.where(_e.kind == Hold.kind), program_id=program_id)
    if not placed:
        return ()
    about = recent.where(_e.about.in_([hold.id for hold in placed]))
    followers = await events.read(engine, about, program_id=program_id)
    purchases = await events.read(engine, recent.where(_e.kind == Purchase.kind), program_id=program_id)
    kept: list[_Kept] = []
    for hold in placed:
        mine = [event for event in followers if event.about == hold.id]
        if holds.standing(hold, mine, purchases, now=as_of.instant).held:
            kept += _left(hold, mine)
    return tuple(kept)


def _left(hold: Recorded, followers: Iterable[Recorded]) -> list[_Kept]:
    """What a hold that is open keeps of each lot: what was kept at first less what was captured."""
    made = holds.placed(hold)
    left = {(sequence, position): points for sequence, position, points in made.lots}
    for event in followers:
        for entry in event.entries:
            for draw in entry.draws:
                left[draw.lot_sequence, draw.lot_position] -= draw.points
    return [_Kept(made.unit, lot, points) for lot, points in left.items() if points]


async def _ended(
    engine: AsyncEngine, member_id: bytes, as_of: AsOf, kept: Iterable[_Kept], *, program_id: bytes
) -> frozenset[tuple[int, int]]:
    """Those of the lots that had ended."""
    c = t.entry.c
    query = select(c.sequence, c.position).where(
        c.program_id == program_id,
        c.member_id == member_id,
        tuple_(c.sequence, c.position).in_({one.lot for one in kept}),
        c.expires_at <= as_of.instant,
    )
    async with reading(engine) as connection:
        return frozenset((sequence, position) for sequence, position in await connection.execute(query))
