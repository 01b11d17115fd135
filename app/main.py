"""The service put together: create_app(settings) for the API, run_worker for the loops beside or without it."""

import asyncio
import gc
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache, partial
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path

import structlog
import uuid_utils
from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram

from app.api import handlers, openapi, pages
from app.api.dependencies import Parts
from app.api.middleware import Envelope
from app.api.routes import (
    accounts,
    adjustments,
    backtests,
    deliveries,
    endpoints,
    events,
    feed,
    health,
    holds,
    members,
    program,
    purchases,
    referrals,
    replays,
    reports,
    rules,
    tiers,
    waiting,
)
from app.api.routing import DirectRoute
from app.db import roles, sealing, transactions
from app.db.claims import Claimed
from app.db.tables import REMOVABLE
from app.db.transactions import Engine
from app.domain import keys
from app.ledger.corridor import Ledger, open_ledger
from app.operations.retaining import Kept
from app.queries.rulebook import Rulebook
from app.settings import Settings
from app.webhooks import delivery, guard, sender, signing
from app.webhooks.courier import Courier
from app.worker import clearing, replaying, retaining, scheduling, sequencing, settling
from app.worker import sealing as sealing_worker

ROOT = Path(__file__).parent.parent
DRAIN_SECONDS = 10
GIVE_WAY_SECONDS = 0.02
"""So long a backlog of webhooks waits, each time, for a batch of this process to end: 800 a second still go out."""
GC_THRESHOLD = (20_000, 20, 50)
"""Collect seldom: what a request makes is freed by counting, and a batch is thousands of objects at once."""

log = structlog.get_logger(__name__)

