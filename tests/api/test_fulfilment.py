"""Points that wait for their goods, purchases that change, goods without a receipt, points spent that come back.

Semantics L11, R4, R7, R8 over HTTP.
"""

from datetime import timedelta
from typing import Any

import pytest

from app.settings import Settings
from app.worker import settling
from tests.api.test_holds import account, held, paid_by
from tests.api.test_returns import books, cancelled, proven, returned
from tests.builders import LADDER, PLAIN, START, Clock, Service, at, open_service, publish, purchase

ORDERS = PLAIN.replace("{name: Points}", "{name: Points, expires: {after: P1M}, pending: {until: fulfilment}}")
"""Points count once the order has arrived, and live a month from then."""
TWO: list[dict[str, Any]] = [{"id": "a", "amount": "30.00"}, {"id": "b", "amount": "10.50"}]


def fulfilled(*lines: str, of: str = "p1", id: str = "f1", when: Any = START) -> dict[str, Any]:
    """The body of a fulfilment, of everything unless lines are named."""
    body = {"type": "fulfilment", "id": id, "member": "card:1001", "occurred_at": at(when), "purchase": of}
    return {**body, "lines": list(lines)} if lines else body


async def points(service: Service) -> tuple[int, int]:
    """What can be spent, and what waits."""
    member = await service.send({"member": "card:1001"}, path="/v1/members/lookup")
    units = await service.units(member.json()["id"])
    return units["points"]["available"], units["points"]["pending"]


async def settle(service: Service) -> int:
    """What the worker does once."""
    parts = service.app.state.parts
    return await settling.settle_once(parts.engine, parts.ledger, now=service.clock())


class TestFulfilment:
    """Semantics L11."""

    async def test_points_count_line_by_line_as_the_goods_arrive(self, settings: Settings, clock: Clock) -> None:
        await publish(settings, clock=clock, document=ORDERS)
        async with open_service(settings, clock=clock) as service:
            bought = await service.send(purchase("40.50", lines=TWO))
            assert bought.json()["entries"][0]["available_at"] is None
            assert await points(service) == (0, 40)
            clock.forward(days=10)

            first = await service.send(fulfilled("a", when=clock.now))

            lots = await service.client.get(f"/v1/members/{bought.json()['member']}/lots")
            assert [(lot["state"], lot["available_at"]) for lot in lots.json()["lots"]] == [
                *[("pending", None), ("active", "2026-12-01T09:00:00Z")],
            ]

            assert [entry["points"] for entry in first.json()["entries"]] == [-30, 30]
            assert first.json()["entries"][1]["expires_at"] == "2027-01-01T23:00:00Z"
            assert await points(service) == (30, 10)
            again = await service.send(fulfilled("a", id="f2", when=clock.now))
            assert (again.status_code, again.json()["code"]) == (409, "already_fulfilled")
            wrong = await service.send(fulfilled("c", id="f2", when=clock.now))
            assert (wrong.status_code, wrong.json()["lines"]) == (422, ["a", "b"])
            await service.send(fulfilled(id="f3", when=clock.now))
            assert await points(service) == (40, 0)
            assert await proven(service) == []
            (unit,) = await books(service)
            assert (unit.moved.issued, unit.moved.reversed, unit.outstanding) == (40, 0, 40)

    async def test_what_never_arrives_lapses(self, settings: Settings, clock: Clock) -> None:
        await publish(settings, clock=clock, document=ORDERS.replace("fulfilment}", "fulfilment, lapses_after: P7D}"))
        async with open_service(settings, clock=clock) as service:
            await service.send(purchase("40.50", lines=TWO))
            clock.forward(days=8)

            assert await points(service) == (0, 0)

            assert await settle(service) == 1
            late = await service.send(fulfilled(when=clock.now))
            assert (late.status_code, late.json()["entries"]) == (201, [])
            assert await proven(service) == []

    async def test_a_return_takes_what_waits_first_and_leaves_the_rest_to_arrive(
        self, settings: Settings, clock: Clock
    ) -> None:
        """Semantics R3."""
        await publish(settings, clock=clock, document=ORDERS)
        async with open_service(settings, clock=clock) as service:
            await service.send(purchase("40.50", lines=TWO))
            await service.send(fulfilled("a"))
            back = await service.send(returned(lines=[{"id": "b"}]))
            assert [entry["points"] for entry in back.json()["entries"]] == [-10]
            assert await points(service) == (30, 0)
            await service.send(returned(id="ret2"))
            assert await points(service) == (0, 0)
            assert await proven(service) == []

    async def test_it_may_arrive_before_its_purchase(self, settings: Settings, clock: Clock) -> None:
        """Semantics E4: parked."""
        await publish(settings, clock=clock, document=ORDERS)
        async with open_service(settings, clock=clock) as service:
            await service.enrol()
            early = await service.send(fulfilled())
            assert early.status_code == 202

            await service.send(purchase("40.50", lines=TWO))

            assert await points(service) == (40, 0)
            assert await proven(service) == []


