"""The service under test, a process of its own: what `zegel serve` runs, with the bench's routes added.

It prints the port of 127.0.0.1 that it listens on, and ends with its standard input, that is with the bench.
With ZEGEL_BENCH_PROFILE, the name of a file, it profiles itself (which makes it slower) and leaves the result there,
the process's number added to the name.
"""

import argparse
import cProfile
import logging
import os
import signal
import socket
import sys
import threading

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI

from app.api.routing import PrivateRoute, StrictRoute
from app.bench import empty, naive
from app.main import DRAIN_SECONDS, Options, create_app
from app.settings import Settings

BACKLOG = 2048


def main() -> None:
    """Runs the service until it is told to stop."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--worker", action="store_true")
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    app = create_app(Settings(), Options(worker=arguments.parse_args().worker))
    add_routes(app)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=30,
    )
    profile = os.environ.get("ZEGEL_BENCH_PROFILE")
    with listening() as port:
        end_with_input()
        if profile is None:
            uvicorn.Server(config).run(sockets=[port])
            return
        profiler = cProfile.Profile()
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn, when done, sends itself what ended it
        profiler.runcall(uvicorn.Server(config).run, sockets=[port])
        profiler.dump_stats(f"{profile}.{os.getpid()}")


def add_routes(app: FastAPI) -> None:
    """Adds the bench's routes before all others, so that no route is found sooner than the empty ones."""
    router = APIRouter(route_class=StrictRoute)
    router.post("/empty")(empty.empty_post)
    router.get("/empty")(empty.empty_get)
    private = APIRouter(route_class=PrivateRoute)
    private.post("/naive")(naive.naive)
    app.router.routes[:0] = [*router.routes, *private.routes]


def listening() -> socket.socket:
    """A socket that listens on a free port of 127.0.0.1, which is printed."""
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    found.listen(BACKLOG)
    print(found.getsockname()[1], flush=True)
    return found


def end_with_input() -> None:
    """Ends this process when its standard input does."""

    def wait() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
