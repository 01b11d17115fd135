"""Whether the database answers and has the schema that this code knows."""

from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.transactions import reading

SERVER_LEAST = 150_000


async def schema_version(engine: AsyncEngine) -> str | None:
    """The migration the database is at, or None where it has none."""

    def read(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    async with reading(engine) as connection:
        return await connection.run_sync(read)


async def server_version(engine: AsyncEngine) -> int:
    """PostgreSQL's version as a number: 15.4 is 150004."""
    async with reading(engine) as connection:
        return int((await connection.execute(text("SHOW server_version_num"))).scalar_one())
