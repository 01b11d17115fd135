"""Rows of adjustments that persons asked for, and counting what one of them asked for in a day."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import audit
from app.db import tables as t
from app.domain import encoding, typeid
from app.domain.adjusting import Day, Proposal, Standing
from app.domain.commands import Adjustment

_a = t.adjustment.c

COLUMNS = (
    _a.adjustment_id,
    _a.key,
    _a.member_id,
    _a.facts,
    _a.particulars,
    _a.digest,
    _a.requested_at,
    _a.state,
    _a.lapses_at,
    _a.decided_by,
    _a.decided_at,
    _a.event_id,
)


def proposal(row: Any) -> Proposal:
    """A row's value."""
    facts = encoding.decode_facts(Adjustment.kind, row.facts)
    assert isinstance(facts, Adjustment)
    return Proposal(
        id=row.adjustment_id,
        key=row.key,
        member_id=row.member_id,
        facts=facts,
        particulars=row.particulars,
        digest=row.digest,
        requested_at=row.requested_at,
        state=Standing(row.state),
        lapses_at=row.lapses_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        event_id=row.event_id,
    )


async def one_at_a_time(connection: AsyncConnection, *, program_id: bytes) -> None:
    """Lets whoever asks for adjustments in this program take turns, until the transaction ends.

    A person's day is counted after this: who asks twice at once is counted twice. Publishing waits, events do not.
    """
    query = select(t.program.c.program_id).where(t.program.c.program_id == program_id)
    await connection.execute(query.with_for_update(key_share=True))


async def keyed(connection: AsyncConnection, key: str, *, program_id: bytes) -> Proposal | None:
    """The adjustment asked for under this key, or None."""
    return await _first(connection, select(*COLUMNS).where(_a.program_id == program_id, _a.key == key))


async def locked(connection: AsyncConnection, id: bytes, *, program_id: bytes) -> Proposal | None:
    """The adjustment, whose row is locked: of two who decide at once one comes after the other."""
    query = select(*COLUMNS).where(_a.program_id == program_id, _a.adjustment_id == id)
    return await _first(connection, query.with_for_update())


async def day(
    connection: AsyncConnection, *, program_id: bytes, person: str, unit: str, starts_at: datetime, ends_at: datetime
) -> Day:
    """What a person asked for in a unit between two instants, without signs."""
    points = func.abs(_a.points)
    standing = case((_a.state != Standing.REJECTED.value, points), else_=0)
    query = select(func.coalesce(func.sum(points), 0), func.coalesce(func.sum(standing), 0)).where(
        _a.program_id == program_id,
        _a.requested_by == person,
        _a.requested_at >= starts_at,
        _a.requested_at < ends_at,
        _a.unit == unit,
    )
    asked, standing_points = (await connection.execute(query)).one()
    return Day(int(asked), int(standing_points))


async def add(connection: AsyncConnection, asked: Proposal, *, program_id: bytes) -> None:
    """A new adjustment."""
    await connection.execute(
        insert(t.adjustment).values(
            program_id=program_id,
            adjustment_id=asked.id,
            key=asked.key,
            member_id=asked.member_id,
            unit=asked.facts.unit,
            points=asked.facts.points,
            facts=encoding.encode_facts(asked.facts),
            particulars=asked.particulars,
            digest=asked.digest,
            requested_by=asked.requested_by,
            requested_at=asked.requested_at,
            state=asked.state.value,
            lapses_at=asked.lapses_at,
            decided_at=asked.decided_at,
        )
    )


async def decide(
    connection: AsyncConnection, asked: Proposal, verdict: Standing, *, program_id: bytes, by: str, now: datetime
) -> Proposal:
    """What a second person said; the adjustment as it is then."""
    await connection.execute(
        update(t.adjustment)
        .where(_a.program_id == program_id, _a.adjustment_id == asked.id)
        .values(state=verdict.value, decided_by=by, decided_at=now)
    )
    return replace(asked, state=verdict, decided_by=by, decided_at=now)


async def record(connection: AsyncConnection, id: bytes, *, program_id: bytes, event_id: bytes) -> None:
    """The event that came of it, beside which the note lies from now on: there alone it has to be erased."""
    await connection.execute(
        update(t.adjustment)
        .where(_a.program_id == program_id, _a.adjustment_id == id)
        .values(event_id=event_id, particulars=b"")
    )


async def note(
    connection: AsyncConnection, asked: Proposal, what: str, *, program_id: bytes, id: bytes, by: str, at: datetime
) -> None:
    """Writes down in the log of what was set up that a person asked for it, or decided."""
    facts = asked.facts
    await audit.note(
        connection,
        program_id=program_id,
        id=id,
        at=at,
        actor=by,
        action=f"adjustment.{what}",
        subject=typeid.encode(typeid.ADJUSTMENT, asked.id),
        details={"unit": facts.unit, "points": facts.points, "reason": facts.reason, "state": asked.state.value},
    )


async def _first(connection: AsyncConnection, query: Select[Any]) -> Proposal | None:
    row = (await connection.execute(query)).first()
    return None if row is None else proposal(row)
