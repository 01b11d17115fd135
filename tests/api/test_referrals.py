"""Referrals over HTTP: claimed later, held for a person, read and decided on (semantics F)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from app.settings import Settings
from app.worker.settling import settle_once
from tests.api.test_returns import proven
from tests.builders import FRIENDS, Clock, Service, at, key_for, open_service, publish
from tests.database import assert_whole

REVIEWED = FRIENDS.replace("  lapse: P180D\n", "  lapse: P180D\n  wait: P14D\n  review: {claims: 2, in: P1D}\n")
"""Bonuses that wait for fourteen days; the third who names the same friend in a day is held."""


@dataclass
class Shop:
    """The service, and a person's key."""

    service: Service
    person: dict[str, str]

    async def claim(self, card: str, code: str, *, id: str = "c1", **more: Any) -> httpx.Response:
        body = {"type": "referral_claim", "id": id, "member": f"card:{card}", "referral_code": code, **more}
        return await self.service.send({"occurred_at": at(self.service.clock.now), **body})

    async def decide(self, id: str, what: str, reason: str = "known to us") -> httpx.Response:
        return await self.service.client.post(
            f"/v1/referrals/{id}/{what}", json={"reason": reason}, headers=self.person
        )

    async def referrals(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.service.client.get("/v1/referrals", params=query, headers=self.person)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["referrals"])

    async def settle(self) -> None:
        parts = self.service.app.state.parts
        while await settle_once(parts.engine, parts.ledger, now=self.service.clock()):
            pass

    async def points(self, member: dict[str, Any]) -> int:
        return int((await self.service.units(member["id"]))["points"]["balance"])


@pytest.fixture
async def shop(settings: Settings, clock: Clock) -> AsyncIterator[Shop]:
    """A program whose bonuses wait."""
    await publish(settings, clock=clock, document=REVIEWED)
    key = await key_for(settings, shop=None, owner="els")
    async with open_service(settings, clock=clock) as service:
        yield Shop(service, {"Authorization": f"Bearer {key}"})


def as_referral(member: dict[str, Any]) -> str:
    """The id of the referral by which a member came."""
    return str(member["id"]).replace("mem_", "rfl_")


async def test_a_friend_is_named_later_and_both_are_paid_after_the_wait(shop: Shop, owner: asyncpg.Connection) -> None:
    """Semantics F1, F2: claimed, qualified, rewarded, each told."""
    bram, anna = await shop.service.enrol("bram"), await shop.service.enrol("anna")

    answer = await shop.claim("anna", bram["referral_code"])
    await shop.service.buy("20.00", card="anna")
    await shop.settle()
    waiting = await shop.points(bram)
    shop.service.clock.forward(days=15)
    await shop.settle()

    assert answer.status_code == 201, answer.text
    assert (waiting, await shop.points(bram), await shop.points(anna)) == (50, 150, 95)
    told = await owner.fetch("SELECT type FROM message WHERE type LIKE 'referral.%' ORDER BY created_at, number")
    names = [row["type"] for row in told]
    assert names[:2] == ["referral.claimed", "referral.qualified"]
    assert names[2:] == ["referral.rewarded", "referral.rewarded"]
    assert await proven(shop.service) == []
    await assert_whole(owner)


async def test_a_claim_sent_again_is_a_replay(shop: Shop) -> None:
    """Semantics E1, F5."""
    bram, _ = await shop.service.enrol("bram"), await shop.service.enrol("anna")

    first = await shop.claim("anna", bram["referral_code"])
    again = await shop.claim("anna", bram["referral_code"])
    other = await shop.claim("anna", bram["referral_code"], id="c2")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"], other.json()["state"]) == (409, "already_referred", "claimed")


@pytest.mark.parametrize(
    ("by", "status", "code"),
    [
        ("nobody", 422, "unknown_referral_code"),
        ("self", 422, "own_referral_code"),
        ("referee", 409, "has_referred"),
        ("buyer", 409, "has_bought"),
    ],
)
async def test_every_refusal_says_why(shop: Shop, by: str, status: int, code: str) -> None:
    """Semantics F1: with the facts, and nothing recorded."""
    bram, cleo = await shop.service.enrol("bram"), await shop.service.enrol("cleo")
    if by == "referee":
        await shop.service.enrol("dirk", referral_code=bram["referral_code"])
    if by == "buyer":
        await shop.service.buy("1.00", card="bram")
    codes = {"nobody": "NOBODY-AT-ALL", "self": bram["referral_code"]}

    answer = await shop.claim("bram", codes.get(by, cleo["referral_code"]))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "NOBODY" not in answer.text
    if by == "buyer":
        assert answer.json()["purchases"] == 1
    assert await proven(shop.service) == []


