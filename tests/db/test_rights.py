"""What the service's own role is refused, tried verb by verb."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db.tables import APPEND_ONLY, metadata, service_rights
from app.settings import Settings
from tests.builders import Service
from tests.database import picture
from tests.db import catalog

FORBIDDEN = {
    "UPDATE": "UPDATE {table} SET program_id = program_id",
    "DELETE": "DELETE FROM {table}",
    "TRUNCATE": "TRUNCATE {table}",
}
BEYOND = (
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER mine BEFORE INSERT ON event EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON INSERT TO event DO INSTEAD NOTHING",
    "ALTER TABLE event DROP CONSTRAINT event_hash_check",
    "ALTER TABLE event DISABLE TRIGGER ALL",
    "DROP TABLE event",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SET session_replication_role = replica",
    "ALTER ROLE zegel_service_login SUPERUSER",
    "UPDATE alembic_version SET version_num = 'x'",
    "COPY event TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
    "LOCK TABLE event IN ACCESS EXCLUSIVE MODE",
)


@pytest.fixture
async def login(settings: Settings, anyio_backend: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the service's own role."""
    connection = await asyncpg.connect(settings.database_url)
    yield connection
    await connection.close()


async def test_history_can_be_added_to_and_read_and_nothing_else(
    service: Service, login: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await service.buy()
    before = await picture(owner)

    for table in sorted(APPEND_ONLY):
        assert await login.fetch(f"TABLE {table}") is not None
        for verb, statement in FORBIDDEN.items():
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await login.execute(statement.format(table=table))
            assert verb not in service_rights(table)

    assert await picture(owner) == before


async def test_each_other_table_refuses_the_verbs_it_does_not_need(login: asyncpg.Connection) -> None:
    for table in sorted(set(metadata.tables) - APPEND_ONLY):
        for verb, statement in FORBIDDEN.items():
            if verb in service_rights(table):
                await login.execute(statement.format(table=table))
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await login.execute(statement.format(table=table))


async def test_an_upsert_cannot_change_history(
    service: Service, login: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await service.buy()
    before = await picture(owner)
    columns = ", ".join(column.name for column in metadata.tables["event"].c)
    merge = (
        f"INSERT INTO event ({columns}) SELECT {columns} FROM event"
        " ON CONFLICT (program_id, member_id, sequence) DO UPDATE SET content = excluded.content"
    )

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await login.execute(merge)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await login.execute("SELECT 1 FROM event FOR UPDATE")

    assert await picture(owner) == before


async def test_the_service_cannot_change_the_rules_it_lives_by(
    login: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    before = await catalog.whole(owner), await catalog.grants(owner)

    for statement in BEYOND:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with login.transaction():
                await login.execute(statement)
    for ignored in ("GRANT UPDATE ON event TO PUBLIC", "REVOKE ALL ON event FROM zegel_service"):
        await login.execute(ignored)  # PostgreSQL only warns

    assert (await catalog.whole(owner), await catalog.grants(owner)) == before
