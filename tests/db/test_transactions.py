"""What leaving a transaction does, and what it waits for."""

import asyncpg
import pytest

from app.db import transactions
from app.db.transactions import Engine
from app.settings import Settings

COUNT = "SELECT count(*) FROM feed_head"
ADD = (
    "INSERT INTO feed_head (program_id, position, removed, sequenced_at)"
    " SELECT program_id, 0, 0, now() FROM (SELECT gen_random_uuid() AS program_id) AS made"
)


async def test_what_may_be_lost_again_is_committed_without_waiting_for_the_disk(
    engine: Engine, owner: asyncpg.Connection
) -> None:
    async with transactions.driver(engine) as connection:
        await connection.execute("SET synchronous_commit TO on")  # as servers have it, but for the one of the tests
    async with transactions.passing(engine) as connection:
        within = await connection.fetchval("SHOW synchronous_commit")
        await connection.execute(ADD)
    async with transactions.transaction(engine) as connection:
        after = await connection.fetchval("SHOW synchronous_commit")

    assert (within, after) == ("off", "on")
    assert await owner.fetchval(COUNT) == 1


async def test_what_may_be_lost_again_can_turn_out_to_be_what_may_not(settings: Settings) -> None:
    as_servers_have_it = {"synchronous_commit": "on"}
    connection = await asyncpg.connect(settings.database_url, server_settings=as_servers_have_it)
    async with connection.transaction():
        await connection.execute("SET LOCAL synchronous_commit TO off")
        await transactions.surviving(connection)
        within = await connection.fetchval("SHOW synchronous_commit")
    await connection.close()

    assert within == "on"


async def test_what_may_be_lost_again_is_undone_by_an_error_and_the_connection_goes_on(
    engine: Engine, owner: asyncpg.Connection
) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await broken(engine, "SELECT 1 / 0")
    async with transactions.passing(engine) as connection:
        found = await connection.fetchval(COUNT)

    assert found == 0


async def test_an_error_of_the_database_has_a_name_there_too(engine: Engine) -> None:
    with pytest.raises(transactions.Duplicate):
        await broken(engine, "INSERT INTO feed_head SELECT * FROM feed_head")


async def broken(engine: Engine, statement: str) -> None:
    async with transactions.passing(engine) as connection:
        await connection.execute(ADD)
        await connection.execute(statement)
