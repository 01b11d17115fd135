"""Events offered at a steady rate, whatever becomes of those before: answers and webhooks are timed one by one."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from app.bench import load, messages
from app.bench.shops import Reply

CONNECTIONS = 256
ANSWER_SECONDS = 30.0
LAST_SECONDS = 30.0
"""So long the last webhooks are waited for."""


@dataclass(frozen=True, slots=True)
class Offered:
    """Seconds until each answer, and until each webhook, from when the event was sent; and what was refused."""

    answers: list[float]
    webhooks: list[float]
    refused: Counter[str]


@dataclass(slots=True)
class Watch:
    """When each event was sent, and when its first webhook came, by the event's own id."""

    sent: dict[str, float] = field(default_factory=dict)
    came: dict[str, float] = field(default_factory=dict)
    another: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, body: bytes) -> Reply:
        """What a shop does that tells when each webhook has come."""
        self.came.setdefault(json.loads(body)["data"]["id"], time.perf_counter())
        self.another.set()
        return Reply()


@dataclass(frozen=True, slots=True)
class Offer:
    """So many events a second for so many seconds to a port of 127.0.0.1; `event` makes the one of an id and number."""

    port: int
    key: str
    tag: str
    rate: int
    seconds: float
    event: Callable[[str, int], bytes]


async def make(offer: Offer, watch: Watch) -> Offered:
    """Sends it all, and waits for the last answers and webhooks."""
    offered, began = Offered([], [], Counter()), time.perf_counter()
    async with _connected(offer.port) as idle, asyncio.TaskGroup() as sending:
        for number in range(int(offer.rate * offer.seconds)):
            await asyncio.sleep(max(0.0, began + number / offer.rate - time.perf_counter()))
            sending.create_task(_one(number, offer, idle, watch, offered))
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while len(watch.came.keys() & watch.sent.keys()) < len(offered.answers):
                watch.another.clear()
                await watch.another.wait()
    offered.webhooks.extend(came - watch.sent[id] for id, came in watch.came.items() if id in watch.sent)
    return offered


async def _one(
    number: int, offer: Offer, idle: "asyncio.LifoQueue[_Connection]", watch: Watch, offered: Offered
) -> None:
    id = f"{offer.tag}-{number}"
    request = messages.post("/v1/events", offer.event(id, number), key=offer.key)
    began = watch.sent[id] = time.perf_counter()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await idle.get()
            answer = await connection.ask(request)
    except (OSError, TimeoutError) as error:
        offered.refused[type(error).__name__] += 1
        return
    if answer.startswith(b"HTTP/1.1 201 "):
        offered.answers.append(time.perf_counter() - began)
    else:
        offered.refused[answer[9:12].decode("latin-1")] += 1
    idle.put_nowait(connection)


@asynccontextmanager
async def _connected(port: int) -> "AsyncIterator[asyncio.LifoQueue[_Connection]]":
    loop, idle = asyncio.get_running_loop(), asyncio.LifoQueue["_Connection"]()
    made = [(await loop.create_connection(_Connection, "127.0.0.1", port))[1] for _ in range(CONNECTIONS)]
    for connection in made:
        idle.put_nowait(connection)
    try:
        yield idle
    finally:
        for connection in made:
            connection.transport.abort()


@dataclass(slots=True, eq=False)
class _Connection(asyncio.Protocol):
    """One request in flight at most."""

    transport: asyncio.Transport = field(init=False)
    read: bytes = b""
    answered: "asyncio.Future[bytes] | None" = None

    async def ask(self, request: bytes) -> bytes:
        if self.transport.is_closing():
            raise ConnectionError("the service closed the connection")
        self.read, self.answered = b"", asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        self.read += data
        if load.whole(self.read) and self.answered is not None and not self.answered.done():
            self.answered.set_result(self.read)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(exc or ConnectionError("the service closed the connection"))
