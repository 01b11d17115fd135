"""The loop that tells the shops: claim and commit, sign and send with no transaction open, record and commit.

Nothing that matters is kept in memory: a worker may be killed at any moment, and what it held falls due again when its
lease is over (webhooks W1, W2). The same message may then arrive twice, always with the same id.
"""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import structlog

from app.db import deliveries
from app.db.deliveries import Attempt, Claimed
from app.db.transactions import DatabaseError, Engine
from app.domain import typeid
from app.webhooks import retries, sender, signing
from app.webhooks.sender import Answer

DELIVERED, FAILED, EXHAUSTED = "delivered", "failed", "exhausted"

RECORDED_AT_ONCE = 256
ABANDONED_AT_ONCE = 1_000
LINGER_SECONDS = 0.01  # between two claims, and before recording: so that there is more to do at once
BUSY_SECONDS, IDLE_SECONDS = 0.1, 1.0
LIST_SECONDS = 1.0
ABANDON_SECONDS = 5.0
DATABASE_PAUSE_SECONDS = 0.5
RECORD_TRIES = 5
RECORD_GRACE_SECONDS = 3.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once and for how long; the lease must outlast the deadline by far. `grace` is for a shutdown."""

    in_flight: int = 512
    per_endpoint: int = 64
    lease: timedelta = timedelta(seconds=60)
    deadline_seconds: float = sender.DEADLINE_SECONDS
    connect_seconds: float = sender.CONNECT_SECONDS
    grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Courier:
    """What the loop works with.

    `random` draws from [0, 1); `new_id` makes ids sortable by time; `unseal` turns a stored secret into the live ones,
    newest first; `on_attempt` hears of every attempt once it is recorded.
    """

    engine: Engine
    client: httpx.AsyncBaseTransport
    clock: Callable[[], datetime]
    random: Callable[[], float]
    new_id: Callable[[], bytes]
    unseal: Callable[[bytes], Sequence[bytes]]
    version: str
    schedule: tuple[timedelta, ...] = retries.SCHEDULE
    limits: Limits = field(default=Limits())
    on_attempt: Callable[[Attempt], None] = lambda attempt: None


async def deliver_forever(courier: Courier, *, stopping: asyncio.Event, hint: asyncio.Event) -> None:
    """Delivers until `stopping`, and then what is in flight, for as long as the limits' grace.

    `hint` says that there may be something new; without it the database is asked every 0.1 to 1 s.
    """
    run = _Run()
    async with asyncio.TaskGroup() as group:
        recorder = group.create_task(_record_forever(courier, run.done))
        await _claim_until(stopping, hint, courier, run, group)
        await _land(run, seconds=courier.limits.grace_seconds)
        run.done.put_nowait(None)
        try:
            async with asyncio.timeout(RECORD_GRACE_SECONDS):
                await recorder
        except TimeoutError:
            log.warning("webhooks_not_recorded", attempts=run.done.qsize())


async def deliver_once(courier: Courier) -> int:
    """Claims what is due, within the limits, sends and records it; how many attempts were made."""
    run = _Run(programs=deque(await deliveries.programs(courier.engine)))
    await _abandon(courier, run.programs)
    claimed = [one for program_id in run.programs for one in await _claim(courier, run, program_id)]
    made = await asyncio.gather(*[_attempt(courier, one) for one in claimed])
    attempts = [attempt for attempt in made if attempt is not None]
    await _record(courier, attempts)
    return len(attempts)


def judge(
    claimed: Claimed,
    answer: Answer,
    *,
    id: bytes,
    started_at: datetime,
    now: datetime,
    schedule: Sequence[timedelta],
    draw: float,
) -> Attempt:
    """What an answer makes of a delivery: 2xx, read to its end or to 4 KiB, has delivered it (webhooks W6)."""
    delivered = answer.error is None and answer.status is not None and 200 <= answer.status < 300
    delay = retries.next_delay(
        schedule,
        attempts=claimed.attempts + 1,
        status=answer.status,
        timed_out=answer.timed_out,
        retry_after=retries.parse_retry_after(answer.retry_after, now=now),
        draw=draw,
    )
    again = not delivered and delay is not None
    return Attempt(
        claimed=claimed,
        id=id,
        started_at=started_at,
        finished_at=now,
        duration_ms=answer.duration_ms,
        status=answer.status,
        outcome=DELIVERED if delivered else FAILED,
        error=answer.error,
        answer=answer.body,
        state=None if again else DELIVERED if delivered else EXHAUSTED,
        due_at=now + delay if again and delay is not None else None,
    )


@dataclass(slots=True)
class _Run:
    """What one run of the loop has under way."""

    programs: deque[bytes] = field(default_factory=deque)
    listed: float = -math.inf
    abandoned: float = -math.inf
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    flying: dict[bytes, Counter[bytes]] = field(default_factory=dict)
    turns: dict[bytes, bytes] = field(default_factory=dict)
    cut_short: bool = False
    room: asyncio.Event = field(default_factory=asyncio.Event)
    done: "asyncio.Queue[Attempt | None]" = field(default_factory=asyncio.Queue)


async def _claim_until(
    stopping: asyncio.Event, hint: asyncio.Event, courier: Courier, run: _Run, group: asyncio.TaskGroup
) -> None:
    pause = BUSY_SECONDS
    while not stopping.is_set():
        hint.clear()
        run.room.clear()
        run.cut_short = False
        try:
            started = await _claim_round(courier, run, group)
        except DatabaseError as error:
            log.warning("webhooks_claim_failed", problem=type(error).__name__)
            await _any(stopping, seconds=DATABASE_PAUSE_SECONDS)
        except Exception:
            log.exception("webhooks_claim_failed")
            await _any(stopping, seconds=DATABASE_PAUSE_SECONDS)
        else:
            pause = BUSY_SECONDS if started or run.cut_short else min(2 * pause, IDLE_SECONDS)
            await _any(run.room if run.cut_short else hint, stopping, seconds=pause)
            await asyncio.sleep(0 if run.cut_short else LINGER_SECONDS)


async def _claim_round(courier: Courier, run: _Run, group: asyncio.TaskGroup) -> int:
    now = time.monotonic()
    if now >= run.listed + LIST_SECONDS:
        run.programs, run.listed = deque(await deliveries.programs(courier.engine)), now
    if now >= run.abandoned + ABANDON_SECONDS:
        await _abandon(courier, run.programs)
        run.abandoned = now
    run.programs.rotate(-1)
    started = 0
    for program_id in run.programs:
        claimed = await _claim(courier, run, program_id)
        _start(claimed, courier, run, group)
        started += len(claimed)
    return started


async def _claim(courier: Courier, run: _Run, program_id: bytes) -> list[Claimed]:
    limits, flying = courier.limits, run.flying.get(program_id, Counter())
    free = limits.in_flight - len(run.tasks)
    if free <= 0:
        run.cut_short = True
        return []
    now, rooms = courier.clock(), {id: limits.per_endpoint - count for id, count in flying.items()}
    claimed = await deliveries.claim(
        courier.engine,
        program_id=program_id,
        now=now,
        until=now + limits.lease,
        lease=courier.new_id(),
        limit=free,
        room=limits.per_endpoint,
        rooms=rooms,
        after=run.turns.get(program_id, bytes(16)),
    )
    if claimed:
        run.turns[program_id] = claimed[-1].endpoint_id
        got = Counter(one.endpoint_id for one in claimed)
        full = any(count >= rooms.get(endpoint_id, limits.per_endpoint) for endpoint_id, count in got.items())
        run.cut_short = run.cut_short or full or len(claimed) == free
    return claimed


def _start(claimed: Sequence[Claimed], courier: Courier, run: _Run, group: asyncio.TaskGroup) -> None:
    for one in claimed:
        run.flying.setdefault(one.program_id, Counter())[one.endpoint_id] += 1
        task = group.create_task(_carry(one, courier, run))
        run.tasks.add(task)
        task.add_done_callback(run.tasks.discard)


async def _carry(claimed: Claimed, courier: Courier, run: _Run) -> None:
    try:
        attempt = await _attempt(courier, claimed)
        if attempt is not None:
            run.done.put_nowait(attempt)
    except Exception:  # a delivery that cannot even be tried holds up no other, and falls due again
        log.exception("webhooks_attempt_failed")
    finally:
        flying = run.flying[claimed.program_id]
        flying[claimed.endpoint_id] -= 1
        if flying[claimed.endpoint_id] <= courier.limits.per_endpoint // 2:
            run.room.set()
        if not flying[claimed.endpoint_id]:
            del flying[claimed.endpoint_id]


async def _attempt(courier: Courier, claimed: Claimed) -> Attempt | None:
    started_at = courier.clock()
    if started_at >= claimed.leased_until:
        return None  # this process was frozen for so long that another may be sending it
    headers = signing.headers(
        courier.unseal(claimed.secret),
        id=typeid.encode(typeid.MESSAGE, claimed.message_id),
        timestamp=int(started_at.timestamp()),
        body=claimed.body,
        type=claimed.type,
        attempt=claimed.attempts + 1,
        version=courier.version,
    )
    answer = await sender.post(
        courier.client,
        claimed.url,
        headers=headers,
        body=claimed.body,
        deadline_seconds=courier.limits.deadline_seconds,
        connect_seconds=courier.limits.connect_seconds,
    )
    return judge(
        claimed,
        answer,
        id=courier.new_id(),
        started_at=started_at,
        now=courier.clock(),
        schedule=courier.schedule,
        draw=courier.random(),
    )


async def _record_forever(courier: Courier, done: "asyncio.Queue[Attempt | None]") -> None:
    """Records what is done until it meets the None that ends the queue."""
    open = True
    while open:
        batch = [await done.get()]
        if batch[0] is not None and done.qsize() < RECORDED_AT_ONCE:
            await asyncio.sleep(LINGER_SECONDS)
        while len(batch) < RECORDED_AT_ONCE and not done.empty():
            batch.append(done.get_nowait())
        attempts = [attempt for attempt in batch if attempt is not None]
        open = len(attempts) == len(batch)
        await _record_at_last(courier, attempts)


async def _record_at_last(courier: Courier, attempts: Sequence[Attempt]) -> None:
    """Tries for as long as the database is away, and a few times whatever else is wrong."""
    tries = 0
    while tries < RECORD_TRIES:
        try:
            await _record(courier, attempts)
        except DatabaseError as error:
            log.warning("webhooks_record_failed", problem=type(error).__name__, attempts=len(attempts))
        except Exception:
            tries += 1
            log.exception("webhooks_record_failed", attempts=len(attempts))
        else:
            return
        await asyncio.sleep(DATABASE_PAUSE_SECONDS)


async def _record(courier: Courier, attempts: Sequence[Attempt]) -> None:
    ours = await deliveries.finish(courier.engine, attempts)
    if ours < len(attempts):
        log.warning("webhooks_lease_lost", deliveries=len(attempts) - ours)
    for attempt in attempts:
        courier.on_attempt(attempt)


async def _abandon(courier: Courier, programs: Sequence[bytes]) -> None:
    for program_id in programs:
        page = ABANDONED_AT_ONCE
        while page == ABANDONED_AT_ONCE:
            page = await deliveries.abandon(
                courier.engine, program_id=program_id, now=courier.clock(), limit=ABANDONED_AT_ONCE
            )


async def _land(run: _Run, *, seconds: float) -> None:
    """Waits for what is in flight, and gives up on what takes longer: it falls due again."""
    if run.tasks:
        _, late = await asyncio.wait(run.tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            log.warning("webhooks_cut_off", deliveries=len(late))
            await asyncio.wait(late)


async def _any(*events: asyncio.Event, seconds: float) -> None:
    """Waits for the first of the events, or so long."""
    if any(event.is_set() for event in events):
        return
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
