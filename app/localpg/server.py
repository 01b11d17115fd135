"""The server that a process holds open: started where need be, and let go of."""

import fcntl
import os
import socket as sockets
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from app.localpg import keeper, places, preparing, tools
from app.localpg.errors import LocalPgError
from app.localpg.places import Place
from app.localpg.settings import SUPERUSER

_PORT = 5432  # only names the socket's file: the server never listens on TCP
_START_SECONDS = 600.0  # recovery after a crash may have to read 8 GB of log
_ANSWER_SECONDS = 2.0
_ATTEMPTS = 3  # a server met while it goes down costs one


@dataclass(frozen=True, slots=True)
class Server:
    """A running server that this process holds open until `close`, the end of a `with` block, or its own end.

    `socket` is the folder of the unix socket. A forked child shares the hold, a spawned one has none.
    """

    socket: Path
    _hold: ExitStack = field(repr=False, compare=False)

    def url(self, database: str, *, user: str) -> str:
        """The libpq address of a database."""
        host = quote(os.fsencode(self.socket))
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}&port={_PORT}"

    def close(self) -> None:
        """Let go of the server, which stops soon after its last user; closing twice is harmless."""
        self._hold.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_server(
    home: Path,
    *,
    settings: Sequence[str] = (),
    on_event: Callable[[str], None] = lambda _: None,
    binaries: Path | None = None,
) -> Server:
    """Hold the server of a home open, after starting it, and the first time creating its data, where need be.

    `settings` ("name=value") count when this call starts the server; one that runs keeps those it was started with.
    `on_event` hears a line about each step that takes time; `binaries` is the folder of `postgres` and `initdb`.
    Raises LocalPgError.
    """
    try:
        found = (binaries or tools.wheel_binaries()).resolve()
        return _open(home.resolve(), settings=settings, on_event=on_event, binaries=found)
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalPgError(f"the embedded PostgreSQL in {home} cannot be used: {error}") from error


def _open(home: Path, *, settings: Sequence[str], on_event: Callable[[str], None], binaries: Path) -> Server:
    uid, gid = places.server_account()
    place = Place(places.make_base(home, tools.major_version(binaries)), binaries, uid, gid)
    with _lock(place.base / "start.lock"), ExitStack() as hold:
        hold.enter_context(_lock(place.base / "users.lock", fcntl.LOCK_SH))
        _bring_up(place, settings=settings, on_event=on_event)
        hold.callback(_replace_keeper, place, settings)
        return Server(place.socket, hold.pop_all())


def _bring_up(place: Place, *, settings: Sequence[str], on_event: Callable[[str], None]) -> None:
    logged = place.log.stat().st_size if place.log.exists() else 0
    for _ in range(_ATTEMPTS):
        if not keeper.is_locked(place.base / "keeper.lock"):
            binaries = place.binaries
            if keeper.postmaster(place.data) is None:
                binaries = preparing.prepare(place, settings=settings, on_event=on_event)
            _start_keeper(place, _command(place, binaries=binaries, settings=settings))
        if _wait_until_ready(place):
            return
    raise LocalPgError(f"PostgreSQL did not start: {tools.tail_of(place.log, logged)}")


def _wait_until_ready(place: Place) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(place.socket):
        if not keeper.is_locked(place.base / "keeper.lock"):
            return False
        if time.monotonic() > deadline:
            raise LocalPgError(f"PostgreSQL was not ready after {_START_SECONDS:.0f} s; see {place.log}")
        time.sleep(keeper.POLL_SECONDS)
    return True


def _replace_keeper(place: Place, settings: Sequence[str]) -> None:
    with suppress(OSError, subprocess.SubprocessError):  # the next to open tries again
        if not keeper.is_locked(place.base / "keeper.lock") and keeper.postmaster(place.data) is not None:
            _start_keeper(place, _command(place, binaries=place.binaries, settings=settings))


def _start_keeper(place: Place, command: list[str]) -> None:
    # Isolated, lest the modules of the caller's folder, or of this file's, stand in for the standard library's.
    detached = [sys.executable, "-I", "-S", keeper.__file__, os.fspath(place.base), *command]
    with keeper.append_to(place.log) as log:
        tools.run_tool(detached, log, start_new_session=True)


def _command(place: Place, *, binaries: Path, settings: Sequence[str]) -> list[str]:
    socket = os.fspath(place.socket).replace('"', '""')
    flags = (
        "log_min_messages=log",  # failing statements and their values are the client's business
        *settings,
        "listen_addresses=",
        f"port={_PORT}",
        f'unix_socket_directories="{socket}"',
        "unix_socket_permissions=0700",
        f"hba_file={place.base / 'pg_hba.conf'}",
        f"ident_file={place.base / 'pg_ident.conf'}",
        f"cluster_name={place.cluster}",
    )
    return [os.fspath(binaries / "postgres"), "-D", os.fspath(place.data), *(f"--{flag}" for flag in flags)]


def _answers(folder: Path) -> bool:
    """Whether the server takes connections: it refuses them with 57P03 while it starts, recovers and stops."""
    body = struct.pack("!i", 196608) + f"user\0{SUPERUSER}\0database\0{SUPERUSER}\0\0".encode()
    with suppress(OSError), sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(os.fspath(folder / f".s.PGSQL.{_PORT}"))
        connection.sendall(struct.pack("!i", len(body) + 4) + body)
        reply = connection.recv(4096)
        return reply != b"" and b"C57P03\0" not in reply
    return False


def _lock(path: Path, how: int = fcntl.LOCK_EX) -> IO[bytes]:
    deadline = time.monotonic() + _START_SECONDS
    while (file := keeper.try_lock(path, how)) is None:
        if time.monotonic() > deadline:
            raise LocalPgError(f"another process has been starting or stopping PostgreSQL for too long: see {path}")
        time.sleep(keeper.POLL_SECONDS)
    return file
