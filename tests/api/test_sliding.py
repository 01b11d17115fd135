"""Points that end together without activity, over HTTP: with or without a worker (semantics L4, L7, L10, K2)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.cli import verify
from app.queries import due, programs
from app.settings import Settings
from app.worker import settling
from tests.builders import PLAIN, Clock, Service, at, open_service, publish

SLIDING = PLAIN.replace("points: {name: Points}", "points: {name: Points, expires: {inactive: P12M}}")


async def points(service: Service, member: str) -> dict[str, Any]:
    return dict((await service.units(member))["points"])


@pytest.mark.parametrize("worker", [False, True])
async def test_activity_keeps_points_and_without_it_they_end(settings: Settings, clock: Clock, worker: bool) -> None:
    """Semantics L4, L7: right by the instant; settling twice writes nothing."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = (await service.buy("100.00")).json()["member"]
        assert (await points(service, member))["expiring"] == [
            {"expires_at": "2027-11-21T23:00:00Z", "valid_until": "2027-11-21", "points": 100}
        ]

        clock.forward(days=300)
        assert (await service.redeem(30)).status_code == 201
        clock.forward(days=300)
        found = await points(service, member)
        assert (found["available"], found["expiring"][0]["valid_until"]) == (70, "2028-09-17")
        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 0

        clock.forward(days=400)
        if worker:
            assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 1
            assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 0
        found = await points(service, member)
        assert (found["balance"], found["available"], found["expiring"]) == (0, 0, [])

        assert (await service.buy("7.00", id="p2")).status_code == 201
        assert (await points(service, member))["balance"] == 7
        page = (await service.client.get(f"/v1/members/{member}/statement")).json()
        assert [event["type"] for event in page["events"]] == [
            "purchase",
            "expiry",
            "redemption",
            "purchase",
            "enrolment",
        ]
        assert page["events"][1]["effective_at"] == "2028-09-17T22:00:00Z"
        assert await verify.run(settings) == []


async def test_as_it_stood_after_the_end_nothing_is_left(settings: Settings, clock: Clock) -> None:
    """Semantics L14: whether or not the end was written down."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = (await service.buy("100.00")).json()["member"]
        clock.forward(days=500)

        for _ in range(2):
            for instant, left in (("2027-11-21T22:59:59Z", 100), ("2027-11-21T23:00:00Z", 0)):
                path = f"/v1/members/{member}/balance"
                found = (await service.client.get(path, params={"as_of": instant})).json()
                assert found["units"]["points"]["available"] == left
            await settling.settle_once(parts.engine, parts.ledger, now=clock())


async def test_a_lot_is_over_with_its_account_before_that_is_written_down(settings: Settings, clock: Clock) -> None:
    """Semantics L3, L10, L14: by the clock, now and looked back at; before that it bears no date."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("100.00")).json()["member"]
        clock.now = datetime(2027, 11, 21, 23, tzinfo=UTC)

        found = [
            (await service.client.get(f"/v1/members/{member}/lots", params=asked)).json()["lots"]
            for instant in ("2027-11-21T22:59:59Z", "2027-11-21T23:00:00Z")
            for asked in ({"as_of": instant}, {"as_of": instant, "by": "recording"})
        ]
        found.append((await service.client.get(f"/v1/members/{member}/lots")).json()["lots"])

        shown = [[(lot["remaining"], lot["state"], lot["expires_at"]) for lot in lots] for lots in found]
        over = [(100, "expired", "2027-11-21T23:00:00Z")]
        assert shown == [[(100, "active", None)]] * 2 + [over] * 3


async def test_what_a_hold_keeps_past_the_end_does_not_keep_the_worker_busy(settings: Settings, clock: Clock) -> None:
    """Semantics K1, L12: there is nothing to write down until it is freed."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        await service.buy("100.00")
        clock.now = datetime(2027, 11, 21, 22, tzinfo=UTC)
        hold = {"type": "hold", "id": "h1", "member": "card:1001", "occurred_at": at(clock()), "points": 100}
        answer = await service.send({**hold, "lasts": "PT4H"})
        assert answer.status_code == 201, answer.text
        clock.forward(hours=2)
        (program,) = await programs.all(parts.engine)

        assert await due.members(parts.engine, program_id=program.id, now=clock(), limit=10) == ()
        clock.forward(hours=2)
        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 2
        assert await verify.run(settings) == []


async def test_many_who_have_nothing_left_do_not_keep_the_worker_busy(settings: Settings, clock: Clock) -> None:
    """Semantics K1: what was emptied, or is kept by nobody, is not looked at again."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        for card in ("1", "2", "3"):
            await service.buy("100.00", id=f"p{card}", card=card)
        await service.redeem(100, card="1")
        clock.now = datetime(2027, 12, 1, tzinfo=UTC)

        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 2
        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 0
        assert await verify.run(settings) == []
