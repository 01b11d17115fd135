"""kill -9 at any moment, under eight writers: nothing acknowledged is lost, doubled or half done."""

import asyncio
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from app import localpg
from app.cli import opening
from app.settings import Settings
from tests.builders import PLAIN, PROGRAM, Clock, key_for, publish
from tests.database import assert_whole
from tests.ledger.processes import Serving, Till, environment, look_up, run, serving

WRITERS = 8
ACKNOWLEDGED = 50
"""So much is acknowledged at least, before it is looked up."""
PEACE_SECONDS = 60.0


def an_hour_ago() -> Clock:
    """Rules must be in force before the first sale."""
    return Clock(datetime.now(UTC) - timedelta(hours=1))


async def kill_now_and_then(service: Serving, *, until: float, chance: random.Random) -> int:
    """Kills and restarts the service, also while it starts; how often."""
    kills = 0
    while time.monotonic() < until:
        if chance.random() < 0.8:
            await service.ready()
        await asyncio.sleep(chance.uniform(0.1, 1.5))
        service.kill()
        service.start()
        kills += 1
    await service.ready()
    return kills


async def kill_under_load(service: Serving, key: str, *, seconds: float, seed: int) -> tuple[int, list[Till]]:
    """Writers at work while the service is killed again and again, then a last moment of peace."""
    chance = random.Random(seed)
    tills = [Till(number, random.Random(seed + number)) for number in range(WRITERS)]
    stopping = asyncio.Event()
    work = [asyncio.create_task(till.work(service.url, key, stopping)) for till in tills]
    try:
        kills = await kill_now_and_then(service, until=time.monotonic() + seconds, chance=chance)
        await enough(tills)
    finally:
        stopping.set()
        await asyncio.gather(*work)
    return kills, tills


async def enough(tills: list[Till]) -> None:
    """Waits until so much was acknowledged that there is something to lose, however slow the machine."""
    async with asyncio.timeout(PEACE_SECONDS):
        while sum(len(till.acknowledged) for till in tills) < ACKNOWLEDGED:
            await asyncio.sleep(0.1)


async def assert_kept(owner: asyncpg.Connection, tills: list[Till]) -> None:
    """What is stored is what was acknowledged, and at most what was sent; and it is whole."""
    rows = await owner.fetch("SELECT key, count(*) AS times FROM event WHERE source = 'till' GROUP BY key")
    stored = {row["key"]: row["times"] for row in rows}
    acknowledged = {id for till in tills for id in till.acknowledged}
    sent = {id for till in tills for id in till.sent}

    assert acknowledged <= set(stored) <= sent
    assert set(stored.values()) == {1}
    assert await assert_whole(owner) >= len(stored)


async def kept_through_kills(settings: Settings, owner: asyncpg.Connection, folder: Path, *, seconds: float) -> int:
    await publish(settings, clock=an_hour_ago())
    key = await key_for(settings)

    with serving(environment(settings, folder=folder), folder=folder) as service:
        await service.ready()
        kills, tills = await kill_under_load(service, key, seconds=seconds, seed=5)
        await look_up(service.url, key, tills)

    assert sum(len(till.acknowledged) for till in tills) >= ACKNOWLEDGED
    assert sum(till.interrupted for till in tills) >= kills
    await assert_kept(owner, tills)
    return kills


