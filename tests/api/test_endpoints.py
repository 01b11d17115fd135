"""Webhook endpoints over HTTP: the secret is shown once, and no shop sees another's."""

import base64
import json
from typing import Any

import asyncpg
import httpx

from app.settings import Settings
from tests.api.test_statement import pages
from tests.builders import Clock, Service, key_for
from tests.database import count, picture

PATH = "/v1/webhook-endpoints"
URL = "https://shop.example/zegel"


async def create(
    service: Service, *, key: str | None = "k1", headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    """POST of an endpoint under an Idempotency-Key."""
    named = {"Idempotency-Key": key} if key is not None else {}
    return await service.send({"url": URL, **body}, path=PATH, headers={**named, **(headers or {})})


async def as_shop(settings: Settings, shop: str | None) -> dict[str, str]:
    """The header of another key of the program."""
    return {"Authorization": f"Bearer {await key_for(settings, shop=shop)}"}


async def test_an_endpoint_is_made_with_a_secret_that_is_shown_once(service: Service) -> None:
    answer = await create(service, types=["points.earned"], description="till")

    made = answer.json()
    secret = made.pop("secret")
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PATH}/{made['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert made == {
        "id": made["id"],
        "url": URL,
        "description": "till",
        "types": ["points.earned"],
        "order": "none",
        "exhausted": "skip",
        "in_flight": 64,
        "per_second": None,
        "state": "enabled",
        "reason": None,
        "since": None,
        "failing_since": None,
        "resting_until": None,
        "old_secrets_until": None,
        "created_at": "2026-11-21T09:00:00Z",
    }
    read = await service.client.get(answer.headers["Location"])
    listed = await service.client.get(PATH)
    assert (read.json(), read.headers["ETag"]) == (made, '"1"')
    assert listed.json() == {"endpoints": [made], "next_cursor": None}
    assert secret not in read.text + listed.text


async def test_a_retry_answers_the_same_without_the_secret(service: Service, owner: asyncpg.Connection) -> None:
    first = await create(service)
    written = await picture(owner)
    service.clock.forward(hours=1)

    again = await create(service)
    once_more = await create(service)

    expected = {name: value for name, value in first.json().items() if name != "secret"} | {"secret_shown": True}
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == expected
    assert again.content == once_more.content
    assert again.headers["Location"] == first.headers["Location"]
    assert await picture(owner) == written


async def test_the_same_key_with_another_body_is_refused(service: Service, owner: asyncpg.Connection) -> None:
    await create(service)
    written = await picture(owner)

    answer = await create(service, url=URL + "/other")

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await picture(owner) == written


async def test_two_shops_may_use_the_same_idempotency_key(service: Service, settings: Settings) -> None:
    mine = await create(service)

    theirs = await create(service, headers=await as_shop(settings, "webshop"))

    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine.json()["id"]


async def test_an_endpoint_needs_an_idempotency_key_in_plain_characters(service: Service) -> None:
    missing = await create(service, key=None)
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")

    for key in (b"\xff\xfe", "sleutel-é".encode(), b"", b"k" * 129, b"a\tb"):
        answer = await service.send({"url": URL}, path=PATH, headers={b"Idempotency-Key": key})

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_header"), key


async def test_addresses_that_must_not_be_called_are_refused(service: Service, owner: asyncpg.Connection) -> None:
    refused = (
        "ftp://shop.example/",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]/",
        "https://[::1",
        "https://0x0a000001/",
        "https://user:pass@shop.example/",
        "https://shop.example:99999/",
        "https://shop.example/#fragment",
        "https://shöp.example/",
        "https://shop.example/\u0007",
        "https:///nothing",
        "javascript:alert(1)",
        "https://" + "a" * 300 + ".example/",
    )
    before = await picture(owner)

    for url in refused:
        answer = await create(service, key=f"k{refused.index(url)}", url=url)

        assert (answer.status_code, answer.json()["code"]) == (422, "endpoint_refused"), url
        assert answer.json()["errors"][0]["pointer"] == "/url"
        assert url not in answer.text
    assert await picture(owner) == before


async def test_types_that_no_message_has_are_refused_at_their_place(service: Service) -> None:
    answer = await create(service, types=["points.earned", "points.burned"])

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/types/1"
    misspelt = await create(service, types=["points.earnd"])
    assert misspelt.json()["errors"][0]["suggestion"] == "points.earned"


