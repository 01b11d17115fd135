"""A lane of blocks belongs to one process by lease; the block's unique number is what really keeps others out."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t
from app.domain.state import GENESIS

LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Lane:
    """Where this process's next block goes: after block `number`, whose hash is `head`."""

    program_id: bytes
    lane: int
    number: int
    head: bytes
    leased_until: datetime


async def lease(connection: AsyncConnection, *, program_id: bytes, owner: bytes, now: datetime) -> Lane:
    """Takes a lane that is ours or nobody's, or opens a new one. Raises Duplicate where another process was faster."""
    lanes, until = t.lane.c, now + LEASE
    free = (
        select(lanes.lane)
        .where(lanes.program_id == program_id, or_(lanes.owner == owner, lanes.leased_until < now))
        .order_by(lanes.lane)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    number = (await connection.execute(free)).scalar()
    if number is None:
        last = await connection.execute(select(func.max(lanes.lane)).where(lanes.program_id == program_id))
        number = (last.scalar() or 0) + 1
        await connection.execute(
            insert(t.lane).values(program_id=program_id, lane=number, owner=owner, leased_until=until)
        )
    else:
        await connection.execute(
            update(t.lane)
            .where(lanes.program_id == program_id, lanes.lane == number)
            .values(owner=owner, leased_until=until)
        )
    b = t.block.c
    last_block = (
        select(b.number, b.hash).where(b.program_id == program_id, b.lane == number).order_by(b.number.desc()).limit(1)
    )
    found = (await connection.execute(last_block)).first()
    return Lane(program_id, number, found.number if found else 0, found.hash if found else GENESIS, until)


async def release(connection: AsyncConnection, lane: Lane, *, owner: bytes, now: datetime) -> None:
    """Gives a lane up early, so that the next process to start takes it instead of opening another."""
    lanes = t.lane.c
    await connection.execute(
        update(t.lane)
        .where(lanes.program_id == lane.program_id, lanes.lane == lane.lane, lanes.owner == owner)
        .values(leased_until=now)
    )
