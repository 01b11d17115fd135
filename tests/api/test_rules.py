"""The rules from draft to version: nobody writes over another, nothing judges before its time (semantics E3)."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.program import schema
from tests.builders import LADDER, PLAIN, Clock, Service, at, purchase

DRAFT = "/v1/program/rules/draft"
DOUBLE = PLAIN.replace("give: 1", "give: 2")
TRIPLE = PLAIN.replace("give: 1", "give: 3")


async def save(service: Service, text: str = DOUBLE, *, etag: str | None = None) -> httpx.Response:
    condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
    return await service.client.put(DRAFT, content=text, headers={"Content-Type": "application/yaml", **condition})


async def publish(service: Service, etag: str | None, **body: Any) -> httpx.Response:
    headers = {} if etag is None else {"If-Match": etag}
    return await service.send(body, path=f"{DRAFT}/publish", headers=headers)


async def published(service: Service, text: str, **body: Any) -> int:
    """Writes and publishes a text; the version's number."""
    known = await service.client.get(DRAFT)
    saved = await save(service, text, etag=known.headers["ETag"] if known.status_code == 200 else None)
    answer = await publish(service, saved.headers["ETag"], **body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["version"])


async def test_a_draft_is_kept_byte_for_byte_with_who_and_when(service: Service) -> None:
    text = "# my draft\n" + DOUBLE + "# the end, with \u00e9\r\n"
    assert (await service.client.get(DRAFT)).status_code == 404

    saved = await save(service, text)

    found = await service.client.get(DRAFT)
    raw = await service.client.get(DRAFT, headers={"Accept": "application/yaml"})
    assert (saved.status_code, saved.headers["ETag"]) == (200, '"1"')
    assert found.json() == {**saved.json(), "text": text}
    assert found.json()["changed_by"] == "test"
    assert found.json()["changed_at"] == at(service.clock.now).replace("+00:00", "Z")
    assert (raw.content, raw.headers["ETag"]) == (text.encode(), '"1"')
    assert raw.headers["Content-Type"].startswith("application/yaml")


async def test_a_draft_may_be_json_and_may_have_mistakes(service: Service) -> None:
    headers = {"Content-Type": "application/json", "If-None-Match": "*"}

    saved = await service.client.put(DRAFT, content=b'{"zegel": 1, ', headers=headers)

    assert saved.status_code == 200
    assert (await service.client.get(DRAFT)).json()["text"] == '{"zegel": 1, '


async def test_two_people_who_edit_at_once_never_write_over_each_other(service: Service) -> None:
    await save(service)
    etag = (await service.client.get(DRAFT)).headers["ETag"]

    answers = await asyncio.gather(*[save(service, DOUBLE + f"# {n}\n", etag=etag) for n in range(8)])

    lost = [answer for answer in answers if answer.status_code == 412]
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    assert {answer.json()["code"] for answer in lost} == {"changed_meanwhile"}
    assert {answer.headers["ETag"] for answer in lost} == {'"2"'}
    assert (await service.client.get(DRAFT)).json()["revision"] == 2


async def test_two_first_drafts_at_once_are_one(service: Service) -> None:
    answers = await asyncio.gather(*[save(service, DOUBLE + f"# {n}\n") for n in range(4)])

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


@pytest.mark.parametrize("etag", ["1", '"2"', 'W/"1"', '""', '"x"', '"' + "9" * 12 + '"'])
async def test_an_etag_of_something_else_changes_nothing(service: Service, etag: str) -> None:
    await save(service)

    answers = [await save(service, TRIPLE, etag=etag), await publish(service, etag)]

    assert [answer.status_code for answer in answers] == [412, 412]
    assert (await service.client.get(DRAFT)).json()["text"] == DOUBLE


async def test_a_star_takes_whatever_draft_there_is(service: Service) -> None:
    """RFC 9110, 13.1.1: of a first draft it is not true."""
    none = await save(service, etag="*")
    await save(service)

    saved = await save(service, TRIPLE, etag="*")
    answer = await publish(service, "*")

    assert (none.status_code, none.json()["code"]) == (412, "changed_meanwhile")
    assert (saved.status_code, saved.headers["ETag"]) == (200, '"2"')
    assert answer.status_code == 201


