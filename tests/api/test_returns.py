"""Returns and cancellations over HTTP: exact, and refused with what is left (semantics R, E6)."""

from datetime import timedelta
from typing import Any

import pytest

from app.cli import verify
from app.db import transactions
from app.domain.books import Moved, Trial
from app.domain.scopes import Scope
from app.queries import programs, verification
from app.settings import Settings
from app.worker import settling
from tests.builders import FRIENDS, LADDER, Clock, Service, at, key_for, open_service, publish, purchase

LINES: list[dict[str, Any]] = [{"id": "coffee", "quantity": "2", "amount": "8.50"}, {"amount": "4.00"}]


def returned(of: str = "p1", *, id: str = "ret1", card: str = "1001", **more: Any) -> dict[str, Any]:
    """The body of a return, of everything unless told otherwise."""
    said = more if more.keys() & {"all", "lines", "amount"} else {"all": True, **more}
    return {
        "type": "return",
        "id": id,
        "member": f"card:{card}",
        "occurred_at": "2026-11-21T10:00:00+01:00",
        "purchase": of,
        **said,
    }


def cancelled(of: str, kind: str | None = "redemption", *, id: str = "c1", **more: Any) -> dict[str, Any]:
    """The body of a cancellation."""
    body = {
        "type": "cancellation",
        "id": id,
        "member": "card:1001",
        "occurred_at": "2026-11-21T10:00:00+01:00",
        "event": of,
        **more,
    }
    return body if kind is None else {**body, "kind": kind}


async def proven(service: Service) -> list[str]:
    """What `zegel verify` finds."""
    return [str(finding) for finding in await verify.run(service.settings)]


async def books(service: Service) -> tuple[Trial, ...]:
    """The trial balance, unit by unit."""
    engine = service.app.state.parts.engine
    (program,) = await programs.all(engine)
    async with transactions.preview(engine) as connection:
        trials, _ = await verification.trial_balance(connection, {}, program_id=program.id)
    return trials


async def test_one_of_two_coffees_comes_back_and_the_receipt_says_what_is_left(service: Service) -> None:
    """Semantics R1, R2; api C: `left` of GET."""
    bought = (await service.send(purchase("12.50", lines=LINES))).json()

    answer = await service.send(returned(lines=[{"id": "coffee", "quantity": "1"}]))

    assert answer.status_code == 201
    assert [entry["points"] for entry in answer.json()["entries"]] == [-4]
    assert answer.json()["about"] == bought["id"]
    assert answer.json()["accounts"]["points"]["balance"] == 8
    found = (await service.client.get(f"/v1/events/{bought['id']}")).json()
    lines = [{"id": "coffee", "quantity": "1", "amount": "4.25"}, {"id": "2", "quantity": "1", "amount": "4.00"}]
    assert found == {**bought, "left": {"amount": "8.25", "lines": lines}}
    assert await proven(service) == []


async def test_a_return_sent_again_answers_the_same(service: Service) -> None:
    """Semantics E1."""
    await service.send(purchase("12.50"))
    first = await service.send(returned())

    again = await service.send(returned())
    otherwise = await service.send(returned(amount="1.00", currency="EUR"))

    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert (await service.client.get(first.headers["Location"])).json() == first.json()
    assert (otherwise.status_code, otherwise.json()["code"]) == (422, "event_id_reused")


async def test_spent_points_are_owed_and_come_back_with_the_redemption(service: Service) -> None:
    """Semantics R3, L8, L9."""
    await service.send(purchase("80.00"))
    member = (await service.redeem(30, id="r1")).json()["member"]

    owing = (await service.send(returned())).json()
    assert owing["accounts"]["points"] == {"balance": -30, "available": 0, "pending": 0, "held": 0, "deficit": 30}
    part = (await service.send(cancelled("r1", points=10))).json()
    assert part["accounts"]["points"]["deficit"] == 20
    await service.send(cancelled("r1", id="c2"))

    assert (await service.units(member))["points"]["available"] == 0
    (trial,) = await books(service)
    assert (trial.moved, trial.outstanding) == (Moved(issued=80, reversed=80), 0)
    refused = await service.send(cancelled("r1", id="c3"))
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_left")
    assert await proven(service) == []


async def test_a_batch_may_buy_spend_return_and_cancel_the_same_things(service: Service) -> None:
    """Semantics E4: what stands earlier in the batch is there, with the lots it emptied."""
    await service.enrol()
    spend = {"type": "redemption", "id": "r1", "member": "card:1001", "occurred_at": at(service.clock()), "points": 80}
    events = [purchase("80.00"), spend, cancelled("r1", points=50), returned(), cancelled("r1", id="c2")]
    for number, event in enumerate(events):
        event["occurred_at"] = at(service.clock() - timedelta(minutes=10 - number))

    answer = await service.send({"events": events}, path="/v1/events/batch")

    assert [one["outcome"] for one in answer.json()["results"]] == ["created"] * 5
    last = answer.json()["results"][-1]["event"]["accounts"]["points"]
    assert (last["balance"], last["deficit"]) == (0, 0)
    assert await proven(service) == []


async def test_a_tier_is_lost_with_the_goods_that_reached_it(settings: Settings, clock: Clock) -> None:
    """Semantics T5."""
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        await service.send(purchase("210.00"))
        answer = (await service.send(returned(amount="20.00", currency="EUR"))).json()

        assert answer["tier_changes"] == [{"ladder": "status", "before": "silver", "tier": "bronze"}]
        assert await proven(service) == []


