"""The feed over HTTP: every message once, in order, with a cursor that leaves nothing out (webhooks W10)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.domain import messages
from app.operations import feeds
from app.queries import feeds as queries
from app.settings import Settings
from tests.builders import LADDER, Clock, Service, key_for, open_service, publish, purchase

OWN = LADDER + "webhooks: {messages: own}\n"


async def sequence(service: Service) -> int:
    """What the worker does all the time."""
    return await feeds.sequence(service.app.state.parts.engine, now=service.clock())


async def pull(service: Service, *, after: str | None = None, **more: Any) -> dict[str, Any]:
    """A page of the feed."""
    headers = more.pop("headers", None)
    params = {**more, **({} if after is None else {"after": after})}
    answer = await service.client.get("/v1/feed", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def pull_all(service: Service, *, limit: int = 200, headers: dict[str, str] | None = None) -> list[Any]:
    """Every message from the oldest on."""
    page = await pull(service, limit=limit, headers=headers)
    found = page["messages"]
    while page["more"]:
        page = await pull(service, after=page["next"], limit=limit, headers=headers)
        found += page["messages"]
    return list(found)


async def headers_of(settings: Settings, shop: str | None) -> dict[str, str]:
    """The header of another key."""
    return {"Authorization": f"Bearer {await key_for(settings, shop=shop)}"}


async def test_the_feed_has_every_message_once_in_the_members_order(service: Service) -> None:
    for card in ("1", "2"):
        await service.enrol(card)
        for _ in range(3):
            await service.buy("10.00", card=card)
    await sequence(service)

    found = await pull_all(service, limit=3)

    assert len(found) == len({one["id"] for one in found}) == 8
    assert {one["type"] for one in found} == {messages.ENROLLED, messages.EARNED}
    by_member: dict[str, list[int]] = {}
    for one in found:
        by_member.setdefault(one["message"]["data"]["member"], []).append(one["message"]["data"]["sequence"])
    assert list(by_member.values()) == [[1, 2, 3, 4]] * 2


async def test_what_tells_of_waiting_events_stands_in_the_members_order_too(service: Service) -> None:
    await service.enrol("1")
    lost = {"type": "return", "id": "r1", "member": "card:1", "purchase": "gone", "all": True}
    body = {"events": [{**lost, "occurred_at": service.clock().isoformat()}, purchase(card="1")]}
    assert (await service.send(body, path="/v1/events/batch")).status_code == 207
    await sequence(service)

    found = await pull_all(service)

    assert [one["message"]["data"]["sequence"] for one in found] == list(range(1, len(found) + 1))
    assert [one["type"] for one in found] == [messages.ENROLLED, messages.PARKED, messages.EARNED]


async def test_a_message_of_the_feed_is_the_body_that_is_sent_to_the_byte(
    service: Service, owner: asyncpg.Connection
) -> None:
    await service.buy()
    await sequence(service)
    (first, *_) = (await pull(service))["messages"]

    alone = await service.client.get(f"/v1/messages/{first['id']}")

    body = await owner.fetchval("SELECT body FROM message ORDER BY message_id LIMIT 1")
    assert alone.content == body
    assert alone.json() == first["message"]
    assert alone.headers["Zegel-Event-Type"] == first["type"]
    answer = await service.client.get("/v1/feed")
    assert body in answer.content


async def test_a_cursor_goes_on_where_the_answer_before_ended(service: Service) -> None:
    await service.enrol()
    await sequence(service)
    first = await pull(service)
    assert (len(first["messages"]), first["more"]) == (1, False)

    nothing = await pull(service, after=first["next"])
    await service.buy()
    await sequence(service)
    then = await pull(service, after=nothing["next"])

    assert nothing["messages"] == []
    assert [one["type"] for one in then["messages"]] == [messages.EARNED]


async def test_a_reader_may_begin_with_what_comes_next(service: Service) -> None:
    await service.enrol()
    await sequence(service)

    begun = await pull(service, begin="latest")
    await service.buy()
    await sequence(service)

    assert begun["messages"] == []
    assert [one["type"] for one in (await pull(service, after=begun["next"]))["messages"]] == [messages.EARNED]


async def test_a_caller_who_waits_is_answered_when_a_message_comes(service: Service) -> None:
    start = await pull(service)
    waiting = asyncio.create_task(pull(service, after=start["next"], wait=20))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    pool = service.app.state.parts.engine.pool
    assert pool.checkedout() == 0, "who waits holds no connection"

    began = time.monotonic()
    await service.enrol()
    await sequence(service)
    page = await waiting

    assert [one["type"] for one in page["messages"]] == [messages.ENROLLED]
    assert time.monotonic() - began < 10


async def test_a_wait_ends_with_an_empty_page(service: Service) -> None:
    began = time.monotonic()

    page = await pull(service, wait=1)

    assert page["messages"] == []
    assert 0.9 < time.monotonic() - began < 10


async def test_only_so_many_may_wait(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "WAITERS", 1)
    waiting = asyncio.create_task(pull(service, wait=2))
    await asyncio.sleep(0.3)

    answer = await service.client.get("/v1/feed", params={"wait": 2})

    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_wait")
    assert answer.headers["Retry-After"]
    assert (await waiting)["messages"] == []


async def test_what_waits_is_let_go_when_the_service_ends(service: Service) -> None:
    waiting = asyncio.create_task(pull(service, wait=30))
    await asyncio.sleep(0.3)

    service.app.state.parts.draining = True
    page = await asyncio.wait_for(waiting, 10)

    assert page["messages"] == []


async def test_a_position_before_what_is_kept_is_told_with_where_to_go_on(service: Service, clock: Clock) -> None:
    await service.enrol()
    start = await pull(service)
    await sequence(service)
    clock.forward(days=91)
    await service.buy(id="late")
    await sequence(service)
    engine = service.app.state.parts.engine
    for program_id in service_programs(service):
        assert await feeds.trim(engine, program_id=program_id, now=clock()) == 1
        assert await feeds.trim(engine, program_id=program_id, now=clock()) == 0

    gone = await service.client.get("/v1/feed", params={"after": start["next"]})
    again = await pull(service, after=gone.json()["oldest"])

    assert (gone.status_code, gone.json()["code"]) == (410, "feed_gone")
    assert [one["type"] for one in again["messages"]] == [messages.EARNED]
    assert (await pull(service))["messages"] == again["messages"]


def service_programs(service: Service) -> list[bytes]:
    """The ids of the programs whose keys have called."""
    return list({caller.program_id for _, caller in service.app.state.parts.callers.values()})


async def test_a_message_that_was_removed_leaves_no_silent_hole(service: Service, owner: asyncpg.Connection) -> None:
    await service.enrol()
    await service.buy()
    await sequence(service)
    await owner.execute("DELETE FROM message WHERE type = 'member.enrolled'")

    gone = await service.client.get("/v1/feed")

    assert (gone.status_code, gone.json()["code"]) == (410, "feed_gone")
    again = await pull(service, after=gone.json()["oldest"])
    assert [one["type"] for one in again["messages"]] == [messages.EARNED]


async def test_a_position_ahead_of_a_restored_database_is_told(service: Service, owner: asyncpg.Connection) -> None:
    await service.enrol()
    await sequence(service)
    page = await pull(service)
    await owner.execute("DELETE FROM feed; UPDATE feed_head SET position = 0")

    answer = await service.client.get("/v1/feed", params={"after": page["next"]})

    assert (answer.status_code, answer.json()["code"]) == (410, "feed_gone")


async def test_a_cursor_of_another_shop_is_none(service: Service, settings: Settings) -> None:
    await service.enrol()
    await sequence(service)
    page = await pull(service)
    other = await headers_of(settings, "webshop")

    answer = await service.client.get("/v1/feed", params={"after": page["next"]}, headers=other)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_cursor")
    assert "`next`" in answer.json()["detail"]


async def test_wrong_parameters_are_refused(service: Service) -> None:
    for params in ({"wait": "31"}, {"wait": "-1"}, {"wait": "1.5"}, {"begin": "now"}, {"limit": "0"}, {"afer": "x"}):
        answer = await service.client.get("/v1/feed", params=params)

        assert (answer.status_code, answer.json()["code"]) == (422, "malformed_query"), params


@pytest.fixture
async def own(settings: Settings, clock: Clock, anyio_backend: str) -> AsyncIterator[Service]:
    """The service with a program in which a shop gets what it sent."""
    async with AsyncExitStack() as stack:
        await publish(settings, clock=clock, document=OWN)
        yield await stack.enter_async_context(open_service(settings, clock=clock))


async def test_under_own_a_shop_gets_messages_of_its_own_events_alone(
    own: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    other, ops = await headers_of(settings, "webshop"), await headers_of(settings, None)
    for headers, url in ((None, "till"), (other, "webshop"), (ops, "ops")):
        body = {"url": f"https://{url}.example/hook"}
        key = {"Idempotency-Key": url, **(headers or {})}
        assert (await own.send(body, path="/v1/webhook-endpoints", headers=key)).status_code == 201
    await own.enrol("1")
    body = {"type": "activity", "id": "a1", "member": "card:1", "occurred_at": own.clock().isoformat()}
    assert (await own.send({**body, "activity": "visit"}, headers=other)).status_code == 201
    await sequence(own)

    mine, theirs, all = await pull_all(own), await pull_all(own, headers=other), await pull_all(own, headers=ops)
    sent = await owner.fetch(
        "SELECT url, type FROM pending_delivery JOIN endpoint USING (endpoint_id) JOIN message USING (message_id)"
    )

    assert [one["type"] for one in mine] == [messages.ENROLLED]
    assert [one["type"] for one in theirs] == [messages.ACTIVITY]
    assert [one["type"] for one in all] == [messages.ENROLLED, messages.ACTIVITY]
    assert sorted((row["url"].split("/")[2], row["type"]) for row in sent) == [
        ("ops.example", messages.ACTIVITY),
        ("ops.example", messages.ENROLLED),
        ("till.example", messages.ENROLLED),
        ("webshop.example", messages.ACTIVITY),
    ]
    foreign = await own.client.get(f"/v1/messages/{theirs[0]['id']}")
    assert foreign.status_code == 404
    assert (await own.client.get(f"/v1/messages/{theirs[0]['id']}", headers=other)).status_code == 200


async def test_under_own_what_waits_is_told_to_who_sent_it(own: Service, settings: Settings) -> None:
    await own.enrol("1")
    other = await headers_of(settings, "webshop")
    lost = {"type": "return", "id": "r1", "member": "card:1", "purchase": "gone", "all": True}
    parked = await own.send({**lost, "occurred_at": own.clock().isoformat()}, headers=other)
    assert parked.status_code == 202
    await sequence(own)

    assert messages.PARKED not in [one["type"] for one in await pull_all(own)]
    assert [one["type"] for one in await pull_all(own, headers=other)] == [messages.PARKED]


async def test_a_page_ends_after_so_many_positions_that_others_alone_see(
    own: Service, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "EXAMINED", 5)
    other = await headers_of(settings, "webshop")
    for n in range(12):
        await own.enrol(str(n))
    await own.send({"id": "e", "identities": {"card": "last"}}, path="/v1/members", headers=other)
    await sequence(own)

    page = await pull(own, headers=other)
    assert (page["messages"], page["more"]) == ([], True)
    assert len(await pull_all(own, headers=other)) == 1
    waited = await pull(own, headers=other, wait=5)
    assert len(waited["messages"]) == 1, "who waits is taken past what others alone see"


async def test_what_was_for_all_stays_for_all_when_the_program_changes(
    service: Service, settings: Settings, clock: Clock
) -> None:
    await service.enrol("1")
    clock.forward(minutes=1)
    await publish(settings, clock=clock, document=OWN)
    await service.enrol("2")
    await sequence(service)

    theirs, mine = await pull_all(service, headers=await headers_of(settings, "webshop")), await pull_all(service)
    assert [one["type"] for one in theirs] == [messages.ENROLLED, messages.RULES_PUBLISHED]
    assert [one["type"] for one in mine] == [messages.ENROLLED, messages.RULES_PUBLISHED, messages.ENROLLED]


async def test_the_worker_sequences_by_itself(settings: Settings, service: Service) -> None:
    from app.worker import sequencing

    stopping = asyncio.Event()
    engine = service.app.state.parts.engine
    loop = asyncio.create_task(sequencing.sequence_forever(engine, clock=service.clock, stopping=stopping))

    await service.enrol()
    page = await pull(service, wait=20)
    stopping.set()
    await asyncio.wait_for(loop, 10)

    assert len(page["messages"]) == 1
    assert timedelta(0) < sequencing.TRIM_EVERY
