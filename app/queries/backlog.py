"""How far the delivery of messages is behind, over the whole installation: for metrics (webhooks W7)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal_column, or_, select, true

from app.db import tables as t
from app.db.transactions import Engine, reading

MOST_COUNTED = 1_000_000
"""Beyond this it is only known that there are more: counting takes time."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is pending, since when the oldest is due that could be sent, and how many endpoints are in which state."""

    pending: int
    due_since: datetime | None
    endpoints: dict[str, int]


async def read(engine: Engine, *, now: datetime) -> Backlog:
    """The backlog now; an endpoint counts as `resting` while its breaker is open."""
    async with reading(engine) as connection:
        pending = (await connection.execute(_pending())).scalar_one()
        due_since = (await connection.execute(_due_since(now))).scalar_one()
        states = await connection.execute(_states(now))
        return Backlog(int(pending), due_since, {row.state: row.count for row in states})


_e, _p = t.endpoint.c, t.pending_delivery.c
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
