"""Settling members whom nobody touches: pages of those with something due, through the ledger's own door (K1)."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from app.db.transactions import Engine
from app.ledger.corridor import Ledger
from app.ledger.folding import Settle
from app.ledger.outcomes import Closed, Full, Settled
from app.queries import due, programs

PAGE = 200
IDLE_SECONDS = 1.0
PAGES_IN_A_ROW = 50

log = structlog.get_logger(__name__)


async def settle_forever(
    engine: Engine, ledger: Ledger, *, clock: Callable[[], datetime], stopping: asyncio.Event
) -> None:
    """Settles page after page, and looks again a second after nothing was due. Trouble is logged and tried again."""
    while not stopping.is_set():
        settled = 0
        try:
            settled = await settle_once(engine, ledger, now=clock())
        except (Full, Closed):
            log.info("settling_waits")
        except Exception:
            log.exception("settling_failed")
        if settled == 0:
            await _pause(stopping)


async def settle_once(engine: Engine, ledger: Ledger, *, now: datetime) -> int:
    """Settles what is due now in every program, in pages; the number of events that were written."""
    events = 0
    for program in await programs.all(engine):
        for _ in range(PAGES_IN_A_ROW):
            members = await due.members(engine, program_id=program.id, now=now, limit=PAGE)
            if not members:
                break
            outcomes = await ledger.submit([Settle(id) for id in members], program_id=program.id)
            written = sum(outcome.events for outcome in outcomes if isinstance(outcome, Settled))
            events += written
            if written == 0:
                break  # what is left cannot be settled now; the next round asks again
    return events


async def _pause(stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), IDLE_SECONDS)
    except TimeoutError:
        return
