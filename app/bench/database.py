"""The database that a run fills: on the embedded server a fresh one, dropped when the run is over."""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.bench.processes import BenchError

NAME = "zegel_bench"


@contextmanager
def fresh(server: str) -> Iterator[None]:
    """A new database called NAME on this server, dropped on leaving; what a killed run has left is dropped first."""
    drop = f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"
    asyncio.run(_execute(server, drop, f"CREATE DATABASE {NAME}"))
    try:
        yield
    finally:
        asyncio.run(_execute(server, drop))


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """One bench at a time in a home. Raises BenchError while another is running."""
    with (home / "bench.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another bench is running: two at once would measure each other") from None
        yield


async def _execute(url: str, *statements: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    try:
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()
