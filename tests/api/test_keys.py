"""Who may do what: everything is private but a short list, and every wrong key gets the same answer."""

import asyncio
import time
from typing import Any

import asyncpg
import httpx
import pytest

from app.cli.keys import make_key
from app.db import transactions
from app.domain import keys, typeid
from app.domain.scopes import Scope
from app.main import fresh_id
from app.operations import keys as operations
from app.settings import Settings
from tests.api.hostile import ADJUSTMENT, TIER_FLOOR
from tests.builders import PROGRAM, Clock, Service, key_for, purchase
from tests.database import picture

PUBLIC = {
    "/health/live",
    "/health/ready",
    "/metrics",
    "/docs",
    "/docs/assets",
    "/problems",
    "/openapi.json",
}
"""The whole list of paths that answer without a key."""


def every_route(service: Service) -> list[tuple[str, str]]:
    """Method and path of everything the app answers."""
    routes = [one for route in service.app.routes for one in getattr(route, "original_router", service.app).routes]
    routes += service.app.routes
    return sorted(
        {
            (method, route.path.replace(":path}", "}"))
            for route in routes
            if hasattr(route, "path")
            for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
        }
    )


def filled(path: str) -> str:
    """The path with an id of the right form in each place."""
    ids = {"member_id": typeid.MEMBER, "event_id": typeid.EVENT, "endpoint_id": typeid.ENDPOINT}
    ids |= {"adjustment_id": typeid.ADJUSTMENT, "referral_id": typeid.REFERRAL}
    ids |= {"message_id": typeid.MESSAGE, "replay_id": typeid.REPLAY}
    for name, prefix in ids.items():
        path = path.replace("{" + name + "}", typeid.encode(prefix, fresh_id()))
    path = path.replace("{refused_id}", typeid.encode(typeid.REFUSED, fresh_id()))
    path = path.replace("{source}", "till").replace("{id}", "p1")
    path = path.replace("{version}", "1").replace("{hold}", typeid.encode(typeid.EVENT, fresh_id()))
    assert "{" not in path, f"say in this test what goes into {path}"
    return path


async def ask(service: Service, method: str, path: str, *, authorization: str | None) -> httpx.Response:
    """A request with this Authorization header alone, and a body where one goes."""
    request = service.client.build_request(method, path, json={} if method in ("POST", "PUT", "PATCH") else None)
    del request.headers["Authorization"]
    if authorization is not None:
        request.headers["Authorization"] = authorization
    return await service.client.send(request)


async def test_every_route_but_a_short_list_asks_for_a_key(service: Service) -> None:
    routes = every_route(service)
    private = [(method, path) for method, path in routes if path not in PUBLIC]

    assert {path for _, path in routes} >= PUBLIC
    assert len(private) >= 15
    for method, path in private:
        answer = await ask(service, method, filled(path), authorization=None)

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), (method, path)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_documented_operations_are_the_routes(service: Service) -> None:
    documented = {
        (method.upper(), path) for path, operations in service.app.openapi()["paths"].items() for method in operations
    }
    private = {(method, path) for method, path in every_route(service) if path not in PUBLIC}

    assert private <= documented
    assert {path for _, path in documented - private} <= PUBLIC


async def test_without_a_key_not_even_a_wrong_body_is_looked_at(service: Service) -> None:
    for path in ("/v1/events", "/v1/events/batch", "/v1/members", "/v1/members/lookup", "/v1/webhook-endpoints"):
        for content in (b"{", b"[" * 100_000, b'{"type": "purchase"}'):
            request = service.client.build_request(
                "POST", path, content=content, headers={"Content-Type": "application/json"}
            )
            del request.headers["Authorization"]

            answer = await service.client.send(request)

            assert answer.status_code == 401, (path, content[:10])