class TestPointsSpentOnGoods:
    """Semantics R4."""

    async def test_they_come_back_in_proportion_before_any_are_taken(self, service: Service) -> None:
        await service.buy("100.00", id="p0")
        await service.send(held(33))
        lines = [{"id": "a", "amount": "10.00"}, {"id": "b", "amount": "20.00"}]
        await service.buy("30.00", id="p1", lines=lines, payments=paid_by("h1", "10.00"))
        assert await account(service) == (87, 87, 0, 0)

        first = await service.send(returned(lines=[{"id": "a"}]))
        second = await service.send(returned(id="ret2"))

        assert [entry["points"] for entry in first.json()["entries"]] == [11, -7]
        assert [entry["points"] for entry in second.json()["entries"]] == [22, -13]
        assert await account(service) == (100, 100, 0, 0)
        assert await proven(service) == []
        (unit,) = await books(service)
        assert (unit.moved.issued, unit.moved.redeemed, unit.moved.reversed) == (120, 0, 20)

    async def test_a_program_may_keep_them(self, settings: Settings, clock: Clock) -> None:
        await publish(settings, clock=clock, document=PLAIN + "returns: {points_back: false}\n")
        async with open_service(settings, clock=clock) as service:
            await service.buy("100.00", id="p0")
            await service.send(held(33))
            await service.buy("30.00", id="p1", payments=paid_by("h1", "10.00"))

            await service.send(returned())

            assert await account(service) == (67, 67, 0, 0)

    async def test_what_was_owed_then_is_forgiven_or_comes_back(self, settings: Settings, clock: Clock) -> None:
        """Semantics L8, L9: first the debt; once that is paid, as points of that day."""
        document = PLAIN + "holds: {lasts: PT5M, uncaptured: allow_deficit}\n"
        await publish(settings, clock=clock, document=document)
        async with open_service(settings, clock=clock) as service:
            await service.buy("100.00", id="p0")
            await service.send(held(80))
            clock.forward(minutes=6)
            await service.redeem(60)
            await service.buy("5.00", id="p1", payments=paid_by("h1"))
            assert await account(service) == (-40, 0, 0, 40)
            await service.buy("15.00", id="p2")
            assert await account(service) == (-25, 0, 0, 25)

            await service.send(returned())

            assert await account(service) == (55, 55, 0, 0)
            assert await proven(service) == []


class TestPurchaseChanges:
    """Semantics R8."""

    async def test_the_purchase_as_it_is_kept_decides(self, service: Service) -> None:
        kept = {"member": {"identity": "card:1001", "enrol": True}, "occurred_at": at(START), "currency": "EUR"}
        path = "/v1/purchases/till/order-1"

        first = await service.client.put(path, json={**kept, "revision": 1, "total": "20.00"})
        again = await service.client.put(path, json={**kept, "revision": 1, "total": "20.00"})
        more = await service.client.put(path, json={**kept, "revision": 3, "total": "50.00"})
        late = await service.client.put(path, json={**kept, "revision": 2, "total": "99.00"})
        less = await service.client.put(path, json={**kept, "revision": 4, "total": "12.00"})
        back = await service.client.put(path, json={**kept, "revision": 5, "total": "20.00"})

        answers = (first, again, more, late, less, back)
        assert [answer.status_code for answer in answers] == [201, 200, 201, 201, 201, 201]
        assert [[entry["points"] for entry in answer.json()["entries"]] for answer in answers] == [
            *([20], [20], [30], [], [-38], [8]),
        ]
        assert late.json()["flags"] == ["stale_revision"]
        other = await service.client.put(path, json={**kept, "revision": 5, "total": "21.00"})
        assert (other.status_code, other.json()["code"]) == (422, "event_id_reused")
        assert (await account(service))[0] == 20
        returned_ = await service.send(returned("order-1", amount="5.00", currency="EUR"))
        assert [entry["points"] for entry in returned_.json()["entries"]] == [-5]
        left = (await service.client.get(f"/v1/events/{first.json()['id']}")).json()["left"]
        assert left["amount"] == "15.00"
        by_receipt = await service.client.get("/v1/events", params={"source": "till", "id": "order-1"})
        assert [one["left"] for one in by_receipt.json()["events"]] == [left]
        assert await proven(service) == []

    async def test_a_change_is_judged_as_its_purchase_was(self, settings: Settings, clock: Clock) -> None:
        """Semantics R8, R2: in the purchase's own context, and below zero it takes as a return does."""
        await publish(settings, clock=clock, document=LADDER)
        async with open_service(settings, clock=clock) as service:
            await service.buy("190.00", id="p1")
            await service.buy("20.00", id="p2")
            body = {
                "type": "purchase_change",
                "id": "chg",
                "member": "card:1001",
                "occurred_at": at(START),
                "purchase": "p1",
                "revision": 1,
                "currency": "EUR",
                "total": "100.00",
            }

            changed = await service.send(body)

            assert {entry["unit"]: entry["points"] for entry in changed.json()["entries"]} == {
                "points": -90,
                "spent": -90_00,
            }
            assert changed.json()["tier_changes"] == [{"ladder": "status", "before": "silver", "tier": "bronze"}]
            assert await proven(service) == []

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"revision": 0}, "invalid"),
            ({"total": "5.00", "lines": [{"amount": "6.00"}]}, "total_mismatch"),
            ({"currency": "USD"}, "other_currency"),
            ({"price": "5.00"}, "invalid"),
        ],
    )
    async def test_what_cannot_be_kept_is_told(self, service: Service, change: dict[str, Any], code: str) -> None:
        await service.buy("20.00", id="order-1")
        kept = {"member": "card:1001", "occurred_at": at(START), "currency": "EUR", "total": "9.00", "revision": 1}

        answer = await service.client.put("/v1/purchases/till/order-1", json={**kept, **change})

        assert (answer.status_code, answer.json()["code"]) == (422, code)
        other = await service.client.put("/v1/purchases/webshop/order-1", json=kept)
        assert other.status_code == 404
        assert (await account(service))[0] == 20


