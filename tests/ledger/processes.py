"""`zegel serve` as a process of its own, and writers over real HTTP that never give up."""

import asyncio
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from app.cli import main
from app.main import ROOT
from app.settings import Settings
from tests import forked

READY_SECONDS = 90.0


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(settings: Settings | None, *, folder: Path) -> dict[str, str]:
    """The process's environment: this database, or the embedded one in a folder."""
    said = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "ZEGEL_LOG_LEVEL": "error",
    }
    if settings is None:
        return said | {"ZEGEL_DATA": str(folder / "data")}
    assert settings.database_url is not None
    assert settings.secret is not None
    return said | {"DATABASE_URL": settings.database_url, "ZEGEL_SECRET": settings.secret}


def run(*arguments: str, env: dict[str, str], folder: Path) -> str:
    """One `zegel` command; what it printed."""
    done = forked.Process(main, *arguments, env=env, folder=folder)
    assert done.wait() == 0, done.err
    return done.out.strip()


class Serving:
    """One `zegel serve` after another, on the same port."""

    def __init__(self, env: dict[str, str], *, folder: Path, options: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self._env = env
        self._folder = folder
        self._options = options
        self._process: forked.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it; `ready` waits until it answers."""
        arguments = ("serve", "--port", str(self.port), *self._options)
        log = self._folder / "serve.log"
        self._process = forked.Process(main, *arguments, env=self._env, folder=self._folder, log=log)

    async def ready(self) -> None:
        """Waits until it takes requests."""
        assert self._process is not None
        ends = time.monotonic() + READY_SECONDS
        async with httpx.AsyncClient(base_url=self.url) as client:
            while True:
                with suppress(httpx.TransportError):
                    if (await client.get("/health/ready")).status_code == 200:
                        return
                assert self._process.code is None, self._process.err[-2_000:]
                assert time.monotonic() < ends, "not ready in time"
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """kill -9, and wait for its end."""
        assert self._process is not None
        self._process.kill()

    def terminate(self) -> None:
        """Asks it to end."""
        assert self._process is not None
        self._process.terminate()

    async def ended(self, *, within: float) -> int:
        """The exit code, if it ends in time."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, within)


@contextmanager
def serving(env: dict[str, str], *, folder: Path, options: tuple[str, ...] = ()) -> Iterator[Serving]:
    """A service that is gone at the end, whatever happened."""
    one = Serving(env, folder=folder, options=options)
    one.start()
    try:
        yield one
    finally:
        one.kill()


@dataclass
class Till:
    """A writer: sends one event after another, each until it is acknowledged or refused by a rule."""

    number: int
    chance: random.Random
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    interrupted: int = 0

    async def work(self, url: str, key: str, stopping: asyncio.Event) -> None:
        """Until it is told to stop; what was under way then stays unanswered."""
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
            while not stopping.is_set():
                body = self._next()
                self.sent[body["id"]] = body
                while not stopping.is_set():
                    try:
                        if self._understood(body, await client.post("/v1/events", json=body)):
                            break
                    except httpx.TransportError:
                        self.interrupted += 1
                    await asyncio.sleep(0.03)

    def _understood(self, body: dict[str, Any], answer: httpx.Response) -> bool:
        if answer.status_code in (200, 201):
            self.acknowledged[body["id"]] = answer.json()["id"]
            return True
        if answer.status_code == 409:
            assert answer.json()["code"] == "insufficient_points", answer.text
            return True
        assert answer.status_code == 503, answer.text
        return False

    def _next(self) -> dict[str, Any]:
        id = f"till{self.number}-{len(self.sent)}"
        member = {"identity": f"card:{self.chance.randrange(12)}", "enrol": True}
        common = {"id": id, "member": member, "occurred_at": datetime.now(UTC).isoformat()}
        if self.chance.random() < 0.3:
            return {**common, "type": "redemption", "points": self.chance.randrange(1, 8)}
        return {**common, "type": "purchase", "currency": "EUR", "total": f"{self.chance.randrange(1, 20)}.00"}


async def look_up(url: str, key: str, tills: list[Till]) -> None:
    """Every acknowledged event is there, once, under the id that was told."""
    headers = {"Authorization": f"Bearer {key}"}
    few = asyncio.Semaphore(16)

    async def assert_there(client: httpx.AsyncClient, id: str, event: str) -> None:
        async with few:
            found = (await client.get("/v1/events", params={"source": "till", "id": id})).json()["events"]
        assert [one["id"] for one in found] == [event], f"{id} was acknowledged"

    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
        told = [pair for till in tills for pair in till.acknowledged.items()]
        await asyncio.gather(*[assert_there(client, id, event) for id, event in told])
