"""Balances of another system over HTTP: once a member, with their dates, refused with the place (semantics E7)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.cli import verify
from app.db import transactions
from app.domain.scopes import Scope
from app.queries import programs, verification
from app.queries.due import HISTORY_REST
from app.settings import Settings
from app.worker import settling
from tests.api.test_http import problem_of
from tests.builders import FRIENDS, LADDER, Clock, Service, at, key_for, open_service, publish, purchase

DOCUMENT = LADDER.replace("points: {name: Points}", "points: {name: Points, expires: {after: P12M}}")


def opening(*, id: str = "o1", card: str = "1001", **more: Any) -> dict[str, Any]:
    """The body of an opening; two lots unless told otherwise."""
    lots = [lot(30, "2026-10-01"), lot(70, "2026-02-01", expires_at="2027-02-01T00:00:00Z")]
    said = more if more.keys() & {"lots", "totals", "tiers"} else {"lots": lots, **more}
    return {
        "type": "opening",
        "id": id,
        "member": {"identity": f"card:{card}", "enrol": True},
        "occurred_at": "2026-11-01T00:00:00+01:00",
        **said,
    }


def lot(points: int, earned: str, **more: Any) -> dict[str, Any]:
    """A lot of the other system."""
    return {"unit": "points", "points": points, "earned_at": f"{earned}T12:00:00Z", **more}


async def proven(service: Service) -> list[str]:
    """What `zegel verify` finds."""
    return [str(finding) for finding in await verify.run(service.settings)]


async def lots_of(service: Service, member: str, **asked: str) -> list[tuple[int, str, str | None]]:
    answer = await service.client.get(f"/v1/members/{member}/lots", params=asked)
    assert answer.status_code == 200, answer.text
    return [(one["remaining"], one["occurred_at"][:10], one["expires_at"]) for one in answer.json()["lots"]]


@pytest.fixture
async def ladder(settings: Settings, clock: Clock) -> Any:
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        yield service


async def test_what_was_there_is_there_with_its_dates_once(ladder: Service, owner: asyncpg.Connection) -> None:
    body = opening(
        lots=[lot(30, "2026-10-01"), lot(70, "2019-02-01", expires_at=None)],
        totals=[{"unit": "spent", "points": 250_00}],
        tiers=[
            {"ladder": "status", "tier": "gold", "since": "2026-01-01T00:00:00Z", "review_at": "2027-01-01T00:00:00Z"}
        ],
    )

    first, again = await ladder.send(body), await ladder.send(body)

    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert first.json() == again.json()
    member = first.json()["member"]
    assert first.json()["tier_changes"] == [{"ladder": "status", "before": "bronze", "tier": "gold"}]
    assert await lots_of(ladder, member) == [(30, "2026-10-01", "2027-10-01T22:00:00Z"), (70, "2019-02-01", None)]
    (tier,) = (await ladder.client.get(f"/v1/members/{member}/tier")).json()["tiers"]
    assert (tier["tier"], tier["since"]) == ("gold", "2026-01-01T00:00:00Z")
    assert (await ladder.buy("100.00")).json()["entries"][0]["points"] == 150
    assert await owner.fetchval("SELECT count(*) FROM event WHERE kind = 'opening'") == 1
    assert await proven(ladder) == []


async def test_a_second_one_is_refused_and_names_the_first(service: Service) -> None:
    first = (await service.send(opening())).json()
    await service.buy("10.00")

    again = await service.send(opening(id="o2"))
    batch = await service.send(
        {"events": [opening(id="o3", card="2"), opening(id="o4", card="2")]}, path="/v1/events/batch"
    )

    assert (again.status_code, problem_of(again)["code"]) == (409, "already_opened")
    assert problem_of(again)["opened"] == first["id"]
    one, two = batch.json()["results"]
    assert (one["outcome"], two["problem"]["code"]) == ("created", "already_opened")
    assert two["problem"]["opened"] == one["event"]["id"]
    assert await proven(service) == []


async def test_of_two_at_once_one_comes_in(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        await one.enrol("1")
        cards = ("1", "2")  # one enrolled before, one by the opening
        answers = await asyncio.gather(
            *(
                shop.send(opening(id=f"{name}{card}", card=card))
                for card in cards
                for shop, name in ((one, "a"), (other, "b"))
            )
        )

        assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
        assert {problem_of(answer)["code"] for answer in answers if answer.status_code == 409} == {"already_opened"}
        assert await proven(one) == []


async def test_it_comes_before_all_else_but_joining(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=FRIENDS)
    async with open_service(settings, clock=clock) as service:
        await service.enrol("1001")
        bought = (await service.buy("10.00", card="2")).json()

        joined = await service.send(opening())
        late = await service.send(opening(id="o2", card="2"))
        enrolled = await service.send(opening(id="o3", card="3"))

        assert joined.json()["accounts"]["points"]["balance"] == 150
        assert (late.status_code, problem_of(late)["code"], problem_of(late)["first"]) == (409, "not_new", bought["id"])
        assert enrolled.json()["accounts"]["points"]["balance"] == 100
        assert await proven(service) == []


async def test_it_needs_the_scope_of_history(service: Service, settings: Settings) -> None:
    key = await key_for(settings, scopes=(Scope.EVENTS_WRITE, Scope.MEMBERS_WRITE))

    answer = await service.send(opening(), headers={"Authorization": f"Bearer {key}"})

    assert (answer.status_code, problem_of(answer)["code"]) == (403, "history_scope")


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"lots": []}, "/lots"),
        ({"lots": [lot(1, "2026-11-02")]}, "/lots/0/earned_at"),
        ({"lots": [lot(1, "2026-10-02"), lot(0, "2026-10-02")]}, "/lots/1/points"),
        ({"lots": [lot(1, "2026-10-02", expires_at="2026-10-02T12:00:00Z")]}, "/lots/0/expires_at"),
        ({"lots": [lot(1, "2026-10-02", available_at="2026-10-02T11:59:59Z")]}, "/lots/0/available_at"),
        ({"lots": [lot(1, "2026-10-02", expires="2027-10-02T12:00:00Z")]}, "/lots/0/expires"),
        ({"totals": [{"unit": "spent", "points": 1}, {"unit": "spent", "points": 2}]}, "/totals/1/unit"),
        ({"tiers": [{"ladder": "status", "tier": "gold", "since": "2026-11-02T00:00:00Z"}]}, "/tiers/0/since"),
        ({"tiers": [{"ladder": "a", "tier": t, "since": "2026-10-02T00:00:00Z"} for t in "bc"]}, "/tiers/1/ladder"),
        ({"history": False}, "/history"),
        ({"total": "1.00"}, "/total"),
    ],
)
async def test_a_body_that_is_wrong_is_refused_with_the_place(
    service: Service, more: dict[str, Any], pointer: str
) -> None:
    answer = await service.send(opening(**more))

    assert (answer.status_code, problem_of(answer)["code"]) == (422, "invalid")
    assert [error["pointer"] for error in problem_of(answer)["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("more", "code", "facts"),
    [
        ({"lots": [{**lot(1, "2026-10-02"), "unit": "miles"}]}, "unknown_unit", {"known": ["points", "spent"]}),
        ({"lots": [{**lot(1, "2026-10-02"), "unit": "spent"}]}, "unit_has_no_lots", {"unit": "spent"}),
        ({"totals": [{"unit": "points", "points": 1}]}, "unit_has_lots", {"unit": "points"}),
        (
            {"tiers": [{"ladder": "status", "tier": "tin", "since": "2026-01-01T00:00:00Z"}]},
            "unknown_tier",
            {"known": ["status:bronze", "status:silver", "status:gold"]},
        ),
    ],
)
async def test_what_the_program_does_not_know_is_told(
    ladder: Service, owner: asyncpg.Connection, more: dict[str, Any], code: str, facts: dict[str, Any]
) -> None:
    answer = await ladder.send(opening(**more))

    assert (answer.status_code, problem_of(answer)["code"]) == (422, code)
    assert problem_of(answer).items() >= facts.items()
    assert await owner.fetchval("SELECT count(*) FROM member") == 0


async def test_friends_may_go_on_naming_the_code_of_the_other_system(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=FRIENDS)
    async with open_service(settings, clock=clock) as service:
        anna = (await service.send(opening(referral_code="anna-2019"))).json()
        taken = await service.send(opening(id="o2", card="2", referral_code="ANNA 2019"))
        ours = await service.send(opening(id="o3", card="3", referral_code="23456789ab"))
        other = await service.send(opening(referral_code="anna-2020"))

        joined = await service.enrol("4", referral_code="Anna2019")
        found = await service.send({"member": "code:ANNA2019"}, path="/v1/members/lookup")
        nobody = await service.send({"id": "x", "referral_code": "anna-2020"}, path="/v1/members")

        assert joined["referred_by"] == anna["member"]
        assert (taken.status_code, problem_of(taken)["code"], problem_of(taken)["member"]) == (
            409,
            "identity_taken",
            anna["member"],
        )
        assert [error["pointer"] for error in problem_of(ours)["errors"]] == ["/referral_code"]
        assert problem_of(other)["code"] == "event_id_reused"
        assert found.status_code == 422
        assert problem_of(nobody)["code"] == "unknown_referral_code"
        assert await proven(service) == []


async def test_a_code_is_claimed_once_in_a_batch_too(service: Service) -> None:
    bodies = [opening(id=f"o{card}", card=card, referral_code="SAME") for card in "12"]

    answer = await service.send({"events": bodies}, path="/v1/events/batch")

    assert [one["outcome"] for one in answer.json()["results"]] == ["created", "refused"]
    assert answer.json()["results"][1]["problem"]["code"] == "identity_taken"


async def test_points_given_back_return_to_the_lot_and_its_dates(ladder: Service) -> None:
    member = (await ladder.send(opening())).json()["member"]
    before = await lots_of(ladder, member)
    spent = (await ladder.redeem(100)).json()

    back = await ladder.send(
        {
            "type": "cancellation",
            "id": "c1",
            "member": member,
            "occurred_at": at(ladder.clock.now),
            "event": spent["id"],
        }
    )

    assert back.status_code == 201, back.text
    assert await lots_of(ladder, member) == before
    assert await proven(ladder) == []


async def test_looked_back_at_it_stands_from_the_day_of_the_books(ladder: Service) -> None:
    """Semantics L14: never less than nothing before, though lots had ended and debits were late."""
    joined = await ladder.send(
        {
            "type": "enrolment",
            "id": "e",
            "occurred_at": "2020-01-01T00:00:00Z",
            "identities": {"card": "1001"},
            "history": True,
        }
    )
    member = joined.json()["member"]
    await ladder.send(opening(lots=[lot(40, "2021-01-01"), lot(30, "2026-10-01")]))
    await ladder.send(
        {"type": "redemption", "id": "late", "member": member, "occurred_at": "2026-10-30T00:00:00Z", "points": 5}
    )
    ladder.clock.forward(days=1)

    seen = []
    for day in ("2021-06-01", "2022-06-01", "2026-10-31", "2026-11-01", "2026-11-22"):
        asked = {"as_of": f"{day}T00:00:00Z"}
        units = (await ladder.client.get(f"/v1/members/{member}/balance", params=asked)).json()["units"]
        seen.append((units["points"]["balance"], await lots_of(ladder, member, **asked)))

    assert [balance for balance, _ in seen] == [0, 0, 0, 25, 25]
    assert seen[-1][1] == [(25, "2026-10-01", "2027-10-01T22:00:00Z")]
    assert await proven(ladder) == []


async def test_history_follows_an_opening_and_the_worker_waits_for_it(ladder: Service) -> None:
    parts = ladder.app.state.parts
    body = opening(occurred_at="2025-06-01T00:00:00Z", lots=[lot(50, "2025-01-01"), lot(50, "2025-03-01")])
    await ladder.send(body)
    at_once = await settling.settle_once(parts.engine, parts.ledger, now=ladder.clock())
    past = purchase("10.00", id="h1", at=datetime(2025, 12, 1, tzinfo=UTC), history=True)
    earned = (await ladder.send(past)).json()
    ladder.clock.now += HISTORY_REST + timedelta(minutes=1)

    later = await settling.settle_once(parts.engine, parts.ledger, now=ladder.clock())

    assert (at_once, later) == (0, 2)
    assert earned["accounts"]["points"]["balance"] == 110
    assert (await ladder.units(earned["member"]))["points"]["balance"] == 10
    assert await proven(ladder) == []


async def test_a_lot_that_was_changed_is_found_and_the_books_balance(
    ladder: Service, owner: asyncpg.Connection
) -> None:
    await ladder.send(opening(lots=[lot(40, "2021-01-01"), lot(30, "2026-10-01")]))
    await ladder.send(opening(id="o2", card="2", totals=[{"unit": "spent", "points": 5_00}]))
    engine = ladder.app.state.parts.engine
    (program,) = await programs.all(engine)
    async with transactions.preview(engine) as connection:
        trials, _ = await verification.trial_balance(connection, {}, program_id=program.id)
    right = await proven(ladder)

    await owner.execute("UPDATE open_lot SET expires_at = expires_at + interval '1 year'")

    assert [(t.unit, t.moved.issued, t.moved.expired, t.balanced) for t in trials] == [
        ("points", 70, 40, True),
        ("spent", 5_00, 0, True),
    ]
    assert right == []
    assert any("expires_at is" in finding for finding in await proven(ladder))


async def test_a_thousand_lots_come_in_at_once(service: Service) -> None:
    lots = [lot(1, f"{2000 + i // 365}-01-01") for i in range(1_000)]

    answer = await service.send(opening(lots=lots))

    assert answer.json()["accounts"]["points"]["balance"] == 1_000
    assert (await service.redeem(999)).status_code == 201
    assert await proven(service) == []
