"""A dry run answers what would happen, and writes nothing."""

from typing import Any

import asyncpg

from app.domain.scopes import Scope
from app.settings import Settings
from tests.builders import EXPIRING, LADDER, Clock, Service, key_for, open_service, publish, purchase
from tests.database import picture

DRY = "/v1/events?dry_run=true"
DRY_BATCH = "/v1/events/batch?dry_run=true"
REAL_ONLY = ("id", "member", "sequence")


def redemption(points: int, *, id: str = "r1") -> dict[str, Any]:
    """The body of a redemption."""
    return {
        "type": "redemption",
        "id": id,
        "member": "card:1001",
        "occurred_at": "2026-11-21T09:00:00Z",
        "points": points,
    }


def activity(id: str = "a1") -> dict[str, Any]:
    """The body of an activity."""
    return {
        "type": "activity",
        "id": id,
        "member": {"identity": "card:3003", "enrol": True},
        "occurred_at": "2026-11-21T09:00:00Z",
        "activity": "survey",
    }


def enrolment(id: str = "e1") -> dict[str, Any]:
    """The body of an enrolment."""
    return {
        "type": "enrolment",
        "id": id,
        "occurred_at": "2026-11-21T09:00:00Z",
        "identities": {"card": "2002"},
        "birthday": "1990-02-28",
        "attributes": {"city": "Utrecht"},
    }


EVERY_KIND = (purchase("12.50", id="p9"), redemption(4), activity(), enrolment())


async def test_a_dry_run_of_every_kind_writes_nothing_at_all(service: Service, owner: asyncpg.Connection) -> None:
    await service.buy("10.00")
    before = await picture(owner)

    for body in EVERY_KIND:
        assert (await service.send(body, path=DRY)).status_code == 200
    assert (await service.send({"events": list(EVERY_KIND)}, path=DRY_BATCH)).status_code == 200
    assert (await service.send(redemption(11), path=DRY)).status_code == 409

    assert await picture(owner) == before


async def test_a_dry_run_answers_what_the_real_one_then_does(service: Service) -> None:
    await service.buy("10.00")

    for body in EVERY_KIND:
        dry = (await service.send(body, path=DRY)).json()
        real = (await service.send(body)).json()

        assert dry.pop("provisional") is True
        assert not set(dry) & set(REAL_ONLY)
        assert dry == {name: value for name, value in real.items() if name not in REAL_ONLY}


async def test_a_dry_batch_answers_what_the_real_one_then_does(service: Service) -> None:
    await service.buy("10.00")
    events = [*EVERY_KIND, redemption(1_000, id="r2"), purchase("12.50", id="p9"), {"type": "nothing"}]

    dry = await service.send({"events": events}, path=DRY_BATCH)
    real = await service.send({"events": events}, path="/v1/events/batch?explain=true")

    assert (dry.status_code, real.status_code) == (200, 207)
    for expected, found in zip(dry.json()["results"], real.json()["results"], strict=True):
        assert expected["outcome"] == found["outcome"]
        if expected["outcome"] == "created":
            assert expected["event"].pop("provisional") is True
            left = {name: value for name, value in found["event"].items() if name not in REAL_ONLY}
            assert expected["event"] == left


async def test_a_dry_run_of_what_is_recorded_is_the_replay(service: Service) -> None:
    real = await service.send(purchase())

    dry = await service.send(purchase(), path=DRY)

    assert (dry.status_code, dry.json()) == (200, real.json())


async def test_an_admin_may_pretend_another_time(settings: Settings, clock: Clock, owner: asyncpg.Connection) -> None:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        await service.buy("10.00")
        body = {**redemption(10), "occurred_at": "2027-11-30T09:00:00Z"}
        before = await picture(owner)

        now = await service.send(redemption(10), path=DRY)
        later = await service.send(body, path=f"{DRY}&now=2027-11-30T09:00:00Z")
        batch = await service.send({"events": [body]}, path=f"{DRY_BATCH}&now=2027-11-30T09:00:00Z")

        assert now.status_code == 200
        assert (later.status_code, later.json()["available"]) == (409, 0)
        assert batch.json()["results"][0]["problem"]["available"] == 0
        assert await picture(owner) == before


