"""The result as a person reads it."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from app.bench import results
from app.bench.results import OTHERS, Must, Row
from app.bench.running import Plan, Turn
from app.bench.usage import CLIENT, DATABASE, SERVICE

DISTURBED = 0.1
"""It is said where what does not belong to the bench took more than this share of a processor."""

WIDTH = 116
"""Columns that the table needs: a narrower terminal folds its lines."""

_NOTE = (
    "· n: so many in flight. CPU: of service and database, for each event or read. client, service, database, others: "
    "share of one processor. limit: what was used up."
)


def show(plan: Plan, turns: Sequence[Turn], *, settled: float | None = None) -> None:
    """Prints the table, the musts, and what went wrong."""
    console = Console()
    console.width = max(console.width, WIDTH)
    rows = results.rows(plan, turns)
    console.print(_table(plan, rows))
    for row in rows:
        if row.delivered_per_second is not None:
            late = f"{row.undelivered or 0:,.0f} waiting at the end"
            console.print(f"{row.title}: {row.delivered_per_second:,.0f} deliveries/s, {late}")
    measured = [must for must in results.musts(turns, settled=settled) if must.found is not None]
    if measured:
        console.print(_promises(measured))
    others = results.disturbed(turns) or 0
    if others > DISTURBED:
        console.print(f"DISTURBED: something else was running as well, and took up to {others:.0%} of a processor.")
    for row in rows:
        if row.failures:
            console.print(f"INVALID: {row.title}: {row.failures}\n{row.sample}", markup=False)


def show_musts(musts: Sequence[Must]) -> None:
    """Prints promises that were measured by themselves."""
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(_promises([must for must in musts if must.found is not None]))


def _table(plan: Plan, rows: Sequence[Row]) -> Table:
    title = f"median of {plan.rounds} × {plan.seconds:g} s, {plan.members:,} members"
    table = Table(title=title, caption=_NOTE, box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("case", no_wrap=True)
    for name in (
        "per s",
        "p50 ms",
        "p99 ms",
        "CPU\nµs",
        "of\nempty",
        "×\nnaive",
        CLIENT,
        SERVICE,
        "data-\nbase",
        OTHERS,
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("limit")
    for row in rows:
        table.add_row(
            row.title,
            f"{row.per_second:,.0f}",
            f"{row.p50_ms:.1f}",
            f"{row.p99_ms:.1f}",
            "?" if row.microseconds is None else f"{row.microseconds:,.0f}",
            "" if row.of_empty is None else f"{row.of_empty:.0%}",
            "" if row.times_naive is None else f"{row.times_naive:.1f}",
            *(f"{row.shares[who]:.0%}" if who in row.shares else "?" for who in (CLIENT, SERVICE, DATABASE, OTHERS)),
            "[red]INVALID[/red]" if row.failures else row.limit,
        )
    return table


def _promises(musts: Sequence[Must]) -> Table:
    table = Table("what must hold", "", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("measured", "must", "aim"):
        table.add_column(name, justify="right", no_wrap=True)
    for must in musts:
        mark = "[green]✓[/green]" if must.kept else "[red]✗[/red]"
        least = f"{'≤' if must.at_most else '≥'} {_shown(must.must, must.unit)}"
        table.add_row(must.what, mark, _shown(must.found, must.unit), least, _shown(must.aim, must.unit))
    return table


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.1f} ×" if unit == "×" else f"{value:,.0f} {unit}"