async def test_every_wrong_key_gets_the_same_answer(service: Service) -> None:
    good = service.client.headers["Authorization"].removeprefix("Bearer ")
    id, _ = keys.parse_key(good) or (b"", b"")
    other_secret = keys.key_text(environment="live", id=id, secret=b"\1" * 20)
    other_id = keys.key_text(environment="live", id=fresh_id(), secret=b"\1" * 20)
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        good,
        f"Basic {good}",
        f"Bearer {good[:-1]}",
        f"Bearer {good}x",
        f"Bearer {good.upper()}",
        f"Bearer {good[:-1]}{'0' if good[-1] != '0' else '1'}",
        f"Bearer {other_secret}",
        f"Bearer {other_id}",
        f"Bearer {good.replace('live', 'test')}",
        f"Bearer {'a' * 5_000}",
        "Bearer zgl_live_",
        f"Bearer {good} {good}",
    ]

    answers = [await ask(service, "GET", "/v1/program", authorization=text) for text in wrong]
    answers.append(await service.client.get("/v1/program", headers={b"Authorization": b"Bearer \xff\xfe\xe9"}))

    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401] * len(answers)
    assert all(body == bodies[0] for body in bodies)
    assert (await service.client.get("/v1/program")).status_code == 200


async def test_the_word_bearer_may_be_written_in_any_case(service: Service) -> None:
    key = service.client.headers["Authorization"].removeprefix("Bearer ")

    answer = await ask(service, "GET", "/v1/program", authorization=f"bEARER {key}")

    assert answer.status_code == 200


async def test_a_revoked_key_ends_within_two_seconds(service: Service, settings: Settings) -> None:
    key = await key_for(settings, shop="webshop")
    headers = {"Authorization": f"Bearer {key}"}
    assert (await service.client.get("/v1/program", headers=headers)).status_code == 200
    id, _ = keys.parse_key(key) or (b"", b"")
    engine = transactions.create_engine(settings.database_url or "", pool_size=3)
    await operations.revoke(engine, key_id=id, audit_id=fresh_id(), actor="test", now=service.clock())
    await engine.dispose()

    assert await _code_once_refused(service, headers) == "unauthenticated"


