"""Late events that undo the end of points that slide, over HTTP (semantics L10)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.cli import verify
from app.settings import Settings
from app.worker import settling
from tests.api.test_returns import returned
from tests.builders import PLAIN, Clock, Service, at, open_service, publish, purchase
from tests.db.test_statements import IDLE_EVENT, statements

SLIDING = PLAIN.replace("points: {name: Points}", "points: {name: Points, expires: {inactive: P12M}}")
END = datetime(2027, 11, 21, 23, tzinfo=UTC)
"""When what is bought on 21 November 2026 ends."""

LATE = END - timedelta(hours=30)
"""On the day before the last."""


async def points(service: Service, member: str) -> dict[str, Any]:
    return dict((await service.units(member))["points"])


async def statement(service: Service, member: str) -> list[dict[str, Any]]:
    """The member's events, oldest first."""
    page = (await service.client.get(f"/v1/members/{member}/statement", params={"limit": 200})).json()
    return list(reversed(page["events"]))


async def lapsed(service: Service, *, worker: bool = True) -> str:
    """A member whose 100 points ended four days ago."""
    member = (await service.buy("100.00", id="p0")).json()["member"]
    service.clock.now = END + timedelta(days=4)
    if worker:
        parts = service.app.state.parts
        assert await settling.settle_once(parts.engine, parts.ledger, now=service.clock()) == 1
    return str(member)


@pytest.mark.parametrize("worker", [False, True])
async def test_a_late_purchase_brings_back_what_had_ended(settings: Settings, clock: Clock, worker: bool) -> None:
    """Semantics L7, L10: the same, whether or not a worker had written the end down."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = await lapsed(service, worker=worker)
        assert (await points(service, member))["balance"] == 0

        sent = purchase("7.00", id="late", at=LATE)
        answer = await service.send(sent)
        assert answer.status_code == 201, answer.text
        assert (await service.send(sent)).status_code == 200

        found = await points(service, member)
        assert (found["available"], found["expiring"][0]["valid_until"]) == (107, "2028-11-20")
        events = await statement(service, member)
        assert [event["type"] for event in events] == ["enrolment", "purchase", "expiry", "expiry_reversal", "purchase"]
        ended, undone = events[2:4]
        assert (undone["source"], undone["about"]) == ("zegel", ended["id"])
        assert undone["effective_at"] == ended["effective_at"] == "2027-11-21T23:00:00Z"
        assert undone["entries"][0]["draws"] == [{"sequence": 2, "position": 0, "points": -100}]
        again = (await service.client.get(f"/v1/events/{undone['id']}")).json()
        assert (again["type"], again["entries"]) == ("expiry_reversal", undone["entries"])
        assert await verify.run(settings) == []


async def test_shops_are_told_that_points_are_back(settings: Settings, owner: asyncpg.Connection, clock: Clock) -> None:
    """Semantics L10: by `points.restored`, which names the end."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = await lapsed(service)
        assert (await service.send(purchase("7.00", at=LATE))).status_code == 201

        bodies = await owner.fetch("SELECT convert_from(body, 'UTF8') AS body FROM message ORDER BY number")
        said = [row["body"] for row in bodies if "points.restored" in row["body"]]
        events = await statement(service, member)
        assert len(said) == 1
        assert events[2]["id"] in said[0]


async def test_the_reports_say_that_less_has_expired(settings: Settings, clock: Clock) -> None:
    """Semantics L15: in the period in which the late event was recorded; the blocks say the same."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        await lapsed(service)
        before = (await service.client.get("/v1/reports/trial-balance")).json()["units"]["points"]
        assert (await service.send(purchase("7.00", at=LATE))).status_code == 201
        after = (await service.client.get("/v1/reports/trial-balance")).json()

        assert (before["expired"], before["outstanding"]) == (100, 0)
        unit = after["units"]["points"]
        assert (unit["issued"], unit["expired"], unit["outstanding"]) == (107, 0, 107)
        assert after["balanced"]
        assert unit["shops"]["zegel"]["expired"] == 0
        assert await verify.run(settings) == []


async def test_as_it_stood_nothing_ended_or_it_had(settings: Settings, clock: Clock) -> None:
    """Semantics L14: by effect the points never went; by recording they were gone until the event came."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = await lapsed(service)
        assert (await service.send(purchase("7.00", at=LATE))).status_code == 201
        clock.forward(days=1)

        async def then(instant: datetime, **more: str) -> int:
            path, asked = f"/v1/members/{member}/balance", {"as_of": at(instant), **more}
            return int((await service.client.get(path, params=asked)).json()["units"]["points"]["balance"])

        assert await then(END - timedelta(days=2)) == 100
        assert await then(END - timedelta(hours=1)) == 107
        assert await then(END + timedelta(days=2)) == 107
        assert await then(END - timedelta(hours=1), by="recording") == 100
        assert await then(END + timedelta(days=2), by="recording") == 0
        assert await then(END + timedelta(days=4), by="recording") == 107