class TestGoodsWithoutPurchase:
    """Semantics R7."""

    LOOSE: dict[str, Any] = {
        "type": "return",
        "id": "loose",
        "member": "card:1001",
        "occurred_at": at(START),
        "currency": "EUR",
        "goods": [{"amount": "30.00"}],
    }

    async def test_they_take_what_the_lowest_tier_would_get_without_multipliers_and_grants(
        self, settings: Settings, clock: Clock
    ) -> None:
        document = LADDER.replace("rules:", "rules:\n  - {id: gift, on: purchase, unit: points, fixed: 5}", 1)
        await publish(settings, clock=clock, document=document + "returns: {without_purchase: allow}\n")
        async with open_service(settings, clock=clock) as service:
            await service.buy("300.00")
            await service.buy("100.00")

            answer = await service.send(self.LOOSE)

            assert {entry["unit"]: entry["points"] for entry in answer.json()["entries"]} == {
                "points": -30,
                "spent": -30_00,
            }
            assert answer.json()["flags"] == ["without_purchase"]
            assert (await account(service))[0] == 305 + 130 - 30
            assert await proven(service) == []

    async def test_they_are_refused_unless_the_program_allows(self, service: Service) -> None:
        await service.buy("300.00")

        answer = await service.send(self.LOOSE)

        assert (answer.status_code, answer.json()["code"]) == (422, "purchase_needed")
        mistakes: list[dict[str, Any]] = [
            *({"all": True}, {"currency": None}, {"goods": []}, {"amount": "5.00"}, {"purchase": "p1"}),
        ]
        for wrong in mistakes:
            body = {name: value for name, value in {**self.LOOSE, **wrong}.items() if value is not None}
            refused = await service.send(body)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), wrong


class TestOfflineRedemptions:
    """Semantics L6."""

    DOCUMENT = PLAIN + "redemptions: {offline_allowance: {points: 50}}\n"

    async def test_what_a_till_gave_out_may_be_owed_up_to_the_allowance(self, settings: Settings, clock: Clock) -> None:
        await publish(settings, clock=clock, document=self.DOCUMENT)
        async with open_service(settings, clock=clock) as service:
            await service.buy("100.00")

            first = await service.redeem(120, id="r1", offline=True)
            second = await service.redeem(31, id="r2", offline=True)

            assert first.status_code == 201
            assert first.json()["accounts"]["points"]["deficit"] == 20
            assert (second.status_code, second.json()["code"]) == (409, "offline_allowance")
            assert (second.json()["available"], second.json()["allowance"], second.json()["deficit"]) == (0, 50, 20)
            (refused,) = (await service.client.get("/v1/refused")).json()["refused"]
            admitted = await service.send(None, path=f"/v1/refused/{refused['id']}/admit")
            assert (admitted.status_code, admitted.json()["flags"]) == (201, ["admitted"])
            assert await account(service) == (-51, 0, 0, 51)
            assert await proven(service) == []

    async def test_undone_it_first_ends_what_is_owed(self, settings: Settings, clock: Clock) -> None:
        """Semantics L8, L9."""
        await publish(settings, clock=clock, document=self.DOCUMENT)
        async with open_service(settings, clock=clock) as service:
            await service.buy("100.00")
            await service.redeem(120, id="r1", offline=True)

            await service.send(cancelled("r1", points=30))

            assert await account(service) == (10, 10, 0, 0)
            await service.send(cancelled("r1", id="c2"))
            assert await account(service) == (100, 100, 0, 0)
            assert await proven(service) == []

    async def test_without_an_allowance_it_is_as_any_other(self, service: Service) -> None:
        await service.buy("100.00")

        answer = await service.redeem(101, offline=True)

        assert answer.json()["code"] == "offline_allowance"


