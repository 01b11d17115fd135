"""Gauges of what is in the database, looked up when somebody asks for metrics, but not more often than this."""

import time
from datetime import datetime

from prometheus_client import Gauge

from app.api.dependencies import Parts
from app.db.transactions import DatabaseError
from app.queries import backlog

LOOK_SECONDS = 10.0
STATES = ("enabled", "resting", "paused", "disabled")

PENDING = Gauge("zegel_webhook_pending", "Deliveries that have not ended; at most a million are counted.")
OLDEST = Gauge("zegel_webhook_oldest_pending_seconds", "For how long a delivery has been due that could be made.")
ENDPOINTS = Gauge("zegel_webhook_endpoints", "Webhook endpoints by state.", ("state",))
UNSEQUENCED = Gauge("zegel_feed_unsequenced", "Messages that have no place in the feed yet.")
UNSEQUENCED_FOR = Gauge("zegel_feed_oldest_unsequenced_seconds", "For how long a message has waited for its place.")


async def look(mine: Parts) -> None:
    """Brings the gauges up to date; leaves them as they are while the database is away."""
    if time.monotonic() < mine.backlog_seen + LOOK_SECONDS:
        return
    mine.backlog_seen = time.monotonic()
    now = mine.clock()
    try:
        found = await backlog.read(mine.engine, now=now)
    except DatabaseError:
        return
    PENDING.set(found.pending)
    OLDEST.set(_age(found.due_since, now=now))
    UNSEQUENCED.set(found.unsequenced)
    UNSEQUENCED_FOR.set(_age(found.unsequenced_since, now=now))
    for state in STATES:
        ENDPOINTS.labels(state).set(found.endpoints.get(state, 0))


def _age(since: datetime | None, *, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
