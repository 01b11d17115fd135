"""Days of grace for points that are put back after their end, over HTTP (semantics L8)."""

from datetime import timedelta
from typing import Any

import pytest

from app.cli import verify
from app.settings import Settings
from app.worker import settling
from tests.builders import PLAIN, START, Clock, Service, at, open_service, publish

GRACE = PLAIN.replace("{name: Points}", '{name: Points, expires: {after: P1M}, grace: P30D, cost_per_point: "0.01"}')


async def cancel(service: Service, redemption: str, **more: Any) -> dict[str, Any]:
    """The answer to a redemption's cancellation."""
    body = {"type": "cancellation", "id": f"c{next(service.keys)}", "member": "card:1001", "event": redemption}
    answer = await service.send({**body, "kind": "redemption", "occurred_at": at(service.clock()), **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def put_back(service: Service) -> str:
    """A member who got back 30 points on 5 January that had ended with 21 December."""
    member = (await service.buy("50.00", id="p0")).json()["member"]
    assert (await service.redeem(30, id="r0")).status_code == 201
    service.clock.forward(days=45)
    await cancel(service, "r0")
    return str(member)


async def test_points_put_back_can_be_spent_until_the_grace_ends(settings: Settings, clock: Clock) -> None:
    """Semantics L8: balance, lots and statement say until when; the worker writes the end down."""
    await publish(settings, clock=clock, document=GRACE)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = await put_back(service)

        found = (await service.units(member))["points"]
        assert found["available"] == 30
        assert found["expiring"] == [{"expires_at": "2027-02-04T23:00:00Z", "valid_until": "2027-02-04", "points": 30}]
        (lot,) = (await service.client.get(f"/v1/members/{member}/lots")).json()["lots"]
        assert (lot["remaining"], lot["expires_at"], lot["state"]) == (30, "2027-02-04T23:00:00Z", "active")
        page = (await service.client.get(f"/v1/members/{member}/statement")).json()
        assert [event["type"] for event in page["events"]][:2] == ["cancellation", "expiry"]
        (entry,) = page["events"][0]["entries"]
        assert (entry["available_at"], entry["expires_at"]) == (None, "2027-02-04T23:00:00Z")
        assert await verify.run(settings) == []

        clock.forward(days=31)
        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 1
        assert (await service.units(member))["points"]["balance"] == 0
        assert await verify.run(settings) == []


async def test_a_lot_that_was_closed_again_is_found_with_its_new_end(settings: Settings, clock: Clock) -> None:
    """Semantics L8: points of grace that are spent and put back keep the end they had; later ones get another."""
    await publish(settings, clock=clock, document=GRACE)
    async with open_service(settings, clock=clock) as service:
        member = await put_back(service)
        assert (await service.redeem(30, id="r1")).status_code == 201
        clock.forward(days=2)
        await cancel(service, "r1", points=10)
        assert (await service.units(member))["points"]["expiring"][0]["valid_until"] == "2027-02-04"
        assert (await service.redeem(10, id="r2")).status_code == 201
        assert (await service.client.get(f"/v1/members/{member}/lots")).json()["lots"] == []
        clock.forward(days=60)

        await cancel(service, "r1")

        assert (await service.units(member))["points"]["expiring"][0]["valid_until"] == "2027-04-07"
        assert await verify.run(settings) == []


async def test_as_it_stood_a_lot_has_the_end_it_had_then(settings: Settings, clock: Clock) -> None:
    """Semantics L8, L14: the first end before points were put back, the new one from then on."""
    await publish(settings, clock=clock, document=GRACE)
    async with open_service(settings, clock=clock) as service:
        member = await put_back(service)
        back = clock()
        clock.forward(days=100)

        async def then(days: int, by: str) -> dict[str, Any]:
            asked = {"as_of": at(back + timedelta(days=days)), "by": by}
            found = await service.client.get(f"/v1/members/{member}/balance", params=asked)
            return dict(found.json()["units"]["points"])

        for by in ("effect", "recording"):
            assert [one["valid_until"] for one in (await then(-30, by))["expiring"]] == ["2026-12-21"]
            assert (await then(-1, by))["balance"] == 0
            assert [one["valid_until"] for one in (await then(0, by))["expiring"]] == ["2027-02-04"]
            assert (await then(30, by))["balance"] == 30
            assert (await then(31, by))["balance"] == 0


async def test_the_liability_counts_them_in_the_month_in_which_they_end(settings: Settings, clock: Clock) -> None:
    """Semantics L8, L14: now, and as it was known before and after."""
    await publish(settings, clock=clock, document=GRACE)
    async with open_service(settings, clock=clock) as service:
        await put_back(service)
        now = (await service.client.get("/v1/reports/liability")).json()["units"]["points"]
        shown = clock()
        clock.forward(days=5)
        asked = {"as_of": at(shown)}
        again = (await service.client.get("/v1/reports/liability", params=asked)).json()["units"]["points"]
        early = {"as_of": at(START + timedelta(days=1))}
        before = (await service.client.get("/v1/reports/liability", params=early)).json()["units"]["points"]

        assert [(one["month"], one["points"]) for one in now["by_month"]] == [("2027-02", 30)]
        assert again == now
        assert [(one["month"], one["points"]) for one in before["by_month"]] == [("2026-12", 20)]


@pytest.mark.parametrize("grace", ["P1M", "soon", "PT5H"])
async def test_grace_is_written_in_days(settings: Settings, clock: Clock, grace: str) -> None:
    """Semantics L8: anything else is no document."""
    with pytest.raises(Exception, match="grace"):
        await publish(settings, clock=clock, document=GRACE.replace("P30D", grace))
