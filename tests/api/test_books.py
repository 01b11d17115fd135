"""The books over HTTP: what is given back of what was owed has not been issued (semantics L15, R4, L9)."""

from collections.abc import AsyncIterator

import pytest

from app.domain.books import Moved
from app.settings import Settings
from tests.api.test_holds import account, held, paid_by
from tests.api.test_reports import trial
from tests.api.test_returns import books, cancelled, proven, returned
from tests.builders import PLAIN, Clock, Service, open_service, publish

OWING = PLAIN + "holds: {uncaptured: allow_deficit}\nredemptions: {offline_allowance: {points: 100}}\n"


@pytest.fixture
async def owing(settings: Settings, clock: Clock, anyio_backend: str) -> AsyncIterator[Service]:
    """A member who owes 70: a purchase took the 80 of a hold that had lapsed, and had only the 10 that it gave."""
    await publish(settings, clock=clock, document=OWING)
    async with open_service(settings, clock=clock) as service:
        await service.buy("100.00", id="p1")
        await service.send(held(80))
        clock.forward(minutes=16)
        await service.redeem(100)
        await service.buy("15.00", id="p2", payments=paid_by("h1"))
        assert await account(service) == (-70, 0, 0, 70)
        yield service


async def moved(service: Service) -> Moved:
    """What went which way, by the proof and by the report alike."""
    assert await proven(service) == []
    (found,) = await books(service)
    told = (await trial(service))["units"]["points"]
    assert Moved(**{way: told[way] for way in ("issued", "redeemed", "expired", "reversed")}) == found.moved
    assert found.balanced
    return found.moved


async def test_a_return_that_only_lessens_what_is_owed_has_redeemed_less(owing: Service) -> None:
    """Semantics R4, L15: a tenth of 80 comes back, all of it owed; and 1 of 10 is taken, which is owed."""
    back = await owing.send(returned("p2", amount="1.50", currency="EUR"))

    assert [entry["points"] for entry in back.json()["entries"]] == [8, -1]
    assert back.json()["entries"][0]["draws"] == [{"sequence": 0, "position": 0, "points": -8}]
    assert await account(owing) == (-63, 0, 0, 63)
    assert await moved(owing) == Moved(issued=110, redeemed=172, reversed=1)


async def test_a_return_of_all_has_redeemed_nothing_of_it(owing: Service) -> None:
    """Semantics R4: 70 that were owed, and 10 into the lot that they came from."""
    await owing.send(returned("p2"))

    assert await account(owing) == (0, 0, 0, 0)
    assert await moved(owing) == Moved(issued=110, redeemed=100, reversed=10)


async def test_what_was_owed_and_is_paid_comes_back_as_redeemed_less(owing: Service) -> None:
    """Semantics L8, L9: as points of that day, which nobody has earned."""
    await owing.buy("100.00", id="p3")
    assert await account(owing) == (30, 30, 0, 0)

    await owing.send(returned("p2"))

    assert await account(owing) == (100, 100, 0, 0)
    assert await moved(owing) == Moved(issued=210, redeemed=100, reversed=10)


async def test_an_offline_redemption_that_was_paid_since_comes_back_as_redeemed_less(owing: Service) -> None:
    """Semantics L6, L8: the same by a cancellation."""
    await owing.redeem(20, id="r2", offline=True)
    await owing.buy("100.00", id="p3")
    assert await account(owing) == (10, 10, 0, 0)

    await owing.send(cancelled("r2"))

    assert await account(owing) == (30, 30, 0, 0)
    assert await moved(owing) == Moved(issued=210, redeemed=180)


async def test_what_comes_back_of_it_is_no_step_to_a_milestone(settings: Settings, clock: Clock) -> None:
    """Semantics A9: what events gave, and redemptions are no part of it."""
    milestone = "milestones:\n  - {id: hundred, unit: points, every: 117, give: {unit: points, points: 5}}\n"
    await publish(settings, clock=clock, document=OWING + milestone)
    async with open_service(settings, clock=clock) as service:
        await service.buy("100.00", id="p1")
        await service.send(held(80))
        clock.forward(minutes=16)
        await service.redeem(100)
        await service.buy("15.00", id="p2", payments=paid_by("h1"))

        await service.send(returned("p2", amount="1.50", currency="EUR"))

        assert await account(service) == (-63, 0, 0, 63)
        assert await proven(service) == []
