"""Processes without the two seconds of a core that importing everything takes: forked from one that has done it.

Each is a process like any other, to be killed, frozen or asked to end. What a shell starts is tested where the README
is walked through, and by the demo and the bench.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

LONGEST_SECONDS = 120.0
POLL_SECONDS = 0.02

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["app.cli", "tests.webhooks.working", "tests.webhooks.replayer"])


class Process:
    """A function at work in a process of its own; both its outputs go to files."""

    def __init__(
        self, work: Callable[[], Any], *arguments: str, env: Mapping[str, str], folder: Path, log: Path | None = None
    ) -> None:
        out, err = folder / f"{os.urandom(4).hex()}.out", log or folder / f"{os.urandom(4).hex()}.err"
        self._out, self._err = out, err
        begun = (work, arguments, dict(env), os.fspath(folder), os.fspath(out), os.fspath(err))
        self._process = _context.Process(target=_begin, args=begun, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, or None while it runs; of one that was killed the signal, negative."""
        return self._process.exitcode

    @property
    def out(self) -> str:
        """What it has printed."""
        return self._out.read_text() if self._out.exists() else ""

    @property
    def err(self) -> str:
        """What it has complained about."""
        return self._err.read_text() if self._err.exists() else ""

    def wait(self, seconds: float = LONGEST_SECONDS) -> int:
        """The exit code, if it ends in time."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, "it did not end in time"
        return self._process.exitcode

    def printed(self, text: str) -> None:
        """Waits until it has printed this."""
        ends = time.monotonic() + LONGEST_SECONDS
        while text not in self.out:
            assert self.code is None, self.err
            assert time.monotonic() < ends, f"{text} was not printed in time"
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """kill -9, and wait for its end."""
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.terminate()


def _begin(
    work: Callable[[], Any], arguments: tuple[str, ...], env: dict[str, str], folder: str, out: str, err: str
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        with open(path, "ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    with suppress(BrokenPipeError):
        sys.argv = ["zegel", *arguments]
        work()
