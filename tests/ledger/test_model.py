"""Random sequences over the HTTP API against a small independent model: no overspend, no lost point (quality, Never).

After every step the members concerned, and at the end all, must have what the model says: balances, lots, tier,
statement with its running balances and dense numbers (semantics E1, E3, E6, L1, L3–L10, L15, A6, R1–R6, T2, T5, F2,
F3, F5).
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.settings import Settings
from app.worker.settling import settle_once
from tests import model
from tests.builders import START, Clock, Service, open_service, publish
from tests.model import Model, View

PEOPLE = 4
SECOND = timedelta(seconds=1)
STARTS = (START, START + timedelta(days=115), START + timedelta(days=445))
"""In November, a fortnight before the clocks go forward, and before 29 February of a leap year."""

EVERYTHING = ("points", "tier", "lots", "events")
BY_THE_CLOCK = ("points", "tier", "lots")

Step = tuple[Any, ...]

people = st.integers(0, PEOPLE - 1)
cents = st.sampled_from([0, 99, 9_99, 10_00, 49_95, 190_00, 200_00, 310_01]) | st.integers(0, 400_00)
lateness = st.sampled_from([1, 26, 19 * 24 + 15, 20 * 24, 21 * 24, 30 * 24 - 1, 30 * 24 + 1, -0.05, -0.1])
"""Hours: late, so late that the points are born expired, too late, a little and too early."""

numbers = st.integers(0, 2) | st.integers(0, 50)
"""From the last one back."""
ways = st.sampled_from(["all", "all", "amount", "lines", "line", "unknown_line", "other_currency"])
percents = st.sampled_from([1, 30, 50, 100, 100, 101])
kinds = st.sampled_from(["redemption", "purchase", "activity"])

steps = st.one_of(
    st.tuples(st.just("rest")),
    st.tuples(st.just("enrol"), people),
    st.tuples(st.just("bring"), people, people),
    st.tuples(st.just("bring_buyer"), people, people, st.sampled_from([9_99, 10_00, 60_00])),
    st.tuples(st.just("buy"), people, cents, st.just(0)),
    st.tuples(st.just("buy"), people, cents, st.just(0)),
    st.tuples(st.just("buy"), people, cents, lateness),
    st.tuples(st.just("buy"), people, st.just(210_00), st.sampled_from([0, 1, 26])),
    st.tuples(st.just("redeem"), people, st.integers(1, 100) | st.just(100)),
    st.tuples(st.just("redeem"), people, st.integers(1, 100) | st.just(101)),
    st.tuples(st.just("basket"), people, st.integers(1, 3), cents, st.sampled_from([0, 26])),
    st.tuples(st.just("answer"), people),
    *[st.tuples(st.just("bring_back"), numbers, ways, percents, st.sampled_from([0, 0, 1, 26, -0.05]))] * 3,
    st.tuples(st.just("cancel"), kinds, numbers, percents),
    st.tuples(st.just("cancel"), st.just("redemption"), numbers, percents),
    st.tuples(st.just("mistake"), numbers, st.sampled_from(["return", "cancellation"]), people),
    st.tuples(st.just("misname"), numbers, kinds, kinds),
    st.tuples(st.just("wait"), st.sampled_from([1, 9, 24, 5 * 24, 20 * 24, 21 * 24, 45 * 24])),
    st.tuples(st.just("again"), st.integers(0, 50)),
    st.tuples(st.just("otherwise"), st.integers(0, 50)),
    st.tuples(st.just("settle")),
)
_examples = itertools.count(1)


quiet: dict[str, Any] = {"suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


@pytest.fixture
async def modeled(settings: Settings, clock: Clock) -> AsyncIterator[Service]:
    """The service with the program that the model knows."""
    await publish(settings, clock=clock, document=model.DOCUMENT, program="model")
    async with open_service(settings, clock=clock, program="model") as service:
        yield service


TOLD = [
    # A tier of its own time for a sale that came late, and gold reached by what arrived last.
    [("buy", 0, 210_00, 2), ("buy", 0, 100_00, 3), ("buy", 0, 100_00, 1), ("buy", 0, 310_01, 26), ("buy", 0, 49_95, 0)],
    # A bonus that waited longer than its points live; a redemption of what it brought.
    [
        *[("enrol", 0), ("wait", 1080), ("settle",), ("bring", 0, 0), ("buy", 1, 10_00, 0), ("wait", 1080)],
        *[("buy", 0, 5_00, 0), ("settle",), ("redeem", 0, 100)],
    ],
    [("enrol", 0), ("bring", 0, 0), ("buy", 1, 60_00, 0), ("redeem", 1, 100), ("redeem", 0, 100), ("again", 3)],
    # Lots that end one after the other, drawn over both, and points born expired.
    [
        ("buy", 0, 60_00, 26),
        ("buy", 0, 60_00, 1),
        ("redeem", 0, 70),
        ("wait", 480),
        ("settle",),
        ("buy", 0, 60_00, 504),
    ],
    # Worked example 5: a deficit that the next credit pays.
    [
        *[("enrol", 0), ("redeem", 0, 100), ("buy", 0, 80_00, 0), ("redeem", 0, 38), ("bring_back", 0, "all", 100, 0)],
        *[("buy", 0, 100_00, 0), ("settle",)],
    ],
    # A return after the points expired, of one purchase in parts and of another whole; then a survey pays what is owed.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("buy", 0, 9_99, 0), ("wait", 504), ("bring_back", 1, "amount", 30, 0)],
        *[("bring_back", 1, "amount", 101, 0), ("bring_back", 1, "line", 100, 0), ("bring_back", 1, "all", 100, 0)],
        *[("bring_back", 0, "all", 100, 1), ("answer", 0), ("cancel", "activity", 0, 100), ("settle",)],
    ],
    # A return that costs a tier, judged at both sides of its instant, and a purchase that regains it.
    [
        *[("buy", 0, 310_00, 26), ("buy", 0, 200_00, 20), ("bring_back", 1, "all", 100, 10), ("buy", 0, 49_95, 11)],
        *[("buy", 0, 40_00, 9), ("buy", 0, 250_00, 5), ("buy", 0, 49_95, 6), ("buy", 0, 49_95, 4)],
        *[("cancel", "purchase", 1, 100), ("bring_back", 4, "all", 100, -0.05), ("buy", 0, 310_01, 0)],
    ],
    # A cancelled redemption whose lots have ended, one of them; the rest later, when both have.
    [
        *[("enrol", 0), ("wait", 120), ("buy", 0, 60_00, 0), ("redeem", 0, 90), ("cancel", "redemption", 0, 30)],
        *[("wait", 400), ("cancel", "redemption", 0, 50), ("wait", 120), ("cancel", "redemption", 0, 101)],
        *[("cancel", "redemption", 0, 100), ("cancel", "redemption", 0, 100), ("settle",)],
    ],
    # A cancelled redemption whose lots have ended, beside a deficit.
    [
        *[("enrol", 0), ("wait", 120), ("buy", 0, 60_00, 0), ("redeem", 0, 100), ("bring_back", 0, "all", 100, 0)],
        *[("wait", 400), ("cancel", "redemption", 0, 1), ("cancel", "redemption", 0, 50), ("settle",)],
        *[("cancel", "redemption", 0, 100), ("settle",)],
    ],
    [
        ("buy", 0, 10_00, 0),
        ("redeem", 0, 100),
        ("bring_back", 0, "all", 100, 0),
        ("wait", 504),
        ("cancel", "redemption", 0, 100),
    ],
    # A sale whose points are born expired, beside a deficit.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("redeem", 0, 100), ("bring_back", 0, "all", 100, 0)],
        *[("buy", 0, 10_00, 504), ("settle",), ("buy", 0, 99_00, 504)],
    ],
    # A return that takes bonuses back, one of them spent; then a purchase that qualifies again, and a rest.
    [
        *[("enrol", 0), ("bring", 0, 0), ("buy", 1, 60_00, 0), ("settle",), ("redeem", 0, 100), ("redeem", 1, 80)],
        *[("bring_back", 0, "amount", 50, 0), ("bring_back", 0, "amount", 50, 0), ("bring_back", 0, "amount", 50, 0)],
        *[("settle",), ("buy", 1, 9_99, 0), ("buy", 1, 10_00, 0), ("settle",), ("bring_back", 2, "all", 100, 0)],
        *[("settle",), ("cancel", "purchase", 0, 100), ("settle",), ("wait", 1080), ("buy", 1, 60_00, 0), ("settle",)],
    ],
    # The same before the referrer was settled.
    [("enrol", 0), ("bring", 0, 0), ("buy", 1, 60_00, 0), ("cancel", "purchase", 0, 100), ("redeem", 0, 100)],
    # A return of bonuses that waited longer than they lived; a bonus that pays a deficit, and is taken back in part.
    [
        *[("enrol", 0), ("buy", 0, 60_00, 0), ("redeem", 0, 100), ("bring", 0, 0), ("buy", 1, 60_00, 0), ("settle",)],
        *[("bring_back", 0, "all", 100, 0), ("wait", 504), ("settle",), ("redeem", 0, 101)],
        *[("answer", 0), ("redeem", 0, 100), ("cancel", "activity", 0, 100), ("buy", 1, 60_00, 0), ("settle",)],
        *[("bring_back", 0, "all", 100, 0), ("answer", 0), ("cancel", "redemption", 0, 100), ("settle",)],
    ],
    # From bronze to gold by one purchase, and down by parts of it.
    [
        *[("buy", 0, 310_00, 26), ("cancel", "purchase", 0, 100), ("enrol", 0), ("buy", 0, 600_00, 20)],
        *[("bring_back", 0, "amount", 50, 26), ("buy", 0, 10_00, 21), ("buy", 0, 10_00, 19)],
        *[("bring_back", 2, "amount", 50, 0), ("buy", 0, 10_00, 0), ("bring_back", 3, "line", 100, 0)],
    ],
    # Our id of what is of another kind than was said.
    [
        *[("enrol", 0), ("answer", 0), ("buy", 0, 60_00, 0), ("redeem", 0, 50), ("misname", 0, "activity", "activity")],
        *[("misname", 0, "redemption", "purchase"), ("misname", 0, "purchase", "redemption")],
    ],
    # Two lines, one by quantities and one by amounts; an amount over both; the grant for coffee goes with its line.
    [
        *[("basket", 0, 3, 9_99, 0), ("bring_back", 0, "lines", 30, 0), ("bring_back", 0, "line", 101, 0)],
        *[("bring_back", 0, "line", 100, 0), ("bring_back", 0, "lines", 50, 0), ("bring_back", 0, "all", 100, 0)],
        *[("basket", 0, 2, 20_00, 0), ("bring_back", 0, "amount", 50, 0), ("bring_back", 0, "all", 100, 0)],
    ],
    # What was refused may be tried again; what was recorded stays, also when its time is long over.
    [
        ("enrol", 0),
        ("redeem", 0, 101),
        ("buy", 0, 60_00, 0),
        ("again", 1),
        ("wait", 1080),
        ("again", 2),
        ("otherwise", 2),
    ],
]
"""Stories that chance tells too seldom."""


@pytest.mark.parametrize("todo", TOLD)
async def test_a_story_ends_where_the_model_says(modeled: Service, todo: Sequence[Step]) -> None:
    await Driver(modeled, START).run(todo)


@pytest.mark.timeout(600)
@settings(max_examples=20, phases=[Phase.explicit, Phase.generate], **quiet)
@given(st.sampled_from(STARTS), st.lists(steps, min_size=30, max_size=30))
async def test_every_sequence_of_commands_ends_where_the_model_says(
    modeled: Service, start: datetime, todo: Sequence[Step]
) -> None:
    """A failure is not made smaller here: that takes minutes, and the long one below does it."""
    await Driver(modeled, start).run(todo)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=200, **quiet)
@given(st.sampled_from(STARTS), st.lists(steps, min_size=50, max_size=50))
async def test_every_long_sequence_of_commands_ends_where_the_model_says(
    modeled: Service, start: datetime, todo: Sequence[Step]
) -> None:
    await Driver(modeled, start).run(todo)


class Driver:
    """Sends the same to the service and to the model, and compares. Members and ids are new in each example."""

    def __init__(self, service: Service, start: datetime) -> None:
        self.service, self.clock, self.model = service, service.clock, Model()
        self.prefix = f"x{next(_examples)}-"
        self.ids: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self.answers: dict[tuple[str, str], Any] = {}
        self.compared: dict[str, int] = {}
        """How many events of each card were seen to be as they must be."""
        self.spread: set[str] = set()
        """Purchases of several lines of which an amount came back, so that cents were rounded line by line."""
        self.sent: list[View] = []
        self.clock.now = start

    async def run(self, todo: Sequence[Step]) -> None:
        for name, *arguments in todo:
            self.clock.forward(seconds=1)
            await getattr(self, f"_{name}")(*arguments)
        self.compared.clear()
        await self._compare(self.model.members, (*EVERYTHING, "referral"))

    async def _rest(self) -> None:
        pass

    async def _wait(self, hours: int) -> None:
        """Time alone changes what readers see, and writes nothing."""
        self.clock.forward(hours=hours)
        await self._compare(self.model.members, BY_THE_CLOCK)

    async def _settle(self) -> None:
        parts = self.service.app.state.parts
        await settle_once(parts.engine, parts.ledger, now=self.clock())
        self.model.settle(self.clock())
        assert await settle_once(parts.engine, parts.ledger, now=self.clock()) == 0
        await self._compare(self.model.members)

    async def _enrol(self, who: int, *, friend: str | None = None) -> None:
        body: View = {"type": "enrolment", "id": self._id(), "occurred_at": self.clock().isoformat()}
        body |= {"identities": {"card": self._card(who)}}
        await self._send(body if friend is None else body | {"friend": friend})

    async def _bring(self, who: int, friend: int) -> None:
        """Somebody new joins by a member's code, if there are such people."""
        new = [card for card in map(self._card, range(PEOPLE)) if card not in self.ids]
        if new and self.codes:
            number = int(new[who % len(new)].removeprefix(self.prefix))
            await self._enrol(number, friend=sorted(self.codes)[friend % len(self.codes)])

    async def _bring_buyer(self, who: int, friend: int, cents: int) -> None:
        """Somebody new joins so, and buys."""
        before = set(self.ids)
        await self._bring(who, friend)
        self.clock.forward(seconds=1)
        for card in self.ids.keys() - before:
            await self._buy(int(card.removeprefix(self.prefix)), cents, 0)

    async def _buy(self, who: int, cents: int, hours_late: float) -> None:
        body: View = {"type": "purchase", "id": self._id(), "occurred_at": self._ago(hours_late), "currency": "EUR"}
        body |= {"member": {"identity": f"card:{self._card(who)}", "enrol": True}}
        await self._send(body | {"total": _money(cents)})

    async def _basket(self, who: int, quantity: int, cents: int, hours_late: float) -> None:
        """Some coffee at 2.50, and something else."""
        body: View = {"type": "purchase", "id": self._id(), "occurred_at": self._ago(hours_late), "currency": "EUR"}
        body |= {"member": {"identity": f"card:{self._card(who)}", "enrol": True}}
        coffee = {"sku": "coffee", "quantity": str(quantity), "amount": _money(quantity * 2_50)}
        await self._send(body | {"lines": [coffee, {"amount": _money(1_00 + cents)}]})

    async def _answer(self, who: int) -> None:
        """An activity, of somebody known."""
        if self.ids:
            body = {"type": "activity", "id": self._id(), "occurred_at": self._ago(0), "activity": "survey"}
            await self._send(body | {"member": f"card:{sorted(self.ids)[who % len(self.ids)]}"})

    async def _bring_back(self, number: int, way: str, percent: int, hours_late: float) -> None:
        """So much of what is left of a purchase, or more; by a line only where no amount was spread over several."""
        sold = self._sent_before("purchase", number)
        if sold is None:
            return
        body: View = {"type": "return", "id": self._id(), "occurred_at": self._ago(hours_late), "purchase": sold["id"]}
        body |= {"member": f"card:{self._card_of(sold)}"}
        left = self.model.members[self._card_of(sold)].purchases[sold["id"]]
        part = max(1, left.left() * percent // 100 if percent <= 100 else left.left() + 1)
        coffee, lines = left.lines["1"], [{"id": "1"}]
        if way == "all" or sold["id"] in self.spread:
            body["all"] = True
        elif way in ("unknown_line", "other_currency"):
            body |= {"amount": "0.01", "currency": "USD"} if way == "other_currency" else {"lines": [{"id": "9"}]}
        elif way == "amount":
            body |= {"amount": _money(part), "currency": "EUR"}
            if "lines" in sold:
                self.spread.add(sold["id"])
        elif "lines" in sold:
            some = max(1, coffee.quantity - 1) if percent <= 100 else coffee.quantity + 1
            rest = max(1, int(left.lines["2"].cents) * percent // 100)
            lines = [{"id": "1", "quantity": str(some)}, {"id": "2", "amount": _money(rest)}]
            body |= {"lines": lines, "currency": "EUR"} if way == "lines" else {"lines": lines[:1]}
        else:
            body |= {"lines": lines}
        await self._send(body)

    async def _cancel(self, kind: str, number: int, percent: int) -> None:
        """So much of a redemption, or a point more than is left; the whole of anything else."""
        named = self._sent_before(kind, number)
        if named is None:
            return
        card = self._card_of(named)
        body: View = {"type": "cancellation", "id": self._id(), "occurred_at": self._ago(0), "member": f"card:{card}"}
        body |= {"event": named["id"], "kind": kind}
        if kind == "redemption" and percent != 100:
            left = sum(points for _, points in self.model.members[card].redemptions[named["id"]])
            body["points"] = max(1, left * percent // 100 if percent <= 100 else left + 1)
        await self._send(body)

    async def _mistake(self, number: int, kind: str, who: int) -> None:
        """An id that nothing has, or another member's purchase."""
        sold = self._sent_before("purchase", number)
        others = sorted(card for card in self.ids if sold is not None and card != self._card_of(sold))
        if sold is None or not others:
            return
        body = {"type": kind, "id": self._id(), "occurred_at": self._ago(0)}
        body |= {"member": f"card:{others[who % len(others)]}"}
        named = sold["id"] if number % 2 else "evt_01jcr8m4kdf0v8y5h3q2z7x9wb"
        said = {"purchase": named, "all": True} if kind == "return" else {"event": named, "kind": "purchase"}
        await self._send(body | said)

    async def _misname(self, number: int, kind: str, said: str) -> None:
        """Something of one kind by our id, as if it were of another."""
        named = self._sent_before(kind, number)
        if named is None:
            return
        body: View = {"type": "cancellation", "id": self._id(), "occurred_at": self._ago(0), "ours": kind}
        body |= {"member": f"card:{self._card_of(named)}", "event": named["id"], "kind": said}
        await self._send(body)

    def _sent_before(self, kind: str, number: int) -> View | None:
        """A recorded body of a kind, by its number from the last one back."""
        said = [x for x in self.sent if x["type"] == kind and (kind, x["id"]) in self.model.recorded]
        return said[-1 - number % len(said)] if said else None

    async def _redeem(self, who: int, percent: int) -> None:
        """So much of what a member has, or a point too many; of somebody unknown only where nobody is known."""
        card = sorted(self.ids)[who % len(self.ids)] if self.ids else self._card(who)
        member = self.model.members.get(card)
        available = sum(lot.left for lot in member.active(self.clock())) if member is not None else 0
        points = max(1, available * percent // 100 if percent <= 100 else available + 1)
        body = {"type": "redemption", "id": self._id(), "occurred_at": self._ago(0), "points": points}
        await self._send(body | {"member": f"card:{card}"})

    async def _again(self, number: int) -> None:
        """The same event again: a replay, or a new attempt at what was refused."""
        if self.sent:
            await self._send(self.sent[number % len(self.sent)])

    async def _otherwise(self, number: int) -> None:
        """The same id with other content."""
        if self.sent:
            body = self.sent[number % len(self.sent)]
            later = (datetime.fromisoformat(body["occurred_at"]) - SECOND).isoformat()
            await self._send({**body, "occurred_at": later})

    async def _send(self, body: View) -> None:
        if body not in self.sent:
            self.sent.append(body)
        expected = self.model.send(body, self.clock())
        answer = await self._post(body)
        assert answer.status_code == expected.status, (body, answer.text)
        key, said = (body["type"], body["id"]), answer.json()
        if expected.problem is not None:
            assert {name: said[name] for name in expected.problem} == expected.problem
        elif body["type"] == "enrolment":
            self._learn(self._card_of(body), said)
            assert said["id"] == self.answers.setdefault(key, said)["id"]
        else:
            assert expected.event == _event(said)
            assert said == self.answers.setdefault(key, said)
            if expected.status == 201 and "points" in said["accounts"]:
                now = model.view(self.model.members[self._card_of(body)], self.clock())
                assert said["accounts"]["points"]["available"] == now["points"]["available"]
            if self._card_of(body) not in self.ids:
                await self._look_up(self._card_of(body))
        cards = {card for card in (self._card_of(body), body.get("friend")) if card in self.ids}
        await self._compare(cards, EVERYTHING if expected.status == 201 else ("points",))

    async def _post(self, body: View) -> httpx.Response:
        if "ours" in body:
            ours = self.answers[body["ours"], body["event"]]["id"]
            body = {name: value for name, value in body.items() if name != "ours"} | {"event": ours}
        if body["type"] != "enrolment":
            return await self.service.send(body)
        said = {name: value for name, value in body.items() if name not in ("type", "friend")}
        code = {"referral_code": self.codes[body["friend"]]} if "friend" in body else {}
        return await self.service.send(said | code, path="/v1/members")

    async def _look_up(self, card: str) -> View:
        answer = await self.service.send({"member": f"card:{card}"}, path="/v1/members/lookup")
        assert answer.status_code == 200, answer.text
        self._learn(card, answer.json())
        return dict(answer.json())

    def _learn(self, card: str, member: View) -> None:
        self.ids[card], self.codes[card] = member["id"], member["referral_code"]

    async def _compare(self, cards: Any, parts: Sequence[str] = EVERYTHING) -> None:
        pairs = [(card, part) for card in sorted(cards) for part in parts]
        found = await asyncio.gather(*(getattr(self, f"_seen_{part}")(card) for card, part in pairs))
        for (card, part), seen in zip(pairs, found, strict=True):
            expected = model.view(self.model.members[card], self.clock())[part]
            if part == "events":  # those since they were last compared, and the one before
                news = self.compared.get(card, 0) - len(expected) - 1
                self.compared[card] = len(expected)
                seen, expected = seen[news:], expected[news:]
            assert seen == expected, (card, part)

    async def _seen_points(self, card: str) -> View:
        units = (await self._read(card, "balance"))["units"]
        names = ("balance", "available", "pending", "held", "deficit")
        return {
            **{name: units["points"][name] for name in names},
            "expiring": [(day["expires_at"], day["points"]) for day in units["points"]["expiring"]],
            "spent": units["spent"]["balance"],
        }

    async def _seen_tier(self, card: str) -> tuple[Any, ...]:
        (tier,) = (await self._read(card, "tier"))["tiers"]
        return (tier["tier"], tier["since"], tier["qualifying"], tier["needed"])

    async def _seen_lots(self, card: str) -> list[tuple[Any, ...]]:
        names = ("sequence", "credited", "remaining", "occurred_at", "expires_at", "state")
        return [tuple(lot[name] for name in names) for lot in (await self._read(card, "lots?limit=200"))["lots"]]

    async def _seen_events(self, card: str) -> list[View]:
        new = len(self.model.members[card].events) - self.compared.get(card, 0)
        statement = await self._read(card, f"statement?limit={new + 2}")
        return [_event(event) for event in reversed(statement["events"])]

    async def _seen_referral(self, card: str) -> str:
        return str((await self._look_up(card))["referral"])

    async def _read(self, card: str, page: str) -> View:
        answer = await self.service.client.get(f"/v1/members/{self.ids[card]}/{page}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def _id(self) -> str:
        return f"{self.prefix}{len(self.sent)}"

    def _card(self, who: int) -> str:
        return f"{self.prefix}{who}"

    def _card_of(self, body: View) -> str:
        if body["type"] == "enrolment":
            return str(body["identities"]["card"])
        member = body["member"]
        return str(member if isinstance(member, str) else member["identity"]).removeprefix("card:")

    def _ago(self, hours: float) -> str:
        return (self.clock() - timedelta(hours=hours)).isoformat()


def _event(event: View) -> View:
    """An event of an answer in the model's words."""
    entries = [
        (
            entry["unit"],
            entry["points"],
            entry["balance_after"],
            entry["expires_at"],
            [(draw["sequence"], draw["points"]) for draw in entry["draws"]],
        )
        for entry in event["entries"]
    ]
    changes = [(change["before"], change["tier"]) for change in event["tier_changes"]]
    return {
        "sequence": event["sequence"],
        "kind": event["type"],
        "effective_at": event["effective_at"],
        "entries": entries,
        "change": changes[0] if changes else None,
        "owed": event["accounts"]["points"]["deficit"] if any(entry[0] == "points" for entry in entries) else None,
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
