"""Who has something due: members the worker must settle, a page at a time (semantics L7, K1)."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, or_, select, true, union
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading

HISTORY_REST = timedelta(minutes=15)
"""Members whose past was sent within this time are left alone: more of it may be on its way (semantics E7).

Their clock (`judged_at`) is behind their last recording.
"""


async def members(engine: AsyncEngine, *, program_id: bytes, now: datetime, limit: int) -> tuple[bytes, ...]:
    """Members with a hold that lapsed, a lot whose wait or life is over, a scheduled command or a parked event due."""
    o, s, r, p = t.open_lot.c, t.schedule.c, t.reservation.c, t.parked.c

    def due(table: Table, at: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Select[Any]:
        found = select(table.c.member_id).where(table.c.program_id == program_id, at <= now, *conditions)
        if conditions:
            found = _rested(found, table, now=now)
        return select(found.order_by(at).limit(limit).subquery().c.member_id)

    query = union(
        due(t.reservation, r.lapses_at, true()),
        due(t.open_lot, o.available_at, o.waiting),
        due(t.open_lot, o.expires_at, o.expires_at.is_not(None), o.remaining > o.reserved),
        due(t.schedule, s.due_at),
        due(t.parked, p.lapses_at),
    )
    async with reading(engine) as connection:
        return tuple((await connection.execute(query.limit(limit))).scalars())


def _rested(found: Select[Any], table: Table, *, now: datetime) -> Select[Any]:
    """Only of members whose past is not being sent."""
    m = t.member.c
    same = and_(m.program_id == table.c.program_id, m.member_id == table.c.member_id)
    return found.join(t.member, same).where(or_(m.judged_at >= m.recorded_at, m.recorded_at <= now - HISTORY_REST))
