"""Birthdays, anniversaries and days for all, by the worker (semantics K1, K2, K3)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.cli import verify
from app.domain import typeid
from app.queries.rulebook import Rulebook
from app.settings import Settings
from app.worker import scheduling, settling
from tests.builders import LADDER, PLAIN, Clock, Service, open_service, publish, purchase

GIFTS = (
    PLAIN
    + """  - {id: birthday, on: scheduled, schedules: [birthday], unit: points, fixed: 30}
  - {id: years, on: scheduled, schedules: [years], unit: points, fixed: 50}
  - {id: sinterklaas, on: scheduled, schedules: [sinterklaas], unit: points, fixed: 5}
schedules:
  - {id: birthday, yearly: birthday}
  - {id: years, yearly: anniversary}
  - {id: sinterklaas, on: 2026-12-05}
"""
)


async def born(service: Service, member: dict[str, Any], day: str | None) -> dict[str, Any]:
    """The member as they are, after they have told their birthday."""
    answer = await service.client.patch(f"/v1/members/{member['id']}", json={"birthday": day})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def tick(service: Service) -> int:
    """What the worker does by itself, once: arms the days that have begun, and settles what is due."""
    parts = service.app.state.parts
    rulebook = Rulebook(parts.engine, monotonic=lambda: 0.0)
    await scheduling.arm_once(parts.engine, rulebook, now=service.clock())
    return await settling.settle_once(parts.engine, parts.ledger, now=service.clock())


async def brought(owner: asyncpg.Connection) -> list[tuple[str, datetime]]:
    """What schedules brought: the beginning of the key, and when."""
    query = "SELECT key, effective_at FROM event WHERE kind = 'scheduled' ORDER BY effective_at, key"
    return [(row["key"].split(":")[1], row["effective_at"]) for row in await owner.fetch(query)]


def midnight(day: str) -> datetime:
    """The beginning of a winter's day in Amsterdam."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=1)


