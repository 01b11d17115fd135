"""Redemptions made without a network, over HTTP: judged by what the member had then (semantics L6)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.cli import verify
from app.settings import Settings
from app.worker import settling
from tests.builders import PLAIN, Clock, Service, at, open_service, publish, purchase

DOCUMENT = (
    PLAIN.replace("points: {name: Points}", "points: {name: Points, expires: {after: P1M}}")
    + "redemptions: {offline_allowance: {points: 20}}\n"
)
END = datetime(2026, 12, 21, 23, tzinfo=UTC)
"""When what is bought on 21 November 2026 ends."""

LATE = END - timedelta(hours=30)
"""On the day before the last."""


async def points(service: Service, member: str, **asked: str) -> dict[str, Any]:
    """What the member has of them, now or as asked."""
    answer = await service.client.get(f"/v1/members/{member}/balance", params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["units"]["points"])


async def types(service: Service, member: str) -> list[str]:
    """The kinds of the member's events, oldest first."""
    page = (await service.client.get(f"/v1/members/{member}/statement", params={"limit": 200})).json()
    return [event["type"] for event in reversed(page["events"])]


async def ended(service: Service, *, worker: bool = True) -> str:
    """A member whose 100 points ended four days ago."""
    member = (await service.buy("100.00", id="p0")).json()["member"]
    service.clock.now = END + timedelta(days=4)
    if worker:
        parts = service.app.state.parts
        assert await settling.settle_once(parts.engine, parts.ledger, now=service.clock()) == 1
    return str(member)


async def test_points_that_came_since_do_not_cover_it(settings: Settings, clock: Clock) -> None:
    """Semantics L6: it is refused with what the member had then, and an admin may let it in."""
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("10.00")).json()["member"]
        then = clock()
        clock.forward(days=1)
        await service.buy("100.00")

        refused = await service.redeem(31, offline=True, occurred_at=at(then))

        said = refused.json()
        assert (refused.status_code, said["code"]) == (409, "offline_allowance")
        facts = {"asked": 31, "available": 10, "allowance": 20, "deficit": 0}
        assert {name: said[name] for name in facts} == facts
        (listed,) = (await service.client.get("/v1/refused")).json()["refused"]
        assert listed["details"]["available"] == 10
        admitted = await service.send(None, path=f"/v1/refused/{listed['id']}/admit")
        assert admitted.status_code == 201, admitted.text
        assert [draw["points"] for draw in admitted.json()["entries"][0]["draws"]] == [10, 21]
        found = await points(service, member)
        assert (found["available"], found["deficit"]) == (79, 0)
        assert await verify.run(settings) == []


@pytest.mark.parametrize("worker", [False, True])
async def test_points_that_ended_since_do(settings: Settings, clock: Clock, worker: bool) -> None:
    """Semantics L6, L7: the same, whether or not a worker had written the end down; sent again it is a replay."""
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        member = await ended(service, worker=worker)
        body: dict[str, Any] = {"id": "r1", "offline": True, "occurred_at": at(LATE)}

        dry = await service.send(
            {"type": "redemption", "member": "card:1001", "points": 70, **body}, path="/v1/events?dry_run=true"
        )
        taken = await service.redeem(70, **body)

        assert (dry.status_code, taken.status_code) == (200, 201), taken.text
        assert dry.json()["entries"] == taken.json()["entries"]
        assert taken.json()["entries"][0]["draws"] == [{"sequence": 2, "position": 0, "points": 70}]
        assert (await service.redeem(70, **body)).status_code == 200
        assert await types(service, member) == ["enrolment", "purchase", "expiry", "expiry_reversal", "redemption"]
        found = await points(service, member)
        assert (found["balance"], found["available"], found["deficit"]) == (0, 0, 0)
        assert (await service.client.get(f"/v1/members/{member}/lots")).json()["lots"] == []
        assert await verify.run(settings) == []


async def test_the_books_say_that_less_has_expired_and_more_is_redeemed(settings: Settings, clock: Clock) -> None:
    """Semantics L6, L15: the trial balance is zero, and the liability what it was."""
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        await ended(service)
        before = (await service.client.get("/v1/reports/liability")).json()

        assert (await service.redeem(70, offline=True, occurred_at=at(LATE))).status_code == 201

        trial = (await service.client.get("/v1/reports/trial-balance")).json()
        unit = trial["units"]["points"]
        found = [unit[name] for name in ("issued", "redeemed", "expired", "outstanding")]
        assert (found, trial["balanced"]) == ([100, 70, 30, 0], True)
        after = (await service.client.get("/v1/reports/liability")).json()
        units = [report["units"]["points"] for report in (before, after)]
        assert [unit["points"] for unit in units] == [0, 0]
        assert [(u["breakage"]["redeemed"], u["breakage"]["expired"]) for u in units] == [(0, 100), (70, 30)]
        assert await verify.run(settings) == []


async def test_as_it_stood_they_were_spent_before_they_ended(settings: Settings, clock: Clock) -> None:
    """Semantics L6, L14: by effect from when the till gave the goods out; by recording only since it told so."""
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        member = await ended(service)
        await service.redeem(70, offline=True, occurred_at=at(LATE))
        recorded = clock()
        clock.forward(days=1)

        async def then(instant: datetime, **more: str) -> tuple[int, int]:
            found = await points(service, member, as_of=at(instant), **more)
            return found["balance"], found["deficit"]

        hour = timedelta(hours=1)
        assert [await then(t) for t in (LATE - hour, LATE, END - hour, END)] == [(100, 0), (30, 0), (30, 0), (0, 0)]
        asked = (LATE, END - hour, END, recorded - hour, recorded)
        assert [await then(t, by="recording") for t in asked] == [(100, 0), (100, 0), (0, 0), (0, 0), (0, 0)]


async def test_a_batch_of_several_tills_takes_each_point_once(settings: Settings, clock: Clock) -> None:
    """Semantics E4, L6: in one batch, by when they occurred; the last finds what is left, and owes the rest."""
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        member = await ended(service)
        body = {"type": "redemption", "member": "card:1001", "points": 40, "offline": True}
        sent = [{**body, "id": f"r{n}", "occurred_at": at(LATE + timedelta(hours=n))} for n in (3, 2, 1)]
        sent.append(purchase("7.00", id="now", at=clock()))

        answer = await service.send({"events": sent}, path="/v1/events/batch")

        assert {one["outcome"] for one in answer.json()["results"]} == {"created"}, answer.text
        assert (await types(service, member))[3:] == ["expiry_reversal", "redemption"] * 3 + ["purchase"]
        found = await points(service, member)
        assert (found["balance"], found["deficit"]) == (-13, 13)
        assert await verify.run(settings) == []


async def test_undone_it_ends_once_more(settings: Settings, clock: Clock) -> None:
    """Semantics L8: what is put back after its end has ended, and another till may still have spent it before."""
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        member = await ended(service)
        await service.redeem(70, id="r1", offline=True, occurred_at=at(LATE))
        undo = {"type": "cancellation", "id": "c1", "member": "card:1001", "event": "r1", "kind": "redemption"}
        assert (await service.send({**undo, "occurred_at": at(clock())})).status_code == 201
        assert (await points(service, member))["balance"] == 0

        again = await service.redeem(100, id="r2", offline=True, occurred_at=at(LATE))

        assert again.status_code == 201, again.text
        later = ["cancellation", "expiry", "expiry_reversal", "expiry_reversal", "redemption"]
        assert (await types(service, member))[5:] == later
        assert (await points(service, member))["deficit"] == 0
        assert await verify.run(settings) == []
