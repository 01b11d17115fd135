"""What tests share: a real PostgreSQL, a database of its own for each test, the app over ASGI, a clock they set."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import hypothesis
import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app import localpg
from app.cli import opening
from app.db import transactions
from app.settings import Settings
from tests import copies, introspection
from tests.builders import SECRET, Clock, Service, open_service, publish

TEMPLATE = "zegel_template"

# Machines are noisy, so no example has a deadline; where others must see the same failure, examples are the same.
hypothesis.settings.register_profile("zegel", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("zegel")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take long comes first, after the shuffle, so that no process is left with it while the other rests."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """A line a log entry: a traceback drawn with all its locals takes seconds."""
    processors = structlog.processors
    structlog.configure(
        processors=[processors.add_log_level, processors.format_exc_info, processors.JSONRenderer()],
    )


@pytest.fixture(scope="session", autouse=True)
def known_types() -> Iterator[None]:
    """The driver learns PostgreSQL's own types once."""
    with introspection.remembered():
        yield


@pytest.fixture(scope="session")
def server(worker_id: str, testrun_uid: str) -> Iterator[localpg.Server]:
    """The run's PostgreSQL, shared by its workers."""
    home = Path(tempfile.gettempdir(), f"zegel-tests-{os.geteuid()}")
    settings = (*localpg.TEST, "max_connections=200", "shared_buffers=256MB", "autovacuum=off")
    with localpg.open_server(home, settings=settings) as server:
        yield server


@pytest.fixture(scope="session")
def template(server: localpg.Server, testrun_uid: str) -> str:
    """A migrated database of this run, which each test copies."""
    name = f"{TEMPLATE}_{testrun_uid[:12]}"
    with open(Path(tempfile.gettempdir(), f"{name}.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if asyncio.run(copies.create_template(server, name)):
            opening.upgrade(server.url(name, user=localpg.SUPERUSER), login=opening.SERVICE, janitor=opening.JANITOR)
    return name


@pytest.fixture(scope="session")
def free(server: localpg.Server) -> Iterator[list[str]]:
    """This worker's copies of the template that nobody uses."""
    free: list[str] = []
    yield free
    for name in free:
        asyncio.run(copies.drop(server, name))


@pytest.fixture(scope="session")
def structure(server: localpg.Server, template: str, free: list[str]) -> str:
    """What an untouched copy is known by; asked of a copy, since nobody may be connected to what is copied."""
    free.append(asyncio.run(copies.create(server, template)))
    return asyncio.run(copies.structure(server, free[-1]))


@pytest.fixture
def empty_database(
    server: localpg.Server, template: str, structure: str, free: list[str], request: pytest.FixtureRequest
) -> Iterator[str]:
    """The name of an empty, migrated database that nobody else uses."""
    used = request.node.get_closest_marker("new_copy") is None and free
    name = free.pop() if used else asyncio.run(copies.create(server, template))
    yield name
    if asyncio.run(copies.renew(server, name, structure=structure)):
        free.append(name)
    else:
        asyncio.run(copies.drop(server, name))


@pytest.fixture
def settings(server: localpg.Server, empty_database: str) -> Settings:
    """Settings of a fresh database, as the service's own role."""
    return Settings(
        database_url=server.url(empty_database, user=opening.SERVICE),
        migration_database_url=server.url(empty_database, user=localpg.SUPERUSER),
        janitor_database_url=server.url(empty_database, user=opening.JANITOR),
        secret=SECRET,
        webhook_allow_http=True,
        webhook_allowed_networks=("127.0.0.0/8",),
        pool_size=4,
    )


@pytest.fixture
async def engine(settings: Settings, anyio_backend: str) -> AsyncIterator[AsyncEngine]:
    """A pool of the service's role."""
    assert settings.database_url is not None
    engine = transactions.create_engine(settings.database_url, pool_size=4)
    yield engine
    await engine.dispose()


@pytest.fixture
async def owner(settings: Settings, anyio_backend: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner of the tables, who may do what the service may not."""
    connection = await asyncpg.connect(settings.migration_database_url)
    yield connection
    await connection.close()


@pytest.fixture
def clock() -> Clock:
    """The service's clock, which stands still until a test sets it."""
    return Clock()


@pytest.fixture
async def service(settings: Settings, clock: Clock, anyio_backend: str) -> AsyncIterator[Service]:
    """The app over ASGI, without the worker, with a published program and a shop's key that has every scope."""
    async with AsyncExitStack() as stack:
        await publish(settings, clock=clock)
        yield await stack.enter_async_context(open_service(settings, clock=clock))
