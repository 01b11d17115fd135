"""Webhook endpoints, as their shops see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint without its secret, which is shown once."""

    id: bytes
    url: str
    description: str
    types: tuple[str, ...] | None
    state: str
    created_at: datetime


async def find(engine: AsyncEngine, endpoint_id: bytes, *, program_id: bytes, source: str | None) -> EndpointRow | None:
    """The endpoint, if the caller may see it: `source` None sees every one of the program."""
    query = _visible(program_id, source).where(t.endpoint.c.endpoint_id == endpoint_id)
    async with reading(engine) as connection:
        row = (await connection.execute(query)).first()
    return None if row is None else _row(row)


async def page(
    engine: AsyncEngine, *, program_id: bytes, source: str | None, after: bytes | None, limit: int
) -> tuple[EndpointRow, ...]:
    """The endpoints the caller may see, in the order of their ids, which is that of their making."""
    query = _visible(program_id, source).order_by(t.endpoint.c.endpoint_id).limit(limit)
    if after is not None:
        query = query.where(t.endpoint.c.endpoint_id > after)
    async with reading(engine) as connection:
        return tuple(_row(row) for row in await connection.execute(query))


def _visible(program_id: bytes, source: str | None) -> Select[Any]:
    e = t.endpoint.c
    query = select(e.endpoint_id, e.url, e.description, e.types, e.state, e.created_at).where(
        e.program_id == program_id, e.state != "deleted"
    )
    return query if source is None else query.where(e.source == source)


def _row(row: Any) -> EndpointRow:
    types = None if row.types is None else tuple(row.types)
    return EndpointRow(row.endpoint_id, row.url, row.description, types, row.state, row.created_at)
