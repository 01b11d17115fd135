"""Replays over HTTP: counted first, carried out page by page, each message under its own id (webhooks W10)."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from app.operations import feeds, replays
from app.settings import Settings
from app.worker import replaying
from tests.api.test_deliveries import end, listed, make_endpoint
from tests.builders import PLAIN, START, Clock, Service, key_for, publish

SINCE = "2026-11-21T08:00:00Z"


async def ask(
    service: Service, path: str, which: str = "all", *, key: str | None = "r1", **more: Any
) -> httpx.Response:
    """The request for a replay."""
    headers = {**({} if key is None else {"Idempotency-Key": key}), **more.pop("headers", {})}
    params = more.pop("params", {})
    body = {"since": SINCE, "which": which, **more}
    return await service.send(body, path=f"{path}/replays", headers=headers, params=params)


async def counted(service: Service, path: str, which: str = "all", **more: Any) -> int:
    """What a dry run says."""
    answer = await ask(service, path, which, key=None, params={"dry_run": "true"}, **more)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["complete"], body["provisional"]) == (True, True)
    return int(body["messages"])


async def work(service: Service) -> int:
    """What the worker does all the time, until there is nothing to do."""
    engine, moved = service.app.state.parts.engine, 0
    while page := await replays.work(engine, now=service.clock()):
        moved += page
    return moved


async def told(service: Service, *, members: int) -> None:
    """Messages in the feed, before there is an endpoint."""
    for n in range(members):
        await service.enrol(str(n))
    await feeds.sequence(service.app.state.parts.engine, now=service.clock())


async def test_what_is_older_than_the_endpoint_is_sent_in_the_order_of_the_feed(
    service: Service, owner: asyncpg.Connection
) -> None:
    await told(service, members=5)
    path = await make_endpoint(service)
    await service.enrol("later")
    await feeds.sequence(service.app.state.parts.engine, now=service.clock())

    assert await counted(service, path, "missing") == 5
    assert await owner.fetchval("SELECT count(*) FROM replay") == 0
    answer = await ask(service, path, "missing")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["state"], answer.json()["to_examine"], answer.json()["examined"]) == ("running", 6, 0)
    assert await work(service) == 6

    done = (await service.client.get(answer.headers["Location"])).json()
    assert (done["state"], done["examined"], done["queued"]) == ("done", 6, 5)
    assert done["finished_at"] is not None
    assert len(await listed(service, path, state="pending")) == 6
    assert await counted(service, path, "missing") == 0


async def test_failed_missing_and_all_mean_what_they_say(service: Service, owner: asyncpg.Connection) -> None:
    await told(service, members=1)
    path = await make_endpoint(service)
    await told(service, members=4)  # one of them again: three are new
    deliveries = await listed(service, path)
    await end(owner, deliveries[0]["message"])
    await end(owner, deliveries[1]["message"], state="exhausted")

    counts = {which: await counted(service, path, which) for which in ("failed", "missing", "all")}

    assert len(deliveries) == 3
    assert counts == {"failed": 1, "missing": 1, "all": 3}, "what is pending is left as it is"
    await ask(service, path, "failed")
    await work(service)
    states = {one["message"]: one["state"] for one in await listed(service, path)}
    assert states == {deliveries[0]["message"]: "delivered"} | {one["message"]: "pending" for one in deliveries[1:]}


async def test_only_what_the_endpoint_takes_is_sent(service: Service, settings: Settings, clock: Clock) -> None:
    await service.buy(card="1")
    clock.forward(minutes=1)
    await publish(settings, clock=clock, document=PLAIN + "webhooks: {messages: own}\n")
    other = {"Authorization": f"Bearer {await key_for(settings, shop='webshop')}"}
    await service.send({"id": "e2", "identities": {"card": "2"}}, path="/v1/members", headers=other)
    await feeds.sequence(service.app.state.parts.engine, now=service.clock())
    typed = await make_endpoint(service, "https://a.example/", types=["points.earned"])
    mine = await make_endpoint(service, "https://b.example/")
    theirs = await make_endpoint(service, "https://c.example/", headers=other)

    assert await counted(service, typed) == 1
    assert await counted(service, mine) == 3, "the new rules are told, too"
    assert await counted(service, theirs, headers=other) == 4


async def test_only_the_stretch_of_time_is_looked_at(service: Service, clock: Clock) -> None:
    for n in range(6):
        clock.forward(hours=1)
        await told(service, members=n + 1)
    path = await make_endpoint(service)

    assert await counted(service, path, since="2026-11-21T12:00:00Z") == 4
    assert await counted(service, path, since="2026-11-21T12:00:00Z", until="2026-11-21T14:00:00Z") == 2
    assert await counted(service, path, since="2026-11-21T14:30:00Z") == 1
    assert await counted(service, path, since="2026-11-21T12:00:00.000001Z") == 3
    assert await counted(service, path, until="2026-11-21T09:00:00Z") == 0
    answer = await ask(service, path, until="2026-11-21T09:00:00Z")
    await work(service)
    assert (await service.client.get(answer.headers["Location"])).json()["state"] == "done"


async def test_asking_twice_under_one_key_starts_one_job(service: Service, owner: asyncpg.Connection) -> None:
    await told(service, members=2)
    path = await make_endpoint(service)

    first, second = await ask(service, path), await ask(service, path)
    other = await ask(service, path, "failed")
    without = await ask(service, path, key=None)

    assert second.content == first.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_missing")
    assert await owner.fetchval("SELECT count(*) FROM replay") == 1


async def test_replays_are_listed_newest_first_in_pages(service: Service) -> None:
    path = await make_endpoint(service)
    asked = [(await ask(service, path, key=f"k{n}")).json()["id"] for n in range(5)]

    first = (await service.client.get(f"{path}/replays", params={"limit": 3})).json()
    rest = (await service.client.get(f"{path}/replays", params={"cursor": first["next_cursor"]})).json()

    assert [one["id"] for one in first["replays"] + rest["replays"]] == asked[::-1]
    assert rest["next_cursor"] is None


async def test_a_job_waits_while_its_endpoint_is_behind(
    service: Service, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BACKLOG", 4)
    monkeypatch.setattr(replays, "PAGE", 2)
    await told(service, members=8)
    path = await make_endpoint(service)
    answer = await ask(service, path)

    await work(service)

    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 4
    assert (await service.client.get(answer.headers["Location"])).json()["state"] == "running"
    for _ in range(3):
        for one in await listed(service, path, state="pending"):
            await end(owner, one["message"])
        await work(service)
    assert (await service.client.get(answer.headers["Location"])).json()["state"] == "done"
    assert len(await listed(service, path)) == 8


async def test_a_job_ends_with_its_endpoint(service: Service, owner: asyncpg.Connection) -> None:
    await told(service, members=2)
    path = await make_endpoint(service)
    await ask(service, path)
    await service.client.delete(path)

    await work(service)

    assert await owner.fetchval("SELECT state FROM replay") == "ended"
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 0


async def test_times_that_make_no_sense_are_told_with_their_place(service: Service) -> None:
    path = await make_endpoint(service)

    for body, pointer in (
        ({"since": "2026-11-21T10:00:00Z"}, "/since"),
        ({"until": SINCE}, "/until"),
        ({"which": "some"}, "/which"),
        ({"since": "2026-11-21"}, "/since"),
    ):
        answer = await service.send(
            {"since": SINCE, "which": "all", **body}, path=f"{path}/replays", headers={"Idempotency-Key": "k"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await ask(service, path, params={"dry_run": "yes"})).json()["code"] == "malformed_query"


async def test_a_shop_cannot_replay_to_anothers_endpoint(service: Service, settings: Settings) -> None:
    path = await make_endpoint(service)
    answer = await ask(service, path)
    other = {"Authorization": f"Bearer {await key_for(settings, shop='webshop')}"}

    assert (await ask(service, path, key="k2", headers=other)).status_code == 404
    assert (await service.client.get(f"{path}/replays", headers=other)).status_code == 404
    assert (await service.client.get(answer.headers["Location"], headers=other)).status_code == 404
    assert (await service.client.get(f"{path}/replays/rpl_1")).status_code == 404


async def test_the_worker_carries_a_replay_out_by_itself(service: Service) -> None:
    await told(service, members=3)
    path = await make_endpoint(service)
    answer = await ask(service, path)
    stopping = asyncio.Event()
    engine = service.app.state.parts.engine
    loop = asyncio.create_task(replaying.replay_forever(engine, clock=service.clock, stopping=stopping))

    for _ in range(100):
        if (await service.client.get(answer.headers["Location"])).json()["state"] == "done":
            break
        await asyncio.sleep(0.05)
    stopping.set()
    await asyncio.wait_for(loop, 10)

    assert len(await listed(service, path)) == 3
    assert service.clock() == START
