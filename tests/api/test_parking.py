"""Events in any order over HTTP: what names an event that has not come waits for it (semantics E4)."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import orjson

from app.domain import referral_code
from app.operations import clearing
from app.settings import Settings
from app.worker import settling
from tests.api.test_returns import cancelled, proven, returned
from tests.builders import START, Clock, Service, at, purchase


async def waiting(service: Service, **query: Any) -> list[dict[str, Any]]:
    """What waits."""
    answer = await service.client.get("/v1/parked", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["parked"])


async def turned_away(service: Service, **query: Any) -> list[dict[str, Any]]:
    """What was turned away."""
    answer = await service.client.get("/v1/refused", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["refused"])


async def settle(service: Service) -> int:
    """What the worker does once."""
    parts = service.app.state.parts
    return await settling.settle_once(parts.engine, parts.ledger, now=service.clock())


async def test_a_return_before_its_purchase_waits_and_is_posted_right_after_it(
    service: Service, owner: asyncpg.Connection
) -> None:
    """Semantics E4, R1: 202 at first, then its own number right after the purchase."""
    member = (await service.enrol())["id"]

    early = await service.send(returned("p1"))

    assert early.status_code == 202
    assert early.json()["awaits"] == {"source": "till", "kind": "purchase", "id": "p1"}
    assert [one["id"] for one in await waiting(service)] == [early.json()["id"]]
    assert (await service.send(returned("p1"))).json() == early.json()
    other = await service.send(returned("p1", amount="1.00", currency="EUR"))
    assert (other.status_code, other.json()["code"]) == (422, "event_id_reused")
    bought = await service.buy("20.00", id="p1")
    assert bought.json()["sequence"] == 2
    back = await service.client.get(f"/v1/events/{early.json()['id']}")
    assert (back.status_code, back.json()["sequence"], back.json()["about"]) == (200, 3, bought.json()["id"])
    assert (await service.units(member))["points"]["balance"] == 0
    assert await waiting(service) == []
    assert (await service.send(returned("p1"))).headers["Idempotent-Replayed"] == "true"
    told = [row["type"] for row in await owner.fetch("SELECT type FROM message ORDER BY number")]
    assert told == ["member.enrolled", "event.parked", "points.earned", "points.reversed", "event.unparked"]
    assert await proven(service) == []


async def test_what_waited_and_is_refused_then_is_listed(service: Service) -> None:
    """Semantics E4: posted, or refused visibly."""
    await service.enrol()
    await service.send(returned("p1", amount="30.00", currency="EUR"))

    await service.buy("20.00", id="p1")

    (refused,) = await turned_away(service)
    assert (refused["source_id"], refused["code"], refused["recorded"]) == ("ret1", "more_than_left", None)
    assert await waiting(service) == []
    again = await service.send(returned("p1"))
    assert again.status_code == 201
    (refused,) = await turned_away(service)
    assert refused["recorded"] == again.json()["id"]


async def test_in_one_batch_everything_finds_what_it_names(service: Service) -> None:
    """Semantics E4: judged by when it occurred, yet a return with a slow clock waits for its purchase."""
    await service.enrol()
    early = {**returned("p1"), "occurred_at": at(START - timedelta(hours=1))}
    lost = {**cancelled("r9"), "id": "c9"}

    answer = await service.send({"events": [early, lost, purchase("20.00", id="p1")]}, path="/v1/events/batch")

    results = answer.json()["results"]
    assert [one["outcome"] for one in results] == ["parked", "parked", "created"]
    assert results[1]["parked"]["awaits"]["id"] == "r9"
    assert [one["source_id"] for one in await waiting(service)] == ["c9"]
    assert await proven(service) == []


async def test_what_waited_for_a_purchase_that_came_for_somebody_else_is_refused_when_sent_again(
    service: Service, owner: asyncpg.Connection
) -> None:
    """Semantics E4: refused visibly, under the code that a new return of it gets."""
    await service.enrol()
    await service.enrol("2002")
    early = await service.send(returned("p1"))
    await service.buy("20.00", id="p1", card="2002")

    again = await service.send(returned("p1"))

    assert early.status_code == 202
    assert (again.status_code, again.json()["code"]) == (422, "other_members_event")
    assert await waiting(service) == []
    (refused,) = await turned_away(service)
    assert (refused["source_id"], refused["code"]) == ("ret1", "other_members_event")
    body = await owner.fetchval("SELECT body FROM message WHERE type = 'event.unparked'")
    told = orjson.loads(body)["data"]
    assert (told["event"], told["outcome"], told["code"]) == (early.json()["id"], "refused", "other_members_event")
    assert await settle(service) == 0
    assert await proven(service) == []


async def test_the_worker_refuses_what_waited_for_a_purchase_that_came_for_somebody_else(service: Service) -> None:
    """Semantics E4: by itself, while what may still come goes on waiting."""
    await service.enrol()
    await service.enrol("2002")
    for n in (1, 2):
        await service.send(returned(f"p{n}", id=f"ret{n}"))
    await service.buy("20.00", id="p1", card="2002")

    assert await settle(service) == 1

    assert await settle(service) == 0
    assert [one["source_id"] for one in await waiting(service)] == ["ret2"]
    assert [one["source_id"] for one in await turned_away(service)] == ["ret1"]
    assert (await service.send({**returned("p1", card="2002"), "id": "ret1"})).status_code == 201
    assert await proven(service) == []


async def test_what_waits_too_long_lapses_and_its_id_is_free_again(
    service: Service, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics E4: visibly, after the program's limit, by the clock and by the worker."""
    await service.enrol()
    await service.send(returned("p1"))
    clock.forward(days=30)

    assert await settle(service) == 1

    assert await settle(service) == 0
    assert await waiting(service) == []
    (refused,) = await turned_away(service)
    assert refused["code"] == "unknown_event"
    assert await owner.fetchval("SELECT type FROM message ORDER BY number DESC LIMIT 1") == "event.lapsed"
    again = await service.send({**returned("p1"), "occurred_at": at(clock.now)})
    assert again.status_code == 202
    assert await proven(service) == []


