"""Trial balance and liability: the ledger to the point, by shop, period and month (semantics L15)."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.cli import verify
from app.db import transactions
from app.domain.books import WAYS
from app.domain.scopes import PROGRAM, SHOP, Scope
from app.queries import programs, verification
from app.settings import Settings
from app.worker import settling
from tests.builders import FRIENDS, PLAIN, START, Clock, Service, at, key_for, open_service, publish, purchase
from tests.docs.reading import blocks

UNITS = """units:
  points: {name: Points, expires: {after: P3M}, pending: P5D, cost_per_point: "0.0125"}
  stamps: {name: Stamps, decimals: 1, cost_per_point: {EUR: "0.30"}}
  spent: {name: Money spent, decimals: 2, spendable: false}
rules:
  - {id: stamps, on: purchase, unit: stamps, fixed: "1.5"}
  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
"""
DOCUMENT = FRIENDS.replace("units:\n  points: {name: Points}\nrules:\n", UNITS)
"""Points that wait and end, stamps that do neither, and what only counts."""

CHEAP = PLAIN.replace("{name: Points}", '{name: Points, expires: {after: P1M}, cost_per_point: "0.01"}')


async def trial(service: Service, **asked: str) -> dict[str, Any]:
    """The trial balance."""
    return await report(service, "trial-balance", **asked)


async def liability(service: Service, **asked: str) -> dict[str, Any]:
    """The liability."""
    return await report(service, "liability", **asked)


async def report(service: Service, name: str, **asked: str) -> dict[str, Any]:
    answer = await service.client.get(f"/v1/reports/{name}", params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def settled(service: Service) -> None:
    """What the worker would write down by now."""
    parts = service.app.state.parts
    await settling.settle_once(parts.engine, parts.ledger, now=service.clock())


async def proven(service: Service) -> dict[str, tuple[int, ...]]:
    """The trial balance of `zegel verify`, which must find nothing wrong."""
    assert await verify.run(service.settings) == []
    engine = service.app.state.parts.engine
    (program,) = await programs.all(engine)
    async with transactions.preview(engine) as connection:
        trials, _ = await verification.trial_balance(connection, {}, program_id=program.id)
    return {one.unit: (*[getattr(one.moved, way) for way in WAYS], one.outstanding) for one in trials}


def step(number: int, now: datetime, earlier: list[Any], chance: random.Random) -> dict[str, Any]:
    """Something that happens, some of which is refused."""
    card, which = str(chance.randrange(4)), chance.randrange(8)
    body: dict[str, Any] = {"id": f"e{number}", "member": f"card:{card}", "occurred_at": at(now)}
    if which <= 2 or not earlier:
        return purchase(f"{chance.randrange(1, 90)}.00", id=f"e{number}", card=card, at=now)
    if which <= 4:
        unit = chance.choice(["points", "points", "stamps"])
        return body | {"type": "redemption", "unit": unit, "points": chance.randrange(1, 90)}
    event = chance.choice(earlier)
    body |= {"member": event["member"]}
    if event["type"] == "purchase" and which == 5:
        return body | {"type": "return", "purchase": event["id"], "amount": "7.00", "currency": "EUR"}
    return body | {"type": "cancellation", "event": event["id"]}


async def mixed(service: Service, *, seed: int, steps: int = 60) -> list[tuple[datetime, dict[str, Any]]]:
    """Half a year of everything, by two shops; with the liability as it was shown on the way."""
    chance, shown = random.Random(seed), []
    web = {"Authorization": f"Bearer {await key_for(service.settings, shop='web')}"}
    first = await service.enrol("0")
    await service.enrol("1", referral_code=first["referral_code"])
    earlier: list[Any] = []
    for number in range(1, steps):
        service.clock.forward(hours=chance.choice([1, 30, 120, 200]))
        body = step(number, service.clock(), earlier, chance)
        answer = await service.send(body, headers=chance.choice([{}, web]))
        if body["type"] in ("purchase", "redemption") and answer.status_code == 201:
            earlier.append(answer.json())
        if chance.randrange(4) == 0:
            await settled(service)
        shown.append((service.clock(), await liability(service)))
    return shown


@pytest.mark.parametrize("seed", [0, 2, 11])
async def test_after_a_mixed_history_every_sum_is_that_of_the_ledger(
    settings: Settings, clock: Clock, seed: int
) -> None:
    """Semantics L15: the reports say what `zegel verify` proves, however they are cut."""
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        await mixed(service, seed=seed)
        books = await proven(service)
        found = await trial(service)
        cut = await trial(service, every="month")
        owed = await liability(service)
        kinds = {event["type"] for member in await members(service) for event in member["events"]}

        assert kinds >= {"purchase", "redemption", "return", "cancellation", "expiry", "activation", "referral_bonus"}
        assert found["balanced"]
        assert books.keys() == found["units"].keys()
        for unit, sums in books.items():
            whole = found["units"][unit]
            assert (*[whole[way] for way in WAYS], whole["outstanding"]) == sums
            assert (whole["opening"], whole["closing"]) == (0, whole["outstanding"])
            assert_agree(whole)
            assert len(cut["units"][unit]["periods"]) >= 6
            assert {**cut["units"][unit], "periods": []} == whole
            assert_agree(cut["units"][unit])
            if unit in owed["units"]:
                assert owed["units"][unit]["outstanding"] == whole["outstanding"]
        assert set(found["units"]["points"]["shops"]) == {"till", "web", "zegel"}
        assert found["units"]["points"]["expired"] == found["units"]["points"]["shops"]["zegel"]["expired"] > 0
        await assert_what_members_hold(service, owed)


def assert_agree(unit: dict[str, Any]) -> None:
    """Opening and what moved make the closing, shops make the whole, and each period follows from the one before."""
    for one in [unit, *unit["periods"]]:
        assert one["opening"] + one["issued"] - one["redeemed"] - one["expired"] - one["reversed"] == one["closing"]
        for way in WAYS:
            assert one[way] == sum(shop[way] for shop in one["shops"].values())
    if unit["periods"]:
        assert [unit["opening"], *[one["closing"] for one in unit["periods"]]] == [
            *[one["opening"] for one in unit["periods"]],
            unit["closing"],
        ]
        assert all(
            one["until"] == other["from"] for one, other in zip(unit["periods"], unit["periods"][1:], strict=False)
        )


async def members(service: Service) -> list[dict[str, Any]]:
    """Each member's units and events."""
    found = []
    for card in range(4):
        answer = await service.send({"member": f"card:{card}"}, path="/v1/members/lookup")
        if answer.status_code == 200:
            id = answer.json()["id"]
            page = (await service.client.get(f"/v1/members/{id}/statement", params={"limit": 200})).json()
            found.append({"units": await service.units(id), "events": page["events"]})
    return found


