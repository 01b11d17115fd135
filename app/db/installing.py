"""What is done to a database before the service may use it: made, and the service's role given its rights."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.db import roles
from app.db.transactions import named_errors


async def make_database(url: str, name: str) -> None:
    """Makes a database where there is none of this name; `url` leads to another one of the same server."""
    async with _engine(url) as engine, engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        found = await connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
        if found.first() is None:
            await connection.execute(text(f"CREATE DATABASE {name}"))


async def make_logins(url: str, *logins: str) -> None:
    """Makes login roles where there are none of these names."""
    async with _engine(url) as engine, engine.begin() as connection:
        for login in logins:
            await roles.make_login(connection, login)


async def grant(url: str, *, login: str | None, janitor: str | None) -> None:
    """Gives the service's and the janitor's role their rights, and login roles the membership."""
    async with _engine(url) as engine, engine.begin() as connection:
        await roles.grant(connection, login=login, janitor=janitor)


def login_of(url: str) -> str | None:
    """The role that a database address logs in as."""
    return make_url(url).username


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    with named_errors():
        try:
            yield engine
        finally:
            await engine.dispose()
