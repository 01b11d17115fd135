"""The draft tried on what really happened: nothing is written, and what did not change comes out the same."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.settings import Settings
from app.worker import settling
from tests.api.test_rules import DRAFT, save
from tests.builders import LADDER, PLAIN, START, Clock, Service, at, open_service, publish, purchase
from tests.database import picture

BACKTEST = "/v1/program/rules/backtest"
PRICED = LADDER.replace("{name: Points}", '{name: Points, cost_per_point: "0.01", expires: {after: P30D}}') + (
    "referrals:\n  referrer: {unit: points, points: 100}\n"
)
LOOSE = PRICED.replace("give: 1,", "give: 2,").replace('"200.00"', '"50.00"').replace("points: 100", "points: 40")


async def tried(service: Service, text: str, **body: Any) -> dict[str, Any]:
    """The report on a text as the draft."""
    known = await service.client.get(DRAFT)
    await save(service, text, etag=known.headers["ETag"] if known.status_code == 200 else None)
    answer = await service.send({"from": at(START), **body}, path=BACKTEST)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert all("progress" in line for line in lines[:-1])
    assert "report" in lines[-1], lines[-1]
    return dict(lines[-1]["report"])


async def busy_shop(service: Service, clock: Clock) -> dict[str, str]:
    """Two friends and a stranger who buy, spend, return and let expire; their ids by card."""
    ada = await service.enrol("ada")
    code = (await service.client.get(f"/v1/members/{ada['id']}")).json()["referral_code"]
    bob = await service.enrol("bob", referral_code=code)
    await service.buy("60.00", card="ada", id="a1")
    await service.buy("30.00", card="bob", id="b1")
    await service.buy("19.99", card="cyd", id="c1")
    clock.forward(days=1)
    await service.buy("10.00", card="ada", id="a2")
    await service.redeem(20, card="bob", id="r1")
    back = {"type": "return", "id": "x1", "member": "card:cyd", "purchase": "c1", "all": True}
    await service.send({**back, "occurred_at": at(clock.now)})
    hold = {"type": "hold", "id": "h1", "member": "card:ada", "occurred_at": at(clock.now), "points": 5}
    await service.send(hold)
    await service.send(
        {"type": "capture", "id": "k1", "member": "card:ada", "hold": "h1", "occurred_at": at(clock.now)}
    )
    clock.forward(days=40)
    await service.buy("5.00", card="ada", id="a3")
    parts = service.app.state.parts
    await settling.settle_once(parts.engine, parts.ledger, now=clock.now)
    cyd = (await service.client.get("/v1/events?source=till&id=c1")).json()["events"][0]["member"]
    return {"ada": ada["id"], "bob": bob["id"], "cyd": cyd}


@pytest.fixture
async def shop(settings: Settings, clock: Clock) -> Any:
    await publish(settings, clock=clock, document=PRICED)
    async with open_service(settings, clock=clock) as service:
        yield service


FALLING = """
zegel: 1
name: Coffee
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points}
  credits: {name: Credits, spendable: false, expires: {at_end_of: month}}
rules:
  - {id: credits, on: purchase, unit: credits, rate: {give: 1, per: "1.00"}}
  - {id: chin-up, on: scheduled, schedules: [chin-up], unit: points, fixed: 2}
schedules:
  - {id: chin-up, after: tier, tier: bronze, wait: P1D}
tiers:
  - id: status
    unit: credits
    review: {at_end_of: month}
    levels: [{id: bronze, name: Bronze, from: 0}, {id: silver, name: Silver, from: 100}]
