"""Transfers over HTTP: points from one member to another, and back (semantics L13, E6)."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.domain.scopes import SHOP, Scope
from app.settings import Settings
from tests.api.test_holds import account, held
from tests.api.test_parking import settle, turned_away
from tests.api.test_returns import books, cancelled, proven
from tests.builders import EXPIRING, PLAIN, START, Clock, Service, at, key_for, open_service, publish
from tests.database import assert_whole, count
from tests.ledger.test_races import members_locked, wait_for_waiting

GIVING = EXPIRING + "transfers: {units: [points], daily_limit: {points: 1000}}\n"
"""A point a euro, for twelve months, which members may pass on: a thousand a day."""


def given(
    points: Any = 25, *, id: str = "t1", card: str = "1001", to: Any = "card:2002", **more: Any
) -> dict[str, Any]:
    """The body of a transfer."""
    said = {"type": "transfer", "id": id, "member": f"card:{card}", "to": to, "points": points, **more}
    return {"occurred_at": "2026-11-21T10:00:00+01:00", **said}


@pytest.fixture
async def two(settings: Settings, clock: Clock) -> AsyncIterator[Service]:
    """The service with two members, the first of whom has 100 points."""
    await publish(settings, clock=clock, document=GIVING)
    async with open_service(settings, clock=clock) as service:
        await service.buy("100.00")
        await service.enrol("2002")
        yield service


async def test_points_go_from_one_member_to_another(two: Service, owner: asyncpg.Connection) -> None:
    """Semantics L13: in one transaction, with the end they had; nothing is issued or redeemed by it."""
    answer = await two.send(given())

    assert answer.status_code == 201
    assert [entry["points"] for entry in answer.json()["entries"]] == [-25]
    assert (await account(two), await account(two, "2002")) == ((75, 75, 0, 0), (25, 25, 0, 0))
    (received,) = await owner.fetch("SELECT * FROM event WHERE kind = 'transfer_in'")
    assert received["source"] == "zegel"
    ends = await owner.fetch("SELECT DISTINCT expires_at FROM open_lot")
    assert len(ends) == 1
    told = await owner.fetch("SELECT body FROM message WHERE type = 'points.transferred' ORDER BY body")
    assert len(told) == 2
    (unit,) = await books(two)
    assert (unit.moved.issued, unit.moved.redeemed, unit.moved.reversed, unit.outstanding) == (100, 0, 0, 100)
    assert await proven(two) == []
    await assert_whole(owner)


async def test_a_transfer_sent_again_answers_the_same_whatever_its_receiver_is_called(
    two: Service, owner: asyncpg.Connection
) -> None:
    """Semantics E1: content means the members, not how they were named."""
    first = await two.send(given())
    member = (await two.send({"member": "card:2002"}, path="/v1/members/lookup")).json()["id"]

    again = await two.send(given(to=member))

    assert (again.status_code, again.json()) == (200, first.json())
    other = await two.send(given(26))
    assert other.json()["code"] == "event_id_reused"
    assert await count(owner, "event", "kind = 'transfer_in'") == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (given(to="card:9999"), 422, "unknown_receiver"),
        (given(to="mem_01m803s7a9efr83zrxpt57gdkk"), 422, "unknown_receiver"),
        (given(to="card:1001"), 422, "own_transfer"),
        (given(101), 409, "insufficient_points"),
        (given(1001), 409, "transfer_limit"),
        (given(card="2002", to="card:1001"), 409, "insufficient_points"),
        (given(card="9999"), 422, "unknown_member"),
        (given(unit="pints"), 422, "unknown_unit"),
        (given(not_after="2026-11-21T08:59:59Z"), 422, "not_after_passed"),
    ],
)
async def test_what_is_refused_leaves_both_as_they_were(
    two: Service, owner: asyncpg.Connection, body: dict[str, Any], status: int, code: str
) -> None:
    """Semantics L13, E6."""
    events = await count(owner, "event")

    answer = await two.send(body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await count(owner, "event") == events
    assert [one["code"] for one in await turned_away(two)] == [code]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (given(0), "/points"),
        (given("25"), "/points"),
        (given(to="x"), "/to"),
        (given(to="1001x"), "/to"),
        (given(to={"identity": "card:9999", "enrol": True}), "/to"),
        (given(history=True), "/history"),
        ({**cancelled("t1", "transfer"), "history": True}, "/history"),
        ({**cancelled("t1", "transfer"), "points": 5}, "/points"),
        ({key: value for key, value in given().items() if key != "to"}, "/to"),
    ],
)
async def test_what_is_no_transfer_is_told_where(two: Service, body: dict[str, Any], pointer: str) -> None:
    answer = await two.send(body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_without_the_rules_nothing_is_passed_on(service: Service) -> None:
    """Semantics L13: off unless the rules allow."""
    await service.buy("100.00")
    await service.enrol("2002")

    answer = await service.send(given())

    assert (answer.status_code, answer.json()["code"], answer.json()["units"]) == (422, "transfers_off", [])


async def test_a_shops_key_passes_nothing_on_unless_it_was_made_to(two: Service, settings: Settings) -> None:
    """api: a scope of its own, for the transfer and for taking it back."""
    await two.send(given(id="t0"))
    key = await key_for(settings, scopes=SHOP)
    headers = {"Authorization": f"Bearer {key}"}

    for body in (given(), cancelled("t0", "transfer")):
        answer = await two.send(body, headers=headers)
        assert (answer.status_code, answer.json()["scope"]) == (403, Scope.TRANSFERS_WRITE.value)


async def test_a_day_has_a_limit_and_what_was_received_rests(two: Service, clock: Clock) -> None:
    """Semantics L13: both read from what is recorded, in one batch and in many."""
    await two.buy("1900.00")
    batch = {"events": [given(600), given(401, id="t2"), given(400, id="t3")]}
    results = (await two.send(batch, path="/v1/events/batch")).json()["results"]
    assert [one["outcome"] for one in results] == ["created", "refused", "created"]
    assert results[1]["problem"]["left"] == 400

    over = await two.send(given(1, id="t4"))
    resting = await two.send(given(1, id="t5", card="2002", to="card:1001"))

    assert (over.json()["code"], over.json()["left"]) == ("transfer_limit", 0)
    assert (resting.json()["code"], resting.json()["free"]) == ("recently_received", 0)
    clock.forward(hours=24)
    later = {"occurred_at": at(clock.now)}
    assert (await two.send(given(1000, id="t6", card="2002", to="card:1001", **later))).status_code == 201
    assert (await two.send(given(1000, id="t7", **later))).status_code == 201
    assert await proven(two) == []


async def test_a_dry_run_writes_nothing(two: Service, owner: asyncpg.Connection) -> None:
    """api C10."""
    answer = await two.send(given(), params={"dry_run": "true"})

    assert answer.status_code == 200
    assert (answer.json()["provisional"], answer.json()["entries"][0]["points"]) == (True, -25)
    assert await count(owner, "event", "kind LIKE 'transfer%'") == 0
    await two.send(given())
    back = await two.send(cancelled("t1", "transfer"), params={"dry_run": "true"})
    assert (back.status_code, back.json()["entries"][0]["points"]) == (200, 25)
    assert await account(two, "2002") == (25, 25, 0, 0)


async def test_a_transfer_is_taken_back_while_its_receiver_has_all_of_it(two: Service) -> None:
    """Semantics E6: by the shop's id or ours, once."""
    first = (await two.send(given())).json()
    await two.send(given(10, id="t2"))

    by_key = await two.send(cancelled("t2", "transfer", id="c1"))
    by_id = await two.send(cancelled(first["id"], "transfer", id="c2"))
    again = await two.send(cancelled("t1", "transfer", id="c3"))
    plain = await two.send(cancelled(first["id"], None, id="c4"))

    assert [answer.status_code for answer in (by_key, by_id)] == [201, 201]
    assert [answer.json()["code"] for answer in (again, plain)] == ["nothing_left", "not_reversible"]
    assert (await account(two), await account(two, "2002")) == ((100, 100, 0, 0), (0, 0, 0, 0))
    (unit,) = await books(two)
    assert (unit.moved.issued, unit.moved.redeemed, unit.moved.reversed) == (100, 0, 0)
    assert await proven(two) == []


async def test_once_a_point_is_spent_or_held_a_transfer_stands(two: Service) -> None:
    """Semantics E6."""
    await two.send(given())
    await two.send(given(10, id="t2"))
    await two.redeem(1, card="2002")
    await two.send(held(30, card="2002"))

    one = await two.send(cancelled("t1", "transfer", id="c1"))
    other = await two.send(cancelled("t2", "transfer", id="c2"))

    assert [(a.status_code, a.json()["code"]) for a in (one, other)] == [(409, "transfer_spent")] * 2
    assert (one.json()["given"], one.json()["left"], other.json()["left"]) == (25, 0, 4)
    assert await account(two) == (65, 65, 0, 0)
    assert await proven(two) == []


async def test_only_the_givers_transfer_is_taken_back(two: Service) -> None:
    """Semantics E6: a cancellation names an event of the same member."""
    await two.send(given())

    answer = await two.send({**cancelled("t1", "transfer"), "member": "card:2002"})

    assert answer.json()["code"] == "other_members_event"


async def test_a_cancellation_may_come_before_its_transfer_and_both_in_one_batch(two: Service) -> None:
    """Semantics E4."""
    early = await two.send(cancelled("t1", "transfer", id="c1"))
    await two.send(given())
    batch = {"events": [given(id="t2"), cancelled("t2", "transfer", id="c2")]}
    results = (await two.send(batch, path="/v1/events/batch")).json()["results"]

    assert early.status_code == 202
    assert [one["outcome"] for one in results] == ["created", "created"]
    assert await account(two) == (100, 100, 0, 0)
    assert await proven(two) == []


async def test_a_cancellation_that_waited_for_a_transfer_of_somebody_else_is_refused_by_the_worker(
    two: Service,
) -> None:
    """Semantics E4, L13: under the lock of the one who waits alone, not of those who gave and received."""
    await two.enrol("3003")
    early = await two.send(cancelled("t1", "transfer", member="card:3003"))
    await two.send(given(40, id="t1"))

    settled = await settle(two)

    assert (early.status_code, settled) == (202, 1)
    (refused,) = await turned_away(two)
    assert (refused["source_id"], refused["code"]) == ("c1", "other_members_event")
    assert await proven(two) == []


async def test_a_receiver_may_join_in_the_same_batch(two: Service) -> None:
    joins = {"type": "enrolment", "id": "e3", "occurred_at": at(START), "identities": {"card": "3003"}}

    answer = await two.send({"events": [joins, given(to="card:3003")]}, path="/v1/events/batch")

    assert [one["outcome"] for one in answer.json()["results"]] == ["created", "created"]
    assert await account(two, "3003") == (25, 25, 0, 0)


async def test_a_refused_transfer_may_be_let_in(two: Service) -> None:
    """Semantics E3: to whom it was meant for, known by now."""
    await two.send(given(to="card:3003"))
    (refused,) = await turned_away(two)
    await two.enrol("3003")

    answer = await two.send({}, path=f"/v1/refused/{refused['id']}/admit", headers={"Idempotency-Key": "a"})

    assert answer.status_code == 201, answer.text
    assert await account(two, "3003") == (25, 25, 0, 0)
    assert await proven(two) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM event WHERE kind = 'transfer_in'", "transfer events without their transfer_in: 1 of them"),
        ("UPDATE event SET key = 'tin:x' WHERE kind = 'transfer_in'", "transfer events without their transfer_in"),
        ("DELETE FROM event WHERE kind = 'transfer'", "transfer_in events without their transfer: 1 of them"),
        ("UPDATE entry SET points = 26 WHERE points = 25", "the books do not balance"),
        ("UPDATE open_lot SET expires_at = NULL WHERE credited = 25", "lot 2.0: expires_at is None"),
    ],
)
async def test_a_changed_side_is_found(two: Service, owner: asyncpg.Connection, change: str, found: str) -> None:
    """Semantics L15: `zegel verify` looks for the other side of each transfer."""
    await two.send(given())
    assert await proven(two) == []

    await owner.execute(change)

    assert [finding for finding in await proven(two) if found in finding]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM event WHERE kind = 'cancellation'", "transfer_reversal events without their cancellation: 1 of"),
        ("UPDATE event SET key = 'trv:x' WHERE kind = 'transfer_reversal'", "transfer_reversal events without their"),
        ("DELETE FROM event WHERE kind = 'transfer_reversal'", "cancellations of transfers without their transfer_re"),
    ],
)
async def test_a_changed_side_of_a_cancellation_is_found(
    two: Service, owner: asyncpg.Connection, change: str, found: str
) -> None:
    """Semantics L15, E6: and so for what takes a transfer back."""
    await two.send(given())
    await two.send(cancelled("t1", "transfer"))
    assert await proven(two) == []

    await owner.execute(change)

    assert [finding for finding in await proven(two) if found in finding]


@pytest.fixture
async def pair(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Service, Service]]:
    """Two processes' worth of the service, in which nothing limits a day."""
    await publish(settings, clock=clock, document=PLAIN + "transfers: {units: [points]}\n")
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        yield one, other


async def at_once(tills: Sequence[Service], bodies: Sequence[Any]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(tills[i % len(tills)].send(body) for i, body in enumerate(bodies))))


async def test_transfers_that_cross_each_other_wait_and_do_not_deadlock(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Both members are locked in the order of their ids, whoever gives."""
    await publish(settings, clock=clock, document=PLAIN + "transfers: {units: [points]}\n")
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        await one.buy("100.00")
        await other.buy("100.00", card="2002", id="theirs")
        for n in range(8):
            there, back = given(1, id=f"a{n}"), given(1, id=f"b{n}", card="2002", to="card:1001")
            async with members_locked(settings):
                crossing = [asyncio.create_task(one.send(there)), asyncio.create_task(other.send(back))]
                await wait_for_waiting(owner, 2)
            answers = await asyncio.gather(*crossing)
            assert [answer.status_code for answer in answers] == [201, 201], [answer.text for answer in answers]
        assert [await account(one, card) for card in ("1001", "2002")] == [(100, 100, 0, 0)] * 2

    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await owner.fetchval(deadlocks) == 0  # told by connections as they close
    await assert_whole(owner)


async def test_a_hundred_transfers_at_random_lose_no_point(pair: tuple[Service, Service], clock: Clock) -> None:
    """Semantics L13, L15: between five members, in two processes, some of them taken back meanwhile."""
    chance = random.Random(13)
    cards = [f"{n}00{n}" for n in range(1, 6)]
    for card in cards:
        await pair[0].buy("100.00", card=card)
    bodies: list[dict[str, Any]] = []
    for n in range(100):
        giver, receiver = chance.sample(cards, 2)
        bodies.append(given(chance.randint(1, 30), id=f"t{n}", card=giver, to=f"card:{receiver}"))
        if n % 4 == 3:
            undone = chance.choice(bodies[-4:])
            if undone["type"] == "transfer":
                bodies.append(cancelled(undone["id"], "transfer", id=f"c{n}") | {"member": undone["member"]})

    answers = await at_once(pair, bodies)
    clock.forward(hours=25)
    later = [body | {"id": body["id"] + "again", "occurred_at": at(clock.now)} for body in bodies[:40]]
    answers += await at_once(pair, [body for body in later if body["type"] == "transfer"])

    assert {answer.status_code for answer in answers} <= {201, 202, 409, 422}
    assert sum(answer.status_code == 201 for answer in answers) > 60
    assert sum([(await account(pair[0], card))[0] for card in cards]) == 500
    assert await proven(pair[0]) == []


async def test_of_many_at_once_no_more_is_given_than_a_day_allows(settings: Settings, clock: Clock) -> None:
    """Semantics L13: what was given is read under the lock."""
    await publish(settings, clock=clock, document=GIVING.replace("1000", "50"))
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        await one.buy("500.00")
        await one.enrol("2002")

        answers = await at_once((one, other), [given(7, id=f"t{n}") for n in range(30)])

        assert sum(answer.status_code == 201 for answer in answers) == 7
        assert await account(one, "2002") == (49, 49, 0, 0)
        assert await proven(one) == []


async def test_looking_back_both_sides_stand_as_they_did(two: Service, clock: Clock) -> None:
    """Semantics L14."""
    ids = {}
    for card in ("1001", "2002"):
        ids[card] = (await two.send({"member": f"card:{card}"}, path="/v1/members/lookup")).json()["id"]
    clock.forward(hours=1)
    await two.send(given(occurred_at=at(clock.now)))

    async def looked(card: str, instant: Any) -> int:
        answer = await two.client.get(f"/v1/members/{ids[card]}/balance", params={"as_of": at(instant)})
        return int(answer.json()["units"].get("points", {"available": 0})["available"])

    before = clock.now - timedelta(seconds=1)
    assert [await looked(card, before) for card in ids] == [100, 0]
    assert [await looked(card, clock.now) for card in ids] == [75, 25]


async def test_each_side_is_told_of_the_other(two: Service) -> None:
    """Semantics L13, L14: whoever reads a statement can say where the points went, and where they came from."""
    sent = (await two.send(given())).json()
    members = [
        (await two.send({"member": f"card:{card}"}, path="/v1/members/lookup")).json()["id"] for card in (1001, 2002)
    ]

    giver, receiver = [
        (await two.client.get(f"/v1/members/{member}/statement")).json()["events"][0] for member in members
    ]

    assert (giver["id"], giver["other"], "about" in giver) == (sent["id"], members[1], False)
    assert (receiver["type"], receiver["other"], receiver["about"]) == ("transfer_in", members[0], sent["id"])
    assert sent["other"] == members[1]
