"""One POST to a shop, within limits of time and size, and never an exception (webhooks W7, W9).

The transport is used without httpx's client: that adds redirects, cookies and environment proxies, none of which may
happen here, and doubles the cost of a request.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import aiohttp
import httpx
import structlog
from httpx_aiohttp import AiohttpTransport

from app.webhooks import guard

DEADLINE_SECONDS = 15.0
CONNECT_SECONDS = 5.0
ANSWER_BYTES = 4096
# Common servers close an idle connection after five seconds; to reuse one at that moment costs an attempt.
KEEPALIVE_SECONDS = 4.0
_UNSENT_MILLISECONDS = 20_000

log = structlog.get_logger(__name__)


class Failure(StrEnum):
    """Why there is no complete answer."""

    TIMED_OUT = "timed_out"
    ADDRESS_REFUSED = "address_refused"
    NOT_FOUND = "name_not_found"
    NOT_CONNECTED = "not_connected"
    TLS = "tls"
    DISCONNECTED = "disconnected"
    BAD_ANSWER = "bad_answer"
    BAD_URL = "bad_url"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the first 4 KiB at most. With an error the rest is what there was before it.

    `asked` is what the header `webhook-delivery` says.
    """

    status: int | None
    body: bytes
    retry_after: str | None
    error: str | None
    duration_ms: int
    timed_out: bool
    asked: str | None = None


@asynccontextmanager
async def open_client(
    policy: guard.AddressPolicy,
    *,
    tls: ssl.SSLContext | None = None,
    lookup: guard.Lookup | None = None,
    open_socket: guard.OpenSocket = socket.socket,
) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The connections of a process, each judged by the policy when it is made."""
    tls = tls or httpx.create_ssl_context(trust_env=False)
    with guard.system_lookup() as system:
        connector = aiohttp.TCPConnector(
            ssl=tls,
            resolver=guard.CheckedResolver(policy, lookup or system),
            socket_factory=guard.checked_sockets(policy, _giving_up(open_socket)),
            limit=0,  # how many at once is for the delivery loop to say
            keepalive_timeout=KEEPALIVE_SECONDS,
        )
        connector.allowed_protocol_schema_set = frozenset({"https", "http"} if policy.allow_http else {"https"})
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            read_bufsize=ANSWER_BYTES,
        ) as session:
            yield AiohttpTransport(verify=tls, client=session)


async def post(
    client: httpx.AsyncBaseTransport,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    deadline_seconds: float = DEADLINE_SECONDS,
    connect_seconds: float = CONNECT_SECONDS,
) -> Answer:
    """Sends, and reads the answer; the deadline is for all of it, from the look-up of the name to the last byte."""
    started = time.monotonic()
    status: int | None = None
    retry_after: str | None = None
    asked: str | None = None
    error: str | None = None
    read = bytearray()
    try:
        async with asyncio.timeout(deadline_seconds):
            response = await client.handle_async_request(_request(url, headers, body, connect_seconds))
            response.headers.encoding = _ENCODING
            status, retry_after = response.status_code, response.headers.get("retry-after")
            asked = response.headers.get("webhook-delivery", "").strip().lower() or None
            try:
                await _read(response, read)
            finally:
                await response.aclose()
    except Exception as problem:  # whatever a shop provokes costs its own attempt, never the loop
        error = _describe(problem)
    duration_ms = int((time.monotonic() - started) * 1000)
    timed_out = error == Failure.TIMED_OUT
    return Answer(status, bytes(read[:ANSWER_BYTES]), retry_after, error, duration_ms, timed_out, asked)


_FAILURES: tuple[tuple[type[BaseException], Failure], ...] = (
    (TimeoutError, Failure.TIMED_OUT),
    (aiohttp.ClientConnectorDNSError, Failure.NOT_FOUND),
    (aiohttp.ClientSSLError, Failure.TLS),
    (aiohttp.ClientConnectorError, Failure.NOT_CONNECTED),
    (aiohttp.InvalidURL, Failure.BAD_URL),
    (aiohttp.NonHttpUrlClientError, Failure.BAD_URL),
    (httpx.InvalidURL, Failure.BAD_URL),
    (aiohttp.ClientResponseError, Failure.BAD_ANSWER),
    (aiohttp.ClientConnectionError, Failure.DISCONNECTED),
    (aiohttp.ClientPayloadError, Failure.DISCONNECTED),
)
_ENCODING = "iso-8859-1"  # of headers: whatever it is, it decodes; to find out tries every header, every time
_parsed = lru_cache(maxsize=1024)(httpx.URL)


def _request(url: str, headers: Mapping[str, str], body: bytes, connect_seconds: float) -> httpx.Request:
    request = httpx.Request(
        "POST",
        _parsed(url),
        headers={**headers, "accept": "*/*", "accept-encoding": "identity"},
        stream=httpx.ByteStream(body),  # as `content` it would be given headers that the transport gives it anyway
        extensions={"timeout": {"pool": connect_seconds}},  # what the transport takes as the limit of look-up to TLS
    )
    request.headers.encoding = _ENCODING
    request.read()
    return request


async def _read(response: httpx.Response, into: bytearray) -> None:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for chunk in response.stream:
        into += chunk
        if len(into) >= ANSWER_BYTES:
            return  # closing an answer with more to come closes its connection


def _describe(problem: Exception) -> str:
    # The transport's own names are too coarse: it calls every lost connection a ConnectTimeout.
    cause = problem.__cause__ if isinstance(problem, httpx.TransportError) and problem.__cause__ else problem
    refused = getattr(cause, "os_error", None)
    if isinstance(refused, guard.AddressRefused):
        return f"{Failure.ADDRESS_REFUSED}: {refused}"
    failure = next((failure for type, failure in _FAILURES if isinstance(cause, type)), Failure.INTERNAL)
    if failure is Failure.INTERNAL:
        log.error("webhooks_unexpected", problem=type(cause).__qualname__)
    return failure


def _giving_up(open_socket: guard.OpenSocket) -> guard.OpenSocket:
    """Sockets that the kernel closes when the other side takes nothing, however much is still unsent."""

    def open_bounded(family: int, type: int, protocol: int) -> socket.socket:
        opened = open_socket(family, type, protocol)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNSENT_MILLISECONDS)
        return opened

    return open_bounded
