"""Messages and attempts that have had their time are removed, and the books still prove (semantics L15)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from app.cli import verify
from app.db import transactions
from app.db.tables import APPEND_ONLY, REMOVABLE, metadata
from app.db.transactions import Engine
from app.operations import retaining
from app.operations.retaining import Kept
from app.settings import Settings
from app.worker import retaining as worker
from tests.builders import START, Clock, Service
from tests.database import count
from tests.db import catalog
from tests.webhooks import rows

KEPT = Kept()
DAY = timedelta(days=1)


@pytest.fixture
async def janitor(settings: Settings, anyio_backend: str) -> AsyncIterator[Engine]:
    engine = transactions.create_engine(settings.janitor_database_url or "", pool_size=1)
    yield engine
    await engine.dispose()


async def program_of(owner: asyncpg.Connection) -> bytes:
    return bytes((await owner.fetchval("SELECT program_id FROM program")).bytes)


async def sweep(engine: Engine, janitor: Engine, program: bytes, clock: Clock) -> list[int]:
    """Pages, until nothing is left to remove."""
    removed: list[int] = []
    while not removed or removed[-1]:
        removed.append(await retaining.page(engine, janitor, KEPT, program_id=program, now=clock.now))
    return removed


async def aged(owner: asyncpg.Connection, table: str, column: str, age: timedelta) -> None:
    await owner.execute(f"UPDATE {table} SET {column} = $1", START - age)


@pytest.mark.parametrize(("days", "left"), [(89, 3), (91, 0)])
async def test_messages_go_after_ninety_days(
    engine: Engine, janitor: Engine, owner: asyncpg.Connection, clock: Clock, days: int, left: int
) -> None:
    program = await rows.make_program(engine)
    await rows.make_messages(engine, program, [], count=3)
    clock.forward(days=days)

    await sweep(engine, janitor, program, clock)

    assert await count(owner, "message") == left


async def test_attempts_go_after_thirty_days_and_ended_deliveries_with_messages(
    engine: Engine, janitor: Engine, owner: asyncpg.Connection, clock: Clock
) -> None:
    program = await rows.make_program(engine)
    ids = "SELECT $1, gen_random_uuid(), gen_random_uuid()"
    for days in (29, 31, 89, 91):
        at = START - days * DAY
        await owner.execute(
            f"INSERT INTO attempt {ids}, gen_random_uuid(), 1, $2, 1, 200, 'delivered', NULL, ''",
            rows.uuids([program])[0],
            at,
        )
        await owner.execute(f"INSERT INTO delivery {ids}, 'delivered', 1, $2", rows.uuids([program])[0], at)

    await sweep(engine, janitor, program, clock)

    assert await count(owner, "attempt") == 1
    assert await count(owner, "delivery") == 3


async def test_what_was_held_for_so_long_is_given_up_but_for_what_is_being_sent(
    engine: Engine, janitor: Engine, owner: asyncpg.Connection, clock: Clock
) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/", state="paused")
    waiting, sending = await rows.make_messages(engine, program, [endpoint], count=2)
    clock.forward(days=91)
    await owner.execute(
        "UPDATE pending_delivery SET lease = gen_random_uuid(), due_at = $1 WHERE message_id = $2",
        clock.now + timedelta(seconds=60),
        rows.uuids([sending])[0],
    )

    first = await retaining.page(engine, janitor, KEPT, program_id=program, now=clock.now)
    left = await owner.fetchval("SELECT message_id FROM message")
    clock.forward(minutes=2)
    await sweep(engine, janitor, program, clock)

    assert (first, left.bytes) == (1, sending)
    assert await count(owner, "message") == await count(owner, "pending_delivery") == 0
    assert await owner.fetchval("SELECT count(*) FROM delivery WHERE state = 'abandoned'") == 2
    assert waiting != sending


async def test_it_goes_page_by_page(
    engine: Engine, janitor: Engine, owner: asyncpg.Connection, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = await rows.make_program(engine)
    await rows.make_messages(engine, program, [], count=retaining.PAGE + 5)
    clock.forward(days=91)

    assert await sweep(engine, janitor, program, clock) == [retaining.PAGE, 5, 0]


async def test_the_books_prove_when_messages_are_gone(
    service: Service, settings: Settings, engine: Engine, janitor: Engine, owner: asyncpg.Connection
) -> None:
    for _ in range(3):
        await service.buy()
        service.clock.forward(days=1)
    service.clock.forward(days=89)
    await service.buy()
    assert await verify.run(settings) == []

    await sweep(engine, janitor, await program_of(owner), service.clock)

    assert await count(owner, "message") == 2
    assert await verify.run(settings) == []
    await service.buy()
    assert await verify.run(settings) == []


async def test_a_message_that_must_still_be_there_is_missed(
    service: Service, settings: Settings, engine: Engine, janitor: Engine, owner: asyncpg.Connection
) -> None:
    for _ in range(3):
        await service.buy()
        service.clock.forward(days=31)
    service.clock.forward(days=7)
    await sweep(engine, janitor, await program_of(owner), service.clock)
    left = [row["number"] for row in await owner.fetch("SELECT number FROM message ORDER BY number")]
    assert 0 < len(left) < 4

    await owner.execute("DELETE FROM message WHERE number = $1", left[0])

    assert await verify.run(settings) != []


async def test_without_a_note_of_the_janitors_every_message_is_missed(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    await service.buy()
    service.clock.forward(days=100)

    await owner.execute("DELETE FROM message")

    assert await verify.run(settings) != []


async def test_the_note_never_moves_back(
    engine: Engine, janitor: Engine, owner: asyncpg.Connection, clock: Clock
) -> None:
    program = await rows.make_program(engine)
    await rows.make_messages(engine, program, [], count=1, due_at=START - 200 * DAY)
    await sweep(engine, janitor, program, clock)
    await rows.make_messages(engine, program, [], count=1, due_at=START - 200 * DAY)
    clock.forward(days=-10)

    await sweep(engine, janitor, program, clock)

    assert await owner.fetchval("SELECT messages_from FROM retention") == START - 90 * DAY


async def test_the_janitor_may_touch_nothing_of_the_ledger(settings: Settings, owner: asyncpg.Connection) -> None:
    login = await asyncpg.connect(settings.janitor_database_url)
    before = await catalog.grants(owner)
    try:
        for table in sorted(set(metadata.tables) - REMOVABLE - {"retention"}):
            for statement in (f"TABLE {table}", f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await login.execute(statement)
        for table in sorted(REMOVABLE):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await login.execute(f"UPDATE {table} SET program_id = program_id")
    finally:
        await login.close()
    assert REMOVABLE - {"delivery"} < APPEND_ONLY
    assert await catalog.grants(owner) == before


async def test_the_workers_loop_removes_at_once_and_stops_when_it_is_told_to(
    engine: Engine, janitor: Engine, owner: asyncpg.Connection, clock: Clock
) -> None:
    program = await rows.make_program(engine)
    await rows.make_messages(engine, program, [], count=2)
    clock.forward(days=91)
    stopping = asyncio.Event()

    loop = asyncio.create_task(worker.retain_forever(engine, janitor, KEPT, clock=clock, stopping=stopping))
    async with asyncio.timeout(10):
        while await count(owner, "message"):
            await asyncio.sleep(0.02)
    stopping.set()
    await loop