async def assert_what_members_hold(service: Service, owed: dict[str, Any]) -> None:
    """The liability is the sum of what every member is told."""
    held = [member["units"] for member in await members(service)]
    for code, unit in owed["units"].items():
        told = [units[code] for units in held]
        assert unit["deficit"] == sum(one["deficit"] for one in told)
        assert unit["pending"] == sum(one["pending"] for one in told)
        assert (
            unit["points"] == unit["active"] + unit["pending"] == sum(one["balance"] + one["deficit"] for one in told)
        )
        assert unit["points"] == sum(month["points"] for month in unit["by_month"])
        assert unit["outstanding"] == unit["points"] + unit["ended"] - unit["deficit"]


GRACE = DOCUMENT.replace("{after: P3M}", "{after: P1M}, grace: P20D")


@pytest.mark.parametrize(("document", "seed"), [(DOCUMENT, 11), (DOCUMENT, 12), (GRACE, 11), (GRACE, 12)])
async def test_the_liability_once_shown_is_shown_again(
    settings: Settings, clock: Clock, document: str, seed: int
) -> None:
    """Semantics L14, by recording: exactly what a reader saw then, whatever has come since."""
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        shown = await mixed(service, seed=seed)
        clock.forward(days=100)
        await settled(service)

        for instant, then in shown:
            assert await liability(service, as_of=at(instant)) == then, instant
        assert len({str(then["units"]["points"]) for _, then in shown}) > 20
        assert any(then["units"]["points"]["deficit"] for _, then in shown)
        assert any(then["units"]["points"]["ended"] for _, then in shown)
        assert any(then["units"]["points"]["breakage"]["points"] for _, then in shown)
        back = [entry for one in await members(service) for event in one["events"] for entry in event["entries"]]
        lived_on = any(entry["available_at"] is None and entry["expires_at"] for entry in back)
        assert lived_on == (document == GRACE)


