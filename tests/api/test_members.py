"""Members over HTTP: found by a card, read, and placed on their ladder."""

from typing import Any

from app.settings import Settings
from tests.builders import LADDER, Clock, Service, open_service, publish

LOOKUP = "/v1/members/lookup"
NOBODY = "mem_01jcr8m4kdf0v8y5h3q2z7x9wb"


async def test_a_scanned_card_answers_everything_in_one_call(service: Service) -> None:
    member = await service.enrol("1001")
    await service.buy("12.50")

    answer = await service.send({"member": "card:1001", "include": ["balance", "tier"]}, path=LOOKUP)

    found = answer.json()
    assert answer.status_code == 200
    assert found["id"] == member["id"]
    assert found["balance"]["units"]["points"]["available"] == 12
    assert found["tier"] == {"member": member["id"], "tiers": []}


async def test_a_look_up_includes_nothing_unasked(service: Service) -> None:
    member = await service.enrol("1001")

    answer = await service.send({"member": member["id"]}, path=LOOKUP)

    assert answer.json() == member


async def test_a_body_that_names_nobody_is_a_problem_of_the_body(service: Service) -> None:
    for name in ("card:9999", NOBODY, "phone:+31201234567"):
        answer = await service.send({"member": name}, path=LOOKUP)

        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_member")


async def test_a_path_that_names_nobody_is_not_found(service: Service) -> None:
    for id in (NOBODY, "mem_x", NOBODY.replace("mem", "evt"), NOBODY.upper(), "1001", "%00", "%2e%2e", "mem_%C3%A9"):
        for what in ("", "/balance", "/statement", "/lots", "/tier"):
            answer = await service.client.get(f"/v1/members/{id}{what}")

            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (id, what)


async def test_a_redemption_of_an_unknown_member_is_refused(service: Service) -> None:
    by_card = await service.redeem(1, card="9999")
    by_id = await service.send(
        {"type": "redemption", "id": "r9", "member": NOBODY, "occurred_at": "2026-11-21T09:00:00Z", "points": 1}
    )

    assert [answer.json()["code"] for answer in (by_card, by_id)] == ["unknown_member"] * 2


async def test_a_tier_tells_what_is_missing_for_the_next(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol("1001")
        await service.buy("190.00")
        bronze = await _tier(service, member["id"])

        crossing = await service.buy("20.00")
        silver = await _tier(service, member["id"])
        after = await service.buy("20.00")

    assert (bronze["tier"], bronze["next_tier"], bronze["needed"], bronze["since"]) == ("bronze", "silver", 1000, None)
    assert (silver["tier"], silver["qualifying"], silver["needed"]) == ("silver", 21000, 29000)
    assert silver["since"] == "2026-11-21T09:00:00Z"
    assert crossing.json()["tier_changes"] == [{"ladder": "status", "before": "bronze", "tier": "silver"}]
    assert crossing.json()["entries"][0]["points"] == 20
    assert after.json()["entries"][0]["points"] == 25


async def test_a_tier_is_read_again_only_when_it_changed(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        path = f"/v1/members/{(await service.enrol('1001'))['id']}/tier"
        etag = (await service.client.get(path)).headers["ETag"]

        same = await service.client.get(path, headers={"If-None-Match": etag})
        await service.buy("20.00")
        changed = await service.client.get(path, headers={"If-None-Match": etag})

    assert (same.status_code, same.content) == (304, b"")
    assert (changed.status_code, changed.headers["ETag"] != etag) == (200, True)


ROLLING = LADDER.replace("spendable: false}", "spendable: false, expires: {after: P12M}}")
"""The ladder counts the money of the last twelve months."""


async def test_a_tier_shows_what_qualifies_at_the_instant_also_where_no_worker_runs(
    settings: Settings, clock: Clock
) -> None:
    await publish(settings, clock=clock, document=ROLLING)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol("1001")
        await service.buy("50.00")
        path = f"/v1/members/{member['id']}/tier"
        before = await service.client.get(path)
        clock.forward(days=400)

        after = await service.client.get(path, headers={"If-None-Match": before.headers["ETag"]})
        looked_up = await service.send({"member": "card:1001", "include": ["tier"]}, path=LOOKUP)

    assert before.json()["tiers"][0]["qualifying"] == 5000
    assert after.status_code == 200
    assert after.json()["tiers"][0]["qualifying"] == 0
    assert looked_up.json()["tier"]["tiers"][0]["qualifying"] == 0


async def test_a_tier_says_no_longer_than_it_is_right(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=ROLLING)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol("1001")
        await service.buy("50.00")
        lots = await service.client.get(f"/v1/members/{member['id']}/lots")
        ends = [lot["expires_at"] for lot in lots.json()["lots"] if lot["unit"] == "spent"]
        clock.now = clock.now.fromisoformat(ends[0])
        clock.forward(seconds=-2)

        answer = await service.client.get(f"/v1/members/{member['id']}/tier")

    assert answer.headers["Cache-Control"] in ("private, max-age=0", "private, max-age=1", "private, max-age=2")


async def _tier(service: Service, member: str) -> dict[str, Any]:
    answer = await service.client.get(f"/v1/members/{member}/tier")
    assert answer.status_code == 200
    (tier,) = answer.json()["tiers"]
    return dict(tier)
