"""How fast lots are settled: the members of a run, on a clock by which all their points have ended (semantics K2)."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db import transactions
from app.domain.keys import derive
from app.ledger.corridor import open_ledger
from app.ledger.folding import Settle
from app.queries import due
from app.settings import Settings
from app.worker.settling import PAGE

AHEAD = timedelta(days=800)
SECONDS = 10.0
"""No longer than this is settled."""


@dataclass(frozen=True, slots=True)
class Settled:
    """So many lots were ended in so many seconds."""

    lots: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.lots / self.seconds


async def settle(engine: AsyncEngine, settings: Settings, program_id: bytes, *, now: datetime) -> Settled:
    """Settles page after page of a program's members, as the worker does, long after all their lots have ended."""
    assert settings.secret is not None
    later = now + AHEAD
    before, began = await _lots(engine, program_id), time.perf_counter()
    async with open_ledger(engine, clock=lambda: later, secrets=derive(settings.secret)) as ledger:
        while time.perf_counter() - began < SECONDS:
            members = await due.members(engine, program_id=program_id, now=later, limit=PAGE)
            if not members:
                break
            await ledger.submit([Settle(id) for id in members], program_id=program_id)
        took = time.perf_counter() - began
    return Settled(before - await _lots(engine, program_id), took)


async def _lots(engine: AsyncEngine, program_id: bytes) -> int:
    query = select(func.count()).select_from(t.open_lot).where(t.open_lot.c.program_id == program_id)
    async with transactions.reading(engine) as connection:
        return int((await connection.execute(query)).scalar_one())
