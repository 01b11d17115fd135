"""Replays: an endpoint's messages since a time, sent again by a job that nothing can lose (webhooks W10)."""

import time
from dataclasses import dataclass, replace
from datetime import datetime

from app.db import audit, idempotency
from app.db import replays as rows
from app.db.idempotency import Answer as KeptAnswer
from app.db.idempotency import Asked
from app.db.replays import Replay, Which
from app.db.transactions import Connection, Engine, operation, reading
from app.domain import typeid

__all__ = ["Counted", "Replay", "Which", "ask", "count", "planned", "work"]

PAGE = 500
"""Positions of the feed that one transaction works off."""
COUNTED_PAGE = 5_000
COUNT_SECONDS = 5.0
"""A dry run counts for so long at most."""
BACKLOG = 2_000
"""A job waits while so many deliveries of its endpoint are pending, so that what is new is not far behind."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a replay would send; less than all where counting took too long (`complete` false)."""

    messages: int
    complete: bool


async def ask(
    engine: Engine, job: Replay, asked: Asked, *, answer: KeptAnswer, audit_id: bytes
) -> tuple[KeptAnswer, bool]:
    """Keeps the job, once per Idempotency-Key, for the worker to carry out; the answer, and whether it is new.

    Raises KeyReused, or Duplicate where the same key is in flight elsewhere.
    """

    async def write(connection: Connection) -> None:
        await rows.add(connection, job, program_id=asked.program_id, by=asked.actor)
        await audit.note(
            connection,
            program_id=asked.program_id,
            id=audit_id,
            at=job.created_at,
            actor=asked.actor,
            action="replay.requested",
            subject=typeid.encode(typeid.ENDPOINT, job.endpoint_id),
            details={"replay": typeid.encode(typeid.REPLAY, job.id), "which": job.which.value},
        )

    return await idempotency.once(engine, asked, answer, write, now=job.created_at)


async def planned(
    engine: Engine,
    id: bytes,
    *,
    program_id: bytes,
    endpoint_id: bytes,
    which: Which,
    since: datetime,
    until: datetime | None,
    now: datetime,
) -> Replay:
    """A job over what the feed tells of `since` and later, and before `until` (None: so far). Nothing is kept yet."""
    async with reading(engine) as connection:
        first = await rows.behind(connection, since, program_id=program_id)
        last = await rows.behind(connection, until, program_id=program_id)
    last = max(first, last)
    return Replay(id, endpoint_id, which, since, until or now, first, last, first, 0, "running", now, None)


async def count(engine: Engine, job: Replay, *, program_id: bytes) -> Counted:
    """What the job would send, counted page by page and for a few seconds at most; a read alone."""
    ends_at, counted, position = time.monotonic() + COUNT_SECONDS, 0, job.position
    while position < job.last:
        if time.monotonic() > ends_at:
            return Counted(counted, complete=False)
        upto = min(job.last, position + COUNTED_PAGE)
        async with reading(engine) as connection:
            at = replace(job, position=position)
            counted += await rows.counted(connection, at, program_id=program_id, upto=upto)
        position = upto
    return Counted(counted, complete=True)


async def work(engine: Engine, *, now: datetime) -> int:
    """One page of every job that can go on; how many positions were worked off.

    Several processes may do so at once: a job that one has in hand is passed over by the others.
    """
    async with reading(engine) as connection:
        jobs = await rows.running(connection)
    moved = 0
    for program_id, endpoint_id, replay_id in jobs:
        async with operation(engine) as connection:
            job = await rows.lock(connection, replay_id, program_id=program_id, endpoint_id=endpoint_id)
            if job is not None:
                moved += await _page(connection, job, program_id=program_id, now=now)
    return moved


async def _page(connection: Connection, job: Replay, *, program_id: bytes, now: datetime) -> int:
    if await rows.state_of(connection, job.endpoint_id, program_id=program_id) in (None, "deleted"):
        await rows.end(connection, job, program_id=program_id, now=now)
        return 0
    if await rows.backlog(connection, job.endpoint_id, program_id=program_id, most=BACKLOG) >= BACKLOG:
        return 0
    upto = min(job.last, job.position + PAGE)
    queued = await rows.queue(connection, job, program_id=program_id, upto=upto, now=now)
    await rows.move(connection, job, program_id=program_id, position=upto, queued=queued, now=now)
    return upto - job.position
