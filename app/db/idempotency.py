"""Writes without a natural key are made once per Idempotency-Key: the answer lies beside the effect (api C4)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t


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
