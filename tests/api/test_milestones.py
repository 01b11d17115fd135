"""Stamp cards and stars over HTTP, and that the books prove them (semantics A9)."""

import asyncpg
import httpx

from app.cli import verify
from app.settings import Settings
from tests.builders import PLAIN, Clock, Service, at, open_service, publish

CARDS = (
    PLAIN.replace("rules:", "  stamps: {name: Stamps}\n  stars: {name: Stars}\nrules:")
    + """  - {id: stamp, on: purchase, unit: stamps, per_item: 1, include: {categories: [coffee]}}
milestones:
  - {id: card, unit: stamps, every: 7, consume: true, give: {reward: coffee}}
  - {id: star, unit: points, every: 10, give: {unit: stars, points: 1}}
rewards:
  coffee: {name: A free coffee}
"""
)
COFFEE = {"quantity": "1", "amount": "2.50", "categories": ["coffee"]}


async def test_a_card_fills_is_handed_in_and_opens_again(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics A9, L15: over several requests, and proven from what is stored."""
    await publish(settings, clock=clock, document=CARDS)
    async with open_service(settings, clock=clock) as service:
        for n in range(1, 7):
            await service.buy("2.50", id=f"p{n}", lines=[COFFEE])
        seventh = await service.buy("2.50", id="p7", lines=[COFFEE])
        member = seventh.json()["member"]
        full = await service.units(member)
        said = {"type": "return", "id": "r1", "member": "card:1001", "occurred_at": at(clock.now), "all": True}
        assert (await service.send({**said, "purchase": "p7"})).status_code == 201
        opened = await service.units(member)
        await service.buy("2.50", id="p8", lines=[COFFEE])
        again = await service.units(member)

        assert [full[unit]["balance"] for unit in ("stamps", "stars")] == [0, 1]
        assert [opened[unit]["balance"] for unit in ("stamps", "stars")] == [6, 1]
        assert [again[unit]["balance"] for unit in ("stamps", "stars")] == [0, 1]
        told = await owner.fetch("SELECT type FROM message WHERE type LIKE 'reward.%' ORDER BY number")
        assert [row["type"] for row in told] == ["reward.issued", "reward.cancelled", "reward.issued"]
        assert await verify.run(settings) == []


async def test_one_batch_gives_what_single_events_give(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics E4, A9: a card that fills and opens again within one batch."""
    await publish(settings, clock=clock, document=CARDS)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        sale = {"type": "purchase", "member": "card:1001", "occurred_at": at(clock.now), "currency": "EUR"}
        sales = [{**sale, "id": f"p{n}", "total": "2.50", "lines": [COFFEE]} for n in range(8)]
        back = {"type": "return", "id": "r1", "member": "card:1001", "occurred_at": at(clock.now), "all": True}

        answer = await service.send({"events": [*sales, {**back, "purchase": "p0"}]}, path="/v1/events/batch")

        assert {one["outcome"] for one in answer.json()["results"]} == {"created"}
        kinds = await owner.fetch("SELECT kind FROM event WHERE kind LIKE 'milestone%' ORDER BY sequence")
        assert [row["kind"] for row in kinds] == ["milestone", "milestone"]  # the star, and the card that stays full
        assert await verify.run(settings) == []


async def test_goods_without_their_purchase_cost_the_milestones_they_were_given_for(
    settings: Settings, clock: Clock
) -> None:
    """Semantics A9, R7: what the database holds of them is read for such a return too."""
    document = CARDS + "returns: {without_purchase: allow}\n"
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("20.00")).json()["member"]
        said = {"type": "return", "id": "r1", "member": "card:1001", "occurred_at": at(clock.now), "currency": "EUR"}

        assert (await service.send({**said, "amount": "5.00"})).status_code == 201

        found = await service.units(member)
        assert [found[unit]["balance"] for unit in ("points", "stars")] == [15, 1]
        assert await verify.run(settings) == []


CLUB = (
    PLAIN.replace("rules:", "  spent: {name: Money spent, decimals: 2, spendable: false}\nrules:")
    + """  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
  - {id: regulars, on: purchase, unit: points, fixed: 5, tags: [regular]}
milestones:
  - {id: club, unit: spent, at: ["100.00"], give: {tier: {tier: plus, for: P1M}}}
  - {id: regular, unit: spent, every: "50.00", in: month, give: {tag: {name: regular, for: P30D}}}
tiers:
  - id: club
    levels: [{id: free, name: Free}, {id: plus, name: Plus}]
"""
)


async def test_tags_and_tiers_of_totals_come_and_go(settings: Settings, clock: Clock) -> None:
    """Semantics A9, T7: over several requests, proven from what is stored."""
    await publish(settings, clock=clock, document=CLUB)
    async with open_service(settings, clock=clock) as service:
        await service.buy("60.00", id="p1")
        reached = await service.buy("60.00", id="p2")
        member = reached.json()["member"]
        said = {"type": "return", "id": "r1", "member": "card:1001", "occurred_at": at(clock.now), "all": True}

        given = await _held(service, member)
        regular = await service.buy("1.00", id="p3")
        assert (await service.send({**said, "purchase": "p2"})).status_code == 201
        left = await _held(service, member)
        clock.forward(days=31)
        again = await service.buy("10.00", id="p4")

        assert given == (["regular"], "plus")
        assert left == (["regular"], "free")
        assert [_points(one) for one in (reached, regular, again)] == [65, 6, 10]  # the tag has ended in the last
        assert await verify.run(settings) == []


async def _held(service: Service, member: str) -> tuple[list[str], str]:
    """The tags of a member, and their tier."""
    person = (await service.client.get(f"/v1/members/{member}")).json()
    tier = (await service.client.get(f"/v1/members/{member}/tier")).json()
    return sorted(person["tags"]), tier["tiers"][0]["tier"]


def _points(answer: httpx.Response) -> int:
    return sum(entry["points"] for entry in answer.json()["entries"] if entry["unit"] == "points")
