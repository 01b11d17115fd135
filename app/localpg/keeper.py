"""The keeper: the server's parent, which stops it after its last user; and the locks by which users are known.

It is run by itself from this file, isolated, so that it imports nothing of ours.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

POLL_SECONDS = 0.01
STOP_SECONDS = 600.0
_KEEPER_TICK_SECONDS = 0.1


def keep(base: Path, command: Sequence[str]) -> None:
    """Starts the server, or adopts one without a keeper, and stops it once nobody uses it."""
    lock = try_lock(base / "keeper.lock", fcntl.LOCK_EX)
    if lock is None or os.fork():
        return  # the child goes on and shares the lock: the opener has no child to wait for
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # it ends after its users, not with them
    if (adopted := postmaster(base / "data")) is not None:
        _watch(base, adopted, alive=partial(_is_postmaster, adopted, base / "data"))
    else:
        owner = (base / "data").stat()
        identity = credentials(owner.st_uid, owner.st_gid)
        server = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, **identity)  # noqa: S603 - ours
        # Not by its command line, which for a moment after the start is empty.
        _watch(base, server.pid, alive=lambda: server.poll() is None)


def _watch(base: Path, pid: int, *, alive: Callable[[], bool]) -> None:
    while alive():
        time.sleep(_KEEPER_TICK_SECONDS)
        if (start := try_lock(base / "start.lock", fcntl.LOCK_EX)) is not None:
            with start:
                if not is_locked(base / "users.lock"):
                    _stop(base, pid, alive=alive)


def _stop(base: Path, pid: int, *, alive: Callable[[], bool]) -> None:
    how = signal.SIGINT  # fast: disconnects who is left, and writes everything out
    while alive():
        with suppress(ProcessLookupError):
            os.kill(pid, how)
        deadline = time.monotonic() + STOP_SECONDS
        while alive() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        how = signal.SIGQUIT  # immediate: recovers at the next start
    run = base / "run"
    if run.is_symlink():
        with suppress(OSError):
            run.readlink().rmdir()


def postmaster(data: Path) -> int | None:
    """The process that serves this data, if one does."""
    with suppress(OSError, ValueError, IndexError):
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        return pid if _is_postmaster(pid, data) else None
    return None


def _is_postmaster(pid: int, data: Path) -> bool:
    if Path("/proc/self/cmdline").exists():
        return is_postmaster_line(command_line(pid), data)
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def is_postmaster_line(line: bytes, data: Path) -> bool:
    """Whether a command line is that of the postmaster of this data."""
    arguments = line.split(b"\0")
    return arguments[0].endswith(b"/postgres") and os.fsencode(data) in arguments


def command_line(pid: int) -> bytes:
    """The words with which a process was started; empty where that cannot be told."""
    with suppress(OSError):  # empty for a zombie; and unlike its `exe`, anybody's may be read
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def try_lock(path: Path, how: int) -> IO[bytes] | None:
    """The locked file, or None where somebody else has it."""
    file = append_to(path)
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def is_locked(path: Path) -> bool:
    """Whether anybody has the file locked."""
    file = try_lock(path, fcntl.LOCK_EX)
    if file is not None:
        file.close()
    return file is None


def append_to(path: Path) -> IO[bytes]:
    """A file to write to the end of, for its owner only."""
    return open(path, "ab", opener=partial(os.open, mode=0o600))


def credentials(uid: int, gid: int) -> dict[str, Any]:
    """What makes a child run as this account."""
    return {} if uid == os.geteuid() else {"user": uid, "group": gid, "extra_groups": []}


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2:])
