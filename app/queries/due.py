"""Who has something due: members the worker must settle, a page at a time (semantics L7, K1)."""

from datetime import datetime, timedelta

from sqlalchemy import and_, exists, or_, select, union
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading

HISTORY_REST = timedelta(minutes=15)
"""Members whose past was sent within this time are left alone: more of it may be on its way (semantics E7).

Their clock (`judged_at`) is behind their last recording.
"""


async def members(engine: AsyncEngine, *, program_id: bytes, now: datetime, limit: int) -> tuple[bytes, ...]:
    """Members with a hold that lapsed, a lot or account whose wait or life is over, a command or a parked event due."""
    o, s, m, r, p, a = t.open_lot.c, t.schedule.c, t.member.c, t.reservation.c, t.parked.c, t.account.c
    rested = or_(m.judged_at >= m.recorded_at, m.recorded_at <= now - HISTORY_REST)
    expired = (
        select(o.member_id)
        .join(t.member, and_(m.program_id == o.program_id, m.member_id == o.member_id))
        .where(o.program_id == program_id, o.expires_at.is_not(None), o.expires_at <= now, o.remaining > o.reserved)
        .where(rested)
        .order_by(o.expires_at)
        .limit(limit)
        .subquery()
    )
    waited = (
        select(o.member_id)
        .join(t.member, and_(m.program_id == o.program_id, m.member_id == o.member_id))
        .where(o.program_id == program_id, o.waiting, o.available_at <= now, rested)
        .order_by(o.available_at)
        .limit(limit)
        .subquery()
    )
    of_account = and_(o.program_id == a.program_id, o.member_id == a.member_id, o.unit == a.unit)
    ended = (
        select(a.member_id)
        .join(t.member, and_(m.program_id == a.program_id, m.member_id == a.member_id))
        .where(a.program_id == program_id, a.active_until.is_not(None), a.active_until <= now, rested)
        .where(exists().where(of_account, o.expires_at.is_(None), o.remaining > o.reserved))
        .order_by(a.active_until)
        .limit(limit)
        .subquery()
    )
    scheduled = (
        select(s.member_id)
        .where(s.program_id == program_id, s.due_at <= now)
        .order_by(s.due_at)
        .limit(limit)
        .subquery()
    )
    lapsed = (
        select(r.member_id)
        .join(t.member, and_(m.program_id == r.program_id, m.member_id == r.member_id))
        .where(r.program_id == program_id, r.lapses_at <= now, rested)
        .order_by(r.lapses_at)
        .limit(limit)
        .subquery()
    )
    parked = (
        select(p.member_id)
        .where(p.program_id == program_id, p.lapses_at <= now)
        .order_by(p.lapses_at)
        .limit(limit)
        .subquery()
    )
    found = (lapsed, waited, expired, ended, scheduled, parked)
    query = union(*(select(some.c.member_id) for some in found)).limit(limit)
    async with reading(engine) as connection:
        return tuple((await connection.execute(query)).scalars())
