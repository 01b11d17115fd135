"""The feed under concurrency: writers commit out of order, sequencers run side by side, a reader misses nothing."""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.statements import Statement
from app.operations import feeds
from app.queries import feeds as queries
from app.settings import Settings
from tests.builders import START, Clock, open_service, publish
from tests.db.plans import plan
from tests.webhooks import rows

WRITERS, BATCHES = 6, 12


@pytest.fixture
async def program(engine: AsyncEngine) -> bytes:
    return await rows.make_program(engine)


async def write(connection: asyncpg.Connection, program: bytes, *, count: int) -> list[bytes]:
    """Messages with the row that leaves them to be sequenced, as a batch writes them."""
    ids = [rows.new_id() for _ in range(count)]
    uuids = rows.uuids(ids)
    insert = (
        "INSERT INTO message (program_id, message_id, type, body, created_at)"
        " SELECT $1, id, 'points.earned', '{}', $3 FROM unnest($2::uuid[]) AS id"
    )
    await connection.execute(insert, UUID(bytes=program), uuids, START)
    await leave(connection, program, uuids)
    return ids


async def leave(connection: asyncpg.Connection, program: bytes, uuids: list[UUID]) -> None:
    """The row alone."""
    row = "INSERT INTO unsequenced VALUES ($1, clock_timestamp(), $2, $3)"
    await connection.execute(row, UUID(bytes=program), uuids[0], uuids)


async def test_a_reader_gets_every_message_once_however_late_its_writer_commits(
    settings: Settings, engine: AsyncEngine, program: bytes
) -> None:
    """Writers hold their transactions open for random times, so that later rows are committed before earlier ones."""
    chance = random.Random(7)
    written: list[bytes] = []
    done = asyncio.Event()

    async def writer(pauses: list[float]) -> None:
        connection = await asyncpg.connect(settings.database_url)
        try:
            for pause in pauses:
                async with connection.transaction():
                    ids = await write(connection, program, count=chance.randint(1, 5))
                    await asyncio.sleep(pause)
                written.extend(ids)
        finally:
            await connection.close()

    async def sequencer() -> None:
        while not done.is_set():
            await feeds.sequence(engine, now=START)
            await asyncio.sleep(chance.random() / 100)

    async def reader(seen: list[tuple[int, bytes]]) -> None:
        after, ended = 0, False
        while True:
            page = await queries.page(engine, program_id=program, source=None, after=after, limit=7)
            seen += [(one.position, one.id) for one in page.messages]
            after = page.after
            if not page.messages:
                if ended:
                    return
                ended = done.is_set()
                await asyncio.sleep(0.001)

    seen: list[tuple[int, bytes]] = []
    pauses = [[chance.random() / 20 for _ in range(BATCHES)] for _ in range(WRITERS)]
    helpers = [asyncio.create_task(sequencer()) for _ in range(3)]
    reading = asyncio.create_task(reader(seen))
    await asyncio.gather(*[writer(mine) for mine in pauses])
    await feeds.sequence(engine, now=START)
    done.set()
    await asyncio.gather(*helpers, reading)

    assert [position for position, _ in seen] == list(range(1, len(written) + 1))
    assert sorted(id for _, id in seen) == sorted(written)


async def test_what_is_committed_after_others_were_sequenced_gets_a_later_position(
    settings: Settings, engine: AsyncEngine, program: bytes
) -> None:
    slow, quick = [await asyncpg.connect(settings.database_url) for _ in range(2)]
    held = slow.transaction()
    await held.start()
    (late,) = await write(slow, program, count=1)
    (early,) = await write(quick, program, count=1)
    assert await feeds.sequence(engine, now=START) == 1
    first = await queries.page(engine, program_id=program, source=None, after=0, limit=10)

    await held.commit()
    assert await feeds.sequence(engine, now=START) == 1
    then = await queries.page(engine, program_id=program, source=None, after=first.after, limit=10)

    assert [one.id for one in first.messages] == [early]
    assert [(one.position, one.id) for one in then.messages] == [(2, late)]
    await slow.close()
    await quick.close()


async def test_a_batch_that_is_rolled_back_leaves_nothing(
    settings: Settings, engine: AsyncEngine, program: bytes
) -> None:
    connection = await asyncpg.connect(settings.database_url)
    held = connection.transaction()
    await held.start()
    await write(connection, program, count=3)
    await held.rollback()
    await connection.close()

    assert await feeds.sequence(engine, now=START) == 0


