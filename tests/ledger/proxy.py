"""A door between the service and PostgreSQL that a test can slam: around a COMMIT, or for a while."""

import asyncio
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_SOCKET = ".s.PGSQL.5432"
_HEAD = 5


class Cut(Enum):
    """When a connection is cut."""

    BEFORE = "before the server sees the COMMIT"
    AT_ONCE = "with the COMMIT on its way"
    AFTER = "after the COMMIT, before its answer arrives"


class Proxy:
    """Passes everything on, but for the commits that it was told to cut."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self.plan: deque[Cut] = deque()
        self.done: list[Cut] = []
        self.on_cut: Callable[[], object] = lambda: None
        self._server = server
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._away = False

    def url(self, database_url: str) -> str:
        """The same database, through this door."""
        return f"{database_url.partition('?')[0]}?host={self.folder}"

    def leave(self) -> None:
        """Cuts everything, and lets nobody in."""
        self._away = True
        for writer in list(self._open):
            writer.transport.abort()

    def come_back(self) -> None:
        """Lets callers in again."""
        self._away = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self._away:
                await self._pass_on(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def close(self) -> None:
        """Ends every connection."""
        self.leave()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above_reader, above = await asyncio.open_unix_connection(str(self._server))
        self._open |= {writer, above}
        back = asyncio.create_task(_copy(above_reader, writer))
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._forward(reader, above, above_reader, back)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            above.transport.abort()
            self._open -= {writer, above}

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        above: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        back: "asyncio.Task[None]",
    ) -> None:
        start = await reader.readexactly(4)
        above.write(start + await reader.readexactly(int.from_bytes(start) - 4))
        while True:
            head = await reader.readexactly(_HEAD)
            body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
            if self.plan and head[:1] == b"Q" and body.startswith(b"COMMIT"):
                await self._cut(self.plan.popleft(), head + body, above, answers, back)
                return
            above.write(head + body)
            await above.drain()

    async def _cut(
        self,
        cut: Cut,
        commit: bytes,
        above: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        back: "asyncio.Task[None]",
    ) -> None:
        self.done.append(cut)
        if cut is not Cut.BEFORE:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            above.write(commit)
            await above.drain()
        if cut is Cut.AFTER:
            await answers.readexactly(_HEAD)
        self.on_cut()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def open_proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy before the server of an address, which must be a socket's folder."""
    (host,) = parse_qs(urlsplit(database_url).query)["host"]
    folder = Path(tempfile.mkdtemp(prefix="zegel-proxy-"))
    proxy = Proxy(folder, Path(host, _SOCKET))
    server = await asyncio.start_unix_server(proxy.serve, str(folder / _SOCKET))
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        shutil.rmtree(folder)
