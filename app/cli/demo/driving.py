"""A busy day in a coffee house: members join, bring friends, buy at the till and online, spend what they have."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from app.cli.demo import shops
from app.cli.demo.shops import Stage
from app.cli.demo.tally import Person

QUEUES = 4
"""Customers served at the same time."""
_THINKING_SECONDS = 0.01
_TWICE_SHARE = 0.04
_FRIEND_SHARE = 0.35
_UPLOADS = 4
_RECEIPTS = 40
_JOINING_SHARE = 0.6
"""By this part of the time everybody has joined."""

_GOODS: tuple[tuple[str, str, int], ...] = (
    ("espresso", "coffee", 260),
    ("cappuccino", "coffee", 345),
    ("filter", "coffee", 320),
    ("apple-cake", "cake", 450),
    ("cheesecake", "cake", 525),
    ("beans-250", "beans", 895),
)
_PARCELS: tuple[tuple[str, str, int], ...] = (
    ("beans-1000", "beans", 2_990),
    ("grinder", "hardware", 8_900),
    ("filter-papers", "hardware", 495),
    ("gift-card-25", "gift-card", 2_500),
)


async def drive(stage: Stage, *, seconds: float, members: int) -> None:
    """Everything that happens in so many seconds, to so many members. Raises CliError if the service stays away."""
    began = time.monotonic()

    def passed() -> float:
        return (time.monotonic() - began) / seconds

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(QUEUES):
                tasks.create_task(_queue(stage, passed, members=members))
            tasks.create_task(_offline_till(stage, passed, pause=seconds / (_UPLOADS + 1)))
            tasks.create_task(_asks_too_much(stage, passed))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _queue(stage: Stage, passed: Callable[[], float], *, members: int) -> None:
    while (part := passed()) < 1:
        if len(stage.tally.people) < members * min(1.0, part / _JOINING_SHARE + 0.02):
            await _joins(stage)
        elif (person := _somebody(stage)) is not None:
            person.busy = True
            await _acts(stage, person)
            person.busy = False
        await asyncio.sleep(_THINKING_SECONDS)


async def _joins(stage: Stage) -> None:
    """In the app, perhaps by a friend's code; or at the till with a new card."""
    known = [person for person in stage.tally.people.values() if person.code is not None]
    if stage.draw.random() < 0.3:
        await _joins_at_the_till(stage)
        return
    number = stage.fresh("app")
    body: dict[str, Any] = {"id": number, "identities": {"app": number}, "channel": "app"}
    if known and stage.draw.random() < _FRIEND_SHARE:
        body["referral_code"] = stage.draw.choice(known).code
    answer = await shops.ask(stage, "app", "/v1/members", body)
    if answer.status_code != httpx.codes.CREATED:
        stage.tally.surprise(f"enrolment {number}: {answer.status_code} {answer.text[:200]}")
        return
    member = answer.json()
    receipts = await shops.ask(stage, "app", f"/v1/events?source=app&id={number}")
    stage.tally.people[member["id"]] = Person(f"app:{number}", member["id"], member["referral_code"])
    stage.tally.by_friend += "referral_code" in body
    for event in receipts.json()["events"]:
        stage.tally.acknowledge(event)


async def _joins_at_the_till(stage: Stage) -> None:
    """A new card, first shown with a purchase: two events, one transaction."""
    name = "card:" + stage.fresh("card")
    body = _sale(stage, "till", {"identity": name, "enrol": True})
    event = await shops.record(stage, "till", body)
    if event is not None:
        available = event["accounts"]["points"]["available"] if "points" in event["accounts"] else 0
        stage.tally.people[event["member"]] = Person(name, event["member"], available=available)


async def _acts(stage: Stage, person: Person) -> None:
    what = stage.draw.random()
    if person.available >= 100 and what < 0.25:
        await _redeems(stage, person)
    elif person.available >= 50 and what < 0.35:
        await _holds(stage, person)
    elif person.receipt is not None and what < 0.4:
        await _brings_back(stage, person, *person.receipt)
    elif what < 0.7:
        await _buys(stage, person, "till")
    elif what < 0.95:
        await _buys(stage, person, "webshop")
    else:
        survey = {**_event(stage, "activity", "app", person.name), "activity": "survey"}
        await shops.record(stage, "app", survey, twice=_twice(stage))


async def _buys(stage: Stage, person: Person, shop: str) -> None:
    body = _sale(stage, shop, person.name)
    if await shops.record(stage, shop, body, twice=_twice(stage)) is not None:
        person.receipt = (shop, body["id"])