async def test_a_mailbox_of_the_friends_is_held(shop: Shop, owner: asyncpg.Connection) -> None:
    """Semantics F4: what follows a plus, and dots where they do not count, tell nobody apart."""
    bram = await shop.service.enrol("bram", identities={"email": "b.ram@gmail.com"})
    anna = await shop.service.enrol(
        "anna", identities={"card": "anna", "email": "Bram+friend@googlemail.com"}, referral_code=bram["referral_code"]
    )

    (held,) = await shop.referrals(state="review")

    assert (held["id"], held["state"], held["reasons"]) == (as_referral(anna), "review", ["same_email"])
    assert (held["referee"], held["referrer"]) == (anna["id"], bram["id"])
    (message,) = await owner.fetch("SELECT body FROM message WHERE type = 'referral.held'")
    assert b"gmail" not in message["body"]
    assert b"googlemail" not in message["body"]
    assert await proven(shop.service) == []


@pytest.mark.parametrize("where", ["enrolment", "purchase"])
async def test_a_fingerprint_of_the_friends_is_held(shop: Shop, owner: asyncpg.Connection, where: str) -> None:
    """Semantics F4: kept as keyed digests, in a table of their own and beside the event, never as sent."""
    bram = await shop.service.enrol("bram")
    await shop.service.buy("5.00", card="bram", fingerprints=["visa-4711", "street 1"])
    more = {"fingerprints": ["street 1"]} if where == "enrolment" else {}
    anna = await shop.service.enrol("anna", referral_code=bram["referral_code"], **more)
    await shop.service.buy("20.00", card="anna", fingerprints=["visa-4711"] if where == "purchase" else [])

    (held,) = await shop.referrals(state="review")

    assert (held["id"], held["reasons"]) == (as_referral(anna), ["same_fingerprint"])
    shop.service.clock.forward(days=30)
    await shop.settle()
    assert await shop.points(bram) == 55
    for table in ("fingerprint", "particulars", "event", "message"):
        rows = await owner.fetch(f"SELECT x::text FROM {table} x")
        assert not [row for row in rows if "visa" in row[0] or b"visa".hex() in row[0]], table
    assert await proven(shop.service) == []


async def test_too_many_claims_in_a_short_time_are_held(shop: Shop) -> None:
    """Semantics F4: the third in a day, one by one or in one batch; a day later there is room again."""
    bram = await shop.service.enrol("bram")
    now = shop.service.clock.now
    events = [
        {"type": "enrolment", "id": f"e{n}", "occurred_at": at(now), "referral_code": bram["referral_code"]}
        for n in range(4)
    ]
    answer = await shop.service.send({"events": events}, path="/v1/events/batch")
    assert answer.status_code == 207
    one = await shop.service.enrol("one", referral_code=bram["referral_code"])
    shop.service.clock.forward(days=2)
    later = await shop.service.enrol("later", referral_code=bram["referral_code"])

    held = await shop.referrals(state="review")

    assert len(held) == 3
    assert {reason for row in held for reason in row["reasons"]} == {"many_claims"}
    assert (one["referral"], later["referral"]) == ("review", "claimed")
    assert await proven(shop.service) == []


async def test_a_person_lets_it_go_on(shop: Shop, owner: asyncpg.Connection) -> None:
    """Semantics F4: with actor and reason; again by the same person it answers the same."""
    bram = await shop.service.enrol("bram")
    await shop.service.buy("5.00", card="bram", fingerprints=["visa-4711"])
    anna = await shop.service.enrol("anna", referral_code=bram["referral_code"], fingerprints=["visa-4711"])
    await shop.service.buy("20.00", card="anna")
    id = as_referral(anna)

    answer = await shop.decide(id, "approve")
    again = await shop.decide(id, "approve")
    other = await shop.decide(id, "reject")
    shop.service.clock.forward(days=15)
    await shop.settle()

    assert (answer.status_code, answer.json()["state"], answer.json()["reasons"]) == (200, "qualified", [])
    assert (again.status_code, again.json()) == (200, answer.json())
    assert (other.status_code, other.json()["code"], other.json()["state"]) == (409, "not_in_review", "qualified")
    assert await shop.points(bram) == 155
    (row,) = await owner.fetch("SELECT actor, action, subject FROM audit WHERE action LIKE 'referral.%'")
    assert tuple(row) == ("els", "referral.approve", id)
    (event,) = await owner.fetch("SELECT content FROM event WHERE kind = 'referral_review'")
    assert b"known to us" not in event["content"]
    assert await proven(shop.service) == []


