"""What persons asked to give or take by hand, with what became of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import adjustments as rows
from app.db import tables as t
from app.db.transactions import reading
from app.domain.adjusting import Proposal, Standing

_a, _v, _p = t.adjustment.c, t.event.c, t.particulars.c


async def find(engine: AsyncEngine, id: bytes, *, program_id: bytes) -> Proposal | None:
    """The adjustment, with its note wherever that lies now."""
    return await _first(engine, _adjustments(program_id).where(_a.adjustment_id == id))


async def keyed(engine: AsyncEngine, key: str, *, program_id: bytes) -> Proposal | None:
    """The adjustment that was asked for under this key, or None."""
    return await _first(engine, _adjustments(program_id).where(_a.key == key))


async def page(
    engine: AsyncEngine,
    *,
    program_id: bytes,
    state: Standing | None,
    after: bytes | None,
    limit: int,
    now: datetime,
) -> tuple[Proposal, ...]:
    """Adjustments in the order in which they were asked for, of one state or of all."""
    query = _adjustments(program_id).order_by(_a.adjustment_id).limit(limit)
    if after is not None:
        query = query.where(_a.adjustment_id > after)
    if state is not None:
        query = query.where(*_standing(state, now))
    async with reading(engine) as connection:
        return tuple(rows.proposal(row) for row in await connection.execute(query))


def _standing(state: Standing, now: datetime) -> tuple[Any, ...]:
    """What is waiting or has lapsed is told apart by the clock."""
    if state is Standing.WAITING:
        return (_a.state == Standing.WAITING.value, _a.lapses_at > now)
    if state is Standing.LAPSED:
        return (_a.state == Standing.WAITING.value, _a.lapses_at <= now)
    return (_a.state == state.value,)


def _adjustments(program_id: bytes) -> Select[Any]:
    recorded = and_(_v.program_id == _a.program_id, _v.event_id == _a.event_id)
    beside = and_(_p.program_id == _v.program_id, _p.member_id == _v.member_id, _p.sequence == _v.sequence)
    columns = [column for column in rows.COLUMNS if column.name != "particulars"]
    return (
        select(*columns, func.coalesce(_p.body, _a.particulars).label("particulars"))
        .select_from(t.adjustment.outerjoin(t.event, recorded).outerjoin(t.particulars, beside))
        .where(_a.program_id == program_id)
    )


async def _first(engine: AsyncEngine, query: Select[Any]) -> Proposal | None:
    async with reading(engine) as connection:
        row = (await connection.execute(query)).first()
    return None if row is None else rows.proposal(row)
