"""The worker leaves members alone whose past is being sent: more of it may be on its way (semantics E7)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.queries.due import HISTORY_REST
from app.settings import Settings
from app.worker import settling
from tests.builders import EXPIRING, Clock, Service, open_service, publish, purchase

WITH_A_SCHEDULE = (
    EXPIRING.replace("rules:", "rules:\n  - {id: back, on: scheduled, unit: points, fixed: 1}", 1)
    + "schedules:\n  - {id: missed, after: purchase, wait: P90D}\n"
)


@pytest.mark.parametrize("messages", [False, True])
async def test_a_worker_does_not_run_ahead_of_history(settings: Settings, clock: Clock, messages: bool) -> None:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        past: dict[str, Any] = {"history": True, "messages": messages}
        bought = await _send(service, purchase(id="a", at=datetime(2020, 1, 1, tzinfo=UTC), **past))
        parts = service.app.state.parts

        at_once = await settling.settle_once(parts.engine, parts.ledger, now=clock())
        spent = await _send(service, {**_REDEMPTION, **past})
        clock.now += HISTORY_REST
        later = await settling.settle_once(parts.engine, parts.ledger, now=clock())

        assert (bought["outcome"], spent["outcome"]) == ("created", "created")
        assert (at_once, later) == (0, 1)


async def test_what_history_schedules_does_not_let_the_worker_run_ahead_of_it(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=WITH_A_SCHEDULE)
    async with open_service(settings, clock=clock) as service:
        past: dict[str, Any] = {"history": True, "messages": True}
        await _send(service, purchase(id="a", at=datetime(2020, 1, 1, tzinfo=UTC), **past))
        parts = service.app.state.parts

        at_once = await settling.settle_once(parts.engine, parts.ledger, now=clock())
        spent = await _send(service, {**_REDEMPTION, **past})
        clock.now += HISTORY_REST
        later = await settling.settle_once(parts.engine, parts.ledger, now=clock())

        assert spent["outcome"] == "created"
        assert at_once == 0
        assert later == 3  # what the schedule brings, and the ends of both


_REDEMPTION = {
    "type": "redemption",
    "id": "r",
    "member": "card:1001",
    "occurred_at": "2020-03-01T00:00:00Z",
    "points": 5,
}


async def _send(service: Service, body: dict[str, Any]) -> dict[str, Any]:
    answer = await service.send({"events": [body]}, path="/v1/events/batch")
    return dict(answer.json()["results"][0])
