"""Random stories of two members over HTTP: no error of ours, no lost point, and what was shown is shown again.

Nothing here knows what an answer should be. Each step asks the service in two ways and compares: a dry run with what
then happens (api C10), a replay with the first answer (semantics E1), a look back with what was shown then (L14), lots
with their account (L15); and in the end `zegel verify` decides everything again.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.settings import Settings
from app.worker import settling
from tests.api.test_returns import proven
from tests.builders import START, Clock, Service, at, open_service, publish

PROGRAM = """
zegel: 1
name: Stories
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points, pending: P5D, expires: {after: P1M}, expiring_notice: P3D}
  spent: {name: Money spent, decimals: 2, spendable: false}
  credits: {name: Status credits, spendable: false, expires: {at_end_of: month}}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
  - {id: cakes, on: purchase, unit: points, include: {categories: [cake]}, multiply: 2}
  - {id: first, on: purchase, unit: points, fixed: 5, visits: {number: [1, 3]}}
  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
  - {id: credits, on: purchase, unit: credits, rate: {give: 1, per: "1.00"}}
  - {id: survey, on: activity, unit: points, fixed: 7, caps: [{times: 2, in: week}]}
  - {id: missed, on: scheduled, schedules: [missed], unit: points, fixed: 3}
schedules:
  - {id: missed, after: purchase, wait: P4D}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: "200.00", multiply: {points: "1.25"}}
  - id: month
    unit: credits
    review: {at_end_of: month}
    levels:
      - {id: guest, name: Guest, from: 0}
      - {id: regular, name: Regular, from: 60}
transfers: {units: [points]}
returns: {without_purchase: allow}
holds: {uncaptured: allow_deficit}
redemptions: {offline_allowance: {points: 50}}
"""
_POINTS = "pending: P5D, expires: {after: P1M}"
_RETURNS = "without_purchase: allow"
_STARS = """milestones:
  - {id: star, unit: points, every: 25, consume: true, give: {unit: stars, points: 1}}
