"""Once an hour, what is kept for a time only is removed, in pages (semantics E3, K1)."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from app.db.transactions import Engine
from app.operations import clearing

EVERY_SECONDS = 3_600.0
PAGES_IN_A_ROW = 100

log = structlog.get_logger(__name__)


async def clear_forever(engine: Engine, *, clock: Callable[[], datetime], stopping: asyncio.Event) -> None:
    """Clears at once and then every hour. Trouble is logged and tried again."""
    while not stopping.is_set():
        try:
            for _ in range(PAGES_IN_A_ROW):
                if stopping.is_set() or await clearing.clear(engine, now=clock()) == 0:
                    break
        except Exception:
            log.exception("clearing_failed")
        try:
            await asyncio.wait_for(stopping.wait(), EVERY_SECONDS)
        except TimeoutError:
            continue
