"""Opening and leaving a transaction; what can go wrong on the way has a name here, so that callers need no SQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 60
LOCK_SECONDS = 20
POOL_SIZE = 8

Engine = AsyncEngine
"""The pool of a process, as rooms that know no SQL pass it on."""
Connection = AsyncConnection
"""What an operation or a reading runs on, likewise."""
DriverConnection = asyncpg.Connection
"""What the paths that count run on: the driver's own, without SQLAlchemy."""


class DatabaseError(Exception):
    """The base of what a transaction may end in."""


class Transient(DatabaseError):
    """Nothing was written, and the same transaction may succeed when it is run again."""


class Duplicate(DatabaseError):
    """Another process wrote a row with the same unique key first; nothing was written."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class ConnectionLost(DatabaseError):
    """The connection broke; if that was during the commit, nobody knows yet whether it happened."""


_TRANSIENT_STATES = ("40001", "40P01", "55P03", "57014", "53300", "53400")
_LOST = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, OSError, TimeoutError, asyncpg.InternalClientError)
_SHUTDOWN_STATES = ("57P01", "57P02", "57P03")


def create_engine(url: str, *, pool_size: int = POOL_SIZE, statement_seconds: int = STATEMENT_SECONDS) -> AsyncEngine:
    """The pool of a process. `url` is `postgresql://…`; time limits are set when a connection starts (0: none)."""
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "server_settings": {
                "application_name": "zegel",
                "timezone": "UTC",
                "statement_timeout": f"{statement_seconds}s",
                "lock_timeout": f"{LOCK_SECONDS}s",
                "jit": "off",
                "plan_cache_mode": "force_generic_plan",
            },
        },
    )


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """A READ COMMITTED transaction on the driver's own connection: committed on leaving, rolled back on an error."""
    async with driver(engine) as connection, connection.transaction(isolation="read_committed"):
        yield connection


@asynccontextmanager
async def passing(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """The same for what may be lost again: its commit does not wait for the disk, nor make others wait for it.

    Should the server crash within the second, it is as if it had never been; nothing is ever half there.
    """
    async with driver(engine) as connection:
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO off")
        try:
            yield connection
        except Exception:  # whoever is cancelled gives the connection up
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")


async def surviving(connection: asyncpg.Connection) -> None:
    """Makes a passing transaction one that is not lost, after all."""
    await connection.execute("SET LOCAL synchronous_commit TO DEFAULT")


@asynccontextmanager
async def preview(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """A READ ONLY, REPEATABLE READ transaction: for what must see one state and change nothing."""
    async with driver(engine) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


@asynccontextmanager
async def operation(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction for ordinary SQLAlchemy Core: committed on leaving."""
    with named_errors():
        async with engine.begin() as connection:
            yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for readers, each statement seeing what is committed."""
    with named_errors():
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def driver(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """The driver's own connection, each statement by itself."""
    with named_errors():
        async with engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert isinstance(driver, asyncpg.Connection)
            try:
                yield driver
            except BaseException as error:
                if driver.is_closed() or isinstance(error, asyncio.CancelledError):
                    await connection.invalidate()
                raise


@contextmanager
def named_errors() -> Iterator[None]:
    """Turns the driver's errors, bare or wrapped by SQLAlchemy, into those of this module."""
    try:
        yield
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        named = _named(cause) if cause is not None else None
        if named is None and error.connection_invalidated:
            named = ConnectionLost(str(error.orig))
        if named is None:
            raise
        raise named from error
    except PoolTimeout as error:
        raise Transient("no connection of the pool became free") from error
    except (asyncpg.PostgresError, *_LOST) as error:
        named = _named(error)
        if named is None:
            raise
        raise named from error


def _named(error: BaseException) -> DatabaseError | None:
    state = getattr(error, "sqlstate", None)
    if state == "23505":
        return Duplicate(getattr(error, "constraint_name", None) or "")
    if state in _TRANSIENT_STATES:
        return Transient(str(error))
    if state in _SHUTDOWN_STATES or isinstance(error, _LOST):
        return ConnectionLost(str(error))
    return None
