"""Deleting rows that have had their time, a page at once."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t

REFUSED = (t.refused, t.refused.c.refused_at)
ANSWERS = (t.idempotency, t.idempotency.c.created_at)


async def page(connection: AsyncConnection, kept: tuple[Table, Column[Any]], *, before: datetime, limit: int) -> int:
    """Deletes so many rows at most that are from no later than an instant; how many there were."""
    table, at = kept
    key = tuple_(*table.primary_key.columns)
    over = select(*table.primary_key.columns).where(at <= before).limit(limit)
    result = await connection.execute(delete(table).where(key.in_(over)))
    return int(result.rowcount)