async def test_points_are_told_apart_by_what_time_does_to_them(settings: Settings, clock: Clock) -> None:
    """Semantics L3: by the instant, also where no job has run."""
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        await service.buy("40.00")
        clock.forward(days=20)
        await service.buy("7.00")

        before = (await liability(service))["units"]["points"]
        clock.forward(days=5)
        begun = (await liability(service))["units"]["points"]
        clock.forward(days=85)
        unwritten = await liability(service)
        await settled(service)
        written = await liability(service)

        assert (before["active"], before["pending"], before["ended"]) == (40 + 50, 7, 0)
        assert (begun["active"], begun["pending"]) == (97, 0)
        assert before["by_month"] == [
            {"month": "2027-02", "points": 90, "value": {"amount": "1.13", "currency": "EUR"}},
            {"month": "2027-03", "points": 7, "value": {"amount": "0.09", "currency": "EUR"}},
        ]
        points = unwritten["units"]["points"]
        assert (points["points"], points["ended"], points["outstanding"]) == (7, 90, 97)
        assert (points["breakage"]["expired"], points["breakage"]["redeemed"]) == (90, 0)
        points |= {"ended": 0, "outstanding": 7}
        assert written == unwritten


async def test_a_month_is_that_of_the_last_day_in_the_programs_zone(settings: Settings, clock: Clock) -> None:
    document = PLAIN.replace("{name: Points}", "{name: Points, expires: {at_end_of: year}}")
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        await service.buy("12.00")

        (month,) = (await liability(service))["units"]["points"]["by_month"]

        assert (month["month"], month["points"]) == ("2026-12", 12)


async def test_money_is_exact_and_rounded_once(settings: Settings, clock: Clock) -> None:
    """7 points at 0.0125 are 0.0875, and 1.5 stamps at 0.30 are 0.45: 0.5375 together."""
    document = DOCUMENT.replace("fixed: 50", "fixed: 7")
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        await service.buy("0.00")

        found = await liability(service)

        points, stamps = found["units"]["points"], found["units"]["stamps"]
        assert (points["points"], points["value"]) == (7, {"amount": "0.09", "currency": "EUR"})
        assert (stamps["points"], stamps["value"]) == (15, {"amount": "0.45", "currency": "EUR"})
        assert found["value"] == [{"amount": "0.54", "currency": "EUR"}]
        assert points["cost_per_point"] == {"amount": "0.0125", "currency": "EUR"}
        assert "spent" not in found["units"]


async def test_what_has_no_cost_has_no_value(service: Service) -> None:
    await service.buy("10.00")

    found = await liability(service)

    points = found["units"]["points"]
    assert (found["value"], points["value"], points["cost_per_point"]) == ([], None, None)
    assert points["by_month"] == [{"month": "never", "points": 10, "value": None}]
    assert points["breakage"]["can_expire"] == 0
    assert (points["breakage"]["rate"], points["breakage"]["points"], points["breakage"]["value"]) == (None, None, None)


