"""`zegel serve`: the API and, unless told otherwise, the worker."""

import asyncio
import signal
from typing import Annotated

import typer
import uvicorn

from app.cli import opening
from app.main import DRAIN_SECONDS, Options, check, create_app


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="ZEGEL_HOST")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="ZEGEL_PORT")] = None,
    worker: Annotated[bool, typer.Option(help="Run the worker's loops in this process too.")] = True,
) -> None:
    """Run the service: the HTTP API, and the worker that settles what is due and delivers webhooks.

    Without DATABASE_URL it starts its own PostgreSQL in the data folder it prints, and brings the schema up to date.
    """
    opening.allow_many_files()
    found = opening.settings()
    with opening.database(found) as settings:
        asyncio.run(check(settings))
        address, number = host or settings.host, settings.port if port is None else port
        opening.console.print(f"API: http://{address}:{number}  documentation: http://{address}:{number}/docs")
        for name in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it is done: an ordinary end
            signal.signal(name, lambda *_: None)
        uvicorn.run(
            create_app(settings, Options(worker=worker)),
            host=address,
            port=number,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=30,
        )
