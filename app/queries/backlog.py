"""How far the delivery of messages is behind, over the whole installation: for metrics (webhooks W7)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal_column, or_, select, true

from app.db import tables as t
from app.db.transactions import Engine, reading

MOST_COUNTED = 1_000_000
MOST_ROWS = 100_000
"""Beyond these it is only known that there are more: counting takes time. A row names the messages of many events."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is pending, since when the oldest is due that could be sent, and how many endpoints are in which state.

    `unsequenced` are messages that have no place in the feed yet, and since when the oldest of them has waited.
    """

    pending: int
    due_since: datetime | None
    endpoints: dict[str, int]
    unsequenced: int = 0
    unsequenced_since: datetime | None = None


async def read(engine: Engine, *, now: datetime) -> Backlog:
    """The backlog now; an endpoint counts as `resting` while its breaker is open."""
    async with reading(engine) as connection:
        pending = (await connection.execute(_pending())).scalar_one()
        due_since = (await connection.execute(_due_since(now))).scalar_one()
        states = await connection.execute(_states(now))
        endpoints = {row.state: row.count for row in states}
        unsequenced = (await connection.execute(_unsequenced())).scalar_one()
        since = (await connection.execute(_unsequenced_since())).scalar_one()
        return Backlog(int(pending), due_since, endpoints, int(unsequenced), since)


_e, _p, _u = t.endpoint.c, t.pending_delivery.c, t.unsequenced.c
_INDEXED: ColumnElement[bool] = _p.attempts >= literal_column("0")


def _pending() -> Select[Any]:
    some = select(_p.program_id).limit(MOST_COUNTED).subquery("some")
    return select(func.count()).select_from(some)


def _due_since(now: datetime) -> Select[Any]:
    first = (
        select(_p.due_at)
        .where(_p.program_id == _e.program_id, _p.endpoint_id == _e.endpoint_id, _INDEXED)
        .order_by(_p.due_at)
        .limit(1)
        .lateral("first")
    )
    awake = or_(_e.open_until.is_(None), _e.open_until <= now)
    query = select(func.min(first.c.due_at)).select_from(t.endpoint.join(first, true()))
    return query.where(_e.state == "enabled", awake, first.c.due_at <= now)


def _states(now: datetime) -> Select[Any]:
    resting = (_e.state == "enabled") & (_e.open_until > now)
    state = case((resting, literal_column("'resting'")), else_=_e.state)
    return select(state.label("state"), func.count().label("count")).where(_e.state != "deleted").group_by(state)


def _unsequenced() -> Select[Any]:
    some = select(func.cardinality(_u.messages).label("messages")).limit(MOST_ROWS).subquery("some")
    return select(func.coalesce(func.sum(some.c.messages), literal_column("0")))


def _unsequenced_since() -> Select[Any]:
    """Program by program along the key, however much waits."""
    first = (
        select(_u.written_at)
        .where(_u.program_id == t.program.c.program_id)
        .order_by(_u.written_at)
        .limit(1)
        .lateral("first")
    )
    return select(func.min(first.c.written_at)).select_from(t.program.join(first, true()))
