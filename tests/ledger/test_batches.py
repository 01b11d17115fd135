"""A batch is what its events are one by one, a dry run what will happen, and order does not matter where it must not.

Differential and metamorphic tests over the HTTP API (quality, Never; semantics E1, E4, L7; api C10).
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.settings import Settings
from app.worker.settling import settle_once
from tests import model
from tests.builders import EXPIRING, Clock, Service, open_service, publish, purchase
from tests.database import assert_whole, picture

Body = dict[str, Any]
PEOPLE, FRIENDS = 3, 2
SURVEY = "  - {id: asked, on: activity, activities: [survey], unit: points, fixed: 20}\n"
PROGRAM = model.DOCUMENT.replace("rules:\n", f"rules:\n{SURVEY}")
_examples = itertools.count(1)
OURS = ("id", "member", "recorded_at", "sequence", "provisional")
"""What a dry run leaves out or cannot know."""

quiet: dict[str, Any] = {"suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
quick: dict[str, Any] = {"phases": [Phase.explicit, Phase.generate], "report_multiple_bugs": False, **quiet}
"""Without making a failure smaller, which takes minutes: the slow twin of each test does."""

people = st.integers(0, PEOPLE + FRIENDS - 1)
hours = st.sampled_from([0, 0, 0, 0, 1, 2, 30, 19 * 24 + 15, 21 * 24, 31 * 24, -0.05, -1])
amounts = st.sampled_from(["0.00", "9.99", "10.00", "60.00", "200.00", "310.01"]) | st.integers(0, 40_000).map(
    lambda cents: f"{cents // 100}.{cents % 100:02d}"
)
lines = st.lists(amounts, min_size=1, max_size=3)
commands = st.one_of(
    st.tuples(st.just("rest")),
    st.tuples(st.just("purchase"), people, hours, amounts),
    st.tuples(st.just("purchase"), people, hours, amounts),
    st.tuples(st.just("basket"), people, hours, lines),
    st.tuples(st.just("past"), people, st.integers(0, 90 * 24), amounts),
    st.tuples(st.just("redemption"), people, hours, st.integers(1, 150)),
    st.tuples(st.just("activity"), people, hours, st.sampled_from(["survey", "check-in"])),
    st.tuples(st.just("enrolment"), people, hours, st.none() | st.integers(0, FRIENDS - 1)),
    st.tuples(st.just("again"), st.integers(0, 20)),
    st.tuples(st.just("otherwise"), st.integers(0, 20)),
    st.tuples(st.just("broken"), people),
)


class Shop:
    """One program of the database, as a till sees it; cards and ids are new in each example."""

    def __init__(self, service: Service, example: int) -> None:
        self.service, self.example = service, example
        self.codes: list[str] = []

    async def befriend(self) -> None:
        """The members who are there before the test begins, by whose codes others may join."""
        for number in range(FRIENDS):
            member = await self.service.enrol(self.card(PEOPLE + number))
            self.codes.append(member["referral_code"])

    def card(self, number: int) -> str:
        return f"x{self.example}-{number}"

    def bodies(self, asked: Sequence[tuple[Any, ...]]) -> list[Body]:
        """What the till sends."""
        made: list[Body] = []
        for n, (kind, *arguments) in enumerate(asked):
            if kind in ("rest", "again", "otherwise"):
                if made and arguments:
                    repeated = made[arguments[0] % len(made)]
                    made.append(repeated if kind == "again" else {**repeated, "channel": "other"})
            else:
                made.append(self._body(f"x{self.example}-e{n}", kind, *arguments))
        return made

    def _body(self, id: str, kind: str, who: int, hours: float = 0, what: Any = None) -> Body:
        when = self.service.clock() - timedelta(hours=hours)
        body: Body = {"type": kind, "id": id, "occurred_at": when.isoformat(), "member": f"card:{self.card(who)}"}
        match kind:
            case "purchase":
                return purchase(what, card=self.card(who), id=id, at=when)
            case "past":
                return purchase(what, card=self.card(who), id=id, at=when, history=True)
            case "basket":
                sale = purchase("0.00", card=self.card(who), id=id, at=when, lines=[{"amount": one} for one in what])
                return {name: value for name, value in sale.items() if name != "total"}
            case "redemption":
                return body | {"points": what}
            case "activity":
                return body | {"activity": what}
            case "return":
                sold, amount = what
                came_back = {"all": True} if amount is None else {"amount": amount, "currency": "EUR"}
                return body | {"purchase": f"x{self.example}-e{sold}", **came_back}
            case "cancellation":
                return body | {"event": f"x{self.example}-e{what}", "kind": "purchase"}
            case "enrolment":
                del body["member"]
                code = {} if what is None else {"referral_code": self.codes[what]}
                return body | {"identities": {"card": self.card(who)}} | code
            case _:
                return body | {"type": "redemption", "points": "5"}

    async def one_by_one(self, bodies: Sequence[Body]) -> list[Body]:
        """Each outcome, in the order of the bodies, of sending them singly in the order in which they occurred.

        With history among them, in the order in which they lie (semantics E4, E7).
        """
        outcomes, past = {}, any("history" in body for body in bodies)
        for n in sorted(range(len(bodies)), key=lambda n: "" if past else bodies[n]["occurred_at"]):
            outcomes[n] = _outcome(await self.service.send(bodies[n]))
        return [outcomes[n] for n in range(len(bodies))]

    async def at_once(self, bodies: Sequence[Body], query: str = "") -> list[Body]:
        """Each outcome of one batch."""
        if not bodies:
            return []
        answer = await self.service.send({"events": bodies}, path=f"/v1/events/batch?explain=true{query}")
        assert answer.status_code in (200, 207), answer.text
        return [_item(item) for item in answer.json()["results"]]

    async def settle(self) -> None:
        parts = self.service.app.state.parts
        await settle_once(parts.engine, parts.ledger, now=self.service.clock())

    async def standing(self) -> list[Body]:
        """What every member has and how they came to it, without what must differ between two programs."""
        return list(await asyncio.gather(*(self._member(self.card(n)) for n in range(PEOPLE + FRIENDS))))

    async def _member(self, card: str) -> Body:
        asked = {"member": f"card:{card}", "include": ["balance", "tier"]}
        answer = await self.service.send(asked, path="/v1/members/lookup")
        if answer.status_code == 422:
            return {}
        person = answer.json()
        path = f"/v1/members/{person['id']}"
        lots, statement = [
            (await self.service.client.get(f"{path}/{page}?limit=200")).json() for page in ("lots", "statement")
        ]
        return {
            "balance": person["balance"]["units"],
            "tier": person["tier"]["tiers"],
            "referral": person["referral"],
            "lots": lots["lots"],
            "events": [_plain(event, "id", "member", "source_id") for event in statement["events"]],
        }


def _plain(value: Body, *names: str) -> Body:
    """Without these fields, of what followed on an event too."""
    plain = {name: value[name] for name in value if name not in names}
    if "followed" in plain:
        plain["followed"] = [_plain(one, *names) for one in plain["followed"]]
    return plain


def _outcome(answer: httpx.Response) -> Body:
    """A single answer as an item of a batch would be."""
    said = answer.json()
    if answer.status_code == 201:
        return {"created": _plain(said, "id", "member")}
    if answer.status_code == 200:
        return {"replayed": _plain(said, "id", "member")}
    if answer.status_code == 202:
        return {"parked": _plain(said, "id", "member")}
    return {"refused": _problem(said)}


def _item(item: Body) -> Body:
    for name in ("event", "parked"):
        if name in item:
            return {item["outcome"]: _plain(item[name], "id", "member")}
    return {item["outcome"]: _problem(item["problem"])}


def _problem(said: Body) -> Body:
    return _plain(said, "request_id", "instance", "member", "recorded")


@pytest.fixture
async def programs(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Service, Service]]:
    """Two programs by the same rules, in one database."""
    async with AsyncExitStack() as stack:
        yield await _opened(stack, settings, clock, "one"), await _opened(stack, settings, clock, "other")


async def _opened(stack: AsyncExitStack, settings: Settings, clock: Clock, program: str) -> Service:
    await publish(settings, clock=clock, document=PROGRAM, program=program)
    return await stack.enter_async_context(open_service(settings, clock=clock, program=program))


async def differ(programs: tuple[Service, Service], asked: Sequence[tuple[Any, ...]]) -> None:
    """Sends the same to both programs: as a batch, and one by one."""
    example = next(_examples)
    shops = [Shop(service, example) for service in programs]
    for shop in shops:
        await shop.befriend()
    batched, single = shops

    together = await batched.at_once(batched.bodies(asked))
    apart = await single.one_by_one(single.bodies(asked))

    assert together == apart
    await batched.settle()
    await single.settle()
    assert await batched.standing() == await single.standing()


@pytest.mark.timeout(600)
@settings(max_examples=15, **quick)
@given(st.lists(commands, min_size=12, max_size=25))
async def test_a_batch_is_what_its_events_are_one_by_one(
    programs: tuple[Service, Service], asked: Sequence[tuple[Any, ...]]
) -> None:
    """Semantics E4, L7: outcomes, accounts, lots, tiers and statements, events judged by when they occurred."""
    await differ(programs, asked)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=200, **quiet)
@given(st.lists(commands, min_size=40, max_size=40))
async def test_a_long_batch_is_what_its_events_are_one_by_one(
    programs: tuple[Service, Service], asked: Sequence[tuple[Any, ...]]
) -> None:
    await differ(programs, asked)


async def test_a_bonus_scheduled_in_a_batch_can_be_spent_in_it(programs: tuple[Service, Service]) -> None:
    """Semantics L7: everything due to a member is done before their next command, also within one batch."""
    await differ(
        programs,
        [
            ("enrolment", 0, 2, 0),
            ("purchase", 0, 1, "60.00"),
            ("redemption", 0, 0, 50 + 60 + 25),
            ("redemption", PEOPLE, 0, 50 + 100),
        ],
    )


async def test_answers_do_not_depend_on_how_rows_are_found(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics E1: PostgreSQL promises no order unless asked for one, and finds rows another way as tables grow."""
    for way in ("indexscan", "indexonlyscan", "bitmapscan"):
        await owner.execute(
            f"ALTER DATABASE {await owner.fetchval('SELECT current_database()')} SET enable_{way} = off"
        )
    async with AsyncExitStack() as stack:
        await differ(
            (await _opened(stack, settings, clock, "one"), await _opened(stack, settings, clock, "other")),
            [
                ("purchase", 0, 3, "60.00"),
                ("activity", 0, 2, "survey"),
                ("redemption", 0, 1, 5),
                ("purchase", 0, 0, "60.00"),
            ],
        )


