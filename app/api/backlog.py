"""Gauges of what is in the database, looked up when somebody asks for metrics, but not more often than this."""

import time

from prometheus_client import Gauge

from app.api.dependencies import Parts
from app.db.transactions import DatabaseError
from app.queries import backlog

LOOK_SECONDS = 10.0
STATES = ("enabled", "resting", "paused", "disabled")

PENDING = Gauge("zegel_webhook_pending", "Deliveries that have not ended; at most a million are counted.")
OLDEST = Gauge("zegel_webhook_oldest_pending_seconds", "For how long a delivery has been due that could be made.")
ENDPOINTS = Gauge("zegel_webhook_endpoints", "Webhook endpoints by state.", ("state",))


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
    OLDEST.set(0 if found.due_since is None else max(0.0, (now - found.due_since).total_seconds()))
    for state in STATES:
        ENDPOINTS.labels(state).set(found.endpoints.get(state, 0))
