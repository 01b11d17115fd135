"""Connections that break around COMMIT: the answer is right or honest, and sent again nothing is doubled or lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from app.settings import Settings
from tests.builders import Clock, Service, open_service, publish, purchase
from tests.database import assert_whole, count
from tests.ledger.proxy import Cut, Proxy, open_proxy


@asynccontextmanager
async def behind_a_door(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Service, Proxy]]:
    """The service, which reaches its database through a proxy."""
    assert settings.database_url is not None
    await publish(settings, clock=clock)
    async with open_proxy(settings.database_url) as proxy:
        through = settings.model_copy(update={"database_url": proxy.url(settings.database_url)})
        async with open_service(through, clock=clock) as service:
            assert (await service.buy(id="first", card="0")).status_code == 201
            yield service, proxy


async def times_recorded(owner: asyncpg.Connection, id: str) -> int:
    """How many events have this id."""
    return await count(owner, "event", "key = $1", id)


async def assert_honest(answer: httpx.Response, owner: asyncpg.Connection, id: str) -> None:
    """What the answer claims is so at this moment; "unknown" claims nothing."""
    recorded = await times_recorded(owner, id)
    assert recorded <= 1
    if answer.status_code in (200, 201):
        assert recorded == 1, "acknowledged, and not there"
        return
    problem = answer.json()
    assert (answer.status_code, problem["retryable"]) == (503, True), answer.text
    assert answer.headers["Retry-After"]
    if problem["outcome"] == "not_applied":
        assert recorded == 0, "said not to be there, and is"
    else:
        assert (problem["code"], problem["outcome"]) == ("unknown_outcome", "unknown")


async def cut_some(
    service: Service, proxy: Proxy, owner: asyncpg.Connection, *, cuts: int, chance: random.Random
) -> list[str]:
    """Cuts commits of single events and small crowds; the ids of all that were sent."""
    sent: list[str] = []
    while len(proxy.done) < cuts:
        bodies = [
            purchase(id=f"c{len(sent) + i}", card=str(chance.randrange(6))) for i in range(chance.choice([1, 1, 4]))
        ]
        proxy.plan.extend(chance.choices(list(Cut), k=chance.choice([1, 1, 1, 2])))

        answers = await asyncio.gather(*[service.send(body) for body in bodies])

        proxy.plan.clear()
        for body, answer in zip(bodies, answers, strict=True):
            await assert_honest(answer, owner, body["id"])
            again = await service.send(body)
            assert again.status_code == 200 or (answer.status_code == 503 and again.status_code == 201), again.text
            assert await times_recorded(owner, body["id"]) == 1
        sent += [body["id"] for body in bodies]
    return sent


async def test_a_commit_whose_answer_is_lost_is_never_reported_wrongly(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    async with behind_a_door(settings, clock) as (service, proxy):
        sent = await cut_some(service, proxy, owner, cuts=20, chance=random.Random(7))

    assert set(proxy.done) == set(Cut)
    assert await count(owner, "event", "kind = 'purchase'") == len(sent) + 1
    await assert_whole(owner)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_hundred_lost_commits_are_never_reported_wrongly(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    async with behind_a_door(settings, clock) as (service, proxy):
        sent = await cut_some(service, proxy, owner, cuts=200, chance=random.Random(11))

    assert await count(owner, "event", "kind = 'purchase'") == len(sent) + 1
    await assert_whole(owner)


@pytest.mark.parametrize("cut", list(Cut))
async def test_where_the_database_stays_away_the_answer_is_unknown(
    settings: Settings, clock: Clock, owner: asyncpg.Connection, cut: Cut
) -> None:
    async with behind_a_door(settings, clock) as (service, proxy):
        proxy.on_cut = proxy.leave
        proxy.plan.append(cut)

        lost = await service.send(purchase(id="lost"))
        refused = await service.send(purchase(id="later"))
        proxy.come_back()
        again = await _until_answered(service, purchase(id="lost"))

    assert (lost.status_code, lost.json()["code"], lost.json()["outcome"]) == (503, "unknown_outcome", "unknown")
    await assert_honest(refused, owner, "later")
    assert again.status_code == (201 if cut is Cut.BEFORE else 200)
    assert await times_recorded(owner, "lost") == 1
    await assert_whole(owner)


async def test_a_lost_commit_of_a_new_member_enrols_them_once(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    async with behind_a_door(settings, clock) as (service, proxy):
        for cut in Cut:
            proxy.plan.append(cut)
            body = {"id": f"e-{cut.name}", "identities": {"card": f"new-{cut.name}"}}

            answer = await service.send(body, path="/v1/members")
            again = await service.send(body, path="/v1/members")

            assert answer.status_code in (201, 503)
            assert again.status_code in (200, 201)
            assert await count(owner, "member_identity", "value = $1", f"new-{cut.name}") == 1
    await assert_whole(owner)


async def test_a_lost_commit_never_spends_twice(settings: Settings, clock: Clock, owner: asyncpg.Connection) -> None:
    async with behind_a_door(settings, clock) as (service, proxy):
        member = (await service.send({"member": "card:0"}, path="/v1/members/lookup")).json()["id"]
        for number, cut in enumerate([*Cut, *Cut]):
            proxy.plan.append(cut)

            await service.redeem(1, card="0", id=f"r{number}")
            again = await service.redeem(1, card="0", id=f"r{number}")

            assert again.status_code in (200, 201)
        points = (await service.units(member))["points"]

    assert points["available"] == 10 - 6
    await assert_whole(owner)


async def test_a_batch_cut_off_and_sent_again_is_whole(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    events = [purchase(id=f"b{number}", card=str(number % 9)) for number in range(100)]
    async with behind_a_door(settings, clock) as (service, proxy):
        for cut in Cut:
            proxy.plan.append(cut)
            first = await service.send({"events": events}, path="/v1/events/batch")
            assert {one["outcome"] for one in first.json()["results"]} <= {"created", "replayed", "unknown", "failed"}
        last = await service.send({"events": events}, path="/v1/events/batch")

    assert {one["outcome"] for one in last.json()["results"]} == {"replayed"}
    assert await count(owner, "event", "key LIKE 'b%'") == 100
    await assert_whole(owner)


async def test_reading_through_a_broken_connection_is_a_503_and_then_works_again(
    settings: Settings, clock: Clock
) -> None:
    async with behind_a_door(settings, clock) as (service, proxy):
        member = (await service.enrol("5"))["id"]
        paths = [f"/v1/members/{member}{what}" for what in ("", "/balance", "/statement", "/lots", "/tier")]
        paths += ["/v1/program", "/v1/webhook-endpoints", "/v1/events?source=till&id=x"]
        proxy.leave()

        away = [await service.client.get(path) for path in paths]
        ready = await service.client.get("/health/ready")
        proxy.come_back()
        back = [await _until_read(service, path) for path in paths]

    assert {(answer.status_code, answer.json()["code"]) for answer in away} == {(503, "unavailable")}
    assert all(answer.headers["Retry-After"] for answer in away)
    assert ready.status_code == 503
    assert {answer.status_code for answer in back} == {200}


async def test_a_pool_that_is_taken_up_is_a_503(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as service:
        member = (await service.enrol())["id"]
        engine = service.app.state.parts.engine
        engine.pool._timeout = 0.2  # SQLAlchemy's own; ten seconds are too long for a test
        taken = [await engine.connect() for _ in range(settings.pool_size)]

        read = await service.client.get(f"/v1/members/{member}/balance")
        write = await service.send(purchase(id="p1", card="1001"))
        for connection in taken:
            await connection.close()
        after = await service.send(purchase(id="p1", card="1001"))

    assert [(answer.status_code, answer.json()["code"]) for answer in (read, write)] == [(503, "unavailable")] * 2
    assert write.json()["outcome"] == "not_applied"
    assert after.status_code == 201


async def test_what_others_wrote_at_every_try_is_not_laid_at_the_databases_door(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """A unique key that stands against each try: planted, for of races the next try sees the outcome."""
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as service:
        await service.buy(id="first", card="0")
        await owner.execute("CREATE UNIQUE INDEX planted ON event (program_id, kind) WHERE kind = 'purchase'")

        single = await service.send(purchase(id="second", card="0"))
        friend = {"type": "enrolment", "id": "fourth", "identities": {"card": "9"}}
        events = [purchase(id="third", card="0"), friend | {"occurred_at": clock().isoformat()}]
        batch = await service.send({"events": events}, path="/v1/events/batch")
        recorded = [await times_recorded(owner, id) for id in ("second", "third", "fourth")]
        await owner.execute("DROP INDEX planted")
        again = await service.send(purchase(id="second", card="0"))

    problem, (third, fourth) = single.json(), batch.json()["results"]
    assert (single.status_code, problem["code"], problem["outcome"]) == (503, "contended", "not_applied")
    assert problem["retryable"]
    assert single.headers["Retry-After"]
    assert (third["outcome"], third["problem"]["code"], fourth["outcome"]) == ("failed", "contended", "created")
    assert recorded == [0, 0, 1]
    assert again.status_code == 201


async def test_a_lost_commit_is_not_denied_because_the_pool_is_taken_up(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    async with behind_a_door(settings, clock) as (service, proxy):
        engine = service.app.state.parts.engine
        engine.pool._timeout = 0.2
        taken = [await engine.connect() for _ in range(settings.pool_size - 1)]
        waiting: list[asyncio.Task[Any]] = []
        proxy.on_cut = lambda: waiting.append(asyncio.ensure_future(engine.connect()))
        proxy.plan.append(Cut.AFTER)

        answer = await service.send(purchase(id="lost"))
        for connection in (*taken, *await asyncio.gather(*waiting)):
            await connection.close()
        await assert_honest(answer, owner, "lost")
        again = await service.send(purchase(id="lost"))

    assert (answer.status_code, answer.json().get("outcome")) == (503, "unknown")
    assert again.status_code == 200


async def test_backends_ended_under_load_lose_and_double_nothing(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    await publish(settings, clock=clock)
    acknowledged: dict[str, Any] = {}
    stopping = asyncio.Event()
    ended = 0

    async def write(service: Service, writer: int) -> None:
        number = 0
        while not stopping.is_set():
            body = purchase(id=f"w{writer}-{number}", card=str((writer * 7 + number) % 10))
            answer = await service.send(body)
            if answer.status_code in (200, 201):
                acknowledged[body["id"]] = answer.json()["id"]
                number += 1
            else:
                assert answer.status_code == 503, answer.text

    async def end_backends() -> None:
        nonlocal ended
        for _ in range(8):
            await asyncio.sleep(0.3)
            ended += await owner.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        stopping.set()

    async with open_service(settings, clock=clock) as service:
        await asyncio.gather(*[write(service, writer) for writer in range(8)], end_backends())

    stored = {
        row["key"]: row["event_id"]
        for row in await owner.fetch("SELECT key, event_id FROM event WHERE source = 'till'")
    }
    assert ended >= 5
    assert len(acknowledged) >= 10
    assert set(acknowledged) <= set(stored)
    await assert_whole(owner)


async def _until_answered(service: Service, body: dict[str, Any]) -> httpx.Response:
    """The first answer that is no 503."""
    for _ in range(20):
        answer = await service.send(body)
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError("the service does not come back")


async def _until_read(service: Service, path: str) -> httpx.Response:
    for _ in range(20):
        answer = await service.client.get(path)
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError("the service does not come back")
