"""The processes of a run: each started by the bench, known by its standard input and output, ended with them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from app.bench import load
from app.bench.load import Job, Told

STOP_SECONDS = 30.0
ROOT = Path(__file__).parent.parent.parent


class BenchError(Exception):
    """The bench cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that listens on a port of 127.0.0.1."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Generator:
    """The load generator's process."""

    process: "subprocess.Popen[str]"

    def run(self, job: Job) -> Told:
        """Does one job. Raises BenchError where it could not."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(job)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise BenchError("the load generator has ended; what it said is above")
        return Told(**json.loads(line))


@contextmanager
def listener(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Listener]:
    """Runs a module that prints the port it listens on."""
    with _running(module, *arguments, environment=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.isdigit():
            raise BenchError(f"{module} did not start; what it said is above")
        yield Listener(process.pid, int(line))


async def announce(port: int) -> None:
    """What such a process does once it listens: tells its port, and returns when its standard input ends."""
    print(port, flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: None if sys.stdin.read(1) else ended.set())
    await ended.wait()


@contextmanager
def generator() -> Iterator[Generator]:
    """The load generator, ready for jobs."""
    with _running("app.bench.load") as process:
        yield Generator(process)


def answer(port: int, request: bytes) -> bytes:
    """One request on a connection of its own; the whole answer. Raises BenchError where there is none."""
    try:
        with load.connect(port) as connection:
            return load.ask(connection, request)
    except OSError as error:
        raise BenchError(f"no answer on port {port}: {error}") from None


def body(answer: bytes, *, status: int) -> bytes:
    """An answer's body. Raises BenchError for any other status."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if int(head[9:12]) != status:
        raise BenchError(f"unexpected answer: {answer[:600].decode('latin-1')}")
    return rest


@contextmanager
def _running(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the bench, which ends them
    )
    try:
        yield process
    except BaseException:
        process.terminate()
        raise
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
