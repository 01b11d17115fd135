"""Holds over HTTP, as events and as resources: a till asks before it takes (semantics L12)."""

import asyncio
from datetime import timedelta
from typing import Any

from app.settings import Settings
from app.worker import settling
from tests.api.test_returns import books, cancelled, proven, returned
from tests.builders import EXPIRING, PLAIN, Clock, Service, at, open_service, publish


def held(points: int = 40, *, id: str = "h1", card: str = "1001", **more: Any) -> dict[str, Any]:
    """The body of a hold."""
    return {
        "type": "hold",
        "id": id,
        "member": f"card:{card}",
        "occurred_at": "2026-11-21T10:00:00+01:00",
        "points": points,
        **more,
    }


def captured(of: str = "h1", *, id: str = "cap1", card: str = "1001", **more: Any) -> dict[str, Any]:
    """The body of a capture."""
    said = {"type": "capture", "id": id, "member": f"card:{card}", "hold": of, **more}
    return {"occurred_at": "2026-11-21T10:00:00+01:00", **said}


def paid_by(hold: str, amount: str = "5.00") -> list[dict[str, Any]]:
    """The payments of a purchase of which a hold pays a part."""
    return [{"kind": "points", "amount": amount, "hold": hold}]


async def account(service: Service, card: str = "1001") -> tuple[int, int, int, int]:
    """Balance, available, held and deficit of a member's points."""
    member = await service.send({"member": f"card:{card}"}, path="/v1/members/lookup")
    points = (await service.units(member.json()["id"]))["points"]
    return points["balance"], points["available"], points["held"], points["deficit"]


async def test_a_purchase_captures_the_hold_that_pays_for_it(service: Service) -> None:
    """Semantics L12, A1: two round trips, two events, one commit; what is paid with points earns none."""
    await service.buy("100.00")

    answer = await service.send(held())

    assert answer.status_code == 201
    assert answer.json()["entries"] == []
    assert await account(service) == (100, 60, 40, 0)
    bought = await service.buy("15.00", id="p2", payments=paid_by("h1"))
    assert [entry["points"] for entry in bought.json()["entries"]] == [10, -40]
    assert await account(service) == (70, 70, 0, 0)
    hold = (await service.client.get("/v1/holds/h1")).json()
    assert (hold["state"], hold["held"], hold["captured"]) == ("captured", 0, 40)
    assert await proven(service) == []
    (unit,) = await books(service)
    assert (unit.moved.issued, unit.moved.redeemed, unit.outstanding) == (110, 40, 70)


async def test_a_hold_as_a_resource_is_captured_in_parts_and_released(service: Service) -> None:
    """Semantics L12: several captures until one is final; what is left is freed."""
    await service.buy("100.00")

    placed = await service.send({"id": "h1", "member": "card:1001", "points": 50}, path="/v1/holds")
    first = await service.send({"id": "c1", "points": 20, "final": False}, path="/v1/holds/h1/capture")
    again = await service.send({"id": "c1", "points": 20, "final": False}, path="/v1/holds/h1/capture")
    second = await service.send({"id": "c2", "points": 10}, path=f"/v1/holds/{placed.json()['id']}/capture")

    assert [answer.status_code for answer in (placed, first, again, second)] == [201, 201, 200, 201]
    assert (first.json()["state"], first.json()["held"]) == ("open", 30)
    assert (second.json()["state"], second.json()["captured"]) == ("captured", 30)
    assert second.json()["event"]["explanation"][-1] == {
        "rule": None,
        "unit": "points",
        "step": "freed",
        "points": "20",
    }
    assert await account(service) == (70, 70, 0, 0)
    await service.send({"id": "h2", "member": "card:1001", "points": 50}, path="/v1/holds")
    released = await service.send({"id": "rel"}, path="/v1/holds/h2/release")
    assert (released.status_code, released.json()["state"]) == (201, "released")
    assert await account(service) == (70, 70, 0, 0)
    assert await proven(service) == []


async def test_a_hold_lapses_by_the_clock_and_the_worker_writes_it_down(service: Service, clock: Clock) -> None:
    """Semantics L12, L3: free at its instant, whether or not a job has run."""
    await service.buy("100.00")
    await service.send(held(lasts="PT10M"))

    clock.forward(minutes=10)

    assert await account(service) == (100, 100, 0, 0)
    parts = service.app.state.parts
    assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 1
    assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 0
    late = await service.send(captured())
    assert (late.status_code, late.json()["code"], late.json()["state"]) == (409, "hold_settled", "expired")
    assert await proven(service) == []


