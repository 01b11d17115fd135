"""One program never sees another's rows: every operation, with a foreign key and every id the other program has."""

from typing import Any

import asyncpg
import httpx

from app.db.tables import metadata
from app.operations import feeds
from app.settings import Settings
from tests.api.hostile import ADJUSTMENT, TIER_FLOOR
from tests.api.test_keys import PUBLIC, REPLAY, every_route
from tests.builders import BY_HAND, PLAIN, Clock, Service, key_for, publish, purchase
from tests.database import TABLES

CANARY = "canary-of-the-first-program"
SAME_FOR_ALL = "/v1/program/rules/schema"
"""Says nothing of any program."""


async def rows_of(owner: asyncpg.Connection, program: Any) -> dict[str, list[str]]:
    """Every row of a program, as text."""
    return {
        table: sorted(
            row[0] for row in await owner.fetch(f"SELECT x::text FROM {table} x WHERE program_id = $1", program)
        )
        for table in TABLES
        if "program_id" in metadata.tables[table].c and table != "lane"
    }


async def stranger_of(settings: Settings, clock: Clock) -> dict[str, str]:
    """The header of a key of another program, with every scope, of a shop of the same name."""
    await publish(settings, clock=clock, program="tea")
    return {"Authorization": f"Bearer {await key_for(settings, program='tea')}"}


async def filled_program(service: Service) -> dict[str, str]:
    """Something in every list of the first program; the ids of it."""
    await publish(service.settings, clock=service.clock, document=BY_HAND)
    member = (await service.enrol(CANARY, attributes={"note": CANARY}))["id"]
    event = await service.buy("10.00", card=CANARY, id=CANARY, location=CANARY)
    assert (await service.redeem(1, card=CANARY)).status_code == 201
    held = await service.send({"id": "h1", "member": f"card:{CANARY}", "points": 1}, path="/v1/holds")
    lost = {"type": "return", "id": CANARY, "member": f"card:{CANARY}", "purchase": "gone", "all": True}
    assert (await service.send({**lost, "occurred_at": "2026-11-21T09:00:00Z"})).status_code == 202
    assert (await service.redeem(10_000, card=CANARY, id=CANARY)).status_code == 409
    refused = await service.client.get("/v1/refused")
    endpoint = await service.send(
        {"url": "https://shop.example/x", "description": CANARY},
        path="/v1/webhook-endpoints",
        headers={"Idempotency-Key": "k1"},
    )
    await service.buy("11.00", card=CANARY, id="told")
    await feeds.sequence(service.app.state.parts.engine, now=service.clock())
    path = f"/v1/webhook-endpoints/{endpoint.json()['id']}"
    told = (await service.client.get(f"{path}/deliveries")).json()["deliveries"]
    replay = await service.send(REPLAY, path=f"{path}/replays", headers={"Idempotency-Key": "k2"})
    given = await service.send({**ADJUSTMENT, "id": CANARY, "member": member, "note": CANARY}, path="/v1/adjustments")
    code = (await service.client.get(f"/v1/members/{member}")).json()["referral_code"]
    friend = await service.enrol(f"{CANARY}-2", referral_code=code)
    draft = f"# {CANARY}\n{PLAIN}"
    yaml = {"Content-Type": "application/yaml", "If-None-Match": "*"}
    assert (await service.client.put("/v1/program/rules/draft", content=draft, headers=yaml)).status_code == 200
    return {
        "referral_id": friend["id"].replace("mem_", "rfl_"),
        "member_id": member,
        "event_id": event.json()["id"],
        "hold": held.json()["id"],
        "source": "till",
        "id": CANARY,
        "refused_id": refused.json()["refused"][0]["id"],
        "endpoint_id": endpoint.json()["id"],
        "adjustment_id": given.json()["id"],
        "message_id": told[0]["message"],
        "replay_id": replay.json()["id"],
        "version": "3",
    }


