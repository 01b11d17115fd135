"""A shop's receiver of webhooks: it verifies each signature itself, and fails now and then to show retries."""

import asyncio
import hmac
from base64 import b64decode, b64encode
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

FAILED_SHARE = 0.02
_KEPT = 500
_BODY_BYTES = 256 * 1024
_TOLERANCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as it came; the names of headers in lower case."""

    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Inbox:
    """What arrived. `failing` is the share of first attempts that fail on purpose.

    `verified` are the ids of messages taken; `kept` the last deliveries, for whoever looks closer.
    """

    draw: Callable[[], float]
    clock: Callable[[], float]
    failing: float = FAILED_SHARE
    secret: bytes = b""
    port: int = 0
    requests: int = 0
    failed_on_purpose: int = 0
    forged: int = 0
    again: int = 0
    verified: set[str] = field(default_factory=set)
    types: Counter[str] = field(default_factory=Counter)
    kept: deque[Delivery] = field(default_factory=lambda: deque(maxlen=_KEPT))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks"

    def take(self, delivery: Delivery) -> int:
        """Answers a delivery with a status: 2xx only to what is genuine, and not always at the first attempt."""
        self.requests += 1
        self.kept.append(delivery)
        if not genuine(delivery, secret=self.secret, now=self.clock()):
            self.forged += 1
            return 400
        id = delivery.headers["webhook-id"]
        if delivery.headers.get("zegel-attempt") == "1" and self.draw() < self.failing:
            self.failed_on_purpose += 1
            return 500
        if id in self.verified:
            self.again += 1
        else:
            self.types[delivery.headers.get("zegel-event-type", "")] += 1
        self.verified.add(id)
        return 204


def genuine(delivery: Delivery, *, secret: bytes, now: float) -> bool:
    """Whether a delivery was signed with our secret, and lately (Standard Webhooks 1.0): all that a receiver needs."""
    id, stamp, signatures = (delivery.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not stamp.isdecimal() or abs(now - int(stamp)) > _TOLERANCE_SECONDS:
        return False
    digest = hmac.digest(secret, f"{id}.{stamp}.".encode() + delivery.body, "sha256")
    wanted = b"v1," + b64encode(digest)
    return any(hmac.compare_digest(wanted, signature.encode()) for signature in signatures.split())


def secret_bytes(text: str) -> bytes:
    """The key in a secret as it is shown: `whsec_…`."""
    return b64decode(text.removeprefix("whsec_"))


@asynccontextmanager
async def receiving(inbox: Inbox) -> AsyncIterator[None]:
    """Receives on a free port of 127.0.0.1, which the inbox then knows."""
    connections: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        try:
            while (delivery := await _read(reader)) is not None:
                status = inbox.take(delivery)
                writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the other end is gone, or speaks no HTTP
        finally:
            connections.discard(writer)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    inbox.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for writer in list(connections):
            writer.close()
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Delivery | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _BODY_BYTES:
        raise ValueError("too long")
    return Delivery(headers, await reader.readexactly(length))
