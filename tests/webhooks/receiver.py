"""A shop's web server on loopback, as raw as it gets: able to fail, to hang, to drip and to flood."""

import asyncio
import random
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standardwebhooks import Webhook

SECRET = b"0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived; the names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


Slow = Callable[[asyncio.Transport], Awaitable[None]]
Behavior = Callable[[Request], bytes | Slow]
"""What to answer: bytes at once, or something that writes to the connection in its own time."""


@dataclass(slots=True)
class Receiver:
    """A running receiver; `behave` may be changed at any time.

    Whatever carries a signature must in the end have been signed with one of `secrets`; none where a test sees to it.
    """

    behave: Behavior
    secrets: tuple[bytes, ...] = (SECRET,)
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: set[asyncio.Transport] = field(default_factory=set)
    opened: int = 0
    tasks: set[asyncio.Future[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]


def reply(status: int, body: bytes = b"ok", **headers: str) -> bytes:
    """A whole answer; underscores in names become hyphens."""
    lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def saying(status: int, body: bytes = b"ok", **headers: str) -> Behavior:
    """Always the same answer."""
    said = reply(status, body, **headers)
    return lambda _: said


def flaky(share: float, *, seed: int) -> Behavior:
    """Fails that share of the requests with a 500."""
    draw = random.Random(seed)
    return lambda _: reply(500) if draw.random() < share else reply(200)


def hanging(_: Request) -> Slow:
    """Never answers."""

    async def hang(_: asyncio.Transport) -> None:
        await asyncio.Event().wait()

    return hang


def dripping(_: Request) -> Slow:
    """Answers 200 at once, and then a byte of body every 20 ms, without end."""

    async def drip(connection: asyncio.Transport) -> None:
        connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while not connection.is_closing():
            connection.write(b".")
            await asyncio.sleep(0.02)

    return drip


def flooding(_: Request) -> Slow:
    """Answers 200 with 10 MB."""

    async def flood(connection: asyncio.Transport) -> None:
        connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n" + b"x" * 10_000_000)

    return flood


@asynccontextmanager
async def receiving(behave: Behavior, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = Receiver(behave)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(receiver), "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in receiver.tasks:
            task.cancel()
        for connection in receiver.connections:
            connection.abort()
        await asyncio.sleep(0)
        await server.wait_closed()
    for request in receiver.requests if receiver.secrets else ():
        assert genuine(request, receiver.secrets), f"{request.headers['webhook-id']} was not signed as it must be"


def genuine(request: Request, secrets: tuple[bytes, ...]) -> bool:
    """Whether the official library signs the same bytes in the same way; the age of a test's clock does not matter."""
    if "webhook-signature" not in request.headers:
        return "zegel-event-type" not in request.headers  # what is no delivery need not be signed
    at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
    given, body = request.headers["webhook-signature"].split(" "), request.body.decode()
    official = [Webhook(b64encode(secret).decode()) for secret in secrets]
    return any(one.sign(request.headers["webhook-id"], at, body) in given for one in official)


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._receiver.connections.add(transport)
        self._receiver.opened += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiver.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (request := self._next()) is not None:
            self._receiver.requests.append(request)
            said = self._receiver.behave(request)
            if isinstance(said, bytes):
                self._transport.write(said)
            else:
                task = asyncio.ensure_future(said(self._transport))
                self._receiver.tasks.add(task)
                task.add_done_callback(self._receiver.tasks.discard)

    def _next(self) -> Request | None:
        head, end, rest = self._read.partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._read = rest[length:]
        return Request(first.split(" ")[1], headers, rest[:length])