async def test_what_a_hold_cannot_do(service: Service) -> None:
    """Each is a problem that says what is true instead, and nothing is written."""
    await service.buy("100.00")
    await service.enrol("2002")
    await service.send(held())
    refusals: list[tuple[dict[str, Any], int, dict[str, Any]]] = [
        (held(61, id="h2"), 409, {"code": "insufficient_points", "available": 60}),
        (captured(points=41), 409, {"code": "more_than_held", "asked": 41, "held": 40}),
        (captured("h9"), 422, {"code": "unknown_hold"}),
        (captured("p1", shop="till"), 422, {"code": "unknown_hold"}),
        (captured(card="2002"), 422, {"code": "other_members_event"}),
        (held(id="h3", lasts="P8D"), 422, {"code": "invalid"}),
        (held(id="h3", lasts="PT0M"), 422, {"code": "invalid"}),
        (held(id="h3", lasts="ten"), 422, {"code": "invalid"}),
        ({**captured(), "points": 0}, 422, {"code": "invalid"}),
    ]

    for body, status, facts in refusals:
        answer = await service.send(body)

        assert (answer.status_code, {name: answer.json()[name] for name in facts}) == (status, facts), body
    assert await account(service) == (100, 60, 40, 0)
    assert (await service.client.get("/v1/holds/h9")).status_code == 404
    assert (await service.send({"id": "c1"}, path="/v1/holds/h9/capture")).status_code == 404


async def test_a_settled_hold_is_settled_once(service: Service) -> None:
    """Semantics L12: a second attempt is a replay or a refusal; cancelling a hold frees it (E6)."""
    await service.buy("100.00")
    await service.send(held())
    done = await service.send(cancelled("h1", "hold"))

    again = await service.send(cancelled("h1", "hold"))
    more = await service.send(captured())

    assert (done.status_code, again.status_code) == (201, 200)
    assert (more.status_code, more.json()["state"]) == (409, "released")
    await service.send(held(id="h2"))
    await service.buy("15.00", id="p2", payments=paid_by("h2"))
    late = await service.send(captured("h2", id="cap2"))
    assert (late.json()["code"], late.json()["state"]) == ("hold_settled", "captured")


async def test_a_capture_is_given_back_in_parts(service: Service) -> None:
    """Semantics E6, L8."""
    await service.buy("100.00")
    await service.send(held())
    await service.send(captured())

    part = await service.send(cancelled("cap1", "capture", points=15))
    rest = await service.send(cancelled("cap1", "capture", id="c2"))

    assert [answer.json()["entries"][0]["points"] for answer in (part, rest)] == [15, 25]
    assert await account(service) == (100, 100, 0, 0)
    assert await proven(service) == []
    (unit,) = await books(service)
    assert (unit.moved.issued, unit.moved.redeemed) == (100, 0)


async def test_a_sale_is_a_fact_though_its_hold_has_lapsed(service: Service, clock: Clock) -> None:
    """Semantics A1: what cannot be captured is reported, and never refuses the purchase."""
    await service.buy("100.00")
    await service.send(held(lasts="PT10M"))
    clock.forward(minutes=11)

    answers = [
        await service.buy("15.00", id="p2", payments=paid_by("h1")),
        await service.buy("15.00", id="p3", payments=paid_by("nothing")),
    ]

    for answer in answers:
        assert answer.status_code == 201
        assert answer.json()["flags"] == ["hold_not_captured"]
        assert answer.json()["explanation"][-1]["step"] == "not_captured"
    assert await account(service) == (120, 120, 0, 0)
    assert await proven(service) == []


async def test_a_program_may_take_the_points_of_a_lapsed_hold(settings: Settings, clock: Clock) -> None:
    """Semantics A1, L9: taken nevertheless, and owed as far as they are not there."""
    await publish(settings, clock=clock, document=PLAIN + "holds: {lasts: PT5M, uncaptured: allow_deficit}\n")
    async with open_service(settings, clock=clock) as service:
        await service.buy("100.00")
        await service.send(held(80))
        clock.forward(minutes=6)
        await service.redeem(60)

        answer = await service.buy("15.00", id="p2", payments=paid_by("h1"))

        assert [entry["points"] for entry in answer.json()["entries"]] == [10, -80]
        assert answer.json()["accounts"]["points"]["deficit"] == 30
        assert await account(service) == (-30, 0, 0, 30)
        assert await proven(service) == []