rules:"""

PROGRAMS = {
    "waiting": PROGRAM,
    "fulfilled": PROGRAM.replace(
        _POINTS, "pending: {until: fulfilment, lapses_after: P10D}, expires: {after: P20D}, grace: P3D"
    ),
    "sliding": PROGRAM.replace(
        _POINTS, "pending: P2D, expires: {inactive: P5D, events: [purchase, redemption]}"
    ).replace(_RETURNS, f"{_RETURNS}, shortage: clamp"),
    "brief": PROGRAM.replace(_POINTS, "expires: {after: P2D}, grace: P2D").replace(
        _RETURNS, f"{_RETURNS}, deficit_floor: {{points: 20}}"
    ),
    "owing": PROGRAM.replace(_POINTS, "pending: P1D, expires: {after: P2D}").replace("points: 50", "points: 200"),
    "stars": PROGRAM.replace(_RETURNS, f"{_RETURNS}, points_back: false")
    .replace("\nrules:", f"\n{_STARS}", 1)
    .replace("  spent: {name", "  stars: {name: Stars}\n  spent: {name", 1),
}
"""Programs in which points wait, are fulfilled, end together, end soon and may be owed a little, are often
owed when they begin to count, or are collected."""

STARTS = (START, datetime(2027, 3, 20, 23, 30, tzinfo=UTC), datetime(2028, 2, 20, 12, tzinfo=UTC))
"""In November, a week before the clocks go forward, and before 29 February."""

CARDS = ("1001", "2002")
FIGURES = ("balance", "available", "pending", "held", "deficit")
WAITS = (0, 1, 60, 3600, 86_400, 2 * 86_400, 6 * 86_400)
"""Seconds that pass before a step."""
LATE = (0, 0, 0, 0, 1, 6)
"""Days between an event and its report."""

LATER = ("referral_bonus", "referral_reversal", "scheduled", "expiry_notice", "tier_notice")
"""What falls due at once by an event, or only tells: events for themselves."""

Body = dict[str, Any]
Shown = dict[str, Any]


@dataclass
class Story:
    """What a seed tells, step by step, and what was seen on the way."""

    service: Service
    chance: random.Random
    sent: dict[str, list[Body]] = field(default_factory=dict)
    """What was recorded, by type."""
    members: dict[str, str] = field(default_factory=dict)
    seen: dict[tuple[datetime, str], Shown] = field(default_factory=dict)

    async def tell(self, *, steps: int) -> None:
        """Some steps, each compared with what is asked in another way; then some of what was seen, once more."""
        clock = self.service.clock
        self.members = {card: (await self.service.enrol(card))["id"] for card in CARDS}
        for number in range(steps):
            clock.forward(seconds=self.chance.choice(WAITS), microseconds=self.chance.choice([0, 1]))
            if self.chance.randrange(6) == 0:
                await self.settle()
            body = self.chance.choice(ACTS)(self, f"e{number}")
            if body is not None:
                await self.send(body)
            for card in CARDS:
                self.seen[clock(), card] = await self.look(card)
                await self.agrees(card)
        clock.forward(days=1)
        for instant, card in self.chance.sample(sorted(self.seen), min(len(self.seen), steps)):
            found = await self.look(card, as_of=at(instant), by="recording")
            assert found == self.seen[instant, card], (instant, card)
        await self.settle()
        assert await proven(self.service) == []

    async def settle(self) -> None:
        """The worker comes; then all agrees once more (semantics L9, L15)."""
        parts = self.service.app.state.parts
        await settling.settle_once(parts.engine, parts.ledger, now=self.service.clock())
        for card in CARDS:
            await self.agrees(card)

    async def agrees(self, card: str) -> None:
        """Lots are what their account says, less what is owed, and as of now is as it is now (semantics L14, L15)."""
        id, left, units = self.members[card], dict[str, int](), (await self.look(card))["units"]
        lots = (await self.read(id, "lots", limit="200"))["lots"]
        for lot in lots:
            counts = lot["remaining"] if lot["state"] != "expired" else lot["reserved"]
            left[lot["unit"]] = left.get(lot["unit"], 0) + counts
        for code in units.keys() - {"spent"}:
            assert units[code]["balance"] + units[code]["deficit"] == left.get(code, 0), code
        now = {"as_of": at(self.service.clock()), "by": "recording"}
        assert (await self.look(card, **now))["units"] == units
        assert (await self.read(id, "lots", limit="200", **now))["lots"] == lots

    async def look(self, card: str, **asked: str) -> Shown:
        """A member's figures, tier and statement, none of which is below zero but what is owed (semantics L4)."""
        id = self.members[card]
        balance, tier = [await self.read(id, what, **asked) for what in ("balance", "tier")]
        units = {code: {name: unit[name] for name in (*FIGURES, "expiring")} for code, unit in balance["units"].items()}
        for figures in units.values():
            assert min(figures[name] for name in FIGURES if name != "balance") >= 0, figures
        # A fall that was written down later is known only from then on, so the ladder with reviews is left out.
        held = next((one["tier"], one["since"]) for one in tier["tiers"] if one["ladder"] == "status")
        return {"units": units, "tier": held, "events": (await self.read(id, "statement", **asked))["events"]}

    async def read(self, id: str, what: str, **asked: str) -> dict[str, Any]:
        """An answer about a member."""
        answer = await self.service.client.get(f"/v1/members/{id}/{what}", params=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def send(self, body: Body) -> None:
        """What a dry run says happens; what was recorded is a replay from then on, and refused with another body."""
        dry = await self.service.send(body, path="/v1/events?dry_run=true")
        answer = await self.service.send(body)
        assert dry.status_code == (200 if answer.status_code == 201 else answer.status_code), (body, dry.text)
        if answer.status_code != 201:
            assert (answer.status_code < 500, dry.json().get("code")) == (True, answer.json().get("code")), body
            return
        assert _effect(dry) == _effect(answer), body
        self.sent.setdefault(body["type"], []).append(body)
        again = await self.service.send(body)
        assert (again.status_code, again.json()) == (200, answer.json()), body
        read = (await self.service.client.get(f"/v1/events/{answer.json()['id']}")).json()
        assert {name: value for name, value in read.items() if name != "left"} == answer.json(), body
        if not body.get("history"):  # judged as of then: what has ended since is not its doing
            await self.see_what_it_ends_with(answer.json())
        otherwise = await self.service.send({**body, "occurred_at": at(START - timedelta(seconds=1))})
        assert (otherwise.status_code, otherwise.json()["code"]) == (422, "event_id_reused"), body

    async def see_what_it_ends_with(self, said: dict[str, Any]) -> None:
        """The member's balances are what the answer ends with, counted with what followed on the event (API C10)."""
        events = (await self.read(said["member"], "statement", limit="1"))["events"]
        ends = (said.get("followed") or [said])[-1]
        if events[0]["id"] != ends["id"]:  # what had waited for it is answered by itself
            assert events[0]["source"] != "zegel" or events[0]["type"] in LATER, events[0]
            return
        found = (await self.read(said["member"], "balance"))["units"]
        assert {unit: one["balance"] for unit, one in ends["accounts"].items()} == {
            unit: found[unit]["balance"] for unit in ends["accounts"]
        }, (said, found)

    def one(self, *types: str) -> Body | None:
        """Something that was recorded."""
        known = [body for type in types for body in self.sent.get(type, [])]
        return self.chance.choice(known) if known else None

    def start(self, type: str, id: str, **more: Any) -> Body:
        """A body of an event of now, or of some days ago."""
        late = timedelta(days=self.chance.choice(LATE))
        member = f"card:{self.chance.choice([*CARDS, CARDS[0]])}"
        return {"type": type, "id": id, "member": member, "occurred_at": at(self.service.clock() - late), **more}


Act = Callable[[Story, str], Body | None]


def _effect(answer: httpx.Response) -> tuple[Any, ...]:
    """What an event did, without what only a recorded one has."""
    said = answer.json()
    return _moved(said), said["accounts"], [(_moved(one), one["accounts"]) for one in said.get("followed", ())]


def _moved(event: dict[str, Any]) -> list[tuple[str, int]]:
    return [(entry["unit"], entry["points"]) for entry in event["entries"]]


def _buys(story: Story, id: str) -> Body:
    chance = story.chance
    lines = [
        {
            "id": str(number),
            "amount": f"{chance.randrange(60)}.{chance.randrange(100):02}",
            "quantity": str(chance.randrange(1, 4)),
            "categories": chance.choice([["cake"], []]),
        }
        for number in range(1, chance.randrange(2, 4))
    ]
    return story.start("purchase", id, currency="EUR", lines=lines)


def _pays(story: Story, id: str) -> Body | None:
    held = story.one("hold")
    if held is None:
        return None
    payments = [{"kind": "points", "amount": "2.00", "hold": held["id"]}]
    return {**_buys(story, id), "member": held["member"], "payments": payments}


def _imports(story: Story, id: str) -> Body:
    days = story.chance.choice([0, 3, 20, 40, 400])
    return {**_buys(story, id), "history": True, "occurred_at": at(story.service.clock() - timedelta(days=days))}


def _brings_back(story: Story, id: str) -> Body | None:
    bought = story.one("purchase")
    amount = f"{story.chance.randrange(1, 30)}.00"
    ways: list[Body] = [
        {"all": True},
        {"amount": amount, "currency": "EUR"},
        {"lines": [{"id": "1", "quantity": "1"}]},
        {"lines": [{"id": "1", "amount": "3.33"}], "currency": "EUR"},
    ]
    if bought is None:
        return None
    about = {"purchase": bought["id"], "member": bought["member"]}
    return story.start("return", id) | about | story.chance.choice(ways)


def _brings_back_something(story: Story, id: str) -> Body:
    return story.start("return", id, currency="EUR", amount=f"{story.chance.randrange(1, 40)}.00")


def _changes(story: Story, id: str) -> Body | None:
    bought = story.one("purchase")
    if bought is None:
        return None
    lines = [
        {"id": "1", "amount": f"{story.chance.randrange(80)}.50"},
        {"id": "9", "amount": "3.00", "categories": ["cake"]},
    ]
    revision = story.chance.choice([1, *[int(id[1:]) + 1] * 3])
    about = {"purchase": bought["id"], "member": bought["member"]}
    return story.start("purchase_change", id, revision=revision, currency="EUR", lines=lines) | about


def _redeems(story: Story, id: str) -> Body:
    ways: list[Body] = [{}, {"offline": True}, {"not_after": at(story.service.clock())}]
    more = story.chance.choice(ways)
    return story.start("redemption", id, points=story.chance.randrange(1, 60), unit="points", **more)


def _holds(story: Story, id: str) -> Body:
    lasts = story.chance.choice(["PT10M", "P1D", "P7D"])
    return story.start("hold", id, points=story.chance.randrange(1, 50), unit="points", lasts=lasts)


def _captures(story: Story, id: str) -> Body | None:
    held = story.one("hold")
    if held is None:
        return None
    part = {"points": story.chance.randrange(1, 20), "final": story.chance.random() < 0.5}
    about = {"hold": held["id"], "member": held["member"]}
    return story.start("capture", id) | about | story.chance.choice([{}, part, part])


def _releases(story: Story, id: str) -> Body | None:
    held = story.one("hold")
    return None if held is None else story.start("release", id) | {"hold": held["id"], "member": held["member"]}


def _cancels(story: Story, id: str) -> Body | None:
    types = story.chance.choice(["redemption", "redemption", "capture", "purchase", "hold", "transfer", "activity"])
    undone = story.one(types)
    if undone is None:
        return None
    about = {"event": undone["id"], "kind": undone["type"], "member": undone["member"]}
    parted = types in ("redemption", "capture") and story.chance.random() < 0.6
    part = {"points": story.chance.randrange(1, 20)} if parted else {}
    return story.start("cancellation", id) | about | part


def _passes_on(story: Story, id: str) -> Body:
    body = story.start("transfer", id, points=story.chance.randrange(1, 40), unit="points")
    return {**body, "to": "card:2002" if body["member"] == "card:1001" else "card:1001"}


def _answers(story: Story, id: str) -> Body:
    return story.start("activity", id, activity="survey")


def _gets(story: Story, id: str) -> Body | None:
    bought = story.one("purchase")
    about = None if bought is None else {"purchase": bought["id"], "member": bought["member"]}
    return None if about is None else story.start("fulfilment", id) | about


ACTS: tuple[Act, ...] = (
    *[_buys] * 4, _pays, _imports, _brings_back, _brings_back_something, _changes, _redeems, _redeems, _holds, _holds,
    _captures, _releases, _cancels, _cancels, _passes_on, _answers, _gets,
)  # fmt: skip
"""What may happen, as often as it stands here."""


@pytest.mark.parametrize("program", ["waiting", "sliding"])
async def test_a_random_story_agrees_with_itself(settings: Settings, clock: Clock, program: str) -> None:
    """Semantics E1, L14, L15."""
    await _told(settings, clock, program=program, seed=0, steps=20)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("seed", range(1, 5))
async def test_a_long_random_story_agrees_with_itself(
    settings: Settings, clock: Clock, program: str, seed: int
) -> None:
    """Semantics E1, L14, L15."""
    await _told(settings, clock, program=program, seed=seed, steps=70)


async def _told(settings: Settings, clock: Clock, *, program: str, seed: int, steps: int) -> None:
    clock.now = STARTS[seed % len(STARTS)]
    await publish(settings, clock=clock, document=PROGRAMS[program])
    async with open_service(settings, clock=clock) as service:
        await Story(service, random.Random(f"{program}{seed}")).tell(steps=steps)
