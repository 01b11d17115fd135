"""Replays, as they are read."""

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import replays as rows
from app.db import tables as t
from app.db.replays import Replay
from app.db.transactions import reading

__all__ = ["Replay", "find", "page"]

_r = t.replay.c


async def page(
    engine: AsyncEngine, *, program_id: bytes, endpoint_id: bytes, before: bytes | None, limit: int
) -> tuple[Replay, ...]:
    """The replays of an endpoint, newest first, with ids below `before`."""
    query = _of(program_id, endpoint_id).order_by(_r.replay_id.desc()).limit(limit)
    if before is not None:
        query = query.where(_r.replay_id < before)
    async with reading(engine) as connection:
        return tuple(rows.of(row) for row in await connection.execute(query))


async def find(engine: AsyncEngine, replay_id: bytes, *, program_id: bytes, endpoint_id: bytes) -> Replay | None:
    """The replay of an endpoint, or None."""
    async with reading(engine) as connection:
        row = (await connection.execute(_of(program_id, endpoint_id).where(_r.replay_id == replay_id))).first()
    return None if row is None else rows.of(row)


def _of(program_id: bytes, endpoint_id: bytes) -> "Select[tuple[object, ...]]":
    return select(*rows.columns()).where(_r.program_id == program_id, _r.endpoint_id == endpoint_id)