async def rehearse(service: Service, owner: asyncpg.Connection, asked: Sequence[tuple[Any, ...]]) -> None:
    """Each event is tried, then sent; the last ones are tried and sent as a batch."""
    shop = Shop(service, next(_examples))
    await shop.befriend()
    bodies = shop.bodies(asked)
    last = len(bodies) // 2
    for body in bodies[:last]:
        tried = await service.send(body, path="/v1/events?dry_run=true")
        assert_as_tried(tried, await service.send(body))
    before = await picture(owner)
    rehearsed = await shop.at_once(bodies[last:], "&dry_run=true")
    assert await picture(owner) == before, "a dry run wrote something"
    assert _unnumbered(rehearsed) == _unnumbered(await shop.at_once(bodies[last:]))


def assert_as_tried(tried: httpx.Response, real: httpx.Response) -> None:
    """The same answer, but for what a dry run cannot know; it says that it is provisional."""
    assert tried.status_code == (200 if real.status_code == 201 else real.status_code)
    assert tried.json().get("provisional") is (True if real.status_code == 201 else None)
    assert _plain(tried.json(), *OURS, "request_id") == _plain(real.json(), *OURS, "request_id")


def _unnumbered(outcomes: Sequence[Body]) -> list[Body]:
    return [{name: _plain(value, *OURS) for name, value in outcome.items()} for outcome in outcomes]


