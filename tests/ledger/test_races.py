"""Many at once, in one process and in two: recorded once, never overspent, one member per identity (quality, Never)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.settings import Settings
from app.worker.settling import settle_once
from tests.builders import EXPIRING, PLAIN, Clock, Service, at, open_service, publish, purchase
from tests.database import assert_whole, count

COPIES = 64
ROUNDS = 4
"""Rounds of the races that need luck to meet in the wrong place."""


class Ticking(Clock):
    """A clock that nobody reads twice the same."""

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@pytest.fixture
async def two(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Service, Service]]:
    """Two processes' worth of the service on one database."""
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        yield one, other


@pytest.fixture(params=["one process", "two processes"])
def tills(request: pytest.FixtureRequest, two: tuple[Service, Service]) -> Sequence[Service]:
    """Where the tills of a test send: to the same process, or to both in turn."""
    return two if request.param == "two processes" else two[:1]


async def at_once(tills: Sequence[Service], bodies: Sequence[Any], *, path: str = "/v1/events") -> list[httpx.Response]:
    """All answers to what is sent at the same time, in the order of the bodies."""
    return list(await asyncio.gather(*(tills[i % len(tills)].send(body, path=path) for i, body in enumerate(bodies))))


def statuses(answers: Sequence[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


@asynccontextmanager
async def members_locked(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Holds the rows of all members there are, as a slow transaction of another process would."""
    assert settings.migration_database_url is not None
    connection = await asyncpg.connect(settings.migration_database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM member ORDER BY member_id FOR UPDATE")
            yield connection
    finally:
        await connection.close()


async def wait_for_waiting(owner: asyncpg.Connection, transactions: int = 1) -> None:
    """Returns once so many transactions wait for a lock; the barrier of the tests that need no luck."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(400):
        if await owner.fetchval(waiting) >= transactions:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


async def test_copies_of_an_event_are_recorded_once(tills: Sequence[Service], owner: asyncpg.Connection) -> None:
    """Semantics E1: one 201, every other the same answer as a replay, though the member is new as well."""
    for n in range(ROUNDS):
        answers = await at_once(tills, [purchase("12.50", card=f"c{n}", id=f"p{n}")] * COPIES)

        assert statuses(answers) == {201: 1, 200: COPIES - 1}
        assert len({answer.text for answer in answers}) == 1
        assert {answer.headers.get("Idempotent-Replayed") for answer in answers if answer.status_code == 200} == {
            "true"
        }
    assert await count(owner, "event", "kind = 'purchase'") == await count(owner, "member") == ROUNDS
    await assert_whole(owner)


async def test_copies_of_a_redemption_spend_once(tills: Sequence[Service], owner: asyncpg.Connection) -> None:
    """Semantics E1, L6: a copy of a paid redemption is a replay, never told that there are too few points."""
    await tills[0].buy("100.00")
    body = {"type": "redemption", "id": "r1", "member": "card:1001", "occurred_at": at(tills[0].clock()), "points": 80}

    answers = await at_once(tills, [body] * COPIES)

    assert statuses(answers) == {201: 1, 200: COPIES - 1}
    assert len({answer.text for answer in answers}) == 1
    assert await count(owner, "event", "kind = 'redemption'") == 1


async def test_redemptions_at_once_never_overspend(tills: Sequence[Service], owner: asyncpg.Connection) -> None:
    """Semantics L6: exactly as many succeed as there are points for; the others learn what there is."""
    member = (await tills[0].buy("100.00")).json()["member"]
    for _ in range(4):
        await tills[0].buy("100.00")
    body = {"type": "redemption", "member": "card:1001", "occurred_at": at(tills[0].clock()), "points": 7}

    answers = await at_once(tills, [body | {"id": f"r{n}"} for n in range(200)])

    assert statuses(answers) == {201: 500 // 7, 409: 200 - 500 // 7}
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    facts = {(one["code"], one["asked"], one["available"], one["missing"]) for one in refused}
    assert facts == {("insufficient_points", 7, 3, 4)}
    left = sorted(answer.json()["entries"][0]["balance_after"] for answer in answers if answer.status_code == 201)
    assert left == list(range(500 % 7, 500, 7))
    points = (await tills[0].units(member))["points"]
    assert (points["balance"], points["available"]) == (3, 3)
    assert await count(owner, "entry", "points < 0") == 500 // 7
    await assert_whole(owner)


async def test_earning_and_spending_at_once_lose_nothing(tills: Sequence[Service], owner: asyncpg.Connection) -> None:
    """Semantics L1: every accepted event is in the balance, whatever else was going on."""
    member = (await tills[0].buy("50.00")).json()["member"]
    now = at(tills[0].clock())
    spend = {"type": "redemption", "member": "card:1001", "occurred_at": now, "points": 30}
    bodies = [purchase("10.00", id=f"b{n}") if n % 2 else spend | {"id": f"s{n}"} for n in range(100)]

    answers = await at_once(tills, bodies)

    spent = sum(30 for n, answer in enumerate(answers) if n % 2 == 0 and answer.status_code == 201)
    assert all(answer.status_code == 201 for answer in answers[1::2])
    assert (await tills[0].units(member))["points"]["balance"] == 50 + 50 * 10 - spent >= 0
    await assert_whole(owner)


async def test_walk_ins_at_once_make_one_member(tills: Sequence[Service], owner: asyncpg.Connection) -> None:
    """Semantics M1: an identity is one member's, whoever enrols it first."""
    for n in range(ROUNDS):
        bodies = [purchase("10.00", card=f"w{n}", id=f"w{n}-{i}") for i in range(24)]

        answers = await at_once(tills, bodies)

        assert statuses(answers) == {201: 24}
        assert len({answer.json()["member"] for answer in answers}) == 1
        assert sorted(answer.json()["sequence"] for answer in answers) == list(range(2, 26))
    assert await count(owner, "event", "kind = 'enrolment'") == await count(owner, "member") == ROUNDS
    await assert_whole(owner)


async def test_enrolments_at_once_make_one_member(tills: Sequence[Service], owner: asyncpg.Connection) -> None:
    """Semantics M1: the others learn whose identity it is."""
    bodies = [{"id": f"e{n}", "identities": {"card": "1001", "email": "Sanne@Example.com"}} for n in range(24)]

    answers = await at_once(tills, bodies, path="/v1/members")

    assert statuses(answers) == {201: 1, 409: 23}
    (made,) = (answer.json() for answer in answers if answer.status_code == 201)
    assert {answer.json()["member"] for answer in answers if answer.status_code == 409} == {made["id"]}
    assert await count(owner, "member") == await count(owner, "event") == 1


async def test_copies_of_an_enrolment_make_one_member_though_time_goes_on(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    """Semantics E1: without `occurred_at` each copy was sent at another time, and still says the same."""
    clock = Ticking()
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        for n in range(ROUNDS):
            body = {"id": f"e{n}", "identities": {"card": f"c{n}"}}

            answers = await at_once((one, other), [body] * 16, path="/v1/members")

            assert statuses(answers) == {201: 1, 200: 15}, [answer.text for answer in answers]
            assert len({answer.json()["id"] for answer in answers}) == 1
    assert await count(owner, "member") == ROUNDS


async def test_of_two_contents_under_one_id_one_wins(tills: Sequence[Service], owner: asyncpg.Connection) -> None:
    """Semantics E1: copies of the winner are replays, the other content is refused with the event it clashed with."""
    for n in range(ROUNDS):
        contents = [purchase(total, card=f"c{n}", id=f"p{n}") for total in ("10.00", "20.00")]

        answers = await at_once(tills, [contents[i // 2 % 2] for i in range(48)])

        (first,) = (answer for answer in answers if answer.status_code == 201)
        winner = first.json()["entries"][0]["points"] // 10 - 1
        mine = [answer for i, answer in enumerate(answers) if i // 2 % 2 == winner]
        others = [answer.json() for i, answer in enumerate(answers) if i // 2 % 2 != winner]
        assert statuses(mine) == {201: 1, 200: 23}
        assert {(one["code"], one["recorded"]) for one in others} == {("event_id_reused", first.json()["id"])}
        assert {answer.text for answer in mine} == {first.text}
    assert await count(owner, "event", "kind = 'purchase'") == ROUNDS


async def test_two_workers_write_an_expiry_once(settings: Settings, clock: Clock, owner: asyncpg.Connection) -> None:
    """Semantics L7, K1: both find the same members due, in the same moment."""
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        for n in range(20):
            await one.buy("10.00", card=f"c{n}")
        clock.forward(days=400)
        parts = [process.app.state.parts for process in (one, other) * 2]

        written = await asyncio.gather(*(settle_once(p.engine, p.ledger, now=clock()) for p in parts))

        assert sum(written) == await count(owner, "event", "kind = 'expiry'") == 20
    await assert_whole(owner)


async def test_copies_that_waited_for_the_same_lock_spend_once(
    two: tuple[Service, Service], settings: Settings, owner: asyncpg.Connection
) -> None:
    """Semantics E1, architecture §3.4: the replay is looked for after the lock, so nobody is told "too few points"."""
    one, other = two
    await one.buy("100.00")
    await other.buy("1.00", id="other-has-a-lane")
    async with members_locked(settings):
        copies = [asyncio.create_task(till.redeem(80, id="r1")) for till in two]
        await wait_for_waiting(owner, 2)

    answers = await asyncio.gather(*copies)

    assert statuses(answers) == {201: 1, 200: 1}, [answer.text for answer in answers]
    assert answers[0].json() == answers[1].json()


async def test_a_copy_that_waited_while_another_process_enrolled_is_a_replay(
    two: tuple[Service, Service], settings: Settings, owner: asyncpg.Connection
) -> None:
    """Semantics E1: the member counts as resolved, also if nobody knew them when the copy's batch began."""
    one, other = two
    await one.buy("10.00", card="2002")
    body = purchase("12.50", card="1001", id="p-new")
    async with members_locked(settings):
        batch = [body, purchase("10.00", card="2002", id="p-old")]
        waiting = asyncio.create_task(other.send({"events": batch}, path="/v1/events/batch?explain=true"))
        await wait_for_waiting(owner)
        first = await one.send(body)

    results = (await waiting).json()["results"]

    assert first.status_code == 201
    assert [result["outcome"] for result in results] == ["replayed", "created"], results[0]
    assert results[0]["event"] == first.json()


async def test_a_redemption_that_waited_too_long_for_a_lock_is_refused(
    two: tuple[Service, Service], settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics E3, E6: `recorded_at` is read after the lock; a till that gave up must not succeed behind its back."""
    one, _ = two
    await one.buy("100.00")
    async with members_locked(settings):
        waiting = asyncio.create_task(one.redeem(10, not_after=at(clock() + timedelta(seconds=10))))
        await wait_for_waiting(owner)
        clock.forward(seconds=30)

    answer = await waiting

    assert (answer.status_code, answer.json().get("code")) == (422, "not_after_passed"), answer.text


async def test_rules_published_while_a_sale_waited_for_a_lock_judge_it(
    two: tuple[Service, Service], settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics E3, architecture §3.3b: the versions are read after the lock, as those in force at `occurred_at`."""
    one, _ = two
    await one.buy("1.00")
    clock.forward(hours=1)
    async with members_locked(settings):
        waiting = asyncio.create_task(one.buy("10.00"))
        await wait_for_waiting(owner)
        await publish(settings, clock=clock, document=PLAIN.replace("give: 1,", "give: 2,"))

    answer = await waiting

    assert (answer.json()["rules_version"], answer.json()["entries"][0]["points"]) == (2, 20)