async def test_the_programs_own_key_may_try_and_not_record(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    """Api C10: an admin has no shop; nothing is written, so none is needed."""
    await service.enrol()
    key = await key_for(settings, shop=None, scopes=(Scope.PROGRAM_WRITE, Scope.EVENTS_WRITE))
    headers = {"Authorization": f"Bearer {key}"}
    before = await picture(owner)

    dry = await service.send(purchase("20.00"), path=f"{DRY}&now=2026-11-21T10:00:00Z", headers=headers)
    batch = await service.send({"events": [purchase("20.00")]}, path=DRY_BATCH, headers=headers)
    real = await service.send(purchase("20.00"), headers=headers)

    assert (dry.status_code, dry.json()["source"], dry.json()["entries"][0]["points"]) == (200, "ops", 20)
    assert batch.json()["results"][0]["outcome"] == "created"
    assert (real.status_code, real.json()["code"]) == (403, "shop_key_required")
    assert await picture(owner) == before


async def test_nobody_else_may_pretend_another_time(service: Service, settings: Settings) -> None:
    key = await key_for(settings, scopes=tuple(set(Scope) - {Scope.PROGRAM_WRITE}))
    headers = {"Authorization": f"Bearer {key}"}

    for path, body in ((DRY, purchase()), (DRY_BATCH, {"events": [purchase()]})):
        answer = await service.send(body, path=f"{path}&now=2026-11-21T10:00:00Z", headers=headers)

        assert (answer.status_code, answer.json()["scope"]) == (403, "program:write")


async def test_pretending_a_time_is_for_dry_runs_alone(service: Service, owner: asyncpg.Connection) -> None:
    before = await picture(owner)

    for path, body in (("/v1/events", purchase()), ("/v1/events/batch", {"events": [purchase()]})):
        answer = await service.send(body, path=f"{path}?now=2026-11-21T10:00:00Z")

        assert (answer.status_code, answer.json().get("code")) == (422, "malformed_query")
    assert await picture(owner) == before


async def test_a_misspelt_dry_run_records_nothing(service: Service, owner: asyncpg.Connection) -> None:
    before = await picture(owner)

    for query in ("dryrun=true", "dry-run=true", "dry_run=maybe", "dry_run=", "DRY_RUN=true"):
        answer = await service.send(purchase(), path=f"/v1/events?{query}")

        assert (answer.status_code, answer.json().get("code")) == (422, "malformed_query"), query
    assert await picture(owner) == before


DRAFT = "/v1/program/rules/draft"
AGAINST = f"{DRY}&rules=draft"


async def drafted(service: Service, text: str) -> None:
    """Keeps a text as the first draft."""
    headers = {"Content-Type": "application/yaml", "If-None-Match": "*"}
    assert (await service.client.put(DRAFT, content=text, headers=headers)).status_code == 200


async def test_any_event_can_be_tried_against_the_draft(service: Service, owner: asyncpg.Connection) -> None:
    await service.buy("10.00")
    await drafted(
        service, EXPIRING.replace("give: 1", "give: 3").replace("on: purchase,", "on: purchase, channels: [app],")
    )
    before = await picture(owner)

    live = (await service.send(purchase("10.00", id="p9"), path=DRY)).json()
    off = (await service.send(purchase("10.00", id="p9"), path=f"{AGAINST}&language=en")).json()
    on = (await service.send(purchase("10.00", id="p9", channel="app"), path=AGAINST)).json()
    batch = (await service.send({"events": [purchase(id="p9", channel="app")]}, path=f"{DRY_BATCH}&rules=draft")).json()

    assert [entry["points"] for entry in live["entries"]] == [10]
    assert off["entries"] == []
    assert off["explanation"] == [
        {"rule": "base", "unit": "points", "step": "other_channel", "points": "0", "text": "base: not in this channel"}
    ]
    assert (on["rules_version"], on["entries"][0]["points"], on["accounts"]["points"]["balance"]) == (2, 30, 40)
    assert on["entries"][0]["expires_at"] is not None
    assert batch["results"][0]["event"]["entries"][0]["points"] == 30
    assert await picture(owner) == before


async def test_only_a_dry_run_of_an_admin_is_judged_by_the_draft(service: Service, settings: Settings) -> None:
    key = await key_for(settings, scopes=tuple(set(Scope) - {Scope.PROGRAM_WRITE}))
    other = {"Authorization": f"Bearer {key}"}

    none = await service.send(purchase(), path=AGAINST)
    foreign = await service.send(purchase(), path=AGAINST, headers=other)
    real = await service.send(purchase(), path="/v1/events?rules=draft")
    odd = await service.send(purchase(), path=f"{DRY}&rules=2")
    await drafted(service, "zegel: 2")
    mistaken = await service.send(purchase(), path=AGAINST)

    answers = [none, foreign, real, odd, mistaken]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [
        (404, "not_found"), (403, "forbidden"), (422, "malformed_query"), (422, "malformed_query"),
        (422, "mistakes_in_document"),
    ]  # fmt: skip


async def test_a_dry_run_without_a_member_is_judged_for_the_lowest_tier(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics M2: so a till can show what joining would bring."""
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        await service.buy("300.00")
        clock.forward(minutes=1)
        before = await picture(owner)
        nobody = {name: value for name, value in purchase("20.00", id="p9").items() if name != "member"}

        known = (await service.send(purchase("20.00", id="p9"), path=DRY)).json()
        dry = await service.send(nobody, path=DRY)
        batch = await service.send({"events": [nobody, purchase(id="p8")]}, path=DRY_BATCH)
        real = await service.send(nobody)
        real_batch = await service.send({"events": [nobody]}, path="/v1/events/batch")

        assert [entry["points"] for entry in known["entries"] if entry["unit"] == "points"] == [25]
        assert [entry["points"] for entry in dry.json()["entries"] if entry["unit"] == "points"] == [20]
        assert not set(REAL_ONLY) & set(dry.json())
        assert [one["outcome"] for one in batch.json()["results"]] == ["created", "created"]
        assert (real.status_code, real.json()["errors"][0]["pointer"]) == (422, "/member")
        assert real_batch.json()["results"][0]["problem"]["errors"][0]["pointer"] == "/member"
        assert await picture(owner) == before
