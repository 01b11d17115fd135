"""What an event brings with it is told by its answer: now, again, when read, and beforehand (semantics A9, api C10)."""

from typing import Any

import pytest

from app.settings import Settings
from tests.builders import EXPIRING, LADDER, PLAIN, Clock, Service, at, open_service, publish
from tests.database import picture

CARD = (
    PLAIN.replace("rules:", "  stamps: {name: Stamps}\nrules:")
    + """  - {id: stamp, on: purchase, unit: stamps, per_item: 1, include: {categories: [coffee]}}
milestones:
  - {id: card, unit: stamps, every: 7, consume: true, give: {unit: points, points: 200}}
  - {id: treat, unit: stamps, every: 7, give: {reward: coffee}}
rewards:
  coffee: {name: A free coffee}
"""
)
STATUS = (
    LADDER.replace('from: "200.00"', "from: 300").replace("unit: spent\n", "unit: status\n")
    .replace('from: "500.00"', "from: 900")
    .replace("rules:", "  status: {name: Status, spendable: false}\nrules:")
    + """milestones:
  - {id: leap, unit: spent, every: "100.00", give: {unit: status, points: 300}}
"""
)  # fmt: skip
REAL_ONLY = ("id", "member", "sequence")


def coffees(count: int) -> dict[str, Any]:
    """What makes a purchase one of so many coffees."""
    return {"lines": [{"quantity": str(count), "amount": f"{count}.00", "categories": ["coffee"]}]}


def sale(service: Service, count: int, *, id: str, **more: Any) -> dict[str, Any]:
    """The body of a purchase of coffees."""
    return {
        "type": "purchase", "id": id, "member": "card:1001", "occurred_at": at(service.clock.now), "currency": "EUR",
        "total": f"{count}.00", **coffees(count), **more,
    }  # fmt: skip


def back(service: Service, purchase: str) -> dict[str, Any]:
    """The body of a return of all of a purchase."""
    return {
        "type": "return", "id": f"back-{purchase}", "member": "card:1001", "occurred_at": at(service.clock.now),
        "purchase": purchase, "all": True,
    }  # fmt: skip


async def test_a_stamp_card_that_fills_says_what_it_took_and_gave(settings: Settings, clock: Clock) -> None:
    """Semantics A9: the balance right after is what the answer ends with, and what the receipt says."""
    await publish(settings, clock=clock, document=CARD)
    async with open_service(settings, clock=clock) as service:
        plain = (await service.buy("1.00", id="p0", **coffees(1))).json()
        answer = (await service.buy("6.00", id="p1", **coffees(6))).json()

        treat, card = answer["followed"]
        assert "followed" not in plain
        assert (treat["type"], card["type"]) == ("milestone", "milestone")
        assert [one["sequence"] for one in (treat, card)] == [answer["sequence"] + 1, answer["sequence"] + 2]
        assert treat["gifts"] == [{"kind": "reward", "code": "coffee", "taken_back": False}]
        assert [(one["unit"], one["points"]) for one in card["entries"]] == [("stamps", -7), ("points", 200)]
        assert [(one["step"], one["points"]) for one in card["explanation"]] == [
            ("consumed", "7"),
            ("milestone", "200"),
        ]
        assert answer["accounts"]["stamps"]["available"] == 7  # what the purchase itself left
        now = await service.units(answer["member"])
        ends = card["accounts"]
        assert {unit: (a["balance"], a["available"]) for unit, a in ends.items()} == {
            unit: (a["balance"], a["available"]) for unit, a in now.items()
        }
        assert answer["receipt"] == [
            "points: +6", "stamps: +6", "stamps: -7", "points: +200", "points available: 207", "stamps available: 0",
        ]  # fmt: skip


async def test_words_and_receipts_in_words_tell_it_too(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=CARD)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        answer = (await service.send(sale(service, 7, id="p1"), path="/v1/events?language=en")).json()

        treat, card = answer["followed"]
        assert [one["text"] for one in treat["explanation"]] == ["treat: coffee"]
        assert [one["text"] for one in card["explanation"]] == ["card used up: 7", "card reached: 200"]
        assert answer["receipt"][-8:] == [
            "treat: coffee", "card used up: 7", "card reached: 200", "Points: +7", "Stamps: +7", "Stamps: -7",
            "Points: +200", "Points available: 207", "Stamps available: 0",
        ][-8:]  # fmt: skip
        assert "Stamps available: 7" not in answer["receipt"]


async def test_a_return_says_that_it_costs_a_milestone_and_the_tier_it_gave(settings: Settings, clock: Clock) -> None:
    """Semantics A9, T5: the milestone that goes, and with it the tier."""
    await publish(settings, clock=clock, document=STATUS)
    async with open_service(settings, clock=clock) as service:
        reached = (await service.buy("100.00", id="p1")).json()
        answer = (await service.send(back(service, "p1"))).json()
        now = await service.units(answer["member"])

        (leap,), (lost,) = reached["followed"], answer["followed"]
        up = {"ladder": "status", "before": "bronze", "tier": "silver"}
        assert (reached["tier_changes"], leap["tier_changes"]) == ([], [up])
        assert (lost["type"], lost["about"]) == ("milestone_reversal", leap["id"])
        assert answer["tier_changes"] == []
        assert lost["tier_changes"] == [{"ladder": "status", "before": "silver", "tier": "bronze"}]
        assert [(one["unit"], one["points"]) for one in lost["entries"]] == [("status", -300)]
        assert lost["accounts"]["status"]["balance"] == now["status"]["balance"] == 0