async def test_a_change_must_say_what_it_was_made_from(service: Service) -> None:
    await save(service)

    saved = await service.client.put(DRAFT, content=TRIPLE, headers={"Content-Type": "application/yaml"})
    answer = await publish(service, None)

    assert (saved.status_code, saved.json()["code"]) == (428, "if_match_missing")
    assert (answer.status_code, answer.json()["code"]) == (428, "if_match_missing")


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"#" * (256 * 1024 + 1), "application/yaml", 413),
        (b"\xff\xfe", "application/yaml", 422),
        (b"a\0b", "application/yaml", 422),
        (b"zegel: 1", "text/plain", 415),
    ],
)
async def test_what_is_no_text_or_too_large_is_no_draft(
    service: Service, content: bytes, media_type: str, status: int
) -> None:
    headers = {"Content-Type": media_type, "If-None-Match": "*"}

    answer = await service.client.put(DRAFT, content=content, headers=headers)

    assert answer.status_code == status
    assert (await service.client.get(DRAFT)).status_code == 404


async def test_a_draft_of_another_media_type_is_told_what_is_taken(service: Service) -> None:
    """API C5: whoever sends YAML as plain text need not turn it into JSON."""
    headers = {"Content-Type": "text/plain", "If-None-Match": "*"}

    answer = await service.client.put(DRAFT, content=b"zegel: 1", headers=headers)

    assert answer.status_code == 415
    assert {"application/json", "application/yaml"} <= set(answer.json()["allowed"])


async def test_a_check_tells_every_mistake_at_once_with_its_place_and_line(service: Service) -> None:
    text = PLAIN.replace("unit: points", "unit: pints").replace("[EUR]", "[EUR, EURO]").replace("rate:", "ratte:")
    text += "  - {id: base, on: purchase, unit: points, fixed: 1, shops: [tilll]}\nextra: 1\n"
    await save(service, text)

    answer = (await service.send({}, path=f"{DRAFT}/check")).json()

    assert not answer["sound"]
    found = {one["pointer"]: one for one in answer["mistakes"]}
    assert {"/currencies/1", "/rules/0/ratte", "/extra", "/rules/1/id", "/rules/1/shops/0"} <= set(found)
    assert [one["line"] for one in answer["mistakes"]] == sorted(one["line"] for one in answer["mistakes"])
    assert (found["/rules/0/ratte"]["line"], found["/rules/0/ratte"]["suggestion"]) == (9, "rate")


async def test_a_check_knows_the_shops_and_the_versions_before(service: Service) -> None:
    """Beside other mistakes, too: all are told at once."""
    text = PLAIN.replace("{name: Points}", "{name: Points, decimals: 2}") + "  - {id: none, on: purchase}\n"
    await save(service, text + "  - {id: more, on: purchase, unit: points, fixed: 1, shops: [tilll]}\n")

    answer = (await service.send({}, path=f"{DRAFT}/check")).json()

    assert [(one["pointer"], one["line"], one["suggestion"]) for one in answer["mistakes"]] == [
        ("/units/points/decimals", 7, None),
        ("/rules/1", 10, None),
        ("/rules/1", 10, None),
        ("/rules/2/shops/0", 11, "till"),
    ]


async def test_a_sound_draft_is_published_at_once_and_judges_from_then_on(service: Service, clock: Clock) -> None:
    await save(service)
    assert (await service.send({}, path=f"{DRAFT}/check")).json() == {"revision": 1, "sound": True, "mistakes": []}
    before = (await service.buy("10.00")).json()
    clock.forward(minutes=1)

    answer = await publish(service, '"1"')

    after = (await service.buy("10.00")).json()
    late = (await service.send(purchase("10.00", id="late", at=clock.now - timedelta(minutes=1)))).json()
    assert (answer.status_code, answer.headers["Location"]) == (201, "/v1/program/rules/2")
    assert (answer.json()["state"], answer.json()["until"], answer.json()["published_by"]) == ("in_force", None, "test")
    judged = [(event["rules_version"], event["entries"][0]["points"]) for event in (before, after, late)]
    assert judged == [(1, 10), (2, 20), (1, 10)]


