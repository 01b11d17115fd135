"""Events that were refused, and let in by an admin: as if they had been taken at once (semantics E3)."""

from datetime import timedelta
from typing import Any

import asyncpg

from tests.api.test_parking import turned_away
from tests.api.test_returns import proven
from tests.builders import Clock, Service, at, purchase


async def admit(service: Service, refused: dict[str, Any]) -> Any:
    """The answer to letting it in."""
    return await service.send(None, path=f"/v1/refused/{refused['id']}/admit")


async def test_a_sale_that_would_have_enrolled_its_card_enrols_it_when_it_is_let_in(
    service: Service, clock: Clock
) -> None:
    """Semantics E3, M1: two events, one transaction; and the till that sends it again is told of the same event."""
    late = purchase("20.00", card="2002", id="late", at=clock.now - timedelta(days=40))
    assert (await service.send(late)).json()["code"] == "too_late"
    (refused,) = await turned_away(service)

    admitted = await admit(service, refused)

    assert admitted.status_code == 201, admitted.text
    event = admitted.json()
    assert (event["sequence"], event["flags"], event["entries"][0]["points"]) == (2, ["admitted"], 20)
    again = await service.send(late)
    assert (again.status_code, again.json()["id"]) == (200, event["id"])
    found = await service.send({"member": "card:2002"}, path="/v1/members/lookup")
    assert found.json()["id"] == event["member"]
    assert await proven(service) == []


async def test_a_card_that_became_known_meanwhile_is_not_enrolled_again(service: Service, clock: Clock) -> None:
    """Semantics E3: its member is looked up again."""
    await service.send(purchase("20.00", card="2002", id="late", at=clock.now - timedelta(days=40)))
    (refused,) = await turned_away(service)
    member = await service.enrol("2002")

    admitted = await admit(service, refused)

    assert (admitted.status_code, admitted.json()["member"]) == (201, member["id"])
    assert admitted.json()["sequence"] == 2


async def test_a_card_is_kept_with_a_refused_event_only_where_it_was_to_be_enrolled(
    service: Service, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics M4: what is personal is kept for no more than it is needed for."""
    old = clock.now - timedelta(days=40)
    await service.enrol("1001")
    await service.send(purchase(card="1001", id="of-a-member", at=old))
    await service.send({**purchase(id="unknown", at=clock.now), "member": "card:2002"})
    await service.send(purchase(card="3003", id="enrols", at=old))

    found = await owner.fetch("SELECT key, enrols_kind, enrols_value FROM refused ORDER BY refused_id")

    assert [tuple(row) for row in found] == [
        ("of-a-member", None, None), ("unknown", None, None), ("enrols", "card", "3003"),
    ]  # fmt: skip


async def test_what_was_to_be_taken_until_an_instant_is_the_same_event_once_it_is_let_in(
    service: Service, clock: Clock
) -> None:
    """Semantics E1, E3: `not_after` is part of the content, so the till's retry is a replay."""
    await service.enrol()
    body = {
        "type": "redemption", "id": "r1", "member": "card:1001", "occurred_at": at(clock.now), "points": 10,
        "not_after": at(clock.now + timedelta(hours=1)),
    }  # fmt: skip
    assert (await service.send(body)).json()["code"] == "insufficient_points"
    await service.buy("20.00")
    (refused,) = await turned_away(service)

    admitted = await admit(service, refused)
    again = await service.send(body)

    assert admitted.status_code == 201
    assert (again.status_code, again.json()["id"]) == (200, admitted.json()["id"])


async def test_what_did_not_say_when_it_occurred_is_the_same_event_once_it_is_let_in(
    service: Service, clock: Clock
) -> None:
    """Semantics E1, E3: a time that we took is no part of the content."""
    await service.enrol()
    body = {"id": "h1", "member": "card:1001", "points": 10}
    assert (await service.send(body, path="/v1/holds")).json()["code"] == "insufficient_points"
    await service.buy("20.00")
    (refused,) = await turned_away(service)
    clock.forward(minutes=1)

    admitted = await admit(service, refused)
    again = await service.send(body, path="/v1/holds")

    assert admitted.status_code == 201
    assert again.status_code == 200, again.text


async def test_an_opening_with_a_code_of_the_other_system_is_sent_again_by_its_sender(
    service: Service, clock: Clock
) -> None:
    """Semantics E3, E7: the code is found by a digest that is not kept, and must not be lost silently."""
    await service.enrol()
    body = {
        "type": "opening", "id": "o1", "member": "card:1001", "occurred_at": at(clock.now - timedelta(days=1)),
        "history": True, "referral_code": "OUDE-CODE-7",
        "lots": [{"unit": "nothing", "points": 5, "earned_at": at(clock.now - timedelta(days=9))}],
    }  # fmt: skip
    assert (await service.send(body)).status_code == 422
    (refused,) = await turned_away(service)

    admitted = await admit(service, refused)

    assert (admitted.status_code, admitted.json()["code"]) == (422, "not_admissible")


async def test_the_list_of_what_was_refused_tells_facts_as_their_problems_did(service: Service) -> None:
    """Api C2, C3, C5: money as text, times in UTC with Z, ids as ours."""
    await service.enrol()
    now = service.clock.now
    bought = await service.buy("20.00", id="p1")
    sent: list[dict[str, Any]] = [
        purchase("9.00", id="late", at=now - timedelta(days=31)),
        {**purchase("9.00", id="wrong", at=now), "lines": [{"amount": "8.00"}]},
        purchase("9.00", id="p1", at=now),
        {
            "type": "return", "id": "r1", "member": "card:1001", "occurred_at": at(now), "purchase": "p1",
            "currency": "EUR", "amount": "21.00",
        },
        {"type": "redemption", "id": "s1", "member": "card:1001", "occurred_at": at(now), "points": 99},
    ]  # fmt: skip
    problems = [(await service.send(one)).json() for one in sent]
    listed = {one["source_id"]: one for one in await turned_away(service)}

    assert {problem["code"] for problem in problems if "recorded" in problem} == {"event_id_reused"}
    assert problems[2]["recorded"] == bought.json()["id"]
    told = [(one["id"], problem) for one, problem in zip(sent, problems, strict=True) if one["id"] in listed]
    assert len(told) == len(listed) >= 4
    for id, problem in told:
        details = listed[id]["details"]
        assert len(details) > 0, id
        assert details == {name: problem[name] for name in details}, id
    assert listed["r1"]["details"]["amount"] == "20.00"