async def test_points_that_end_together_have_come_to_their_end_when_nothing_is_left_of_a_lot(
    settings: Settings, clock: Clock
) -> None:
    """Of 100 spent in time and 60 that ended, of which 20 had been spent: the share never spent is 40 of 160."""
    await publish(settings, clock=clock, document=CHEAP.replace("after: P1M", "inactive: P30D"))
    async with open_service(settings, clock=clock) as service:
        await service.buy("100.00", card="1", id="a")
        await service.redeem(100, card="1", id="r1")
        await service.buy("60.00", card="2", id="b")
        await service.redeem(20, card="2", id="r2")
        clock.forward(days=20)
        await service.buy("50.00", card="1", id="c")
        before = (await liability(service))["units"]["points"]["breakage"]
        clock.forward(days=20)
        by_the_clock = (await liability(service))["units"]["points"]["breakage"]
        await settled(service)

        breakage = (await liability(service))["units"]["points"]["breakage"]

        assert (before["expired"], before["redeemed"]) == (0, 100)
        assert (breakage["expired"], breakage["redeemed"], breakage["rate"]) == (40, 120, "0.2500")
        assert (breakage["can_expire"], breakage["points"]) == (50, 13)
        assert by_the_clock == breakage
        clock.forward(days=15)
        assert (await liability(service, breakage_months="1"))["units"]["points"]["breakage"]["redeemed"] == 20


async def test_what_pays_a_deficit_is_not_spent(settings: Settings, clock: Clock) -> None:
    """Semantics L9: of 50 points of which 30 pay what is owed, 20 end, and nobody has spent any of them."""
    document = CHEAP + "redemptions: {offline_allowance: {points: 100}}\n"
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        await service.redeem(30, offline=True)
        await service.buy("50.00")
        clock.forward(days=40)
        await settled(service)

        breakage = (await liability(service))["units"]["points"]["breakage"]

        assert (breakage["expired"], breakage["redeemed"]) == (20, 0)


async def test_the_estimate_of_breakage_can_be_worked_out_by_hand(settings: Settings, clock: Clock) -> None:
    """Lots of 100 (30 spent, of which 10 came back), and of 60 (20 returned): 80 + 40 expired, 20 were spent."""
    await publish(settings, clock=clock, document=CHEAP)
    async with open_service(settings, clock=clock) as service:
        await service.buy("100.00", card="1")
        await service.redeem(30, card="1", id="r1")
        undo = {"type": "cancellation", "id": "c1", "member": "card:1", "occurred_at": at(clock()), "points": 10}
        assert (await service.send(undo | {"event": "r1", "kind": "redemption"})).status_code == 201
        await service.buy("60.00", card="2", id="p2")
        back = {"type": "return", "id": "b2", "member": "card:2", "occurred_at": at(clock()), "purchase": "p2"}
        assert (await service.send(back | {"amount": "20.00", "currency": "EUR"})).status_code == 201
        nothing_yet = (await liability(service))["units"]["points"]["breakage"]
        clock.forward(days=40)
        await service.buy("50.00", card="1", id="p3")

        breakage = (await liability(service))["units"]["points"]["breakage"]

        assert (nothing_yet["rate"], nothing_yet["points"]) == (None, None)
        assert (breakage["expired"], breakage["redeemed"], breakage["rate"]) == (120, 20, "0.8571")
        assert (breakage["can_expire"], breakage["points"]) == (50, 43)  # 42.857…
        assert breakage["value"] == {"amount": "0.43", "currency": "EUR"}
        clock.forward(days=20)
        assert (await liability(service, breakage_months="1"))["units"]["points"]["breakage"]["expired"] == 120
        clock.forward(days=12)
        later = await liability(service, breakage_months="1")
        assert later["units"]["points"]["breakage"]["expired"] == 50
        assert later["units"]["points"]["breakage"]["window"] == {"from": "2027-01-01T09:00:00Z", "until": later["at"]}