def bodies(ids: dict[str, str], card: str) -> dict[str, list[Any]]:
    """Per write route, bodies that name what the other program has."""
    about = [
        {"type": "redemption", "id": "x1", "member": name, "occurred_at": "2026-11-21T09:00:00Z", "points": 1}
        for name in (ids["member_id"], f"card:{card}")
    ]
    bought = [{**purchase(id="x2"), "member": name} for name in (ids["member_id"], f"card:{card}")]
    return {
        "/v1/events": about + bought,
        "/v1/events/batch": [{"events": about + bought}],
        "/v1/members/lookup": [{"member": ids["member_id"]}, {"member": f"card:{card}"}],
        "/v1/members/{member_id}": [{"attributes": {"city": "x"}, "tags": {"vip": {}}}],
        "/v1/refused/{refused_id}/admit": [None],
        "/v1/purchases/{source}/{id}": [],  # a shop's own, by its own key: nothing of others can be named
        "/v1/members/{member_id}/tier-floor": [TIER_FLOOR],
        "/v1/holds": [{"id": "h2", "member": f"card:{card}", "points": 1}],
        "/v1/holds/{hold}/capture": [{"id": "c1"}],
        "/v1/holds/{hold}/release": [{"id": "r1"}],
        "/v1/members": [],
        "/v1/webhook-endpoints": [],
        "/v1/webhook-endpoints/{endpoint_id}/deliveries/{message_id}/resend": [None],
        "/v1/webhook-endpoints/{endpoint_id}/replays": [REPLAY],
        "/v1/webhook-endpoints/{endpoint_id}": [{"description": "mine"}],
        "/v1/webhook-endpoints/{endpoint_id}/pause": [None],
        "/v1/webhook-endpoints/{endpoint_id}/enable": [None],
        "/v1/webhook-endpoints/{endpoint_id}/rotate-secret": [{}],
        "/v1/webhook-endpoints/{endpoint_id}/test": [None],
        "/v1/adjustments": [{**ADJUSTMENT, "member": name} for name in (ids["member_id"], f"card:{card}")],
        "/v1/referrals/{referral_id}/approve": [{"reason": "known"}],
        "/v1/referrals/{referral_id}/reject": [{"reason": "known"}],
        "/v1/adjustments/{adjustment_id}/approve": [{}],
        "/v1/adjustments/{adjustment_id}/reject": [{}],
        "/v1/adjustments/{adjustment_id}/cancel": [{}],
        "/v1/program/rules/draft": [{"zegel": 1}],
        "/v1/program/rules/draft/check": [None],
        "/v1/program/rules/draft/publish": [{}],
        "/v1/program/rules/backtest": [{"from": "2026-11-01T00:00:00Z"}],
    }


async def test_no_operation_shows_or_touches_anything_of_another_program(
    service: Service, settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    ids = await filled_program(service)
    await publish(settings, clock=clock, document=f"# {CANARY}\n" + VERSION_TWO)
    first = await owner.fetchval("SELECT program_id FROM program WHERE code = 'coffee'")
    headers = await stranger_of(settings, clock)
    before = await rows_of(owner, first)
    sent = bodies(ids, CANARY)

    seen: list[tuple[str, str, httpx.Response]] = []
    for method, path in every_route(service):
        if path in PUBLIC or path == SAME_FOR_ALL:
            continue
        filled = path.format(**ids)
        if method in ("POST", "PUT", "PATCH"):
            named = {**headers, "Idempotency-Key": "x", "If-Match": '"1"'}
            for body in sent[path]:
                seen.append((method, path, await service.client.request(method, filled, json=body, headers=named)))
        else:
            query = {"source": "till", "id": CANARY} if path == "/v1/events" else {}
            query |= {"reason": "mistake"} if method == "DELETE" and path.endswith("/tier-floor") else {}
            seen.append((method, path, await service.client.request(method, filled, params=query, headers=headers)))

    for method, path, answer in seen:
        if "{" in path:
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path)
        said = answer.text.replace(answer.request.url.path, "")
        assert CANARY not in said, (method, path)
        assert not [id for name, id in ids.items() if name != "version" and id in said], (method, path)
    assert await rows_of(owner, first) == before


VERSION_TWO = """
zegel: 1
name: canary-of-the-first-program
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 3, per: "1.00"}}
"""


async def test_a_foreign_member_is_as_unknown_as_none_at_all(
    service: Service, settings: Settings, clock: Clock
) -> None:
    ids = await filled_program(service)
    headers = await stranger_of(settings, clock)
    nobody = "mem_01jcr8m4kdf0v8y5h3q2z7x9wb"

    for path in ("/v1/members/lookup",):
        theirs = (await service.send({"member": ids["member_id"]}, path=path, headers=headers)).json()
        none = (await service.send({"member": nobody}, path=path, headers=headers)).json()

        assert {**theirs, "request_id": ""} == {**none, "request_id": ""}


async def test_cards_ids_and_codes_are_each_programs_own(service: Service, settings: Settings, clock: Clock) -> None:
    mine = await service.enrol("1001")
    await service.buy("10.00", id="p1")
    headers = await stranger_of(settings, clock)

    same_card = await service.send(
        {"id": "enrol-1001", "identities": {"card": "1001"}}, path="/v1/members", headers=headers
    )
    same_id = await service.send(purchase("7.00", id="p1"), headers=headers)
    foreign_code = await service.send(
        {"id": "e2", "referral_code": mine["referral_code"]}, path="/v1/members", headers=headers
    )

    assert same_card.status_code == 201
    assert same_card.json()["id"] != mine["id"]
    for key, member in ({}, mine), (headers, same_card.json()):
        found = await service.send({"member": "card:1001"}, path="/v1/members/lookup", headers=key)
        assert (found.status_code, found.json()["id"]) == (200, member["id"])
    assert (same_id.status_code, same_id.json()["sequence"]) == (201, 2)
    assert (foreign_code.status_code, foreign_code.json()["code"]) == (422, "unknown_referral_code")
    assert (await service.units(mine["id"]))["points"]["available"] == 10


async def test_an_endpoint_is_told_of_its_own_program_alone(
    service: Service, settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    await filled_program(service)
    pending = await owner.fetchval("SELECT count(*) FROM pending_delivery")
    headers = await stranger_of(settings, clock)

    await service.send(purchase(), headers=headers)

    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == pending
