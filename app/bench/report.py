"""What a run comes to: medians over the rounds, ratios within each round, the musts, a table and a JSON document."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from app.bench.running import Plan, Turn

BUSY = 0.9
"""A process that uses this share of one processor, or a machine that uses this share of all, is the limit."""


@dataclass(frozen=True, slots=True)
class Row:
    """A case over all rounds. Shares of processors are of one processor for a process, of all for the machine."""

    case: str
    title: str
    per_second: float
    p50_ms: float
    p99_ms: float
    of_empty: float | None
    times_naive: float | None
    client: float
    server: float
    machine: float
    limit: str
    delivered_per_second: float | None
    undelivered: int | None
    requests: int
    failures: dict[str, int]
    sample: str


@dataclass(frozen=True, slots=True)
class Must:
    """A promise and what was measured; `kept` None where the run lacks a case for it."""

    what: str
    unit: str
    must: float
    aim: float | None
    found: float | None
    at_most: bool = False

    @property
    def kept(self) -> bool | None:
        if self.found is None:
            return None
        return self.found <= self.must if self.at_most else self.found >= self.must


def rows(plan: Plan, turns: Sequence[Turn]) -> tuple[Row, ...]:
    """One row a case, in the order of the plan."""
    return tuple(_row(plan, case.name, turns) for case in plan.cases)


def musts(turns: Sequence[Turn]) -> tuple[Must, ...]:
    """What the project promises of speed, against this run."""
    batch = [turn.told.events / turn.told.seconds for turn in turns if turn.case.name == "batch"]
    return (
        Must("single events, of the empty POST", "%", 45, 70, _percent(_ratio(turns, "single_64", "empty_post"))),
        Must("with the worker, of it", "%", 20, 35, _percent(_ratio(turns, "single_64_worker", "empty_post"))),
        Must("single events, times a transaction each", "×", 5, None, _ratio(turns, "single_64", "naive_64")),
        Must("p99 of single events, times the empty POST's", "×", 4, 2, _slower(turns), at_most=True),
        Must("batches, events a second", "/s", 4000, 10000, statistics.median(batch) if batch else None),
        Must("batches, times single events", "×", 1.5, None, _ratio(turns, "batch", "single_64")),
        Must("balances, of the empty GET", "%", 60, None, _percent(_ratio(turns, "balance_64", "empty_get"))),
        Must("unchanged balances, of these", "%", 100, None, _percent(_ratio(turns, "balance_304_64", "balance_64"))),
    )


def document(plan: Plan, turns: Sequence[Turn], *, database: str, at: str) -> dict[str, Any]:
    """The whole result, for a file."""
    return {
        "at": at,
        "machine": {"system": platform.platform(), "processors": os.cpu_count(), "python": platform.python_version()},
        "database": database,
        "plan": {"rounds": plan.rounds, "seconds": plan.seconds, "warm_up": plan.warm_up, "members": plan.members},
        "valid": not any(turn.told.failures for turn in turns),
        "cases": {row.case: asdict(row) for row in rows(plan, turns)},
        "musts": [{**asdict(must), "kept": must.kept} for must in musts(turns)],
        "rounds": [{"case": turn.case.name, "round": turn.round, **asdict(turn.told)} for turn in turns],
    }


def show(console: Console, plan: Plan, turns: Sequence[Turn]) -> None:
    """Prints the table, the musts, and what went wrong."""
    table = Table("case", title=f"median of {plan.rounds} × {plan.seconds:g} s")
    for name in ("per second", "p50 ms", "p99 ms", "of empty", "× naive", "client", "service", "machine"):
        table.add_column(name, justify="right")
    table.add_column("limit")
    for row in rows(plan, turns):
        table.add_row(
            row.title,
            f"{row.per_second:,.0f}",
            f"{row.p50_ms:.2f}",
            f"{row.p99_ms:.2f}",
            "" if row.of_empty is None else f"{row.of_empty:.0%}",
            "" if row.times_naive is None else f"{row.times_naive:.1f}",
            f"{row.client:.0%}",
            f"{row.server:.0%}",
            f"{row.machine:.0%}",
            row.limit if not row.failures else f"[red]INVALID {row.failures}[/red]",
        )
    console.print(table)
    promises = Table("must", "", title="what must hold")
    for name in ("measured", "must", "aim"):
        promises.add_column(name, justify="right")
    for must in musts(turns):
        mark = {None: "–", True: "[green]✓[/green]", False: "[red]✗[/red]"}[must.kept]
        sign = "≤" if must.at_most else "≥"
        promises.add_row(
            must.what, mark, _shown(must.found, must), f"{sign} {_shown(must.must, must)}", _shown(must.aim, must)
        )
    console.print(promises)
    for row in rows(plan, turns):
        if row.delivered_per_second is not None:
            console.print(
                f"{row.title}: {row.delivered_per_second:,.0f} deliveries/s, {row.undelivered:,} behind at the end"
            )
        if row.failures:
            console.print(f"INVALID: {row.title}: {row.failures}\n{row.sample}", markup=False)


def _row(plan: Plan, name: str, turns: Sequence[Turn]) -> Row:
    mine = [turn for turn in turns if turn.case.name == name]
    case, told = mine[0].case, [turn.told for turn in mine]
    processors = os.cpu_count() or 1
    client = statistics.median(one.client_seconds / one.seconds for one in told)
    server = statistics.median(one.server_seconds / one.seconds for one in told)
    machine = statistics.median(one.machine_seconds / one.seconds / processors for one in told)
    failures: dict[str, int] = {}
    for one in told:
        for what, count in one.failures.items():
            failures[what] = failures.get(what, 0) + count
    return Row(
        case=name,
        title=case.title,
        per_second=statistics.median(one.events / one.seconds for one in told),
        p50_ms=statistics.median(one.p50_ms for one in told),
        p99_ms=statistics.median(one.p99_ms for one in told),
        of_empty=_ratio(turns, name, case.base) if case.base is not None else None,
        times_naive=_ratio(turns, name, "naive_64") if case.base == "empty_post" else None,
        client=client,
        server=server,
        machine=machine,
        limit=_limit(client, server, machine),
        delivered_per_second=_median([turn.delivered for turn in mine]),
        undelivered=_whole(_median([turn.behind for turn in mine])),
        requests=sum(one.requests for one in told),
        failures=failures,
        sample=next((one.sample for one in told if one.sample), ""),
    )


def _limit(client: float, server: float, machine: float) -> str:
    if client >= BUSY:
        return "client"
    if server >= BUSY:
        return "service"
    return "machine" if machine >= BUSY else "waiting"


def _ratio(turns: Sequence[Turn], name: str, base: str) -> float | None:
    """The median of the ratios within each round: what slows a whole round down counts for both."""
    rates: Mapping[tuple[str, int], float] = {
        (turn.case.name, turn.round): turn.told.events / turn.told.seconds for turn in turns
    }
    pairs = [(rate, rates.get((base, round), 0)) for (case, round), rate in rates.items() if case == name]
    ratios = [rate / of for rate, of in pairs if of]
    return statistics.median(ratios) if ratios else None


def _slower(turns: Sequence[Turn]) -> float | None:
    late = {(turn.case.name, turn.round): turn.told.p99_ms for turn in turns}
    pairs = [(ms, late.get(("empty_post", round), 0)) for (case, round), ms in late.items() if case == "single_64"]
    ratios = [ms / of for ms, of in pairs if of]
    return statistics.median(ratios) if ratios else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio


def _shown(value: float | None, must: Must) -> str:
    if value is None:
        return ""
    digits = 0 if must.unit != "×" else 1
    return f"{value:,.{digits}f} {must.unit}"