async def test_a_lapsed_one_is_not_released_although_no_job_has_run(service: Service, clock: Clock) -> None:
    """Semantics E4, L3: by the clock."""
    await service.enrol()
    await service.send(returned("p1"))
    clock.forward(days=30)

    bought = await service.buy("20.00", id="p1")

    assert bought.status_code == 201
    assert (await service.units(bought.json()["member"]))["points"]["balance"] == 20
    assert [one["source_id"] for one in await turned_away(service)] == ["ret1"]


async def test_what_can_never_come_is_refused(service: Service) -> None:
    """Our own ids are made when events are recorded; and a purchase of somebody else is there."""
    await service.enrol()
    await service.enrol("2002")
    await service.buy("20.00", id="p1")
    refused = [
        (returned("evt_01jcr8m4kdf0v8y5h3q2z7x9wb"), "unknown_event"),
        (returned("p1", card="2002"), "other_members_event"),
        (returned("p9", card="9999"), "unknown_member"),
    ]

    for body, code in refused:
        answer = await service.send(body)

        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await waiting(service) == []


async def test_the_same_id_cannot_wait_for_two_members(service: Service) -> None:
    """Semantics E1: an id is unique in its program, also among what waits."""
    await service.enrol()
    await service.enrol("2002")
    await service.send(returned("p1"))

    other = await service.send(returned("p1", card="2002"))

    assert (other.status_code, other.json()["code"]) == (422, "event_id_reused")


async def test_returns_and_their_purchase_at_once_end_the_same_whoever_is_first(service: Service) -> None:
    """Semantics E4: parking and looking for parked ones happen under the member's lock."""
    member = (await service.enrol())["id"]

    for n in range(20):
        await asyncio.gather(
            service.send(returned(f"p{n}", id=f"ret{n}")),
            service.buy("20.00", id=f"p{n}"),
            service.send(returned(f"p{n}", id=f"ret{n}")),
        )

    assert await waiting(service) == []
    assert (await service.units(member))["points"]["balance"] == 0
    assert await proven(service) == []


async def test_a_dry_run_says_that_it_would_wait(service: Service) -> None:
    """Api C10."""
    await service.enrol()

    answer = await service.send(returned("p1"), path="/v1/events?dry_run=true")

    assert (answer.status_code, answer.json()["outcome"]) == (200, "parked")
    assert "id" not in answer.json()
    assert await waiting(service) == []