EVENTS = Counter("zegel_events_recorded_total", "Events recorded by this process.")
ATTEMPTS = Counter("zegel_webhook_attempts_total", "Webhook attempts by outcome.", ("outcome",))
CLAIMS = Histogram(
    "zegel_webhook_claim_seconds",
    "Time to claim what is due.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
UP = Gauge("zegel_worker_running", "1 while this process runs the worker's loops.")

TAGS = [
    {"name": "events", "description": "What happened, recorded once."},
    {"name": "holds", "description": "Points kept aside for a purchase to come."},
    {"name": "members", "description": "Who they are and what they have."},
    {"name": "adjustments", "description": "What persons give and take by hand."},
    {"name": "referrals", "description": "Who brought whom, and what looks like fraud."},
    {"name": "webhooks", "description": "Where shops want to be told."},
    {"name": "program", "description": "The scheme and its rules."},
    {"name": "reports", "description": "The books of the whole program."},
    {"name": "operations", "description": "For load balancers and scrapers."},
]


class NotReady(Exception):
    """The service must not start like this; the text says why, in one line."""


def system_clock() -> datetime:
    """The time: the one place where the service reads it."""
    return datetime.now(UTC)


def fresh_id() -> bytes:
    """A new UUIDv7."""
    return uuid_utils.uuid7().bytes


def alembic_config() -> Config:
    """Alembic's settings, wherever the process was started."""
    return Config(ROOT / "alembic.ini")


@cache
def newest_migration() -> str | None:
    """The schema version that this code knows; asked once, since every migration is read for it."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


@dataclass(frozen=True, slots=True)
class Options:
    """How this process differs from another: tests set the clock, `--no-worker` leaves the loops out."""

    worker: bool = True
    clock: Callable[[], datetime] = system_clock


def create_app(settings: Settings, options: Options = Options()) -> FastAPI:
    """The API and, unless told otherwise, the worker's loops. `settings` has a database address and a secret."""
    app = FastAPI(
        title="Zegel",
        version=version("zegel"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda app: _lifespan(app, settings, options),
        openapi_tags=TAGS,
    )
    busy = (events.busy, accounts.busy)
    beside = (tiers, adjustments, referrals, endpoints, deliveries, replays, feed, rules, backtests)
    others = (events, purchases, waiting, holds, members, accounts, *beside, program, reports, health)
    direct = [route for router in busy for route in router.routes if isinstance(route, DirectRoute)]
    for router in (*busy, rules.texts, *(module.router for module in others)):
        app.router.routes.extend(router.routes)  # flat: an included router is matched twice for each request
    handlers.install(app)
    openapi.install(app)
    pages.install(app)
    app.add_middleware(Envelope, direct=direct)
    return app


def end_soon(app: FastAPI) -> None:
    """Tells the app that it is to end: it is not ready any more, and who waits for messages is answered."""
    if hasattr(app.state, "parts"):  # not before it has started
        app.state.parts.draining = True


async def run_worker(settings: Settings, options: Options, *, stopping: asyncio.Event) -> None:
    """The worker's loops alone, until `stopping` is set: `zegel worker`."""
    async with _opened(settings, options) as (engine, ledger):
        await _loops(engine, ledger, settings, options, stopping=stopping, hint=asyncio.Event())


async def check(settings: Settings) -> None:
    """Raises NotReady, with what to do, where the service could not start."""
    async with _opened(settings, Options()), _janitor(settings):
        pass


@asynccontextmanager
async def _lifespan(app: FastAPI, settings: Settings, options: Options) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        hint = asyncio.Event()
        engine, ledger = await stack.enter_async_context(_opened(settings, options, hint=hint))
        policy = address_policy(settings)
        parts = app.state.parts = Parts(
            engine=engine,
            ledger=ledger,
            secrets=keys.derive(_secret(settings)),
            clock=options.clock,
            fresh_id=fresh_id,
            rulebook=Rulebook(engine, monotonic=time.monotonic),
            address_check=lambda url: guard.check_url(url, policy),
            secret_text=signing.secret_text,
            schema_version=newest_migration(),
        )
        gc.collect()
        gc.freeze()  # what is loaded by now stays: the collector need not look at it again
        gc.set_threshold(*GC_THRESHOLD)
        if options.worker:
            await stack.enter_async_context(_beside(engine, ledger, settings, options, hint=hint))
        try:
            yield
        finally:
            parts.draining = True


@asynccontextmanager
async def _opened(
    settings: Settings, options: Options, *, hint: asyncio.Event | None = None
) -> AsyncIterator[tuple[Engine, Ledger]]:
    """The pool and the ledger; leaving drains the queue. Raises NotReady where the database is not as it must be."""
    if settings.database_url is None:
        raise NotReady("no database: set DATABASE_URL, or start with `zegel serve`")
    engine = transactions.create_engine(settings.database_url, pool_size=settings.pool_size)

    def committed(events: int) -> None:
        EVENTS.inc(events)
        if hint is not None:
            hint.set()

    try:
        await _check(engine)
        secrets = keys.derive(_secret(settings))
        async with open_ledger(engine, clock=options.clock, secrets=secrets, on_commit=committed) as ledger:
            yield engine, ledger
    finally:
        await engine.dispose()


async def _check(engine: Engine, *, removable: frozenset[str] = frozenset()) -> None:
    try:
        async with transactions.reading(engine) as connection:
            too_much = await roles.excess(connection, removable=removable)
    except transactions.DatabaseError as error:
        raise NotReady(f"the database does not answer: {error}") from None
    except Exception as error:
        raise NotReady(f"the database is not ready (run `zegel migrate`): {str(error).splitlines()[0]}") from None
    if too_much:
        raise NotReady(f"the service's database role {too_much[0]}: run `zegel migrate`, and use its service role")


@asynccontextmanager
async def _beside(
    engine: Engine, ledger: Ledger, settings: Settings, options: Options, *, hint: asyncio.Event
) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    loops = asyncio.create_task(_loops(engine, ledger, settings, options, stopping=stopping, hint=hint))
    try:
        yield
    finally:
        stopping.set()
        hint.set()
        await asyncio.wait({loops}, timeout=DRAIN_SECONDS)
        loops.cancel()
        await asyncio.gather(loops, return_exceptions=True)


async def _loops(
    engine: Engine,
    ledger: Ledger,
    settings: Settings,
    options: Options,
    *,
    stopping: asyncio.Event,
    hint: asyncio.Event,
) -> None:
    UP.set(1)
    key = keys.derive(_secret(settings)).endpoints
    clock = options.clock
    try:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(sender.open_client(address_policy(settings)))
            janitor = await stack.enter_async_context(_janitor(settings))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(settling.settle_forever(engine, ledger, clock=clock, stopping=stopping))
            tasks.create_task(sequencing.sequence_forever(engine, clock=clock, stopping=stopping))
            tasks.create_task(replaying.replay_forever(engine, clock=clock, stopping=stopping))
            tasks.create_task(clearing.clear_forever(engine, clock=clock, stopping=stopping))
            rulebook = Rulebook(engine, monotonic=time.monotonic)
            tasks.create_task(scheduling.arm_forever(engine, rulebook, clock=clock, stopping=stopping))
            tasks.create_task(sealing_worker.seal_bare(engine, key=key, random=os.urandom))
            if janitor is None:
                log.warning("retention_off", why="JANITOR_DATABASE_URL is not set: old messages are kept for ever")
            else:
                kept = Kept(timedelta(days=settings.messages_days), timedelta(days=settings.attempts_days))
                tasks.create_task(retaining.retain_forever(engine, janitor, kept, clock=clock, stopping=stopping))
            courier = Courier(
                engine=engine,
                client=client,
                clock=clock,
                random=random.random,
                new_id=fresh_id,
                unseal=partial(unsealed, key=key),
                version=version("zegel"),
                schedule=tuple(timedelta(seconds=seconds) for seconds in settings.webhook_retries),
                on_attempt=lambda attempt: ATTEMPTS.labels(attempt.outcome).inc(),
                on_claim=CLAIMS.observe,
                give_way=partial(ledger.give_way, seconds=GIVE_WAY_SECONDS),
            )
            tasks.create_task(delivery.deliver_forever(courier, stopping=stopping, hint=hint))
    finally:
        UP.set(0)


@asynccontextmanager
async def _janitor(settings: Settings) -> AsyncIterator[Engine | None]:
    """A connection of the role that may remove old messages; raises NotReady where it may do more."""
    if settings.janitor_database_url is None:
        yield None
        return
    janitor = transactions.create_engine(settings.janitor_database_url, pool_size=1)
    try:
        await _check(janitor, removable=REMOVABLE)
        yield janitor
    finally:
        await janitor.dispose()


def unsealed(claimed: Claimed, now: datetime, *, key: bytes) -> list[bytes]:
    """The secrets that sign a delivery now."""
    of = {"program_id": claimed.program_id, "endpoint_id": claimed.endpoint_id}
    return sealing.live(_unsealed(claimed.secret, key=key, **of), now=now)


_unsealed = lru_cache(maxsize=1_024)(sealing.unseal)


def address_policy(settings: Settings) -> guard.AddressPolicy:
    """Where webhooks may go, beyond https to public addresses."""
    return guard.AddressPolicy(
        allow_http=settings.webhook_allow_http,
        allowed=tuple(ip_network(network) for network in settings.webhook_allowed_networks),
    )


def _secret(settings: Settings) -> str:
    if settings.secret is None:
        raise NotReady("no secret: set ZEGEL_SECRET to at least 32 random characters")
    return settings.secret
