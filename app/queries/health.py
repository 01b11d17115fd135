"""Whether the database answers and has the schema that this code knows."""

from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.transactions import DatabaseError, reading


async def schema_version(engine: AsyncEngine) -> str | None:
    """The migration the database is at, or None where it has none. Raises DatabaseError."""

    def read(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    async with reading(engine) as connection:
        return await connection.run_sync(read)


async def unready(engine: AsyncEngine, *, schema: str | None) -> str | None:
    """Why requests cannot be taken now, or None; `schema` is the migration that the code knows."""
    try:
        version = await schema_version(engine)
    except DatabaseError:
        return "the database does not answer"
    if version != schema:
        return "the database's schema is not this version's: run `zegel migrate`"
    return None
