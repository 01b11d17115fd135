"""`zegel serve` says in one line why it cannot start."""

import os
import resource
import socket
from pathlib import Path

import pytest

from app.cli import main, opening
from app.settings import Settings
from tests import forked

SECRET = "0123456789abcdef" * 2


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    ("database", "secret", "reason"),
    [
        ("postgresql://nobody@127.0.0.1:1/nowhere", SECRET, "the database does not answer"),
        ("postgresql://nobody@127.0.0.1:1/nowhere", "", "ZEGEL_SECRET"),
        ("owner", SECRET, "database role"),
    ],
)
def test_what_keeps_the_service_from_starting_is_one_line(
    settings: Settings, tmp_path: Path, command: str, database: str, secret: str, reason: str
) -> None:
    assert settings.migration_database_url is not None
    url = settings.migration_database_url if database == "owner" else database
    said = {"DATABASE_URL": url, "ZEGEL_SECRET": secret, "ZEGEL_PORT": "0", "ZEGEL_DATA": str(tmp_path)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZEGEL")} | said

    ended = forked.Process(main, command, env=environment, folder=tmp_path)

    assert ended.wait() == 1, ended.err
    (line,) = ended.err.strip().splitlines()
    assert line.startswith("zegel: ")
    assert reason in line


@pytest.mark.parametrize(("command", "option"), [("serve", "--port"), ("worker", "--metrics-port")])
def test_a_port_that_is_taken_is_told_in_one_line_before_anything_is_started(
    tmp_path: Path, command: str, option: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZEGEL")}
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = environment | {"ZEGEL_DATA": str(tmp_path)}
        ended = forked.Process(main, command, option, port, env=said, folder=tmp_path)

        assert ended.wait() == 1, ended.err

    (line,) = ended.err.strip().splitlines()
    assert line == f"zegel: cannot listen on 127.0.0.1:{port}: Address already in use; another port: {option}" + (
        ", or ZEGEL_PORT" if command == "serve" else ""
    )


def few_files() -> None:
    """Prints the limits of a process that began with few open files, and asked for many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    opening.allow_many_files()
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))


def test_few_open_files_become_as_many_as_the_system_allows(tmp_path: Path) -> None:
    """A session starts with 1,024 on most systems: too few for callers and deliveries together."""
    ended = forked.Process(few_files, env=os.environ, folder=tmp_path)

    assert ended.wait() == 0, ended.err
    soft, hard = map(int, ended.out.split())
    assert soft == (opening.OPEN_FILES if hard < 0 else min(opening.OPEN_FILES, hard))