async def _brings_back(stage: Stage, person: Person, shop: str, receipt: str) -> None:
    """The first thing on the receipt, or everything; to the till, whichever shop sold it."""
    what: dict[str, Any] = {"all": True} if stage.draw.random() < 0.5 else {"lines": [{"id": "1"}]}
    body = {**_event(stage, "return", "till", person.name), "purchase": receipt, "shop": shop, **what}
    person.receipt = None
    await shops.record(stage, "till", body, twice=_twice(stage))


async def _redeems(stage: Stage, person: Person) -> None:
    points = stage.draw.choice((50, 100))
    shop = stage.draw.choice(("till", "app"))
    body = {**_event(stage, "redemption", shop, person.name), "points": points}
    await shops.record(stage, shop, body, twice=_twice(stage))


async def _holds(stage: Stage, person: Person) -> None:
    """Asks for points before the sale is closed, and pays a part of it so; now and then the sale falls through."""
    held = {**_event(stage, "hold", "till", person.name), "points": 50, "lasts": "PT10M"}
    if await shops.record(stage, "till", held, twice=_twice(stage)) is None:
        return
    if stage.draw.random() < 0.2:
        given_up = {**_event(stage, "release", "till", person.name), "hold": held["id"]}
        await shops.record(stage, "till", given_up, twice=_twice(stage))
        return
    sale = _sale(stage, "till", person.name)
    sale["payments"] = [{"kind": "points", "amount": "2.50", "hold": held["id"]}]
    await shops.record(stage, "till", sale, twice=_twice(stage))


async def _offline_till(stage: Stage, passed: Callable[[], float], *, pause: float) -> None:
    """A till in the garden loses its network, and sends an hour's receipts when it is back: in no order, and twice."""
    for _ in range(_UPLOADS):
        await asyncio.sleep(pause)
        chosen = [person for person in (_somebody(stage) for _ in range(_RECEIPTS)) if person is not None]
        people = list({person.id: person for person in chosen}.values())
        for person in people:
            person.busy = True
        sales = [_sale(stage, "till", person.name, minutes_ago=stage.draw.randrange(60)) for person in people]
        new = {"identity": "card:" + stage.fresh("card"), "enrol": True}
        if sales:  # goods brought back to a till that has its network, before this one tells that they were sold
            back = {**_event(stage, "return", "till", people[0].name), "purchase": sales[0]["id"], "all": True}
            await shops.parks(stage, "till", back)
        await shops.upload(stage, "till", [*sales, _sale(stage, "till", new)])
        if sales:
            await shops.released(stage, "till", back)
        for person in people:
            person.busy = False
        if passed() >= 1:
            return


async def _asks_too_much(stage: Stage, passed: Callable[[], float]) -> None:
    """Somebody wants more than they have, and is told what they have."""
    person = None
    while person is None and passed() < 1:
        await asyncio.sleep(0.1)
        person = _somebody(stage)
    if person is None:
        return
    person.busy = True
    body = {**_event(stage, "redemption", "till", person.name), "points": person.available + 1_000_000}
    answer = await shops.ask(stage, "till", "/v1/events", body)
    facts = answer.json()
    person.busy = False
    if answer.status_code == httpx.codes.CONFLICT and facts["code"] == "insufficient_points":
        stage.tally.refused += 1
    else:
        stage.tally.surprise(f"redemption of too much: {answer.status_code} {answer.text[:200]}")


def _somebody(stage: Stage) -> Person | None:
    """Somebody who is not being served; regulars come more often."""
    people = list(stage.tally.people.values())
    for _ in range(3):
        if people and not (person := people[int(len(people) * stage.draw.random() ** 2)]).busy:
            return person
    return None


def _twice(stage: Stage) -> bool:
    return stage.draw.random() < _TWICE_SHARE


def _event(stage: Stage, type: str, shop: str, member: Any) -> dict[str, Any]:
    return {"type": type, "id": stage.fresh(shop), "member": member, "occurred_at": stage.now()}


def _sale(stage: Stage, shop: str, member: Any, *, minutes_ago: int = 0) -> dict[str, Any]:
    """A receipt of one to four lines."""
    lines = []
    for _ in range(stage.draw.choice((1, 1, 2, 2, 3, 4))):
        sku, category, cents = stage.draw.choice(_GOODS if shop == "till" else _PARCELS)
        count = stage.draw.choice((1, 1, 1, 2))
        lines.append({"sku": sku, "quantity": str(count), "amount": _euros(count * cents), "categories": [category]})
    sold = {
        **_event(stage, "purchase", shop, member),
        "occurred_at": shops.written(stage.clock() - timedelta(minutes=minutes_ago)),
        "channel": "pos" if shop == "till" else "web",
        "currency": "EUR",
        "lines": lines,
    }
    return sold if shop == "webshop" else {**sold, "location": "garden" if minutes_ago else "counter"}


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
