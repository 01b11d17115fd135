"""Messages of one key go one after another, whatever fails and whoever claims (webhooks W3)."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from app.db import claims, deliveries
from app.webhooks import delivery
from app.webhooks.courier import Courier
from tests.builders import START, Clock
from tests.webhooks import receiver, rows
from tests.webhooks.receiver import Receiver, receiving, reply, saying
from tests.webhooks.test_claims import claim, made
from tests.webhooks.test_delivery import delivering, message_ids, until


@pytest.fixture
async def shop() -> AsyncIterator[Receiver]:
    async with receiving(saying(200)) as running:
        yield running


@pytest.fixture
async def program(courier: Courier) -> bytes:
    return await rows.make_program(courier.engine)


async def test_a_members_messages_go_one_after_another_and_members_side_by_side(
    courier: Courier, shop: Receiver, program: bytes
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="member")
    first = await rows.make_messages(courier.engine, program, [endpoint], count=3, ordering="member")
    second = await rows.make_messages(courier.engine, program, [endpoint], count=3, ordering="member")

    sent = [await delivery.deliver_once(courier) for _ in range(4)]

    assert sent == [2, 2, 2, 0]
    assert [id for id in shop.ids if id in message_ids(first)] == message_ids(first)
    assert [id for id in shop.ids if id in message_ids(second)] == message_ids(second)


async def test_the_number_decides_and_not_the_id(courier: Courier, shop: Receiver, program: bytes) -> None:
    """Ids come from the clocks of several machines, numbers from the member's locked row."""
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="member")
    member = rows.new_id()
    for number in (3, 1, 2):
        await rows.make_messages(
            courier.engine, program, [endpoint], member=member, first=number, ordering="member", body=b"%d" % number
        )

    for _ in range(3):
        await delivery.deliver_once(courier)

    assert [request.body for request in shop.requests] == [b"1", b"2", b"3"]


