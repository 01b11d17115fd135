"""Adjustments over HTTP: a reason, a note apart, and a second person where one alone may not (semantics E5, E6, M4)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from app.cli import keys as key_commands
from app.cli import verify
from app.cli.errors import CliError
from app.domain.scopes import PROGRAM as PROGRAM_SCOPES
from app.domain.scopes import SHOP, Scope
from app.settings import Settings
from tests.api.test_returns import books
from tests.builders import BY_HAND, Clock, Service, at, key_for, open_service, publish
from tests.database import picture

PATH = "/v1/adjustments"


def asked(points: int = 50, *, id: str = "a1", card: str = "1001", **more: Any) -> dict[str, Any]:
    """The body of an adjustment."""
    return {"id": id, "member": f"card:{card}", "points": points, "unit": "points", "reason": "goodwill", **more}


@dataclass
class Office:
    """The service with a till, a member, and persons who each have a key of their own."""

    service: Service
    member: str
    keys: dict[str, str]

    async def ask(self, body: dict[str, Any], *, by: str = "kim") -> httpx.Response:
        """POST of an adjustment by a person."""
        return await self.service.send(body, path=PATH, headers=self.as_(by))

    async def decide(self, id: str, what: str, *, by: str = "lee") -> httpx.Response:
        """A person's word on an adjustment: approve, reject or cancel."""
        return await self.service.client.post(f"{PATH}/{id}/{what}", headers=self.as_(by))

    async def read(self, path: str = "", **query: Any) -> Any:
        """GET of adjustments by the first person."""
        answer = await self.service.client.get(PATH + path, params=query, headers=self.as_("kim"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def points(self) -> int:
        """The member's balance."""
        return int((await self.service.units(self.member))["points"]["balance"])

    def as_(self, person: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[person]}"}


@asynccontextmanager
async def opened(settings: Settings, clock: Clock, *, document: str = BY_HAND) -> AsyncIterator[Office]:
    """An office with Kim, who has two keys, and Lee and Max."""
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        member = (await service.enrol())["id"]
        owners = {"kim": "kim", "kim again": "kim", "lee": "lee", "max": "max"}
        keys = {name: await key_for(settings, shop=None, owner=owner) for name, owner in owners.items()}
        yield Office(service, member, keys)


@pytest.fixture
async def office(settings: Settings, clock: Clock, anyio_backend: str) -> AsyncIterator[Office]:
    """An office of the program in which 500 points a day need no second person, and 2,000 are all."""
    async with opened(settings, clock) as made:
        yield made


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_points_are_given_at_once_with_reason_actor_and_a_note_apart(
    office: Office, owner: asyncpg.Connection
) -> None:
    answer = await office.ask(asked(note="Waited an hour."))

    said = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, f"{PATH}/{said['id']}")
    assert (said["state"], said["requested_by"], said["decided_by"]) == ("approved", "kim", None)
    assert (said["note"], said["lapses_at"]) == ("Waited an hour.", None)
    event = (await office.service.client.get(f"/v1/events/{said['event']}")).json()
    assert (event["source"], event["type"], event["source_id"]) == ("ops", "adjustment", "a1")
    assert [entry["points"] for entry in event["entries"]] == [50]
    content = await owner.fetchval("SELECT content FROM event WHERE kind = 'adjustment'")
    assert b'"actor":"kim"' in content
    assert b"Waited" not in content
    for table in ("message", "audit"):
        assert not await owner.fetch(f"SELECT 1 FROM {table} x WHERE x::text LIKE '%Waited%'")
    assert await owner.fetchval("SELECT particulars FROM adjustment") == b""
    assert await verify.run(office.service.settings) == []


async def test_the_same_id_stands_for_the_same_adjustment(office: Office, owner: asyncpg.Connection) -> None:
    """Semantics E1."""
    first = await office.ask(asked())
    before = await picture(owner)

    again = await office.ask(asked(member=office.member))
    other = await office.ask(asked(51))

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.json() == first.json()
    assert code(other) == (422, "event_id_reused")
    assert other.json()["adjustment"] == first.json()["id"]
    assert await picture(owner) == before


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"reason": None}, "/reason"),
        ({"reason": ""}, "/reason"),
        ({"points": 0}, "/points"),
        ({"unit": None}, "/unit"),
        ({"note": "x" * 1001}, "/note"),
        ({"points": -1, "expires_at": "2027-01-01T00:00:00Z"}, "/expires_at"),
        ({"member": {"identity": "card:7", "enrol": True}}, "/member"),
        ({"raeson": "goodwill"}, "/raeson"),
        ({"occurred_at": "2026-11-21T09:00:00Z"}, "/occurred_at"),
    ],
)
async def test_a_bad_body_is_told_its_place(
    office: Office, owner: asyncpg.Connection, wrong: dict[str, Any], pointer: str
) -> None:
    before = await picture(owner)

    answer = await office.ask({name: value for name, value in asked(**wrong).items() if value is not None})

    assert code(answer) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await picture(owner) == before


