"""Caps over HTTP: used, given back, shared by all members, and proven from the database (semantics A5)."""

import asyncio

import asyncpg

from app.cli import verify
from app.settings import Settings
from tests.builders import PLAIN, Clock, Service, at, open_service, publish, purchase

CAPPED = PLAIN.replace('rate: {give: 1, per: "1.00"}}', 'rate: {give: 1, per: "1.00"}, caps: [{points: 100, in: day}]}')
SHARED = PLAIN.replace(
    'rate: {give: 1, per: "1.00"}}', 'rate: {give: 1, per: "1.00"}, caps: [{points: 150, per: program, in: month}]}'
)


def points(answer: object) -> int:
    """What an event's answer says it gave, of the one unit."""
    entries = answer.json()["entries"]  # type: ignore[attr-defined]
    return sum(entry["points"] for entry in entries)


async def give_back(service: Service, purchase: str, id: str) -> int:
    """Returns all of a purchase; the points that took."""
    said = {"type": "return", "id": id, "occurred_at": at(service.clock.now), "all": True, "purchase": purchase}
    return points(await service.send({**said, "member": "card:1001"}))


async def test_a_day_gives_no_more_than_its_cap_and_a_return_gives_room_back(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics A5, R2: told, kept with the event, and proven."""
    await publish(settings, clock=clock, document=CAPPED)
    async with open_service(settings, clock=clock) as service:
        first, second = await service.buy("60.00", id="p1"), await service.buy("60.00", id="p2")
        back = await give_back(service, "p1", "r1")
        third = await service.buy("80.00", id="p3")

        assert [points(first), points(second), back, points(third)] == [60, 40, -60, 60]
        steps = [(step["rule"], step["step"], step["points"]) for step in second.json()["explanation"]]
        assert steps == [("base", "rate", "60"), ("base", "rule_cap", "20")]
        used = await owner.fetchrow("SELECT counter, points, times FROM usage")
        assert tuple(used) == ("cap:rule:base:day", 100, 2)
        assert await verify.run(settings) == []


async def test_a_cap_over_all_members_is_theirs_together(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics A5, L15."""
    await publish(settings, clock=clock, document=SHARED)
    async with open_service(settings, clock=clock) as service:
        await service.enrol("1002")
        one, other = await service.buy("100.00", id="p1"), await service.buy("100.00", id="p2", card="1002")
        back = await give_back(service, "p1", "r1")
        preview = await service.send(purchase("100.00", id="p3", at=clock.now), path="/v1/events?dry_run=true")
        third = await service.buy("100.00", id="p3")

        assert [points(one), points(other), back, points(third)] == [100, 50, -100, 100]
        assert points(preview) == 100
        found = await owner.fetch("SELECT counter, points FROM shared_usage WHERE points <> 0")
        assert [tuple(row) for row in found] == [("all:rule:base:month", 150)]
        assert await verify.run(settings) == []
        await owner.execute("UPDATE shared_usage SET points = points - 1 WHERE points <> 0")
        assert len(await verify.run(settings)) == 1


async def test_two_services_at_once_never_give_more_than_the_program_has(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics A5: the counter is locked by whoever gives, also from another process."""
    await publish(settings, clock=clock, document=SHARED)
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as two:
        for card in range(2001, 2021):
            await one.enrol(str(card))
        sales = [
            service.buy("10.00", id=f"p{card}", card=str(card))
            for card, service in zip(range(2001, 2021), [one, two] * 10, strict=True)
        ]

        answers = await asyncio.gather(*sales)

        assert {answer.status_code for answer in answers} == {201}
        assert sum(map(points, answers)) == 150
        assert await owner.fetchval("SELECT sum(points) FROM shared_usage") == 150
        assert await verify.run(settings) == []


async def test_the_room_is_kept_with_the_event(settings: Settings, owner: asyncpg.Connection, clock: Clock) -> None:
    """Semantics E2: the context says what was left."""
    await publish(settings, clock=clock, document=CAPPED)
    async with open_service(settings, clock=clock) as service:
        await service.buy("60.00", id="p1")
        await service.buy("60.00", id="p2")

        contents = await owner.fetch("SELECT content FROM event WHERE kind = 'purchase' ORDER BY sequence")

        assert [b'"cap:rule:base:day":[100,null]' in row["content"] for row in contents] == [True, False]
        assert b'"cap:rule:base:day":[40,null]' in contents[1]["content"]


async def test_the_first_to_join_are_welcomed_and_that_is_proven(settings: Settings, clock: Clock) -> None:
    """Semantics A5, L15: a cap over all members on what joining gives is kept with the event, too."""
    welcome = "  - {id: welcome, on: enrolment, unit: points, fixed: 10, caps: [{times: 2, per: program}]}\n"
    await publish(settings, clock=clock, document=PLAIN + welcome)
    async with open_service(settings, clock=clock) as service:
        joined = [await service.enrol(card) for card in "123"]

        assert [(await service.units(one["id"])).get("points", {}).get("balance", 0) for one in joined] == [10, 10, 0]
        assert await verify.run(settings) == []