async def test_lists_have_pages_and_can_be_asked_for_one_member(service: Service) -> None:
    """Api C7."""
    first = (await service.enrol())["id"]
    await service.enrol("2002")
    for n in range(5):
        await service.send(returned(f"p{n}", id=f"ret{n}"))
        await service.redeem(10 + n, id=f"r{n}")
    await service.send(returned("p9", id="ret9", card="2002"))
    await service.redeem(1, id="r9", card="2002")

    for path, name in (("/v1/parked", "parked"), ("/v1/refused", "refused")):
        query: dict[str, Any] = {"limit": 2, "member": first}
        seen = []
        while True:
            page = (await service.client.get(path, params=query)).json()
            seen += [one["source_id"] for one in page[name]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        prefix = "ret" if name == "parked" else "r"
        assert seen == [f"{prefix}{n}" for n in (4, 3, 2, 1, 0)]
        bad = await service.client.get(path, params={"member": "anna"})
        assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/member")


async def test_an_admin_lets_a_late_sale_in(service: Service, clock: Clock, settings: Settings) -> None:
    """Semantics E3: listed, and admitted; the till that sends it again gets the same answer."""
    await service.enrol()
    late = purchase("20.00", id="late", at=clock.now - timedelta(days=40))
    refusal = await service.send(late)
    assert refusal.json()["code"] == "too_late"
    (refused,) = await turned_away(service)

    admitted = await service.send(None, path=f"/v1/refused/{refused['id']}/admit")

    assert admitted.status_code == 201
    assert admitted.json()["flags"] == ["admitted"]
    assert admitted.json()["occurred_at"] == "2026-10-12T09:00:00Z"
    again = await service.send(None, path=f"/v1/refused/{refused['id']}/admit")
    assert (again.status_code, again.json()["id"]) == (200, admitted.json()["id"])
    assert (await service.send(late)).status_code == 200
    assert (await turned_away(service))[0]["recorded"] == admitted.json()["id"]
    assert await proven(service) == []


async def test_what_is_against_another_rule_stays_refused(service: Service) -> None:
    """Admission lifts the limits on time only; what cannot be judged again without its sender says so."""
    await service.enrol()
    await service.redeem(50)
    await service.send({"id": "e2", "referral_code": referral_code.make(bytes(8))}, path="/v1/members")
    enrolment, redemption = await turned_away(service)

    again = await service.send(None, path=f"/v1/refused/{redemption['id']}/admit")
    other = await service.send(None, path=f"/v1/refused/{enrolment['id']}/admit")
    none = await service.send(None, path="/v1/refused/ref_01jcr8m4kdf0v8y5h3q2z7x9wb/admit")

    assert (again.status_code, again.json()["code"]) == (409, "insufficient_points")
    assert (other.status_code, other.json()["code"]) == (422, "not_admissible")
    assert none.status_code == 404


async def test_a_sale_of_an_unknown_card_is_admitted_once_the_card_is_known(service: Service, clock: Clock) -> None:
    """Semantics E3: its member is looked up again."""
    await service.send({**purchase("20.00", id="p1"), "member": "card:1001"})
    (refused,) = await turned_away(service)
    assert (refused["code"], refused["member"]) == ("unknown_member", None)
    await service.enrol()
    clock.forward(days=60)

    admitted = await service.send(None, path=f"/v1/refused/{refused['id']}/admit")

    assert (admitted.status_code, admitted.json()["entries"][0]["points"]) == (201, 20)


async def test_the_list_ends_after_ninety_days(service: Service, clock: Clock, owner: asyncpg.Connection) -> None:
    """Semantics E3."""
    await service.enrol()
    await service.redeem(50)
    clock.forward(days=89)
    assert len(await turned_away(service)) == 1

    clock.forward(days=1)

    assert await turned_away(service) == []
    assert await clearing.clear(service.app.state.parts.engine, now=clock()) == 1
    assert await clearing.clear(service.app.state.parts.engine, now=clock()) == 0
    assert await owner.fetchval("SELECT count(*) FROM refused") == 0
