"""Kills, freezes and a restarted database: nothing lost or invented, everything in its order (webhooks W12).

The long form: `pytest -m slow tests/webhooks/test_proof.py`, or `python -m tests.webhooks.test_proof SECONDS`.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from base64 import b64decode
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app import localpg
from app.cli import opening
from app.domain import typeid
from tests import forked
from tests.builders import PLAIN, PROGRAM
from tests.ledger.processes import Serving, Till, environment, run, serving
from tests.webhooks import working
from tests.webhooks.receiver import Receiver, Request, genuine, receiving, reply

WRITERS = 4
EVENTS = 40
"""So many are recorded at least, however slow the machine."""
FAILING = 0.05
FROZEN_SECONDS = working.LEASE.total_seconds() + 1
DRAIN_SECONDS = 120.0
RESTART_SECONDS = 120.0
ENDPOINTS = {"none": None, "member": None, "strict": ["member.*"]}
"""By order, the types that are sent; the strict one gets few, for it takes its time."""


@dataclass
class Inbox:
    """What shops have accepted, in the order in which they did so the first time; some requests fail."""

    chance: random.Random
    accepted: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    differing: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def take(self, request: Request) -> bytes:
        self.requests.append(request)
        if self.chance.random() < FAILING:
            return reply(500)
        id, order = request.headers["webhook-id"], request.path.strip("/")
        if self.accepted[order].setdefault(id, request.body) != request.body:
            self.differing.append(id)
        return reply(200)


@dataclass
class Worker:
    """A worker's process, started again each time it is killed."""

    env: dict[str, str]
    folder: Path
    process: forked.Process | None = None

    def start(self) -> None:
        self.process = forked.Process(working.main, env=self.env, folder=self.folder)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    async def freeze(self, seconds: float) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable() as found:
        yield found


@contextmanager
def reachable() -> Iterator[Path]:
    """A folder that the account of an embedded server may enter."""
    found = Path(tempfile.mkdtemp(prefix="zegel-proof-", dir="/tmp"))
    found.chmod(0o711)
    try:
        yield found
    finally:
        ends = time.monotonic() + 20
        while any(found.glob("data/pg*/data/postmaster.pid")) and time.monotonic() < ends:
            time.sleep(0.05)
        shutil.rmtree(found, ignore_errors=True)


async def proven(folder: Path, *, seconds: float, seed: int, orders: dict[str, str] | None = None) -> dict[str, int]:
    """Load and trouble for so long, then peace, then the proof; what happened. `orders` plants other ones."""
    chance = random.Random(seed)
    inbox = Inbox(random.Random(seed))
    async with AsyncExitStack() as stack:
        server = stack.enter_context(localpg.open_server(folder / "data"))
        shop = await stack.enter_async_context(receiving(inbox.take))
        shop.secrets = ()  # they are made by the service: verified below
        env = {
            **environment(None, folder=folder),
            "ZEGEL_WEBHOOK_ALLOW_HTTP": "true",
            "ZEGEL_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        }
        (folder / "program.yaml").write_text(PLAIN)
        await asyncio.to_thread(run, "program", "publish", "program.yaml", "--program", PROGRAM, env=env, folder=folder)
        made = ("keys", "create", "--program", PROGRAM, "--shop", "till")
        key = await asyncio.to_thread(run, *made, env=env, folder=folder)
        service = stack.enter_context(serving(env, folder=folder, options=("--no-worker",)))
        await service.ready()
        secrets = await subscribe(service, key, shop, orders or {})
        address = {"DATABASE_URL": server.url(opening.DATABASE, user=opening.SERVICE)}
        secret = (folder / "data" / "secret").read_text().strip()
        workers = [Worker({**os.environ, **address, "ZEGEL_SECRET": secret}, folder) for _ in range(2)]
        for worker in workers:
            worker.start()
            stack.callback(worker.kill)

        tills = [Till(number, random.Random(seed + number)) for number in range(WRITERS)]
        async with writing(tills, service, key):
            done = await trouble(service, workers, folder, seconds=seconds, chance=chance)
            await enough(tills)
        owner = await asyncpg.connect(server.url(opening.DATABASE, user=localpg.SUPERUSER))
        await drained(owner)
        done["messages"] = await assert_delivered(owner, inbox)
        await owner.close()
        for request in inbox.requests:
            assert genuine(request, (b64decode(secrets[request.path.strip("/")].removeprefix("whsec_")),))
    return done


async def subscribe(service: Serving, key: str, shop: Receiver, orders: dict[str, str]) -> dict[str, str]:
    """An endpoint of each order; their secrets."""
    secrets = {}
    async with httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {key}"}) as client:
        for order, types in ENDPOINTS.items():
            url = f"http://127.0.0.1:{shop.port}/{order}"
            body = {"url": url, "types": types, "order": orders.get(order, order)}
            answer = await client.post("/v1/webhook-endpoints", json=body, headers={"Idempotency-Key": order})
            assert answer.status_code == 201, answer.text
            secrets[order] = answer.json()["secret"]
    return secrets


@asynccontextmanager
async def writing(tills: list[Till], service: Serving, key: str) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    work = [asyncio.create_task(till.work(service.url, key, stopping)) for till in tills]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*work)


