"""Copies of the migrated template: one serves test after test, as good as new each time, or is thrown away.

A copy costs a quarter of a second of a core, and removing what a test wrote some ten milliseconds.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app import localpg

FORCED_OUT_SECONDS = 5
GROWN_BYTES = 8 * 1024**2
"""Dead rows stay until a vacuum: a copy that has grown beyond this costs more than a new one."""

_FORCE_OUT = f"""
    SELECT pg_terminate_backend(pid, {FORCED_OUT_SECONDS * 1000}) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

_STRUCTURE = """
    SELECT concat_ws(' ',
        (SELECT (count(*), max(xmin::text::bigint), sum(reltuples)) FROM pg_class WHERE oid >= 16384),
        (SELECT (count(*), max(xmin::text::bigint)) FROM pg_attribute WHERE attrelid >= 16384),
        (SELECT (count(*), max(xmin::text::bigint)) FROM pg_constraint WHERE oid >= 16384),
        (SELECT (count(*), max(xmin::text::bigint)) FROM pg_trigger),
        (SELECT (count(*), max(xmin::text::bigint)) FROM pg_proc WHERE oid >= 16384),
        (SELECT (count(*), max(xmin::text::bigint)) FROM pg_namespace),
        (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase =
            (SELECT oid FROM pg_database WHERE datname = current_database())),
        (SELECT string_agg(version_num, ' ') FROM alembic_version))
"""
"""Whatever defines the tables and who may use them, and what the planner has been told of them: each change of it is by
a younger transaction than any before."""

_USED = """
    SELECT oid::regclass::text AS name, bytes FROM pg_class, pg_relation_size(oid) AS bytes
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version' AND bytes > 0
"""


async def create_template(server: localpg.Server, name: str) -> bool:
    """An empty database to be migrated; False where it exists."""
    async with _connected(server, "postgres") as connection:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return False
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return True


async def create(server: localpg.Server, template: str) -> str:
    """The name of a new copy."""
    name = f"t_{os.urandom(8).hex()}"
    async with _connected(server, "postgres") as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


async def drop(server: localpg.Server, name: str) -> None:
    """Ends a database, whoever is connected."""
    async with _connected(server, "postgres") as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def structure(server: localpg.Server, name: str) -> str:
    """What tells whether a copy's definition is untouched."""
    async with _connected(server, name) as connection:
        return str(await connection.fetchval(_STRUCTURE))


async def renew(server: localpg.Server, name: str, *, structure: str) -> bool:
    """Removes every connection and every row; False where the copy is still not as good as new."""
    async with _connected(server, name) as connection:
        await connection.execute(_FORCE_OUT)
        used = await connection.fetch(_USED)
        try:
            found = await connection.fetchval(_STRUCTURE)
        except asyncpg.UndefinedTableError:  # it was migrated down to nothing
            return False
        if found != structure or sum(table["bytes"] for table in used) > GROWN_BYTES:
            return False
        removals = [f"DELETE FROM {table['name']};" for table in used]
        await connection.execute(f"SET session_replication_role = replica; {''.join(removals)}")
        return True


@asynccontextmanager
async def _connected(server: localpg.Server, database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.url(database, user=localpg.SUPERUSER))
    try:
        yield connection
    finally:
        await connection.close()
