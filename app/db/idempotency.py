"""Writes without a natural key are made once per Idempotency-Key: the answer lies beside the effect (api C4)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t
from app.db.transactions import Connection, Duplicate, Engine, operation, reading


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered the first time; a secret shown once is left out of it."""

    digest: bytes
    status: int
    location: str | None
    body: bytes


async def earlier(connection: AsyncConnection, *, program_id: bytes, key_id: bytes, key: str) -> Answer | None:
    """The answer kept under this key, or None."""
    i = t.idempotency.c
    query = select(i.digest, i.status, i.location, i.body).where(
        i.program_id == program_id, i.key_id == key_id, i.key == key
    )
    row = (await connection.execute(query)).first()
    return None if row is None else Answer(row.digest, row.status, row.location, row.body)


async def keep(
    connection: AsyncConnection, answer: Answer, *, program_id: bytes, key_id: bytes, key: str, now: datetime
) -> None:
    """Keeps the answer in the effect's own transaction. Raises Duplicate where another request was faster."""
    await connection.execute(
        insert(t.idempotency).values(
            program_id=program_id,
            key_id=key_id,
            key=key,
            digest=answer.digest,
            status=answer.status,
            location=answer.location,
            body=answer.body,
            created_at=now,
        )
    )


class KeyReused(Exception):
    """The Idempotency-Key was sent before with another body."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and under which Idempotency-Key with which body's digest."""

    program_id: bytes
    key_id: bytes
    actor: str
    key: str
    digest: bytes


async def once(
    engine: Engine,
    asked: Asked,
    answer: Answer,
    write: Callable[[Connection], Awaitable[None]],
    *,
    now: datetime,
) -> tuple[Answer, bool]:
    """Keeps the answer, and writes, once per Idempotency-Key; the answer kept, and whether it was made now.

    The answer is kept first, so that a copy waits for it, and is not judged by what the first one did.
    Raises KeyReused, or Duplicate where the same key is in flight elsewhere; what `write` raises undoes all.
    """
    kept = await _kept(engine, asked)
    if kept is not None:
        return kept, False
    try:
        async with operation(engine) as connection:
            await keep(connection, answer, program_id=asked.program_id, key_id=asked.key_id, key=asked.key, now=now)
            await write(connection)
    except Duplicate:
        kept = await _kept(engine, asked)
        if kept is None:
            raise
        return kept, False
    return answer, True


async def _kept(engine: Engine, asked: Asked) -> Answer | None:
    async with reading(engine) as connection:
        kept = await earlier(connection, program_id=asked.program_id, key_id=asked.key_id, key=asked.key)
    if kept is not None and kept.digest != asked.digest:
        raise KeyReused
    return kept