async def test_publishing_what_is_in_force_already_makes_no_version(service: Service) -> None:
    await save(service, "# the same, written otherwise\n" + PLAIN)

    answer = await publish(service, '"1"')

    assert (answer.status_code, answer.json()["version"]) == (200, 1)


async def test_a_draft_with_mistakes_is_not_published(service: Service) -> None:
    await save(service, PLAIN.replace("unit: points", "unit: pints"))

    answer = await publish(service, '"1"')

    assert (answer.status_code, answer.json()["code"]) == (422, "mistakes_in_document")
    error = {"pointer": "/rules/0/unit", "line": 9, "message": "there is no such unit", "suggestion": "points"}
    assert answer.json()["errors"] == [error]


async def test_a_draft_that_was_changed_since_it_was_read_is_not_published(service: Service) -> None:
    await save(service)
    await save(service, TRIPLE, etag='"1"')

    answer = await publish(service, '"1"')

    assert (answer.status_code, answer.json()["code"], answer.json()["revision"]) == (412, "changed_meanwhile", 2)
    assert (await service.client.get("/v1/program")).json()["rules_version"] == 1


async def test_nothing_is_published_into_the_past(service: Service, clock: Clock) -> None:
    await save(service)

    answer = await publish(service, '"1"', in_force_from=at(clock.now - timedelta(seconds=1)))

    assert (answer.status_code, answer.json()["code"]) == (422, "not_in_the_past")


async def test_a_scheduled_version_judges_nothing_before_its_time(service: Service, clock: Clock) -> None:
    """Semantics E3."""
    begins = clock.now + timedelta(days=1)
    await published(service, DOUBLE, in_force_from=at(begins))

    first = (await service.buy("10.00")).json()
    read = [(await service.client.get(path)).json() for path in ("/v1/program/rules", "/v1/program")]
    clock.forward(days=1)
    second = (await service.buy("10.00")).json()

    assert [(event["rules_version"], event["entries"][0]["points"]) for event in (first, second)] == [(1, 10), (2, 20)]
    assert (read[0]["version"], read[1]["rules_version"]) == (1, 1)
    assert (await service.client.get("/v1/program/rules")).json()["version"] == 2


async def test_what_is_published_at_once_ends_where_the_scheduled_one_begins(service: Service, clock: Clock) -> None:
    begins = clock.now + timedelta(days=1)
    await published(service, DOUBLE, in_force_from=at(begins))
    clock.forward(hours=1)

    await published(service, TRIPLE)

    now = (await service.buy("10.00")).json()["rules_version"]
    clock.forward(days=1)
    later = (await service.buy("10.00")).json()["rules_version"]
    listed = (await service.client.get("/v1/program/rules/versions")).json()["versions"]
    assert (now, later) == (3, 2)
    assert [(one["version"], one["state"]) for one in listed] == [(3, "past"), (2, "in_force"), (1, "past")]
    assert listed[0]["until"] == listed[1]["in_force_from"]


async def test_a_version_that_waits_is_replaced_by_one_of_the_same_time(service: Service, clock: Clock) -> None:
    begins = clock.now + timedelta(days=1)
    await published(service, DOUBLE, in_force_from=at(begins))

    await published(service, PLAIN + "# as before\n", in_force_from=at(begins))

    listed = (await service.client.get("/v1/program/rules/versions")).json()["versions"]
    assert [one["state"] for one in listed] == ["scheduled", "replaced", "in_force"]
    clock.forward(days=1)
    assert (await service.buy("10.00")).json()["rules_version"] == 3