async def trouble(
    service: Serving, workers: list[Worker], folder: Path, *, seconds: float, chance: random.Random
) -> dict[str, int]:
    """Each kind of trouble in turn, and then at random, until the time is over."""
    kinds = ["worker", "frozen", "service", "worker", "database"]
    done, ends = dict.fromkeys(kinds, 0), time.monotonic() + seconds
    while kinds or time.monotonic() < ends:
        await asyncio.sleep(chance.uniform(0.2, 1.0))
        kind = kinds.pop(0) if kinds else chance.choice([*done, "worker", "service"])
        done[kind] += 1
        if kind == "frozen":
            await chance.choice(workers).freeze(FROZEN_SECONDS)
        elif kind == "worker":
            victim = chance.choice(workers)
            victim.kill()
            victim.start()
        elif kind == "service":
            service.kill()
            service.start()
            await service.ready()
        else:
            await restarted(folder)
            await service.ready()
    return done


async def enough(tills: list[Till]) -> None:
    """Waits until so much was recorded that there is something to prove."""
    async with asyncio.timeout(DRAIN_SECONDS):
        while sum(len(till.acknowledged) for till in tills) < EVENTS:
            await asyncio.sleep(0.1)


async def restarted(folder: Path) -> None:
    """The database ends as if its machine had, and comes back."""
    (pid_file,) = (folder / "data").glob("pg*/data/postmaster.pid")
    first = int(pid_file.read_text().split()[0])
    with suppress(ProcessLookupError):
        os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(RESTART_SECONDS):
        while not await back(folder, but=first):
            await asyncio.sleep(0.1)


async def back(folder: Path, *, but: int) -> bool:
    """Whether another server than the one that was killed answers; opening it brings one up."""
    try:
        with await asyncio.to_thread(localpg.open_server, folder / "data") as server:
            connection = await asyncpg.connect(server.url("postgres", user=localpg.SUPERUSER), timeout=2)
            await connection.close()
    except (OSError, asyncpg.PostgresError, localpg.LocalPgError, TimeoutError):
        return False
    return all(int(file.read_text().split()[0]) != but for file in (folder / "data").glob("pg*/data/postmaster.pid"))


async def drained(owner: asyncpg.Connection) -> None:
    async with asyncio.timeout(DRAIN_SECONDS):
        while left := await owner.fetchval("SELECT count(*) FROM pending_delivery"):
            await asyncio.sleep(0.1)
    assert left == 0


async def assert_delivered(owner: asyncpg.Connection, inbox: Inbox) -> int:
    """What was accepted is what was committed: each message at every endpoint that takes it, in the order it asks."""
    rows = await owner.fetch("SELECT message_id, member_id, number, type, body, created_at FROM message")
    known = {typeid.encode(typeid.MESSAGE, row["message_id"].bytes): row for row in rows}
    enrolments = {id for id, row in known.items() if row["type"].startswith("member.")}
    wanted = {order: enrolments if types else set(known) for order, types in ENDPOINTS.items()}
    lost = {order: ids - set(inbox.accepted[order]) for order, ids in wanted.items()}
    phantoms = {id for accepted in inbox.accepted.values() for id in accepted} - set(known)

    assert lost == {order: set() for order in ENDPOINTS}
    assert phantoms == set()
    assert inbox.differing == []
    assert all(body == known[id]["body"] for got in inbox.accepted.values() for id, body in got.items())
    numbers: dict[Any, list[int]] = defaultdict(list)
    for body in inbox.accepted["member"].values():
        data = json.loads(body)["data"]
        numbers[data["member"]].append(data["sequence"])
    assert {member: got for member, got in numbers.items() if got != sorted(got)} == {}
    times = [known[id]["created_at"] for id in inbox.accepted["strict"]]
    assert times == sorted(times)
    return len(known)


@pytest.mark.timeout(600)
async def test_kills_freezes_and_a_restart_lose_nothing_and_keep_the_order(folder: Path) -> None:
    done = await proven(folder, seconds=10, seed=7)

    assert min(done.values()) >= 1
    assert done["messages"] >= EVENTS


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_minutes_of_kills_lose_nothing_and_keep_the_order(folder: Path) -> None:
    done = await proven(folder, seconds=120, seed=int.from_bytes(os.urandom(4)))

    assert sum(done.values()) >= 40


if __name__ == "__main__":
    with reachable() as where:
        wanted = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
        print(asyncio.run(proven(where, seconds=wanted, seed=int.from_bytes(os.urandom(4)))))
