"""First purchases and rewards over HTTP, and that the books prove them (semantics A10, A11)."""

import json

import asyncpg

from app.cli import verify
from app.settings import Settings
from tests.builders import PLAIN, Clock, at, open_service, publish

WITH_COFFEE = (
    PLAIN
    + """  - {id: first, on: purchase, unit: points, fixed: 50, visits: {number: [1]}}
  - {id: third, on: purchase, reward: coffee, visits: {every: 3, in: month}}
rewards:
  coffee: {name: A free coffee, valid: P30D}
"""
)


async def test_the_third_purchase_of_a_month_gives_a_coffee_and_its_return_takes_it(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics A10, A11, R2, L15: counted in the database, and proven from it."""
    await publish(settings, clock=clock, document=WITH_COFFEE)
    async with open_service(settings, clock=clock) as service:
        answers = [await service.buy("10.00", id=f"p{n}") for n in (1, 2, 3)]
        said = {"type": "return", "id": "r1", "member": "card:1001", "occurred_at": at(clock.now), "all": True}
        returned = await service.send({**said, "purchase": "p3"})
        again = await service.buy("10.00", id="p4")

        assert [answer.json()["entries"][0]["points"] for answer in (*answers, returned, again)] == [
            60,
            10,
            10,
            -10,
            10,
        ]
        found = await owner.fetch("SELECT type, body FROM message WHERE type LIKE 'reward.%' ORDER BY number")
        assert [row["type"] for row in found] == ["reward.issued", "reward.cancelled", "reward.issued"]
        assert json.loads(found[0]["body"])["data"]["valid_until"] == "2026-12-21"
        used = await owner.fetchrow("SELECT counter, times FROM usage")
        assert (used["counter"], used["times"]) == ("visits:month", 3)
        assert await verify.run(settings) == []


async def test_a_count_that_was_tampered_with_is_found(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics L15."""
    await publish(settings, clock=clock, document=WITH_COFFEE)
    async with open_service(settings, clock=clock) as service:
        await service.buy("10.00")
        await owner.execute("UPDATE usage SET times = 2")
        await owner.execute("UPDATE member SET purchases = 0")

        found = [finding.what for finding in await verify.run(settings)]

        assert found == [
            "what it has used of its limits and counts is not what its events lead to",
            "purchases is not what its events lead to",
        ]
