"""The load generator: a process of its own, with as little work a request as Python can do.

It reads jobs from standard input, a line of JSON each, and answers each with a line. Connections are kept alive, each
with one request in flight. It talks to 127.0.0.1 alone, for a bounded time and number of requests.
"""

import gc
import json
import math
import select
import socket
import struct
import sys
import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field

from app.bench import messages, usage
from app.bench.cases import BATCH, Work
from app.bench.messages import Make, Said

LONGEST_SECONDS = 120.0
MOST_REQUESTS = 2_000_000
MOST_CONNECTIONS = 1_024
STALL_SECONDS = 10.0
MOST_TAGS = 1_000
_READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Job:
    """What to send, where to and for how long; `watched` are the processes whose use of the processors is told."""

    work: Work
    port: int
    in_flight: int
    seconds: float
    warm_up: float
    watched: dict[str, int]
    said: Said


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a job; `used` are the seconds of processors that went by meanwhile, by whose they were."""

    requests: int
    events: int
    seconds: float
    p50_ms: float
    p99_ms: float
    used: dict[str, float]
    failures: dict[str, int]
    sample: str


def main() -> None:
    """Serves jobs until the input ends."""
    for line in sys.stdin:
        said = json.loads(line)
        job = Job(**{**said, "work": Work(said["work"]), "said": Said(**said["said"])})
        print(json.dumps(asdict(run(job))), flush=True)


def run(job: Job) -> Told:
    """Does one job."""
    if not (0 < job.in_flight <= MOST_CONNECTIONS and job.seconds + job.warm_up <= LONGEST_SECONDS):
        raise ValueError("beyond the bounds of the load generator")
    make = messages.maker(job.work, _with_tags(job) if job.work is Work.UNCHANGED else job.said)
    line = _Line(make, messages.expected(job.work))
    gc.collect()
    gc.disable()
    try:
        line.open(job.port, job.in_flight)
        line.until(time.perf_counter() + job.warm_up)
        line.latencies = array("d")
        before, started = usage.used(job.watched), time.perf_counter()
        line.until(started + job.seconds)
        took, after = time.perf_counter() - started, usage.used(job.watched)
        latencies = sorted(line.latencies)
        line.finish()
    finally:
        gc.enable()
        line.close()
    return Told(
        requests=len(latencies),
        events=len(latencies) * (BATCH if job.work is Work.BATCH else 1),
        seconds=took,
        p50_ms=_at(latencies, 0.50) * 1000,
        p99_ms=_at(latencies, 0.99) * 1000,
        used={name: seconds - before[name] for name, seconds in after.items()},
        failures=dict(+line.failures),
        sample=line.sample,
    )


@dataclass(slots=True)
class _Line:
    """The connections, each with when its request was sent and what has come of the answer so far."""

    make: Make
    right: tuple[bytes, bytes, int]
    sockets: dict[int, socket.socket] = field(default_factory=dict)
    sent: dict[int, float] = field(default_factory=dict)
    partly: dict[int, bytes] = field(default_factory=dict)
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    failures: Counter[str] = field(default_factory=Counter)
    sample: str = ""
    made: int = 0
    poll: select.epoll = field(default_factory=select.epoll)

    def open(self, port: int, count: int) -> None:
        for _ in range(count):
            connection = connect(port)
            self.sockets[connection.fileno()] = connection
            self.poll.register(connection.fileno(), select.EPOLLIN)
        for connection in self.sockets.values():
            self.sent[connection.fileno()] = time.perf_counter()
            connection.sendall(self.make())

    def until(self, deadline: float) -> None:
        """Sends a request whenever an answer has come, and ends with the first answer after the deadline.

        From answer to answer, no part of a slow one is counted as time in which nothing was done.
        """
        self._turn(deadline, again=True)

    def finish(self) -> None:
        """Waits for the answers that are still on their way."""
        self._turn(math.inf, again=False)
        self.failures["no answer"] += len(self.sent)

    def close(self) -> None:
        self.poll.close()
        for connection in self.sockets.values():
            connection.close()

    def _turn(self, deadline: float, *, again: bool) -> None:
        clock, sockets, sent, partly = time.perf_counter, self.sockets, self.sent, self.partly
        latencies, make, waiting = self.latencies, self.make, self.poll.poll
        last = clock()
        while sent and last < deadline:
            ready = waiting(STALL_SECONDS)
            if not ready:
                break
            for fd, _ in ready:
                try:
                    data = sockets[fd].recv(_READ_BYTES)
                except OSError:
                    data = b""
                last = clock()
                if not data:
                    self._lost(fd)
                    continue
                if fd in partly:
                    data = partly.pop(fd) + data
                if not whole(data):
                    partly[fd] = data
                    continue
                latencies.append(last - sent[fd])
                self._check(data)
                if not again or self.made >= MOST_REQUESTS:
                    del sent[fd]
                    continue
                sent[fd] = last
                self.made += 1
                try:
                    sockets[fd].sendall(make())
                except OSError:
                    self._lost(fd)

    def _check(self, data: bytes) -> None:
        start, mark, times = self.right
        if not data.startswith(start) or (mark and data.count(mark) != times):
            self.failures[data[9:12].decode("latin-1")] += 1
            self.sample = self.sample or data[:600].decode("latin-1")

    def _lost(self, fd: int) -> None:
        self.failures["connection closed"] += 1
        self.poll.unregister(fd)
        del self.sent[fd]


def connect(port: int) -> socket.socket:
    """A blocking connection to a port of 127.0.0.1, on which nothing waits for ever."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=STALL_SECONDS)
    connection.settimeout(None)  # with a timeout, Python asks the kernel twice for every read
    limit = struct.pack("ll", int(STALL_SECONDS), 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return connection


def ask(connection: socket.socket, request: bytes) -> bytes:
    """Sends one request and waits for the whole answer."""
    connection.sendall(request)
    data = b""
    while not whole(data):
        more = connection.recv(_READ_BYTES)
        if not more:
            raise ConnectionError("the service closed the connection")
        data += more
    return data


def whole(data: bytes) -> bool:
    """Whether these bytes are a whole answer."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = data.find(b"content-length: ", 0, end)
    return at < 0 or len(data) >= end + 4 + int(data[at + 16 : data.index(b"\r", at)])


def _with_tags(job: Job) -> Said:
    """The same, about members whose ETags have been asked for."""
    some = Said(**{**asdict(job.said), "ids": job.said.ids[:MOST_TAGS]})
    tags = []
    with connect(job.port) as connection:
        for request in messages.balance_requests(some):
            answer = ask(connection, request)
            at = answer.find(b"etag: ")
            tags.append(answer[at + 6 : answer.index(b"\r", at)].decode() if at >= 0 else "")
    return Said(**{**asdict(some), "tags": tags})


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


if __name__ == "__main__":
    main()