@pytest.mark.parametrize(
    ("wrong", "expected", "facts"),
    [
        ({"reason": "because"}, "unknown_reason", {"known": ["goodwill", "correction"]}),
        ({"unit": "miles"}, "unknown_unit", {"known": ["points", "spent"]}),
        (
            {"card": "9"},
            "unknown_member",
            {"detail": "Enrol the member first: nobody is enrolled by an adjustment."},
        ),
        ({"expires_at": "2026-11-21T09:00:00Z"}, "expiry_not_possible", {"earliest": "2026-11-21T09:00:00Z"}),
        ({"unit": "spent", "expires_at": "2027-11-21T09:00:00Z"}, "expiry_not_possible", {"earliest": None}),
        ({"points": 2001}, "daily_limit", {"limit": 2000, "left": 2000}),
    ],
)
async def test_what_cannot_be_recorded_is_refused_when_it_is_asked_for(
    office: Office, owner: asyncpg.Connection, wrong: dict[str, Any], expected: str, facts: dict[str, Any]
) -> None:
    before = await picture(owner)

    answer = await office.ask(asked(**wrong))

    assert answer.json()["code"] == expected
    assert answer.json() | facts == answer.json()
    assert await picture(owner) == before


async def test_more_than_one_may_give_waits_for_another_person(office: Office, owner: asyncpg.Connection) -> None:
    waiting = await office.ask(asked(501, note="private"))
    id = waiting.json()["id"]

    assert (waiting.status_code, waiting.json()["state"], waiting.json()["event"]) == (202, "waiting", None)
    assert waiting.json()["lapses_at"] == "2026-11-24T09:00:00Z"
    assert await office.points() == 0
    assert [one["id"] for one in (await office.read(state="waiting"))["adjustments"]] == [id]

    approved = await office.decide(id, "approve")

    said = approved.json()
    assert (approved.status_code, said["state"], said["decided_by"]) == (200, "approved", "lee")
    assert said["note"] == "private"
    assert await office.points() == 501
    assert await office.read(f"/{id}") == said
    assert (await office.read(state="waiting"))["adjustments"] == []
    content = await owner.fetchval("SELECT content FROM event WHERE kind = 'adjustment'")
    assert b'"actor":"kim","approver":"lee"' in content
    log = await owner.fetch("SELECT actor, action FROM audit WHERE action LIKE 'adjustment%' ORDER BY audit_id")
    assert [tuple(row) for row in log] == [("kim", "adjustment.requested"), ("lee", "adjustment.approved")]
    assert (await office.ask(asked(501, note="private"))).json() == said
    assert await verify.run(office.service.settings) == []


async def test_what_is_taken_waits_as_well(office: Office) -> None:
    assert (await office.ask(asked(-501))).status_code == 202


@pytest.mark.parametrize("what", ["approve", "reject"])
@pytest.mark.parametrize("person", ["kim", "kim again"])
async def test_nobody_decides_on_their_own_by_whatever_key(
    office: Office, owner: asyncpg.Connection, what: str, person: str
) -> None:
    id = (await office.ask(asked(501))).json()["id"]
    before = await picture(owner)

    answer = await office.decide(id, what, by=person)

    assert code(answer) == (403, "self_approval")
    assert await picture(owner) == before


