"""What the clock brings, over HTTP and with the worker: due long ago, due in the same batch, read before it is written.

Single cases beside the model's random ones, each a defect that was found (semantics L3, L4, L7, L10, K2, E7, T6).
"""

from datetime import timedelta

import asyncpg
import pytest

from app.program.reading import MistakesInDocument
from app.settings import Settings
from app.worker.settling import settle_once
from tests.builders import FRIENDS, PLAIN, Clock, Service, at, open_service, publish, purchase
from tests.database import assert_whole, count

SHORT_LIVED = PLAIN.replace("points: {name: Points}", "points: {name: Points, expires: {after: P7D}}")
SHORT_LIVED_FRIENDS = FRIENDS.replace("points: {name: Points}", "points: {name: Points, expires: {after: P7D}}")
ROLLING_LADDER = (
    PLAIN.replace(
        "rules:", "  spent: {name: Money spent, decimals: 2, spendable: false, expires: {after: P1M}}\nrules:"
    )
    + """  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: "200.00"}
"""
)


async def settled(service: Service) -> int:
    parts = service.app.state.parts
    return await settle_once(parts.engine, parts.ledger, now=service.clock())


async def test_a_sale_so_late_that_its_points_have_ended_is_recorded(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics L10: a lot may be born expired, also for a member whose lots nobody needed so far."""
    await publish(settings, clock=clock, document=SHORT_LIVED)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("5.00")).json()["member"]

        late = await service.send(purchase("12.00", id="late", at=clock() - timedelta(days=20)))

        assert late.status_code == 201, late.text
        assert late.json()["accounts"]["points"]["available"] == 5
        assert (await service.units(member))["points"]["available"] == 5
        assert await count(owner, "event", "kind = 'expiry'") == 1
    await assert_whole(owner)


async def test_an_older_piece_of_history_may_be_born_expired(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics E7, L10: sent after a newer one, and judged as if now were the latest so far."""
    await publish(settings, clock=clock, document=SHORT_LIVED)
    async with open_service(settings, clock=clock) as service:
        for n, days in enumerate((100, 300, 50)):
            when = clock() - timedelta(days=days)
            answer = await service.send(purchase("12.00", id=f"h{n}", at=when, history=True))
            assert answer.status_code == 201, answer.text

        points = (await service.units(answer.json()["member"]))["points"]
        assert points["balance"] == 0
        assert await settled(service) == 0, "history rests before the worker settles it"
        clock.forward(hours=1)
        assert await settled(service) == 1
        assert await count(owner, "message") == 0


async def test_a_bonus_that_fell_due_longer_ago_than_it_lives_is_settled(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics K2, L10: the worker was away for a year; the bonus is credited at its instant and has expired since.

    Each side's next command, or the worker, must get over it: nobody may be stuck for ever.
    """
    await publish(settings, clock=clock, document=SHORT_LIVED_FRIENDS)
    async with open_service(settings, clock=clock) as service:
        friend = await service.enrol("anna")
        clock.forward(days=30)
        await settled(service)
        await service.enrol("bram", referral_code=friend["referral_code"])
        await service.buy("60.00", card="bram")
        clock.forward(days=365)

        bought = await service.buy("5.00", card="anna")

        assert bought.status_code == 201, bought.text
        assert (await service.units(friend["id"]))["points"]["balance"] == 5
        await settled(service)
        assert await count(owner, "schedule") == 0
        assert await count(owner, "event", "kind = 'referral_bonus'") == 2
    await assert_whole(owner)


async def test_the_worker_settles_a_bonus_that_has_expired_since(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics K2: the same by the worker alone."""
    await publish(settings, clock=clock, document=SHORT_LIVED_FRIENDS)
    async with open_service(settings, clock=clock) as service:
        friend = await service.enrol("anna")
        clock.forward(days=30)
        await settled(service)
        await service.enrol("bram", referral_code=friend["referral_code"])
        await service.buy("60.00", card="bram")
        clock.forward(days=365)

        await settled(service)

        assert await count(owner, "schedule") == 0
        assert (await service.units(friend["id"]))["points"]["balance"] == 0
        assert await settled(service) == 0


async def test_a_tier_is_read_by_the_instant(settings: Settings, clock: Clock) -> None:
    """Semantics L4, T6: what has expired qualifies no more, whether or not the worker has written it down."""
    await publish(settings, clock=clock, document=ROLLING_LADDER)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("150.00")).json()["member"]
        path = f"/v1/members/{member}/tier"
        before = (await service.client.get(path)).json()["tiers"][0]
        clock.forward(days=60)

        after = (await service.client.get(path)).json()["tiers"][0]
        await settled(service)

        assert (before["qualifying"], before["needed"]) == (150_00, 50_00)
        assert (after["qualifying"], after["needed"]) == (0, 200_00)
        assert (await service.client.get(path)).json()["tiers"][0] == after


async def test_settling_what_is_not_due_writes_nothing(service: Service, owner: asyncpg.Connection) -> None:
    """Semantics L7: settling twice writes nothing, not even the same row again."""
    await service.buy("10.00")
    rows = "SELECT xmin::text FROM member UNION ALL SELECT xmin::text FROM account"
    before = await owner.fetch(rows)

    assert await settled(service) == 0

    assert await owner.fetch(rows) == before


async def test_a_replay_is_answered_after_its_time_is_over(service: Service, clock: Clock) -> None:
    """Semantics E1, E3: the limits are for what is new."""
    body = purchase("10.00")
    first = await service.send(body | {"not_after": at(clock() + timedelta(minutes=1))})
    clock.forward(days=365)

    again = await service.send(body | {"not_after": at(clock() - timedelta(days=365) + timedelta(minutes=1))})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


async def test_a_unit_with_points_stays_the_kind_of_unit_it_is(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Points that were a plain sum lie in no lot: made spendable, they would be lost, and could not be redeemed."""
    plain = PLAIN.replace("points: {name: Points}", "points: {name: Points, spendable: false}")
    await publish(settings, clock=clock, document=plain)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("5.00")).json()["member"]
        clock.forward(hours=1)

        with pytest.raises(MistakesInDocument, match="/units/points/spendable"):
            await publish(settings, clock=clock, document=PLAIN)
        with pytest.raises(MistakesInDocument, match="/units/points/decimals"):
            await publish(
                settings, clock=clock, document=plain.replace("{name: Points,", "{name: Points, decimals: 2,")
            )
        await publish(settings, clock=clock, document=plain.replace("name: Points", "name: Coffee points"))

        assert (await service.buy("7.00", id="after")).status_code == 201
        assert (await service.units(member))["points"]["balance"] == 12
    assert await count(owner, "rules") == 2
    await assert_whole(owner)