async def test_a_gift_that_goes_with_the_goods_is_told(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=CARD)
    async with open_service(settings, clock=clock) as service:
        await service.buy("7.00", id="p1", **coffees(7))
        answer = (await service.send(back(service, "p1"))).json()

        gifts = [gift for one in answer["followed"] for gift in one["gifts"]]
        assert gifts == [{"kind": "reward", "code": "coffee", "taken_back": True}]


async def test_a_replay_and_every_reading_tell_the_same(settings: Settings, clock: Clock) -> None:
    """Semantics E1: from what is recorded, also when more has been recorded since; and in a batch."""
    await publish(settings, clock=clock, document=CARD)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        body = sale(service, 7, id="p1")
        first = (await service.send(body)).json()
        clock.forward(hours=1)
        await service.buy("7.00", id="p2", **coffees(7))

        again = await service.send(body)
        read = (await service.client.get(f"/v1/events/{first['id']}")).json()
        (found,) = (await service.client.get("/v1/events?source=till&id=p1")).json()["events"]
        batch = await service.send({"events": [body]}, path="/v1/events/batch?explain=true")
        dry = await service.send(body, path="/v1/events?dry_run=true")

        assert len(first["followed"]) == 2
        assert (again.status_code, again.json()) == (200, first)
        assert batch.json()["results"] == [{"outcome": "replayed", "event": first}]
        assert (dry.status_code, dry.json()) == (200, first)
        for one in (read, found):
            one.pop("left")
            assert one == first


@pytest.mark.parametrize("explain", ["true", "false"])
async def test_a_batch_tells_each_event_what_it_brought(settings: Settings, clock: Clock, explain: str) -> None:
    """Semantics E4: every event its own, a copy in the same batch the same, and the clock's in between nobody's."""
    await publish(settings, clock=clock, document=CARD)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        seven, one, eight = sale(service, 7, id="p1"), sale(service, 1, id="p2"), sale(service, 6, id="p3")
        sent = {"events": [seven, one, eight, seven]}

        answer = await service.send(sent, path=f"/v1/events/batch?explain={explain}")
        again = await service.send(sent, path=f"/v1/events/batch?explain={explain}")

        first, plain, third, copy = (result["event"] for result in answer.json()["results"])
        assert [len(event.get("followed", ())) for event in (first, plain, third)] == [2, 0, 2]
        assert copy == first
        assert [result["event"] for result in again.json()["results"]] == [first, plain, third, first]
        assert ("explanation" in first["followed"][0]) is (explain == "true")


async def test_history_tells_the_end_of_what_it_credited_and_no_more(settings: Settings, clock: Clock) -> None:
    """Semantics E7, L10: born expired; what ends before the next event is nobody's doing."""
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        old = {**sale(service, 5, id="p1"), "history": True, "member": {"identity": "card:1001", "enrol": True}}
        events = [
            {**old, "occurred_at": "2025-01-01T10:00:00Z"},
            {**old, "id": "p2", "occurred_at": "2026-06-01T10:00:00Z"},
            {**old, "id": "p3", "occurred_at": "2025-02-01T10:00:00Z"},
        ]

        answer = await service.send({"events": events}, path="/v1/events/batch?explain=true")
        again = await service.send({"events": events}, path="/v1/events/batch?explain=true")

        first, second, late = (result["event"] for result in answer.json()["results"])
        assert second["sequence"] == first["sequence"] + 2  # its points ended in between
        assert "followed" not in first
        assert "followed" not in second
        assert [one["type"] for one in late["followed"]] == ["expiry"]
        assert [result["event"] for result in again.json()["results"]] == [first, second, late]


async def test_a_dry_run_tells_what_then_follows(settings: Settings, clock: Clock, owner: Any) -> None:
    """API C10: what would follow, without ids, for an event alone and in a batch."""
    await publish(settings, clock=clock, document=CARD)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        await service.buy("3.00", id="p0", **coffees(3))
        for body in (sale(service, 4, id="p1"), back(service, "p1")):
            before = await picture(owner)
            dry = (await service.send(body, path="/v1/events?dry_run=true")).json()
            many = await service.send({"events": [body]}, path="/v1/events/batch?dry_run=true")
            assert await picture(owner) == before
            real = (await service.send(body)).json()

            assert dry.pop("provisional") is True
            assert len(real["followed"]) >= 1
            known = {name: value for name, value in real.items() if name not in REAL_ONLY}
            known["followed"] = [
                {name: value for name, value in one.items() if name not in REAL_ONLY} for one in real["followed"]
            ]
            assert dry == known
            assert many.json()["results"][0]["event"] == {**known, "provisional": True}


async def test_points_that_are_kept_aside_or_put_back_may_bring_something_too(settings: Settings, clock: Clock) -> None:
    """The answers of holds and of adjustments' cancellations are events' answers: they tell it alike."""
    await publish(settings, clock=clock, document=CARD)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("3.00", id="p0", **coffees(3))).json()["member"]
        kept = {**sale(service, 4, id="w1"), "revision": 1}
        for name in ("type", "id"):
            kept.pop(name)

        answer = await service.client.put("/v1/purchases/till/w1", json=kept)

        assert answer.status_code == 201, answer.text
        assert [one["type"] for one in answer.json()["followed"]] == ["milestone", "milestone"]
        assert (
            answer.json()["followed"][-1]["accounts"]["points"]["balance"]
            == ((await service.units(member))["points"]["balance"])
        )
