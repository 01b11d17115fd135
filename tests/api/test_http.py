"""What holds for every request: limits on the body, problems for every error, an id, health, pages for people."""

import gzip
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from app.api import middleware
from app.api.middleware import BATCH_BYTES, BODY_BYTES, EVENT_BYTES
from app.api.problems import KINDS
from tests.builders import Service, purchase
from tests.database import picture

JSON = {"Content-Type": "application/json"}
LIMITS = {
    "/v1/events": EVENT_BYTES,
    "/v1/events/batch": BATCH_BYTES,
    "/v1/members": BODY_BYTES,
    "/v1/members/lookup": BODY_BYTES,
    "/v1/webhook-endpoints": BODY_BYTES,
}


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The problem of an answer, which has every field that problems have."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem = dict(answer.json())
    kind = KINDS[problem["code"]]
    assert problem["status"] == answer.status_code == kind.status
    assert problem["type"] == f"/problems#{problem['code']}"
    assert (problem["title"], problem["retryable"]) == (kind.title, kind.retryable)
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.path
    assert problem["request_id"] == answer.headers["Request-Id"]
    assert problem["outcome"] in ("not_applied", "unknown")
    return problem


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    """A body of so many bytes whose length is not announced."""
    for _ in range(0, size, 16_384):
        yield b" " * 16_384


async def test_a_body_beyond_the_limit_is_refused(service: Service, owner: asyncpg.Connection) -> None:
    before = await picture(owner)

    for path, limit in LIMITS.items():
        announced = await service.client.post(path, content=b" " * (limit + 1), headers=JSON)
        chunked = await service.client.post(path, content=in_pieces(limit + 1), headers=JSON)
        at_most = await service.client.post(path, content=b" " * limit, headers=JSON)

        for answer in (announced, chunked):
            problem = problem_of(answer)
            assert (answer.status_code, problem["code"], problem.get("limit")) == (413, "body_too_large", limit), path
        assert at_most.status_code in (400, 422)
    assert await picture(owner) == before


@pytest.mark.parametrize("key", ["known", "unknown"])
@pytest.mark.parametrize("announced", [True, False])
async def test_who_sends_too_much_or_without_a_key_is_heard_out_so_that_the_answer_arrives(
    service: Service, announced: bool, key: str
) -> None:
    """api C5"""
    taken = 0

    async def sent() -> AsyncIterator[bytes]:
        nonlocal taken
        async for piece in in_pieces(600_000):
            taken += len(piece)
            yield piece

    headers = JSON | ({"Content-Length": "600000"} if announced else {})
    if key == "unknown":
        headers |= {"Authorization": "Bearer zgl_unknown"}
    answer = await service.client.post("/v1/events", content=sent(), headers=headers)

    assert answer.status_code == (413 if key == "known" else 401)
    assert taken >= 600_000


async def test_who_never_stops_sending_is_not_heard_out(service: Service) -> None:
    taken = 0

    async def sent() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1_048_576
            yield b" " * 1_048_576

    answer = await service.client.post("/v1/events", content=sent(), headers=JSON)

    assert answer.status_code == 413
    assert taken <= middleware.DISCARDED_BYTES + 2 * 1_048_576


async def test_a_large_event_within_the_limit_is_taken(service: Service) -> None:
    lines = [{"sku": "x" * 100, "amount": "1.00", "categories": ["c" * 60]} for _ in range(1_000)]

    answer = await service.send(purchase("1000.00", lines=lines))

    assert (answer.status_code, answer.json()["entries"][0]["points"]) == (201, 1000)


async def test_a_body_that_is_not_declared_as_json_is_refused(service: Service) -> None:
    odd = ("text/plain", "application/xml", "application/jsonx", "multipart/form-data; boundary=x", "json", "", None)
    for path in LIMITS:
        for declared in odd:
            headers = {} if declared is None else {"Content-Type": declared}
            answer = await service.client.post(path, content=b"{}", headers=headers)

            assert (answer.status_code, problem_of(answer)["code"]) == (415, "unsupported_media_type"), declared


async def test_a_compressed_body_is_refused_with_what_is_taken(service: Service) -> None:
    """RFC 9110, 15.5.16."""
    body = orjson.dumps(purchase())
    small = gzip.compress(body)
    for path in LIMITS:
        answer = await service.client.post(path, content=small, headers={**JSON, "Content-Encoding": "gzip"})

        problem = problem_of(answer)
        assert (answer.status_code, problem["code"]) == (415, "unsupported_media_type"), path
        assert (problem["encodings"], answer.headers["Accept-Encoding"]) == (["identity"], "identity")
        assert "Content-Encoding" in problem["detail"]
    as_it_is = await service.client.post("/v1/events", content=body, headers={**JSON, "Content-Encoding": "Identity"})
    assert as_it_is.status_code == 201


async def test_json_may_be_declared_in_any_case_and_with_parameters(service: Service) -> None:
    for number, declared in enumerate(("application/json; charset=utf-8", "Application/JSON", "application/json ;x=y")):
        body = purchase(id=f"p{number}")
        request = service.client.build_request("POST", "/v1/events", json=body)
        request.headers["Content-Type"] = declared

        assert (await service.client.send(request)).status_code == 201, declared


