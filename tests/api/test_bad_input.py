"""Whatever a caller sends, the answer is a problem that names the place, and nothing is written."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import httpx
import pytest

from app.api.problems import KINDS
from app.api.schemas.events import TYPES
from tests.api import hostile
from tests.api.hostile import ACTIVITY, EVENTS, OTHERS, PURCHASE, REDEMPTION, Bad, bad_events
from tests.api.test_http import JSON, problem_of
from tests.builders import Service
from tests.database import picture

WRITES = ("/v1/events", "/v1/events?dry_run=true", "/v1/events/batch", "/v1/events/batch?dry_run=true", *OTHERS)


async def post(service: Service, path: str, content: bytes) -> httpx.Response:
    """POST of raw bytes as JSON."""
    return await service.client.post(path, content=content, headers={**JSON, "Idempotency-Key": "k1"})


def complaint(problem: dict[str, Any], bad: Bad) -> str | None:
    """What is wrong with the problem as an answer to this body, or None."""
    if problem["code"] not in KINDS or not 400 <= problem["status"] < 500:
        return f"{bad.name}: {problem['status']} {problem['code']}"
    if problem["outcome"] != "not_applied":
        return f"{bad.name}: {problem['outcome']}"
    if bad.secret is not None and bad.secret in json.dumps(problem):
        return f"{bad.name}: repeats what was sent"
    if problem["code"] == "malformed_json":
        return None
    pointers = [error["pointer"] for error in problem.get("errors", [])]
    if problem["code"] == "invalid" and bad.pointer is not None:
        if not any(pointer == bad.pointer or pointer.startswith(bad.pointer + "/") for pointer in pointers):
            return f"{bad.name}: points at {pointers}"
        if lost := [pointer for pointer in pointers if not leads(pointer, bad.content)]:
            return f"{bad.name}: {lost} lead nowhere"
    suggestions = [error.get("suggestion") for error in problem.get("errors", [])]
    if bad.suggestion is not None and bad.suggestion not in suggestions:
        return f"{bad.name}: suggests {suggestions}"
    return None


def leads(pointer: str, content: bytes) -> bool:
    """Whether a JSON Pointer leads to something in the body, or to something that is missing there (RFC 6901)."""
    value = json.loads(content)
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for step, part in enumerate(parts, start=1):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict) and any(name[:128] == part for name in value):
            value = next(inner for name, inner in value.items() if name[:128] == part)
        else:
            return step == len(parts) and isinstance(value, dict)
    return True


def report(complaints: Iterable[str | None]) -> None:
    """Fails with all complaints at once."""
    found = [complaint for complaint in complaints if complaint is not None]
    assert not found, f"{len(found)} bodies:\n" + "\n".join(found[:400])


async def refused_alone(service: Service, path: str, bads: Sequence[Bad]) -> None:
    """Sends each body by itself."""
    complaints = []
    for bad in bads:
        answer = await post(service, path, bad.content)
        refused = 400 <= answer.status_code < 500
        complaints.append(complaint(problem_of(answer), bad) if refused else f"{bad.name}: {answer.status_code}")
    report(complaints)


async def test_what_is_no_json_is_refused_by_every_write(service: Service, owner: asyncpg.Connection) -> None:
    await service.enrol()
    before = await picture(owner)
    complaints: list[str | None] = []

    for path in WRITES:
        for name, content in (hostile.NO_JSON | hostile.NO_OBJECT).items():
            answer = await post(service, path, content)
            expected = {"invalid"} if name in hostile.NO_OBJECT else {"malformed_json"}
            if answer.status_code >= 500 or problem_of(answer)["code"] not in expected | (
                {"invalid"} if not content else set()
            ):
                complaints.append(f"{path} {name}: {answer.status_code} {answer.json().get('code')}")

    assert len(hostile.NO_JSON | hostile.NO_OBJECT) >= 50
    report(complaints)
    assert await picture(owner) == before


async def test_nesting_as_deep_as_the_limit_allows_is_refused(service: Service) -> None:
    for opening in (b"[", b'{"a":', b'{"events":[', b'[{"a":'):
        for path, limit in (("/v1/events", 256 * 1024), ("/v1/events/batch", 2 * 1024 * 1024)):
            answer = await post(service, path, opening * (limit // len(opening)))

            assert (answer.status_code, problem_of(answer)["code"]) == (400, "malformed_json")


async def test_a_problem_of_json_says_what_is_wrong_and_where(service: Service) -> None:
    for name, said in {"a trailing comma": "line 1", "no UTF-8": "UTF-8", "NaN": "NaN", "a key twice": "twice"}.items():
        answer = await post(service, "/v1/events", hostile.NO_JSON[name])

        assert said in problem_of(answer)["detail"], name


@pytest.mark.parametrize(
    ("body", "pointer", "suggestion"),
    [
        ({"type": "return", "purchaes": "p1", "all": True}, "/purchaes", "purchase"),
        ({"type": "redemption", "points": 5, "ofline": True}, "/ofline", "offline"),
        ({"type": "cancellation", "evnt": "p1"}, "/evnt", "event"),
        ({"type": "capture", "hold": "h1", "finale": True}, "/finale", "final"),
        ({"type": "fulfilment", "purchase": "p1", "line": ["1"]}, "/line", "lines"),
        ({"type": "return", "purchase": "p1", "lines": [{"id": "1", "quantiy": "1"}]}, "/lines/0/quantiy", "quantity"),
        ({"type": "return", "purchase": "p1", "all": True, "not_after": "2026-11-21T09:41:00Z"}, "/not_after", None),
        ({"type": "purchase_change", "purchase": "p1", "currency": "EUR", "revision": 0}, "/revision", None),
        ({"type": "fulfilment", "purchase": "p1", "lines": [1]}, "/lines/0", None),
        ({"type": "referral_claim", "referral_code": 5}, "/referral_code", None),
    ],
)
async def test_a_slip_is_pointed_at_and_what_was_meant_is_suggested(
    service: Service, body: dict[str, Any], pointer: str, suggestion: str | None
) -> None:
    """Api C9: the nearest name that is known in its place, and never the name that was sent."""
    answer = await service.send({"id": "x1", "member": "card:1001", "occurred_at": PURCHASE["occurred_at"], **body})

    found = {error["pointer"]: error.get("suggestion") for error in answer.json()["errors"]}
    assert (answer.status_code, pointer in found, found.get(pointer)) == (422, True, suggestion)


@pytest.mark.parametrize("type", TYPES)
async def test_an_error_of_any_kind_of_event_points_into_what_was_sent(service: Service, type: str) -> None:
    """api C5, C9"""
    answer = await service.send({"type": type, "histori": True})

    pointers = {error["pointer"]: error.get("suggestion") for error in answer.json()["errors"]}
    assert pointers["/histori"] == "history"
    assert {"/id", "/occurred_at"} <= pointers.keys()
    assert all(pointer.count("/") == 1 for pointer in pointers)


async def test_a_field_that_is_called_like_a_kind_of_event_is_pointed_at(service: Service) -> None:
    answer = await service.send({"id": "1", "purchase": "x"}, path="/v1/members")

    assert [error["pointer"] for error in answer.json()["errors"]] == ["/purchase"]


async def test_a_misspelt_value_is_told_in_our_words_with_what_was_meant(service: Service) -> None:
    misspelt = (await service.send({"type": "purchas"})).json()["errors"][0]
    assert (misspelt["pointer"], misspelt["suggestion"]) == ("/type", "purchase")
    for body, path, said in (
        ({"member": "card:1", "include": ["balence"]}, "/v1/members/lookup", "must be 'balance' or 'tier'"),
        ({"events": []}, "/v1/events/batch", "has too few entries: 1 at least"),
        ({**REDEMPTION, "points": 0}, "/v1/events", "must be 1 at least"),
        ({**REDEMPTION, "points": 2**53}, "/v1/events", "must be 9007199254740991 at most"),
        ({**PURCHASE, "channel": "x" * 129}, "/v1/events", "is too long: 128 characters at most"),
    ):
        assert (await service.send(body, path=path)).json()["errors"][0]["message"] == said


@pytest.mark.parametrize("fraction", [".1234567", ".123456789", ".123456"])
async def test_a_clock_that_tells_more_than_microseconds_is_taken_at_its_word(service: Service, fraction: str) -> None:
    """api C3: RFC 3339, whose fractions have any number of digits, and whose T and Z may be small."""
    await service.enrol("1001")
    event = {**ACTIVITY, "occurred_at": f"2026-11-21t08:00:00{fraction}z"}

    first, again = await service.send(event), await service.send(event)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["occurred_at"] == "2026-11-21T08:00:00.123456Z"


async def test_every_event_with_one_thing_wrong_is_refused_and_its_id_stays_free(
    service: Service, owner: asyncpg.Connection
) -> None:
    await service.enrol()
    before = await picture(owner)
    bads = list(bad_events())
    assert len(bads) >= 500

    await refused_alone(service, "/v1/events", bads)

    assert await picture(owner) == before
    good = [{**ACTIVITY, "id": bad.id, "type": "activity"} for bad in bads if bad.id is not None]
    for at in range(0, len(good), 500):
        answer = await service.send({"events": good[at : at + 500]}, path="/v1/events/batch")
        assert {one["outcome"] for one in answer.json()["results"]} == {"created"}


async def test_the_same_id_sent_correctly_succeeds_for_every_kind(service: Service) -> None:
    await service.enrol()
    await service.buy("100.00")

    for body, values, _ in EVENTS:
        pointer, tokens = next(reversed(values.items()))
        wrong = await post(service, "/v1/events", hostile.put({**body, "id": "again"}, pointer, tokens[0]))
        right = await service.send({**body, "id": "again"})

        assert (wrong.status_code, right.status_code) == (422, 201), (body["type"], right.text)


MAY_NAME_NOBODY = ("purc without member", "acti without member")
"""What a dry run may leave out."""


async def test_dry_runs_refuse_the_same(service: Service, owner: asyncpg.Connection) -> None:
    await service.enrol()
    before = await picture(owner)

    named = [bad for bad in bad_events() if bad.name not in MAY_NAME_NOBODY]
    await refused_alone(service, "/v1/events?dry_run=true", named[::5])

    assert await picture(owner) == before


async def test_a_batch_refuses_each_by_itself(service: Service, owner: asyncpg.Connection) -> None:
    await service.enrol()
    before = await picture(owner)
    complaints: list[str | None] = []
    bads = [bad for bad in bad_events() if _is_json(bad.content) and len(bad.content) < 50_000]

    for path in ("/v1/events/batch", "/v1/events/batch?dry_run=true"):
        if "dry_run" in path:
            bads = [bad for bad in bads if bad.name not in MAY_NAME_NOBODY]
        for at in range(0, len(bads), 500):
            some = bads[at : at + 500]
            answer = await post(service, path, b'{"events": [' + b",".join(bad.content for bad in some) + b"]}")
            assert answer.status_code in (200, 207), answer.text[:300]
            for bad, one in zip(some, answer.json()["results"], strict=True):
                wrong = one["outcome"] != "refused"
                complaints.append(f"{bad.name}: {one['outcome']}" if wrong else complaint(one["problem"], bad))

    report(complaints)
    assert await picture(owner) == before


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content, parse_constant=int)
    except ValueError:
        return False
    return b"\\u0000" not in content and b"\\ud8" not in content


async def test_every_other_write_refuses_what_has_one_thing_wrong(service: Service, owner: asyncpg.Connection) -> None:
    await service.enrol()
    before = await picture(owner)

    for path, (body, values, needed) in OTHERS.items():
        prefix = path.rpartition("/")[2]
        bads = [
            *hostile.wrong_values(body, values, prefix=prefix),
            *hostile.unknown_fields(body, prefix=prefix),
            *hostile.missing_fields(body, needed, prefix=prefix),
        ]
        assert len(bads) + len(hostile.NO_JSON) >= 100
        await refused_alone(service, path, bads)

    assert await picture(owner) == before


async def test_a_sale_beyond_all_points_is_refused(service: Service, owner: asyncpg.Connection) -> None:
    await service.enrol()
    lines = [{"amount": "9999999999999.99", "quantity": "999999999.999999"}] * 1_000
    body = {name: value for name, value in PURCHASE.items() if name not in ("total", "payments")} | {"lines": lines}
    before = await picture(owner)

    answer = await service.send(body)

    assert (answer.status_code, problem_of(answer)["code"]) == (422, "points_out_of_range")
    assert await picture(owner) == before


async def test_the_order_of_names_is_no_other_content(service: Service) -> None:
    await service.enrol()
    first = await service.send(PURCHASE)

    again = await post(service, "/v1/events", json.dumps(dict(reversed(PURCHASE.items())), indent=3).encode())

    assert (first.status_code, again.status_code) == (201, 200)


async def test_headers_and_queries_of_any_kind_break_nothing(service: Service, owner: asyncpg.Connection) -> None:
    member = (await service.enrol())["id"]
    before = await picture(owner)
    values = ("", "\xff\xfe", "a" * 5_000, "%00", "\t", '"', "*", "W/", "é💶", "1.0", "-1", "null", "\x00")
    headers = ("Idempotency-Key", "Authorization", "If-None-Match", "Accept", "Content-Encoding", "Expect", "Range")
    queries = ("limit", "cursor", "dry_run", "explain", "now", "source", "id", "kind", "x", "limit[]", "")
    paths = ("/v1/webhook-endpoints", f"/v1/members/{member}/balance", f"/v1/members/{member}/statement", "/v1/events")
    complaints: list[str | None] = []

    for value in values:
        for name in headers:
            answer = await service.client.get(paths[1], headers={name.encode(): value.encode()})
            complaints.append(_broken(answer, f"{name}: {value[:10]!r}"))
        for query in queries:
            for path in paths:
                answer = await service.client.get(path, params={"id": "x", query: value})
                complaints.append(_broken(answer, f"{path}?{query}={value[:10]!r}"))
        for query in ("dry_run", "now"):
            answer = await service.client.post("/v1/events", params={query: value}, json=PURCHASE)
            complaints.append(
                None if 400 <= answer.status_code < 500 else f"{query}={value[:10]!r}: {answer.status_code}"
            )

    report(complaints)
    assert await picture(owner) == before


async def test_a_parameter_that_is_there_twice_is_named(service: Service, owner: asyncpg.Connection) -> None:
    """Api C9: neither of the two is taken silently, whether the framework or the route reads them."""
    member = (await service.enrol())["id"]
    before = await picture(owner)
    instants = "as_of=2026-11-21T09:00:00Z&as_of=2026-11-20T09:00:00Z"

    for path, name in (
        (f"/v1/members/{member}/balance?{instants}", "as_of"),
        (f"/v1/members/{member}/statement?limit=1&limit=2", "limit"),
        ("/v1/events?source=till&id=x&id=x", "id"),
        ("/v1/feed?wait=0&limit=2&wait=0", "wait"),
    ):
        answer = await service.client.get(path)

        assert (answer.status_code, answer.json()["code"]) == (422, "malformed_query"), path
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}"]
    answer = await service.send(PURCHASE, path="/v1/events?dry_run=true&dry_run=false")
    assert answer.json()["errors"] == [{"pointer": "/dry_run", "message": "is there twice: say it once"}]
    assert await picture(owner) == before


async def test_ids_of_any_kind_in_a_path_are_not_found(service: Service, owner: asyncpg.Connection) -> None:
    before = await picture(owner)
    odd = (
        "%00",
        "%ff",
        "%ED%A0%80",
        "é",
        "a" * 3_000,
        "%2e%2e%2f",
        "null",
        "-1",
        "1e999",
        "{}",
        "'--",
        "%0a",
        "whe_",
        "evt_",
    )
    complaints: list[str | None] = []

    for id in odd:
        for method, path in (
            ("GET", "/v1/events/"),
            ("GET", "/v1/holds/"),
            ("GET", "/v1/webhook-endpoints/"),
            ("DELETE", "/v1/webhook-endpoints/"),
        ):
            answer = await service.client.request(method, path + id)
            complaints.append(
                None if answer.status_code in (404, 405) else f"{method} {path}{id[:9]}: {answer.status_code}"
            )

    report(complaints)
    assert await picture(owner) == before


def _broken(answer: httpx.Response, name: str) -> str | None:
    return None if answer.status_code < 500 else f"{name}: {answer.status_code}"
