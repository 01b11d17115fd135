"""Who has something due: members the worker must settle, a page at a time (semantics L7, K1)."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select, union
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading

HISTORY_REST = timedelta(minutes=15)
"""Members whose past was sent within this time are left alone: more of it may be on its way (semantics E7).

Their clock (`judged_at`) is behind their last recording.
"""


async def members(engine: AsyncEngine, *, program_id: bytes, now: datetime, limit: int) -> tuple[bytes, ...]:
    """Members with a hold that lapsed, a lot or account whose wait or life is over, a command or a parked event due."""
    o, s, m, r, p = t.open_lot.c, t.schedule.c, t.member.c, t.reservation.c, t.parked.c
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
    accounts = (some.where(rested).limit(limit).subquery() for some in accounts_due(program_id=program_id, now=now))
    found = (lapsed, waited, expired, *accounts, scheduled, parked)
    query = union(*(select(some.c.member_id) for some in found)).limit(limit)
    async with reading(engine) as connection:
        return tuple((await connection.execute(query)).scalars())


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
