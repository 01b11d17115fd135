"""How Alembic reaches the database: by MIGRATION_DATABASE_URL, or the address that `zegel migrate` hands over."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.tables import metadata
from app.settings import Settings

LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "10min"


def _include(name: str | None, type_: str, parents: Any) -> bool:
    return type_ != "schema" or name is None


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, include_name=_include)
    with context.begin_transaction():
        context.run_migrations()


async def _online() -> None:
    url = context.config.attributes.get("url") or Settings().migration_database_url
    if url is None:
        raise SystemExit("set MIGRATION_DATABASE_URL, or run `zegel migrate`")
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        poolclass=NullPool,
        connect_args={"server_settings": {"lock_timeout": LOCK_TIMEOUT, "statement_timeout": STATEMENT_TIMEOUT}},
    )
    async with engine.begin() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


asyncio.run(_online())