async def test_a_person_ends_it(shop: Shop) -> None:
    """Semantics F4."""
    bram = await shop.service.enrol("bram")
    await shop.service.buy("5.00", card="bram", fingerprints=["visa-4711"])
    anna = await shop.service.enrol("anna", referral_code=bram["referral_code"], fingerprints=["visa-4711"])

    answer = await shop.decide(as_referral(anna), "reject")
    await shop.service.buy("20.00", card="anna")
    shop.service.clock.forward(days=30)
    await shop.settle()

    assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    assert await shop.points(bram) == 55
    assert await shop.referrals(state="review") == []
    assert [row["id"] for row in await shop.referrals(state="rejected")] == [as_referral(anna)]
    assert await proven(shop.service) == []


async def test_a_referral_that_is_not_held_is_not_decided_on(shop: Shop) -> None:
    """Semantics F4."""
    bram = await shop.service.enrol("bram")
    anna = await shop.service.enrol("anna", referral_code=bram["referral_code"])

    held = await shop.decide(as_referral(anna), "approve")
    nobody = await shop.decide(as_referral(bram), "approve")

    assert (held.status_code, held.json()["code"], held.json()["state"]) == (409, "not_in_review", "claimed")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")


async def test_a_member_sees_by_whom_they_came_and_whom_they_brought(shop: Shop) -> None:
    """Semantics F4: a page at a time, by id only."""
    bram = await shop.service.enrol("bram")
    anna = await shop.service.enrol("anna", referral_code=bram["referral_code"])
    friends = [await shop.service.enrol(f"f{n}", referral_code=anna["referral_code"]) for n in range(3)]
    path = f"/v1/members/{anna['id']}/referrals"

    first = (await shop.service.client.get(path, params={"limit": 2})).json()
    rest = (await shop.service.client.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert first["referred"]["referrer"] == bram["id"]
    found = [row["referee"] for row in (*first["referrals"], *rest["referrals"])]
    assert found == [friend["id"] for friend in friends]
    assert rest["next_cursor"] is None
    assert "card" not in str(first)


async def test_the_list_is_paged_and_sifted(shop: Shop) -> None:
    """Semantics F4, api C7: what lapsed by the clock is told so before anybody wrote it down."""
    bram = await shop.service.enrol("bram")
    friends = [await shop.service.enrol(f"f{n}", referral_code=bram["referral_code"]) for n in range(2)]
    await shop.service.buy("20.00", card="f1")
    both = [row["referee"] for row in await shop.referrals()]
    one = await shop.referrals(limit=1)
    shop.service.clock.forward(days=200)

    assert both == [friend["id"] for friend in friends]
    assert len(one) == 1
    assert [row["referee"] for row in await shop.referrals(state="lapsed")] == [friends[0]["id"]]
    assert await shop.referrals(state="claimed") == []
    await shop.settle()
    assert [row["referee"] for row in await shop.referrals(state="rewarded")] == [friends[1]["id"]]
    assert [row["referee"] for row in await shop.referrals(state="lapsed")] == [friends[0]["id"]]
    assert await proven(shop.service) == []


async def test_a_claim_cannot_be_admitted_once_refused(shop: Shop) -> None:
    """Semantics E3, M4: the code is kept nowhere."""
    await shop.service.enrol("bram")
    await shop.claim("bram", "NOBODY-AT-ALL")
    (refused,) = (await shop.service.client.get("/v1/refused")).json()["refused"]

    answer = await shop.service.client.post(f"/v1/refused/{refused['id']}/admit")

    assert (answer.status_code, answer.json()["code"]) == (422, "not_admissible")


async def test_a_claim_may_be_tried_first(shop: Shop, owner: asyncpg.Connection) -> None:
    """Api C10: what a dry run says of it, the ledger does."""
    bram = await shop.service.enrol("bram")
    await shop.service.enrol("anna")
    body = {
        "type": "referral_claim",
        "id": "c1",
        "member": "card:anna",
        "occurred_at": at(shop.service.clock.now),
        "referral_code": bram["referral_code"],
    }

    dry = await shop.service.send(body, path="/v1/events?dry_run=true")

    assert (dry.status_code, dry.json()["provisional"]) == (200, True)
    assert await owner.fetchval("SELECT count(*) FROM event WHERE kind = 'referral_claim'") == 0


ROUNDS = 6


@pytest.fixture
async def two(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Service, Service]]:
    """Two processes' worth of the service on one database, in a program that pays at once."""
    await publish(settings, clock=clock, document=FRIENDS)
    async with open_service(settings, clock=clock) as one, open_service(settings, clock=clock) as other:
        yield one, other


