"""A test is alone with its rows: what one leaves behind, the next does not find."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from app import localpg
from tests import copies
from tests.database import TABLES

PROGRAM = "INSERT INTO program (program_id, code, name, created_at) VALUES (gen_random_uuid(), 'left', 'Left', now())"

MANY_PROGRAMS = f"""
    INSERT INTO program (program_id, code, name, created_at)
    SELECT gen_random_uuid(), md5(n::text), repeat(md5(n::text), 3), now()
    FROM generate_series(1, {copies.GROWN_BYTES // 150}) AS n
"""


@pytest.fixture
def new_copy(server: localpg.Server, template: str) -> Iterator[str]:
    """The name of a copy that no test has used or will use."""
    name = asyncio.run(copies.create(server, template))
    yield name
    asyncio.run(copies.drop(server, name))


async def renewed_after(server: localpg.Server, copy: str, statement: str, *, structure: str) -> bool:
    """Whether a copy can be used again after somebody did something and stayed."""
    stayed = await asyncpg.connect(server.url(copy, user=localpg.SUPERUSER))
    await stayed.execute(statement)
    renewed = await copies.renew(server, copy, structure=structure)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await stayed.execute("SELECT 1")
    stayed.terminate()
    return renewed


async def filled(server: localpg.Server, copy: str) -> list[str]:
    """The tables that hold anything."""
    connection = await asyncpg.connect(server.url(copy, user=localpg.SUPERUSER))
    try:
        return [table for table in TABLES if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})")]
    finally:
        await connection.close()


async def test_a_renewed_copy_holds_no_row_and_nobody_is_connected(
    server: localpg.Server, new_copy: str, structure: str
) -> None:
    assert await renewed_after(server, new_copy, PROGRAM, structure=structure)

    assert await filled(server, new_copy) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE event DROP CONSTRAINT event_hash_check",
        "ALTER TABLE event ADD CONSTRAINT mine CHECK (true)",
        "ALTER TABLE program ALTER COLUMN name SET STATISTICS 7",
        "ALTER TABLE message SET (autovacuum_enabled = off)",
        "GRANT UPDATE ON event TO zegel_service",
        "GRANT UPDATE (key) ON event TO zegel_service",
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        f"{PROGRAM}; ANALYZE program",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_indexscan = off', current_database()); END $$",
        "DROP TABLE feed_head CASCADE",
        "UPDATE alembic_version SET version_num = 'older'",
        MANY_PROGRAMS,
    ],
)
async def test_a_copy_that_is_another_than_the_template_is_not_used_again(
    server: localpg.Server, new_copy: str, structure: str, statement: str
) -> None:
    assert not await renewed_after(server, new_copy, statement, structure=structure)
