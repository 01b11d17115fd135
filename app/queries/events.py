"""What was recorded: one event, a receipt, a member's statement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import hot, rows
from app.db import tables as t
from app.db.transactions import reading
from app.domain import following
from app.domain.commands import CLOCK
from app.domain.events import Recorded
from app.queries.past import AsOf, happened_at

_e = t.event.c


async def by_id(engine: AsyncEngine, event_id: bytes, *, program_id: bytes) -> Recorded | None:
    """The event with this id, or None."""
    found = await read(engine, all_of(program_id).where(_e.event_id == event_id), program_id=program_id)
    return found[0] if found else None


async def by_key(
    engine: AsyncEngine, *, program_id: bytes, source: str, key: str, kind: str | None
) -> tuple[Recorded, ...]:
    """What a source recorded under its own id: at most one event per kind (semantics E1)."""
    query = all_of(program_id).where(_e.source == source, _e.key == key)
    query = query.where(_e.kind == kind) if kind is not None else query.order_by(_e.kind).limit(50)
    return await read(engine, query, program_id=program_id)


async def about(engine: AsyncEngine, event_id: bytes, *, program_id: bytes) -> tuple[Recorded, ...]:
    """What was recorded about an event since, such as the returns of a purchase, in order."""
    query = all_of(program_id).where(_e.about == event_id).order_by(_e.sequence)
    return await read(engine, query, program_id=program_id)


async def followed(engine: AsyncEngine, event: Recorded, *, program_id: bytes) -> tuple[Recorded, ...]:
    """What followed on an event in the commit that recorded it, in order."""
    if event.source == CLOCK:
        return ()
    query = hot.behind().params(
        program_id=rows.uuid(program_id),
        member_ids=[rows.uuid(event.member_id)],
        sequences=[event.sequence],
        recorded_ats=[event.recorded_at],
    )
    later = await read(engine, query, program_id=program_id)
    return following.of(event, {one.sequence: one for one in later})


async def of_member(
    engine: AsyncEngine,
    member_id: bytes,
    *,
    program_id: bytes,
    before: int | None,
    limit: int,
    as_of: AsOf | None = None,
) -> tuple[Recorded, ...]:
    """A member's events, newest first, numbered below `before`; with `as_of` those that had happened by then."""
    query = all_of(program_id).where(_e.member_id == member_id)
    if as_of is not None:
        query = query.where(happened_at(as_of) <= as_of.instant)
    if before is not None:
        query = query.where(_e.sequence < before)
    return await read(engine, query.order_by(_e.sequence.desc()).limit(limit), program_id=program_id)


def all_of(program_id: bytes) -> Select[Any]:
    return select(*hot.EVENT_COLUMNS).where(_e.program_id == program_id)


async def read(engine: AsyncEngine, query: Select[Any], *, program_id: bytes) -> tuple[Recorded, ...]:
    async with reading(engine) as connection:
        found = (await connection.execute(query)).mappings().all()
        if not found:
            return ()
        names = [(row["member_id"], row["sequence"]) for row in found]
        entries = await _lines(connection, t.entry, names, program_id=program_id)
        draws = await _lines(connection, t.draw, names, program_id=program_id)
    return tuple(
        rows.recorded(row, entries.get(name, ()), draws.get(name, ())) for row, name in zip(found, names, strict=True)
    )


async def _lines(
    connection: AsyncConnection, table: Table, names: Sequence[tuple[bytes, int]], *, program_id: bytes
) -> dict[tuple[bytes, int], list[rows.Row]]:
    """The rows of these events in a table below `event`, in the order of their keys."""
    key = tuple_(table.c.member_id, table.c.sequence)
    query = (
        select(*table.c).where(table.c.program_id == program_id, key.in_(names)).order_by(*table.primary_key.columns)
    )
    grouped: dict[tuple[bytes, int], list[rows.Row]] = {}
    for row in (await connection.execute(query)).mappings():
        grouped.setdefault((row["member_id"], row["sequence"]), []).append(row)
    return grouped
