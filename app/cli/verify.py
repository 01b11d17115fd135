"""`zegel verify`: prove the ledger."""

import asyncio
import hashlib
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.cli import opening
from app.cli.errors import CliError
from app.db import transactions
from app.db.transactions import Engine
from app.domain import verifying
from app.domain.books import WAYS, Trial
from app.domain.rules import Versions
from app.domain.verifying import Finding
from app.program import compiling, reading
from app.program.document import Document
from app.program.reading import MistakesInDocument
from app.queries import programs, verification
from app.settings import Settings

SHOWN = 50
"""Findings told before the rest is only counted."""


def verify(
    program: Annotated[str | None, typer.Option(help="Short name of the program; all programs if left out.")] = None,
) -> None:
    """Prove the ledger: every member's chain of events, every decision taken again, every block, all sums.

    Reads one snapshot, also while the service runs, and changes nothing. Exit code 1, with the exact place, if
    anything does not agree.
    """
    with opening.database(opening.settings(), quiet=True) as settings:
        found = asyncio.run(run(settings, program=program))
    for finding in found[:SHOWN]:
        print(finding)
    if len(found) > SHOWN:
        print(f"… and {len(found) - SHOWN} more")
    if found:
        raise typer.Exit(1)


async def run(settings: Settings, *, program: str | None = None) -> list[Finding]:
    """Everything that does not agree in one program, or in all. Raises CliError for an unknown program."""
    assert settings.database_url is not None
    engine = transactions.create_engine(settings.database_url, statement_seconds=0)
    found: list[Finding] = []
    try:
        chosen = [p for p in await programs.all(engine) if program is None or p.code == program.lower()]
        if program is not None and not chosen:
            raise CliError(f"there is no program {program}")
        for one in chosen:
            found += await _program(engine, one)
    finally:
        await engine.dispose()
    return found


async def _program(engine: Engine, program: programs.Program) -> list[Finding]:
    versions, found = await _versions(engine, program.id)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    members = events = blocks = 0
    told: Counter[tuple[str, str]] = Counter()
    shared: verifying.Totals = {}
    newest = datetime.fromtimestamp(0, UTC)
    async with transactions.preview(engine) as connection:
        with Progress(*columns, console=opening.console, transient=True) as progress:
            count = await verification.members(connection, program_id=program.id)
            task = progress.add_task(f"{program.code}: members", total=count)
            async for history in verification.histories(connection, program_id=program.id):
                found.extend(verifying.findings(history, versions, shared=shared))
                newest = max(newest, history.state.recorded_at or newest)
                members, events = members + 1, events + len(history.events)
                progress.update(task, completed=members)
            async for proof in verification.blocks(connection, program_id=program.id):
                found.extend(proof.findings)
                blocks += proof.blocks
                told.update({(unit, way): points for unit, ways in proof.sums.items() for way, points in ways.items()})
        stored = await verification.shared_usage(connection, program_id=program.id)
        found.extend(verifying.shared_findings(shared, stored, versions, newest=newest))
        found.extend(await verification.orphans(connection, program_id=program.id))
        trials, unbalanced = await verification.trial_balance(connection, told, program_id=program.id)
        found.extend(unbalanced)
    _tell(program, trials, f"{members} members, {events} events, {blocks} blocks", found)
    return found


async def _versions(engine: Engine, program_id: bytes) -> tuple[Versions, list[Finding]]:
    """The published rules, and those whose document is not the one that was digested, or not what their text says."""
    found, compiled = [], []
    for row in await programs.rules_versions(engine, program_id=program_id):
        if hashlib.sha256(row.document).digest() != row.digest:
            found.append(Finding(f"rules version {row.version}", "its document is not the one that was published"))
        document = reading.read(row.document)
        if not _says(await programs.text(engine, row, program_id=program_id), document):
            found.append(Finding(f"rules version {row.version}", "its text does not say what was published"))
        compiled.append(
            compiling.compile_rules(document, version=row.version, digest=row.digest, in_force_from=row.in_force_from)
        )
    return Versions(tuple(compiled)), found


def _says(text: bytes, document: Document) -> bool:
    try:
        return reading.read(text) == document
    except MistakesInDocument:
        return False


def _tell(program: programs.Program, trials: tuple[Trial, ...], counts: str, found: list[Finding]) -> None:
    table = Table("unit", *WAYS, "outstanding", title=f"{program.code}: {counts}")
    for trial in trials:
        sums = (*[getattr(trial.moved, way) for way in WAYS], trial.outstanding)
        table.add_row(trial.unit, *[f"{points:,}" for points in sums])
    opening.console.print(table)
    opening.console.print("the books agree" if not found else f"{len(found)} places do not agree")
