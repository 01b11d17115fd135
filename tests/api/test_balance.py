"""A balance is right by the instant, whether or not a worker runs, and says no longer than that."""

import asyncio
import re
from datetime import datetime, timedelta

import asyncpg
import pytest

from app.settings import Settings
from tests.builders import EXPIRING, Clock, Service, open_service, publish
from tests.database import count, picture

LAST_DAY_OVER = datetime.fromisoformat("2027-11-22T00:00:00+01:00")
"""Points of 21 November 2026 live twelve months, to the end of that day in Amsterdam."""


def max_age(control: str) -> int:
    """The seconds for which an answer may be kept."""
    found = re.fullmatch(r"private, max-age=(\d+)", control)
    assert found is not None, control
    return int(found[1])


async def test_a_new_member_has_nothing_of_every_unit(service: Service) -> None:
    member = await service.enrol()

    units = await service.units(member["id"])

    assert units == {
        "points": {
            "balance": 0,
            "available": 0,
            "pending": 0,
            "held": 0,
            "deficit": 0,
            "decimals": 0,
            "name": "Points",
            "spendable": True,
            "expiring": [],
        }
    }


async def test_a_balance_follows_what_is_earned_and_spent(service: Service) -> None:
    member = await service.enrol()

    await service.buy("80.00")
    await service.redeem(30)

    points = (await service.units(member["id"]))["points"]
    assert (points["balance"], points["available"]) == (50, 50)


async def test_the_same_balance_is_not_sent_twice(service: Service) -> None:
    member = await service.enrol()
    path = f"/v1/members/{member['id']}/balance"
    first = await service.client.get(path)

    same = await service.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    weak = await service.client.get(path, headers={"If-None-Match": f'"x", W/{first.headers["ETag"]}'})
    other = await service.client.get(path, headers={"If-None-Match": '"x"'})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert weak.status_code == 304
    assert (other.status_code, other.json()) == (200, first.json())


async def test_an_event_changes_the_etag(service: Service) -> None:
    member = await service.enrol()
    path = f"/v1/members/{member['id']}/balance"
    first = await service.client.get(path)

    await service.buy()
    second = await service.client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (second.status_code, second.json()["units"]["points"]["available"]) == (200, 10)


@pytest.mark.parametrize(
    ("before_the_end", "most"),
    [(3600.0, 5), (5.0, 5), (4.999, 4), (1.0, 1), (0.9, 0), (0.000001, 0)],
)
async def test_a_balance_is_never_fresh_beyond_the_next_expiry(
    settings: Settings, clock: Clock, before_the_end: float, most: int
) -> None:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol()
        await service.buy("10.00")
        clock.now = LAST_DAY_OVER - timedelta(seconds=before_the_end)

        answer = await service.client.get(f"/v1/members/{member['id']}/balance")

    assert answer.json()["units"]["points"]["available"] == 10
    assert max_age(answer.headers["Cache-Control"]) <= most


async def test_points_end_at_their_instant_though_no_worker_runs(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol()
        await service.buy("10.00")
        path = f"/v1/members/{member['id']}/balance"
        clock.now = LAST_DAY_OVER - timedelta(microseconds=1)
        last = await service.client.get(path)
        written = await picture(owner)

        clock.now = LAST_DAY_OVER
        over = await service.client.get(path, headers={"If-None-Match": last.headers["ETag"]})

    points = last.json()["units"]["points"]
    assert (points["available"], points["balance"]) == (10, 10)
    assert points["expiring"] == [{"points": 10, "expires_at": "2027-11-21T23:00:00Z", "valid_until": "2027-11-21"}]
    assert over.status_code == 200
    assert over.json()["units"]["points"] | {"name": ""} == points | {
        "name": "",
        "balance": 0,
        "available": 0,
        "expiring": [],
    }
    assert await picture(owner) == written
    assert await count(owner, "event", "kind = 'expiry'") == 0


async def test_what_has_ended_cannot_be_spent_though_no_worker_runs(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        await service.buy("10.00")
        clock.now = LAST_DAY_OVER - timedelta(days=1)
        await service.buy("3.00")
        clock.now = LAST_DAY_OVER

        too_much = await service.redeem(4, id="r1")
        enough = await service.redeem(3, id="r1")

    problem = too_much.json()
    assert (too_much.status_code, problem["code"]) == (409, "insufficient_points")
    assert (problem["asked"], problem["available"], problem["missing"]) == (4, 3, 1)
    assert enough.status_code == 201
    assert await count(owner, "event", "kind = 'expiry'") == 1


async def test_the_next_twelve_instants_of_expiry_are_told_with_their_last_day(
    settings: Settings, clock: Clock
) -> None:
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol()
        for _ in range(14):
            await service.buy("2.00")
            await service.buy("3.00")
            clock.forward(days=1)

        points = (await service.units(member["id"]))["points"]

    assert (points["available"], len(points["expiring"])) == (70, 12)
    assert [row["points"] for row in points["expiring"]] == [5] * 12
    assert points["expiring"][0]["valid_until"] == "2027-11-21"
    assert points["expiring"][-1]["valid_until"] == "2027-12-02"


async def test_many_reads_at_once_each_get_their_own_member(service: Service) -> None:
    members = [await service.enrol(str(number)) for number in range(1, 9)]
    for number in range(1, 9):
        await service.buy(f"{number}.00", card=str(number))

    units = await asyncio.gather(*[service.units(member["id"]) for member in members * 4])

    assert [found["points"]["available"] for found in units] == [1, 2, 3, 4, 5, 6, 7, 8] * 4