async def test_a_strict_endpoint_gets_one_at_a_time(
    courier: Courier, shop: Receiver, program: bytes, owner: asyncpg.Connection
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict")
    later = await rows.make_messages(courier.engine, program, [endpoint], count=2, ordering="strict")
    earlier = await rows.make_messages(
        courier.engine, program, [endpoint], count=2, ordering="strict", due_at=START - timedelta(seconds=1)
    )

    sent = [await delivery.deliver_once(courier) for _ in range(5)]

    assert sent == [1, 1, 1, 1, 0]
    assert shop.ids == message_ids(earlier + later)


async def test_an_earlier_one_committed_late_stops_nothing_when_the_worker_that_had_the_later_one_was_killed(
    courier: Courier, shop: Receiver, program: bytes, clock: Clock
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict")
    later = await rows.make_messages(courier.engine, program, [endpoint], ordering="strict")
    await claim(courier.engine, program)
    earlier = await rows.make_messages(
        courier.engine, program, [endpoint], ordering="strict", due_at=START - timedelta(seconds=1)
    )
    clock.forward(seconds=61)

    sent = [await delivery.deliver_once(courier) for _ in range(3)]

    assert sent == [1, 1, 0]
    assert shop.ids == message_ids(earlier + later)


async def test_what_waits_is_put_aside_and_called_up_when_its_turn_comes(
    courier: Courier, program: bytes, owner: asyncpg.Connection
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, "https://shop.example/", ordering="member")
    await rows.make_messages(courier.engine, program, [endpoint], count=3, ordering="member")

    async def due() -> list[timedelta]:
        found = await owner.fetch("SELECT due_at FROM pending_delivery ORDER BY number")
        return [row["due_at"] - START for row in found]

    (head,) = await claim(courier.engine, program)
    aside = await due()
    await deliveries.finish(courier.engine, [made(head)])
    called_up = await due()

    lease = timedelta(seconds=60)
    assert aside == [lease, claims.ASIDE, claims.ASIDE]
    assert called_up == [timedelta(), claims.ASIDE]


async def test_a_message_that_fails_holds_up_its_member_until_it_is_delivered(
    courier: Courier, shop: Receiver, program: bytes, clock: Clock
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="member")
    stuck = await rows.make_messages(courier.engine, program, [endpoint], count=2, ordering="member", body=b"bad")
    await rows.make_messages(courier.engine, program, [endpoint], count=2, ordering="member", body=b"good")
    shop.behave = lambda request: reply(500 if request.body == b"bad" else 200)

    before = [await delivery.deliver_once(courier) for _ in range(3)]
    shop.behave = saying(200)
    clock.forward(seconds=5)
    after = [await delivery.deliver_once(courier) for _ in range(3)]

    assert (before, after) == ([2, 1, 0], [1, 1, 0])
    assert [id for id in shop.ids if id in message_ids(stuck)] == message_ids([stuck[0], *stuck])


async def test_an_exhausted_message_is_skipped(
    courier: Courier, shop: Receiver, program: bytes, owner: asyncpg.Connection
) -> None:
    courier = replace(courier, schedule=())
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="member")
    messages = await rows.make_messages(courier.engine, program, [endpoint], count=2, ordering="member")
    shop.behave = saying(500)

    await delivery.deliver_once(courier)
    shop.behave = saying(200)
    await delivery.deliver_once(courier)

    assert shop.ids == message_ids(messages)
    states = await owner.fetch("SELECT state FROM delivery ORDER BY message_id")
    assert [row["state"] for row in states] == ["exhausted", "delivered"]


async def test_an_exhausted_message_holds_those_behind_it_if_the_shop_wants_it_so(
    courier: Courier, shop: Receiver, program: bytes, owner: asyncpg.Connection, clock: Clock
) -> None:
    courier = replace(courier, schedule=())
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="member", exhausted="hold")
    messages = await rows.make_messages(courier.engine, program, [endpoint], count=2, ordering="member")
    shop.behave = saying(500)
    await delivery.deliver_once(courier)
    shop.behave = saying(200)
    clock.forward(days=30)

    held = await delivery.deliver_once(courier)
    await rows.change_endpoint(courier.engine, endpoint, releasing=True)
    released = [await delivery.deliver_once(courier) for _ in range(3)]

    assert (held, released) == (0, [1, 1, 0])
    assert shop.ids == message_ids([messages[0], *messages])
    assert [request.headers["zegel-attempt"] for request in shop.requests] == ["1", "1", "1"]
    assert await owner.fetchval("SELECT releasing FROM endpoint") is None


async def test_a_claim_looks_at_so_many_that_wait_and_no_more(
    courier: Courier, program: bytes, owner: asyncpg.Connection
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, "https://shop.example/", ordering="member")
    at_once = claims.IN_FLIGHT + claims.LOOKED_AT
    early = START - timedelta(minutes=1)
    await rows.make_messages(courier.engine, program, [endpoint], count=2 * at_once, ordering="member", due_at=early)
    (free,) = await rows.make_messages(courier.engine, program, [endpoint], ordering="member")

    async def aside() -> int:
        later = "SELECT count(*) FROM pending_delivery WHERE lease IS NULL AND due_at > $1"
        return int(await owner.fetchval(later, START))

    looked = []
    for _ in range(3):
        claimed = await claim(courier.engine, program)
        looked.append(([one.message_id == free for one in claimed], await aside()))

    room = claims.LOOKED_AT + claims.IN_FLIGHT - 1
    assert looked == [([False], at_once - 1), ([], at_once - 1 + room), ([True], 2 * at_once - 1)]


