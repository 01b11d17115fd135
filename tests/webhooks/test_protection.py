"""What one endpoint may cost: requests in flight, a rate, a breaker, days of failing (webhooks W6, W7)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.db import claims
from app.db.claims import Claimed, Open
from app.db.deliveries import Attempt
from app.db.endpoint_health import Health
from app.webhooks import delivery, protection
from app.webhooks.courier import Courier
from tests.builders import START, Clock
from tests.webhooks import receiver, rows
from tests.webhooks.receiver import Receiver, receiving, reply, saying
from tests.webhooks.test_claims import claim, made
from tests.webhooks.test_delivery import delivering, states, until

SECOND = timedelta(seconds=1)
FIRST, OTHER = b"1" * 16, b"2" * 16


@pytest.fixture
async def shop() -> AsyncIterator[Receiver]:
    async with receiving(saying(200)) as running:
        yield running


@pytest.fixture
async def program(courier: Courier) -> bytes:
    return await rows.make_program(courier.engine)


def endpoint(id: bytes = FIRST, **different: Any) -> Open:
    usual: dict[str, Any] = {
        "ordered": False,
        "holds": False,
        "in_flight": 64,
        "per_second": None,
        "rate_at": None,
        "failures": 0,
        "trips": 0,
    }
    return Open(id, "https://shop.example/", b"", **{**usual, **different})


def rooms(*endpoints: Open, now: datetime = START, **different: Any) -> list[tuple[bytes, int, int]]:
    usual: dict[str, Any] = {"flying": {}, "unrecorded": {}, "most": 256, "free": 512, "after": bytes(16)}
    found = protection.rooms(endpoints, now=now, **{**usual, **different})
    return [(one.endpoint.endpoint_id, one.room, one.in_flight) for one in found]


def attempt(outcome: str = "failed", *, at: datetime = START, **different: Any) -> Attempt:
    claimed = Claimed(b"p" * 16, FIRST, b"m" * 16, b"l" * 16, START, 0, "", b"", "test", b"")
    state = "delivered" if outcome == "delivered" else None
    return made(claimed, state=state, outcome=outcome, finished_at=at, **different)


def test_room_is_what_the_shop_allows_less_what_is_in_flight() -> None:
    assert rooms(endpoint(in_flight=5), flying={FIRST: 2}, unrecorded={FIRST: 1}) == [(FIRST, 3, 6)]
    assert rooms(endpoint(in_flight=5), flying={FIRST: 5}) == []
    assert rooms(endpoint(in_flight=200), most=100, free=7) == [(FIRST, 7, 100)]


def test_one_that_has_tripped_gets_a_single_probe() -> None:
    assert rooms(endpoint(trips=1)) == [(FIRST, 1, 1)]
    assert rooms(endpoint(trips=1), flying={FIRST: 1}) == []


def test_a_strict_endpoint_has_one_in_flight() -> None:
    assert rooms(endpoint(strict=True)) == [(FIRST, 1, 1)]
    assert rooms(endpoint(strict=True), flying={FIRST: 1}) == []


@pytest.mark.parametrize(
    ("tried", "penalty"),
    [
        ("", {}),
        ("dddd", {}),
        ("f", {FIRST: 4}),
        ("fddd", {FIRST: 1}),
        ("fdddd", {}),
        ("f" + "d" * 99 + "f", {FIRST: 4}),
        ("dddddfffff" * 9, {FIRST: 64}),
    ],
)
def test_a_failure_counts_against_an_endpoint_until_it_has_had_four_successes(
    tried: str, penalty: dict[bytes, int]
) -> None:
    attempts = [attempt("delivered" if one == "d" else "failed") for one in tried]

    assert protection.penalties({}, attempts) == penalty


def test_an_aborted_message_counts_against_nobody() -> None:
    aborted = replace(attempt(), state="aborted")

    assert protection.penalties({FIRST: 9}, [aborted]) == {FIRST: 8}


@pytest.mark.parametrize(
    ("penalty", "flying", "room"),
    [(0, 0, 64), (4, 0, 60), (32, 0, 32), (32, 30, 2), (64, 0, 4), (64, 3, 1), (64, 4, 0)],
)
def test_one_that_fails_gives_way_as_long_as_there_is_room_for_another(penalty: int, flying: int, room: int) -> None:
    found = protection.rooms(
        [endpoint(FIRST), endpoint(OTHER)],
        flying={FIRST: flying},
        unrecorded={},
        most=256,
        free=512,
        after=bytes(16),
        now=START,
    )
    penalties = {FIRST: penalty} if penalty else {}

    giving_way = protection.yielding(found, penalties)
    beside = protection.lessened(found, giving_way, flying={FIRST: flying})

    assert giving_way == penalties
    assert {one.endpoint.endpoint_id: one.room for one in beside} == {OTHER: 64} | ({FIRST: room} if room else {})


def test_who_fails_gives_way_to_nobody_where_nobody_does_better() -> None:
    found = [claims.Room(endpoint(FIRST), 64, 64), claims.Room(endpoint(OTHER), 64, 64)]

    assert protection.yielding(found, {FIRST: 64, OTHER: 1}) == {}
    assert protection.yielding(found[:1], {FIRST: 64}) == {}
    assert protection.lessened(found, {}, flying={FIRST: 60}) == found


def test_a_rate_allows_what_it_gives_in_a_tenth_of_a_second_and_one_at_least() -> None:
    found = {rate: protection.allowance(None, rate, now=START) for rate in (1, 5, 10, 95, 1000)}

    assert found == {1: 1, 5: 1, 10: 1, 95: 9, 1000: 100}


def test_a_rate_used_up_comes_back_with_time() -> None:
    used = protection.spent(None, 10, 1, now=START)

    waits = (0, 50, 100, 200, 10_000)
    back = {wait: protection.allowance(used, 10, now=START + timedelta(milliseconds=wait)) for wait in waits}

    assert back == {0: 0, 50: 0, 100: 1, 200: 1, 10_000: 1}


def test_ten_failures_in_a_row_open_the_breaker_for_longer_each_time() -> None:
    health, opened = Health("enabled"), []
    now = START
    for _ in range(9):
        health = protection.fare(health, [attempt(at=now)])
    assert (health.open_until, health.trips) == (None, 0)

    for _ in range(5):
        health = protection.fare(health, [attempt(at=now)])
        assert health.open_until is not None
        opened.append((health.open_until - now) / SECOND)
        now = health.open_until

    assert opened == [30, 60, 120, 300, 300]


def test_what_was_under_way_when_it_opened_does_not_lengthen_it() -> None:
    health = protection.fare(Health("enabled"), [attempt() for _ in range(64)])

    assert (health.trips, health.open_until) == (1, START + 30 * SECOND)


def test_one_success_closes_it() -> None:
    health = protection.fare(Health("enabled"), [attempt() for _ in range(10)])

    health = protection.fare(health, [attempt("delivered", at=START + SECOND)])

    assert health == Health("enabled")


def test_a_failure_between_successes_opens_nothing() -> None:
    outcomes = ["failed"] * 9 + ["delivered"] + ["failed"] * 9

    tried = [attempt(one, at=START + at * SECOND) for at, one in enumerate(outcomes)]
    health = protection.fare(Health("enabled"), tried)

    assert (health.open_until, health.failures, health.failing_since) == (None, 9, START + 10 * SECOND)


@pytest.mark.parametrize(("days", "state"), [(4.9, "enabled"), (5, "disabled"), (9, "disabled")])
def test_five_days_without_a_success_disable_an_endpoint(days: float, state: str) -> None:
    health = protection.fare(Health("enabled"), [attempt()])

    health = protection.fare(health, [attempt(at=START + timedelta(days=days))])

    assert (health.state, health.reason) == (state, "failing" if state == "disabled" else None)


def test_a_success_starts_the_five_days_anew() -> None:
    health = protection.fare(Health("enabled"), [attempt(), attempt("delivered", at=START + timedelta(days=4))])

    health = protection.fare(health, [attempt(at=START + timedelta(days=8))])

    assert health.state == "enabled"


@pytest.mark.parametrize("state", ["paused", "deleted"])
def test_only_an_enabled_endpoint_is_disabled(state: str) -> None:
    assert protection.fare(Health(state), [attempt(disables="gone")]).state == state


async def test_what_another_worker_has_in_flight_counts(courier: Courier, program: bytes) -> None:
    id = await rows.make_endpoint(courier.engine, program, "https://shop.example/", in_flight=3)
    await rows.make_messages(courier.engine, program, [id], count=10)

    first, second = await claim(courier.engine, program, free=2), await claim(courier.engine, program)
    lapsed = await claim(courier.engine, program, now=START + timedelta(seconds=60))

    assert [len(first), len(second), len(lapsed)] == [2, 1, 3]


async def test_two_workers_at_once_never_have_more_in_flight_than_the_shop_allows(
    courier: Courier, program: bytes, shop: Receiver
) -> None:
    now, most = Counter[str](), Counter[str]()

    def slowly(request: receiver.Request) -> receiver.Slow:
        async def wait(connection: asyncio.Transport) -> None:
            now["at once"] += 1
            most["at once"] = max(most["at once"], now["at once"])
            await asyncio.sleep(0.01)
            now["at once"] -= 1
            connection.write(reply(200))

        return wait

    shop.behave = slowly
    id = await rows.make_endpoint(courier.engine, program, shop.url, in_flight=3)
    await rows.make_messages(courier.engine, program, [id], count=40)

    async with delivering(courier), delivering(courier), delivering(courier):
        await until(lambda: len(shop.requests) == 40)

    assert most["at once"] <= 3


async def test_a_rate_is_kept_over_all_workers(courier: Courier, program: bytes, clock: Clock, shop: Receiver) -> None:
    id = await rows.make_endpoint(courier.engine, program, shop.url, per_second=20)
    await rows.make_messages(courier.engine, program, [id], count=50)

    sent = []
    for _ in range(10):
        sent.append(await delivery.deliver_once(courier) + await delivery.deliver_once(courier))
        clock.forward(milliseconds=100)

    assert sent == [2] * 10


async def test_a_dead_endpoint_is_probed_and_what_waits_goes_out_when_it_is_back(
    courier: Courier, program: bytes, clock: Clock, shop: Receiver, owner: asyncpg.Connection
) -> None:
    shop.behave = saying(500)
    id = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [id], count=100)

    tried = [await delivery.deliver_once(courier) for _ in range(2)]
    clock.forward(seconds=30)
    probed = [await delivery.deliver_once(courier) for _ in range(2)]
    shop.behave = saying(200)
    clock.forward(seconds=60)
    back = [await delivery.deliver_once(courier) for _ in range(3)]

    assert (tried, probed, back) == ([64, 0], [1, 0], [1, 64, 35])
    assert await states(owner) == {"delivered": 100}
    assert await owner.fetchval("SELECT failing_since FROM endpoint") is None


async def test_a_dead_a_slow_and_a_flapping_endpoint_delay_none_of_the_others(
    limited: Callable[..., Courier], shop: Receiver, program: bytes
) -> None:
    heard, slow = Counter[bytes](), Counter[bool]()

    def slowly(_: receiver.Request) -> receiver.Slow:
        async def wait(connection: asyncio.Transport) -> None:
            await asyncio.sleep(1)
            connection.write(reply(200))

        return wait

    def flap(_: receiver.Request) -> bytes:
        slow[True] += 1
        return reply(200 if slow[True] // 5 % 2 else 503)

    courier = replace(
        limited(in_flight=300, deadline_seconds=15.0, grace_seconds=0.1),
        on_attempt=lambda attempt: heard.update([attempt.claimed.endpoint_id] * (attempt.outcome == "delivered")),
    )
    async with receiving(receiver.hanging) as dead, receiving(slowly) as lazy, receiving(flap) as flapping:
        bad = [await rows.make_endpoint(courier.engine, program, one.url) for one in (dead, lazy, flapping)]
        early = START - timedelta(hours=1)
        await rows.make_messages(courier.engine, program, bad, count=300, due_at=early)
        good = [await rows.make_endpoint(courier.engine, program, shop.url) for _ in range(7)]
        await rows.make_messages(courier.engine, program, good, count=50)
        async with delivering(courier), asyncio.timeout(12):
            await until(lambda: sum(heard[id] for id in good) == 350)

    assert {heard[id] for id in good} == {50}


async def test_one_that_fails_every_other_moment_takes_little_while_others_have_more_to_be_sent(
    courier: Courier, shop: Receiver, program: bytes
) -> None:
    taken = Counter[bool]()

    def flap(_: receiver.Request) -> bytes:
        taken[True] += 1
        return reply(200 if taken[True] // 5 % 2 else 503)

    async with receiving(flap) as flapping:
        bad = await rows.make_endpoint(courier.engine, program, flapping.url)
        await rows.make_messages(courier.engine, program, [bad], count=600, due_at=START - timedelta(hours=1))
        good = [await rows.make_endpoint(courier.engine, program, shop.url) for _ in range(3)]
        await rows.make_messages(courier.engine, program, good, count=600)
        async with delivering(courier):
            await until(lambda: len(shop.requests) >= 1_700)
            beside = len(flapping.requests)
            await until(lambda: len(flapping.requests) == 600)

    assert beside < 300
