"""Messages about the program itself, which no event brings: written in the transaction of what they tell."""

from datetime import datetime

from sqlalchemy import insert, literal, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t


async def announce(
    connection: AsyncConnection, type: str, body: bytes, *, program_id: bytes, id: bytes, now: datetime
) -> None:
    """A message to every endpoint that takes its type, and a delivery of it for each of them (webhooks W1)."""
    await connection.execute(
        insert(t.message).values(program_id=program_id, message_id=id, type=type, body=body, created_at=now)
    )
    e = t.endpoint.c
    to = select(
        e.program_id,
        e.endpoint_id,
        literal(id, t.message.c.message_id.type),
        literal(now, t.message.c.created_at.type),
        null(),
        literal(0, t.pending_delivery.c.attempts.type),
    ).where(
        e.program_id == program_id,
        e.state == "enabled",
        e.types.is_(None) | (literal(type) == e.types.any_()),
    )
    names = ["program_id", "endpoint_id", "message_id", "due_at", "ordering_key", "attempts"]
    await connection.execute(insert(t.pending_delivery).from_select(names, to))
