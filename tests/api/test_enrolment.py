"""Enrolling members over HTTP: once per id, by a friend's code, never under somebody else's card."""

import asyncio
from datetime import timedelta
from itertools import count
from typing import Any

import asyncpg

from app.domain import referral_code
from app.settings import Settings
from tests.builders import FRIENDS, START, Clock, Service, open_service, publish
from tests.database import count as rows
from tests.database import picture

MEMBERS = "/v1/members"


def person(id: str | None = "e1", card: str = "1001", **more: Any) -> dict[str, Any]:
    """The body of an enrolment."""
    return {"identities": {"card": card}, **({"id": id} if id is not None else {}), **more}


async def test_enrolling_answers_with_the_member_and_where_to_find_them(service: Service) -> None:
    answer = await service.send(
        person(birthday="1990-02-28", attributes={"city": "Utrecht", "newsletter": True}), path=MEMBERS
    )

    member = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{MEMBERS}/{member['id']}"
    assert member["identities"] == [{"kind": "card", "value": "1001"}]
    assert (member["birthday"], member["attributes"]) == ("1990-02-28", {"city": "Utrecht", "newsletter": True})
    assert (member["enrolled_at"], member["sequence"]) == ("2026-11-21T09:00:00Z", 1)
    assert (member["referral"], member["referred_by"]) == ("none", None)
    assert referral_code.normalized(member["referral_code"]) == member["referral_code"]
    assert (await service.client.get(answer.headers["Location"])).json() == member


async def test_a_member_needs_no_identity_at_all(service: Service) -> None:
    answer = await service.send({"id": "nobody"}, path=MEMBERS)

    assert (answer.status_code, answer.json()["identities"]) == (201, [])


async def test_the_same_id_again_answers_the_same_member_also_later(
    service: Service, owner: asyncpg.Connection
) -> None:
    first = await service.send(person(), path=MEMBERS)
    before = await picture(owner)
    service.clock.forward(days=40)

    again = await service.send(person(), path=MEMBERS)

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.json() == first.json()
    assert await picture(owner) == before


async def test_two_retries_at_once_are_one_enrolment(service: Service, owner: asyncpg.Connection) -> None:
    ticks = count()
    service.app.state.parts.clock = lambda: START + timedelta(microseconds=next(ticks))

    answers = await asyncio.gather(*[service.send(person(), path=MEMBERS) for _ in range(4)])

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await rows(owner, "member") == 1


async def test_the_same_id_with_other_content_is_refused(service: Service, owner: asyncpg.Connection) -> None:
    await service.send(person(), path=MEMBERS)
    before = await picture(owner)

    answer = await service.send(person(card="1002"), path=MEMBERS)

    assert (answer.status_code, answer.json()["code"]) == (422, "event_id_reused")
    assert await picture(owner) == before


async def test_an_idempotency_key_stands_in_for_the_id(service: Service, owner: asyncpg.Connection) -> None:
    headers = {"Idempotency-Key": "signup 17"}
    first = await service.send(person(None), path=MEMBERS, headers=headers)

    again = await service.send(person(None), path=MEMBERS, headers=headers)
    other = await service.send(person(None, card="1002"), path=MEMBERS, headers=headers)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert other.status_code == 422
    assert await rows(owner, "member") == 1


async def test_without_id_and_key_nothing_is_enrolled(service: Service, owner: asyncpg.Connection) -> None:
    answer = await service.send(person(None), path=MEMBERS)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert await rows(owner, "member") == 0


async def test_a_card_that_belongs_to_a_member_is_refused_and_says_whose_it_is(
    service: Service, owner: asyncpg.Connection
) -> None:
    member = await service.enrol("1001")
    before = await picture(owner)

    answer = await service.send(person("e2", "1001"), path=MEMBERS)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "identity_taken")
    assert (problem["kind"], problem["member"]) == ("card", member["id"])
    assert await picture(owner) == before


async def test_a_card_that_belongs_to_a_member_returns_that_member_if_so_asked(
    service: Service, owner: asyncpg.Connection
) -> None:
    member = await service.enrol("1001")
    before = await picture(owner)

    answer = await service.send(person("e2", "1001", if_exists="return"), path=MEMBERS)

    assert (answer.status_code, answer.json()) == (200, member)
    assert await picture(owner) == before


async def test_a_refused_enrolment_leaves_its_id_free(service: Service) -> None:
    await service.enrol("1001")
    await service.send(person("e2", "1001"), path=MEMBERS)

    answer = await service.send(person("e2", "1002"), path=MEMBERS)

    assert answer.status_code == 201


