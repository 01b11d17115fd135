"""The door of the ledger: commands queue per program and are committed in groups (architecture §3).

While one transaction is in flight, the commands that arrive gather; when it is done, they become the next one. Under
load two groups of callers take turns: half of them wait while the other half is being written, and a batch is answered
while the next one waits for PostgreSQL, half of it at the first look-up and half at the write, so that answering, and
reading what callers send next, fills those waits. Left to themselves, callers fall into step for good, all in one
batch, and the process idles meanwhile.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from app.db import lanes, transactions
from app.db.lanes import LEASE, Lane
from app.db.transactions import Engine
from app.domain.commands import Command, Mode
from app.domain.keys import Secrets
from app.domain.rules import Rules
from app.ledger import batch as batches
from app.ledger.folding import Overtaken, Settle, Work, fold
from app.ledger.known_lots import KnownLots
from app.ledger.outcomes import Closed, Contended, Failed, Full, Outcome, Unknown
from app.ledger.versions import CompiledRules
from app.ledger.working import Fold

BATCH_COMMANDS = 500
PIECE_COMMANDS = 125
"""A batch is written in pieces of so many commands."""
WAITING_COMMANDS = 5_000
PREVIEWS_AT_ONCE = 2
PROGRAMS_AT_ONCE = 4
RECONNECT_SECONDS = 0.2
ANSWER_SECONDS = 0.02
"""An answer waits no longer than this for the next batch to be sent off."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Request:
    work: Sequence[Work]
    done: "asyncio.Future[list[Outcome]]"


@dataclass(slots=True)
class _Queue:
    requests: deque[_Request] = field(default_factory=deque)
    waiting: int = 0
    runner: asyncio.Task[None] | None = None
    lane: Lane | None = None
    answers: list[tuple[_Request, list[Outcome]]] = field(default_factory=list)
    """What has been committed and not yet been told."""

    def answer(self, *, half: bool = False) -> None:
        told = (len(self.answers) + 1) // 2 if half else len(self.answers)
        for request, outcomes in self.answers[:told]:
            if not request.done.done():
                request.done.set_result(outcomes)
        del self.answers[:told]


