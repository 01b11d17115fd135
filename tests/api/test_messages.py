"""The catalog of messages says what is sent: every type that the code emits, and every body that it makes (W11)."""

import ast
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.api.schemas import messages as catalog
from app.api.schemas.messages import CATALOG
from app.domain import messages
from app.main import ROOT
from app.settings import Settings
from app.worker import settling
from tests.api.hostile import ADJUSTMENT
from tests.builders import Clock, Service, open_service, publish
from tests.docs.reading import blocks

EVERYTHING = """
zegel: 1
name: Everything that is told of
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points, expires: {after: P1M}, expiring_notice: P14D}
  late: {name: Late, pending: P7D}
  goods: {name: Goods, pending: {until: fulfilment}}
  spent: {name: Money spent, decimals: 2, spendable: false}
  credits: {name: Credits, spendable: false, expires: {at_end_of: month}}
rewards:
  coffee: {name: A free coffee}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
  - {id: late, on: purchase, unit: late, rate: {give: 1, per: "1.00"}}
  - {id: goods, on: purchase, unit: goods, rate: {give: 1, per: "1.00"}}
  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
  - {id: credits, on: purchase, unit: credits, rate: {give: 1, per: "1.00"}}
  - {id: gift, on: purchase, reward: coffee, visits: {number: [1]}}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: "200.00"}
  - id: club
    unit: credits
    review: {at_end_of: month}
    expiring_notice: P3D
    levels:
      - {id: member, name: Member, from: 0}
      - {id: star, name: Star, from: 10}
referrals:
  minimum: "10.00"
  lapse: P20D
  review: {claims: 1, in: P1D}
  referrer: {unit: points, points: 100}
  referee: {unit: points, points: 25}
adjustments:
  reasons: [goodwill]
transfers: {units: [points]}
"""


def emitted() -> set[str]:
    """The constants of `messages` that the code names where it decides what to tell."""
    found = set()
    for room in ("domain", "ledger", "operations", "worker", "webhooks", "db"):
        for path in (ROOT / "app" / room).rglob("*.py"):
            found |= _named(path)
    return {getattr(messages, name) for name in found}


def _named(path: Path) -> set[str]:
    """Every `messages.NAME` of a file, for the module of the domain."""
    nodes = ast.walk(ast.parse(path.read_text()))
    attributes = (node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))
    named = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "messages"}
    return {name for name in named if name.isupper() and isinstance(getattr(messages, name, None), str)}


def test_the_catalog_has_every_type_that_the_code_can_emit_and_no_other() -> None:
    assert set(CATALOG) == set(messages.TYPES) == emitted()
    assert len(messages.TYPES) == len(set(messages.TYPES))


@pytest.mark.parametrize("type", sorted(CATALOG))
def test_every_example_has_the_form_that_is_told(type: str) -> None:
    body = catalog.example(type)

    assert body["type"] == type
    assert set(CATALOG[type].data.model_validate(body["data"]).model_dump(exclude_unset=True)) == set(body["data"])
    assert set(body["data"]) <= set(catalog.schema(type)[0]["properties"]["data"]["properties"])
    assert len(json.dumps(body)) < 4096


def test_the_examples_of_the_docs_have_that_form_too() -> None:
    shown = [json.loads(block.text) for block in blocks("docs/webhooks.md", "json") if '"type":' in block.text]
    bodies = [body for body in shown if "type" in body]

    assert {body["type"] for body in bodies} == set(CATALOG)
    for body in bodies:
        CATALOG[body["type"]].data.model_validate(body["data"])


async def settle(service: Service, clock: Clock, **span: float) -> None:
    """Lets time pass, and does what the worker would."""
    clock.forward(**span)
    parts = service.app.state.parts
    await settling.settle_once(parts.engine, parts.ledger, now=clock())


async def sent(service: Service, clock: Clock, type: str, id: str, card: str, **more: Any) -> dict[str, Any]:
    """An event that is taken."""
    body = {"type": type, "id": id, "member": f"card:{card}", "occurred_at": clock().isoformat(), **more}
    answer = await service.send(body)
    assert answer.status_code in (201, 202), (type, answer.text)
    return dict(answer.json())


async def beside(service: Service, settings: Settings, clock: Clock) -> None:
    """What is about no member: new rules, and a message that somebody asks for."""
    body = {"url": "https://shop.example/hook"}
    made = await service.send(body, path="/v1/webhook-endpoints", headers={"Idempotency-Key": "e"})
    tried = f"/v1/webhook-endpoints/{made.json()['id']}/test"
    assert (await service.client.post(tried, headers={"Idempotency-Key": "t"})).status_code < 300
    clock.forward(minutes=1)
    await publish(settings, clock=clock, document=EVERYTHING.replace("A free coffee", "A coffee"))


async def live(service: Service, clock: Clock) -> None:
    """Everything that can happen to members."""
    code = (await service.enrol("a"))["referral_code"]
    await service.enrol("b", referral_code=code)
    for friend in ("c", "d"):
        await service.enrol(friend, referral_code=code)
    await sent(service, clock, "activity", "s", "a", activity="survey")
    await service.buy("60.00", card="b", id="first")
    await settle(service, clock, minutes=1)
    await service.buy("300.00", card="b", id="big")
    await sent(service, clock, "fulfilment", "f", "b", purchase="big")
    await sent(service, clock, "redemption", "spend", "b", points=10, unit="points")
    await sent(service, clock, "cancellation", "undo", "b", event="spend", kind="redemption")
    for id in ("h1", "h2"):
        await sent(service, clock, "hold", id, "b", points=10, unit="points")
    await sent(service, clock, "capture", "c1", "b", hold="h1", points=4, final=False)
    await sent(service, clock, "release", "r1", "b", hold="h1")
    await settle(service, clock, hours=1)
    answer = await service.send({**ADJUSTMENT, "id": "x", "member": "card:a"}, path="/v1/adjustments")
    assert answer.status_code == 201, answer.text
    await sent(service, clock, "transfer", "t", "a", to="card:b", points=5, unit="points")
    await sent(service, clock, "return", "back", "b", purchase="big", all=True)
    await sent(service, clock, "return", "early", "b", purchase="later", all=True)
    await service.buy("5.00", card="b", id="later")
    await sent(service, clock, "return", "lost", "b", purchase="never", all=True)
    await sent(service, clock, "return", "home", "b", purchase="first", all=True)
    await settle(service, clock, minutes=1)
    await service.buy("20.00", card="a", id="more")
    for _ in range(50):
        await settle(service, clock, days=1)


async def test_every_body_that_is_made_has_the_form_that_the_catalog_tells(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    await publish(settings, clock=clock, document=EVERYTHING)
    async with open_service(settings, clock=clock) as service:
        await live(service, clock)
        await beside(service, settings, clock)

    rows = await owner.fetch("SELECT type, body FROM message")
    for row in rows:
        body = json.loads(row["body"])
        assert (body["type"], set(body)) == (row["type"], {"type", "timestamp", "data"})
        CATALOG[row["type"]].data.model_validate(body["data"])
    # What becomes of an endpoint that fails is tried where messages are delivered.
    assert set(CATALOG) - {row["type"] for row in rows} == {messages.DISABLED, messages.EXHAUSTED}
