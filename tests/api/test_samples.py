"""Each sample program from draft to version over HTTP, and a few events that give what is worked out by hand."""

from typing import Any

import pytest

from app.cli import verify
from app.domain import money
from app.settings import Settings
from app.worker import settling
from tests.builders import Clock, Service, at, key_for, open_service
from tests.builders import publish as publish_first
from tests.domain.builders import cents
from tests.program.samples import PROGRAMS
from tests.program.test_samples import NAMES

DRAFT = "/v1/program/rules/draft"


class Till:
    """A shop's till at one member's: each answer comes down to what moved, by unit."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.member = ""

    async def buy(self, *lines: tuple[str, ...], key: str | None = None, **more: Any) -> dict[str, int]:
        """A purchase of lines: an amount, and categories; with `key` as another shop."""
        goods = [{"amount": amount, "categories": list(named)} for amount, *named in lines]
        return await self.sell(goods, key=key, **more)

    async def sell(self, goods: list[dict[str, Any]], *, key: str | None = None, **more: Any) -> dict[str, int]:
        total = money.decimal_text(sum(cents(one["amount"]) for one in goods), decimals=2)
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        body = {"type": "purchase", "member": "card:1001", "occurred_at": at(self.service.clock.now), "currency": "EUR"}
        said = {
            **body,
            "id": f"p{next(self.service.keys)}",
            "total": total,
            "lines": goods,
            **more,
        }
        return await self._moved(said, headers)

    async def tell(self, type: str, **said: Any) -> dict[str, int]:
        """Any other event."""
        body = {"type": type, "id": f"e{next(self.service.keys)}", "member": "card:1001"}
        return await self._moved({**body, "occurred_at": at(self.service.clock.now), **said}, {})

    async def balances(self) -> dict[str, int]:
        units = await self.service.units(self.member)
        return {code: one["balance"] for code, one in units.items() if one["balance"]}

    async def tier(self) -> str:
        answer = await self.service.client.get(f"/v1/members/{self.member}/tier")
        return str(answer.json()["tiers"][0]["tier"])

    async def _moved(self, body: dict[str, Any], headers: dict[str, str]) -> dict[str, int]:
        answer = await self.service.send(body, headers=headers)
        assert answer.status_code == 201, answer.text
        self.member = answer.json()["member"]
        return {entry["unit"]: entry["points"] for entry in answer.json()["entries"]}


async def koffiehuis(till: Till, settings: Settings) -> None:
    # Coffee 2 × 4.25 and cake 4.00: 12.5, and 5 for the cake: 17.5, rounded down. 12.50 count towards a tier.
    coffee = {"amount": "8.50", "quantity": "2", "categories": ["coffee"]}
    cake = {"amount": "4.00", "categories": ["cake"]}
    assert await till.sell([coffee, cake]) == {"points": 17, "spent": 1250}
    # 12.50 + 190.00 = 202.50: silver from the next purchase on, × 1.25.
    assert await till.buy(("190.00",), id="big") == {"points": 190, "spent": 19_000}
    assert await till.tier() == "silver"
    assert await till.buy(("20.00",)) == {"points": 25, "spent": 2000}
    assert await till.tell("activity", activity="survey") == {"points": 20}
    # 50 for joining: 50 + 17 + 190 + 25 + 20 = 302. The big one comes back, and silver with it: 32.50 are left.
    assert await till.balances() == {"points": 302, "spent": 22_250}
    assert await till.tell("return", purchase="big", all=True) == {"points": -190, "spent": -19_000}
    assert await till.tier() == "bronze"


async def app_and_shop(till: Till, settings: Settings) -> None:
    order = (("8.00", "meal"), ("8.00", "meal"), ("8.90", "meal"), ("3.95", "delivery"))
    # 24.90 without the delivery: 24; in the app × 1.5 = 37.35, and 100 for the first: 137; then 37.
    assert await till.buy(*order, channel="pos") == {"points": 24}
    assert await till.buy(*order, channel="app", id="first") == {"points": 137}
    assert await till.buy(*order, channel="app") == {"points": 37}
    # 16.90 are left of the first: 25.35 + 100 = 125, so 12 less.
    assert await till.tell("return", purchase="first", lines=[{"id": "1"}]) == {"points": -12}
    assert await till.balances() == {"points": 24 + 137 + 37 - 12}


async def stars_and_stamps(till: Till, settings: Settings) -> None:
    cups = {"amount": "9.00", "quantity": "3", "categories": ["coffee"]}
    for _ in range(3):
        assert (await till.sell([cups]))["stamps"] == 3
    # 27.00: two stars. Nine stamps: seven are handed in for a coffee.
    assert await till.balances() == {"spent": 2700, "stars": 2, "stamps": 2}


async def rides(till: Till, settings: Settings) -> None:
    # 20.00 × 1 + 20.50 × 2 + 20.50 × 3 = 122.5, rounded down; a tip earns nothing.
    ride = (("20.00", "shared"), ("20.50", "standard"), ("20.50", "premium"), ("5.00", "tip"))
    assert await till.buy(*ride) == {"points": 122}
    # 1800 more are 1922: three times 500, so 3 × 5.00 to ride with; gold from 500.
    assert await till.buy(("600.00", "premium")) == {"points": 1800}
    assert await till.balances() == {"points": 1922, "credit": 1500}
    assert await till.tier() == "gold"


async def airline(till: Till, settings: Settings) -> None:
    hotels = await key_for(settings, shop="hotels")
    economy = {"amount": "600.00", "tax": "100.00", "categories": ["flight", "long-haul"]}
    business = {"amount": "1000.00", "tax": "200.00", "categories": ["flight", "long-haul", "business"]}
    # 500.00 × 5; 800.00 × 5 × 1.5; and as silver, from 60 credits on, 800.00 × 5 × (1 + 0.5 + 0.25).
    assert await till.sell([economy]) == {"miles": 2500, "credits": 30}
    assert await till.sell([business]) == {"miles": 6000, "credits": 60}
    assert await till.sell([business]) == {"miles": 7000, "credits": 60}
    assert await till.tier() == "gold"
    # A partner: 200.00 × 2.
    assert await till.buy(("200.00", "flight"), key=hotels) == {"miles": 400}
    assert await till.balances() == {"miles": 2500 + 6000 + 7000 + 400, "credits": 150}


async def grocer(till: Till, settings: Settings) -> None:
    basket: list[dict[str, Any]] = [
        {"amount": "26.00", "categories": ["bread"]},
        {"amount": "13.45", "quantity": "1.345", "categories": ["cheese"]},
        {"amount": "9.00", "categories": ["tobacco"]},
        {"amount": "2.00", "quantity": "10", "sku": "SAVING-STAMP"},
    ]
    # 39.45: three tens; 1.345 kg: two half kilos; ten bought. 3 + 2 + 10 = 15, twice: a pan, and nothing left.
    assert await till.sell(basket) == {"stamps": 15}
    assert await till.balances() == {"stamps": 15}
    assert await till.sell(basket, id="second") == {"stamps": 15}
    assert await till.balances() == {}
    # The tobacco changes nothing; the bought ones open the card again: 30 - 10 = 20.
    assert await till.tell("return", purchase="second", lines=[{"id": "3"}]) == {}
    assert await till.tell("return", purchase="second", lines=[{"id": "4"}]) == {"stamps": -10}
    assert await till.balances() == {"stamps": 20}


async def free_and_plus(till: Till, settings: Settings) -> None:
    plan: dict[str, Any] = {"amount": "39.00", "sku": "PLUS-YEAR"}
    # 24.95 × 0.02 = 0.499; 10.00 × 0.02, the plan counts from the next on; then 24.95 × 0.04 = 0.998.
    assert await till.buy(("24.95",)) == {"credit": 49}
    assert await till.sell([plan, {"amount": "10.00"}]) == {"credit": 20}
    assert await till.buy(("24.95",)) == {"credit": 99}
    # 15.00 of 20.00 × 0.04: what is paid with credit gives none.
    paid = [{"kind": "credit", "amount": "5.00"}, {"kind": "card", "amount": "15.00"}]
    assert await till.buy(("20.00",), payments=paid) == {"credit": 60}
    # A month later the gift of 2.50: 0.49 + 0.20 + 0.99 + 0.60 + 2.50.
    till.service.clock.forward(days=31)
    parts = till.service.app.state.parts
    await settling.settle_once(parts.engine, parts.ledger, now=till.service.clock())
    assert await till.balances() == {"credit": 478}
    assert await till.tier() == "plus"


STORIES = {
    "airline": airline,
    "app-and-shop": app_and_shop,
    "free-and-plus": free_and_plus,
    "grocer": grocer,
    "koffiehuis": koffiehuis,
    "rides": rides,
    "stars-and-stamps": stars_and_stamps,
}


def test_each_sample_has_a_story() -> None:
    assert sorted(STORIES) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_a_sample_is_published_and_gives_what_it_says(name: str, settings: Settings, clock: Clock) -> None:
    """Semantics A1 to A10, over HTTP and from what is stored: checked, published, used, proven."""
    await publish_first(settings, clock=clock)
    for partner in ("airline", "hotels", "car-rental") if name == "airline" else ():
        await key_for(settings, shop=partner)
    async with open_service(settings, clock=clock, shop="airline" if name == "airline" else "till") as service:
        saved = await service.client.put(
            DRAFT,
            content=(PROGRAMS / f"{name}.yaml").read_bytes(),
            headers={"Content-Type": "application/yaml", "If-None-Match": "*"},
        )
        checked = await service.client.post(f"{DRAFT}/check")
        published = await service.send({}, path=f"{DRAFT}/publish", headers={"If-Match": saved.headers["ETag"]})
        assert (checked.json()["mistakes"], published.status_code) == ([], 201), published.text

        clock.forward(minutes=1)
        await service.enrol()
        await STORIES[name](Till(service), settings)

        assert await verify.run(settings) == []
