"""`zegel serve`: the API and, unless told otherwise, the worker."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from app.cli import opening
from app.main import DRAIN_SECONDS, Options, check, create_app, end_soon

NOT_STARTED_EXIT = 3


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="ZEGEL_HOST")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on.", show_default="ZEGEL_PORT")
    ] = None,
    worker: Annotated[bool, typer.Option(help="Run the worker's loops in this process too.")] = True,
) -> None:
    """Run the service: the HTTP API, and the worker that settles what is due and delivers webhooks.

    Without DATABASE_URL it starts its own PostgreSQL in the data folder it prints, and brings the schema up to date.
    """
    opening.allow_many_files()
    found = opening.settings()
    address, number = host or found.host, found.port if port is None else port
    opening.free(address, number, option="--port, or ZEGEL_PORT")
    with opening.database(found) as settings:
        asyncio.run(check(settings))
        opening.console.print(f"API: http://{address}:{number}  documentation: http://{address}:{number}/docs")
        for name in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it is done: an ordinary end
            signal.signal(name, lambda *_: None)
        app = create_app(settings, Options(worker=worker))
        config = uvicorn.Config(
            app,
            host=address,
            port=number,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=30,
        )
        server = _Server(config, lambda: end_soon(app))
        server.run()
        if not server.started:
            raise typer.Exit(NOT_STARTED_EXIT)


class _Server(uvicorn.Server):
    """Tells the app at once that it is to end."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending()
        super().handle_exit(sig, frame)
