"""The end of points told ahead, over HTTP and by the worker (semantics L16, K1, K2)."""

import json

import asyncpg
import pytest

from app.cli import verify
from app.settings import Settings
from app.worker import settling
from tests.builders import PLAIN, Clock, open_service, publish

YEAR = "points: {name: Points, expires: {after: P12M}, expiring_notice: P14D}"
TOGETHER = "points: {name: Points, expires: {inactive: P12M}, expiring_notice: P14D}"


@pytest.mark.parametrize("unit", [YEAR, TOGETHER])
async def test_the_worker_tells_an_end_once(
    settings: Settings, owner: asyncpg.Connection, clock: Clock, unit: str
) -> None:
    """Semantics L16, K1, K2: at its own instant, also when the worker was away until the points had ended."""
    await publish(settings, clock=clock, document=PLAIN.replace("points: {name: Points}", unit))
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        for card in ("1", "2", "3"):
            await service.buy("100.00", card=card)
        await service.redeem(100, card="2")
        clock.forward(days=350)
        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 0
        clock.forward(days=2)
        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 2
        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 0

        found = await owner.fetch("SELECT body FROM message WHERE type = 'points.expiring'")
        told = [json.loads(row["body"])["data"] for row in found]
        assert [one["effective_at"] for one in told] == ["2027-11-07T23:00:00Z"] * 2
        assert {(one["points"]["points"], one["valid_until"]) for one in told} == {(100, "2027-11-21")}
        assert await verify.run(settings) == []


async def test_a_year_without_a_worker_is_caught_up_in_order(settings: Settings, clock: Clock) -> None:
    """Semantics K2: told first and ended then, each at its own instant, and before what comes after."""
    await publish(settings, clock=clock, document=PLAIN.replace("points: {name: Points}", TOGETHER))
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = (await service.buy("100.00")).json()["member"]
        clock.forward(days=800)
        await settling.settle_once(parts.engine, parts.ledger, now=clock())

        page = (await service.client.get(f"/v1/members/{member}/statement")).json()
        assert [(event["type"], event["effective_at"]) for event in page["events"][:2]] == [
            ("expiry", "2027-11-21T23:00:00Z"),
            ("expiry_notice", "2027-11-07T23:00:00Z"),
        ]
        assert await verify.run(settings) == []


BOTH = """
  points: {name: Points, expires: {after: P2M}, expiring_notice: P14D}
  visits: {name: Visits, expires: {inactive: P1M, events: [purchase]}, expiring_notice: P7D}
""".strip()


async def test_whichever_lots_are_loaded_the_books_replay(settings: Settings, clock: Clock) -> None:
    """Semantics L15: a purchase looks at no lots, a replay at all of them, and both say when the next end is told.

    Also where other rules say so many days more.
    """
    document = PLAIN.replace("points: {name: Points}", BOTH)
    document = document.replace("rules:\n", "rules:\n  - {id: visit, on: purchase, fixed: 1, unit: visits}\n")
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        for step in range(40):
            if step == 20:
                await publish(settings, clock=clock, document=document.replace("P14D", "P30D"))
            clock.forward(days=(step * 7) % 11, hours=step % 5)
            assert (await service.buy("20.00", card=str(step % 2))).status_code == 201
            if step % 3 == 0:
                await service.redeem(15, unit="points", card=str(step % 2))
            if step % 7 == 0:
                await settling.settle_once(parts.engine, parts.ledger, now=clock())
        clock.forward(days=100)
        await settling.settle_once(parts.engine, parts.ledger, now=clock())

        assert await settling.settle_once(parts.engine, parts.ledger, now=clock()) == 0
        assert await verify.run(settings) == []
