"""The loop that tells the shops: claim and commit, sign and send with no transaction open, record and commit.

Nothing that matters is kept in memory: a worker may be killed at any moment, and what it held falls due again when its
lease is over (webhooks W1, W2). The same message may then arrive twice, always with the same id.
"""

import asyncio
import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from app.db import claims, deliveries
from app.db.claims import Claimed, Open, Room
from app.db.deliveries import DELIVERED, Attempt
from app.db.transactions import DatabaseError, DriverConnection, passing
from app.webhooks import outcomes, protection
from app.webhooks.courier import Courier, make_attempt

RECORDED_AT_ONCE = 256
TENDED_AT_ONCE = 1_000
LINGER_SECONDS = 0.01  # from claim to claim, and before recording: so that there is more to do at once
STARTED_AT_ONCE = 16  # then whatever else this process does has its turn
BUSY_SECONDS, IDLE_SECONDS = 0.1, 1.0
LIST_SECONDS = 1.0
TEND_SECONDS = 5.0
DATABASE_PAUSE_SECONDS = 0.5
RECORD_TRIES = 5
RECORD_GRACE_SECONDS = 3.0

log = structlog.get_logger(__name__)


async def deliver_forever(courier: Courier, *, stopping: asyncio.Event, hint: asyncio.Event) -> None:
    """Delivers until `stopping`, and then what is in flight, for as long as the limits' grace.

    `hint` says that there may be something new; without it the database is asked every 0.1 to 1 s.
    """
    run = _Run(stopping=stopping, hint=hint)
    async with asyncio.TaskGroup() as group:
        recorder = group.create_task(_record_forever(courier, run))
        await _claim_until(courier, run, group)
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
    await _tend(courier, run.programs)
    claimed = [one for program_id in run.programs for one in await _claim(courier, run, program_id)]
    made = await asyncio.gather(*[make_attempt(courier, one) for one in claimed])
    attempts = [attempt for attempt in made if attempt is not None]
    await _record(courier, run, attempts)
    return len(attempts)


@dataclass(slots=True)
class _Run:
    """What one run of the loop has under way; `flying` and `unrecorded` count by program and endpoint.

    `penalties` are those of endpoints that failed lately, `yielding` by program those that gave way in the last claim.
    """

    programs: deque[bytes] = field(default_factory=deque)
    listed: float = -math.inf
    tended: float = -math.inf
    claimed: float = -math.inf
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    flying: defaultdict[bytes, Counter[bytes]] = field(default_factory=lambda: defaultdict(Counter))
    unrecorded: defaultdict[bytes, Counter[bytes]] = field(default_factory=lambda: defaultdict(Counter))
    turns: dict[bytes, bytes] = field(default_factory=dict)
    penalties: dict[bytes, int] = field(default_factory=dict)
    yielding: defaultdict[bytes, Mapping[bytes, int]] = field(default_factory=lambda: defaultdict(dict))
    cut_short: bool = False
    short_of_rate: bool = False
    room: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    hint: asyncio.Event = field(default_factory=asyncio.Event)
    done: "asyncio.Queue[Attempt | None]" = field(default_factory=asyncio.Queue)

    def look(self) -> None:
        """Something may be due now: whatever the claiming waits for, it goes on."""
        self.hint.set()
        self.room.set()


async def _claim_until(courier: Courier, run: _Run, group: asyncio.TaskGroup) -> None:
    pause, stopping, hint = BUSY_SECONDS, run.stopping, run.hint
    while not stopping.is_set():
        hint.clear()
        run.room.clear()
        run.cut_short = run.short_of_rate = False
        try:
            started = await _claim_round(courier, run, group)
        except DatabaseError as error:
            log.warning("webhooks_claim_failed", problem=type(error).__name__)
            await _any(stopping, seconds=DATABASE_PAUSE_SECONDS)
        except Exception:
            log.exception("webhooks_claim_failed")
            await _any(stopping, seconds=DATABASE_PAUSE_SECONDS)
        else:
            busy = started or run.cut_short or run.short_of_rate
            pause = BUSY_SECONDS if busy else min(2 * pause, IDLE_SECONDS)
            await _any(run.room if run.cut_short else hint, stopping, seconds=pause)
            if run.cut_short:
                await courier.give_way()
            else:
                await asyncio.sleep(max(0.0, run.claimed + LINGER_SECONDS - time.monotonic()))


