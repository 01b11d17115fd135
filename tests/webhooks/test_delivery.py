import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from standardwebhooks import Webhook

from app.db import claims, deliveries
from app.db.claims import Claimed
from app.db.deliveries import Attempt
from app.db.transactions import Engine
from app.domain import typeid
from app.webhooks import delivery, guard, outcomes, retries, sender, signing
from app.webhooks.courier import Courier
from app.webhooks.sender import Answer
from tests.builders import START, Clock
from tests.webhooks import receiver, rows
from tests.webhooks.receiver import Receiver, receiving, reply, saying

WAIT_SECONDS = 20.0


@pytest.fixture
async def shop() -> AsyncIterator[Receiver]:
    async with receiving(saying(200)) as running:
        yield running


@pytest.fixture
async def program(engine: Engine) -> bytes:
    return await rows.make_program(engine)


@asynccontextmanager
async def delivering(courier: Courier, *, hint: asyncio.Event | None = None) -> AsyncIterator[None]:
    """The loop, running in the background and stopped in order."""
    stopping = asyncio.Event()
    loop = asyncio.create_task(delivery.deliver_forever(courier, stopping=stopping, hint=hint or asyncio.Event()))
    try:
        yield
        stopping.set()
        await loop
    finally:
        loop.cancel()


async def until(met: Callable[[], Any]) -> None:
    """Waits for a condition that the loop brings about."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not met():
            await asyncio.sleep(0.01)


async def until_row(owner: asyncpg.Connection, query: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await owner.fetchval(f"SELECT {query}"):
            await asyncio.sleep(0.01)


async def attempts(owner: asyncpg.Connection) -> list[tuple[Any, ...]]:
    found = await owner.fetch("SELECT number, status, outcome, error FROM attempt ORDER BY attempt_id")
    return [tuple(row) for row in found]


async def states(owner: asyncpg.Connection) -> Counter[str]:
    return Counter(row["state"] for row in await owner.fetch("SELECT state FROM delivery"))


def message_ids(messages: list[bytes]) -> list[str]:
    return [typeid.encode(typeid.MESSAGE, id) for id in messages]


async def test_a_message_arrives_signed_and_is_recorded(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes
) -> None:
    clock.now = datetime.now(UTC)
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    messages = await rows.make_messages(courier.engine, program, [endpoint], body=b'{"type":"points.earned","data":1}')

    made = await delivery.deliver_once(courier)

    (request,) = shop.requests
    verified = Webhook(signing.secret_text(rows.SECRET)).verify(request.body, request.headers)
    assert made == 1
    assert verified == {"type": "points.earned", "data": 1}
    assert request.headers["webhook-id"] == message_ids(messages)[0]
    assert request.headers["webhook-timestamp"] == str(int(clock.now.timestamp()))
    assert request.headers["zegel-event-type"] == "points.earned"
    assert request.headers["zegel-attempt"] == "1"
    assert request.headers["user-agent"] == "Zegel/1.2.3"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["traceparent"].startswith(f"00-{messages[0].hex()}-")
    assert await attempts(owner) == [(1, 200, "delivered", None)]
    assert await states(owner) == {"delivered": 1}
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 0
    assert await delivery.deliver_once(courier) == 0


async def test_every_live_secret_signs(courier: Courier, shop: Receiver, program: bytes, clock: Clock) -> None:
    clock.now = datetime.now(UTC)
    shop.secrets = (b"new", b"old")
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, secret=b"new|old")
    await rows.make_messages(courier.engine, program, [endpoint])

    await delivery.deliver_once(replace(courier, unseal=lambda claimed, now: claimed.secret.split(b"|")))

    (request,) = shop.requests
    for secret in (b"new", b"old"):
        Webhook(signing.secret_text(secret)).verify(request.body, request.headers)


async def test_a_failing_shop_is_tried_on_schedule_and_every_attempt_is_kept(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes
) -> None:
    shop.behave = saying(500, b"no")
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint])

    tried = []
    for pause in (timedelta(), *retries.SCHEDULE):
        clock.now += pause - timedelta(seconds=1) if pause else pause
        early = await delivery.deliver_once(courier) if pause else 0
        clock.now += timedelta(seconds=1) if pause else pause
        tried.append((early, await delivery.deliver_once(courier)))
    clock.forward(days=30)

    assert tried == [(0, 1)] * 10
    assert await delivery.deliver_once(courier) == 0
    assert await attempts(owner) == [(number, 500, "failed", None) for number in range(1, 11)]
    assert await states(owner) == {"exhausted": 1}
    assert await owner.fetchval("SELECT count(DISTINCT answer) FROM attempt WHERE answer = 'no'") == 1
    assert len(set(shop.ids)) == 1
    assert [request.headers["zegel-attempt"] for request in shop.requests] == [str(n) for n in range(1, 11)]


async def test_it_is_delivered_as_soon_as_the_shop_recovers(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes
) -> None:
    shop.behave = saying(503, retry_after="600")
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint])
    await delivery.deliver_once(courier)
    shop.behave = saying(200)

    clock.forward(seconds=599)
    too_early = await delivery.deliver_once(courier)
    clock.forward(seconds=1)
    in_time = await delivery.deliver_once(courier)

    assert (too_early, in_time) == (0, 1)
    assert await attempts(owner) == [(1, 503, "failed", None), (2, 200, "delivered", None)]
    assert await owner.fetchval("SELECT attempts FROM delivery") == 2


def answer(status: int | None, *, error: str | None = None, timed_out: bool = False) -> Answer:
    return Answer(status, b"", None, error, 5, timed_out)


def judged(said: Answer, *, attempts: int = 0) -> Attempt:
    claimed = Claimed(b"p" * 16, b"e" * 16, b"m" * 16, b"l" * 16, START, attempts, "", b"", "test", b"")
    return outcomes.judge(claimed, said, id=b"a" * 16, started_at=START, now=START, schedule=retries.SCHEDULE, draw=0.5)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_2xx_has_delivered_a_message(status: int) -> None:
    attempt = judged(answer(status))

    assert (attempt.outcome, attempt.state, attempt.due_at) == ("delivered", "delivered", None)


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 999])
def test_nothing_else_has(status: int | None) -> None:
    attempt = judged(answer(status))

    assert (attempt.outcome, attempt.state) == ("failed", None)
    assert attempt.due_at is not None


def test_an_answer_that_does_not_end_in_time_has_not_either() -> None:
    attempt = judged(answer(200, error="timed_out", timed_out=True))

    assert (attempt.outcome, attempt.due_at) == ("failed", START + timedelta(seconds=60))


def test_the_last_failure_exhausts_a_delivery() -> None:
    attempt = judged(answer(500), attempts=9)

    assert (attempt.outcome, attempt.state, attempt.due_at) == ("failed", "exhausted", None)


async def test_a_redirect_has_failed_and_is_not_followed(
    courier: Courier, owner: asyncpg.Connection, shop: Receiver, program: bytes
) -> None:
    async with receiving(saying(308, location=shop.url)) as moved:
        endpoint = await rows.make_endpoint(courier.engine, program, moved.url)
        await rows.make_messages(courier.engine, program, [endpoint])
        await delivery.deliver_once(courier)

    assert shop.requests == []
    assert await attempts(owner) == [(1, 308, "failed", None)]


async def test_a_slow_drip_is_cut_and_tried_again(
    limited: Callable[..., Courier], owner: asyncpg.Connection, program: bytes
) -> None:
    courier = limited(deadline_seconds=0.3)
    async with receiving(receiver.dripping) as shop:
        endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
        await rows.make_messages(courier.engine, program, [endpoint])
        await delivery.deliver_once(courier)

    assert await attempts(owner) == [(1, 200, "failed", "timed_out")]
    assert await owner.fetchval("SELECT due_at FROM pending_delivery") == START + timedelta(seconds=60)


async def test_of_a_10_mb_answer_4_kib_are_kept(courier: Courier, owner: asyncpg.Connection, program: bytes) -> None:
    async with receiving(receiver.flooding) as shop:
        endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
        await rows.make_messages(courier.engine, program, [endpoint])
        await delivery.deliver_once(courier)

    assert await attempts(owner) == [(1, 200, "delivered", None)]
    assert await owner.fetchval("SELECT octet_length(answer) FROM attempt") == 4096


async def test_a_forbidden_address_is_an_attempt_that_failed(
    courier: Courier, owner: asyncpg.Connection, program: bytes
) -> None:
    def open_nothing(family: int, type: int, protocol: int) -> socket.socket:
        raise AssertionError("nothing is opened")

    endpoint = await rows.make_endpoint(courier.engine, program, "http://169.254.169.254/latest/meta-data/")
    await rows.make_messages(courier.engine, program, [endpoint])

    policy = guard.AddressPolicy(allow_http=True)
    async with sender.open_client(policy, open_socket=open_nothing) as client:
        await delivery.deliver_once(replace(courier, client=client))

    assert await attempts(owner) == [(1, None, "failed", "address_refused: link-local")]


async def test_a_worker_that_dies_after_its_claim_delays_a_message_and_loses_nothing(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes
) -> None:
    shop.behave = receiver.hanging
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    messages = await rows.make_messages(courier.engine, program, [endpoint], count=3)
    dying = asyncio.create_task(
        delivery.deliver_forever(courier, stopping=asyncio.Event(), hint=asyncio.Event()),
    )
    await until(lambda: len(shop.requests) == 3)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    shop.behave = saying(200)

    clock.forward(seconds=59)
    held = await delivery.deliver_once(courier)
    clock.forward(seconds=1)
    freed = await delivery.deliver_once(courier)

    assert (held, freed) == (0, 3)
    assert Counter(shop.ids) == dict.fromkeys(message_ids(messages), 2)
    assert await states(owner) == {"delivered": 3}
    assert [attempt[0] for attempt in await attempts(owner)] == [1, 1, 1]


async def test_a_worker_frozen_past_its_lease_changes_nothing_when_it_wakes(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes
) -> None:
    woken = asyncio.Event()

    def answer_when_woken(_: receiver.Request) -> receiver.Slow:
        async def wait(connection: asyncio.Transport) -> None:
            await woken.wait()
            connection.write(reply(500))

        return wait

    shop.behave = answer_when_woken
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint])
    frozen = asyncio.create_task(delivery.deliver_once(courier))
    await until(lambda: shop.requests)
    clock.forward(seconds=60)
    shop.behave = saying(200)
    taken_over = await delivery.deliver_once(courier)

    woken.set()
    await frozen

    assert taken_over == 1
    assert await states(owner) == {"delivered": 1}
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 0
    assert {attempt[:3] for attempt in await attempts(owner)} == {(1, 200, "delivered"), (1, 500, "failed")}


async def test_what_was_claimed_before_the_freeze_is_not_sent_after_it(
    courier: Courier, owner: asyncpg.Connection, shop: Receiver, program: bytes
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint])
    readings = iter([START, START, START])  # when tending, twice, and claiming

    made = await delivery.deliver_once(replace(courier, clock=lambda: next(readings, START + timedelta(seconds=60))))

    assert (made, shop.requests, await attempts(owner)) == (0, [], [])


async def test_a_deleted_endpoint_is_sent_nothing_more(
    courier: Courier, owner: asyncpg.Connection, shop: Receiver, program: bytes
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint], count=3)
    await rows.change_endpoint(courier.engine, endpoint, state="deleted", deleted_at=START)

    made = await delivery.deliver_once(courier)

    assert (made, shop.requests) == (0, [])
    assert await states(owner) == {"abandoned": 3}
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 0


async def test_a_disabled_endpoints_deliveries_are_held_until_it_is_enabled(
    courier: Courier, owner: asyncpg.Connection, shop: Receiver, program: bytes
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, state="disabled")
    await rows.make_messages(courier.engine, program, [endpoint], count=3)

    held = await delivery.deliver_once(courier)
    await rows.change_endpoint(courier.engine, endpoint, state="enabled")
    released = await delivery.deliver_once(courier)

    assert (held, released) == (0, 3)
    assert await states(owner) == {"delivered": 3}


async def test_the_loop_delivers_all_that_is_due_to_everyone(
    limited: Callable[..., Courier], owner: asyncpg.Connection, shop: Receiver
) -> None:
    # Hundreds at once share a core with the shop: none fails for being slow, since its clock would never try it again.
    courier, heard = limited(deadline_seconds=WAIT_SECONDS, connect_seconds=WAIT_SECONDS), list[Attempt]()
    for _ in range(2):
        program = await rows.make_program(courier.engine)
        endpoints = [await rows.make_endpoint(courier.engine, program, shop.url) for _ in range(3)]
        await rows.make_messages(courier.engine, program, endpoints, count=100)

    async with delivering(replace(courier, on_attempt=heard.append)):
        await until(lambda: len(heard) == 600)

    assert Counter(shop.ids).most_common(1)[0][1] == 3
    assert await states(owner) == {"delivered": 600}
    assert {attempt.outcome for attempt in heard} == {"delivered"}


async def test_with_a_shop_that_fails_now_and_then_everything_arrives(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes
) -> None:
    shop.behave = receiver.flaky(0.05, seed=7)
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    messages = await rows.make_messages(courier.engine, program, [endpoint], count=400)

    async with delivering(courier):
        async with asyncio.timeout(WAIT_SECONDS):
            while await owner.fetchval("SELECT count(*) FROM pending_delivery"):
                clock.forward(seconds=5)
                await asyncio.sleep(0.05)

    failed = await owner.fetchval("SELECT count(*) FROM attempt WHERE outcome = 'failed'")
    assert set(shop.ids) == set(message_ids(messages))
    assert len(shop.ids) == 400 + failed
    assert failed > 5
    assert await states(owner) == {"delivered": 400}


async def test_a_hint_wakes_an_idle_loop_at_once(courier: Courier, shop: Receiver, program: bytes) -> None:
    hint = asyncio.Event()
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)

    async with delivering(courier, hint=hint):
        await asyncio.sleep(1.0)  # by now it asks once a second
        await rows.make_messages(courier.engine, program, [endpoint])
        hint.set()
        started = time.monotonic()
        await until(lambda: shop.requests)
        took = time.monotonic() - started

    assert took < 0.4


async def test_a_message_without_a_hint_is_noticed_within_two_seconds(
    courier: Courier, shop: Receiver, program: bytes
) -> None:
    async with delivering(courier):
        await asyncio.sleep(0.5)
        endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
        await rows.make_messages(courier.engine, program, [endpoint])
        started = time.monotonic()
        await until(lambda: shop.requests)
        took = time.monotonic() - started

    assert took < 3


async def test_a_backlog_gives_way_after_every_few_deliveries(courier: Courier, shop: Receiver, program: bytes) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint], count=3 * delivery.STARTED_AT_ONCE)
    free = asyncio.Event()

    async def give_way() -> None:
        await free.wait()

    async with delivering(replace(courier, give_way=give_way)):
        await until(lambda: len(shop.requests) >= delivery.STARTED_AT_ONCE)
        await asyncio.sleep(0.3)
        before = len(shop.requests)
        free.set()
        await until(lambda: len(shop.requests) == 3 * delivery.STARTED_AT_ONCE)

    assert before == delivery.STARTED_AT_ONCE


async def test_what_is_new_and_little_does_not_wait_for_its_turn(
    courier: Courier, shop: Receiver, program: bytes
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint], count=delivery.STARTED_AT_ONCE)
    turns: list[int] = []

    async def give_way() -> None:
        turns.append(1)

    async with delivering(replace(courier, give_way=give_way)):
        await until(lambda: len(shop.requests) == delivery.STARTED_AT_ONCE)

    assert turns == []


async def test_one_dead_endpoint_among_ten_delays_none_of_the_others(
    limited: Callable[..., Courier], shop: Receiver, program: bytes
) -> None:
    # Half of the usual at once: both ends of each connection are open files of this process, which may have 1,024.
    courier, heard = limited(in_flight=256, deadline_seconds=15.0, grace_seconds=0.1), Counter[str]()
    async with receiving(receiver.hanging) as dead:
        silent = await rows.make_endpoint(courier.engine, program, dead.url)
        await rows.make_messages(courier.engine, program, [silent], count=1_000, due_at=START - timedelta(hours=1))
        alive = [await rows.make_endpoint(courier.engine, program, shop.url) for _ in range(9)]
        await rows.make_messages(courier.engine, program, alive, count=100)
        started = time.monotonic()
        async with delivering(replace(courier, on_attempt=lambda attempt: heard.update([attempt.outcome]))):
            await until(lambda: heard["delivered"] == 900)
            took = time.monotonic() - started

    assert len(dead.requests) == claims.IN_FLIGHT
    assert heard == {"delivered": 900}
    assert took < 12  # none has waited for the dead one's deadline


async def test_an_endpoint_never_has_more_in_flight_than_its_share(
    limited: Callable[..., Courier], shop: Receiver, program: bytes
) -> None:
    courier, most, now = limited(per_endpoint=3, in_flight=5), Counter[str](), Counter[str]()

    def slowly(request: receiver.Request) -> receiver.Slow:
        async def wait(connection: asyncio.Transport) -> None:
            for one in (request.path, "all"):
                now[one] += 1
                most[one] = max(most[one], now[one])
            await asyncio.sleep(0.02)
            now.subtract([request.path, "all"])
            connection.write(reply(200))

        return wait

    shop.behave = slowly
    endpoints = [await rows.make_endpoint(courier.engine, program, f"{shop.url}/{n}") for n in range(3)]
    await rows.make_messages(courier.engine, program, endpoints, count=10)

    async with delivering(courier):
        await until(lambda: len(shop.requests) == 30)

    assert most["all"] <= 5
    assert all(most[f"/hook/{n}"] <= 3 for n in range(3))


async def test_stopping_lets_what_is_in_flight_finish_and_be_recorded(
    courier: Courier, owner: asyncpg.Connection, shop: Receiver, program: bytes
) -> None:
    def soon(_: receiver.Request) -> receiver.Slow:
        async def wait(connection: asyncio.Transport) -> None:
            await asyncio.sleep(0.3)
            connection.write(reply(200))

        return wait

    shop.behave = soon
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint], count=5)

    async with delivering(courier):
        await until(lambda: len(shop.requests) == 5)

    assert await states(owner) == {"delivered": 5}


async def test_stopping_gives_up_on_what_takes_longer_than_the_grace(
    limited: Callable[..., Courier], owner: asyncpg.Connection, shop: Receiver, program: bytes
) -> None:
    courier = limited(grace_seconds=0.1)
    shop.behave = receiver.hanging
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint])

    async with delivering(courier):
        await until(lambda: shop.requests)
        started = time.monotonic()
    took = time.monotonic() - started

    assert took < 1.5
    assert await attempts(owner) == []
    assert await owner.fetchval("SELECT due_at FROM pending_delivery") == START + timedelta(seconds=60)


async def test_the_loop_outlives_its_connections(
    courier: Courier, owner: asyncpg.Connection, shop: Receiver, program: bytes, clock: Clock
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    messages = await rows.make_messages(courier.engine, program, [endpoint], count=300)

    async with delivering(courier):
        for _ in range(5):
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            await asyncio.sleep(0.05)
        async with asyncio.timeout(WAIT_SECONDS):
            while await owner.fetchval("SELECT count(*) FROM pending_delivery"):
                clock.forward(seconds=5)
                await asyncio.sleep(0.05)

    assert set(shop.ids) == set(message_ids(messages))
    assert await states(owner) == {"delivered": 300}


async def test_a_delivery_that_cannot_even_be_tried_holds_up_no_other(
    courier: Courier, owner: asyncpg.Connection, shop: Receiver, program: bytes
) -> None:
    def unseal(claimed: Claimed, now: datetime) -> list[bytes]:
        if claimed.secret == b"torn":
            raise ValueError("cannot be opened")
        return [claimed.secret]

    torn = await rows.make_endpoint(courier.engine, program, shop.url, secret=b"torn")
    whole = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [torn, whole], count=5)

    async with delivering(replace(courier, unseal=unseal)):
        await until_row(owner, "count(*) = 5 FROM delivery")

    assert len(shop.requests) == 5
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 5


async def test_an_empty_database_has_nothing_to_deliver(courier: Courier) -> None:
    assert await deliveries.programs(courier.engine) == ()
    assert await delivery.deliver_once(courier) == 0
