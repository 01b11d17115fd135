"""What a run comes to: medians over the rounds, ratios within each round, and the musts."""

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.bench.running import Plan, Turn
from app.bench.usage import CLIENT, DATABASE, MACHINE, RECEIVER, SERVICE

BUSY = 0.9
"""A process that uses this share of one processor, or all that use this share of the machine, are the limit."""
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Row:
    """A case over all rounds.

    `shares` are of one processor, by whose they were; `others` is what did not belong to the bench. `microseconds` of a
    processor are what the service and the database spent on one event or read. `megabytes` are the service's at the
    end. `of_empty` is the rate against the empty route's, `times_naive` against a transaction a request.
    """

    case: str
    title: str
    per_second: float
    p50_ms: float
    p99_ms: float
    of_empty: float | None
    times_naive: float | None
    shares: dict[str, float]
    microseconds: float | None
    megabytes: float
    limit: str
    delivered_per_second: float | None
    undelivered: float | None
    requests: int
    failures: dict[str, int]
    sample: str


@dataclass(frozen=True, slots=True)
class Must:
    """A promise and what was measured; `found` is None where the run lacks a case for it."""

    what: str
    unit: str
    must: float
    aim: float | None
    found: float | None
    at_most: bool = False

    @property
    def kept(self) -> bool | None:
        """None where it was not measured."""
        if self.found is None:
            return None
        return self.found <= self.must if self.at_most else self.found >= self.must


def rows(plan: Plan, turns: Sequence[Turn]) -> tuple[Row, ...]:
    """One row a case, in the order of the plan."""
    return tuple(_row(case.name, turns) for case in plan.cases)


def musts(turns: Sequence[Turn], *, settled: float | None = None) -> tuple[Must, ...]:
    """What the project promises of speed, against this run; `settled` are lots a second."""

    def rate(name: str, of: str) -> float | None:
        return _ratio(turns, name, of, lambda turn: turn.rate)

    late = _ratio(turns, "single_64", "empty_post", lambda turn: turn.told.p99_ms)
    batch = _median([turn.rate for turn in turns if turn.case.name == "batch"])
    memory = _median([turn.megabytes for turn in turns if turn.case.name == "single_64"])
    return (
        Must("events, of the empty POST", "%", 45, 70, _percent(rate("single_64", "empty_post"))),
        Must(
            "events with the worker, of the empty POST", "%", 20, 35, _percent(rate("single_64_worker", "empty_post"))
        ),
        Must("events, times a transaction each", "×", 5, None, rate("single_64", "naive_64")),
        Must("p99 of events, times the empty POST's", "×", 4, 2, late, at_most=True),
        Must("events by 30 rules, of events", "%", 50, None, _percent(rate("rules_64", "single_64"))),
        Must("events in batches", "/s", 4000, 10000, batch),
        Must("events in batches, times one by one", "×", 1.5, None, rate("batch", "single_64")),
        Must("redemptions with 50 lots, of events", "%", 60, None, _percent(rate("redemption_lots_64", "single_64"))),
        Must("holds and captures, 50 lots, of events", "%", 60, None, _percent(rate("holding_lots_64", "single_64"))),
        Must("sales and returns, 50 lots, of events", "%", 60, None, _percent(rate("returning_lots_64", "single_64"))),
        Must("lots settled", "/s", 5000, None, settled),
        Must("50 hot members mixed, of events", "%", 60, None, _percent(rate("hot_64", "single_64"))),
        Must("balances, of the empty GET", "%", 60, None, _percent(rate("balance_64", "empty_get"))),
        Must("balances with 304, of balances", "%", 100, None, _percent(rate("balance_304_64", "balance_64"))),
        Must("memory of the service, 64 in flight", "MB", 200, None, memory, at_most=True),
    )


def document(
    plan: Plan, turns: Sequence[Turn], *, database: str, at: str, settled: float | None = None
) -> dict[str, Any]:
    """The whole result, for a file."""
    return {
        "at": at,
        "machine": {"system": platform.platform(), "processors": os.cpu_count(), "python": platform.python_version()},
        "database": database,
        "plan": {"rounds": plan.rounds, "seconds": plan.seconds, "warm_up": plan.warm_up, "members": plan.members},
        "valid": not any(turn.told.failures for turn in turns),
        "disturbed": disturbed(turns),
        "cases": {row.case: asdict(row) for row in rows(plan, turns)},
        "musts": [{**asdict(must), "kept": must.kept} for must in musts(turns, settled=settled)],
        "rounds": [{"case": turn.case.name, "round": turn.round, **asdict(turn.told)} for turn in turns],
    }


def disturbed(turns: Sequence[Turn]) -> float | None:
    """The most of a processor that something else took during a case; None where that cannot be told."""
    return max((found[OTHERS] for found in map(_shares, turns) if OTHERS in found), default=None)


def _row(name: str, turns: Sequence[Turn]) -> Row:
    mine = [turn for turn in turns if turn.case.name == name]
    case, told = mine[0].case, [turn.told for turn in mine]
    shares = {who: statistics.median(_shares(turn)[who] for turn in mine) for who in _shares(mine[0])}
    failures: dict[str, int] = {}
    for one in told:
        for what, count in one.failures.items():
            failures[what] = failures.get(what, 0) + count
    return Row(
        case=name,
        title=case.title,
        per_second=statistics.median(turn.rate for turn in mine),
        p50_ms=statistics.median(one.p50_ms for one in told),
        p99_ms=statistics.median(one.p99_ms for one in told),
        of_empty=_ratio(turns, name, case.base, lambda turn: turn.rate),
        times_naive=_ratio(turns, name, "naive_64", lambda turn: turn.rate) if case.base == "empty_post" else None,
        shares=shares,
        microseconds=_median([_spent(turn) * 1e6 for turn in mine if DATABASE in turn.told.used]),
        megabytes=statistics.median(turn.megabytes for turn in mine),
        limit=_limit(shares),
        delivered_per_second=_median([turn.delivered for turn in mine if turn.delivered is not None]),
        undelivered=_median([turn.behind for turn in mine if turn.behind is not None]),
        requests=sum(one.requests for one in told),
        failures=failures,
        sample=next((one.sample for one in told if one.sample), ""),
    )


def _shares(turn: Turn) -> dict[str, float]:
    shares = {who: seconds / turn.told.seconds for who, seconds in turn.told.used.items()}
    if DATABASE in shares:
        known = (CLIENT, SERVICE, DATABASE, RECEIVER)
        shares[OTHERS] = max(0.0, shares[MACHINE] - sum(shares[who] for who in known))
    return shares


def _spent(turn: Turn) -> float:
    return (turn.told.used[SERVICE] + turn.told.used[DATABASE]) / max(1, turn.told.events)


def _limit(shares: dict[str, float]) -> str:
    """What was used up; where nothing was, the requests waited: for the disk, or for one another."""
    if shares[CLIENT] >= BUSY:
        return "client"
    if shares[SERVICE] >= BUSY:
        return "service"
    return "machine" if shares[MACHINE] >= BUSY * (os.cpu_count() or 1) else "waiting"


def _ratio(turns: Sequence[Turn], name: str, base: str | None, value: Callable[[Turn], float]) -> float | None:
    """The median of the ratios within each round: what slows a whole round down counts for both."""
    of = {turn.round: value(turn) for turn in turns if turn.case.name == base}
    mine = {turn.round: value(turn) for turn in turns if turn.case.name == name}
    return _median([found / of[round] for round, found in mine.items() if of.get(round)])


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio
