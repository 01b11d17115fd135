"""What was, is still to be read: balance, lots, tier and statement as of any instant (semantics L14)."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.cli import verify
from app.settings import Settings
from app.worker import settling
from tests.builders import LADDER, PLAIN, START, Clock, Service, at, open_service, publish, purchase

DOCUMENT = LADDER.replace("points: {name: Points}", "points: {name: Points, pending: P3D, expires: {after: P20D}}")
GRACE = DOCUMENT.replace("{after: P20D}", "{after: P9D}, grace: P4D")
SLIDING = LADDER.replace("points: {name: Points}", "points: {name: Points, expires: {inactive: P2D}}")
"""Points that end together; what ends is undone by events that are reported late."""

READS = ("balance", "lots", "tier", "statement")


async def shown(service: Service, member: str, what: str, **asked: str) -> Any:
    """An answer; of a lot without what only later came of it."""
    answer = await service.client.get(f"/v1/members/{member}/{what}", params={**asked})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    if what == "lots":
        return [lot for lot in said["lots"] if lot["state"] != "expired"]
    return said


async def step(service: Service, number: int, chance: random.Random) -> None:
    """Something happens, at once or reported late; what is refused changes nothing."""
    now = service.clock()
    body: dict[str, Any] = {"id": f"e{number}", "member": "card:1001", "occurred_at": at(now)}
    which = chance.randrange(6)
    if which <= 1:
        late = timedelta(hours=chance.choice([0, 30, 55]))
        body = purchase(f"{chance.randrange(1, 150)}.00", id=f"e{number}", at=now - late)
    elif which == 2:
        body |= {"type": "redemption", "points": chance.randrange(1, 60)}
    elif which == 3:
        body |= {"type": "return", "purchase": f"e{chance.randrange(number + 1)}", "amount": "20.00", "currency": "EUR"}
    elif which == 4:
        body |= {"type": "cancellation", "event": f"e{chance.randrange(number + 1)}", "kind": "redemption"}
    if "type" in body:
        await service.send(body)


@pytest.mark.parametrize("document", [DOCUMENT, GRACE], ids=["plain", "grace"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
async def test_what_was_shown_once_is_shown_again(settings: Settings, clock: Clock, document: str, seed: int) -> None:
    """By recording: exactly what a reader saw then, whatever has come since."""
    await publish(settings, clock=clock, document=document)
    chance = random.Random(seed)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = (await service.buy("30.00", id="e0")).json()["member"]
        seen: list[tuple[datetime, dict[str, Any]]] = []
        for number in range(1, 25):
            clock.forward(hours=chance.choice([1, 20, 50]))
            if chance.randrange(3) == 0:
                await settling.settle_once(parts.engine, parts.ledger, now=clock())
            await step(service, number, chance)
            clock.forward(seconds=1)
            seen.append((clock(), {what: await shown(service, member, what) for what in READS}))
        clock.forward(days=50)
        await settling.settle_once(parts.engine, parts.ledger, now=clock())

        for instant, then in seen:
            for what in READS:
                again = await shown(service, member, what, as_of=at(instant), by="recording")
                assert again == then[what], (instant, what)
        assert len({str(then["balance"]["units"]["points"]) for _, then in seen}) > 8


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 5, 8))])
async def test_accounts_that_end_together_are_shown_as_they_were(settings: Settings, clock: Clock, seed: int) -> None:
    """Semantics L4, L10, L14: by recording, whether an end was written down by then, later, or undone since."""
    await publish(settings, clock=clock, document=SLIDING)
    chance = random.Random(seed)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        member = (await service.buy("30.00", id="e0")).json()["member"]
        seen: list[tuple[datetime, dict[str, Any]]] = []
        for number in range(1, 50):
            clock.forward(hours=chance.choice([1, 20, 50]))
            if chance.randrange(3) == 0:
                await settling.settle_once(parts.engine, parts.ledger, now=clock())
            await step(service, number, chance)
            clock.forward(seconds=1)
            seen.append((clock(), await held(service, member)))
        events = (await shown(service, member, "statement", limit="200"))["events"]
        undone = [event for event in events if event["type"] == "expiry_reversal"]

        for instant, then in seen:
            assert await held(service, member, as_of=at(instant), by="recording") == then, instant
        for event in undone:  # by effect it never ended
            assert (await held(service, member, as_of=event["effective_at"]))["balance"] > 0
        assert undone
        assert any(then["balance"] == 0 for _, then in seen)
        assert await verify.run(settings) == []


async def held(service: Service, member: str, **asked: str) -> dict[str, Any]:
    """The points of a member, with when they end."""
    return dict((await shown(service, member, "balance", **asked))["units"]["points"])


async def test_what_had_ended_is_shown_so_though_history_has_moved_its_end_since(
    settings: Settings, clock: Clock
) -> None:
    """Semantics E7, L10, L14: the end was never written down, for history is judged as if it were then."""
    await publish(settings, clock=clock, document=SLIDING)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("30.00")).json()["member"]
        before, lasting = clock.now, await held(service, member)
        clock.forward(days=5)
        instant, then = clock.now, await held(service, member)
        lots = await shown(service, member, "lots")
        clock.forward(hours=1)
        sent = await service.send({**purchase("7.00", id="h", at=START + timedelta(days=2)), "history": True})
        clock.forward(hours=1)

        assert sent.status_code == 201
        assert (then["balance"], lasting["balance"], lots) == (0, 30, [])
        assert await held(service, member, as_of=at(instant), by="recording") == then
        assert await shown(service, member, "lots", as_of=at(instant), by="recording") == lots
        assert await held(service, member, as_of=at(before), by="recording") == lasting
        assert lasting["expiring"] != []


async def test_what_waited_had_paid_what_was_owed_before_that_was_written_down(
    settings: Settings, clock: Clock
) -> None:
    """Semantics L9, L14: as it was shown at the instant, by the clock."""
    document = PLAIN.replace("{name: Points}", "{name: Points, pending: P5D}")
    await publish(settings, clock=clock, document=document + "redemptions: {offline_allowance: {points: 50}}\n")
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("40.00")).json()["member"]
        await service.redeem(15, offline=True)
        clock.forward(days=6)
        shown, instant = (await service.units(member))["points"], clock.now
        clock.forward(days=1)
        await service.buy("1.00")

        asked = {"as_of": at(instant), "by": "recording"}
        found = (await service.client.get(f"/v1/members/{member}/balance", params=asked)).json()["units"]["points"]

        names = ("balance", "available", "pending", "deficit")
        assert [shown[name] for name in names] == [25, 25, 0, 0]
        assert [found[name] for name in names] == [25, 25, 0, 0]


@pytest.mark.parametrize("expiry", ["inactive: P3D", "after: P1D"], ids=["together", "dated"])
async def test_what_waited_paid_what_was_owed_before_it_ended(settings: Settings, clock: Clock, expiry: str) -> None:
    """Semantics L4, L9, L14: shown alike by the clock, and looked back at, before and after that is written down.

    By effect nobody had told by then when what ends together was to end.
    """
    points = f"pending: P2D, expires: {{{expiry}}}"
    document = PLAIN.replace("{name: Points}", f"{{name: Points, {points}}}")
    await publish(settings, clock=clock, document=document + "redemptions: {offline_allowance: {points: 50}}\n")
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("40.00")).json()["member"]
        await service.redeem(15, offline=True)
        seen: dict[datetime, Any] = {}
        for _ in range(9):
            clock.forward(hours=12)
            seen[clock()] = await figures(service, member)
            asked = {"as_of": at(clock())}
            assert await figures(service, member, **asked, by="recording") == seen[clock()]
            assert {**await figures(service, member, **asked), "expiring": None} == {**seen[clock()], "expiring": None}
        clock.forward(seconds=1)
        await service.buy("1.00")

        for instant, then in seen.items():
            assert await figures(service, member, as_of=at(instant), by="recording") == then, instant
        assert [(then["balance"], then["deficit"]) for then in seen.values()] == [
            *[(25, 15)] * 3,
            *[(25, 0)] * 4,
            *[(0, 0)] * 2,
        ]
        assert await verify.run(settings) == []


async def test_lots_are_less_what_they_paid_by_the_clock(settings: Settings, clock: Clock) -> None:
    """Semantics L4, L9: what waited, and what a hold kept, page by page."""
    document = PLAIN.replace("{name: Points}", "{name: Points, pending: P2D}")
    await publish(settings, clock=clock, document=document + "redemptions: {offline_allowance: {points: 50}}\n")
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("10.00")).json()["member"]
        await service.buy("20.00")
        await service.buy("30.00")
        await service.redeem(15, offline=True)

        clock.forward(days=3)

        first = (await service.client.get(f"/v1/members/{member}/lots", params={"limit": "1"})).json()
        asked = {"limit": "1", "cursor": first["next_cursor"]}
        second = (await service.client.get(f"/v1/members/{member}/lots", params=asked)).json()
        assert [lot["remaining"] for lot in (*first["lots"], *second["lots"])] == [15, 30]
        assert second["next_cursor"] is None
        assert (await service.units(member))["points"]["balance"] == 45
        for by in ("recording", "effect"):
            then = await shown(service, member, "lots", as_of=at(clock()), by=by)
            assert then == [*first["lots"], *second["lots"]]


async def test_lots_looked_back_at_are_as_old_as_their_purchase(settings: Settings, clock: Clock) -> None:
    """Semantics L5, L14: what a change of a purchase credits is dated like it."""
    await publish(settings, clock=clock, document=PLAIN)
    async with open_service(settings, clock=clock) as service:
        bought = await service.buy("10.00", id="p1")
        member = bought.json()["member"]
        clock.forward(days=1)
        change = {"type": "purchase_change", "id": "c1", "purchase": "p1", "revision": 1, "member": "card:1001"}
        body = change | {"occurred_at": at(clock()), "currency": "EUR", "total": "30.00"}
        assert (await service.send(body)).status_code == 201

        found = await shown(service, member, "lots")

        assert [lot["occurred_at"] for lot in found] == [found[0]["occurred_at"]] * 2
        for by in ("recording", "effect"):
            assert await shown(service, member, "lots", as_of=at(clock()), by=by) == found


async def figures(service: Service, member: str, **asked: str) -> dict[str, Any]:
    """The points of a member without when they end; what is left of their lots is just that and what is owed."""
    found = await held(service, member, **asked)
    left = sum(lot["remaining"] for lot in await shown(service, member, "lots", **asked))
    assert found["balance"] + found["deficit"] == left, asked
    return found


async def test_by_effect_what_was_reported_late_had_happened(settings: Settings, clock: Clock) -> None:
    """By effect a purchase counts from when it occurred; by recording, from when it came."""
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        member = (await service.enrol())["id"]
        clock.forward(days=10)
        await service.send(purchase("250.00", at=START + timedelta(days=5)))
        asked = at(START + timedelta(days=6))

        effect = await shown(service, member, "balance", as_of=asked)
        recording = await shown(service, member, "balance", as_of=asked, by="recording")
        tiers = [await shown(service, member, "tier", as_of=asked, by=by) for by in ("effect", "recording")]

        assert effect["units"]["points"]["available"] == 250
        assert recording["units"]["points"]["available"] == 0
        assert [one["tiers"][0]["tier"] for one in tiers] == ["silver", "bronze"]
        assert [e["type"] for e in (await shown(service, member, "statement", as_of=asked))["events"]] == [
            "purchase",
            "enrolment",
        ]


async def test_a_late_redemption_takes_nothing_before_it_was_there(settings: Settings, clock: Clock) -> None:
    """By effect a debit happened not before the points it drew: no balance was ever below zero."""
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        member = (await service.enrol())["id"]
        clock.forward(days=2)
        await service.buy("50.00")
        clock.forward(days=1)
        spent = await service.redeem(50, occurred_at=at(START + timedelta(days=1)))
        assert spent.status_code == 201

        balances = [
            (await shown(service, member, "balance", as_of=at(START + timedelta(days=d, hours=1))))["units"]["points"]
            for d in (1, 2)
        ]
        assert [one["balance"] for one in balances] == [0, 0]


async def test_by_effect_a_late_hold_keeps_nothing_before_it_could_be_spent(settings: Settings, clock: Clock) -> None:
    """Points that wait are counted once, whenever somebody says to have kept them."""
    await publish(settings, clock=clock, document=PLAIN.replace("{name: Points}", "{name: Points, pending: P2D}"))
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("50.00")).json()["member"]
        clock.forward(days=3)
        hold = {"type": "hold", "id": "h", "member": "card:1001", "points": 20, "unit": "points", "lasts": "P7D"}
        assert (await service.send(hold | {"occurred_at": at(START + timedelta(days=1))})).status_code == 201

        found = [await figures(service, member, as_of=at(START + timedelta(hours=hours))) for hours in (30, 60)]

        assert [(one["balance"], one["pending"], one["held"]) for one in found] == [(50, 50, 0), (50, 0, 20)]


async def test_by_effect_nothing_is_below_zero_or_more_than_there_was(settings: Settings, clock: Clock) -> None:
    """A cancellation that claims to be older than what it undoes, a debt that was paid before it was made."""
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("100.00", id="a")).json()["member"]
        clock.forward(days=2)
        await service.redeem(50, id="r1")
        undo = {"type": "cancellation", "id": "c1", "member": "card:1001", "event": "r1", "kind": "redemption"}
        await service.send({**undo, "occurred_at": at(START + timedelta(days=1))})
        await service.redeem(95, id="r2")
        owing = {"type": "return", "id": "t1", "member": "card:1001", "purchase": "a", "all": True}
        await service.send({**owing, "occurred_at": at(clock())})
        clock.forward(days=2)
        await service.send(purchase("60.00", id="b", at=START + timedelta(days=1)))

        for hours in range(0, 96, 6):
            asked = at(START + timedelta(hours=hours))
            units = (await shown(service, member, "balance", as_of=asked))["units"]
            found = units["points"]
            assert min(found["balance"] + found["deficit"], found["available"], found["deficit"]) >= 0
            assert found["balance"] <= 160
            lots = await shown(service, member, "lots", as_of=asked)
            assert found["balance"] + found["deficit"] == sum(lot["remaining"] for lot in lots), asked
            gone = hours >= 48
            assert units["spent"]["balance"] == (6000 if gone else 10000 if hours < 24 else 16000)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"as_of": "2026-11-22T00:00:00Z"}, "as_of_out_of_range"),
        ({"as_of": "2026-11-20T00:00:00Z"}, "as_of_out_of_range"),
        ({"as_of": "yesterday"}, "malformed_query"),
        ({"as_of": "2026-11-21T09:00:00"}, "malformed_query"),
        ({"as_of": "2026-11-21T09:00:00Z", "by": "guess"}, "malformed_query"),
        ({"by": "recording"}, "malformed_query"),
        ({"asof": "2026-11-21T09:00:00Z"}, "malformed_query"),
    ],
)
@pytest.mark.parametrize("what", READS)
async def test_an_instant_that_cannot_be_looked_at_is_told(
    service: Service, what: str, query: dict[str, str], code: str
) -> None:
    """Semantics L14: with what can."""
    member = (await service.enrol())["id"]

    answer = await service.client.get(f"/v1/members/{member}/{what}", params=query)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    if code == "as_of_out_of_range":
        assert (answer.json()["earliest"], answer.json()["latest"]) == ("2026-11-21T09:00:00Z", "2026-11-21T09:00:00Z")
