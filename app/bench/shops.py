"""Small shops on a port of their own: each says what it answers, and after how long."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a shop answers, so many seconds later; None is never."""

    status: bytes = b"200 OK"
    after: float | None = 0.0


@asynccontextmanager
async def open_shop(reply: Callable[[bytes], Reply]) -> AsyncIterator[int]:
    """A shop on a free port of 127.0.0.1 that hears the body of each request; leaving cuts its connections."""
    connections: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(reply, connections), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in tuple(connections):
            connection.abort()


@dataclass(slots=True, eq=False)
class _Connection(asyncio.Protocol):
    """One request at a time, as the delivery loop sends them."""

    reply: Callable[[bytes], Reply]
    open: set[asyncio.Transport]
    read: bytes = b""
    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's classes
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.read += data
        end = self.read.find(_END)
        size = end + len(_END) + _length(self.read[:end])
        if end < 0 or len(self.read) < size:
            return
        body, self.read = self.read[end + len(_END) : size], self.read[size:]
        reply = self.reply(body)
        if reply.after == 0:
            self._answer(reply.status)
        elif reply.after is not None:
            asyncio.get_running_loop().call_later(reply.after, self._answer, reply.status)

    def _answer(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status)


def _length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)
