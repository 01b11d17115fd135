"""`zegel worker`: the loops without the API."""

import asyncio
import signal
from typing import Annotated

import typer
import uvloop
from prometheus_client import start_http_server

from app.cli import opening
from app.main import Options, check, run_worker
from app.settings import Settings


def worker(
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve Prometheus metrics on this port of ZEGEL_HOST.")
    ] = None,
) -> None:
    """Run the worker alone: settle what is due, run scheduled commands, deliver webhooks.

    For production, beside one or more `zegel serve --no-worker`. Several may run at once.
    """
    opening.allow_many_files()
    found = opening.settings()
    if metrics_port is not None:
        opening.free(found.host, metrics_port, option="--metrics-port")
    with opening.database(found) as settings:
        asyncio.run(check(settings))
        if metrics_port is not None:
            start_http_server(metrics_port, addr=settings.host)
        opening.console.print("worker running; Ctrl-C stops it")
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    await run_worker(settings, Options(), stopping=stopping)