"""


async def test_what_follows_on_a_tier_that_the_clock_took_is_tried_as_it_came(settings: Settings, clock: Clock) -> None:
    """Semantics K3: silver ends with December; the trial counts the falls as the ledger did."""
    await publish(settings, clock=clock, document=FALLING)
    async with open_service(settings, clock=clock) as service:
        await service.buy("100.00")
        clock.forward(days=60)
        parts = service.app.state.parts
        await settling.settle_once(parts.engine, parts.ledger, now=clock.now)

        report = await tried(service, FALLING)

        (rule,) = (rule for rule in report["rules"] if rule["rule"] == "chin-up")
        assert (rule["before"], rule["after"]) == ("2", "2")
        assert all(unit["before"] == unit["after"] for unit in report["units"].values())


async def test_the_rules_that_judged_give_what_they_gave(
    shop: Service, clock: Clock, owner: asyncpg.Connection
) -> None:
    await busy_shop(shop, clock)
    clock.forward(minutes=1)
    await save(shop, PRICED)
    before = await picture(owner)

    answer = await shop.send({"from": at(START)}, path=BACKTEST)

    report = json.loads(answer.text.splitlines()[-1])["report"]
    assert await picture(owner) == before, "nothing is written"
    for unit in report["units"].values():
        assert unit["before"] == unit["after"]
    assert all(rule["before"] == rule["after"] for rule in report["rules"])
    assert all(tier["before"] == tier["after"] for tier in report["tiers"])
    assert (report["refused"], report["members"]) == ([], 3)
    assert report["units"]["points"]["before"] == {
        "issued": 60 + 30 + 19 + 10 + 5 + 100, "redeemed": 20 + 5, "reversed": 19,
        "expired": 65 + 10 + 100, "cost": "2.05", "currency": "EUR",
    }  # fmt: skip


async def test_a_draft_is_told_by_rule_unit_tier_cost_and_member(shop: Service, clock: Clock) -> None:
    """Ada: 60.00 at 2 gives 120 and silver at once, so 10.00 and 5.00 give 20 × 1.25 = 25 and 10 × 1.25 = 12.5."""
    ids = await busy_shop(shop, clock)
    clock.forward(minutes=1)

    report = await tried(shop, LOOSE)

    rules = {(rule["rule"], rule["unit"]): (rule["before"], rule["after"]) for rule in report["rules"]}
    assert rules["base", "points"] == ("124.99", "249.98")
    assert rules["tier:silver:points", "points"] == ("0", "7.5")
    assert rules[None, "points"] == ("-0.99", "-1.48")
    assert rules["referral", "points"] == ("100", "40")
    assert rules["spent", "spent"] == ("12499", "12499")
    points = report["units"]["points"]
    assert (points["before"]["issued"], points["after"]["issued"]) == (224, 120 + 60 + 39 + 25 + 12 + 40)
    assert (points["before"]["cost"], points["after"]["cost"]) == ("2.05", "2.57")
    assert report["tiers"] == [
        {"ladder": "status", "tier": "bronze", "before": 3, "after": 2},
        {"ladder": "status", "tier": "silver", "before": 0, "after": 1},
    ]
    assert report["most"]["points"]["gain"] == [
        {"member": ids["bob"], "points": 30},
        {"member": ids["ada"], "points": 120 + 25 + 12 + 40 - 175},
    ]
    assert report["most"]["points"]["lose"] == []
    assert report["most"]["spent"] == {"gain": [], "lose": []}


async def test_what_the_draft_would_refuse_is_counted(shop: Service, clock: Clock) -> None:
    await busy_shop(shop, clock)
    clock.forward(minutes=1)

    report = await tried(shop, PRICED.replace('per: "1.00"}', 'per: "10.00"}').replace("points: 100", "points: 4"))

    assert report["refused"] == [{"type": "redemption", "code": "insufficient_points", "events": 1}]
    assert report["units"]["points"]["after"]["redeemed"] == 5


async def test_only_the_period_is_judged_by_the_draft(shop: Service, clock: Clock) -> None:
    """A purchase from before is brought back by the version that judged it (semantics R2)."""
    await shop.buy("50.00", card="ada", id="a1")
    clock.forward(days=1)
    since = clock.now
    back = {"type": "return", "id": "x1", "member": "card:ada", "purchase": "a1", "all": True}
    await shop.send({**back, "occurred_at": at(clock.now)})
    await shop.buy("10.00", card="ada", id="a2")
    clock.forward(days=1)
    until = clock.now
    await shop.buy("70.00", card="ada", id="a3")
    clock.forward(days=1)

    report = await tried(shop, LOOSE, **{"from": at(since), "to": at(until)})

    points = report["units"]["points"]
    assert (points["before"]["issued"], points["before"]["reversed"]) == (10, 50)
    assert (points["after"]["issued"], points["after"]["reversed"]) == (20, 50)
    assert report["events"] == 2


async def test_history_belongs_to_the_time_of_which_it_tells(shop: Service, clock: Clock) -> None:
    """Semantics E7."""
    for month in (3, 4, 5):
        sold = purchase("10.00", card="ada", id=f"m{month}", at=START.replace(month=month))
        assert (await shop.send({**sold, "history": True})).status_code == 201

    report = await tried(shop, LOOSE, **{"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"})

    assert (report["units"]["points"]["before"]["issued"], report["units"]["points"]["after"]["issued"]) == (10, 20)


@pytest.mark.parametrize(
    "period", [{"to": at(START)}, {"from": at(START + timedelta(days=900))}, {"from": "2026-11-21"}, {"top": 0}]
)
async def test_a_period_must_be_one(shop: Service, clock: Clock, period: dict[str, Any]) -> None:
    clock.forward(days=1)
    await save(shop, LOOSE)

    answer = await shop.send({"from": at(START), **period}, path=BACKTEST)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_without_a_sound_draft_nothing_is_tried(shop: Service, clock: Clock) -> None:
    clock.forward(days=1)
    none = await shop.send({"from": at(START)}, path=BACKTEST)
    await save(shop, LOOSE.replace("unit: points", "unit: pints"))
    mistaken = await shop.send({"from": at(START)}, path=BACKTEST)

    assert (none.status_code, mistaken.status_code) == (404, 422)
    assert mistaken.json()["code"] == "mistakes_in_document"


async def test_one_runs_at_a_time_and_whoever_hangs_up_ends_it(shop: Service, clock: Clock) -> None:
    await busy_shop(shop, clock)
    await save(shop, LOOSE)
    lock = shop.app.state.parts.backtesting
    started, gone = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not started.is_set():
            started.set()
            return {"type": "http.request", "body": json.dumps({"from": at(START)}).encode(), "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):  # the first line: from here on nobody reads
            answer = await shop.send({"from": at(START)}, path=BACKTEST)
            refused.append((answer.status_code, answer.json()["code"]))
            gone.set()
            await asyncio.sleep(60)

    refused: list[tuple[int, str]] = []
    headers = [
        (b"authorization", shop.client.headers["Authorization"].encode()),
        (b"content-type", b"application/json"),
    ]
    await asyncio.wait_for(shop.app(scope(headers), receive, send), 20)

    assert refused == [(409, "backtest_running")]
    assert not lock.locked()


def scope(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """What a server tells of a POST to the backtest."""
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": BACKTEST, "raw_path": BACKTEST.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("zegel.test", 80),
    }  # fmt: skip


async def test_a_draft_may_do_without_a_unit_and_a_ladder(shop: Service, clock: Clock) -> None:
    await busy_shop(shop, clock)
    clock.forward(minutes=1)

    report = await tried(shop, PLAIN)

    assert report["units"]["spent"]["after"]["issued"] == 0
    assert report["tiers"] == [{"ladder": "status", "tier": "bronze", "before": 3, "after": 0}]


async def test_cards_that_fill_up_are_filled_anew(settings: Settings, clock: Clock) -> None:
    """Semantics A9: every third stamp of the shop's, every second one of the draft's."""
    document = PLAIN.replace("points: {name: Points}", "points: {name: Points}\n  stamps: {name: Stamps}")
    document += """  - {id: stamp, on: purchase, unit: stamps, fixed: 1}
rewards: {coffee: {name: A free coffee}}
milestones:
  - {id: card, unit: stamps, every: 3, consume: true, give: {reward: coffee}}
"""
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        for _ in range(7):
            clock.forward(minutes=1)
            assert (await service.buy("10.00")).status_code == 201
        clock.forward(minutes=1)

        same = await tried(service, document)
        other = await tried(service, document.replace("every: 3", "every: 2"))

    assert same["rewards"] == [{"reward": "coffee", "before": 2, "after": 2}]
    assert same["units"]["stamps"]["before"] == same["units"]["stamps"]["after"]
    assert other["rewards"] == [{"reward": "coffee", "before": 2, "after": 3}]
