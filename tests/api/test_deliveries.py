"""What became of messages at an endpoint, and sending one again (webhooks W10)."""

import asyncio
from base64 import b64decode
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.domain import typeid
from app.queries import deliveries as queries
from app.queries import statistics
from app.settings import Settings
from tests.builders import Clock, Service, key_for, open_service
from tests.webhooks import receiver

PATH = "/v1/webhook-endpoints"


async def make_endpoint(service: Service, url: str = "https://shop.example/hook", **more: Any) -> str:
    """An endpoint of the caller's; its path."""
    headers = {"Idempotency-Key": f"make {url}", **more.pop("headers", {})}
    shop: receiver.Receiver | None = more.pop("shop", None)
    answer = await service.send({"url": url, **more}, path=PATH, headers=headers)
    assert answer.status_code == 201, answer.text
    if shop is not None:  # it verifies what it receives
        shop.secrets = (b64decode(answer.json()["secret"].removeprefix("whsec_")),)
    return f"{PATH}/{answer.json()['id']}"


async def listed(service: Service, path: str, **params: Any) -> list[dict[str, Any]]:
    """Every delivery of an endpoint, over all pages."""
    found, cursor = [], None
    while True:
        query = {**params, **({"cursor": cursor} if cursor else {})}
        answer = await service.client.get(f"{path}/deliveries", params=query)
        assert answer.status_code == 200, answer.text
        found += answer.json()["deliveries"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def resend(
    service: Service, path: str, message: str, *, key: str | None = "again", **more: Any
) -> httpx.Response:
    """The request to send a message again."""
    headers = {**({} if key is None else {"Idempotency-Key": key}), **more}
    return await service.client.post(f"{path}/deliveries/{message}/resend", headers=headers)


async def end(owner: asyncpg.Connection, message: str, *, state: str = "delivered") -> None:
    """Ends a delivery as the courier does."""
    id = typeid.decode(typeid.MESSAGE, message)
    rows = "DELETE FROM pending_delivery WHERE message_id = encode($1, 'hex')::uuid RETURNING *"
    for row in await owner.fetch(rows, id):
        where = (row["program_id"], row["endpoint_id"], row["message_id"])
        done = "INSERT INTO delivery VALUES ($1, $2, $3, $4, 1, now()) ON CONFLICT DO NOTHING"
        await owner.execute(done, *where, state)


async def test_deliveries_are_listed_newest_first_in_pages(service: Service, owner: asyncpg.Connection) -> None:
    path = await make_endpoint(service)
    for n in range(5):
        await service.enrol(str(n))
    everything = await listed(service, path)
    await end(owner, everything[1]["message"])
    await end(owner, everything[3]["message"], state="exhausted")

    found = await listed(service, path, limit=2)

    assert [one["message"] for one in found] == [one["message"] for one in everything]
    assert [one["message"] for one in found] == sorted([one["message"] for one in found], reverse=True)
    assert [one["state"] for one in found] == ["pending", "delivered", "pending", "exhausted", "pending"]
    assert all((one["due_at"] is None) == (one["finished_at"] is not None) for one in found)
    assert {one["type"] for one in found} == {"member.enrolled"}


async def test_deliveries_can_be_asked_for_by_state_type_and_message(
    service: Service, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await make_endpoint(service)
    for n in range(6):
        await service.buy(card=str(n))
    everything = await listed(service, path)
    for one in everything[:4]:
        await end(owner, one["message"])
    await end(owner, everything[4]["message"], state="aborted")
    monkeypatch.setattr(queries, "EXAMINED", 3)

    assert len(await listed(service, path, state="delivered", limit=3)) == 4
    assert len(await listed(service, path, state="pending")) == 7
    assert len(await listed(service, path, state="aborted")) == 1
    assert await listed(service, path, state="exhausted") == []
    assert len(await listed(service, path, type="points.earned")) == 6
    (one,) = await listed(service, path, message=everything[7]["message"])
    assert one == (await listed(service, path))[7]


async def test_a_delivery_shows_each_attempt_with_what_came_back(
    settings: Settings, clock: Clock, service: Service
) -> None:
    async with receiver.receiving(receiver.saying(500, b"no \xff" + b"x" * 5_000)) as shop:
        path = await make_endpoint(service, shop.url, shop=shop)
        await service.enrol()
        async with open_service(settings, clock=clock, worker=True):
            (one,) = await _until(lambda: listed(service, path), lambda rows: rows[0]["attempts"] == 1)

    answer = await service.client.get(f"{path}/deliveries/{one['message']}")

    body = answer.json()
    assert (body["state"], len(body["tries"])) == ("pending", 1)
    assert {name: body[name] for name in one} == one
    (attempt,) = body["tries"]
    assert (attempt["number"], attempt["status"], attempt["error"]) == (1, 500, None)
    assert attempt["answer"].startswith("no \N{REPLACEMENT CHARACTER}xxx")
    assert len(attempt["answer"]) <= 4096
    assert attempt["duration_ms"] >= 0
    assert attempt["id"].startswith("att_")


async def _until(ask: Any, enough: Any) -> Any:
    for _ in range(200):
        found = await ask()
        if enough(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen in time")


async def test_a_message_is_sent_again_under_the_same_id(settings: Settings, clock: Clock, service: Service) -> None:
    async with receiver.receiving(receiver.saying(200)) as shop:
        path = await make_endpoint(service, shop.url, shop=shop)
        await service.enrol()
        async with open_service(settings, clock=clock, worker=True):
            (one,) = await _until(lambda: listed(service, path), lambda rows: rows[0]["state"] == "delivered")

            answer = await resend(service, path, one["message"])

            assert (answer.status_code, answer.json()["state"]) == (201, "pending")
            assert answer.headers["Location"] == f"{path}/deliveries/{one['message']}"
            await _until(lambda: listed(service, path), lambda rows: rows[0]["state"] == "delivered")
            await _until(_value(lambda: len(shop.requests)), lambda count: count == 2)
    tries = (await service.client.get(f"{path}/deliveries/{one['message']}")).json()["tries"]

    assert len(tries) == 2
    assert shop.ids == [one["message"]] * 2
    assert shop.requests[0].body == shop.requests[1].body


def _value(get: Any) -> Any:
    async def ask() -> Any:
        return get()

    return ask


async def test_asking_twice_under_one_key_sends_once(service: Service, owner: asyncpg.Connection) -> None:
    path = await make_endpoint(service)
    await service.enrol()
    (one,) = await listed(service, path)
    await end(owner, one["message"])

    first = await resend(service, path, one["message"])
    await end(owner, one["message"])
    second = await resend(service, path, one["message"])

    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.content == first.content
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 0
    assert await owner.fetchval("SELECT count(*) FROM audit WHERE action = 'message.resent'") == 1
    assert (await resend(service, path, one["message"], key="another")).status_code == 201
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 1


async def test_what_waits_for_its_next_attempt_is_sent_at_once(
    service: Service, owner: asyncpg.Connection, clock: Clock
) -> None:
    path = await make_endpoint(service)
    await service.enrol()
    (one,) = await listed(service, path)
    later = clock() + timedelta(hours=10)
    await owner.execute("UPDATE pending_delivery SET attempts = 6, due_at = $1", later)

    await resend(service, path, one["message"])

    (now,) = await listed(service, path)
    assert (now["attempts"], now["due_at"]) == (0, "2026-11-21T09:00:00Z")


async def test_what_is_being_sent_keeps_its_lease(service: Service, owner: asyncpg.Connection, clock: Clock) -> None:
    path = await make_endpoint(service)
    await service.enrol()
    (one,) = await listed(service, path)
    until = clock() + timedelta(minutes=1)
    await owner.execute("UPDATE pending_delivery SET lease = gen_random_uuid(), attempts = 3, due_at = $1", until)

    await resend(service, path, one["message"])

    row = await owner.fetchrow("SELECT * FROM pending_delivery")
    assert (row["attempts"], row["due_at"]) == (3, until)


async def test_a_resend_without_a_key_or_with_a_used_one_is_refused(
    service: Service, owner: asyncpg.Connection
) -> None:
    path = await make_endpoint(service)
    for n in range(2):
        await service.enrol(str(n))
    one, other = await listed(service, path)
    await resend(service, path, one["message"])

    without = await resend(service, path, one["message"], key=None)
    used = await resend(service, path, other["message"])

    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_missing")
    assert (used.status_code, used.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_shop_sees_its_own_endpoints_deliveries_alone(service: Service, settings: Settings) -> None:
    path = await make_endpoint(service)
    await service.enrol()
    (one,) = await listed(service, path)
    other = {"Authorization": f"Bearer {await key_for(settings, shop='webshop')}"}
    theirs = await make_endpoint(service, "https://webshop.example/hook", headers=other)
    all = {"Authorization": f"Bearer {await key_for(settings, shop=None)}"}

    for headers, status in ((other, 404), (all, 200)):
        for suffix in ("", f"/{one['message']}"):
            assert (await service.client.get(f"{path}/deliveries{suffix}", headers=headers)).status_code == status
    assert (await resend(service, path, one["message"], **other)).status_code == 404
    assert (await resend(service, theirs, one["message"], **other)).status_code == 404, "it was never sent there"
    assert (await service.client.get(f"{theirs}/deliveries", headers=other)).json()["deliveries"] == []


async def test_wrong_filters_and_ids_are_told(service: Service) -> None:
    path = await make_endpoint(service)

    for params in ({"state": "lost"}, {"message": "msg_1"}, {"stat": "pending"}):
        answer = await service.client.get(f"{path}/deliveries", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "malformed_query"), params
    misspelt = await service.client.get(f"{path}/deliveries", params={"type": "points.earnd"})
    assert (misspelt.status_code, misspelt.json()["code"]) == (422, "malformed_query")
    assert misspelt.json()["errors"] == [
        {"pointer": "/type", "message": "is no type of message", "suggestion": "points.earned"}
    ]
    for wrong in (f"{path}/deliveries/msg_1", f"{PATH}/whe_1/deliveries", f"{path[:-1]}0/deliveries"):
        assert (await service.client.get(wrong)).status_code == 404


async def test_statistics_count_attempts_by_outcome_and_tell_what_waits(
    service: Service, owner: asyncpg.Connection, clock: Clock
) -> None:
    path = await make_endpoint(service)
    nothing = (await service.client.get(f"{path}/statistics")).json()
    await service.enrol("1")
    clock.forward(hours=3)
    await service.enrol("2")
    made = (
        "INSERT INTO attempt SELECT program_id, endpoint_id, message_id, gen_random_uuid(), 1, $1,"
        " $2, $3, $4, NULL, '' FROM pending_delivery ORDER BY message_id LIMIT 1"
    )
    for minutes, milliseconds, status, outcome in (
        (0, 10, 200, "delivered"),
        (1, 20, 200, "delivered"),
        (59, 90, 500, "failed"),
        (2, 40, None, "timed_out"),
        (90, 7_000, 200, "delivered"),
        (2_000, 9_000, 200, "delivered"),
    ):
        await owner.execute(made, clock() - timedelta(minutes=minutes), milliseconds, status, outcome)

    hour = (await service.client.get(f"{path}/statistics")).json()
    day = (await service.client.get(f"{path}/statistics", params={"over": "day"})).json()

    assert (nothing["outcomes"], nothing["milliseconds"], nothing["pending"]) == ({}, None, 0)
    assert nothing["oldest_pending_at"] is None
    assert hour["outcomes"] == {"delivered": 2, "failed": 1, "timed_out": 1}
    assert hour["statuses"] == {"200": 2, "500": 1}
    assert hour["milliseconds"] == {"p50": 20, "p95": 90, "p99": 90}
    assert (hour["pending"], hour["oldest_pending_at"]) == (2, "2026-11-21T09:00:00Z")
    assert hour["complete"] is hour["pending_complete"] is True
    assert day["outcomes"]["delivered"] == 3
    assert day["milliseconds"]["p99"] == 7_000
    assert (await service.client.get(f"{path}/statistics", params={"over": "week"})).status_code == 422


async def test_statistics_say_when_they_did_not_look_at_all(
    service: Service, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "EXAMINED", 1)
    monkeypatch.setattr(statistics, "PENDING", 1)
    path = await make_endpoint(service)
    for n in range(2):
        await service.enrol(str(n))
    await owner.execute(
        "INSERT INTO attempt SELECT program_id, endpoint_id, message_id, gen_random_uuid(), 1, $1,"
        " 5, 200, 'delivered', NULL, '' FROM pending_delivery",
        service.clock(),
    )

    found = (await service.client.get(f"{path}/statistics")).json()

    assert (found["complete"], found["pending_complete"], found["pending"]) == (False, False, 1)