async def test_a_key_ends_within_two_seconds_of_its_instant(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    headers = {"Authorization": f"Bearer {await key_for(settings, shop='webshop')}"}
    await owner.execute(
        "UPDATE api_key SET expires_at = $1 WHERE source = 'webshop'", service.clock.now.replace(minute=30)
    )
    assert (await service.client.get("/v1/program", headers=headers)).status_code == 200

    service.clock.forward(minutes=30)

    assert await _code_once_refused(service, headers) == "unauthenticated"


async def _code_once_refused(service: Service, headers: dict[str, str]) -> Any:
    """The code of the first refusal, which must come within seconds."""
    ends = time.monotonic() + 2.5
    while (answer := await service.client.get("/v1/program", headers=headers)).status_code == 200:
        assert time.monotonic() < ends, "the key still works"
        await asyncio.sleep(0.05)
    return answer.json()["code"]


REPLAY = {"since": "2026-11-21T08:00:00Z", "which": "all"}
NEEDED: list[tuple[str, str, Any, Scope]] = [
    ("POST", "/v1/events", purchase(), Scope.EVENTS_WRITE),
    ("POST", "/v1/events/batch", {"events": [purchase()]}, Scope.EVENTS_WRITE),
    ("GET", "/v1/events?source=till&id=x", None, Scope.EVENTS_READ),
    ("GET", "/v1/events/{event_id}", None, Scope.EVENTS_READ),
    ("POST", "/v1/members", {"id": "e1"}, Scope.MEMBERS_WRITE),
    ("POST", "/v1/members/lookup", {"member": "card:1"}, Scope.MEMBERS_READ),
    ("GET", "/v1/members/{member_id}", None, Scope.MEMBERS_READ),
    ("PATCH", "/v1/members/{member_id}", {"tags": {}}, Scope.MEMBERS_WRITE),
    ("GET", "/v1/members/{member_id}/balance", None, Scope.MEMBERS_READ),
    ("GET", "/v1/members/{member_id}/tier", None, Scope.MEMBERS_READ),
    ("GET", "/v1/members/{member_id}/statement", None, Scope.MEMBERS_READ),
    ("GET", "/v1/members/{member_id}/lots", None, Scope.MEMBERS_READ),
    ("PUT", "/v1/members/{member_id}/tier-floor", TIER_FLOOR, Scope.TIERS_WRITE),
    ("DELETE", "/v1/members/{member_id}/tier-floor?reason=mistake", None, Scope.TIERS_WRITE),
    ("PUT", "/v1/purchases/{source}/{id}", {"revision": 1}, Scope.EVENTS_WRITE),
    ("GET", "/v1/parked", None, Scope.EVENTS_READ),
    ("GET", "/v1/refused", None, Scope.EVENTS_READ),
    ("POST", "/v1/refused/{refused_id}/admit", None, Scope.EVENTS_ADMIT),
    ("POST", "/v1/holds", {"id": "h1", "member": "card:1001", "points": 1}, Scope.REDEMPTIONS_WRITE),
    ("POST", "/v1/holds/{hold}/capture", {"id": "c1"}, Scope.REDEMPTIONS_WRITE),
    ("POST", "/v1/holds/{hold}/release", {"id": "r1"}, Scope.REDEMPTIONS_WRITE),
    ("GET", "/v1/holds/{hold}", None, Scope.EVENTS_READ),
    ("POST", "/v1/webhook-endpoints", {"url": "https://shop.example/"}, Scope.WEBHOOKS_WRITE),
    ("GET", "/v1/webhook-endpoints", None, Scope.WEBHOOKS_READ),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}", None, Scope.WEBHOOKS_READ),
    ("PATCH", "/v1/webhook-endpoints/{endpoint_id}", {}, Scope.WEBHOOKS_WRITE),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/pause", None, Scope.WEBHOOKS_WRITE),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/enable", None, Scope.WEBHOOKS_WRITE),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret", {}, Scope.WEBHOOKS_WRITE),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/test", None, Scope.WEBHOOKS_WRITE),
    ("DELETE", "/v1/webhook-endpoints/{endpoint_id}", None, Scope.WEBHOOKS_WRITE),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries", None, Scope.WEBHOOKS_READ),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries/{message_id}", None, Scope.WEBHOOKS_READ),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/deliveries/{message_id}/resend", None, Scope.WEBHOOKS_WRITE),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}/statistics", None, Scope.WEBHOOKS_READ),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/replays", REPLAY, Scope.WEBHOOKS_WRITE),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}/replays", None, Scope.WEBHOOKS_READ),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}/replays/{replay_id}", None, Scope.WEBHOOKS_READ),
    ("GET", "/v1/feed", None, Scope.FEED_READ),
    ("GET", "/v1/messages/{message_id}", None, Scope.FEED_READ),
    ("GET", "/v1/program", None, Scope.PROGRAM_READ),
    ("GET", "/v1/program/rules", None, Scope.PROGRAM_READ),
    ("GET", "/v1/program/rules/{version}", None, Scope.PROGRAM_READ),
    ("GET", "/v1/program/rules/versions", None, Scope.PROGRAM_READ),
    ("GET", "/v1/program/rules/diff?from=1&to=1", None, Scope.PROGRAM_READ),
    ("GET", "/v1/program/rules/schema", None, Scope.PROGRAM_READ),
    ("POST", "/v1/program/rules/backtest", {"from": "2026-11-01T00:00:00Z"}, Scope.PROGRAM_WRITE),
    ("GET", "/v1/program/rules/draft", None, Scope.PROGRAM_WRITE),
    ("PUT", "/v1/program/rules/draft", {}, Scope.PROGRAM_WRITE),
    ("POST", "/v1/program/rules/draft/check", None, Scope.PROGRAM_WRITE),
    ("POST", "/v1/program/rules/draft/publish", {}, Scope.PROGRAM_WRITE),
    ("GET", "/v1/reports/trial-balance", None, Scope.REPORTS_READ),
    ("GET", "/v1/reports/liability", None, Scope.REPORTS_READ),
    ("POST", "/v1/adjustments", ADJUSTMENT, Scope.ADJUSTMENTS_WRITE),
    ("GET", "/v1/adjustments", None, Scope.ADJUSTMENTS_READ),
    ("GET", "/v1/adjustments/{adjustment_id}", None, Scope.ADJUSTMENTS_READ),
    ("POST", "/v1/adjustments/{adjustment_id}/approve", None, Scope.ADJUSTMENTS_APPROVE),
    ("POST", "/v1/adjustments/{adjustment_id}/reject", None, Scope.ADJUSTMENTS_APPROVE),
    ("POST", "/v1/adjustments/{adjustment_id}/cancel", None, Scope.ADJUSTMENTS_WRITE),
    ("GET", "/v1/members/{member_id}/referrals", None, Scope.MEMBERS_READ),
    ("GET", "/v1/referrals", None, Scope.REFERRALS_READ),
    ("GET", "/v1/referrals/{referral_id}", None, Scope.REFERRALS_READ),
    ("POST", "/v1/referrals/{referral_id}/approve", {"reason": "known"}, Scope.REFERRALS_REVIEW),
    ("POST", "/v1/referrals/{referral_id}/reject", {"reason": "known"}, Scope.REFERRALS_REVIEW),
]


