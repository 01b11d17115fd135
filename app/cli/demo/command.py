"""The command: everything started, shown, reconciled, and ended."""

import asyncio
import os
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app import localpg
from app.cli import opening, verify
from app.cli.demo import display, driving, reconciling, scene, service, timetravel
from app.cli.demo.receiver import FAILED_SHARE, Inbox, receiving
from app.cli.demo.reconciling import Check, Ledger
from app.cli.demo.scene import PROGRAM, Scene
from app.cli.demo.shops import Stage
from app.cli.demo.tally import Tally
from app.db import transactions
from app.main import ROOT, fresh_id, system_clock
from app.settings import Settings

_SECONDS, _MEMBERS = 15, 150
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Options:
    """How long it is driven, with how many members; where the service listens and logs; how often webhooks fail."""

    seconds: float = _SECONDS
    members: int = _MEMBERS
    port: int | None = None
    stay: bool = False
    log: Path = Path(os.devnull)
    failing: float = FAILED_SHARE


@dataclass(frozen=True, slots=True)
class Shown:
    """A demo that has come to its end: what was compared, and what it was compared on."""

    checks: tuple[Check, ...]
    tally: Tally
    inbox: Inbox

    @property
    def right(self) -> bool:
        return all(check.right for check in self.checks)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after reconciling; the exit code is 0 only if everything agrees.")
    ] = False,
    seconds: Annotated[int, typer.Option(min=2, max=3600, help="How long members come and buy.")] = _SECONDS,
    members: Annotated[int, typer.Option(min=5, max=5000, help="How many members join.")] = _MEMBERS,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the API.", show_default="a free one")
    ] = None,
) -> None:
    """See it work: a coffee house's till, webshop and app drive the service over HTTP, and everything is reconciled.

    Starts the database and the service, publishes programs/koffiehuis.yaml as the program `demo`, and receives its
    webhooks. Members join, some by a friend's code, buy, redeem and reach tiers; requests are sent twice, an offline
    till uploads what it gathered, late and twice, goods brought back before they were sold; points are kept aside for a
    sale, a redemption is refused, 2 % of the webhooks fail and are sent again. At the end the clock jumps by a year.

    The service stays up afterwards until Ctrl-C, unless you say --once. Another start goes on with the same data.
    """
    found = opening.settings()
    log = _log(found)
    options = Options(seconds=seconds, members=members, port=port, stay=not once, log=log)
    with opening.database(found) as settings:
        shown = asyncio.run(play(settings, options))
    raise typer.Exit(0 if shown.right else 1)


async def play(settings: Settings, options: Options) -> Shown:
    """The whole demo on a database that is up. Raises CliError for what stops it."""
    run, tally = _run_name(), Tally()
    chance = random.Random(run).random  # noqa: S311 - which webhooks fail is no secret
    inbox = Inbox(draw=chance, clock=time.time, failing=options.failing)
    async with AsyncExitStack() as stack:
        engine = transactions.create_engine(settings.database_url or "", pool_size=3)
        stack.push_async_callback(engine.dispose)
        set_up = await scene.prepare(engine, settings)
        await stack.enter_async_context(receiving(inbox))
        opening.console.print(f"starting the service; its log: {options.log}", markup=False)
        url = await stack.enter_async_context(service.serving(settings, port=options.port, log=options.log))
        began = fresh_id()
        await stack.enter_async_context(scene.subscribed(set_up, url, inbox, run=run))
        ledger = Ledger(engine, set_up.program_id, began, fresh_id())
        clients = await stack.enter_async_context(scene.clients(set_up, url))
        played = Stage(run, clients, tally, random.Random(run + "s"), system_clock)  # noqa: S311 - a play
        shown = Shown(await _played(played, ledger, inbox, settings, options), tally, inbox)
        _tell(shown, set_up, url, settings, options, fresh=played.fresh("till"))
        if options.stay:
            await _stay()
    return shown


async def _played(
    stage: Stage, ledger: Ledger, inbox: Inbox, settings: Settings, options: Options
) -> tuple[Check, ...]:
    async with _display(stage, inbox, options) as say:
        await driving.drive(stage, seconds=options.seconds, members=options.members)
        say("waiting for the last webhooks")
        await reconciling.settled(ledger, inbox)
        say("reconciling")
        checks = await reconciling.reconcile(stage, ledger, inbox)
        say("letting time pass")
        checks = (*checks, *await timetravel.jump(ledger.engine, settings, run=stage.run))
    opening.console.print("\nzegel verify --program demo", markup=False)
    findings = await verify.run(settings, program=PROGRAM)
    return (*checks, Check(not findings, f"zegel verify proves every event: {len(findings)} findings"))


@asynccontextmanager
async def _display(stage: Stage, inbox: Inbox, options: Options) -> AsyncIterator["_Title"]:
    """The live display while the block runs; what is going on can be said."""
    title, done = _Title(f"a busy {options.seconds:g} seconds"), asyncio.Event()
    showing = asyncio.create_task(
        display.show(opening.console, stage.tally, inbox, done=done, stage=lambda: title.text)
    )
    try:
        yield title
    finally:
        done.set()
        await showing


@dataclass(slots=True)
class _Title:
    text: str

    def __call__(self, text: str) -> None:
        self.text = text


def _tell(shown: Shown, set_up: Scene, url: str, settings: Settings, options: Options, *, fresh: str) -> None:
    """What was compared, and what to try next."""
    for check in shown.checks:
        opening.console.print(f"{'[green]✓[/]' if check.right else '[red]✗[/]'} {check.text}")
    said = "everything reconciles" if shown.right else "it does NOT reconcile"
    opening.console.print(f"[bold]{said}[/]\n")
    key, name = set_up.shop_keys["till"], next((p.name for p in shown.tally.people.values()), "card:1")
    folder = "" if settings.data is None else f"ZEGEL_DATA={settings.data} "
    purchase = f"""{{"type": "purchase", "id": "{fresh}", "member": "{name}", "currency": "EUR", "total": "12.50", """
    purchase += f""""occurred_at": "{system_clock():%Y-%m-%dT%H:%M:%SZ}"}}"""
    lookup = f"""{{"member": "{name}", "include": ["balance", "tier"]}}"""
    curl, json = 'curl -H "Authorization: Bearer $KEY"', "-H 'Content-Type: application/json'"
    lines = [
        "What to try next:",
        "  # the service stays up; Ctrl-C ends it"
        if options.stay
        else f"  {folder}zegel serve --port {url.rpartition(':')[2]}  # starts it again",
        f"  # documentation: {url}/docs",
        f"  KEY={key}  # a till's, for 30 days",
        f"  {curl} {url}/v1/program/rules",
        f"  {curl} {json} -d '{lookup}' {url}/v1/members/lookup",
        f"  {curl} {json} -d '{purchase}' {url}/v1/events  # as often as you like",
    ]
    opening.console.print("\n".join(lines), markup=False)


async def _stay() -> None:
    """Until Ctrl-C, or until we are told to end."""
    ending, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ending.set)
    try:
        await ending.wait()
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)


def _log(found: Settings) -> Path:
    """Where the service's log goes: into the data folder or, where there is none, into one for short-lived files."""
    if found.database_url is not None:
        return Path(tempfile.mkdtemp(prefix="zegel-demo-"), "serve.log")
    home = found.data or localpg.home_for(ROOT, root=os.geteuid() == 0)
    return home / "demo.log"


def _run_name() -> str:
    """A short name of this run, which no other has."""
    number, letters = time.time_ns() // 1_000_000, ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        letters = _DIGITS[digit] + letters
    return letters