async def test_a_stretch_of_time_is_half_open_and_by_recording(service: Service, clock: Clock) -> None:
    await service.buy("10.00")
    clock.forward(days=1)
    await service.send(purchase("20.00", id="late", at=START))
    clock.forward(days=1)
    await service.redeem(5)

    day = await trial(service, **{"from": at(START + timedelta(days=1)), "until": at(START + timedelta(days=2))})
    first = await trial(service, until=at(START + timedelta(days=1)))
    rest = await trial(service, **{"from": at(START + timedelta(days=1))})

    def sums(found: dict[str, Any]) -> tuple[int, ...]:
        return tuple(found["units"]["points"][name] for name in ("opening", "issued", "redeemed", "closing"))

    assert (sums(first), sums(day), sums(rest)) == ((0, 10, 0, 10), (10, 20, 0, 30), (10, 20, 5, 25))
    assert {found["units"]["points"]["outstanding"] for found in (first, day, rest)} == {25}
    assert (day["from"], day["until"]) == ("2026-11-22T09:00:00Z", "2026-11-23T09:00:00Z")


@pytest.mark.parametrize(
    ("every", "began", "count"),
    [
        ("day", datetime(2026, 11, 20, 23, tzinfo=UTC), 102),
        ("week", datetime(2026, 11, 15, 23, tzinfo=UTC), 16),
        ("month", datetime(2026, 10, 31, 23, tzinfo=UTC), 5),
        ("quarter", datetime(2026, 9, 30, 22, tzinfo=UTC), 2),
        ("half_year", datetime(2026, 6, 30, 22, tzinfo=UTC), 2),
        ("year", datetime(2025, 12, 31, 23, tzinfo=UTC), 2),
    ],
)
async def test_periods_are_those_of_the_programs_calendar(
    service: Service, clock: Clock, every: str, began: datetime, count: int
) -> None:
    """What is recorded as a period begins belongs to it."""
    await service.buy("1.00")
    clock.now = datetime(2027, 1, 1, tzinfo=UTC) - timedelta(hours=1)  # midnight in Amsterdam
    await service.buy("2.00")
    clock.now = datetime(2027, 3, 2, 9, tzinfo=UTC)

    unit = (await trial(service, every=every))["units"]["points"]

    assert (len(unit["periods"]), unit["periods"][0]["from"]) == (count, began.isoformat().replace("+00:00", "Z"))
    assert_agree(unit)
    (year,) = [one for one in unit["periods"] if one["issued"] == 2]
    assert year["from"] == "2026-12-31T23:00:00Z" or every == "week"
    assert datetime.fromisoformat(unit["periods"][-1]["until"]) > clock.now


async def test_from_and_until_cut_the_first_and_the_last_period_short(service: Service, clock: Clock) -> None:
    await service.buy("1.00")
    asked = {"from": "2026-11-21T10:00:00+01:00", "until": "2027-01-15T00:00:00Z", "every": "month"}

    unit = (await trial(service, **asked))["units"]["points"]
    early = (await trial(service, until="2026-01-01T00:00:00Z", every="year"))["units"]["points"]

    assert [(one["from"], one["until"], one["closing"]) for one in unit["periods"]] == [
        ("2026-11-21T09:00:00Z", "2026-11-30T23:00:00Z", 1),
        ("2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z", 1),
        ("2026-12-31T23:00:00Z", "2027-01-15T00:00:00Z", 1),
    ]
    assert (early["closing"], early["outstanding"], early["balanced"]) == (0, 1, True)
    assert len(early["periods"]) == 1


