"""Points that wait, over HTTP: pending until their instant, with or without a worker (semantics L3, L11, K2)."""

from typing import Any

import pytest

from app.cli import verify
from app.settings import Settings
from app.worker import settling
from tests.api.test_returns import returned
from tests.builders import PLAIN, Clock, Service, open_service, publish

WAITING = PLAIN.replace("points: {name: Points}", "points: {name: Points, pending: P14D, expires: {at_end_of: year}}")


async def points(service: Service, member: str) -> dict[str, Any]:
    return dict((await service.units(member))["points"])


@pytest.mark.parametrize("worker", [False, True])
async def test_points_wait_and_then_count(settings: Settings, clock: Clock, worker: bool) -> None:
    """Semantics L4: right by the instant, whether or not the activation is written down."""
    await publish(settings, clock=clock, document=WAITING)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = (await service.buy("100.00")).json()["member"]
        waiting = await points(service, member)
        assert (waiting["balance"], waiting["available"], waiting["pending"]) == (100, 0, 100)
        assert (await service.redeem(1)).json()["code"] == "insufficient_points"

        clock.forward(days=14)
        if worker:
            assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 1
            assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 0
        counting = await points(service, member)
        assert (counting["balance"], counting["available"], counting["pending"]) == (100, 100, 0)

        assert (await service.redeem(30)).status_code == 201
        page = (await service.client.get(f"/v1/members/{member}/statement")).json()
        assert [event["type"] for event in page["events"]] == ["redemption", "activation", "purchase", "enrolment"]
        assert page["events"][1]["effective_at"] == "2026-12-05T09:00:00Z"
        assert await verify.run(settings) == []


async def test_a_year_without_a_worker_is_caught_up_in_order(settings: Settings, clock: Clock) -> None:
    """Semantics K2: the activation and the end each at their own instant."""
    await publish(settings, clock=clock, document=WAITING)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = (await service.buy("100.00")).json()["member"]
        clock.forward(days=400)
        await settling.settle_once(parts.engine, parts.ledger, now=clock())

        page = (await service.client.get(f"/v1/members/{member}/statement")).json()
        assert [(event["type"], event["effective_at"]) for event in page["events"][:2]] == [
            ("expiry", "2026-12-31T23:00:00Z"),
            ("activation", "2026-12-05T09:00:00Z"),
        ]
        assert (await points(service, member))["balance"] == 0
        assert await verify.run(settings) == []


@pytest.mark.parametrize("worker", [False, True])
async def test_what_expires_next_is_less_by_what_is_owed(settings: Settings, clock: Clock, worker: bool) -> None:
    """Semantics L4, L9: points that begin to count pay it, whether or not that is written down."""
    await publish(settings, clock=clock, document=WAITING)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = (await service.buy("80.00", id="p1")).json()["member"]
        clock.forward(days=15)
        assert (await service.redeem(80)).status_code == 201
        assert (await service.buy("100.00", id="p2")).status_code == 201
        assert (await service.send(returned("p1"))).status_code == 201
        clock.forward(days=14)
        if worker:
            assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 1

        found = await points(service, member)

        assert (found["balance"], found["available"], found["deficit"]) == (20, 20, 0)
        assert [one["points"] for one in found["expiring"]] == [20]
