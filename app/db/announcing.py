"""Messages about the program itself, which no event brings: written in the transaction of what they tell."""

from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, literal
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import pending
from app.db import tables as t


async def announce(
    connection: AsyncConnection, type: str, body: bytes, *, program_id: bytes, id: bytes, now: datetime
) -> None:
    """A message to every endpoint that takes its type, and to the feed; with a delivery for each endpoint (W1)."""
    m = t.message.c
    await connection.execute(
        insert(t.message).values(program_id=program_id, message_id=id, type=type, body=body, created_at=now)
    )
    nobody: ColumnElement[bytes] = literal(None, m.member_id.type)
    await connection.execute(
        pending.queued(
            literal(id, m.message_id.type),
            program_id=literal(program_id, m.program_id.type),
            type=literal(type, m.type.type),
            created_at=literal(now, m.created_at.type),
            member_id=nobody,
            number=literal(None, m.number.type),
        )
    )
    await connection.execute(
        insert(t.unsequenced).values(
            program_id=program_id, written_at=func.clock_timestamp(), first_id=id, messages=[id]
        )
    )
