"""A real PostgreSQL with a database per test, and a courier that may call loopback."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from webhooks import rows

from app import localpg
from app.db.transactions import create_engine
from app.webhooks import guard, sender
from app.webhooks.delivery import Courier, Limits

LOOPBACK = guard.AddressPolicy(allow_http=True, allowed=(ip_network("127.0.0.0/8"),))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server() -> Iterator[localpg.Server]:
    folder = Path(tempfile.mkdtemp(prefix="zegel-test-", dir="/tmp"))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    held = localpg.open_server(folder / "home", settings=localpg.TEST)
    asyncio.run(_make_template(held))
    yield held
    held.close()
    while any(held.socket.glob(".s.PGSQL.*")):
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def engine(server: localpg.Server, anyio_backend: str) -> AsyncIterator[AsyncEngine]:
    name = f"test_{rows.new_id().hex()}"
    await _administer(server, f"CREATE DATABASE {name} TEMPLATE prepared")
    engine = create_engine(server.url(name, user=localpg.SUPERUSER), pool_size=5)
    yield engine
    await engine.dispose()
    await _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def clock() -> rows.Clock:
    return rows.Clock()


@pytest.fixture
async def courier(engine: AsyncEngine, clock: rows.Clock) -> AsyncIterator[Courier]:
    async with sender.open_client(LOOPBACK) as client:
        yield Courier(
            engine=engine,
            client=client,
            clock=clock,
            random=lambda: 0.5,
            new_id=rows.new_id,
            unseal=lambda stored: [stored],
            version="1.2.3",
            limits=Limits(deadline_seconds=2.0),
        )


@pytest.fixture
def with_limits(courier: Courier) -> Callable[..., Courier]:
    """The courier with other limits."""
    return lambda **limits: replace(courier, limits=replace(courier.limits, **limits))


async def _make_template(server: localpg.Server) -> None:
    await _administer(server, "CREATE DATABASE prepared")
    engine = create_engine(server.url("prepared", user=localpg.SUPERUSER))
    await rows.create_tables(engine)
    await engine.dispose()


async def _administer(server: localpg.Server, statement: str) -> None:
    connection: Any = await asyncpg.connect(server.url("postgres", user=localpg.SUPERUSER))
    await connection.execute(statement)
    await connection.close()