class Ledger:
    """Carries commands through. Made by `open_ledger`."""

    def __init__(
        self, engine: Engine, *, clock: Callable[[], datetime], secrets: Secrets, on_commit: Callable[[int], None]
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._secrets = secrets
        self._on_commit = on_commit
        self._owner = batches.IDS.fresh()
        self._rules = CompiledRules()
        self._lots = KnownLots()
        self._queues: dict[bytes, _Queue] = {}
        self._programs = asyncio.Semaphore(PROGRAMS_AT_ONCE)
        self._previews = asyncio.Semaphore(PREVIEWS_AT_ONCE)
        self._under_way = 0
        self._ended = asyncio.Event()
        self._closed = False

    async def submit(self, work: Sequence[Work], *, program_id: bytes) -> list[Outcome]:
        """Records a request's commands and tells what became of each, in the request's order.

        Admitted whole or not at all: raises Full or Closed. Cancelling the caller does not cancel the commit.
        """
        if self._closed:
            raise Closed
        queue = self._queues.setdefault(program_id, _Queue())
        if queue.waiting + len(work) > WAITING_COMMANDS:
            raise Full
        order = _order(work)
        request = _Request([work[i] for i in order], asyncio.get_running_loop().create_future())
        queue.requests.append(request)
        queue.waiting += len(work)
        if queue.runner is None:
            queue.runner = asyncio.create_task(self._run(program_id, queue))
        return _as_sent(await request.done, order)

    async def preview(
        self, commands: Sequence[Command], *, program_id: bytes, now: datetime | None, trial: Rules | None = None
    ) -> list[Outcome]:
        """What `submit` would answer, from one read-only look at the database; writes nothing (api C10).

        With a `trial`, by those rules from their time on. A command that names nobody is judged for somebody new.
        """
        order = _order(commands)
        async with self._previews, transactions.preview(self._engine) as connection:
            loaded = await batches.load(
                connection,
                commands,
                program_id=program_id,
                rules=self._rules,
                clock=self._clock if now is None else lambda: now,
                secrets=self._secrets,
                ids=batches.IDS,
                lots=self._lots,
                locked=False,
            )
            loaded.provisional = True
            loaded.versions = replace(loaded.versions, trial=trial)
            outcomes = await fold([commands[i] for i in order], loaded, time=time.monotonic)
        return _as_sent(outcomes, order)

    async def give_way(self, *, seconds: float) -> None:
        """Waits, where batches are under way, for one to end, so long at most: for what may well be a little later."""
        if not self._under_way:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    async def drain(self) -> None:
        """Admits nothing more, commits what was admitted, gives the lanes up."""
        self._closed = True
        await asyncio.gather(*(queue.runner for queue in self._queues.values() if queue.runner is not None))
        for queue in self._queues.values():
            if queue.lane is not None:
                try:
                    async with transactions.operation(self._engine) as connection:
                        await lanes.release(connection, queue.lane, owner=self._owner, now=self._clock())
                except transactions.DatabaseError:
                    log.info("lane_not_released", lane=queue.lane.lane)  # its lease ends by itself

    async def _run(self, program_id: bytes, queue: _Queue) -> None:
        """Commits batch after batch until nobody waits. The running commit is the window in which others gather."""
        committed = 0
        try:
            while queue.requests:
                taken = _take(queue.requests, most=_half(queue.waiting + committed))
                committed = sum(len(request.work) for request in taken)
                queue.waiting -= committed
                async with self._programs, self._counted():
                    await self._carry(program_id, queue, taken)
                if queue.requests:
                    asyncio.get_running_loop().call_later(ANSWER_SECONDS, queue.answer)
        finally:
            queue.runner = None
            queue.answer()

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._ended.set()
            self._ended = asyncio.Event()

    async def _carry(self, program_id: bytes, queue: _Queue, requests: list[_Request]) -> None:
        """Settles a batch; its answers wait in the queue, after those of the batch before it."""
        work = [item for request in requests for item in request.work]
        try:
            outcomes = await self._settled(program_id, queue, work)
        except Exception as error:  # a defect must answer its callers, not hang them
            log.exception("batch_failed", commands=len(work))
            for request in requests:
                if not request.done.done():
                    request.done.set_exception(error)
            return
        queue.answer()
        at = 0
        for request in requests:
            queue.answers.append((request, outcomes[at : at + len(request.work)]))
            at += len(request.work)

    async def _settled(self, program_id: bytes, queue: _Queue, work: Sequence[Work]) -> list[Outcome]:
        """Commits the batch; if that fails, once more, and then command by command, so that only the cause fails.

        A connection lost around the commit is settled the same way: the next run looks the keys up under the lock,
        and finds what the first one wrote (architecture §3.6).
        """
        lost = False
        for again in range(2):
            try:
                return await self._commit(program_id, queue, work)
            except transactions.ConnectionLost:
                lost = True
                await asyncio.sleep(RECONNECT_SECONDS * (1 + again))
            except (transactions.Transient, transactions.Duplicate, Overtaken) as reason:
                log.info("batch_again", reason=repr(reason), commands=len(work))
            except Exception:
                log.exception("batch_broken", commands=len(work))
                break
        outcomes: list[Outcome] = []
        for item in work:
            outcome = await self._alone(program_id, queue, item, lost=lost)
            outcomes.append(outcome)
            if isinstance(outcome, Unknown):
                break  # the database stays away: the others fare the same
        return outcomes + [Unknown() if lost else Failed()] * (len(work) - len(outcomes))

    async def _alone(self, program_id: bytes, queue: _Queue, item: Work, *, lost: bool) -> Outcome:
        failed: Outcome = Failed()
        for _ in range(2):
            try:
                (outcome,) = await self._commit(program_id, queue, [item])
            except transactions.ConnectionLost:
                return Unknown()
            except (transactions.Duplicate, Overtaken) as reason:
                log.warning("command_contended", reason=repr(reason))
                failed = Contended()
            except transactions.DatabaseError as reason:
                log.info("command_again", reason=repr(reason))
                failed = Failed()
            except Exception:
                log.exception("command_broken")
                return Unknown() if lost else Failed()
            else:
                return outcome
        return Unknown() if lost else failed

    async def _commit(self, program_id: bytes, queue: _Queue, work: Sequence[Work]) -> list[Outcome]:
        lane = await self._lane(program_id, queue)
        queue.lane = None  # until the commit is certain
        async with transactions.transaction(self._engine) as connection:
            queue.answer(half=True)
            loaded = await batches.load(
                connection,
                work,
                program_id=program_id,
                rules=self._rules,
                clock=self._clock,
                secrets=self._secrets,
                ids=batches.IDS,
                lots=self._lots,
                locked=True,
            )
            outcomes, lane = await self._written(connection, queue, work, loaded, lane)
        queue.lane = lane
        self._lots.keep(loaded.before.values(), before=loaded.heads)
        if loaded.posted:
            self._on_commit(len(loaded.posted))
        return outcomes

    async def _written(
        self, connection: Any, queue: _Queue, work: Sequence[Work], loaded: Fold, lane: Lane
    ) -> tuple[list[Outcome], Lane]:
        """Decides on the batch and writes it, piece by piece: while the database writes one, the next is decided."""
        outcomes: list[Outcome] = []
        saving: asyncio.Task[Lane] | None = None
        try:
            for at in range(0, len(work), PIECE_COMMANDS):
                outcomes += await fold(work[at : at + PIECE_COMMANDS], loaded, time=time.monotonic)
                if saving is not None:
                    await saving
                queue.answer()
                saving = asyncio.create_task(
                    batches.save(connection, loaded, lane, last=at + PIECE_COMMANDS >= len(work))
                )
                await asyncio.sleep(0)
            assert saving is not None
            return outcomes, await saving
        finally:
            if saving is not None and not saving.done():  # the connection is busy until then
                await asyncio.gather(saving, return_exceptions=True)

    async def _lane(self, program_id: bytes, queue: _Queue) -> Lane:
        now = self._clock()
        if queue.lane is not None and queue.lane.leased_until - now > LEASE / 2:
            return queue.lane
        async with transactions.operation(self._engine) as connection:
            return await lanes.lease(connection, program_id=program_id, owner=self._owner, now=now)


@asynccontextmanager
async def open_ledger(
    engine: Engine,
    *,
    clock: Callable[[], datetime],
    secrets: Secrets,
    on_commit: Callable[[int], None] = lambda events: None,
) -> AsyncIterator[Ledger]:
    """A ledger on this pool; leaving it drains the queue. `secrets` is what digests are keyed with."""
    ledger = Ledger(engine, clock=clock, secrets=secrets, on_commit=on_commit)
    try:
        yield ledger
    finally:
        await ledger.drain()


def _order(work: Sequence[Work]) -> Sequence[int]:
    """A request's commands are judged by occurred_at, then position; history as it was sent (semantics E4, E7)."""
    positions = range(len(work))
    if len(work) == 1 or any(isinstance(item, Settle) or item.mode is not Mode.LIVE for item in work):
        return positions
    return sorted(positions, key=lambda i: work[i].occurred_at)  # type: ignore[union-attr]  # no Settle among them


def _as_sent(outcomes: list[Outcome], order: Sequence[int]) -> list[Outcome]:
    """Outcomes in the order of `_order`, put back into the request's own."""
    if len(outcomes) == 1:
        return outcomes
    return [outcome for _, outcome in sorted(zip(order, outcomes, strict=True), key=lambda pair: pair[0])]


def _half(callers: int) -> int:
    """Half of the commands under way, so that two groups take turns; a batch's limit at most."""
    return min(BATCH_COMMANDS, (callers + 1) // 2)


def _take(requests: deque[_Request], *, most: int) -> list[_Request]:
    """As many whole requests, in order, as fit into a batch of `most` commands; always at least one."""
    taken = [requests.popleft()]
    room = most - len(taken[0].work)
    while requests and len(requests[0].work) <= room:
        room -= len(requests[0].work)
        taken.append(requests.popleft())
    return taken