@pytest.mark.timeout(600)
@settings(max_examples=12, **quick)
@given(st.lists(commands, min_size=8, max_size=16))
async def test_a_dry_run_answers_what_will_happen(
    programs: tuple[Service, Service], owner: asyncpg.Connection, asked: Sequence[tuple[Any, ...]]
) -> None:
    """api C10: the later real answer, but for ids, the time of recording and being provisional; nothing written."""
    await rehearse(programs[0], owner, asked)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=150, **quiet)
@given(st.lists(commands, min_size=30, max_size=30))
async def test_many_dry_runs_answer_what_will_happen(
    programs: tuple[Service, Service], owner: asyncpg.Connection, asked: Sequence[tuple[Any, ...]]
) -> None:
    await rehearse(programs[0], owner, asked)


async def test_a_dry_run_of_another_time_answers_what_will_happen_then(
    programs: tuple[Service, Service], clock: Clock
) -> None:
    """api C10: `now` pretended, points that will have expired are gone, and what was due is counted."""
    shop = Shop(programs[0], next(_examples))
    await shop.befriend()
    await shop.at_once(shop.bodies([("enrolment", 0, 2, 0), ("purchase", 0, 1, "60.00")]))
    for days in (0, 1, 15, 21, 45):
        then = clock() + timedelta(days=days)
        redemption = {"type": "redemption", "occurred_at": then.isoformat(), "points": 40}
        bodies = [redemption | {"id": f"{who}-{days}", "member": f"card:{shop.card(who)}"} for who in (0, PEOPLE)]
        path = f"/v1/events?dry_run=true&now={quote(then.isoformat())}"
        tried = [await shop.service.send(body, path=path) for body in bodies]
        clock.now = then
        for body, answer in zip(bodies, tried, strict=True):
            assert_as_tried(answer, await shop.service.send(body))


