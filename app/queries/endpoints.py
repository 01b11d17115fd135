"""Webhook endpoints, as their shops see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.endpoints import SETTINGS, Settings, settings
from app.db.transactions import reading


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint without its secrets, which are shown once.

    `since` is when it was paused or disabled, `failing_since` when the first attempt failed after the last success,
    `resting_until` how long nothing is sent after many failures, `old_secrets_until` how long former secrets sign too.
    """

    id: bytes
    settings: Settings
    created_at: datetime
    revision: int = 1
    state: str = "enabled"
    reason: str | None = None
    since: datetime | None = None
    failing_since: datetime | None = None
    resting_until: datetime | None = None
    old_secrets_until: datetime | None = None


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
    columns = (e.revision, e.state, e.disabled_reason, e.disabled_at, e.paused_at, e.failing_since, e.open_until)
    query = select(e.endpoint_id, e.created_at, e.old_secrets_until, *SETTINGS, *columns).where(
        e.program_id == program_id, e.state != "deleted"
    )
    return query if source is None else query.where(e.source == source)


def _row(row: Any) -> EndpointRow:
    return EndpointRow(
        row.endpoint_id,
        settings(row),
        row.created_at,
        row.revision or 1,
        row.state,
        row.disabled_reason,
        row.paused_at if row.state == "paused" else row.disabled_at,
        row.failing_since,
        row.open_until,
        row.old_secrets_until,
    )