async def _claim_round(courier: Courier, run: _Run, group: asyncio.TaskGroup) -> int:
    now = run.claimed = time.monotonic()
    if now >= run.listed + LIST_SECONDS:
        run.programs, run.listed = deque(await deliveries.programs(courier.engine)), now
    if now >= run.tended + TEND_SECONDS:
        await _tend(courier, run.programs)
        run.tended = now
    run.programs.rotate(-1)
    started = 0
    for program_id in run.programs:
        claimed = await _claim(courier, run, program_id)
        await _start(claimed, courier, run, group)
        started += len(claimed)
    return started


async def _claim(courier: Courier, run: _Run, program_id: bytes) -> list[Claimed]:
    free = courier.limits.in_flight - len(run.tasks)
    if free <= 0:
        run.cut_short = True
        return []
    started, now = time.monotonic(), courier.clock()
    async with passing(courier.engine) as connection:  # a claim that is lost falls due again, as with its lease
        open = await claims.endpoints(connection, program_id=program_id, now=now)
        rooms = protection.rooms(
            open,
            flying=run.flying[program_id],
            unrecorded=run.unrecorded[program_id],
            most=courier.limits.per_endpoint,
            free=free,
            after=run.turns.get(program_id, bytes(16)),
            now=now,
        )
        yielding = protection.yielding(rooms, run.penalties)
        rooms = protection.lessened(rooms, yielding, flying=run.flying[program_id])
        claimed = await _take(connection, rooms, courier, program_id, now=now, limit=free) if rooms else []
    if open:
        courier.on_claim(time.monotonic() - started)
    got = Counter(one.endpoint_id for one in claimed)
    full = any(got[one.endpoint.endpoint_id] >= one.room for one in rooms if _gives_more(one.endpoint, yielding))
    run.cut_short = run.cut_short or full or len(claimed) == free
    run.short_of_rate = run.short_of_rate or any(one.per_second is not None for one in open)
    run.yielding[program_id] = yielding
    if claimed:
        run.turns[program_id] = claimed[-1].endpoint_id
    return claimed


def _gives_more(endpoint: Open, yielding: Mapping[bytes, int]) -> bool:
    """Whether one that gave all there was room for has more as soon as there is room again, and is to be asked then."""
    return endpoint.per_second is None and not endpoint.strict and endpoint.endpoint_id not in yielding


async def _take(
    connection: DriverConnection,
    rooms: Sequence[Room],
    courier: Courier,
    program_id: bytes,
    *,
    now: datetime,
    limit: int,
) -> list[Claimed]:
    claimed = await claims.take(
        connection,
        rooms,
        program_id=program_id,
        now=now,
        until=now + courier.limits.lease,
        lease=courier.new_id(),
        limit=limit,
    )
    got = Counter(one.endpoint_id for one in claimed)
    rates = {
        of.endpoint_id: protection.spent(of.rate_at, of.per_second, got[of.endpoint_id], now=now)
        for of in (room.endpoint for room in rooms)
        if of.per_second is not None and got[of.endpoint_id]
    }
    if rates:
        await claims.spend(connection, rates, program_id=program_id)
    return claimed


async def _start(claimed: Sequence[Claimed], courier: Courier, run: _Run, group: asyncio.TaskGroup) -> None:
    for at, one in enumerate(claimed):
        if at and at % STARTED_AT_ONCE == 0:
            await courier.give_way()
        run.flying[one.program_id][one.endpoint_id] += 1
        task = group.create_task(_carry(one, courier, run))
        run.tasks.add(task)
        task.add_done_callback(run.tasks.discard)