@pytest.mark.parametrize(
    ("name", "asked", "pointer"),
    [
        ("trial-balance", {"every": "fortnight"}, "/every"),
        ("trial-balance", {"from": "yesterday"}, "/from"),
        ("trial-balance", {"until": "2026-11-21"}, "/until"),
        ("trial-balance", {"from": "2026-11-21T09:00:00Z", "until": "2026-11-21T09:00:00Z"}, "/until"),
        ("trial-balance", {"from": "2020-01-01T00:00:00Z", "every": "day"}, "/every"),
        ("trial-balance", {"until": "2199-01-01T00:00:00Z", "every": "week"}, "/every"),
        ("trial-balance", {"form": "2026-11-21T09:00:00Z"}, "/form"),
        ("liability", {"as_of": "2026-11-21T09:00:00"}, "/as_of"),
        ("liability", {"breakage_months": "0"}, "/breakage_months"),
        ("liability", {"breakage_months": "121"}, "/breakage_months"),
        ("liability", {"by": "effect"}, "/by"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_its_place(
    service: Service, name: str, asked: dict[str, str], pointer: str
) -> None:
    answer = await service.client.get(f"/v1/reports/{name}", params=asked)

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_query")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("instant", [START - timedelta(seconds=1), START + timedelta(seconds=1)])
async def test_the_liability_is_looked_back_at_within_the_programs_life(service: Service, instant: datetime) -> None:
    answer = await service.client.get("/v1/reports/liability", params={"as_of": at(instant)})

    assert (answer.status_code, answer.json()["code"]) == (422, "as_of_out_of_range")
    assert answer.json()["earliest"] == answer.json()["latest"] == "2026-11-21T09:00:00Z"


async def test_the_books_that_do_not_balance_are_told(service: Service, owner: Any) -> None:
    await service.buy("10.00")
    await owner.execute("UPDATE account SET balance = 11, active = 11")

    found = await trial(service)

    unit = found["units"]["points"]
    assert (found["balanced"], unit["balanced"], unit["closing"], unit["outstanding"]) == (False, False, 10, 11)


async def test_a_programs_key_may_read_reports_and_a_shops_may_not(service: Service, settings: Settings) -> None:
    assert Scope.REPORTS_READ in PROGRAM
    assert Scope.REPORTS_READ not in SHOP
    answers: list[httpx.Response] = []
    for shop, scopes in ((None, PROGRAM), ("till", SHOP)):
        key = await key_for(settings, shop=shop, scopes=scopes)
        for name in ("trial-balance", "liability"):
            headers = {"Authorization": f"Bearer {key}"}
            answers.append(await service.client.get(f"/v1/reports/{name}", headers=headers))

    assert [answer.status_code for answer in answers] == [200, 200, 403, 403]
    assert {answer.json()["scope"] for answer in answers[2:]} == {"reports:read"}


async def test_each_program_has_its_own_books(service: Service, settings: Settings, clock: Clock) -> None:
    await service.buy("10.00")
    await publish(settings, clock=clock, program="tea")
    async with open_service(settings, clock=clock, program="tea") as tea:
        await tea.buy("3.00")

        for one, points in ((tea, 3), (service, 10)):
            unit = (await trial(one))["units"]["points"]
            assert (unit["issued"], unit["closing"], unit["outstanding"]) == (points, points, points)
        for as_of in ({}, {"as_of": at(START)}):
            assert (await liability(tea, **as_of))["units"]["points"]["points"] == 3
            assert (await liability(service, **as_of))["units"]["points"]["points"] == 10


EXAMPLE = PLAIN.replace(
    "{name: Points}", '{name: Points, expires: {after: P12M, round_up: month}, cost_per_point: "0.01"}'
)


async def told_by_example(service: Service, clock: Clock) -> None:
    """What docs/reports.md tells and works out by hand."""
    clock.now = datetime(2026, 1, 10, 9, tzinfo=UTC)
    await service.buy("400.00", card="1", id="p1")
    clock.now = datetime(2026, 2, 1, 9, tzinfo=UTC)
    await service.buy("100.00", card="2", id="p2")
    clock.now = datetime(2026, 2, 5, 9, tzinfo=UTC)
    back = {"type": "return", "id": "b2", "member": "card:2", "occurred_at": at(clock()), "purchase": "p2"}
    await service.send(back | {"amount": "20.00", "currency": "EUR"})
    clock.now = datetime(2026, 3, 1, 9, tzinfo=UTC)
    await service.redeem(300, card="1", id="r1")
    clock.now = datetime(2027, 3, 15, 9, tzinfo=UTC)
    await settled(service)
    await service.buy("250.00", card="1", id="p3")
    clock.now = datetime(2027, 4, 10, 9, tzinfo=UTC)
    await service.buy("150.50", card="2", id="p4")
    clock.now = datetime(2027, 5, 1, 9, tzinfo=UTC)


async def test_the_examples_are_what_the_service_answers(settings: Settings, clock: Clock) -> None:
    """Those of the OpenAPI pages and of docs/reports.md; and every example of a parameter is taken."""
    clock.now = datetime(2026, 1, 5, 8, tzinfo=UTC)
    await publish(settings, clock=clock, document=EXAMPLE)
    async with open_service(settings, clock=clock, shop="webshop") as service:
        await told_by_example(service, clock)
        paths = (await service.client.get("/openapi.json")).json()["paths"]
        examples = [paths[f"/v1/reports/{name}"]["get"] for name in ("trial-balance", "liability")]
        (books, books_asked), (owed, owed_asked) = [
            (
                operation["responses"]["200"]["content"]["application/json"]["example"],
                {one["name"]: one["examples"]["one"]["value"] for one in operation["parameters"]},
            )
            for operation in examples
        ]

        assert await trial(service, **books_asked) == books
        assert await liability(service) == owed
        then = (await liability(service, **owed_asked))["units"]["points"]
        assert (then["points"], then["breakage"]["points"]) == (250, 94)
        assert [json.loads(block.text) for block in blocks("docs/reports.md", "json")] == [books, owed]


@pytest.mark.parametrize("expires", ["after: P2D", "inactive: P5D, events: [purchase]"])
async def test_what_holds_kept_and_how_long_accounts_lasted_is_shown_again(
    settings: Settings, clock: Clock, expires: str
) -> None:
    """Semantics L14, L12, L10: of 100 points a hold keeps 60 beyond their end, of which 30 are captured."""
    await publish(settings, clock=clock, document=CHEAP.replace("after: P1M", expires))
    async with open_service(settings, clock=clock) as service:
        shown = []

        async def look(*, active: int, held: int, ended: int) -> None:
            found = await liability(service)
            points = found["units"]["points"]
            assert (points["points"], points["held"], points["ended"]) == (active, held, ended)
            shown.append((clock(), found))
            clock.forward(seconds=1)

        async def does(type: str, id: str, **more: Any) -> None:
            body = {"type": type, "id": id, "member": "card:1001", "occurred_at": at(clock()), **more}
            assert (await service.send(body)).status_code == 201

        await service.buy("100.00")
        await look(active=100, held=0, ended=0)
        await does("hold", "h1", points=60, lasts="P7D")
        await look(active=100, held=60, ended=0)
        await does("capture", "c1", hold="h1", points=10, final=False)
        await look(active=90, held=50, ended=0)
        clock.forward(days=6)
        await look(active=50, held=50, ended=40)
        await settled(service)
        await look(active=50, held=50, ended=0)
        await does("capture", "c2", hold="h1", points=20, final=False)
        await look(active=30, held=30, ended=0)
        clock.forward(days=2)
        await look(active=0, held=0, ended=30)  # the hold has lapsed, and only the writing down is due
        await settled(service)
        await look(active=0, held=0, ended=0)

        for instant, then in shown:
            assert await liability(service, as_of=at(instant)) == then, instant
        await proven(service)