@pytest.mark.parametrize("ordering", ["member", "strict"])
async def test_two_workers_and_a_shop_that_fails_keep_the_order(
    limited: Callable[..., Courier], shop: Receiver, program: bytes, clock: Clock, ordering: str
) -> None:
    draw = random.Random(11)
    courier = limited(lease=timedelta(hours=1))
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering=ordering, in_flight=8)
    members = [rows.new_id() for _ in range(5)]
    for number in range(1, 9):
        for at, member in enumerate(members):
            await rows.make_messages(
                courier.engine,
                program,
                [endpoint],
                member=member,
                first=number,
                ordering=ordering,
                body=b"%d %d" % (at, number),
                due_at=START + timedelta(milliseconds=5 * number + at),
            )
    clock.forward(seconds=1)
    taken: dict[bytes, list[int]] = defaultdict(list)

    def behave(request: receiver.Request) -> bytes:
        if draw.random() < 0.2:
            return reply(500)
        member, number = request.body.split()
        taken[member].append(int(number))
        return reply(200)

    shop.behave = behave
    async with delivering(courier), delivering(courier):
        async with asyncio.timeout(60):
            while sum(map(len, taken.values())) < 40:
                clock.forward(seconds=2)
                await asyncio.sleep(0.02)

    assert list(taken.values()) == [list(range(1, 9))] * 5


