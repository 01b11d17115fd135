"""Endpoints that are changed, paused, enabled, tried, and given a new secret."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from standardwebhooks import Webhook

from app.settings import Settings
from tests.api.test_endpoints import URL, as_shop, create
from tests.builders import Clock, Service, key_for, open_service
from tests.database import count, picture
from tests.webhooks.receiver import Receiver, receiving, saying


@pytest.fixture
async def shop() -> AsyncIterator[Receiver]:
    async with receiving(saying(200)) as running:
        yield running


async def made(service: Service, **body: Any) -> str:
    """The path of a new endpoint."""
    answer = await create(service, **body)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


async def change(service: Service, path: str, *, tag: str | None = '"1"', **body: Any) -> httpx.Response:
    return await service.client.request("PATCH", path, json=body, headers={"If-Match": tag} if tag else {})


async def post(service: Service, path: str, body: Any = None, *, key: str = "k2") -> httpx.Response:
    return await service.client.request("POST", path, json=body, headers={"Idempotency-Key": key})


async def test_what_is_said_changes_and_the_rest_stays(service: Service, owner: asyncpg.Connection) -> None:
    path = await made(service, types=["points.earned"], description="till", per_second=5)

    answer = await change(service, path, types=["points.*"], order="member", exhausted="hold", per_second=None)

    said = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert (said["types"], said["order"], said["exhausted"]) == (["points.*"], "member", "hold")
    assert said["per_second"] is None
    assert (said["url"], said["description"], said["in_flight"]) == (URL, "till", 64)
    assert (await service.client.get(path)).json() == said
    assert await owner.fetchval("SELECT action FROM audit ORDER BY audit_id DESC LIMIT 1") == "endpoint.changed"


async def test_a_change_that_somebody_else_made_is_not_overwritten(service: Service, owner: asyncpg.Connection) -> None:
    path = await made(service)
    tag = (await service.client.get(path)).headers["ETag"]
    await change(service, path, tag=tag, description="theirs")
    before = await picture(owner)

    late = await change(service, path, tag=tag, description="mine")
    without = await change(service, path, tag=None, description="mine")
    odd = [await change(service, path, tag=one, description="mine") for one in ("W/x", '"9999999999999"', '""')]

    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert (without.status_code, without.json()["code"]) == (428, "if_match_missing")
    assert {answer.status_code for answer in odd} == {412}
    assert await picture(owner) == before


async def test_a_star_changes_whatever_is_there(service: Service) -> None:
    """RFC 9110, 13.1.1: it is true of any endpoint there is."""
    path = await made(service)
    await change(service, path, description="theirs")

    answer = await change(service, path, tag="*", description="mine")
    none = await change(service, path[:-26] + "01jcr8m4kdf0v8y5h3q2z7x9wb", tag="*", description="mine")

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"3"')
    assert none.status_code == 404


async def test_a_change_is_judged_like_a_new_endpoint(service: Service) -> None:
    path = await made(service)

    url = await change(service, path, url="https://10.0.0.1/")
    types = await change(service, path, types=["points.burned", "points.*", "*"])
    hold = await change(service, path, exhausted="hold")

    assert (url.status_code, url.json()["code"]) == (422, "endpoint_refused")
    assert [error["pointer"] for error in types.json()["errors"]] == ["/types/0", "/types/2"]
    assert [error["pointer"] for error in hold.json()["errors"]] == ["/exhausted"]


@pytest.mark.parametrize("name", ["url", "description", "order", "exhausted", "in_flight"])
async def test_null_is_no_value_of_what_an_endpoint_always_has(service: Service, name: str) -> None:
    """API C9: it was taken, and changed nothing."""
    answer = await change(service, await made(service), **{name: None})

    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [f"/{name}"])


async def test_a_shop_changes_only_its_own(service: Service, settings: Settings, owner: asyncpg.Connection) -> None:
    path = await made(service)
    shop = {**await as_shop(settings, "webshop"), "If-Match": '"1"', "Idempotency-Key": "k2"}
    before = await picture(owner)

    answers = [await service.client.request("PATCH", path, json={"description": "x"}, headers=shop)]
    answers += [await service.client.post(f"{path}/{what}", headers=shop) for what in ("pause", "enable", "test")]
    answers.append(await service.client.post(f"{path}/rotate-secret", json={}, headers=shop))

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "not_found")}
    assert await picture(owner) == before


async def test_filters_by_group_take_every_type_of_it(service: Service, owner: asyncpg.Connection) -> None:
    await made(service, types=["points.*"])
    await made(service, key="k9", types=["tier.*", "member.enrolled"])

    await service.enrol()
    await service.buy()

    queued = await owner.fetch(
        "SELECT type FROM pending_delivery JOIN message USING (program_id, message_id) ORDER BY 1"
    )
    assert [row["type"] for row in queued] == ["member.enrolled", "points.earned"]


async def test_messages_of_an_ordered_endpoint_carry_their_key_and_number(
    service: Service, owner: asyncpg.Connection
) -> None:
    paths = {order: await made(service, key=order, order=order) for order in ("none", "member", "strict")}
    member = await service.enrol()
    await service.buy()

    queued = await owner.fetch(
        "SELECT ordering, ordering_key = p.endpoint_id AS own, m.member_id = ordering_key AS members, p.number,"
        " queued_at = created_at AS timed FROM pending_delivery p JOIN message m USING (program_id, message_id)"
        " JOIN (SELECT endpoint_id, ordering FROM endpoint) e USING (endpoint_id) ORDER BY ordering, m.number"
    )
    assert len(paths) == 3
    assert member["id"].startswith("mem_")
    assert [tuple(row) for row in queued] == [
        *[("member", False, True, number, None) for number in (1, 2)],
        *[("none", None, None, None, None)] * 2,
        *[("strict", True, False, number, True) for number in (1, 2)],
    ]


async def test_a_paused_endpoint_collects_what_is_recorded_and_a_disabled_one_does_not(
    service: Service, owner: asyncpg.Connection, clock: Clock
) -> None:
    path = await made(service)
    clock.forward(hours=1)
    paused = await post(service, f"{path}/pause")
    again = await post(service, f"{path}/pause")
    await service.enrol()

    said = paused.json()
    assert (said["state"], said["since"], said["reason"]) == ("paused", "2026-11-21T10:00:00Z", None)
    assert again.json() == said
    assert await count(owner, "pending_delivery") == 1

    await owner.execute("UPDATE endpoint SET state = 'disabled', disabled_reason = 'gone', disabled_at = now()")
    refused = await post(service, f"{path}/pause")
    shown = (await service.client.get(path)).json()
    await service.buy()

    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_not_enabled")
    assert (shown["state"], shown["reason"]) == ("disabled", "gone")
    assert await count(owner, "pending_delivery") == 1


async def test_enabling_forgets_what_was_wrong(service: Service, owner: asyncpg.Connection) -> None:
    path = await made(service)
    await owner.execute(
        "UPDATE endpoint SET state = 'disabled', disabled_reason = 'failing', disabled_at = now(), failures = 40,"
        " trips = 4, open_until = now(), failing_since = now()"
    )

    answer = await post(service, f"{path}/enable")

    said = answer.json()
    assert (said["state"], said["reason"], said["since"]) == ("enabled", None, None)
    assert (said["failing_since"], said["resting_until"]) == (None, None)
    assert await owner.fetchval("SELECT releasing FROM endpoint")


async def test_another_address_is_not_held_responsible_for_the_one_before(
    service: Service, owner: asyncpg.Connection
) -> None:
    path = await made(service)
    await owner.execute("UPDATE endpoint SET failures = 40, trips = 4, open_until = now(), failing_since = now()")

    said = (await change(service, path, url="https://new.example/")).json()

    assert (said["failing_since"], said["resting_until"]) == (None, None)


async def test_a_new_secret_is_shown_once_and_signs_beside_the_old_one(
    service: Service, settings: Settings, clock: Clock, shop: Receiver, owner: asyncpg.Connection
) -> None:
    clock.now = datetime.now(UTC)
    shop.secrets = ()  # it is verified below, with both
    answer = await create(service, url=shop.url)
    path, old = answer.headers["Location"], answer.json()["secret"]

    rotated = await post(service, f"{path}/rotate-secret", {})
    replayed = await post(service, f"{path}/rotate-secret", {})
    new = rotated.json().pop("secret")
    await service.enrol()
    async with open_service(settings, clock=clock, worker=True):
        async with asyncio.timeout(20):
            while not shop.requests:
                await asyncio.sleep(0.02)

    assert (rotated.status_code, replayed.status_code) == (201, 201)
    assert "secret" not in replayed.json()
    assert replayed.json()["secret_shown"] is True
    assert new not in (await service.client.get(path)).text
    (request,) = shop.requests
    for secret in (new, old):
        assert Webhook(secret).verify(request.body, request.headers)["type"] == "member.enrolled"
    dump = str(await owner.fetch("SELECT * FROM endpoint")) + str(await owner.fetch("SELECT * FROM idempotency"))
    assert new not in dump
    assert new.encode().hex() not in dump


async def test_a_secret_is_made_anew_without_a_body(service: Service) -> None:
    path = await made(service)

    answer = await service.client.post(f"{path}/rotate-secret", headers={"Idempotency-Key": "r1"})

    assert (answer.status_code, answer.json()["old_secrets_until"]) == (201, "2026-11-22T09:00:00Z")


async def test_an_overlap_of_nothing_ends_the_old_secret_at_once(service: Service, owner: asyncpg.Connection) -> None:
    path = await made(service)
    at_once = (await post(service, f"{path}/rotate-secret", {"overlap_hours": 0})).json()
    week = (await post(service, f"{path}/rotate-secret", {"overlap_hours": 168}, key="k3")).json()
    longer = await post(service, f"{path}/rotate-secret", {"overlap_hours": 169}, key="k4")

    assert at_once["old_secrets_until"] == "2026-11-21T09:00:00Z"
    assert week["old_secrets_until"] == "2026-11-28T09:00:00Z"
    assert longer.status_code == 422
    assert (await service.client.get(path)).json()["old_secrets_until"] == "2026-11-28T09:00:00Z"


async def test_not_more_than_ten_secrets_sign_at_once(service: Service) -> None:
    path = await made(service)
    answers = [await post(service, f"{path}/rotate-secret", {}, key=f"r{number}") for number in range(10)]
    ended = await post(service, f"{path}/rotate-secret", {"overlap_hours": 0}, key="last")

    assert [answer.status_code for answer in answers] == [201] * 9 + [409]
    assert answers[-1].json()["code"] == "too_many_secrets"
    assert ended.status_code == 201


async def test_a_test_message_goes_to_one_endpoint_whatever_it_takes(
    service: Service, owner: asyncpg.Connection
) -> None:
    path = await made(service, types=["tier.upgraded"])
    await made(service, key="k9")

    answer = await post(service, f"{path}/test")
    again = await post(service, f"{path}/test")

    assert (answer.status_code, again.json()) == (201, answer.json())
    assert answer.json()["message"].startswith("msg_")
    assert answer.headers["Location"] == f"{path}/deliveries/{answer.json()['message']}"
    assert (await service.client.get(answer.headers["Location"])).json()["state"] == "pending"
    assert await count(owner, "pending_delivery") == 1
    found = await owner.fetchrow("SELECT type, member_id, number FROM message")
    assert tuple(found) == ("test", None, None)


async def test_a_test_message_is_seen_by_the_shop_that_asked_for_it_alone(settings: Settings, service: Service) -> None:
    """webhooks W10: a shop sees its own endpoints only, and what is said about them."""
    message = (await post(service, f"{await made(service)}/test")).json()["message"]

    seen = {}
    for shop in ("another", None):
        key = {"Authorization": f"Bearer {await key_for(settings, shop=shop)}"}
        seen[shop] = (await service.client.get(f"/v1/messages/{message}", headers=key)).status_code
    own = await service.client.get(f"/v1/messages/{message}")

    assert (own.status_code, seen["another"], seen[None]) == (200, 404, 200)


async def test_a_paused_endpoint_is_not_tried(service: Service) -> None:
    path = await made(service)
    await post(service, f"{path}/pause")

    answer = await post(service, f"{path}/test")

    assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_not_enabled")


async def test_a_deleted_endpoint_keeps_no_secret_and_takes_no_change(
    service: Service, owner: asyncpg.Connection
) -> None:
    path = await made(service)
    await service.client.delete(path)

    answers = [await change(service, path, description="x"), await post(service, f"{path}/enable")]

    assert {answer.status_code for answer in answers} == {404}
    assert await owner.fetchval("SELECT secret FROM endpoint") == b""