async def test_a_dry_run_tells_what_would_come_back(settings: Settings, clock: Clock) -> None:
    """Semantics L10: and leaves it."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = await lapsed(service)
        body = {
            "type": "redemption",
            "id": "late",
            "member": "card:1001",
            "occurred_at": at(LATE),
            "points": 60,
        }

        told = await service.send(body, params={"dry_run": "true"})

        assert told.status_code == 200, told.text
        assert told.json()["accounts"]["points"]["balance"] == 40
        assert (await points(service, member))["balance"] == 0


async def test_in_one_batch_each_event_finds_what_those_before_it_left(settings: Settings, clock: Clock) -> None:
    """Semantics E4, L10: the first of them in time undoes the end, once."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = await lapsed(service, worker=False)
        events = [
            purchase("3.00", id="now", at=clock()),
            purchase("5.00", id="late", at=LATE),
            purchase("7.00", id="later", at=END - timedelta(hours=1)),
        ]

        answer = await service.send({"events": events}, path="/v1/events/batch")

        assert {one["outcome"] for one in answer.json()["results"]} == {"created"}
        kinds = [event["type"] for event in await statement(service, member)]
        assert kinds[2:] == ["expiry", "expiry_reversal", "purchase", "purchase", "purchase"]
        assert (await points(service, member))["available"] == 115
        assert await verify.run(settings) == []


async def test_what_follows_in_a_batch_may_undo_what_an_earlier_one_wrote(settings: Settings, clock: Clock) -> None:
    """Semantics E4: two requests in one batch; the end was written down in it."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = await lapsed(service, worker=False)
        assert (await service.buy("3.00", id="now")).status_code == 201
        assert (await service.send(purchase("5.00", id="late", at=LATE))).status_code == 201

        kinds = [event["type"] for event in await statement(service, member)]
        assert kinds[2:] == ["expiry", "purchase", "expiry_reversal", "purchase"]
        assert (await points(service, member))["available"] == 108
        assert await verify.run(settings) == []


async def test_what_waited_for_an_event_undoes_ends_too(settings: Settings, clock: Clock) -> None:
    """Semantics E4, L10: a return that came before its purchase, where returns count."""
    document = SLIDING.replace("{inactive: P12M}", "{inactive: P12M, events: [return]}")
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("100.00", id="p0")).json()["member"]
        clock.now = END + timedelta(days=4)
        sent = {**returned("p1"), "occurred_at": at(LATE)}
        answer = await service.send(sent)
        assert answer.status_code == 202, answer.text
        parts = service.app.state.parts
        await settling.settle_once(parts.engine, parts.ledger, now=clock())

        assert (await service.buy("9.00", id="p1")).status_code == 201

        kinds = [event["type"] for event in await statement(service, member)]
        assert kinds[2:] == ["expiry", "purchase", "expiry_reversal", "return"]
        assert (await points(service, member))["available"] == 100
        assert await verify.run(settings) == []


async def test_ordinary_events_ask_for_no_more_than_before(settings: Settings, clock: Clock) -> None:
    """Semantics L10: only what comes out of order, of somebody who lost points, is looked at twice."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        await lapsed(service)
        await service.buy("1.00", id="again")

        with statements(service) as said:
            assert (await service.buy("1.00", id="counted")).status_code == 201
        assert len(said) <= IDLE_EVENT, "\n".join(said)

        with statements(service) as said:
            assert (await service.send(purchase("1.00", id="late", at=LATE))).status_code == 201
        assert len(said) > IDLE_EVENT + 1


async def test_a_late_event_after_the_next_life_has_begun(settings: Settings, clock: Clock) -> None:
    """Semantics L10: the undone points last as long as the account does by now."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = await lapsed(service)
        assert (await service.buy("3.00")).status_code == 201
        assert (await service.redeem(3)).status_code == 201

        assert (await service.send(purchase("5.00", id="late", at=LATE))).status_code == 201

        found = await points(service, member)
        assert (found["available"], found["expiring"][0]["valid_until"]) == (105, "2028-11-26")
        assert await verify.run(settings) == []