async def _carry(claimed: Claimed, courier: Courier, run: _Run) -> None:
    """Makes an attempt; to a strict endpoint as many, one after another, as are taken."""
    following: Claimed | None = claimed
    try:
        while following is not None:
            attempt = await make_attempt(courier, following)
            following = await _followed(courier, run, attempt)
            if following is not None:
                await courier.give_way()
    except Exception:  # a delivery that cannot even be tried holds up no other, and falls due again
        log.exception("webhooks_attempt_failed")
    finally:
        flying = run.flying[claimed.program_id]
        flying[claimed.endpoint_id] -= 1
        half = min(courier.limits.per_endpoint, claims.IN_FLIGHT) // 2
        if flying[claimed.endpoint_id] <= half and claimed.endpoint_id not in run.yielding[claimed.program_id]:
            run.room.set()
        if not flying[claimed.endpoint_id]:
            del flying[claimed.endpoint_id]


async def _followed(courier: Courier, run: _Run, attempt: Attempt | None) -> Claimed | None:
    """Hands an attempt on to be recorded; or records what a strict endpoint has taken, and brings what comes next.

    Nothing is sent to such an endpoint before what it took is recorded, so a kill repeats one message at most.
    """
    if attempt is None:
        return None
    claimed = attempt.claimed
    if claimed.strict and attempt.state == DELIVERED and not run.stopping.is_set():
        try:
            following = await outcomes.record_and_follow(
                courier.engine, attempt, lease=courier.limits.lease, new_id=courier.new_id, clock=courier.clock
            )
        except DatabaseError as error:
            log.warning("webhooks_record_failed", problem=type(error).__name__, attempts=1)
        else:
            courier.on_attempt(attempt)
            if following is None:
                run.look()
            return following
    run.unrecorded[claimed.program_id][claimed.endpoint_id] += 1
    run.done.put_nowait(attempt)
    return None


async def _record_forever(courier: Courier, run: _Run) -> None:
    """Records what is done until it meets the None that ends the queue."""
    done, open = run.done, True
    while open:
        batch = [await done.get()]
        if batch[0] is not None and done.qsize() < RECORDED_AT_ONCE and any(run.flying.values()):
            await asyncio.sleep(LINGER_SECONDS)
        while len(batch) < RECORDED_AT_ONCE and not done.empty():
            batch.append(done.get_nowait())
        attempts = [attempt for attempt in batch if attempt is not None]
        open = len(attempts) == len(batch)
        await _record_at_last(courier, run, attempts)
        if any(attempt.claimed.ordered for attempt in attempts):
            run.look()  # what waited for these is due now


async def _record_at_last(courier: Courier, run: _Run, attempts: Sequence[Attempt]) -> None:
    """Tries for as long as the database is away, and a few times whatever else is wrong."""
    tries = 0
    while tries < RECORD_TRIES:
        try:
            await _record(courier, run, attempts)
        except DatabaseError as error:
            log.warning("webhooks_record_failed", problem=type(error).__name__, attempts=len(attempts))
        except Exception:
            tries += 1
            log.exception("webhooks_record_failed", attempts=len(attempts))
        else:
            return
        await asyncio.sleep(DATABASE_PAUSE_SECONDS)
    _forget(run, attempts)


async def _record(courier: Courier, run: _Run, attempts: Sequence[Attempt]) -> None:
    await outcomes.record(courier.engine, attempts, new_id=courier.new_id, clock=courier.clock)
    _forget(run, attempts)
    run.penalties = protection.penalties(run.penalties, attempts)
    for attempt in attempts:
        courier.on_attempt(attempt)


def _forget(run: _Run, attempts: Sequence[Attempt]) -> None:
    for attempt in attempts:
        run.unrecorded[attempt.claimed.program_id][attempt.claimed.endpoint_id] -= 1


async def _tend(courier: Courier, programs: Sequence[bytes]) -> None:
    """Gives up what deleted endpoints have left, and calls up what enabled ones have waiting, in pages."""
    for program_id in programs:
        for one in (deliveries.abandon, deliveries.release):
            page = TENDED_AT_ONCE
            while page == TENDED_AT_ONCE:
                page = await one(courier.engine, program_id=program_id, now=courier.clock(), limit=TENDED_AT_ONCE)


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