async def test_a_worker_that_was_away_brings_each_day_what_it_should_have_had(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics K2: for the instant it was due at, in order, once; also where it is called again."""
    await publish(settings, clock=clock, document=GIFTS)
    async with open_service(settings, clock=clock) as service:
        await service.enrol("1", birthday="1988-02-29")
        await service.enrol("2", birthday="1990-11-20")

        clock.forward(days=400)
        await tick(service)
        await tick(service)

        assert await brought(owner) == [
            ("sinterklaas", midnight("2026-12-05")),
            ("sinterklaas", midnight("2026-12-05")),
            ("birthday", midnight("2027-02-28")),
            ("birthday", midnight("2027-11-20")),
            ("years", midnight("2027-11-21")),
            ("years", midnight("2027-11-21")),
        ]
        assert await verify.run(settings) == []


CLUB = (
    PLAIN.replace(
        "rules:",
        "  credits: {name: Credits, spendable: false, pending: P14D, expires: {at_end_of: year}}\nrules:",
    )
    + """  - {id: credits, on: purchase, unit: credits, rate: {give: 1, per: "1.00"}}
  - {id: hello, on: scheduled, schedules: [hello], unit: points, fixed: 7}
  - {id: monthly, on: scheduled, schedules: [monthly], unit: points, fixed: 20, tiers: [silver]}
schedules:
  - {id: hello, after: enrolment, wait: P3D}
  - {id: monthly, after: tier, tier: silver, each: P1M}
tiers:
  - id: status
    unit: credits
    levels: [{id: bronze, name: Bronze, from: 0}, {id: silver, name: Silver, from: 100}]
"""
)


async def test_a_tier_that_the_clock_brought_is_followed_from_process_to_process(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics K3, M1: who joins by buying is welcomed; silver comes after 14 days, and then its gift each month."""
    await publish(settings, clock=clock, document=CLUB)
    async with open_service(settings, clock=clock) as service:
        assert (await service.buy("150.00")).status_code == 201
        for days in (4, 11, 30, 20):
            clock.forward(days=days)
            await tick(service)

        assert await brought(owner) == [
            ("hello", clock.now - timedelta(days=62)),
            ("monthly", clock.now - timedelta(days=20)),
        ]
        assert await verify.run(settings) == []


MISSED = LADDER.replace(
    "tiers:\n",
    """  - {id: we-miss-you, on: scheduled, schedules: [missed], unit: points, fixed: 25}
  - {id: hurray, on: scheduled, schedules: [hurray], unit: points, fixed: 5}
schedules:
  - {id: missed, after: purchase, wait: P10D}
  - {id: hurray, after: tier, tier: silver, wait: P3D}
tiers:
""",
)


async def test_one_sale_arms_one_schedule_and_moves_another_on(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics K3: a win-back that is due had a purchase since, and the sale that looks at it reaches silver."""
    await publish(settings, clock=clock, document=MISSED)
    async with open_service(settings, clock=clock) as service:
        await service.buy()
        clock.forward(days=5)
        await service.buy()
        clock.forward(days=6)
        reached = await service.buy("200.00")
        clock.forward(days=10)
        await tick(service)

        assert reached.status_code == 201, reached.text
        assert await brought(owner) == [("hurray", clock.now - timedelta(days=7)), ("missed", clock.now)]
        assert await verify.run(settings) == []


FALLING = (
    PLAIN.replace("{name: Points}", "{name: Points, expires: {after: P2D}}").replace(
        "rules:", "  credits: {name: Credits, spendable: false, expires: {after: P5D}}\nrules:"
    )
    + """  - {id: credits, on: purchase, unit: credits, rate: {give: 1, per: "1.00"}}
  - {id: chin-up, on: scheduled, schedules: [chin-up], unit: points, fixed: 2}
schedules:
  - {id: chin-up, after: tier, tier: bronze, wait: P1D}
tiers:
  - id: status
    unit: credits
    review: at_once
    levels: [{id: bronze, name: Bronze, from: 0}, {id: silver, name: Silver, from: 100}]
"""
)


async def test_a_late_sale_whose_points_have_ended_brings_nothing_of_a_tier(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics K3, T2, L15: what it gave had ended in both units before it came, so nobody rises or falls."""
    await publish(settings, clock=clock, document=FALLING)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        sold = clock.now + timedelta(days=1)
        clock.forward(days=21)

        late = await service.send(purchase("100.00", id="p1", at=sold))

        assert late.status_code == 201, late.text
        assert await brought(owner) == []
        assert await verify.run(settings) == []


async def test_a_birthday_whose_date_was_changed_lately_is_not_kept(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics K3: once a year, and not so soon after a change."""
    await publish(settings, clock=clock, document=GIFTS)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol("1", birthday="1990-07-01")
        assert (await born(service, member, "1990-12-05"))["birthday"] == "1990-12-05"
        clock.forward(days=15)
        await tick(service)
        assert [one for one in await brought(owner) if one[0] == "birthday"] == []

        await born(service, member, "1991-01-12")
        clock.forward(days=40)
        await tick(service)
        assert [one for one in await brought(owner) if one[0] == "birthday"] == [("birthday", midnight("2027-01-12"))]


async def test_the_first_birthday_that_is_told_is_kept_and_one_that_was_taken_away_comes_late(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics K3: somebody who joined by a card tells it in the app; telling it anew is a change."""
    await publish(settings, clock=clock, document=GIFTS)
    async with open_service(settings, clock=clock) as service:
        first, anew, same = [await service.enrol(card) for card in ("1", "2", "3")]
        for member in (first, anew, same):
            await born(service, member, "1990-12-01")
        assert (await born(service, anew, None))["birthday"] is None
        await born(service, anew, "1990-12-01")
        await born(service, same, "1990-12-01")

        clock.forward(days=14)
        await tick(service)

        kept = await owner.fetch("SELECT member_id FROM event WHERE key LIKE 'bday:%'")
        assert {typeid.encode(typeid.MEMBER, row["member_id"].bytes) for row in kept} == {first["id"], same["id"]}


async def test_a_birthday_that_moves_within_the_year_is_kept_once(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics K3."""
    await publish(settings, clock=clock, document=GIFTS)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol("1", birthday="1990-11-25")
        clock.forward(days=5)
        await tick(service)
        await born(service, member, "1990-12-30")

        clock.forward(days=40)
        await tick(service)

        assert [one for one in await brought(owner) if one[0] == "birthday"] == [("birthday", midnight("2026-11-25"))]


async def test_pages_of_members_are_armed_one_after_the_other(
    settings: Settings, owner: asyncpg.Connection, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Semantics K1: a day with more members than a page holds."""
    monkeypatch.setattr("app.operations.scheduling.PAGE", 2)
    await publish(settings, clock=clock, document=GIFTS)
    async with open_service(settings, clock=clock) as service:
        for card in "12345":
            await service.enrol(card)
        clock.forward(days=15)

        await tick(service)

        assert [name for name, _ in await brought(owner)] == ["sinterklaas"] * 5


async def test_a_win_back_survives_the_ledger(settings: Settings, owner: asyncpg.Connection, clock: Clock) -> None:
    """Semantics K3: its row moves on in the database, and is gone when it has brought what it should."""
    document = PLAIN + (
        "  - {id: back, on: scheduled, schedules: [missed], unit: points, fixed: 30}\n"
        "schedules: [{id: missed, after: purchase, wait: P60D}]\n"
    )
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        await service.buy("10.00")
        clock.forward(days=30)
        await service.buy("10.00")
        clock.forward(days=45)
        await tick(service)
        moved: Any = await owner.fetchrow("SELECT due_at, key FROM schedule")
        clock.forward(days=30)
        await tick(service)

        assert moved["due_at"] == datetime(2027, 2, 19, 9, tzinfo=UTC)
        assert await brought(owner) == [("missed", moved["due_at"])]
        assert await owner.fetch("SELECT key FROM schedule") == []
        assert await verify.run(settings) == []