async def test_a_friends_bonus_is_taken_back_on_both_sides(settings: Settings, clock: Clock) -> None:
    """Semantics R5, F2, worked example 12."""
    await publish(settings, clock=clock, document=FRIENDS)
    async with open_service(settings, clock=clock) as service:
        parts = service.app.state.parts
        bram = await service.enrol("1")
        anna = await service.enrol("2", referral_code=bram["referral_code"])
        for body, expected in (
            (purchase("60.00", card="2"), (150, 135)),
            (returned(card="2", amount="50.00", currency="EUR"), (150, 85)),
            (returned(card="2", amount="0.01", currency="EUR", id="ret2"), (50, 59)),
            (purchase("10.00", card="2", id="p2"), (150, 94)),
        ):
            assert (await service.send(body)).status_code == 201
            await settling.settle_once(parts.engine, parts.ledger, now=clock())
            balances = [(await service.units(one["id"]))["points"]["balance"] for one in (bram, anna)]
            assert tuple(balances) == expected
        assert await proven(service) == []


@pytest.mark.parametrize(
    ("body", "status", "code", "facts"),
    [
        (returned("evt_01jcr8m4kdf0v8y5h3q2z7x9wb"), 422, "unknown_event", {}),
        (returned(card="1002"), 422, "other_members_event", {}),
        (returned(lines=[{"id": "9"}]), 422, "unknown_line", {"line": "9", "lines": ["coffee", "2"]}),
        (
            returned(lines=[{"id": "coffee", "quantity": "3"}]),
            409,
            "more_than_left",
            {"line": "coffee", "quantity": "2", "amount": "8.50", "currency": "EUR"},
        ),
        (
            returned(amount="12.51", currency="EUR"),
            409,
            "more_than_left",
            {"line": None, "quantity": None, "amount": "12.50", "currency": "EUR"},
        ),
        (returned(amount="1.00", currency="USD"), 422, "other_currency", {"currency": "EUR"}),
        (cancelled("r1", points=6), 409, "more_points_than_left", {"unit": "points", "asked": 6, "left": 5}),
        (cancelled("enrol-1001", None), 422, "invalid", {}),
    ],
)
async def test_what_cannot_come_back_is_told(
    service: Service, body: dict[str, Any], status: int, code: str, facts: dict[str, Any]
) -> None:
    """Semantics R1, E6; nothing is recorded, and the id stays free."""
    await service.enrol("1002")
    await service.send(purchase("12.50", lines=LINES))
    member = (await service.redeem(5, id="r1")).json()["member"]

    answer = await service.send(body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert {name: answer.json()[name] for name in facts} == facts
    assert (await service.units(member))["points"]["balance"] == 7


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (returned(all=True, amount="1.00", currency="EUR"), "/all"),
        (returned(lines=[]), "/all"),
        (returned(amount="1.00"), "/currency"),
        (returned(amount="-1.00", currency="EUR"), "/amount"),
        (returned(amount="0.001", currency="EUR"), "/amount"),
        (returned(amount="1.00", currency="XXX"), "/currency"),
        (returned(lines=[{"id": "1", "quantity": "1", "amount": "1.00"}], currency="EUR"), "/lines/0/amount"),
        (returned(lines=[{"id": "1", "quantity": "0.0"}]), "/lines/0/quantity"),
        (returned(lines=[{"id": "1"}, {"id": "1"}]), "/lines"),
        (returned("evt_01jcr8m4kdf0v8y5h3q2z7x9wb", shop="till"), "/shop"),
        (cancelled("p1", "purchase", points=1), "/points"),
        (cancelled("p1", None), "/kind"),
    ],
)
async def test_a_body_that_says_too_much_or_too_little_names_the_place(
    service: Service, body: dict[str, Any], pointer: str
) -> None:
    """Api C9."""
    answer = await service.send(body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_another_shops_purchase_comes_back_by_its_id_or_ours(service: Service, settings: Settings) -> None:
    """Semantics R1."""
    webshop = {"Authorization": f"Bearer {await key_for(settings, shop='webshop')}"}
    ours = (await service.send(purchase("10.00", id="order-1"), headers=webshop)).json()["id"]
    await service.send(purchase("10.00", id="order-2"), headers=webshop)

    by_shop = await service.send(returned("order-2", shop="webshop"))
    by_id = await service.send(returned(ours, id="ret2"))

    assert (by_shop.status_code, by_id.status_code) == (201, 201)
    assert by_id.json()["accounts"]["points"]["balance"] == 0


async def test_giving_points_back_needs_the_scope_of_spending_them(service: Service, settings: Settings) -> None:
    """Api: a cancelled redemption is worth money."""
    key = await key_for(settings, scopes=(Scope.EVENTS_WRITE,))
    headers = {"Authorization": f"Bearer {key}"}
    await service.send(purchase("10.00"))

    refused = await service.send(cancelled("r1"), headers=headers)
    taken = await service.send(cancelled("p1", "purchase"), headers=headers)

    assert (refused.status_code, refused.json()["scope"]) == (403, "redemptions:write")
    assert taken.status_code == 201


async def test_a_dry_run_tells_what_a_return_would_take(service: Service) -> None:
    """Api C10."""
    await service.send(purchase("12.50"))

    said = await service.send(returned(), path="/v1/events?dry_run=true")
    done = await service.send(returned())

    assert said.status_code == 200
    assert (said.json()["entries"], said.json()["accounts"]) == (done.json()["entries"], done.json()["accounts"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (returned(lines=[{"id": "1", "quantity": 5}]), "/lines/0/quantity"),
        (cancelled("r1", points=0), "/points"),
    ],
)
async def test_a_body_that_is_wrong_is_refused_with_the_place(
    service: Service, body: dict[str, Any], pointer: str
) -> None:
    answer = await service.send(body)

    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