async def test_a_return_is_judged_by_the_version_of_its_purchase(service: Service, clock: Clock) -> None:
    """Semantics R2."""
    bought = (await service.buy("10.00", id="b1")).json()
    clock.forward(minutes=1)
    await published(service, TRIPLE)

    back = await service.send(
        {"type": "return", "id": "back", "member": bought["member"], "purchase": "b1", "all": True,
         "occurred_at": at(clock.now)}
    )  # fmt: skip

    assert [entry["points"] for entry in back.json()["entries"]] == [-10]


async def test_the_shops_are_told_and_the_log_names_who(service: Service, owner: asyncpg.Connection) -> None:
    endpoints = [{"url": "https://a.example/"}, {"url": "https://b.example/", "types": ["points.earned"]}]
    for number, body in enumerate(endpoints):
        answer = await service.send(body, path="/v1/webhook-endpoints", headers={"Idempotency-Key": f"k{number}"})
        assert answer.status_code == 201

    await published(service, DOUBLE)

    messages = await owner.fetch("SELECT body FROM message WHERE type = 'rules.published' ORDER BY created_at")
    pending = await owner.fetch("SELECT url FROM pending_delivery JOIN endpoint USING (program_id, endpoint_id)")
    logged = await owner.fetch("SELECT actor, subject FROM audit WHERE action IN ('rules.published', 'draft.saved')")
    told = json.loads(messages[-1]["body"])
    assert (told["type"], told["data"]["version"]) == ("rules.published", 2)
    assert told["data"]["in_force_from"] == at(service.clock.now).replace("+00:00", "Z")
    assert [row["url"] for row in pending] == ["https://a.example/"]
    assert {("test", "revision 1"), ("test", "version 2")} <= {(row["actor"], row["subject"]) for row in logged}


async def test_versions_are_listed_page_by_page(service: Service, clock: Clock) -> None:
    for text in (DOUBLE, TRIPLE, PLAIN):
        clock.forward(minutes=1)
        await published(service, text)

    numbers, cursor = [], ""
    for _ in range(2):
        page = (await service.client.get(f"/v1/program/rules/versions?limit=2{cursor}")).json()
        numbers.append([one["version"] for one in page["versions"]])
        cursor = f"&cursor={page['next_cursor']}"

    assert numbers == [[4, 3], [2, 1]]
    assert page["next_cursor"] is None


async def test_a_comparison_names_each_place_that_differs(service: Service) -> None:
    await save(service, LADDER.replace("give: 1,", "give: 2,"))

    answer = (await service.client.get("/v1/program/rules/diff")).json()

    assert (answer["before"], answer["after"]) == ("1", "draft")
    found = {(one["kind"], one["pointer"]): one for one in answer["differences"]}
    assert set(found) == {
        ("added", "/tiers/0"),
        ("added", "/rules/1"),
        ("changed", "/rules/0/rate/give"),
        ("added", "/units/spent"),
    }
    assert found["changed", "/rules/0/rate/give"]["text"] == "rules › base › rate › give: 1 → 2"
    same = (await service.client.get("/v1/program/rules/diff?from=1&to=current")).json()
    assert (same["differences"], same["text"]) == ([], "nothing differs")
    assert (await service.client.get("/v1/program/rules/diff?from=1&to=9")).status_code == 404


async def test_the_schema_is_what_the_command_prints(service: Service) -> None:
    answer = await service.client.get("/v1/program/rules/schema")

    assert answer.json() == json.loads(json.dumps(schema.json_schema()))


async def test_a_draft_is_published_without_a_body(service: Service) -> None:
    """Its only field says when, and may be left out."""
    await save(service)

    answer = await service.client.post(f"{DRAFT}/publish", headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.json()["version"], answer.json()["state"]) == (201, 2, "in_force")


async def test_a_caller_that_sends_nothing_need_not_say_how_long_it_is(service: Service) -> None:
    """RFC 9112 §6.3: neither a length nor an encoding means no body; `curl -X POST` sends neither."""
    await save(service)
    request = service.client.build_request("POST", f"{DRAFT}/publish", headers={"If-Match": '"1"'})
    del request.headers["Content-Length"]

    answer = await service.client.send(request)

    assert (answer.status_code, answer.json()["version"]) == (201, 2)
