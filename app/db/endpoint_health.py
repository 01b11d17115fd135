"""How endpoints have fared lately: read under a lock, so that several workers count together (webhooks W7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    Integer,
    SmallInteger,
    Text,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from app.db import tables as t
from app.db.claims import PROGRAM, rows
from app.db.rows import uuid
from app.db.statements import Statement


@dataclass(frozen=True, slots=True)
class Health:
    """Failures in a row, how often the breaker opened since a success and until when, and since when nothing worked."""

    state: str
    failures: int = 0
    trips: int = 0
    open_until: datetime | None = None
    failing_since: datetime | None = None
    reason: str | None = None
    source: str | None = None


async def lock(connection: asyncpg.Connection, endpoints: Sequence[bytes], *, program_id: bytes) -> dict[bytes, Health]:
    """These endpoints' health, locked in the order of their ids."""
    found = await _LOCK.fetch(connection, program_id=uuid(program_id), endpoints=[uuid(id) for id in endpoints])
    return {
        row["endpoint_id"].bytes: Health(
            row["state"],
            row["failures"] or 0,
            row["trips"] or 0,
            row["open_until"],
            row["failing_since"],
            row["disabled_reason"],
            row["source"],
        )
        for row in found
    }


async def save(
    connection: asyncpg.Connection, health: dict[bytes, Health], *, program_id: bytes, now: datetime
) -> None:
    """Writes down what has changed; an endpoint that is disabled by it is so from now on."""
    of = list(health.values())
    await _SAVE.fetch(
        connection,
        program_id=uuid(program_id),
        now=now,
        endpoints=[uuid(id) for id in health],
        states=[one.state for one in of],
        failures=[one.failures for one in of],
        trips=[one.trips for one in of],
        open_until=[one.open_until for one in of],
        failing_since=[one.failing_since for one in of],
        reasons=[one.reason for one in of],
    )


_e = t.endpoint.c
_ONE: ColumnElement[int] = literal_column("1")
_DISABLED: ColumnElement[str] = literal_column("'disabled'")


def _lock() -> Any:
    wanted = func.any(bindparam("endpoints", type_=ARRAY(Uuid())))
    columns = (_e.endpoint_id, _e.source, _e.state, _e.failures, _e.trips, _e.open_until, _e.failing_since)
    query = select(*columns, _e.disabled_reason).where(_e.program_id == PROGRAM, _e.endpoint_id == wanted)
    return query.order_by(_e.endpoint_id).with_for_update(key_share=True)


def _save() -> Update:
    said = rows(
        "said",
        endpoints=Uuid(),
        states=Text(),
        failures=Integer(),
        trips=SmallInteger(),
        open_until=t.INSTANT,
        failing_since=t.INSTANT,
        reasons=Text(),
    )
    now = bindparam("now", type_=t.INSTANT)
    stopped = and_(said.c.states == _DISABLED, _e.state != _DISABLED)
    return (
        update(t.endpoint)
        .where(_e.program_id == PROGRAM, _e.endpoint_id == said.c.endpoints)
        .values(
            state=said.c.states,
            failures=said.c.failures,
            trips=said.c.trips,
            open_until=said.c.open_until,
            failing_since=said.c.failing_since,
            disabled_reason=said.c.reasons,
            disabled_at=case((stopped, now), else_=_e.disabled_at),
            revision=func.coalesce(_e.revision, _ONE) + case((stopped, _ONE), else_=literal_column("0")),
        )
    )


_LOCK, _SAVE = map(Statement, (_lock(), _save()))