class TestCorners:
    """Each of these once went wrong."""

    async def test_an_early_fulfilment_never_stands_in_the_way_of_its_purchase(
        self, settings: Settings, clock: Clock
    ) -> None:
        """Semantics E4, A1: what is released may open a lot that has ended already."""
        await publish(settings, clock=clock, document=ORDERS.replace("P1M", "P7D"))
        async with open_service(settings, clock=clock) as service:
            await service.enrol()
            clock.forward(days=25)
            assert (await service.send(fulfilled(when=START))).status_code == 202

            sold = await service.send(purchase("40.50", lines=TWO))

            assert sold.status_code == 201
            assert await points(service) == (0, 0)
            assert await proven(service) == []

    @pytest.mark.parametrize("type", ["return", "fulfilment"])
    async def test_nobody_is_enrolled_by_what_waits(self, service: Service, type: str) -> None:
        """Semantics E4, M1."""
        body = {**(returned() if type == "return" else fulfilled()), "member": {"identity": "card:7777", "enrol": True}}

        answer = await service.send(body)

        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_event")

    async def test_a_lapsed_hold_is_taken_once_whether_or_not_the_worker_has_run(
        self, settings: Settings, clock: Clock
    ) -> None:
        """Semantics L12, A1, L7."""
        await publish(settings, clock=clock, document=PLAIN + "holds: {uncaptured: allow_deficit}\n")
        async with open_service(settings, clock=clock) as service:
            await service.buy("100.00", id="p0")
            await service.send(held(40))
            clock.forward(minutes=20)

            twice = await service.buy("0.00", id="p1", payments=[*paid_by("h1", "0.00"), *paid_by("h1", "0.00")])
            again = await service.buy("0.00", id="p2", payments=paid_by("h1", "0.00"))

            assert [entry["points"] for entry in twice.json()["entries"]] == [-40]
            assert again.json()["entries"] == []
            assert await account(service) == (60, 60, 0, 0)
            hold = (await service.client.get("/v1/holds/h1")).json()
            assert (hold["state"], hold["captured"]) == ("captured", 40)
            assert await proven(service) == []

    async def test_only_what_goods_give_waits_for_them(self, settings: Settings, clock: Clock) -> None:
        """Semantics L11."""
        document = ORDERS + "  - {id: survey, on: activity, unit: points, fixed: 20}\n"
        await publish(settings, clock=clock, document=document)
        async with open_service(settings, clock=clock) as service:
            await service.enrol()
            survey = {"type": "activity", "id": "s1", "member": "card:1001", "activity": "survey"}

            await service.send({**survey, "occurred_at": at(START)})

            assert await points(service) == (20, 0)

    async def test_goods_that_a_change_adds_are_fulfilled_again(self, settings: Settings, clock: Clock) -> None:
        """Semantics R8, L11."""
        await publish(settings, clock=clock, document=ORDERS)
        async with open_service(settings, clock=clock) as service:
            await service.buy("10.00", id="p1")
            await service.send(fulfilled())
            kept = {"member": "card:1001", "occurred_at": at(START), "currency": "EUR", "total": "50.00", "revision": 1}
            await service.client.put("/v1/purchases/till/p1", json=kept)
            assert await points(service) == (10, 40)

            await service.send(fulfilled(id="f2"))

            assert await points(service) == (50, 0)
            assert await proven(service) == []

    async def test_looking_back_fulfilled_points_are_there_once(self, settings: Settings, clock: Clock) -> None:
        """Semantics L14."""
        await publish(settings, clock=clock, document=ORDERS)
        async with open_service(settings, clock=clock) as service:
            member = (await service.send(purchase("40.00"))).json()["member"]
            clock.forward(days=10)
            await service.send(fulfilled(when=START + timedelta(days=5)))

            then = await service.client.get(f"/v1/members/{member}/balance", params={"as_of": "2026-11-27T09:00:00Z"})

            found = then.json()["units"]["points"]
            assert (found["balance"], found["available"], found["pending"]) == (40, 40, 0)