async def test_it_lapses_after_three_days(office: Office, owner: asyncpg.Connection) -> None:
    id = (await office.ask(asked(501))).json()["id"]
    in_time = (await office.ask(asked(502, id="a2"))).json()["id"]
    office.service.clock.forward(hours=72, microseconds=-1)
    assert (await office.decide(in_time, "approve")).status_code == 200

    office.service.clock.forward(microseconds=1)
    before = await picture(owner)

    for what in ("approve", "reject"):
        answer = await office.decide(id, what)
        assert code(answer) == (409, "adjustment_lapsed")
        assert answer.json()["lapses_at"] == "2026-11-24T09:00:00Z"
    assert (await office.read(f"/{id}"))["state"] == "lapsed"
    assert [one["id"] for one in (await office.read(state="lapsed"))["adjustments"]] == [id]
    assert (await office.read(state="waiting"))["adjustments"] == []
    assert (await office.ask(asked(501))).json()["state"] == "lapsed"
    assert await picture(owner) == before


async def test_what_was_decided_stands(office: Office) -> None:
    id = (await office.ask(asked(501))).json()["id"]

    rejected = await office.decide(id, "reject")
    again = await office.decide(id, "reject")
    turned = await office.decide(id, "approve")
    other = await office.decide(id, "reject", by="max")

    assert (rejected.status_code, rejected.json()["state"]) == (200, "rejected")
    assert again.json() == rejected.json()
    for answer in (turned, other):
        assert code(answer) == (409, "already_decided")
        assert (answer.json()["state"], answer.json()["decided_at"]) == ("rejected", "2026-11-21T09:00:00Z")
    assert await office.points() == 0


async def test_what_needed_nobody_is_decided_already(office: Office) -> None:
    id = (await office.ask(asked(5))).json()["id"]

    assert code(await office.decide(id, "reject")) == (409, "already_decided")


async def test_approved_twice_by_the_same_person_is_recorded_once(office: Office) -> None:
    id = (await office.ask(asked(501))).json()["id"]

    first, again = await office.decide(id, "approve"), await office.decide(id, "approve")

    assert again.json() == first.json()
    assert await office.points() == 501


async def test_splitting_does_not_help(office: Office) -> None:
    """Every adjustment of the day counts, given or taken, recorded or waiting, by whichever key of the person."""
    first = await office.ask(asked(300, id="1"))
    second = await office.ask(asked(-200, id="2"), by="kim again")
    third = await office.ask(asked(1, id="3"))
    another_person = await office.ask(asked(300, id="4"), by="lee")
    another_unit = await office.ask(asked(300, id="5", unit="spent"))
    office.service.clock.forward(hours=14, microseconds=-1)  # the last instant of that day in Amsterdam
    still_today = await office.ask(asked(1, id="6"))
    office.service.clock.forward(microseconds=1)
    tomorrow = await office.ask(asked(500, id="7"))

    given = [first, second, another_person, another_unit, tomorrow]
    assert [answer.status_code for answer in given] == [201] * 5
    assert [answer.status_code for answer in (third, still_today)] == [202] * 2


async def test_splitting_at_once_does_not_help_either(office: Office, owner: asyncpg.Connection) -> None:
    """Who asks at once is counted one after the other: held up together, and let go together."""
    bodies = [asked(100, id=f"split-{number}") for number in range(10)]
    people = ("kim", "kim again") * 5

    async with owner.transaction():
        await owner.fetch("SELECT 1 FROM program FOR UPDATE")
        sent = [asyncio.create_task(office.ask(body, by=by)) for body, by in zip(bodies, people, strict=True)]
        finished, _ = await asyncio.wait(sent, timeout=0.5)
        assert not finished
    answers = await asyncio.gather(*sent)

    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [202] * 5
    assert await office.points() == 500


