"""What the calendar brings is armed as each day begins; the settling then writes it down (semantics K3)."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from app.db.transactions import Engine
from app.operations import scheduling
from app.queries import programs
from app.queries.rulebook import Rulebook

EVERY_SECONDS = 60.0
PAGES_IN_A_ROW = 500

log = structlog.get_logger(__name__)


async def arm_forever(
    engine: Engine, rulebook: Rulebook, *, clock: Callable[[], datetime], stopping: asyncio.Event
) -> None:
    """Arms what is due, and looks again a minute after nothing was. Trouble is logged and tried again."""
    while not stopping.is_set():
        try:
            await arm_once(engine, rulebook, now=clock())
        except Exception:
            log.exception("scheduling_failed")
        try:
            await asyncio.wait_for(stopping.wait(), EVERY_SECONDS)
        except TimeoutError:
            continue


async def arm_once(engine: Engine, rulebook: Rulebook, *, now: datetime) -> int:
    """Arms what is due now in every program; how many pages that took."""
    pages = 0
    for program in await programs.all(engine):
        versions = await rulebook.of(program.id)
        for _ in range(PAGES_IN_A_ROW):
            moved = await scheduling.arm(engine, versions, program_id=program.id, now=now) if versions.all else 0
            if not moved:
                break
            pages += moved
    return pages
