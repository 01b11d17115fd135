"""Replays through kills: every message pending exactly once, however often the job is cut off or done side by side."""

import asyncio
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from app.db import replays as db
from app.db.replays import Replay, Which
from app.db.statements import Statement
from app.db.transactions import DatabaseError, Engine
from app.operations import feeds, replays
from app.operations.resending import Asked, KeptAnswer
from app.queries import deliveries
from app.settings import Settings
from tests import forked
from tests.builders import START
from tests.db.plans import plan
from tests.webhooks import replayer, rows
from tests.webhooks.rows import new_id

MESSAGES = 2_000
MOVED_SECONDS = 30.0


async def make_feed(engine: Engine, owner: asyncpg.Connection, *, count: int = MESSAGES) -> tuple[bytes, bytes]:
    """A program with an endpoint, and messages that it never got; every tenth it did."""
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/", state="disabled")
    ids = rows.uuids(await rows.make_messages(engine, program, [], count=count))
    await owner.execute(
        "INSERT INTO unsequenced VALUES ($1, clock_timestamp(), $2, $3)", UUID(bytes=program), ids[0], ids
    )
    await owner.execute(
        "INSERT INTO delivery SELECT $1, $2, id, 'delivered', 1, now() FROM unnest($3::uuid[]) AS id",
        UUID(bytes=program),
        UUID(bytes=endpoint),
        ids[::10],
    )
    await feeds.sequence(engine, now=START)
    return program, endpoint


async def make_job(engine: Engine, program: bytes, endpoint: bytes, which: Which = Which.MISSING) -> Replay:
    """A job over the whole feed."""
    since, now = START - timedelta(days=1), START + timedelta(days=1)
    job = await replays.planned(
        engine, new_id(), program_id=program, endpoint_id=endpoint, which=which, since=since, until=None, now=now
    )
    asked = Asked(program, new_id(), "test", "k", b"")
    await replays.ask(engine, job, asked, answer=KeptAnswer(b"", 201, None, b"{}"), audit_id=new_id())
    return job


@contextmanager
def replayers(settings: Settings, folder: Path, *, count: int = 2) -> Iterator[None]:
    """The worker's loop in processes of their own, which are killed in the end."""
    assert settings.database_url is not None
    working = [
        forked.Process(replayer.main, settings.database_url, env=os.environ, folder=folder) for _ in range(count)
    ]
    try:
        for one in working:
            one.printed("ready")
        yield
    finally:
        for one in working:
            one.kill()


async def moved(owner: asyncpg.Connection) -> None:
    """Waits until the job has come further than it is now, or is done."""
    now = await owner.fetchrow("SELECT state, position FROM replay")
    async with asyncio.timeout(MOVED_SECONDS):
        while now["state"] == "running" and await owner.fetchrow("SELECT state, position FROM replay") == now:
            await asyncio.sleep(0.01)


async def assert_done(owner: asyncpg.Connection, *, count: int = MESSAGES) -> None:
    """The job is done, and what it was to send is pending once, and nothing else."""
    messages = count - count // 10
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == messages
    job = await owner.fetchrow("SELECT * FROM replay")
    assert (job["state"], job["position"], job["queued"]) == ("done", count, messages)
    both = "SELECT count(*) FROM pending_delivery JOIN delivery USING (program_id, endpoint_id, message_id)"
    assert await owner.fetchval(both) == 0


async def test_a_worker_killed_again_and_again_sends_every_message_once(
    settings: Settings, engine: Engine, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    program, endpoint = await make_feed(engine, owner, count=1_000)
    await make_job(engine, program, endpoint)
    chance, ends_at, kills = random.Random(11), time.monotonic() + 90, 0

    while await owner.fetchval("SELECT state FROM replay") == "running":
        assert time.monotonic() < ends_at
        with replayers(settings, tmp_path):
            if chance.random() < 0.8:  # else killed while it begins
                await moved(owner)
            await asyncio.sleep(chance.random() / 4)
        kills += 2

    assert kills >= 2
    await assert_done(owner, count=1_000)


async def test_a_page_whose_connection_breaks_is_done_again_or_was_done(
    engine: Engine, owner: asyncpg.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backends of the service are ended while it works: a page is there wholly or not at all."""
    monkeypatch.setattr(replays, "PAGE", 5)
    monkeypatch.setattr(replays, "BACKLOG", 1_000_000)
    program, endpoint = await make_feed(engine, owner, count=600)
    await make_job(engine, program, endpoint)
    broken = 0
    state = await asyncpg.connect(settings.migration_database_url)

    async def saboteur() -> None:
        chance = random.Random(3)
        kill = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename <> current_user"
        )
        for _ in range(30):  # and then no more, or a busy machine would never come to an end
            await asyncio.sleep(chance.random() / 10)
            await owner.execute(kill)

    cutting = asyncio.create_task(saboteur())
    while await state.fetchval("SELECT state FROM replay") == "running":
        try:
            await replays.work(engine, now=START)
        except DatabaseError:
            broken += 1
    await cutting
    await state.close()

    assert broken >= 1
    await assert_done(owner, count=600)


async def test_workers_side_by_side_share_a_job(
    engine: Engine, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "PAGE", 20)
    monkeypatch.setattr(replays, "BACKLOG", 1_000_000)
    program, endpoint = await make_feed(engine, owner)
    await make_job(engine, program, endpoint)

    async def worker() -> None:
        while await owner_state() == "running":
            await replays.work(engine, now=START)

    lock = asyncio.Lock()

    async def owner_state() -> str:
        async with lock:
            return str(await owner.fetchval("SELECT state FROM replay"))

    await asyncio.gather(*[worker() for _ in range(3)])

    await assert_done(owner)


@pytest.mark.new_copy
async def test_a_page_never_walks_the_backlog(engine: Engine, owner: asyncpg.Connection) -> None:
    program, endpoint = await make_feed(engine, owner)
    job = await make_job(engine, program, endpoint)

    for which in Which:
        _, query = db.chosen(replace(job, which=which), program_id=program, upto=500)
        shown = await plan(owner, Statement(query))

        assert "feed_pkey" in shown
        assert "message_pkey" in shown
        assert "Seq Scan on pending_delivery" not in shown
        assert "Seq Scan on delivery" not in shown
        assert "Seq Scan on message" not in shown
        assert "Hash" not in shown


@pytest.mark.new_copy
async def test_a_page_of_deliveries_walks_the_keys(engine: Engine, owner: asyncpg.Connection) -> None:
    program, endpoint = await make_feed(engine, owner)

    query = deliveries.examining(
        program_id=program, endpoint_id=endpoint, message_id=None, before=new_id(), most=deliveries.EXAMINED
    )
    shown = await plan(owner, Statement(query))

    assert {"delivery_pkey", "pending_delivery_pkey", "message_pkey"} <= set(re.findall(r"\w+_pkey", shown))
    assert "Seq Scan" not in shown