async def test_the_same_sent_twice_at_once_is_one(office: Office) -> None:
    answers = await asyncio.gather(*[office.ask(asked(100)) for _ in range(5)])

    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await office.points() == 100


async def test_a_day_has_a_limit_that_rejecting_does_not_free(office: Office) -> None:
    id = (await office.ask(asked(1500, id="1"))).json()["id"]
    await office.decide(id, "reject")

    too_much = await office.ask(asked(501, id="2"))
    enough = await office.ask(asked(500, id="2"))

    assert code(too_much) == (409, "daily_limit")
    assert (too_much.json()["limit"], too_much.json()["left"]) == (2000, 500)
    assert enough.status_code == 201  # what was rejected is not on its way, so nobody need look at this one


async def test_of_two_who_decide_at_once_one_wins(office: Office, owner: asyncpg.Connection) -> None:
    id = (await office.ask(asked(501))).json()["id"]

    says = [("lee", "approve"), ("max", "approve"), ("max", "reject"), ("lee", "approve")]

    async with owner.transaction():  # all of them have read that it waits before one may decide
        await owner.fetch("SELECT 1 FROM adjustment FOR UPDATE")
        sent = [asyncio.create_task(office.decide(id, what, by=by)) for by, what in says]
        finished, _ = await asyncio.wait(sent, timeout=0.5)
        assert not finished
    answers = await asyncio.gather(*sent)

    state = (await office.read(f"/{id}"))["state"]
    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code != 200]
    assert won
    assert len({answer.json()["decided_by"] for answer in won}) == 1
    assert {answer.json()["state"] for answer in won} == {state}
    assert {code(answer) for answer in lost} == {(409, "already_decided")}
    assert await office.points() == (501 if state == "approved" else 0)
    assert await owner.fetchval("SELECT count(*) FROM audit WHERE action ~ 'adjustment.(approved|rejected)'") == 1


@pytest.mark.parametrize("recorded", [True, False])
async def test_killed_between_deciding_and_recording_it_is_approved_again_with_the_same_result(
    office: Office, owner: asyncpg.Connection, recorded: bool
) -> None:
    """The event has one key, so the ledger itself settles whether it is there."""
    body = asked(501, note="private")
    id = (await office.ask(body)).json()["id"]
    if recorded:
        await office.decide(id, "approve")
        await owner.execute(
            "UPDATE adjustment SET event_id = NULL, particulars = $1 WHERE key = 'a1'", b'{"note":"private"}'
        )
    else:
        await owner.execute(
            "UPDATE adjustment SET state = 'approved', decided_by = 'lee', decided_at = now() WHERE key = 'a1'"
        )
    office.service.clock.forward(hours=1)

    other = await office.decide(id, "approve", by="max")
    again = await office.decide(id, "approve")

    assert code(other) == (409, "already_decided")
    assert (again.status_code, again.json()["state"], again.json()["note"]) == (200, "approved", "private")
    assert await office.points() == 501
    assert await owner.fetchval("SELECT count(*) FROM event WHERE kind = 'adjustment'") == 1
    assert await verify.run(office.service.settings) == []


async def test_killed_before_a_small_one_was_recorded_it_is_sent_again(
    office: Office, owner: asyncpg.Connection
) -> None:
    first = await office.ask(asked(5))
    await owner.execute("UPDATE adjustment SET event_id = NULL")
    office.service.clock.forward(hours=1)

    again = await office.ask(asked(5))

    assert again.json() == first.json()
    assert await office.points() == 5


async def test_what_the_ledger_refuses_by_now_goes_on_waiting(office: Office) -> None:
    id = (await office.ask(asked(501, expires_at="2026-11-22T09:00:00Z"))).json()["id"]
    office.service.clock.forward(hours=24)

    refused = await office.decide(id, "approve")

    assert code(refused) == (422, "expiry_not_possible")
    assert (await office.read(f"/{id}"))["state"] == "waiting"
    assert (await office.decide(id, "reject")).status_code == 200


