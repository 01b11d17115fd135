"""Round every request: an id, limits on the body, a count, and a problem where something breaks (api C5, C9, C11)."""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cache

import structlog
import uuid_utils
from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import Problem, respond
from app.db import transactions
from app.ledger.outcomes import Closed, Full

BODY_BYTES = 64 * 1024
EVENT_BYTES = 256 * 1024
BATCH_BYTES = 8 * 1024 * 1024
DOCUMENT_BYTES = 256 * 1024
DRAFT = "/v1/program/rules/draft"
_LIMITS = {"/v1/events": EVENT_BYTES, "/v1/events/batch": BATCH_BYTES, DRAFT: DOCUMENT_BYTES}
_JSON = b"application/json"
_MEDIA_TYPES = {DRAFT: (_JSON, b"application/yaml", b"application/x-yaml", b"text/yaml")}
"""What bodies may be written in, where it is not only JSON."""
_PLAIN = (b"", b"identity")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
_LENGTH_DIGITS = 18
DISCARDED_BYTES, DISCARDING_SECONDS = 2 * BATCH_BYTES, 5.0
"""Of a body that is refused so much is taken all the same, and so long, that its sender reads the answer."""
_BODIES = ("POST", "PUT", "PATCH")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", *_BODIES})

REQUESTS = Counter("zegel_http_requests_total", "Requests by route and status.", ("method", "route", "status"))
SECONDS = Histogram(
    "zegel_http_request_seconds",
    "Time to answer, by route.",
    ("route",),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)

log = structlog.get_logger(__name__)


class Envelope:
    """The one middleware: plain ASGI, so that it costs next to nothing.

    It knows the way to the direct routes, and hands requests for them over at once: the framework's own way there costs
    as much as reading an event.
    """

    def __init__(self, app: ASGIApp, direct: Sequence[Route] = ()) -> None:
        self._app = app
        self._plain = {
            (method, route.path): route
            for route in direct
            if not route.param_convertors
            for method in route.methods or ()
        }
        self._with_parts = [route for route in direct if route.param_convertors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        status = 500
        limited, discard = _limited(scope, receive)

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                await discard()
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            route = self._way(scope)
            if route is not None:
                scope["route"] = route
            await (self._app if route is None else route.app)(scope, limited, send_named)
        except (Full, Closed):
            await respond(Problem("too_busy"), request_id=request_id, instance=scope["path"])(
                scope, receive, send_named
            )
        except Problem as problem:
            await respond(problem, request_id=request_id, instance=scope["path"])(scope, receive, send_named)
        except transactions.DatabaseError as error:
            log.warning("database_unavailable", error=repr(error), request_id=request_id)
            await respond(Problem("unavailable"), request_id=request_id, instance=scope["path"])(
                scope, receive, send_named
            )
        except Exception:
            log.exception("request_broken", request_id=request_id, path=scope["path"])
            if status == 500:
                await respond(Problem("internal"), request_id=request_id, instance=scope["path"])(
                    scope, receive, send_named
                )
        finally:
            path = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            _counted(method, path, status).inc()
            _timed(path).observe(time.perf_counter() - started)

    def _way(self, scope: Scope) -> Route | None:
        method, path = scope["method"], scope["path"]
        for route in self._with_parts:
            if method in (route.methods or ()) and (found := route.path_regex.match(path)):
                scope["path_params"] = found.groupdict()
                return route
        return self._plain.get((method, path))


@cache
def _counted(method: str, route: str, status: int) -> Counter:
    return REQUESTS.labels(method, route, status)


@cache
def _timed(route: str) -> Histogram:
    return SECONDS.labels(route)


def request_id(request: Request) -> str:
    """The id this request is known by in answers and logs."""
    return str(request.scope.get("request_id", ""))


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"request-id"), b"")
    return given.decode() if _REQUEST_ID.match(given) else uuid_utils.uuid7().hex


def _media_type(headers: dict[bytes, bytes]) -> bytes:
    return headers.get(b"content-type", b"").split(b";")[0].strip().lower()


def _is_encoded(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-encoding", b"").strip().lower() not in _PLAIN


def _encoded() -> Problem:
    """RFC 9110, 15.5.16: a body that is compressed is answered with the encodings that are taken."""
    detail = "Send the body as it is, without a `Content-Encoding`."
    return Problem(
        "unsupported_media_type", detail=detail, headers={"Accept-Encoding": "identity"}, encodings=["identity"]
    )


def _limited(scope: Scope, receive: Receive) -> tuple[Receive, Callable[[], Awaitable[None]]]:
    """Refuses a body that is too large, by its announced length or as it comes, is not JSON or is compressed.

    The second discards what was not read: a connection that is closed on a caller who is still sending is reset, and
    the answer that says why is lost. Who asked whether to send at all (`Expect`) has not begun.
    """
    if scope["method"] not in _BODIES:
        return receive, _nothing
    limit = _LIMITS.get(scope["path"], BODY_BYTES)
    headers: dict[bytes, bytes] = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    bodiless = length == b"0" or not (length or b"transfer-encoding" in headers)  # RFC 9112 §6.3
    if length.isdigit() and (len(length) > _LENGTH_DIGITS or int(length) > limit):
        raise_later: Problem | None = Problem("body_too_large", limit=limit)
    elif _media_type(headers) not in (allowed := _MEDIA_TYPES.get(scope["path"], (_JSON,))) and not bodiless:
        raise_later = Problem("unsupported_media_type", allowed=[one.decode() for one in allowed])
    elif _is_encoded(headers) and length != b"0":
        raise_later = _encoded()
    else:
        raise_later = None
    seen, whole = 0, b"expect" in headers

    async def read() -> Message:
        nonlocal seen, whole
        message = await receive()
        seen += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message

    async def counted() -> Message:
        if raise_later is not None:
            raise raise_later
        message = await read()
        if seen > limit:
            raise Problem("body_too_large", limit=limit)
        return message

    async def discard() -> None:
        if whole:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARDING_SECONDS):
                while not whole and seen < DISCARDED_BYTES:
                    await read()

    return counted, discard


async def _nothing() -> None:
    """There is no body."""
