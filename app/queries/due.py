"""Who has something due: members the worker must settle, a page at a time (semantics L7, K1)."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, exists, func, literal_column, or_, select, true, union
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading

HISTORY_REST = timedelta(minutes=15)
"""Members whose past was sent within this time are left alone: more of it may be on its way (semantics E7).

Their clock (`judged_at`) is behind their last recording.
"""

PARKED_LOOKED_AT = 1_000
"""Of so many parked events a round asks whether what they await has come: of those that lapse first.

So each is looked at before it lapses, however many there are.
"""


async def members(engine: AsyncEngine, *, program_id: bytes, now: datetime, limit: int) -> tuple[bytes, ...]:
    """Members with a hold that lapsed, a lot, account or tier whose time is over, a command or a parked event due.

    Also those with a parked event that can be released no more, since what it awaits came for somebody else.
    """
    o, s, r, p = t.open_lot.c, t.schedule.c, t.reservation.c, t.parked.c

    def due(table: Table, at: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Select[Any]:
        found = select(table.c.member_id).where(table.c.program_id == program_id, at <= now, *conditions)
        if conditions:
            found = _rested(found, table, now=now)
        return select(found.order_by(at).limit(limit).subquery().c.member_id)

    accounts = (
        select(some.where(_has_rested(now)).limit(limit).subquery().c.member_id)
        for some in accounts_due(program_id=program_id, now=now)
    )
    reviewed = tiers_due(program_id=program_id, now=now)
    query = union(
        *accounts,
        due(t.reservation, r.lapses_at, true()),
        due(t.open_lot, o.available_at, o.waiting),
        due(t.open_lot, o.expires_at, o.expires_at.is_not(None), o.remaining > o.reserved),
        due(t.schedule, s.due_at, true()),
        select(reviewed.where(_has_rested(now)).limit(limit).subquery().c.member_id),
        due(t.parked, p.lapses_at),
        parked_in_vain(program_id=program_id).limit(limit),
    )
    async with reading(engine) as connection:
        return tuple((await connection.execute(query.limit(limit))).scalars())


def tiers_due(*, program_id: bytes, now: datetime) -> Select[Any]:
    """Members of whom a tier is to be reviewed, ends, or is to be told to do so soon; soonest first."""
    m = t.member.c
    found = select(m.member_id).where(m.program_id == program_id, m.tiers_due_at.is_not(None), m.tiers_due_at <= now)
    return found.order_by(m.tiers_due_at)


def parked_in_vain(*, program_id: bytes) -> Select[Any]:
    """Members with a parked event that awaits one which is recorded, of somebody else (semantics E4).

    One look-up of an index for each parked event, whatever PostgreSQL believes of its tables.
    """
    p, v = t.parked.c, t.event.c
    first = (
        select(p.member_id, p.awaits_source, p.awaits_kind, p.awaits_key)
        .where(p.program_id == program_id)
        .order_by(p.lapses_at)
        .limit(PARKED_LOOKED_AT)
        .subquery()
    )
    awaited = (
        select(v.member_id)
        .where(v.program_id == program_id, v.source == first.c.awaits_source)
        .where(v.kind == first.c.awaits_kind, v.key == first.c.awaits_key)
        .offset(literal_column("0"))
        .lateral("awaited")
    )
    return select(first.c.member_id).select_from(first.join(awaited, awaited.c.member_id != first.c.member_id))


def _rested(found: Select[Any], table: Table, *, now: datetime) -> Select[Any]:
    """Only of members whose past is not being sent."""
    m = t.member.c
    same = and_(m.program_id == table.c.program_id, m.member_id == table.c.member_id)
    return found.join(t.member, same).where(_has_rested(now))


def _has_rested(now: datetime) -> ColumnElement[bool]:
    m = t.member.c
    return or_(m.judged_at >= m.recorded_at, m.recorded_at <= now - HISTORY_REST)


def accounts_due(*, program_id: bytes, now: datetime) -> tuple[Select[Any], Select[Any]]:
    """Members of whom an account has ended, and of whom an end is to be told; in that order, soonest first.

    Only where a lot is left to which it matters: what a hold keeps, or an opening dated, may outlive the account.
    """
    o, m, a = t.open_lot.c, t.member.c, t.account.c
    of_account = and_(o.program_id == a.program_id, o.member_id == a.member_id, o.unit == a.unit)
    free = and_(of_account, o.remaining > o.reserved)
    untold = or_(a.told_until.is_(None), func.coalesce(o.expires_at, a.active_until) > a.told_until)
    whose = (
        select(a.member_id)
        .join(t.member, and_(m.program_id == a.program_id, m.member_id == a.member_id))
        .where(a.program_id == program_id)
    )
    ended = whose.where(
        a.active_until.is_not(None), a.active_until <= now, exists().where(free, o.expires_at.is_(None))
    )
    noticed = whose.where(a.notice_at.is_not(None), a.notice_at <= now, exists().where(free, untold))
    return ended.order_by(a.active_until), noticed.order_by(a.notice_at)
