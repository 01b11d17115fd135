"""The database that commands work on: the embedded one, or DATABASE_URL's."""

import asyncio
import fcntl
import logging
import os
import resource
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from alembic import command
from pydantic import ValidationError
from rich.console import Console

from app import localpg
from app.cli.errors import CliError
from app.db import installing, transactions
from app.main import ROOT, alembic_config, newest_migration
from app.queries import health
from app.settings import Settings

DATABASE = "zegel"
OPEN_FILES = 16_384
SERVICE = "zegel_service_login"
JANITOR = "zegel_janitor_login"
_SECRET_FILE = "secret"  # noqa: S105 - a file's name

console = Console(stderr=True, highlight=False, soft_wrap=True)


def settings() -> Settings:
    """The settings of the environment. Raises CliError that names the wrong one."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise CliError(f"setting {name}: {first['msg'].removeprefix('Value error, ')}") from None


def allow_many_files() -> None:
    """Raises this process's limit of open files as far as it may: each caller and each delivery is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def free(address: str, port: int, *, option: str) -> None:
    """Raises CliError, before anything is started, where nothing can listen there."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except OSError as error:
        raise CliError(f"cannot listen on {address}:{port}: {error.strerror}; another port: {option}") from None


@contextmanager
def database(found: Settings, *, quiet: bool = False) -> Iterator[Settings]:
    """The settings completed with a database that is up, migrated if it is the embedded one, and a secret."""
    configure_logging(found.log_level)
    if found.database_url is not None:
        if found.secret is None:
            raise CliError("set ZEGEL_SECRET to at least 32 random characters, such as: openssl rand -hex 32")
        yield found
        return
    home = found.data or localpg.home_for(ROOT, root=os.geteuid() == 0)
    if not quiet:
        console.print(f"data folder: {home}")
    with localpg.open_server(home, settings=localpg.PRODUCTION, on_event=_say(quiet=quiet)) as server:
        migrator = server.url(DATABASE, user=localpg.SUPERUSER)
        with _alone(home):
            asyncio.run(installing.make_database(server.url("postgres", user=localpg.SUPERUSER), DATABASE))
            if asyncio.run(_schema_version(migrator)) != newest_migration():
                upgrade(migrator, login=SERVICE, janitor=JANITOR)
        complete = {
            "database_url": server.url(DATABASE, user=SERVICE),
            "migration_database_url": migrator,
            "janitor_database_url": server.url(DATABASE, user=JANITOR),
            "secret": found.secret or _kept_secret(home / _SECRET_FILE),
        }
        yield found.model_copy(update=complete)


def upgrade(url: str, *, login: str | None, janitor: str | None) -> None:
    """Brings the schema up to date, and gives the roles their rights. Again changes nothing."""
    config = alembic_config()
    config.attributes["url"] = url
    command.upgrade(config, "head")
    if login == SERVICE:
        asyncio.run(installing.make_logins(url, SERVICE, JANITOR))
    asyncio.run(installing.grant(url, login=login, janitor=janitor))


def configure_logging(level: str) -> None:
    """One JSON line a log entry on standard error; nothing personal and no secret is ever logged."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One process at a time prepares the embedded database."""
    with (home / "prepare.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def _schema_version(url: str) -> str | None:
    engine = transactions.create_engine(url)
    try:
        return await health.schema_version(engine)
    finally:
        await engine.dispose()


def _say(*, quiet: bool) -> Callable[[str], None]:
    def say(line: str) -> None:
        if not quiet:
            console.print(line)

    return say


def _kept_secret(path: Path) -> str:
    """The installation's secret, made the first time; readable by its owner alone."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path.read_text().strip()