async def test_pages_go_on_where_they_ended_and_belong_to_their_state(office: Office) -> None:
    ids = [(await office.ask(asked(200, id=f"p{number}"))).json()["id"] for number in range(5)]

    first = await office.read(limit=2)
    second = await office.read(limit=2, cursor=first["next_cursor"])
    third = await office.read(limit=2, cursor=second["next_cursor"])
    elsewhere = await office.service.client.get(
        PATH, params={"state": "waiting", "cursor": first["next_cursor"]}, headers=office.as_("kim")
    )
    unknown = await office.service.client.get(PATH, params={"state": "open"}, headers=office.as_("kim"))

    assert [one["id"] for page in (first, second, third) for one in page["adjustments"]] == ids
    assert third["next_cursor"] is None
    assert [one["id"] for one in (await office.read(state="waiting"))["adjustments"]] == ids[2:]
    assert code(elsewhere) == (400, "malformed_cursor")
    assert code(unknown) == (422, "malformed_query")


async def test_what_was_given_is_taken_back_once(office: Office) -> None:
    """Semantics E6."""
    id = (await office.ask(asked(50))).json()["id"]

    taken = await office.decide(id, "cancel", by="lee")
    again = await office.decide(id, "cancel", by="lee")
    other = await office.decide(id, "cancel", by="kim")

    assert (taken.status_code, taken.json()["source"], taken.json()["type"]) == (201, "ops", "cancellation")
    assert (again.status_code, again.json()) == (200, taken.json())
    assert code(other) == (409, "nothing_left")
    assert await office.points() == 0
    assert await verify.run(office.service.settings) == []


async def test_a_body_where_none_is_asked_for_is_refused(office: Office, owner: asyncpg.Connection) -> None:
    """Api C9: who cancels a part of it must not be told that all of it is done."""
    id = (await office.ask(asked(50))).json()["id"]
    waiting = (await office.ask(asked(501, id="a2"))).json()["id"]
    before = await picture(owner)

    for path in (f"{id}/cancel", f"{waiting}/approve", f"{waiting}/reject"):
        answer = await office.service.send({"points": 20}, path=f"{PATH}/{path}", headers=office.as_("lee"))

        assert code(answer) == (422, "invalid"), path
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/points"]
    assert await picture(owner) == before
    empty = await office.service.send({}, path=f"{PATH}/{id}/cancel", headers=office.as_("lee"))
    assert empty.status_code == 201


async def test_what_waits_or_was_taken_cannot_be_cancelled(office: Office) -> None:
    waiting = (await office.ask(asked(501, id="1"))).json()["id"]
    taken = (await office.ask(asked(-5, id="2"), by="lee")).json()["id"]

    assert code(await office.decide(waiting, "cancel")) == (422, "unknown_event")
    assert code(await office.decide(taken, "cancel")) == (422, "not_reversible")


async def test_a_till_does_not_undo_what_a_person_did(office: Office, settings: Settings) -> None:
    event = (await office.ask(asked(50))).json()["event"]
    till = {"Authorization": f"Bearer {await key_for(settings, scopes=SHOP)}"}
    body = {
        "type": "cancellation", "id": "c1", "member": "card:1001", "occurred_at": at(office.service.clock.now),
        "event": event,
    }  # fmt: skip

    named = await office.service.send({**body, "kind": "adjustment"}, headers=till)
    unnamed = await office.service.send(body, headers=till)
    allowed = await office.service.send({**body, "kind": "adjustment"})

    assert code(named) == (403, "forbidden")
    assert code(unnamed) == (422, "not_reversible")
    assert (allowed.status_code, await office.points()) == (201, 0)


async def test_its_unit_alone_decides_about_tiers(office: Office) -> None:
    """Semantics T1."""
    await office.ask(asked(500, id="1"))
    points_alone = (await office.service.client.get(f"/v1/members/{office.member}/tier")).json()["tiers"]
    await office.ask(asked(20_000, id="2", unit="spent"))
    spent_too = (await office.service.client.get(f"/v1/members/{office.member}/tier")).json()["tiers"]

    assert (points_alone[0]["tier"], spent_too[0]["tier"]) == ("bronze", "silver")


