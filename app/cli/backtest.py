"""`zegel backtest`: try a program document on what really happened."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.api.schemas import backtests as shown
from app.cli import opening
from app.cli import program as documents
from app.cli.errors import CliError
from app.db import transactions
from app.db.transactions import Engine
from app.domain.backtesting import Trial
from app.main import system_clock
from app.program import compiling
from app.program.document import Document
from app.queries import backtests
from app.queries.rulebook import Rulebook
from app.settings import Settings

TOP = 10
_report = Console(highlight=False, soft_wrap=True)
"""Standard output, for a file; what goes on meanwhile is told beside it."""


def backtest(
    file: Annotated[Path, typer.Argument(help="The document to try: YAML or JSON.", exists=True, dir_okay=False)],
    program: Annotated[str, typer.Option(help="Short name of the program.")],
    since: Annotated[str, typer.Option("--from", help="The period's beginning, such as 2026-10-01T00:00:00+02:00.")],
    until: Annotated[str | None, typer.Option("--to", help="Its end, which is outside; now if left out.")] = None,
    top: Annotated[int, typer.Option(min=1, max=100, help="How many of those who gain and lose most to name.")] = TOP,
) -> None:
    """Try a program document on what really happened in a period. Nothing is written."""
    document = documents.read(file)
    with opening.database(opening.settings(), quiet=True) as settings:
        found = asyncio.run(run(settings, document, program=program, since=since, until=until, top=top))
    tell(found)


async def run(
    settings: Settings, document: Document, *, program: str, since: str, until: str | None, top: int = TOP
) -> dict[str, Any]:
    """The report of the trial, as the API tells it. Raises CliError where there is nothing to try it on."""
    assert settings.database_url is not None
    engine = transactions.create_engine(settings.database_url, statement_seconds=0)
    try:
        trial = await _trial(engine, document, program=program, since=since, until=until)
        return await _tried(engine, trial, top=top)
    finally:
        await engine.dispose()


async def _trial(engine: Engine, document: Document, *, program: str, since: str, until: str | None) -> Trial:
    program_id, now = await documents.program_id(engine, program), system_clock()
    begins, ends = documents.instant(since), now if until is None else min(now, documents.instant(until))
    if begins >= ends:
        raise CliError("the period must begin before it ends, and before now")
    versions = await Rulebook(engine, monotonic=time.monotonic).of(program_id)
    if not versions.all:
        raise CliError(f"{program} has no rules yet")
    draft = compiling.compile_next(document, versions, in_force_from=begins)
    return Trial(program_id, versions, draft, begins, ends)


async def _tried(engine: Engine, trial: Trial, *, top: int) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=opening.console, transient=True) as progress:
        task = progress.add_task("members", total=None)
        async for one in backtests.run(engine, trial, top=top, monotonic=time.monotonic):
            if not isinstance(one, backtests.Progress):
                return dict(shown.report(one, trial)["report"])
            progress.update(task, total=one.of, completed=one.members)
    raise AssertionError("a trial ends with its tally")


def tell(report: dict[str, Any]) -> None:
    """Prints a report."""
    _report.print(f"{report['events']} events of {report['members']} members")
    _table("unit", ("issued", "redeemed", "expired", "reversed", "cost"), report["units"].items())
    for title, names, rows in (
        ("rule", ("rule", "unit"), report["rules"]),
        ("tier", ("ladder", "tier"), report["tiers"]),
        ("reward", ("reward",), report["rewards"]),
    ):
        if rows:
            table = Table(*names, "before", "after", title=f"by {title}")
            for row in rows:
                table.add_row(*[str(row[name] or "rounding") for name in names], str(row["before"]), str(row["after"]))
            _report.print(table)
    for row in report["refused"]:
        _report.print(f"refused: {row['events']} of {row['type']}: {row['code']}")
    for unit, most in report["most"].items():
        for way in ("gain", "lose"):
            for one in most[way]:
                _report.print(f"{one['member']} would {way} {abs(one['points'])} {unit}")


def _table(title: str, columns: tuple[str, ...], units: Any) -> None:
    table = Table(title, "", *columns)
    for unit, sides in units:
        for side in ("before", "after"):
            cells = [sides[side][name] for name in columns]
            table.add_row(unit, side, *["" if cell is None else str(cell) for cell in cells])
    _report.print(table)