async def test_a_killed_service_loses_and_doubles_nothing(
    settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    assert await kept_through_kills(settings, owner, tmp_path, seconds=8) >= 2


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_service_killed_for_a_minute_loses_and_doubles_nothing(
    settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    assert await kept_through_kills(settings, owner, tmp_path, seconds=60) >= 5


async def test_a_service_told_to_stop_keeps_what_it_acknowledged_and_ends_in_peace(
    settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await publish(settings, clock=an_hour_ago())
    key = await key_for(settings)
    tills = [Till(number, random.Random(number)) for number in range(WRITERS)]
    stopping = asyncio.Event()

    with serving(environment(settings, folder=tmp_path), folder=tmp_path) as service:
        await service.ready()
        work = [asyncio.create_task(till.work(service.url, key, stopping)) for till in tills]
        while sum(len(till.acknowledged) for till in tills) < 40:
            await asyncio.sleep(0.05)
        began = time.monotonic()
        service.terminate()
        code = await service.ended(within=12)
        took = time.monotonic() - began
        stopping.set()
        await asyncio.gather(*work)

    await assert_kept(owner, tills)
    assert took < 10
    assert code == 0


async def test_who_waits_for_messages_does_not_hold_up_the_end(settings: Settings, tmp_path: Path) -> None:
    await publish(settings, clock=an_hour_ago())
    headers = {"Authorization": f"Bearer {await key_for(settings)}"}

    with serving(environment(settings, folder=tmp_path), folder=tmp_path) as service:
        await service.ready()
        async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=40) as client:
            waiting = asyncio.create_task(client.get("/v1/feed", params={"wait": 30}))
            await asyncio.sleep(1)
            began = time.monotonic()
            service.terminate()
            answer = await waiting
            code = await service.ended(within=12)
            took = time.monotonic() - began

    assert (answer.status_code, answer.json()["messages"], code) == (200, [], 0)
    assert took < 8


async def test_a_request_in_flight_is_answered_before_the_end(
    settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await publish(settings, clock=an_hour_ago())
    key = await key_for(settings)
    till = Till(0, random.Random(1))
    body = {**till._next(), "type": "purchase", "currency": "EUR", "total": "5.00"}
    body.pop("points", None)
    later = {**body, "id": "later"}

    with serving(environment(settings, folder=tmp_path), folder=tmp_path, options=("--no-worker",)) as service:
        await service.ready()
        async with httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {key}"}) as client:
            await client.post("/v1/events", json=body)
            async with owner.transaction():
                await owner.execute("SELECT 1 FROM member FOR UPDATE")
                flying = asyncio.create_task(client.post("/v1/events", json=later, timeout=20))
                await asyncio.sleep(0.3)
                service.terminate()
                await asyncio.sleep(0.5)
                assert not flying.done()
            answer = await flying
        code = await service.ended(within=10)

    assert answer.status_code == 201
    assert await owner.fetchval("SELECT count(*) FROM event WHERE key = 'later'") == 1
    assert code == 0


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that the account of an embedded server may enter."""
    folder = Path(tempfile.mkdtemp(prefix="zegel-kills-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    ends = time.monotonic() + 20
    while any(folder.glob("data/pg*/data/postmaster.pid")) and time.monotonic() < ends:
        time.sleep(0.05)  # its keeper stops it after its last user
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_kills_of_service_backends_and_the_database_lose_and_double_nothing(reachable: Path) -> None:
    env = environment(None, folder=reachable)
    (reachable / "program.yaml").write_text(PLAIN)
    tills = [Till(number, random.Random(number)) for number in range(WRITERS)]
    stopping = asyncio.Event()
    with localpg.open_server(reachable / "data") as server:
        run("program", "publish", "program.yaml", "--program", PROGRAM, env=env, folder=reachable)
        key = run("keys", "create", "--program", PROGRAM, "--shop", "till", env=env, folder=reachable)
        owner_url = server.url(opening.DATABASE, user=localpg.SUPERUSER)
        with serving(env, folder=reachable) as service:
            await service.ready()
            work = [asyncio.create_task(till.work(service.url, key, stopping)) for till in tills]
            await _kill_anything(service, owner_url, reachable, times=25, chance=random.Random(3))
            stopping.set()
            await asyncio.gather(*work)
            await look_up(service.url, key, tills)
        owner = await asyncpg.connect(owner_url)
        await assert_kept(owner, tills)
        await owner.close()


async def _kill_anything(service: Serving, owner_url: str, folder: Path, *, times: int, chance: random.Random) -> None:
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.2, 2.0))
        victim = chance.choice(["service", "backend", "database"])
        if victim == "backend":
            await _kill_a_backend(owner_url)
            await service.ready()
            continue
        if victim == "database":
            (pid_file,) = (folder / "data").glob("pg*/data/postmaster.pid")
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        service.kill()
        service.start()
        await service.ready()


async def _kill_a_backend(url: str) -> None:
    connection = await asyncpg.connect(url)
    pid = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'zegel' AND backend_type = 'client backend' LIMIT 1"
    )
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    connection.terminate()