async def test_unknown_paths_and_methods_are_problems(service: Service) -> None:
    for path in (
        "/",
        "/v1",
        "/v2/events",
        "/v1/events/",
        "/v1/nothing",
        "/v1/members/x/y/z",
        "/%00",
        "/docs/assets/no",
    ):
        answer = await service.client.get(path)

        assert (answer.status_code, problem_of(answer)["code"]) == (404, "not_found"), path
    for method, path in (
        ("DELETE", "/v1/events"),
        ("PUT", "/v1/members"),
        ("PATCH", "/v1/program"),
        ("POST", "/metrics"),
    ):
        answer = await service.client.request(method, path)

        assert (answer.status_code, problem_of(answer)["code"]) == (405, "method_not_allowed"), path
        assert answer.headers["Allow"]
    for path, methods in (("/v1/events", "GET, POST"), ("/v1/webhook-endpoints/whe_1", "DELETE, GET, PATCH")):
        assert (await service.client.put(path, content=b"{}", headers=JSON)).headers["Allow"] == methods


async def test_every_answer_has_an_id_and_keeps_a_callers_own(service: Service) -> None:
    given = await service.client.get("/health/live", headers={"Request-Id": "till-7.run_3"})
    made = [await service.client.get("/health/live") for _ in range(2)]

    assert given.headers["Request-Id"] == "till-7.run_3"
    assert len({answer.headers["Request-Id"] for answer in made}) == 2
    for odd in (b"a b", b"x" * 65, b"\xff", b"", b"a\tb", b"<x>"):
        answer = await service.client.get("/v1/nothing", headers={b"Request-Id": odd})

        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["Request-Id"]), odd
        assert problem_of(answer)["request_id"] == answer.headers["Request-Id"]


async def test_an_odd_host_or_length_breaks_nothing(service: Service) -> None:
    for headers in ({"Host": "["}, {"Host": ""}, {"Host": "a" * 5_000}, {"Host": "\x00"}, {"X": "é" * 5_000}):
        raw = {name.encode(): value.encode() for name, value in headers.items()}
        assert (await service.client.get("/v1/nothing", headers=raw)).status_code == 404, headers
    for length in ("9" * 30, "9" * 5_000):
        answer = await service.client.post("/v1/events", content=b"{}", headers={**JSON, "Content-Length": length})

        assert (answer.status_code, problem_of(answer)["code"]) == (413, "body_too_large")


async def test_live_asks_nothing_and_ready_asks_the_database(service: Service, owner: asyncpg.Connection) -> None:
    live, ready = await service.client.get("/health/live"), await service.client.get("/health/ready")
    assert (live.status_code, ready.status_code) == (200, 200)

    await owner.execute("UPDATE alembic_version SET version_num = 'older'")
    behind = await service.client.get("/health/ready")
    await owner.execute("DELETE FROM alembic_version")
    empty = await service.client.get("/health/ready")
    service.app.state.parts.draining = True
    draining = await service.client.get("/health/ready")

    assert (behind.status_code, empty.status_code, draining.status_code) == (503, 503, 503)
    assert "zegel migrate" in behind.json()["reason"]
    assert draining.json()["reason"] == "draining"
    assert (await service.client.get("/health/live")).status_code == 200


async def test_metrics_count_requests_by_route_and_status(service: Service) -> None:
    async def counted(line: str) -> float:
        text = (await service.client.get("/metrics")).text
        found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    recorded = 'zegel_http_requests_total{method="POST",route="/v1/events",status="201"}'
    missing = 'zegel_http_requests_total{method="GET",route="/v1/members/{member_id}",status="404"}'
    before = await counted(recorded), await counted(missing), await counted("zegel_events_recorded_total")

    await service.buy()
    await service.client.get("/v1/members/mem_x")

    after = await counted(recorded), await counted(missing), await counted("zegel_events_recorded_total")
    assert [late - early for early, late in zip(before, after, strict=True)] == [1, 1, 2]


async def test_metrics_hold_no_ids_of_callers(service: Service) -> None:
    for method in ("GET", "BREW1", "BREW2"):
        await service.client.request(method, "/v1/members/canary-in-a-path")
        await service.client.request(method, "/canary-in-a-path")

    text = (await service.client.get("/metrics")).text

    assert "canary" not in text
    assert "BREW" not in text


class Addresses(HTMLParser):
    """Gathers what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href", "srcset", "action") and value]


@pytest.mark.parametrize("page", ["/docs", "/problems"])
async def test_pages_load_nothing_from_elsewhere_and_all_they_name_is_there(service: Service, page: str) -> None:
    del service.client.headers["Authorization"]
    answer = await service.client.get(page)
    addresses = Addresses()
    addresses.feed(answer.text)

    assert answer.status_code == 200
    assert not re.search(r"""(?i)(https?:)?//[a-z0-9.-]+\.[a-z]{2,}""", answer.text)
    assert page != "/docs" or len(addresses.found) >= 2
    for address in addresses.found:
        assert address.startswith("/")
        loaded = await service.client.get(address)
        assert (loaded.status_code, len(loaded.content) > 100) == (200, True), address


async def test_the_list_of_problems_names_every_code_where_its_type_points(service: Service) -> None:
    text = (await service.client.get("/problems")).text

    for code, kind in KINDS.items():
        assert f'id="{code}"' in text
        assert f"<td>{kind.status}</td>" in text


async def test_the_openapi_document_is_served(service: Service) -> None:
    answer = await service.client.get("/openapi.json")

    assert answer.json() == service.app.openapi()
