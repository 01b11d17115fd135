"""Deliveries of an endpoint, pending and ended, newest message first, and the attempts that were made."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, cast, literal_column, null, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading

PENDING = "pending"
EXAMINED = 1_000
"""Deliveries that one page of a filtered list looks at."""
ATTEMPTS = 100
"""Attempts that are shown of one delivery, the newest."""

_m, _p, _d, _a = t.message.c, t.pending_delivery.c, t.delivery.c, t.attempt.c


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What becomes of a message at an endpoint; pending, it has a next attempt, ended, an end."""

    message_id: bytes
    type: str | None
    created_at: datetime | None
    state: str
    attempts: int
    due_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries of an endpoint are asked for."""

    state: str | None = None
    type: str | None = None
    message_id: bytes | None = None

    @property
    def narrow(self) -> bool:
        """Whether some rows may have to be passed over."""
        return self.state is not None or self.type is not None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page, and the message behind which the next one begins; None at the end."""

    deliveries: tuple[DeliveryRow, ...]
    next: bytes | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt; `answer` holds the first bytes of what came back."""

    id: bytes
    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    outcome: str
    error: str | None
    answer: bytes


async def page(
    engine: AsyncEngine, *, program_id: bytes, endpoint_id: bytes, asked: Filter, before: bytes | None, limit: int
) -> DeliveryPage:
    """Deliveries of messages before one, newest first. A page of a filtered list may be short and not the last."""
    most = EXAMINED if asked.narrow else limit + 1
    query = examining(
        program_id=program_id, endpoint_id=endpoint_id, message_id=asked.message_id, before=before, most=most
    )
    async with reading(engine) as connection:
        found = [_row(row) for row in await connection.execute(query)]
    wanted = [row for row in _once(found) if asked.state in (None, row.state) and asked.type in (None, row.type)]
    if len(wanted) > limit:
        return DeliveryPage(tuple(wanted[:limit]), wanted[limit - 1].message_id)
    return DeliveryPage(tuple(wanted), found[-1].message_id if len(found) == most else None)


async def find(
    engine: AsyncEngine, message_id: bytes, *, program_id: bytes, endpoint_id: bytes
) -> tuple[DeliveryRow, tuple[AttemptRow, ...]] | None:
    """The delivery of a message to an endpoint, with its newest attempts, newest first; None if there is none."""
    asked = Filter(message_id=message_id)
    found = await page(engine, program_id=program_id, endpoint_id=endpoint_id, asked=asked, before=None, limit=1)
    if not found.deliveries:
        return None
    columns = [c for c in AttemptRow.__dataclass_fields__ if c != "id"]
    attempts = (
        select(_a.attempt_id.label("id"), *[_a[name] for name in columns])
        .where(_a.program_id == program_id, _a.endpoint_id == endpoint_id, _a.message_id == message_id)
        .order_by(_a.attempt_id.desc())
        .limit(ATTEMPTS)
    )
    async with reading(engine) as connection:
        rows = (await connection.execute(attempts)).mappings()
        return found.deliveries[0], tuple(AttemptRow(**row) for row in rows)


def examining(
    *, program_id: bytes, endpoint_id: bytes, message_id: bytes | None, before: bytes | None, most: int
) -> Select[Any]:
    """The newest deliveries before a message, along the keys of both tables; one pending again stands twice."""

    def newest(table: Table, *columns: Any) -> Any:
        d = table.c
        query = select(d.message_id, d.attempts, *columns).where(d.program_id == program_id)
        query = query.where(d.endpoint_id == endpoint_id).order_by(d.message_id.desc()).limit(most)
        if before is not None:
            query = query.where(d.message_id < before)
        if message_id is not None:
            query = query.where(d.message_id == message_id)
        return select(query.subquery())

    never = cast(null(), t.INSTANT)
    pending: Any = literal_column(f"'{PENDING}'")
    both = union_all(
        newest(t.pending_delivery, pending.label("state"), _p.due_at, never.label("finished_at")),
        newest(t.delivery, _d.state, never.label("due_at"), _d.finished_at),
    ).subquery("both")
    first = select(both).order_by(both.c.message_id.desc(), both.c.due_at.is_(None)).limit(most).subquery("first")
    message = (
        select(_m.type, _m.created_at)
        .where(_m.program_id == program_id, _m.message_id == first.c.message_id)
        .limit(1)  # so that each is looked up by itself
        .lateral("content")
    )
    joined = first.outerjoin(message, true())
    return select(first, *message.c).select_from(joined).order_by(first.c.message_id.desc(), first.c.due_at.is_(None))


def _once(rows: Iterable[DeliveryRow]) -> list[DeliveryRow]:
    """What is pending again counts as pending."""
    kept: dict[bytes, DeliveryRow] = {}
    for row in rows:
        kept.setdefault(row.message_id, row)
    return list(kept.values())


def _row(row: Any) -> DeliveryRow:
    return DeliveryRow(row.message_id, row.type, row.created_at, row.state, row.attempts, row.due_at, row.finished_at)