def claiming(card: str, code: str, id: str, clock: Clock) -> dict[str, Any]:
    """The body of a claim."""
    named = {"type": "referral_claim", "id": id, "member": f"card:{card}", "referral_code": code}
    return {**named, "occurred_at": at(clock.now)}


async def drained(service: Service) -> None:
    """Everything that is due."""
    parts = service.app.state.parts
    while await settle_once(parts.engine, parts.ledger, now=service.clock()):
        pass


async def test_of_two_claims_at_once_one_stands(two: tuple[Service, Service], clock: Clock) -> None:
    """Semantics F1: two friends are named at the same time, in two processes."""
    one, other = two
    for n in range(ROUNDS):
        bram, cleo = await one.enrol(f"bram{n}"), await one.enrol(f"cleo{n}")
        await one.enrol(f"anna{n}")

        answers = await asyncio.gather(
            one.send(claiming(f"anna{n}", bram["referral_code"], f"b{n}", clock)),
            other.send(claiming(f"anna{n}", cleo["referral_code"], f"c{n}", clock)),
        )

        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert {a.json().get("code") for a in answers} == {None, "already_referred"}
    assert await proven(one) == []


async def test_claims_that_cross_never_close_a_ring(
    two: tuple[Service, Service], clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics F1: each names the other at the same time; both are locked, so one comes first."""
    one, other = two
    for n in range(ROUNDS):
        bram, anna = await one.enrol(f"bram{n}"), await one.enrol(f"anna{n}")

        answers = await asyncio.gather(
            one.send(claiming(f"anna{n}", bram["referral_code"], f"a{n}", clock)),
            other.send(claiming(f"bram{n}", anna["referral_code"], f"b{n}", clock)),
        )

        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert {a.json().get("code") for a in answers} == {None, "has_referred"}
    rings = "SELECT count(*) FROM member a JOIN member b ON a.referrer_id = b.member_id AND b.referrer_id = a.member_id"
    assert await owner.fetchval(rings) == 0
    assert await proven(one) == []


async def test_a_claim_and_a_first_purchase_at_once(two: tuple[Service, Service], clock: Clock) -> None:
    """Semantics F1, F5: whichever is first; a bonus is given if and only if the claim was."""
    one, other = two
    for n in range(ROUNDS):
        bram, anna = await one.enrol(f"bram{n}"), await one.enrol(f"anna{n}")

        claimed, bought = await asyncio.gather(
            one.send(claiming(f"anna{n}", bram["referral_code"], f"a{n}", clock)),
            other.buy("20.00", card=f"anna{n}", id=f"p{n}"),
        )
        await drained(one)

        assert bought.status_code == 201
        assert (claimed.status_code, claimed.json().get("code")) in [(201, None), (409, "has_bought")]
        given = 100 if claimed.status_code == 201 else 0
        assert (await one.units(bram["id"]))["points"]["balance"] == 50 + given
        assert (await one.units(anna["id"]))["points"]["balance"] == 70 + given // 4
    assert await proven(one) == []


async def test_copies_of_everything_at_once_give_one_bonus_a_side(two: tuple[Service, Service], clock: Clock) -> None:
    """Semantics F5: however often anything is sent."""
    one, _ = two
    bram, anna = await one.enrol("bram"), await one.enrol("anna")
    await one.send(claiming("anna", bram["referral_code"], "a", clock))

    await asyncio.gather(*(two[n % 2].buy("20.00", card="anna", id=f"p{n % 4}") for n in range(24)))
    await asyncio.gather(*(drained(service) for service in two))

    assert (await one.units(bram["id"]))["points"]["balance"] == 150
    assert (await one.units(anna["id"]))["points"]["balance"] == 50 + 4 * 20 + 25
    assert await proven(one) == []
