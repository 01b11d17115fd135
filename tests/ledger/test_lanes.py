"""Several processes on one database: each its own lane of blocks, and no member's points spent twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import asyncpg

from app.db.lanes import LEASE
from app.settings import Settings
from tests.builders import START, Clock, Service, open_service, publish, purchase
from tests.database import assert_whole, count

Blocks = list[tuple[int, int]]


@asynccontextmanager
async def two(settings: Settings, *clocks: Clock) -> AsyncIterator[tuple[Service, Service]]:
    """Two instances of the service, each with its own clock."""
    await publish(settings, clock=Clock())
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(open_service(settings, clock=clock)) for clock in clocks]
        yield first, second


async def blocks(owner: asyncpg.Connection) -> Blocks:
    """Lane and number of every block."""
    return [(row["lane"], row["number"]) for row in await owner.fetch("SELECT lane, number FROM block ORDER BY 1, 2")]


async def test_two_instances_write_different_lanes(settings: Settings, owner: asyncpg.Connection) -> None:
    async with two(settings, Clock(), Clock()) as (first, second):
        for number in range(3):
            assert (await first.buy(id=f"a{number}", card="1")).status_code == 201
            assert (await second.buy(id=f"b{number}", card="2")).status_code == 201

    assert await blocks(owner) == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    await assert_whole(owner)


async def test_a_program_never_writes_in_anothers_lane(settings: Settings, owner: asyncpg.Connection) -> None:
    await publish(settings, clock=Clock(), program="tea")
    async with (
        two(settings, Clock(), Clock()) as (first, _),
        open_service(settings, clock=Clock(), program="tea") as tea,
    ):
        await first.buy(id="a1")
        await tea.buy(id="a1")

    assert await blocks(owner) == [(1, 1), (1, 1)]
    assert await owner.fetchval("SELECT count(DISTINCT program_id) FROM block") == 2
    await assert_whole(owner)


async def test_a_crowd_through_two_instances_leaves_dense_linked_lanes(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    async with two(settings, Clock(), Clock()) as services:
        answers = await asyncio.gather(
            *[services[n % 2].send(purchase(id=f"p{n}", card=str(n % 5))) for n in range(80)]
        )

    assert Counter(answer.status_code for answer in answers) == {201: 80}
    assert {lane for lane, _ in await blocks(owner)} == {1, 2}
    assert await assert_whole(owner) == 85


async def test_a_lane_whose_holder_is_gone_is_taken_over_where_it_ended(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    late = Clock(START + LEASE + timedelta(seconds=1))
    async with two(settings, Clock(), late) as (gone, heir):
        await gone.buy(id="a1")
        await gone.buy(id="a2")

        assert (await heir.buy(id="b1")).status_code == 201

        assert await blocks(owner) == [(1, 1), (1, 2), (1, 3)]
        await assert_whole(owner)


async def test_a_lane_is_kept_until_its_lease_is_over(settings: Settings, owner: asyncpg.Connection) -> None:
    async with two(settings, Clock(), Clock(START + LEASE)) as (holder, other):
        await holder.buy(id="a1")

        await other.buy(id="b1")

    assert await blocks(owner) == [(1, 1), (2, 1)]


async def test_a_holder_that_lost_its_lane_finds_out_and_goes_on_elsewhere(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    late = Clock(START + LEASE + timedelta(seconds=1))
    async with two(settings, Clock(), late) as (stale, heir):
        await stale.buy(id="a1", card="1")
        await heir.buy(id="b1", card="2")

        answers = await asyncio.gather(*[stale.buy(id=f"a{n}", card="1") for n in range(2, 6)])
        again = await stale.buy(id="a2", card="1")
        await heir.buy(id="b2", card="2")

    assert [answer.status_code for answer in answers] == [201] * 4
    assert again.status_code == 200
    lanes = Counter(lane for lane, _ in await blocks(owner))
    assert lanes[1] == 3
    assert 1 <= lanes[2] <= 4
    assert await count(owner, "event", "kind = 'purchase'") == 7
    await assert_whole(owner)


async def test_a_lease_is_renewed_in_time(settings: Settings, owner: asyncpg.Connection) -> None:
    clock = Clock()
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as service:
        for number in range(8):
            await service.buy(id=f"p{number}")
            clock.forward(seconds=20)
            assert await owner.fetchval("SELECT min(leased_until) FROM lane") > clock.now

    assert {lane for lane, _ in await blocks(owner)} == {1}
    await assert_whole(owner)


async def test_a_lane_given_up_in_peace_is_taken_by_the_next(settings: Settings, owner: asyncpg.Connection) -> None:
    clock = Clock()
    await publish(settings, clock=clock)
    for number in range(3):
        async with open_service(settings, clock=clock) as service:
            await service.buy(id=f"p{number}")
        clock.forward(seconds=1)

    assert await blocks(owner) == [(1, 1), (1, 2), (1, 3)]
    await assert_whole(owner)


async def test_two_instances_never_overspend_a_member(settings: Settings, owner: asyncpg.Connection) -> None:
    async with two(settings, Clock(), Clock()) as services:
        await services[0].buy("10.00")

        answers = await asyncio.gather(*[services[n % 2].redeem(1, id=f"r{n}") for n in range(24)])

    assert Counter(answer.status_code for answer in answers) == {201: 10, 409: 14}
    assert await owner.fetchval("SELECT balance FROM account WHERE unit = 'points'") == 0
    await assert_whole(owner)


async def test_the_same_event_through_two_instances_at_once_is_one(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    async with two(settings, Clock(), Clock()) as services:
        for number in range(6):
            body = purchase(id=f"p{number}", card=f"new-{number}")
            answers = await asyncio.gather(*[services[n % 2].send(body) for n in range(4)])

            assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
            assert len({answer.json()["id"] for answer in answers}) == 1

    assert await count(owner, "member") == 6
    assert await assert_whole(owner) == 12


async def test_a_copy_that_arrives_while_the_first_commits_is_a_replay(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    body = purchase(id="p1", card="new")
    first = await service.send(body)
    identities = await owner.fetch("SELECT * FROM member_identity")
    await owner.execute("DELETE FROM member_identity")
    async with owner.transaction():  # what was not there when the copy asked who it is about is there when it goes on
        await owner.execute("LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
        copy = asyncio.create_task(service.send(body))
        await _until_blocked(settings)
        await owner.executemany(
            "INSERT INTO member_identity VALUES ($1, $2, $3, $4, $5)", [tuple(r) for r in identities]
        )
    answer = await copy

    assert (answer.status_code, answer.json()) == (200, first.json())
    assert await assert_whole(owner) == 2


async def _until_blocked(settings: Settings) -> None:
    """Waits until somebody in this database waits for a lock."""
    connection = await asyncpg.connect(settings.migration_database_url)
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while await connection.fetchval(waiting) is None:
        await asyncio.sleep(0.01)
    await connection.close()


async def test_a_card_enrolled_twice_at_once_is_one_member(settings: Settings, owner: asyncpg.Connection) -> None:
    async with two(settings, Clock(), Clock()) as services:
        for number in range(6):
            bodies = [{"id": f"e{number}-{n}", "identities": {"card": f"c{number}"}} for n in range(4)]
            answers = await asyncio.gather(
                *[services[n % 2].send(body, path="/v1/members") for n, body in enumerate(bodies)]
            )

            assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]

    assert await count(owner, "member") == 6
    await assert_whole(owner)