async def test_a_return_touches_nothing_that_is_held(service: Service) -> None:
    """Semantics L12, R3, L9: owed instead; what the hold frees pays it, without an entry of points."""
    await service.buy("100.00")
    await service.send(held(70))
    back = await service.send(returned())
    assert back.json()["accounts"]["points"]["deficit"] == 70
    assert await account(service) == (0, 0, 70, 70)

    freed = await service.send(cancelled("h1", "hold", id="c1"))

    assert [entry["points"] for entry in freed.json()["entries"]] == [0]
    assert await account(service) == (0, 0, 0, 0)
    assert await proven(service) == []


async def test_two_hundred_holds_at_once_never_keep_more_than_there_is(service: Service) -> None:
    """Semantics L6, L12: with real concurrency."""
    await service.buy("100.00")

    answers = await asyncio.gather(*(service.send(held(3, id=f"h{n}")) for n in range(60)))

    assert [answer.status_code for answer in answers].count(201) == 33
    assert await account(service) == (100, 1, 99, 0)
    assert await proven(service) == []


async def test_held_points_are_seen_when_looking_back(settings: Settings, clock: Clock) -> None:
    """Semantics L14, L12: also of lots that have ended meanwhile, until the hold was settled."""
    await publish(settings, clock=clock, document=EXPIRING.replace("P12M", "P1D"))
    async with open_service(settings, clock=clock) as service:
        await service.buy("100.00")
        midnight = clock.now.replace(hour=23) + timedelta(days=1)
        clock.now = midnight - timedelta(minutes=10)
        await service.send({**held(60), "occurred_at": at(clock.now)})
        placed = clock.now
        clock.now = midnight + timedelta(minutes=4)
        during = clock.now
        await service.send({**captured(points=50), "occurred_at": at(clock.now)})
        clock.forward(minutes=1)
        member = (await service.send({"member": "card:1001"}, path="/v1/members/lookup")).json()["id"]

        async def looked(instant: Any) -> tuple[int, ...]:
            answer = await service.client.get(f"/v1/members/{member}/balance", params={"as_of": at(instant)})
            points = answer.json()["units"]["points"]
            return points["balance"], points["available"], points["held"]

        assert await looked(placed - timedelta(seconds=1)) == (100, 100, 0)
        assert await looked(placed) == (100, 40, 60)
        assert await looked(midnight) == (60, 0, 60)
        assert await looked(during - timedelta(seconds=1)) == (60, 0, 60)
        assert await looked(during) == (0, 0, 0)
        assert await looked(clock.now) == (0, 0, 0)
        assert await proven(service) == []


async def test_a_hold_whose_id_has_a_slash_is_named_in_a_path(service: Service) -> None:
    """Api C1: ids of shops are any printable ASCII."""
    await service.buy("100.00")
    placed = await service.send({"id": "till/7", "member": "card:1001", "points": 10}, path="/v1/holds")

    captured = await service.send({"id": "c1", "points": 4, "final": False}, path="/v1/holds/till/7/capture")
    freed = await service.send({"id": "f1"}, path="/v1/holds/till%2F7/release")
    read = await service.client.get("/v1/holds/till/7")

    assert [one.status_code for one in (placed, captured, freed, read)] == [201, 201, 201, 200]
    assert (read.json()["captured"], read.json()["state"]) == (4, "released")


async def test_a_hold_tells_of_which_lots_it_keeps_points(service: Service) -> None:
    """Semantics L12: 10 of the first purchase, and 30 of the second."""
    for number, total in enumerate(("10.00", "50.00")):
        await service.buy(total, id=f"p{number}")

    placed = (await service.send(held())).json()

    assert placed["reserved"] == [
        {"sequence": 2, "position": 0, "points": 10},
        {"sequence": 3, "position": 0, "points": 30},
    ]
    assert (await service.client.get(f"/v1/events/{placed['id']}")).json() == placed
