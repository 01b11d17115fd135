"""The log of what was set up, by whom: written in the transaction of what it tells."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t


async def note(
    connection: AsyncConnection,
    *,
    program_id: bytes,
    id: bytes,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any],
) -> None:
    """One row of the log. `details` holds no secrets and nothing personal."""
    await connection.execute(
        insert(t.audit).values(
            program_id=program_id,
            audit_id=id,
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            details=dict(details),
        )
    )


async def has(connection: AsyncConnection, id: bytes, *, program_id: bytes) -> bool:
    """Whether the log has a row of this id."""
    query = select(t.audit.c.audit_id).where(t.audit.c.program_id == program_id, t.audit.c.audit_id == id)
    return (await connection.execute(query)).first() is not None
