"""The service beside the demo: a process of its own, on a free port of 127.0.0.1."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from app.cli.errors import CliError
from app.main import ROOT
from app.settings import Settings

_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0


@asynccontextmanager
async def serving(settings: Settings, *, port: int | None, log: Path) -> AsyncIterator[str]:
    """The address of a running service with its worker, which may deliver webhooks to 127.0.0.1.

    Its log is in `log`. Leaving ends it. Raises CliError where it does not start.
    """
    number = port or _free_port()
    arguments = [sys.executable, "-m", "app.cli.demo.served", "--host", "127.0.0.1", "--port", str(number)]
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own module; starting it takes no time
            arguments,
            cwd=ROOT,
            env=_environment(settings),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{number}"
        await _ready(url, process, log)
        yield url
    finally:
        await asyncio.to_thread(_end, process)


def _environment(settings: Settings) -> Mapping[str, str]:
    """What the service must know beyond what the demo was started with."""
    assert settings.database_url is not None
    assert settings.secret is not None
    return {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "ZEGEL_SECRET": settings.secret,
        "ZEGEL_WEBHOOK_ALLOW_HTTP": "true",
        "ZEGEL_WEBHOOK_ALLOWED_NETWORKS": json.dumps(["127.0.0.0/8"]),
    }


async def _ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + _READY_SECONDS
    async with httpx.AsyncClient(base_url=url, timeout=5) as client:
        while time.monotonic() < ends:
            if process.poll() is not None:
                raise CliError(f"the service did not start: {_last(log)}")
            try:
                if (await client.get("/health/ready")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise CliError(f"the service was not ready after {_READY_SECONDS:.0f} s: {_last(log)}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdin.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _last(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").split("\n") if line.strip()]
    return f"{lines[-1] if lines else 'it said nothing'} (see {log})"
