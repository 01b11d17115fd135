"""Publishing while the tills go on: every event is judged by exactly one version, and none fails (semantics E3)."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.cli import verify
from app.main import system_clock
from app.settings import Settings
from tests.builders import PLAIN, Clock, Service, open_service, publish, purchase

CLIENTS = 64
VERSIONS = 6


class RealClock(Clock):
    """The system's."""

    def __call__(self) -> Any:
        return system_clock()


@pytest.fixture
def clock() -> Clock:
    return RealClock()


def giving(points: int) -> str:
    return PLAIN.replace("give: 1", f"give: {points}")


async def till(service: Service, number: int, *, stopping: asyncio.Event) -> list[dict[str, Any]]:
    """Sells until it is told to stop; every answer."""
    answers: list[dict[str, Any]] = []
    while not stopping.is_set():
        body = purchase("10.00", card=f"c{number}", id=f"{number}-{len(answers)}", at=system_clock())
        answer = await service.send(body)
        answers.append({"status": answer.status_code, **answer.json()})
    return answers


async def test_every_event_is_judged_by_exactly_one_version_and_none_fails(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as service, asyncio.TaskGroup() as tasks:
        stopping = asyncio.Event()
        tills = [tasks.create_task(till(service, number, stopping=stopping)) for number in range(CLIENTS)]
        for points in range(2, VERSIONS + 1):
            await asyncio.sleep(0.4)
            await publish(settings, clock=clock, document=giving(points))
        await asyncio.sleep(0.4)
        stopping.set()

    events = [event for one in tills for event in one.result()]
    in_force = {row["version"]: row["in_force_from"] for row in await owner.fetch("SELECT * FROM rules")}
    judged = Counter(event["rules_version"] for event in events)
    assert {event["status"] for event in events} == {201}
    assert set(judged) == set(range(1, VERSIONS + 1))
    for event in events:
        assert [entry["points"] for entry in event["entries"]] == [10 * event["rules_version"]]
        began = in_force[event["rules_version"]]
        assert event["occurred_at"] >= began.strftime("%Y-%m-%dT%H:%M:%S"), "no version judges before its time"
    assert await verify.run(settings) == []


async def test_what_was_judged_while_a_version_was_being_published_can_be_proved(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """A version's time is a little before anybody knows of it: events in between were judged by the one before."""
    still = Clock()
    await publish(settings, clock=still)
    async with open_service(settings, clock=still) as service:
        still.forward(minutes=1)
        ahead = purchase("10.00", at=still.now + timedelta(minutes=3))
        answer = await service.send(ahead)

        await publish(settings, clock=still, document=giving(2))
        still.forward(minutes=5)
        back = await service.send(
            {"type": "return", "id": "b", "member": answer.json()["member"], "purchase": "p1", "all": True,
             "occurred_at": still.now.isoformat()}
        )  # fmt: skip

    assert answer.json()["rules_version"] == 1
    assert [entry["points"] for entry in back.json()["entries"]] == [-10]
    assert await verify.run(settings) == []
