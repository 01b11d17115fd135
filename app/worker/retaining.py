"""Once an hour, messages and attempts that have had their time are removed, in pages with a rest between them."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from app.db.transactions import Engine
from app.operations import retaining
from app.operations.retaining import Kept
from app.queries import programs

EVERY_SECONDS = 3_600.0
PAGES_IN_A_ROW = 10_000
REST_SECONDS = 0.05
"""Between two pages, so that the ledger has the disk to itself for most of the time."""

log = structlog.get_logger(__name__)


async def retain_forever(
    engine: Engine, janitor: Engine, kept: Kept, *, clock: Callable[[], datetime], stopping: asyncio.Event
) -> None:
    """Removes at once and then every hour. Trouble is logged and tried again."""
    while not stopping.is_set():
        try:
            for program in await programs.all(engine):
                await _of_program(engine, janitor, kept, program.id, clock=clock, stopping=stopping)
        except Exception:
            log.exception("retaining_failed")
        await _pause(stopping, EVERY_SECONDS)


async def _of_program(
    engine: Engine,
    janitor: Engine,
    kept: Kept,
    program_id: bytes,
    *,
    clock: Callable[[], datetime],
    stopping: asyncio.Event,
) -> None:
    for _ in range(PAGES_IN_A_ROW):
        removed = await retaining.page(engine, janitor, kept, program_id=program_id, now=clock())
        if removed == 0 or stopping.is_set():
            return
        await _pause(stopping, REST_SECONDS)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