async def test_every_route_asks_for_its_scope(service: Service, settings: Settings, owner: asyncpg.Connection) -> None:
    named = {(method, path.partition("?")[0]) for method, path, _, _ in NEEDED}
    assert {(method, path) for method, path in every_route(service) if path not in PUBLIC} == named
    without = {scope: await key_for(settings, scopes=tuple(set(Scope) - {scope})) for scope in Scope}
    before = await picture(owner)

    for method, path, body, scope in NEEDED:
        headers = {"Authorization": f"Bearer {without[scope]}", "Idempotency-Key": "k1"}
        answer = await service.client.request(method, filled(path), json=body, headers=headers)

        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["scope"]) == (403, "forbidden", scope.value), path
    assert await picture(owner) == before


REDEMPTION = {"type": "redemption", "id": "r1", "member": "card:1", "occurred_at": "2026-11-21T09:00:00Z", "points": 1}
CLAIM = {
    "type": "referral_claim",
    "id": "c1",
    "member": "card:1",
    "occurred_at": "2026-11-21T09:00:00Z",
    "referral_code": "code-of-old",
}
ENROLMENT = {"type": "enrolment", "id": "e1", "occurred_at": "2026-11-21T09:00:00Z"}


@pytest.mark.parametrize(
    ("event", "scope", "code"),
    [
        (REDEMPTION, Scope.REDEMPTIONS_WRITE, "forbidden"),
        (ENROLMENT, Scope.MEMBERS_WRITE, "forbidden"),
        (CLAIM, Scope.MEMBERS_WRITE, "forbidden"),
        (purchase(history=True), Scope.EVENTS_HISTORY, "history_scope"),
    ],
)
async def test_a_kind_of_event_may_ask_for_its_own_scope(
    service: Service, settings: Settings, event: dict[str, Any], scope: Scope, code: str
) -> None:
    key = await key_for(settings, scopes=tuple(set(Scope) - {scope}))
    headers = {"Authorization": f"Bearer {key}"}

    alone = await service.send(event, headers=headers)
    dry = await service.send(event, path="/v1/events?dry_run=true", headers=headers)
    batch = await service.send({"events": [event, purchase(id="p9")]}, path="/v1/events/batch", headers=headers)

    problem = alone.json()
    assert (alone.status_code, problem["code"], problem["scope"]) == (403, code, scope.value)
    assert (dry.status_code, dry.json()["code"]) == (403, code)
    refused, created = batch.json()["results"]
    assert (refused["outcome"], refused["problem"]["code"]) == ("refused", code)
    assert created["outcome"] == "created"


async def test_only_a_shops_key_sends_events(service: Service, settings: Settings, owner: asyncpg.Connection) -> None:
    headers = {"Authorization": f"Bearer {await key_for(settings, shop=None)}"}
    before = await picture(owner)

    event = await service.send(purchase(), headers=headers)
    member = await service.send({"id": "e1"}, path="/v1/members", headers=headers)

    assert [(answer.status_code, answer.json()["code"]) for answer in (event, member)] == [
        (403, "shop_key_required")
    ] * 2
    assert await picture(owner) == before


async def test_nothing_of_a_key_is_stored_that_could_make_it_again(
    service: Service, settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    engine = transactions.create_engine(settings.database_url or "", pool_size=3)
    text = await make_key(engine, settings, program=PROGRAM, shop="webshop", scopes=tuple(Scope), label="test", days=30)
    await engine.dispose()
    secret = text.split("_")[3]

    stored = "".join([str(dict(row)) for table in ("api_key", "audit") for row in await owner.fetch(f"TABLE {table}")])

    assert secret not in stored
    assert secret[:-6] not in stored
    assert len(secret) >= 32 + 6
