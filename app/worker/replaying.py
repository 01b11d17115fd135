"""Carrying out replays, page by page, as long as their endpoints keep up (webhooks W10)."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from app.db.transactions import DatabaseError, Engine
from app.operations import replays

BUSY_SECONDS, IDLE_SECONDS = 0.02, 1.0

log = structlog.get_logger(__name__)


async def replay_forever(engine: Engine, *, clock: Callable[[], datetime], stopping: asyncio.Event) -> None:
    """Works on what there is to replay, and looks again a second after there was nothing."""
    while not stopping.is_set():
        moved = 0
        try:
            moved = await replays.work(engine, now=clock())
        except DatabaseError as error:
            log.warning("replaying_failed", problem=type(error).__name__)
        except Exception:
            log.exception("replaying_failed")
        try:
            await asyncio.wait_for(stopping.wait(), BUSY_SECONDS if moved else IDLE_SECONDS)
        except TimeoutError:
            continue
