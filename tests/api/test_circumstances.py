"""When rules apply, over HTTP: conditions, hours, segments, tags, attributes; and that the books prove it."""

import asyncio
from typing import Any

import asyncpg

from app.cli import verify
from app.settings import Settings
from tests.builders import PLAIN, Clock, Service, at, open_service, publish

LOCALS = """
attributes:
  event: {km: number, eco_cup: boolean}
  line: {organic: boolean}
  member: {city: text}
segments: {locals: 'member_city == "Utrecht" && "vip" in tags'}
locations:
  utrecht-12: {}
  lisbon-1: {time_zone: Europe/Lisbon}
"""
WITH_LOCALS = PLAIN + "  - {id: locals, on: purchase, unit: points, fixed: 50, segments: [locals]}\n" + LOCALS
REGULARS = (
    PLAIN
    + """  - {id: regular, on: purchase, tag: {name: regular, for: P30D}, if: 'total >= 20'}
  - {id: thanks, on: purchase, unit: points, fixed: 7, tags: [regular]}
"""
)


async def _change(service: Service, member: dict[str, Any], body: dict[str, Any], **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await service.client.patch(f"/v1/members/{member['id']}", json=body, headers=named)


def _given(answer: Any) -> int:
    return sum(entry["points"] for entry in answer.json()["entries"])


async def test_members_of_a_segment_earn_more_from_the_moment_they_are_in_it(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics M5, A3, L15: membership is judged as the profile is, kept by name only, and proven without it."""
    await publish(settings, clock=clock, document=WITH_LOCALS)
    async with open_service(settings, clock=clock) as service:
        member = await service.enrol("1001", attributes={"city": "Utrecht"})
        before = await service.buy("10.00")
        changed = await _change(service, member, {"tags": {"vip": {}}})
        during = await service.buy("10.00", id="during")
        await _change(service, member, {"attributes": {"city": "Zeist"}})
        after = await service.buy("10.00")
        returned = await service.send(
            {
                "type": "return",
                "id": "r1",
                "member": "card:1001",
                "occurred_at": at(clock.now),
                "all": True,
                "purchase": "during",
            }
        )

        assert changed.json()["tags"] == {"vip": {"since": "2026-11-21T09:00:00Z", "until": None}}
        assert [_given(answer) for answer in (before, during, after, returned)] == [10, 60, 10, -60]
        contents = await owner.fetch("SELECT content FROM event ORDER BY sequence")
        assert b'"segments":["locals"]' in contents[2]["content"]
        assert not [row for row in contents if b"Utrecht" in row["content"] or b"vip" in row["content"]]
        await owner.execute("DELETE FROM profile")
        await owner.execute("DELETE FROM member_tag")
        assert await verify.run(settings) == []


async def test_an_enrolment_and_a_purchase_in_one_batch_see_the_same_profile(settings: Settings, clock: Clock) -> None:
    """Semantics M5, M1: what is said in a batch counts for what comes after it."""
    document = WITH_LOCALS.replace(' && "vip" in tags', "")
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        joined = {
            "type": "enrolment",
            "id": "e1",
            "occurred_at": at(clock.now),
            "identities": {"card": "1001"},
            "attributes": {"city": "Utrecht"},
        }
        bought = {
            "type": "purchase",
            "id": "p1",
            "member": "card:1001",
            "occurred_at": at(clock.now),
            "total": "10.00",
            "currency": "EUR",
        }

        answer = await service.send({"events": [joined, bought]}, path="/v1/events/batch")

        (_, second) = answer.json()["results"]
        assert sum(entry["points"] for entry in second["event"]["entries"]) == 60
        assert await verify.run(settings) == []


async def test_a_tag_that_a_rule_gives_ends_by_the_clock_and_goes_back_with_the_goods(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics A10, M5, R2."""
    await publish(settings, clock=clock, document=REGULARS)
    async with open_service(settings, clock=clock) as service:
        first = await service.buy("20.00", id="first")
        member = (await service.client.get(f"/v1/members/{first.json()['member']}")).json()
        second = await service.buy("1.00")
        clock.forward(days=31)
        third = await service.buy("1.00")
        await service.buy("20.00", id="again")
        tagged = await owner.fetchval("SELECT count(*) FROM member_tag")
        said = {"type": "return", "id": "r1", "member": "card:1001", "occurred_at": at(clock.now), "all": True}
        await service.send({**said, "purchase": "again"})
        fourth = await service.buy("1.00")

        assert member["tags"]["regular"]["until"] == "2026-12-21T23:00:00Z"
        assert [_given(answer) for answer in (first, second, third, fourth)] == [20, 8, 1, 1]
        assert (tagged, await owner.fetchval("SELECT count(*) FROM member_tag")) == (2, 1)
        assert await verify.run(settings) == []


async def test_attributes_that_rules_read_are_kept_and_others_are_not(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics A1, L15: a proof needs no particulars; what is undeclared is kept with the event and ignored."""
    rule = "  - {id: far, on: purchase, unit: points, fixed: 5, if: 'event_km > 12.5'}\n"
    await publish(settings, clock=clock, document=PLAIN + rule + LOCALS)
    async with open_service(settings, clock=clock) as service:
        far = await service.buy("1.00", attributes={"km": "12.6", "secret": "x"})
        near = await service.buy("1.00", attributes={"km": 12})
        wrong = await service.buy("1.00", attributes={"km": "far"})
        missing = await service.buy("1.00")

        assert [_given(answer) for answer in (far, near, wrong, missing)] == [6, 1, 1, 1]
        answers = (far, near, wrong, missing)
        whys = [next(s for s in a.json()["explanation"] if s["rule"] == "far")["step"] for a in answers]
        assert whys == ["fixed", "condition_not_met", "wrong_attribute", "missing_attribute"]
        contents = [row["content"] for row in await owner.fetch("SELECT content FROM event ORDER BY sequence")]
        assert b'"attributes":{"event":{"km":"12.6"}}' in contents[1]
        assert not [content for content in contents if b"secret" in content]
        assert await verify.run(settings) == []


async def test_a_happy_hour_is_that_of_the_place(settings: Settings, clock: Clock) -> None:
    """Semantics A3: by the clocks of the location, else of the program."""
    rule = (
        "  - id: happy\n    on: purchase\n    unit: points\n    fixed: 5\n"
        '    times: [{rule: "FREQ=WEEKLY;BYDAY=SA", at: "10:00", lasts: PT1H}]\n'
    )
    await publish(settings, clock=clock, document=PLAIN + rule + LOCALS)
    async with open_service(settings, clock=clock) as service:
        here = await service.buy("1.00", location="utrecht-12")
        there = await service.buy("1.00", location="lisbon-1")
        nowhere = await service.buy("1.00")
        clock.forward(hours=1)
        later = await service.buy("1.00", location="lisbon-1")

        assert [_given(answer) for answer in (here, there, nowhere, later)] == [6, 1, 6, 6]


async def test_two_who_change_a_member_at_once_do_not_overwrite_each_other(
    service: Service, owner: asyncpg.Connection
) -> None:
    """API C8: the second one is told."""
    member = await service.enrol("1001", attributes={"city": "Utrecht"})
    read = await service.client.get(f"/v1/members/{member['id']}")
    etag = read.headers["ETag"]

    answers = await asyncio.gather(
        _change(service, member, {"attributes": {"city": "Zeist"}}, If_Match=etag),
        _change(service, member, {"attributes": {"size": 3, "city": None}}, If_Match=etag),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    (stale,) = [answer for answer in answers if answer.status_code == 412]
    assert stale.json()["code"] == "changed_meanwhile"
    (done,) = [answer for answer in answers if answer.status_code == 200]
    again = await _change(service, member, {"attributes": {"x": True}}, If_Match=done.headers["ETag"])
    assert again.json()["attributes"] == {**done.json()["attributes"], "x": True}
    assert [row["action"] for row in await owner.fetch("SELECT action FROM audit")].count("member.changed") == 2


async def test_a_change_of_nobody_is_not_found_and_too_much_is_refused(service: Service) -> None:
    member = await service.enrol("1001")

    nobody = await _change(service, {"id": "mem_01jcr8m4kdf0v8y5h3q2z7x9wb"}, {"tags": {}})
    await _change(service, member, {"tags": {f"t{n}": {} for n in range(64)}})
    more = await _change(service, member, {"tags": {"one-more": {}}})
    many = await _change(service, member, {"attributes": {f"a{n}": n for n in range(64)}})
    beyond = await _change(service, member, {"attributes": {"b": 1}})
    no_day = await _change(service, member, {"birthday": "1990-02-30"})

    assert nobody.status_code == 404
    assert (more.status_code, more.json()["errors"][0]["pointer"]) == (422, "/tags")
    assert many.status_code == 200
    assert (beyond.status_code, beyond.json()["errors"][0]["pointer"]) == (422, "/attributes")
    assert (no_day.status_code, no_day.json()["errors"][0]["pointer"]) == (422, "/birthday")


async def test_a_tag_that_no_event_gave_is_found(settings: Settings, owner: asyncpg.Connection, clock: Clock) -> None:
    """Semantics L15."""
    await publish(settings, clock=clock, document=REGULARS)
    async with open_service(settings, clock=clock) as service:
        await service.buy("20.00")
        await owner.execute("UPDATE member_tag SET tag = 'better'")

        assert [finding.what for finding in await verify.run(settings)] == ["has tags that none of its events gave"]


JOURNEY = (
    PLAIN
    + """  - {id: gift, on: scheduled, schedules: [welcome], unit: points, fixed: 25, segments: [locals]}
  - {id: mark, on: scheduled, schedules: [welcome], tag: {name: welcomed, for: P7D}, if: 'schedule == "welcome"'}
schedules: [{id: welcome, after: enrolment, wait: P3D}]
attributes: {member: {city: text}}
segments: {locals: 'member_city == "Utrecht"'}
"""
)


async def test_what_a_schedule_brings_sees_the_member_and_may_tag_them(
    settings: Settings, owner: asyncpg.Connection, clock: Clock
) -> None:
    """Semantics K3, M5, A10, L15."""
    await publish(settings, clock=clock, document=JOURNEY)
    async with open_service(settings, clock=clock) as service:
        await service.enrol("1001", attributes={"city": "Utrecht"})
        await service.enrol("1002", attributes={"city": "Zeist"})
        clock.forward(days=3, hours=1)
        answers = [await service.buy("1.00", card=card) for card in ("1001", "1002")]

        assert [answer.json()["accounts"]["points"]["balance"] for answer in answers] == [26, 1]
        assert [row["tag"] for row in await owner.fetch("SELECT tag FROM member_tag")] == ["welcomed"] * 2
        await owner.execute("DELETE FROM profile")
        assert await verify.run(settings) == []
