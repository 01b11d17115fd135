"""Giving committed messages their places in the feed, and taking the oldest ones away (webhooks W10)."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from app.db.transactions import DatabaseError, Engine
from app.operations import feeds
from app.queries import programs

BUSY_SECONDS, IDLE_SECONDS = 0.05, 0.5
TROUBLE_SECONDS = 1.0
TRIM_EVERY = timedelta(hours=1)
TRIMS_IN_A_ROW = 100

log = structlog.get_logger(__name__)


async def sequence_forever(engine: Engine, *, clock: Callable[[], datetime], stopping: asyncio.Event) -> None:
    """Sequences what was committed, and looks again soon; once an hour it trims. Trouble is logged and tried again."""
    pause, trimmed_at = BUSY_SECONDS, None
    while not stopping.is_set():
        try:
            now = clock()
            if trimmed_at is None or now - trimmed_at >= TRIM_EVERY:
                await _trim(engine, now=now, stopping=stopping)
                trimmed_at = now
            pause = BUSY_SECONDS if await feeds.sequence(engine, now=now) else min(2 * pause, IDLE_SECONDS)
        except DatabaseError as error:
            log.warning("sequencing_failed", problem=type(error).__name__)
            pause = TROUBLE_SECONDS
        except Exception:
            log.exception("sequencing_failed")
            pause = TROUBLE_SECONDS
        try:
            await asyncio.wait_for(stopping.wait(), pause)
        except TimeoutError:
            continue


async def _trim(engine: Engine, *, now: datetime, stopping: asyncio.Event) -> None:
    for program in await programs.all(engine):
        for _ in range(TRIMS_IN_A_ROW):
            if stopping.is_set() or await feeds.trim(engine, program_id=program.id, now=now) == 0:
                break