async def test_an_endpoint_that_would_never_get_anything_is_refused(service: Service) -> None:
    answer = await create(service, types=[])

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/types")


async def test_a_shop_sees_its_own_endpoints_and_the_program_sees_all(service: Service, settings: Settings) -> None:
    mine = (await create(service)).json()["id"]
    shop, program = await as_shop(settings, "webshop"), await as_shop(settings, None)
    theirs = (await create(service, headers=shop)).json()["id"]

    async def seen(headers: dict[str, str]) -> list[str]:
        listed = await service.client.get(PATH, headers=headers)
        return [endpoint["id"] for endpoint in listed.json()["endpoints"]]

    assert await seen({}) == [mine]
    assert await seen(shop) == [theirs]
    assert await seen(program) == [mine, theirs]
    assert (await service.client.get(f"{PATH}/{mine}", headers=program)).status_code == 200


async def test_a_foreign_shop_can_neither_read_nor_delete_an_endpoint(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    mine = (await create(service)).json()["id"]
    headers = await as_shop(settings, "webshop")
    before = await picture(owner)

    read = await service.client.get(f"{PATH}/{mine}", headers=headers)
    deleted = await service.client.delete(f"{PATH}/{mine}", headers=headers)

    assert [(answer.status_code, answer.json()["code"]) for answer in (read, deleted)] == [(404, "not_found")] * 2
    assert await picture(owner) == before


async def test_a_deleted_endpoint_is_gone_and_told_nothing_more(service: Service, owner: asyncpg.Connection) -> None:
    made = (await create(service)).json()["id"]
    await service.buy(card="1")
    told = await count(owner, "pending_delivery")

    deleted = await service.client.delete(f"{PATH}/{made}")
    again = await service.client.delete(f"{PATH}/{made}")
    await service.buy(card="2")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert again.status_code == 404
    assert (await service.client.get(f"{PATH}/{made}")).status_code == 404
    assert (await service.client.get(PATH)).json()["endpoints"] == []
    assert 0 < told == await count(owner, "pending_delivery")


async def test_endpoints_come_in_pages_that_join(service: Service) -> None:
    made = [(await create(service, key=f"k{number}")).json()["id"] for number in range(5)]

    async def more() -> None:
        await create(service, key=f"late{len(made)}")

    found = await pages(service.client, PATH, limit=2, between=more)

    ids = [endpoint["id"] for page in found for endpoint in page]
    assert ids[:5] == made
    assert len(set(ids)) == len(ids)


async def test_an_endpoint_gets_the_types_it_asked_for(service: Service, owner: asyncpg.Connection) -> None:
    every = (await create(service, key="k1")).json()["id"]
    some = (await create(service, key="k2", types=["points.redeemed"])).json()["id"]

    await service.buy("10.00")
    await service.redeem(5)

    found = await owner.fetch(
        "SELECT e.description, e.types, m.type FROM pending_delivery d JOIN message m USING (program_id, message_id)"
        " JOIN endpoint e USING (program_id, endpoint_id)"
    )
    told = {
        types is None: [row["type"] for row in found if row["types"] == types] for types in (None, ["points.redeemed"])
    }
    assert sorted(told[True]) == ["member.enrolled", "points.earned", "points.redeemed"]
    assert told[False] == ["points.redeemed"]
    assert every != some


async def test_making_and_ending_an_endpoint_is_logged_without_its_secret(
    service: Service, owner: asyncpg.Connection, clock: Clock
) -> None:
    answer = await create(service)
    await service.client.delete(answer.headers["Location"])

    rows = await owner.fetch(
        "SELECT action, subject, details FROM audit WHERE action LIKE 'endpoint%' ORDER BY audit_id"
    )
    assert [(row["action"], row["subject"]) for row in rows] == [
        ("endpoint.created", answer.json()["id"]),
        ("endpoint.deleted", answer.json()["id"]),
    ]
    assert answer.json()["secret"] not in json.dumps([dict(row) for row in rows])


async def test_a_secret_is_not_kept_in_the_clear_beside_the_answer(service: Service, owner: asyncpg.Connection) -> None:
    answer = await create(service)

    kept = await owner.fetchval("SELECT body FROM idempotency")

    assert answer.json()["secret"].encode() not in kept
    assert json.loads(kept)["secret_shown"] is True
