"""What delivery promises of speed: sent and recorded a second, how soon after an event, and at whose cost (W7).

The worker runs in this process; the service and the receivers, healthy and troubled, in processes of their own.
"""

import asyncio
import itertools
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from ipaddress import ip_network

import uuid_utils
from sqlalchemy import delete, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bench import offering, processes, scene, shops
from app.bench.offering import Offer, Offered, Watch
from app.bench.processes import BenchError, Listener
from app.bench.results import Must
from app.bench.scene import Program
from app.bench.troubled import TROUBLES
from app.db import endpoints, sealing, transactions
from app.db import tables as t
from app.db.claims import IN_FLIGHT
from app.db.deliveries import DELIVERED, Attempt
from app.domain import keys
from app.main import unsealed
from app.settings import Settings
from app.webhooks import delivery, guard, sender
from app.webhooks.courier import Courier, Limits

BODY = json.dumps({"type": "points.earned", "data": "x" * 560}).encode()
HEALTHY = 7
ROUNDS = 3
"""Pairs that are compared are measured so often, by turns; what counts is the median of their ratios."""
OFFERED, OFFERED_BESIDE_BACKLOG = 200, 300
LONGEST_SECONDS = 600.0
SETTLE_SECONDS = 2.0
CARDS = 200


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much: messages of the first measurement, seconds of load, and what is pending in the last one."""

    messages: int
    seconds: float
    backlog: int


async def measure(
    settings: Settings, program: Program, sizes: Sizes, *, clock: Callable[[], datetime], say: Callable[[str], None]
) -> tuple[Must, ...]:
    """Everything, one after another. Raises BenchError where nothing comes of it."""
    engine = transactions.create_engine(settings.database_url or "", pool_size=8)
    stage = _Stage(engine, settings, program, clock)
    try:
        with processes.listener("app.bench.receiver") as receiver:
            say(f"delivering {sizes.messages:,} messages to one endpoint")
            rate = await _alone(stage, receiver, sizes.messages)
            say(f"delivering to {HEALTHY} healthy endpoints, alone and beside a dead, a slow and a flapping one")
            each = max(sizes.messages // 4, HEALTHY)
            kept = statistics.median([await _beside_trouble(stage, receiver, each) for _ in range(ROUNDS)])
            await _enrol(stage)
            say(f"{OFFERED} events a second for {sizes.seconds:g} s")
            soon = await _offered(stage, receiver, OFFERED, sizes.seconds)
            say(f"{OFFERED_BESIDE_BACKLOG} events a second, without and with {sizes.backlog:,} pending deliveries")
            pairs = [await _pair(stage, receiver, sizes) for _ in range(ROUNDS)]
    finally:
        await engine.dispose()
    refused = sum(sum(one.refused.values()) for one in (soon, *itertools.chain(*pairs)))
    slower = statistics.median([_ratio(calm, busy) for calm, busy in pairs])
    return (
        Must("deliveries sent and recorded by one worker", "/s", 1_500, 3_000, rate),
        Must("what the healthy ones keep beside a dead, a slow and a flapping one", "%", 80, 95, kept * 100),
        Must(f"event to webhook, p50 at {OFFERED}/s", "ms", 150, None, _at(soon.webhooks, 0.5), at_most=True),
        Must(f"event to webhook, p99 at {OFFERED}/s", "ms", 1_000, None, _at(soon.webhooks, 0.99), at_most=True),
        Must("p99 of events beside the backlog, times that without", "×", 2, None, slower, at_most=True),
        Must("events refused", "", 0, None, float(refused), at_most=True),
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    engine: AsyncEngine
    settings: Settings
    program: Program
    clock: Callable[[], datetime]

    @property
    def key(self) -> bytes:
        return keys.derive(self.settings.secret or "").endpoints


async def _alone(stage: _Stage, receiver: Listener, messages: int) -> float:
    endpoint = await _endpoint(stage, receiver.port)
    await _queue(stage, [endpoint], messages)
    took = await _drained(stage, {endpoint: messages})
    await _clear(stage)
    return messages / took


async def _beside_trouble(stage: _Stage, receiver: Listener, messages: int) -> float:
    """The rate of the healthy ones beside the troubled, of their rate alone before and after that.

    Each is measured twice: whatever comes later works on tables that have grown.
    """
    each = messages // HEALTHY
    took = {False: 0.0, True: 0.0}
    with ExitStack() as stack:
        troubled = [stack.enter_context(processes.listener("app.bench.troubled", one)) for one in TROUBLES]
        for beside in (False, True, True, False):
            good = [await _endpoint(stage, receiver.port) for _ in range(HEALTHY)]
            bad = [await _endpoint(stage, one.port) for one in troubled if beside]
            await _queue(stage, [*bad, *good], each)
            took[beside] += await _drained(stage, dict.fromkeys(good, each))
            await _clear(stage)
    return took[False] / took[True]


async def _offered(stage: _Stage, receiver: Listener, rate: int, seconds: float, *, backlog: int = 0) -> Offered:
    """Events at a steady rate to a service that delivers, to one endpoint that tells when each webhook has come."""
    watch, at = Watch(), scene.time_text(stage.clock())
    async with shops.open_shop(watch.take) as port:
        watching = await _endpoint(stage, port)
        if backlog:
            await _queue(stage, [await _endpoint(stage, receiver.port)], backlog)
        with processes.listener("app.bench.server", "--worker", environment=scene.environment(stage.settings)) as it:
            await asyncio.sleep(SETTLE_SECONDS)
            tag = uuid_utils.uuid7().hex[-12:]
            offer = Offer(it.port, stage.program.key, tag, rate, seconds, event=partial(_purchase, at=at))
            offered = await offering.make(offer, watch)
    await _clear(stage)
    if not offered.webhooks:
        raise BenchError(f"no webhook has come of {watching.hex()}")
    return offered


async def _pair(stage: _Stage, receiver: Listener, sizes: Sizes) -> tuple[Offered, Offered]:
    """Events without and with a backlog that drains."""
    calm = await _offered(stage, receiver, OFFERED_BESIDE_BACKLOG, sizes.seconds)
    busy = await _offered(stage, receiver, OFFERED_BESIDE_BACKLOG, sizes.seconds, backlog=sizes.backlog)
    return calm, busy


async def _enrol(stage: _Stage) -> None:
    with processes.listener("app.bench.server", environment=scene.environment(stage.settings)) as service:
        at = scene.time_text(stage.clock())
        await asyncio.to_thread(scene.enrol, service.port, stage.program, CARDS, at=at)


def _purchase(id: str, number: int, *, at: str) -> bytes:
    body = {
        "type": "purchase",
        "id": id,
        "member": f"card:{number % CARDS:010d}",
        "occurred_at": at,
        "currency": "EUR",
        "total": "12.50",
    }
    return json.dumps(body).encode()


async def _endpoint(stage: _Stage, port: int) -> bytes:
    """A new endpoint at a port of 127.0.0.1 that takes what events give."""
    id, secret = uuid_utils.uuid7().bytes, sealing.Secret(random.randbytes(sealing.SECRET_BYTES))
    of = {"program_id": stage.program.id, "endpoint_id": id}
    sealed = sealing.seal([secret], key=stage.key, nonce=random.randbytes(sealing.NONCE_BYTES), **of)
    settings = endpoints.Settings(f"http://127.0.0.1:{port}/", "", ("points.earned",), "none", "skip", IN_FLIGHT, None)
    async with transactions.operation(stage.engine) as connection:
        await endpoints.add(connection, settings, source=None, secret=sealed, now=stage.clock(), **of)
    return id


async def _queue(stage: _Stage, to: list[bytes], count: int) -> None:
    """Messages, each with a delivery to every one of the endpoints that is due at once."""
    m, now = t.message.c, stage.clock()
    numbers = func.generate_series(1, count).table_valued("number")
    message = select(
        literal(stage.program.id, t.Id), func.gen_random_uuid(), literal("points.earned"), literal(BODY), literal(now)
    ).select_from(numbers)
    async with transactions.operation(stage.engine) as connection:
        names = ["program_id", "message_id", "type", "body", "created_at"]
        await connection.execute(insert(t.message).from_select(names, message))
        for id in to:
            due = select(m.program_id, literal(id, t.Id), m.message_id, m.created_at, literal(0)).where(
                m.program_id == stage.program.id, m.created_at == now
            )
            columns = ["program_id", "endpoint_id", "message_id", "due_at", "attempts"]
            await connection.execute(insert(t.pending_delivery).from_select(columns, due))


async def _drained(stage: _Stage, wanted: dict[bytes, int]) -> float:
    """Seconds until a worker has delivered so much to each endpoint. Raises BenchError where it never does."""
    stopping, heard = asyncio.Event(), Counter[bytes]()

    def count(attempt: Attempt) -> None:
        heard[attempt.claimed.endpoint_id] += attempt.outcome == DELIVERED
        if all(heard[id] >= number for id, number in wanted.items()):
            stopping.set()

    policy = guard.AddressPolicy(allow_http=True, allowed=(ip_network("127.0.0.0/8"),))
    async with sender.open_client(policy) as client:
        courier = Courier(
            engine=stage.engine,
            client=client,
            clock=stage.clock,
            random=random.random,
            new_id=lambda: uuid_utils.uuid7().bytes,
            unseal=partial(unsealed, key=stage.key),
            version="bench",
            limits=Limits(grace_seconds=0.1),
            on_attempt=count,
        )
        began = time.perf_counter()
        loop = asyncio.create_task(delivery.deliver_forever(courier, stopping=stopping, hint=asyncio.Event()))
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await stopping.wait()
            took = time.perf_counter() - began
        except TimeoutError:
            raise BenchError(f"only {sum(heard.values())} of {sum(wanted.values())} were delivered") from None
        finally:
            stopping.set()
            await loop
    return took


async def _clear(stage: _Stage) -> None:
    """Ends the endpoints of this run, and what was pending to them."""
    async with transactions.operation(stage.engine) as connection:
        e, p = t.endpoint.c, t.pending_delivery.c
        mine = t.endpoint.update().where(e.program_id == stage.program.id)
        await connection.execute(mine.values(state="deleted", deleted_at=stage.clock()))
        await connection.execute(delete(t.pending_delivery).where(p.program_id == stage.program.id))


def _at(seconds: list[float], share: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else 0.0


def _ratio(calm: Offered, busy: Offered) -> float:
    return _at(busy.answers, 0.99) / _at(calm.answers, 0.99)
