"""A healthy receiver of webhooks, a process of its own: 200 to every POST, and to a GET how many there have been."""

import asyncio
import socket
from typing import cast

import uvloop

from app.bench import processes

_DONE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def main() -> None:
    """Receives until the standard input ends."""
    uvloop.run(_serve())


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    await processes.announce(server.sockets[0].getsockname()[1])


class _Connection(asyncio.Protocol):
    received = 0

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's classes
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            if self._read.startswith(b"GET"):
                count = b"%d" % _Connection.received
                self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(count), count))
                self._read = self._read[end + 4 :]
                continue
            size = end + 4 + _length(self._read[:end])
            if len(self._read) < size:
                return
            self._read = self._read[size:]
            _Connection.received += 1
            self._transport.write(_DONE)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


if __name__ == "__main__":
    main()