async def test_the_books_count_what_was_given_as_issued_and_what_was_taken_as_reversed(office: Office) -> None:
    await office.ask(asked(50, id="1"))
    await office.ask(asked(-80, id="2", reason="correction"))

    (trial,) = [one for one in await books(office.service) if one.unit == "points"]

    assert (trial.moved.issued, trial.moved.reversed, trial.outstanding, trial.balanced) == (50, 80, -30, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE entry SET points = points + 1 WHERE points = 50", "entries sum to"),
        ("UPDATE particulars SET body = 'forged' WHERE sequence = 2", "its particulars are not those"),
        ("UPDATE adjustment SET event_id = gen_random_uuid()", "adjustment rows without their event: 2 of them"),
        ("UPDATE account SET balance = balance + 1, active = active + 1 WHERE unit = 'points'", "balance is 21"),
    ],
)
async def test_a_planted_change_is_found(office: Office, owner: asyncpg.Connection, change: str, said: str) -> None:
    """Semantics L15."""
    await office.ask(asked(50, id="1", note="private"))
    await office.ask(asked(-30, id="2"))
    before = await verify.run(office.service.settings)

    await owner.execute(change)

    found = " ".join(str(finding) for finding in await verify.run(office.service.settings))
    assert before == []
    assert said in found


async def test_balances_as_of_then_show_what_a_person_took(office: Office) -> None:
    """Semantics L14: before anything was given, all of it is owed."""
    await office.ask(asked(-30, id="1"))
    office.service.clock.forward(hours=1)
    await office.ask(asked(50, id="2"))

    answer = await office.service.client.get(
        f"/v1/members/{office.member}/balance", params={"as_of": "2026-11-21T09:30:00Z"}
    )

    points = answer.json()["units"]["points"]
    assert (points["balance"], points["available"], points["deficit"]) == (-30, 0, 30)


async def test_without_reasons_in_the_program_nothing_is_adjusted(service: Service) -> None:
    await service.enrol()

    answer = await service.send(asked(), path=PATH)

    assert code(answer) == (422, "unknown_reason")
    assert answer.json()["known"] == []


async def test_a_key_is_its_labels_where_nobody_is_named(settings: Settings, clock: Clock) -> None:
    """Two keys of one label are one person's; a key without either stands for itself."""
    async with opened(settings, clock) as office:
        engine = office.service.app.state.parts.engine
        for label in ("desk", "desk", ""):
            text = await key_commands.make_key(
                engine, settings, program="coffee", shop=None, scopes=tuple(Scope), label=label, days=None
            )
            office.keys[f"{label}{len(office.keys)}"] = text
        names = [name for name in office.keys if name.startswith("desk")]
        (nameless,) = [name for name in office.keys if name.isdigit()]
        id = (await office.ask(asked(501), by=names[0])).json()["id"]

        own = await office.decide(id, "approve", by=names[1])
        others = await office.decide(id, "approve", by=nameless)

        assert code(own) == (403, "self_approval")
        assert others.json()["requested_by"] == "desk"
        assert others.json()["decided_by"].startswith("key_")


def test_no_key_has_these_scopes_unasked() -> None:
    assert not {Scope.ADJUSTMENTS_WRITE, Scope.ADJUSTMENTS_APPROVE} & {*SHOP, *PROGRAM_SCOPES}


@pytest.mark.parametrize("shop", ["ops", "zegel"])
def test_no_shop_is_called_by_a_reserved_word(shop: str) -> None:
    with pytest.raises(CliError, match="is not `zegel` or `ops`"):
        key_commands.create(program="coffee", shop=shop)


@pytest.mark.parametrize("owner", ["", " kim", "k\u0000im", "x" * 201])
def test_an_owners_name_is_plain(owner: str) -> None:
    with pytest.raises(CliError, match="an owner's name"):
        key_commands.create(program="coffee", owner=owner)