sales = st.lists(st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, 29 * 24), amounts), min_size=1, max_size=12)
undoings = st.sampled_from(["nothing", "nothing", "cancellation", "return", "half", "half and third"])
"""What becomes of a sale: never more than is left, so that none is refused in any order."""


def _undone(number: int, sale: tuple[int, int, str], way: str) -> list[tuple[Any, ...]]:
    """The returns or the cancellation of a sale, which occurred later than it."""
    who, hours, amount = sale
    cents = int(amount.replace(".", ""))
    if way in ("cancellation", "return"):
        return [(way, who, hours / 2, number if way == "cancellation" else (number, None))]
    parts = [cents // size for name, size in (("half", 2), ("third", 3)) if name in way]
    return [("return", who, hours / 2, (number, f"{c // 100}.{c % 100:02d}")) for c in parts if c]


async def shuffle(service: Service, asked: Sequence[tuple[Any, ...]], order: Sequence[int], cuts: set[int]) -> None:
    """Sends the same in the order in which it occurred, and in another order with copies, cut into batches.

    A return that comes before its purchase waits for it.
    """
    straight, shuffled = Shop(service, next(_examples)), Shop(service, next(_examples))
    for shop in (straight, shuffled):
        for number in range(PEOPLE):
            await service.enrol(shop.card(number))
    sent = [shop.bodies(asked) for shop in (straight, shuffled)]

    await straight.one_by_one(sent[0])
    batch: list[Body] = []
    for n, number in enumerate(order):
        batch.append(sent[1][number])
        if n in cuts or n == len(order) - 1:
            single = len(batch) == 1
            outcomes = await (shuffled.one_by_one(batch) if single else shuffled.at_once(batch))
            assert all(name in ("created", "replayed", "parked") for outcome in outcomes for name in outcome)
            batch = []

    assert (await service.client.get("/v1/parked")).json()["parked"] == []
    assert [_independent(member) for member in await shuffled.standing()] == [
        _independent(member) for member in await straight.standing()
    ]


def _independent(member: Body) -> Body:
    """What must not depend on the order of recording: accounts and lots, without their numbers."""
    if not member:
        return {}
    return {
        "balance": member["balance"],
        "lots": sorted(str(sorted(_plain(lot, "sequence", "position").items())) for lot in member["lots"]),
        "events": sorted((event["occurred_at"], event["type"]) for event in member["events"]),
    }


@st.composite
def shuffles(draw: st.DrawFn) -> tuple[Sequence[tuple[Any, ...]], Sequence[int], set[int]]:
    """Sales and what undoes them, an order with copies, and where it is cut into batches."""
    sold = draw(sales)
    asked: list[tuple[Any, ...]] = [("purchase", *sale) for sale in sold]
    for number, sale in enumerate(sold):
        asked += _undone(number, sale, draw(undoings))
    copies = draw(st.lists(st.integers(0, len(asked) - 1), max_size=6))
    order = draw(st.permutations([*range(len(asked)), *copies]))
    return asked, order, draw(st.sets(st.integers(0, len(order))))


@pytest.fixture
async def expiring(settings: Settings, clock: Clock) -> AsyncIterator[Service]:
    """A program whose sales do not depend on each other: no tiers, no referrals; returns take their own points."""
    await publish(settings, clock=clock, document=EXPIRING)
    async with open_service(settings, clock=clock) as service:
        yield service


@pytest.mark.timeout(600)
@settings(max_examples=10, **quick)
@given(shuffles())
async def test_independent_events_end_the_same_in_every_order_and_number_of_copies(
    expiring: Service, owner: asyncpg.Connection, todo: tuple[Sequence[tuple[Any, ...]], Sequence[int], set[int]]
) -> None:
    """Semantics E4: any order, any number of copies, cut into batches anywhere."""
    await shuffle(expiring, *todo)
    await assert_whole(owner)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=100, **quiet)
@given(shuffles())
async def test_a_hundred_shuffles_end_the_same(
    expiring: Service, todo: tuple[Sequence[tuple[Any, ...]], Sequence[int], set[int]]
) -> None:
    await shuffle(expiring, *todo)