async def test_an_address_is_the_same_in_any_case_and_a_phone_in_any_writing(service: Service) -> None:
    said = {"email": "Sanne@Example.COM", "phone": "+31 20 123 4567"}
    member = (await service.send({"id": "e1", "identities": said}, path=MEMBERS)).json()

    by_email = await service.send({"member": "email:sanne@example.com"}, path="/v1/members/lookup")
    by_phone = await service.send({"member": "phone:+31201234567"}, path="/v1/members/lookup")

    assert by_email.json()["id"] == by_phone.json()["id"] == member["id"]


async def test_a_friend_named_by_code_brings_both_their_bonus(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=FRIENDS)
    async with open_service(settings, clock=clock) as service:
        friend = await service.enrol("1001")
        code = friend["referral_code"].lower()
        joined = await service.enrol("1002", referral_code=f"{code[:5]}-{code[5:]}")
        assert (joined["referral"], joined["referred_by"]) == ("claimed", friend["id"])

        await service.buy("10.00", card="1002")
        clock.forward(seconds=1)
        await service.buy("1.00", card="1002")
        await service.buy("1.00", card="1001")

        assert (await service.units(joined["id"]))["points"]["available"] == 50 + 10 + 25 + 1
        assert (await service.units(friend["id"]))["points"]["available"] == 50 + 100 + 1
        stored = (await service.client.get(f"{MEMBERS}/{joined['id']}")).json()
        assert stored["referral"] == "rewarded"


async def test_a_code_that_nobody_has_is_refused_and_one_mistyped_is_caught(service: Service) -> None:
    nobody = referral_code.make(bytes(8))
    mistyped = nobody[:-1] + ("2" if nobody[-1] != "2" else "3")

    unknown = await service.send(person(referral_code=nobody), path=MEMBERS)
    wrong = await service.send(person(referral_code=mistyped), path=MEMBERS)

    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_referral_code")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/referral_code")


async def test_nobody_can_be_found_by_a_referral_code(service: Service) -> None:
    member = await service.enrol("1001")
    code = member["referral_code"]

    answers = [
        await service.send({"member": f"{kind}:{code}"}, path="/v1/members/lookup")
        for kind in ("referral_code", "mem", "referral", "code", "zegel_code")
    ]

    assert all(answer.status_code == 422 for answer in answers)


async def test_a_birthday_that_is_no_day_in_plain_digits_is_refused(service: Service) -> None:
    for birthday in ("1990-02-30", "1990-13-01", "0000-01-01", "\uff11\uff19\uff19\uff10-02-28", "1990-02-28\n"):
        answer = await service.send(person(birthday=birthday), path=MEMBERS)

        assert answer.status_code == 422, birthday
        assert answer.json()["errors"][0]["pointer"] == "/birthday"


async def test_nobody_is_born_in_the_future(service: Service, owner: asyncpg.Connection) -> None:
    """Semantics M1: told when joining, as an event, or later; today is no future anywhere."""
    born = await service.send(person("e0", "0", birthday="2026-11-21"), path=MEMBERS)
    member = born.headers["Location"]
    before = await picture(owner)
    event = {"type": "enrolment", "occurred_at": "2026-11-21T09:00:00Z", **person(birthday="2026-11-22")}

    answers = [
        await service.send(person(birthday="2026-11-22"), path=MEMBERS),
        await service.send(event),
        await service.client.patch(member, json={"birthday": "2027-01-01"}),
    ]

    assert born.status_code == 201
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert answer.json()["errors"] == [{"pointer": "/birthday", "message": "lies in the future"}]
    assert await picture(owner) == before


async def test_joining_may_lie_in_the_past_within_the_limit_and_not_in_the_future(service: Service) -> None:
    past = await service.send(person("e1", "1", occurred_at="2026-11-01T09:00:00Z"), path=MEMBERS)
    too_long_ago = await service.send(person("e2", "2", occurred_at="2026-10-01T09:00:00Z"), path=MEMBERS)
    future = await service.send(person("e3", "3", occurred_at="2026-11-22T09:00:00Z"), path=MEMBERS)

    assert (past.status_code, past.json()["enrolled_at"]) == (201, "2026-11-01T09:00:00Z")
    assert (too_long_ago.status_code, too_long_ago.json()["code"]) == (422, "too_late")
    assert (future.status_code, future.json()["code"]) == (422, "too_early")
    assert too_long_ago.json()["earliest"] == "2026-10-22T09:00:00Z"
