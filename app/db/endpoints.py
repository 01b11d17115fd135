"""Rows of webhook endpoints, for setting up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from app.db import tables as t
from app.db.claims import IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Settings:
    """What a shop says of an endpoint; `types` None means every type, `per_second` None no limit."""

    url: str
    description: str
    types: tuple[str, ...] | None
    ordering: str
    exhausted: str
    in_flight: int
    per_second: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """An endpoint locked for a change: its shop, revision, state, settings and stored secrets."""

    source: str | None
    revision: int
    state: str
    settings: Settings
    secret: bytes = field(repr=False)


async def add(
    connection: AsyncConnection,
    settings: Settings,
    *,
    program_id: bytes,
    endpoint_id: bytes,
    source: str | None,
    secret: bytes,
    now: datetime,
) -> None:
    """A new endpoint: what is committed from now on is sent to it. `source` is the shop whose key asked."""
    await connection.execute(
        insert(t.endpoint).values(
            program_id=program_id,
            endpoint_id=endpoint_id,
            source=source,
            secret=secret,
            state="enabled",
            created_at=now,
            revision=1,
            **_columns(settings),
        )
    )


async def lock(
    connection: AsyncConnection, endpoint_id: bytes, *, program_id: bytes, source: str | None
) -> Found | None:
    """The endpoint, if `source` may change it (None: any of the program), until the transaction ends."""
    query = select(_e.source, _revision.label("revision"), _e.state, _e.secret, *SETTINGS).where(
        _e.program_id == program_id, _e.endpoint_id == endpoint_id, _e.state != "deleted"
    )
    if source is not None:
        query = query.where(_e.source == source)
    row = (await connection.execute(query.with_for_update(key_share=True))).first()
    return None if row is None else Found(row.source, row.revision, row.state, settings(row), row.secret)


def settings(row: Any) -> Settings:
    """What a shop says of an endpoint, from a row with the columns of SETTINGS."""
    return Settings(
        row.url,
        row.description,
        None if row.types is None else tuple(row.types),
        row.ordering or "none",
        row.exhausted or "skip",
        row.in_flight or IN_FLIGHT,
        row.per_second,
    )


async def change(
    connection: AsyncConnection, endpoint_id: bytes, *, program_id: bytes, values: Mapping[str, Any]
) -> None:
    """Sets columns of an endpoint that is locked, and counts its revision on."""
    mine = (_e.program_id == program_id, _e.endpoint_id == endpoint_id)
    await connection.execute(update(t.endpoint).where(*mine).values(revision=_revision + 1, **values))


async def set_up(connection: AsyncConnection, endpoint_id: bytes, settings: Settings, *, program_id: bytes) -> None:
    """Changes what the shop says of it."""
    await change(connection, endpoint_id, program_id=program_id, values=_columns(settings))


async def bare_secrets(connection: AsyncConnection, *, length: int, limit: int) -> list[tuple[bytes, bytes, bytes]]:
    """Some endpoints whose secret lies there as it is, locked: program, endpoint, secret."""
    bare = select(_e.program_id, _e.endpoint_id, _e.secret).where(func.octet_length(_e.secret) == length)
    found = await connection.execute(bare.order_by(_e.program_id, _e.endpoint_id).limit(limit).with_for_update())
    return [(row.program_id, row.endpoint_id, row.secret) for row in found]


async def replace_secret(connection: AsyncConnection, endpoint_id: bytes, secret: bytes, *, program_id: bytes) -> None:
    """Stores the same secret in another way."""
    mine = (_e.program_id == program_id, _e.endpoint_id == endpoint_id)
    await connection.execute(update(t.endpoint).where(*mine).values(secret=secret))


_e = t.endpoint.c
_revision: ColumnElement[int] = func.coalesce(_e.revision, literal_column("1"))

SETTINGS = (_e.url, _e.description, _e.types, _e.ordering, _e.exhausted, _e.in_flight, _e.per_second)

UNTRIED: Mapping[str, Any] = dict.fromkeys(("failures", "trips", "open_until", "failing_since"))
"""Nothing is known of how it fares."""
FRESH: Mapping[str, Any] = {**UNTRIED, **dict.fromkeys(("disabled_at", "disabled_reason", "paused_at"))}
"""And nothing keeps it from being called."""


def _columns(settings: Settings) -> dict[str, Any]:
    return {
        "url": settings.url,
        "description": settings.description,
        "types": None if settings.types is None else list(settings.types),
        "ordering": settings.ordering,
        "exhausted": settings.exhausted,
        "in_flight": settings.in_flight,
        "per_second": settings.per_second,
    }