async def test_a_strict_endpoint_is_served_without_waiting_for_the_next_look(
    courier: Courier, shop: Receiver, program: bytes
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict")
    await rows.make_messages(courier.engine, program, [endpoint], count=20, ordering="strict")

    async with delivering(courier), asyncio.timeout(5):
        await until(lambda: len(shop.requests) == 20)


async def test_a_strict_endpoints_run_needs_no_claim_for_each_message(
    courier: Courier, shop: Receiver, program: bytes, owner: asyncpg.Connection
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict")
    messages = await rows.make_messages(courier.engine, program, [endpoint], count=100, ordering="strict")
    claimed: list[float] = []

    async with delivering(replace(courier, on_claim=claimed.append)), asyncio.timeout(20):
        await until(lambda: len(shop.requests) == 100)

    assert shop.ids == message_ids(messages)
    assert len(claimed) < 10
    assert await owner.fetchval("SELECT count(*) FROM attempt") == 100


async def test_what_a_strict_endpoint_took_is_recorded_before_the_next_is_sent(
    courier: Courier, shop: Receiver, program: bytes, owner: asyncpg.Connection
) -> None:
    """So a kill at any moment repeats one message at most, and none that is older (webhooks W12)."""
    recorded: list[int] = []

    def counting(_: receiver.Request) -> receiver.Slow:
        async def answer(connection: asyncio.Transport) -> None:
            recorded.append(await owner.fetchval("SELECT count(*) FROM delivery"))
            connection.write(reply(200))

        return answer

    shop.behave = counting
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict")
    await rows.make_messages(courier.engine, program, [endpoint], count=5, ordering="strict")

    async with delivering(courier):
        await until(lambda: len(recorded) == 5)

    assert recorded == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "change", [{"state": "paused"}, {"state": "deleted"}, {"open_until": START + timedelta(days=1)}]
)
async def test_a_strict_endpoints_run_ends_where_a_claim_would_give_nothing(
    courier: Courier, shop: Receiver, program: bytes, change: dict[str, object]
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict")
    await rows.make_messages(courier.engine, program, [endpoint], count=10, ordering="strict")

    def changing(_: receiver.Request) -> receiver.Slow:
        async def answer(connection: asyncio.Transport) -> None:
            if len(shop.requests) == 3:
                await rows.change_endpoint(courier.engine, endpoint, **change)
            connection.write(reply(200))

        return answer

    shop.behave = changing
    async with delivering(courier):
        await until(lambda: len(shop.requests) == 3)
        await asyncio.sleep(0.3)

    assert len(shop.requests) == 3


async def test_a_strict_endpoints_run_goes_on_with_the_secret_and_the_address_of_now(
    courier: Courier, shop: Receiver, program: bytes
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict")
    await rows.make_messages(courier.engine, program, [endpoint], count=4, ordering="strict")
    shop.secrets = (rows.SECRET, b"new")

    def changing(_: receiver.Request) -> receiver.Slow:
        async def answer(connection: asyncio.Transport) -> None:
            if len(shop.requests) == 2:
                await rows.change_endpoint(courier.engine, endpoint, secret=b"new", url=shop.url.replace("hook", "new"))
            connection.write(reply(200))

        return answer

    shop.behave = changing
    async with delivering(courier):
        await until(lambda: len(shop.requests) == 4)

    assert [request.path for request in shop.requests] == ["/hook", "/hook", "/new", "/new"]
    assert [receiver.genuine(request, (b"new",)) for request in shop.requests] == [False, False, True, True]


async def test_a_strict_endpoints_rate_is_kept(courier: Courier, shop: Receiver, program: bytes, clock: Clock) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict", per_second=10)
    await rows.make_messages(courier.engine, program, [endpoint], count=5, ordering="strict")

    async with delivering(courier):
        await until(lambda: shop.requests)
        await asyncio.sleep(0.5)  # a clock that stands still gives no more
        stood = len(shop.requests)
        clock.forward(milliseconds=100)
        await until(lambda: len(shop.requests) == 2)

    assert stood == 1


async def test_a_loop_that_ends_in_order_leaves_nothing_leased_to_a_strict_endpoint(
    courier: Courier, shop: Receiver, program: bytes, owner: asyncpg.Connection
) -> None:
    """The next worker goes on at once, and not once a lease is over."""
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, ordering="strict")
    await rows.make_messages(courier.engine, program, [endpoint], count=500, ordering="strict")

    for taken in (1, 30, 60):
        async with delivering(courier):
            await until(lambda taken=taken: len(shop.requests) >= taken)  # type: ignore[misc]

    assert await owner.fetchval("SELECT count(*) FROM pending_delivery WHERE lease IS NOT NULL") == 0
    assert len(set(shop.ids)) == len(shop.ids) == await owner.fetchval("SELECT count(*) FROM delivery") < 500


async def test_only_who_still_holds_the_lease_gets_what_follows(
    courier: Courier, program: bytes, owner: asyncpg.Connection
) -> None:
    """A worker that was frozen past its lease changes nothing when it wakes (webhooks W12)."""
    endpoint = await rows.make_endpoint(courier.engine, program, "https://shop.example/", ordering="strict")
    first, second, third = await rows.make_messages(courier.engine, program, [endpoint], count=3, ordering="strict")
    (frozen,) = await claim(courier.engine, program)
    later = START + timedelta(minutes=2)
    (taker,) = await claim(courier.engine, program, now=later)

    async def follow(one: claims.Claimed) -> tuple[int, bytes | None]:
        until = later + timedelta(minutes=1)
        ours, following = await deliveries.finish_and_follow(
            courier.engine, made(one), now=later, until=until, lease=rows.new_id()
        )
        return ours, following.message_id if following else None

    assert (frozen.message_id, taker.message_id) == (first, first)
    assert await follow(frozen) == (0, None)
    assert await follow(taker) == (1, second)
    (next,) = await claim(courier.engine, program, now=later + timedelta(minutes=1))
    await deliveries.finish(courier.engine, [made(next)])
    assert await follow(taker) == (0, None)
    assert [one.message_id for one in await claim(courier.engine, program, now=later)] == [third]


async def test_what_follows_is_never_what_comes_after_one_that_is_not_due(
    courier: Courier, program: bytes, owner: asyncpg.Connection
) -> None:
    endpoint = await rows.make_endpoint(courier.engine, program, "https://shop.example/", ordering="strict")
    first, second, _ = await rows.make_messages(courier.engine, program, [endpoint], count=3, ordering="strict")
    (head,) = await claim(courier.engine, program)
    sent_elsewhere = "UPDATE pending_delivery SET lease = $1, due_at = $2 WHERE message_id = $3"
    await owner.execute(
        sent_elsewhere, rows.uuids([rows.new_id()])[0], START + timedelta(days=1), rows.uuids([second])[0]
    )

    until = START + timedelta(minutes=1)
    ours, following = await deliveries.finish_and_follow(
        courier.engine, made(head), now=START, until=until, lease=rows.new_id()
    )

    assert (ours, following) == (1, None)
    assert head.message_id == first
    assert await claim(courier.engine, program) == []
