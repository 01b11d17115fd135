"""What shops may say, and what follows: an endpoint disabled, a message ended, the others told (webhooks W6)."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from standardwebhooks import Webhook

from app.domain import typeid
from app.operations import feeds
from app.queries import feeds as queries
from app.queries.messages import find as found_by_id
from app.webhooks import delivery, signing
from app.webhooks.courier import Courier
from tests.builders import START, Clock
from tests.webhooks import rows
from tests.webhooks.receiver import Receiver, receiving, saying
from tests.webhooks.test_claims import claim
from tests.webhooks.test_delivery import message_ids, states


@pytest.fixture
async def shop() -> AsyncIterator[Receiver]:
    async with receiving(saying(200)) as running:
        yield running


@pytest.fixture
async def program(courier: Courier) -> bytes:
    return await rows.make_program(courier.engine)


async def state(owner: asyncpg.Connection, endpoint: bytes) -> tuple[Any, ...]:
    found = await owner.fetchrow(
        "SELECT state, disabled_reason, disabled_at FROM endpoint WHERE endpoint_id = $1", rows.uuids([endpoint])[0]
    )
    return tuple(found)


@pytest.mark.parametrize(
    ("answer", "reason", "delivered"),
    [
        (saying(410), "gone", 0),
        (saying(200, webhook_delivery="disable"), "asked", 1),
        (saying(500, webhook_delivery=" Disable "), "asked", 0),
    ],
)
async def test_a_shop_can_switch_its_endpoint_off_and_what_waits_is_held(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, program: bytes, answer: Any, reason: str, delivered: int
) -> None:
    async with receiving(answer) as shop:
        endpoint = await rows.make_endpoint(courier.engine, program, shop.url, in_flight=1)
        messages = await rows.make_messages(courier.engine, program, [endpoint], count=3)
        await delivery.deliver_once(courier)
        clock.forward(days=10)
        after = await delivery.deliver_once(courier)
        shop.behave = saying(200)
        await rows.change_endpoint(courier.engine, endpoint, state="enabled", releasing=True)
        released = [await delivery.deliver_once(courier) for _ in range(3)]

    assert await owner.fetchval("SELECT disabled_reason FROM endpoint") == reason
    assert await owner.fetchval("SELECT disabled_at FROM endpoint") == START
    assert after == 0
    assert sum(released) == 3 - delivered
    assert set(shop.ids) == set(message_ids(messages))
    assert await states(owner) == {"delivered": 3}


@pytest.mark.parametrize(("status", "ended"), [(200, "delivered"), (400, "aborted"), (503, "aborted")])
async def test_a_shop_can_end_a_message(
    courier: Courier, owner: asyncpg.Connection, program: bytes, status: int, ended: str
) -> None:
    async with receiving(saying(status, webhook_delivery="abort-message")) as shop:
        endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
        await rows.make_messages(courier.engine, program, [endpoint])
        await delivery.deliver_once(courier)

    assert await states(owner) == {ended: 1}
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 0
    assert await state(owner, endpoint) == ("enabled", None, None)


async def test_five_days_of_failing_disable_an_endpoint_and_its_deliveries_are_held(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes
) -> None:
    shop.behave = saying(500)
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url, in_flight=1)
    await rows.make_messages(courier.engine, program, [endpoint], count=3)
    await delivery.deliver_once(courier)
    clock.forward(days=5)

    tried = [await delivery.deliver_once(courier) for _ in range(3)]

    assert tried == [1, 0, 0]
    assert await state(owner, endpoint) == ("disabled", "failing", clock.now)
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 3
    assert await states(owner) == {}


@pytest.mark.parametrize("overdue", [False, True])
async def test_what_an_enabled_endpoint_had_waiting_has_all_its_attempts_before_it(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes, overdue: bool
) -> None:
    """However long nothing was sent: what was to be tried again meanwhile is as fresh as what was put off for later."""
    courier = replace(courier, schedule=(timedelta(hours=1),))
    shop.behave = saying(500)
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint])
    await delivery.deliver_once(courier)
    clock.forward(days=1 if overdue else 0)

    await rows.change_endpoint(courier.engine, endpoint, releasing=True)
    await delivery.deliver_once(courier)

    assert [request.headers["zegel-attempt"] for request in shop.requests] == ["1", "1"]
    assert await owner.fetchval("SELECT attempts FROM pending_delivery") == 1
    assert await owner.fetchval("SELECT releasing FROM endpoint") is None


async def test_a_claim_before_the_release_counts_no_former_attempts(
    courier: Courier, clock: Clock, shop: Receiver, program: bytes
) -> None:
    shop.behave = saying(500)
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    await rows.make_messages(courier.engine, program, [endpoint])
    await delivery.deliver_once(courier)
    clock.forward(days=1)
    await rows.change_endpoint(courier.engine, endpoint, releasing=True)

    claimed = await claim(courier.engine, program, now=clock())

    assert [one.attempts for one in claimed] == [0]


async def test_the_other_endpoints_of_the_shop_and_the_programs_are_told(
    courier: Courier, owner: asyncpg.Connection, clock: Clock, shop: Receiver, program: bytes
) -> None:
    clock.now = datetime.now(UTC)
    async with receiving(saying(410)) as gone:
        make, told = rows.make_endpoint, {}
        lost = await make(courier.engine, program, gone.url, source="till")
        told["its own"] = await make(courier.engine, program, f"{shop.url}/own", source="till")
        told["the program's"] = await make(courier.engine, program, f"{shop.url}/program")
        await make(courier.engine, program, f"{shop.url}/other", source="webshop")
        await make(courier.engine, program, f"{shop.url}/points", source="till", types=["points.*"])
        await make(courier.engine, program, f"{shop.url}/endpoints", source="till", types=["endpoint.*"])
        await rows.make_messages(courier.engine, program, [lost])
        await delivery.deliver_once(courier)
        await delivery.deliver_once(courier)

    assert sorted(request.path for request in shop.requests) == ["/hook/endpoints", "/hook/own", "/hook/program"]
    said = Webhook(signing.secret_text(rows.SECRET)).verify(shop.requests[0].body, shop.requests[0].headers)
    data = {"endpoint": typeid.encode(typeid.ENDPOINT, lost), "source": "till", "reason": "gone"}
    assert (said["type"], said["data"]) == ("endpoint.disabled", data)
    assert await owner.fetchval("SELECT count(*) FROM message WHERE member_id IS NULL AND number IS NULL") == 1


@pytest.mark.parametrize(("source", "readers"), [("till", {"till", None}), (None, {None})])
async def test_what_is_said_about_an_endpoint_is_in_the_feed_of_its_shop_and_of_the_program_alone(
    courier: Courier, clock: Clock, program: bytes, source: str | None, readers: set[str | None]
) -> None:
    """webhooks W10"""
    async with receiving(saying(410)) as gone:
        lost = await rows.make_endpoint(courier.engine, program, gone.url, source=source)
        (message,) = await rows.make_messages(courier.engine, program, [lost])
        await delivery.deliver_once(courier)
    await feeds.sequence(courier.engine, now=clock.now)

    reading: set[str | None] = set()
    for reader in ("till", "webshop", None):
        page = await queries.page(courier.engine, program_id=program, source=reader, after=0, limit=10)
        told = [one for one in page.messages if one.id != message]
        if told:
            reading.add(reader)
            assert [one.type for one in told] == ["endpoint.disabled"]
            assert await found_by_id(courier.engine, told[0].id, program_id=program, source="webshop") is None

    assert reading == readers


async def test_an_exhausted_message_is_told_without_what_it_says(
    courier: Courier, owner: asyncpg.Connection, shop: Receiver, program: bytes
) -> None:
    courier = replace(courier, schedule=())
    async with receiving(saying(500)) as failing:
        endpoint = await rows.make_endpoint(courier.engine, program, failing.url)
        await rows.make_endpoint(courier.engine, program, shop.url)
        (message,) = await rows.make_messages(courier.engine, program, [endpoint], body=b'{"data": "canary"}')
        await delivery.deliver_once(courier)
        await delivery.deliver_once(courier)

    (request,) = shop.requests
    assert json.loads(request.body)["data"] == {
        "endpoint": typeid.encode(typeid.ENDPOINT, endpoint),
        "source": None,
        "message": typeid.encode(typeid.MESSAGE, message),
        "type": "points.earned",
        "attempts": 1,
        "held": False,
    }
    assert await states(owner) == {"exhausted": 1, "delivered": 1}


async def test_no_message_is_about_such_a_message(courier: Courier, owner: asyncpg.Connection, program: bytes) -> None:
    """Two endpoints that fail would else tell each other of it for ever."""
    courier = replace(courier, schedule=())
    async with receiving(saying(500)) as failing:
        both = [await rows.make_endpoint(courier.engine, program, failing.url) for _ in range(2)]
        await rows.make_messages(courier.engine, program, both)
        made = [await delivery.deliver_once(courier) for _ in range(3)]

    assert made == [2, 2, 0]
    assert await states(owner) == {"exhausted": 4}


async def test_a_lost_lease_exhausts_and_tells_nothing(
    courier: Courier, owner: asyncpg.Connection, program: bytes
) -> None:
    from app.webhooks import outcomes
    from tests.webhooks.test_claims import claim, made

    endpoint = await rows.make_endpoint(courier.engine, program, "https://shop.example/")
    await rows.make_endpoint(courier.engine, program, "https://shop.example/other")
    await rows.make_messages(courier.engine, program, [endpoint])
    (frozen,) = await claim(courier.engine, program)
    await claim(courier.engine, program, now=START + timedelta(seconds=60))

    late = made(frozen, state="exhausted")
    await outcomes.record(courier.engine, [late], new_id=rows.new_id, clock=courier.clock)

    assert await owner.fetchval("SELECT count(*) FROM message") == 1
    assert await states(owner) == {}