async def test_a_sequencer_that_dies_in_the_middle_leaves_all_to_the_next(
    settings: Settings, engine: AsyncEngine, owner: asyncpg.Connection, program: bytes
) -> None:
    await write(owner, program, count=4)
    dying = await asyncpg.connect(settings.database_url)
    await dying.execute("BEGIN")
    await dying.execute("INSERT INTO feed_head VALUES ($1, 0, 0, now())", UUID(bytes=program))
    await dying.execute("DELETE FROM unsequenced")
    waiting = asyncio.create_task(feeds.sequence(engine, now=START))
    await asyncio.sleep(0.2)
    assert not waiting.done(), "one goes after another"

    dying.terminate()

    assert await waiting == 4


async def test_times_of_the_feed_never_go_back(engine: AsyncEngine, owner: asyncpg.Connection, program: bytes) -> None:
    """Replays look for an instant by halving."""
    for hours in (2, 0, 1, 3):
        await write(owner, program, count=2)
        await feeds.sequence(engine, now=START + timedelta(hours=hours))

    times = [row["sequenced_at"] for row in await owner.fetch("SELECT sequenced_at FROM feed ORDER BY position")]

    assert times == sorted(times)
    assert times[-1] == START + timedelta(hours=3)


async def test_programs_have_their_own_positions(
    engine: AsyncEngine, owner: asyncpg.Connection, program: bytes
) -> None:
    other = await rows.make_program(engine)
    await write(owner, program, count=2)
    await write(owner, other, count=3)

    await feeds.sequence(engine, now=START)

    found = await owner.fetch("SELECT program_id, min(position), max(position) FROM feed GROUP BY 1")
    assert {row["program_id"].bytes: (row["min"], row["max"]) for row in found} == {program: (1, 2), other: (1, 3)}


async def test_a_backlog_is_sequenced_in_pages(
    engine: AsyncEngine, owner: asyncpg.Connection, program: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "ROWS_AT_ONCE", 3)
    ids = [await write(owner, program, count=2) for _ in range(10)]

    assert await feeds.sequence_program(engine, program_id=program, now=START) == 20

    found = await owner.fetch("SELECT message_id FROM feed ORDER BY position")
    assert [row["message_id"].bytes for row in found] == [id for batch in ids for id in batch]


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.new_copy
async def test_a_page_looks_its_messages_up_one_by_one(
    engine: AsyncEngine, owner: asyncpg.Connection, program: bytes, analyzed: bool
) -> None:
    for _ in range(20):
        await write(owner, program, count=500)
    await feeds.sequence(engine, now=START)
    if analyzed:
        await owner.execute("ANALYZE message; ANALYZE feed")

    query = queries.following(program_id=program, source="till", after=9_000, limit=50)
    shown = await plan(owner, Statement(query))

    assert "feed_pkey" in shown
    assert "message_pkey" in shown
    assert "Seq Scan" not in shown


async def test_two_services_write_and_every_member_reads_in_order(settings: Settings, engine: AsyncEngine) -> None:
    """Members of one program are written by two processes' ledgers in turn, one of whose clocks is behind."""
    await publish(settings, clock=Clock())
    clocks = (Clock(), Clock(START - timedelta(minutes=3)))
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(open_service(settings, clock=clock)) for clock in clocks]
        stopping = asyncio.Event()

        async def sequencer() -> None:
            while not stopping.is_set():
                await feeds.sequence(engine, now=START)
                await asyncio.sleep(0)

        helpers = [asyncio.create_task(sequencer()) for _ in range(2)]
        await asyncio.gather(
            *[services[(n + m) % 2].buy("10.00", card=str(m), id=f"p{m}-{n}") for n in range(12) for m in range(5)]
        )
        stopping.set()
        await asyncio.gather(*helpers)
        await feeds.sequence(engine, now=START)
        found = []
        page = (await services[0].client.get("/v1/feed", params={"limit": 200})).json()
        found += page["messages"]
        assert not page["more"]

    told: dict[str, list[int]] = {}
    for one in found:
        told.setdefault(one["message"]["data"]["member"], []).append(one["message"]["data"]["sequence"])
    assert len(told) == 5
    assert all(numbers == list(range(1, 14)) for numbers in told.values()), told
