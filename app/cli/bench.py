"""`zegel bench`: how fast this machine is, measured beside what an empty route and an ordinary service do."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from app import localpg
from app.bench import clearing, database, documents, report, results, running, scene
from app.bench import webhooks as webhook_bench
from app.bench.cases import CASES, Case, Crowd, Scheme, chosen
from app.bench.processes import BenchError
from app.bench.running import Plan
from app.bench.scene import Program
from app.bench.webhooks import Sizes
from app.cli import keys, opening
from app.cli.errors import CliError
from app.db.transactions import Engine
from app.domain.scopes import Scope
from app.main import ROOT, fresh_id, newest_migration, system_clock
from app.operations import programs
from app.program import reading
from app.queries import health
from app.settings import Settings

SECONDS, QUICK_SECONDS = 3.0, 0.5
ROUNDS, QUICK_ROUNDS = 5, 1
MEMBERS, QUICK_MEMBERS = 10_000, 1_000
MESSAGES, QUICK_MESSAGES = 20_000, 500

_NAMES = ", ".join(case.name for case in CASES)


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="A few seconds in all: to see that it works.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, max=50, help="Rounds.", show_default="5")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, max=60, help="Seconds a case and round.", show_default="3")
    ] = None,
    members: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Members.", show_default="10000")] = None,
    case: Annotated[list[str] | None, typer.Option(help=f"Only cases that start so; repeatable: {_NAMES}.")] = None,
    webhooks: Annotated[bool, typer.Option("--webhooks", help="Delivery of webhooks instead.")] = False,
    backlog: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="With --webhooks: deliveries that are pending in the last part.")
    ] = 100_000,
    json_file: Annotated[Path, typer.Option("--json", help="Where the result goes.")] = Path("bench-results.json"),
) -> None:
    """Measure events, batches, redemptions and reads beside empty routes and a transaction a request, all in one run.

    Durability is on. Without DATABASE_URL it uses a server of its own, in `bench` in the data folder; with it, programs
    of its own in that database, which stay there: use one that you can throw away.
    """
    if webhooks:
        _webhooks(quick=quick, seconds=seconds, backlog=backlog)
        return
    try:
        cases = chosen(tuple(case or ()))
    except ValueError as error:
        raise CliError(str(error)) from None
    plan = Plan(
        cases=cases,
        rounds=rounds or (QUICK_ROUNDS if quick else ROUNDS),
        seconds=seconds or (QUICK_SECONDS if quick else SECONDS),
        members=members or (QUICK_MEMBERS if quick else MEMBERS),
    )
    try:
        with _database() as (settings, where):
            made = asyncio.run(keys.with_engine(settings, lambda engine: _programs(engine, settings, cases)))
            turns = running.run(plan, settings, made, clock=system_clock, say=opening.console.print)
            settled = asyncio.run(_settled(plan, settings, made))
    except BenchError as error:
        raise CliError(str(error)) from None
    result = results.document(plan, turns, database=where, at=scene.time_text(system_clock()), settled=settled)
    json_file.write_text(json.dumps(result, indent=2) + "\n")
    report.show(plan, turns, settled=settled)
    opening.console.print(f"written to {json_file}")
    if not result["valid"]:
        raise CliError("some requests failed: this run counts for nothing")


def _webhooks(*, quick: bool, seconds: float | None, backlog: int) -> None:
    """What delivery promises; raises CliError where it cannot be measured."""
    sizes = Sizes(
        messages=QUICK_MESSAGES if quick else MESSAGES,
        seconds=seconds or (QUICK_SECONDS if quick else 2 * SECONDS),
        backlog=min(backlog, QUICK_MESSAGES) if quick else backlog,
    )
    try:
        with _database() as (settings, _):
            made = asyncio.run(keys.with_engine(settings, lambda engine: _programs(engine, settings, chosen(("hot",)))))
            found = uvloop.run(  # as the worker runs
                webhook_bench.measure(
                    settings, made[Scheme.PLAIN], sizes, clock=system_clock, say=opening.console.print
                )
            )
    except BenchError as error:
        raise CliError(str(error)) from None
    report.show_musts(found)


async def _settled(plan: Plan, settings: Settings, made: dict[Scheme, Program]) -> float | None:
    """Lots settled a second, of the members who have many; None where no case is about those."""
    if not any(case.crowd is Crowd.MANY_LOTS for case in plan.cases):
        return None
    opening.console.print("settling what has ended on a clock two years ahead")
    program_id = made[Scheme.PLAIN].id
    found = await keys.with_engine(
        settings, lambda engine: clearing.settle(engine, settings, program_id, now=system_clock())
    )
    return found.rate


@contextmanager
def _database() -> Iterator[tuple[Settings, str]]:
    """A database to fill: of its own on a server of its own, dropped afterwards, or DATABASE_URL's."""
    found = opening.settings()
    if found.database_url is not None:
        with opening.database(found) as settings:
            yield settings, "DATABASE_URL"
        return
    opening.configure_logging("warning")
    home = (found.data or localpg.home_for(ROOT, root=os.geteuid() == 0)) / "bench"
    with (
        localpg.open_server(home, settings=localpg.PRODUCTION, on_event=opening.console.print) as server,
        database.alone(home),
        database.fresh(server.url("postgres", user=localpg.SUPERUSER)),
    ):
        opening.upgrade(
            server.url(database.NAME, user=localpg.SUPERUSER), login=opening.SERVICE, janitor=opening.JANITOR
        )
        complete = {
            "database_url": server.url(database.NAME, user=opening.SERVICE),
            "janitor_database_url": server.url(database.NAME, user=opening.JANITOR),
            "secret": os.urandom(32).hex(),
        }
        yield found.model_copy(update=complete), f"embedded: {' '.join(localpg.PRODUCTION)}"


async def _programs(engine: Engine, settings: Settings, cases: tuple[Case, ...]) -> dict[Scheme, Program]:
    """A program for each scheme that the cases need, under names nobody else has."""
    if await health.schema_version(engine) != newest_migration():
        raise CliError("the database's schema is not up to date: run `zegel migrate`")
    run, made = os.urandom(4).hex(), {}
    for scheme in sorted({case.scheme for case in cases}):
        code = f"bench-{run}-{scheme.value}"
        text = scene.DOCUMENTS.get(scheme, documents.SIMPLE)
        published = await programs.publish(
            engine,
            reading.read_new(text),
            text=text.encode(),
            code=code,
            id=fresh_id(),
            audit_id=fresh_id(),
            actor="bench",
            now=system_clock(),
        )
        key = await keys.make_key(
            engine, settings, program=code, shop="till", scopes=tuple(Scope), label="bench", days=1
        )
        made[scheme] = Program(published.program_id, key)
    return made
