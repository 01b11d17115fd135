"""Points for a number that shops send, such as the kilometers of a ride (semantics A1, A2)."""

from typing import Any

from app.cli import verify
from app.program import reading
from app.settings import Settings
from tests.builders import PLAIN, Clock, at, open_service, publish

RIDES = (
    PLAIN
    + """  - {id: ride, on: activity, unit: points, rate: {give: 2, number: km}, activities: [ride]}
  - {id: by-car, on: purchase, unit: points, rate: {give: 1, number: km}}
attributes: {event: {km: number}}
"""
)


async def test_a_number_gives_points_on_activities_and_purchases_and_goes_with_the_goods(
    settings: Settings, clock: Clock
) -> None:
    """Semantics A2, R2, L15: it is kept with the event, so that its return and its proof see it again."""
    await publish(settings, clock=clock, document=RIDES)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        said: dict[str, Any] = {"member": "card:1001", "occurred_at": at(clock.now)}
        ride = {**said, "type": "activity", "id": "a1", "activity": "ride"}
        rode = await service.send({**ride, "attributes": {"km": "12.5"}})
        silent = await service.send({**ride, "id": "a2"})
        bought = await service.buy("10.00", id="p1", attributes={"km": 7})
        back = await service.send(
            {**said, "type": "return", "id": "r1", "purchase": "p1", "amount": "5.00", "currency": "EUR"}
        )

        assert [answer.status_code for answer in (rode, silent, bought, back)] == [201] * 4
        assert rode.json()["entries"][0]["points"] == 25
        assert silent.json()["entries"] == []
        assert silent.json()["explanation"][0]["step"] == "missing_attribute"
        assert bought.json()["entries"][0]["points"] == 17
        assert back.json()["entries"][0]["points"] == -9  # 5 and 3.5 of 8.5 are left, which is 8
        assert await verify.run(settings) == []


def test_a_number_that_is_not_declared_is_told_with_its_place() -> None:
    try:
        reading.read(RIDES.replace("number: km}, activities", "number: kilometers}, activities"))
        found = []
    except reading.MistakesInDocument as error:
        found = [(one.pointer, one.message) for one in error.mistakes]

    assert found == [("/rules/1/rate/number", "attributes.event declares no such number")]
