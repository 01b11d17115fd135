"""Sending a message to an endpoint once more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.db import audit, idempotency, resending
from app.db.idempotency import Answer as KeptAnswer
from app.db.idempotency import Asked, KeyReused
from app.db.transactions import Connection, Engine
from app.domain import typeid

__all__ = ["Asked", "KeptAnswer", "KeyReused", "resend"]


async def resend(
    engine: Engine,
    message_id: bytes,
    asked: Asked,
    *,
    endpoint_id: bytes,
    answer: KeptAnswer,
    audit_id: bytes,
    now: datetime,
) -> tuple[KeptAnswer, bool]:
    """Makes the message pending for the endpoint, once per Idempotency-Key; the answer, and whether it was made now.

    Raises KeyReused, or Duplicate where the same key is in flight elsewhere.
    """

    async def write(connection: Connection) -> None:
        program_id = asked.program_id
        await resending.again(connection, message_id, program_id=program_id, endpoint_id=endpoint_id, now=now)
        details: Mapping[str, Any] = {"message": typeid.encode(typeid.MESSAGE, message_id)}
        await audit.note(
            connection,
            program_id=program_id,
            id=audit_id,
            at=now,
            actor=asked.actor,
            action="message.resent",
            subject=typeid.encode(typeid.ENDPOINT, endpoint_id),
            details=details,
        )

    return await idempotency.once(engine, asked, answer, write, now=now)
