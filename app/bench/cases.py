"""What is measured: each case by name, with the work, how much of it is in flight, and what it is compared with."""

from dataclasses import dataclass
from enum import StrEnum

BATCH = 500
IN_FLIGHT = 64
BETWEEN = 512
"""So many requests lie between a hold and its capture, and between a sale and its return."""
LOTS = 50
"""Open lots of each member who has many."""
HOT_MEMBERS = 50


class Work(StrEnum):
    """What the load generator sends over and over."""

    EMPTY_POST = "empty_post"
    EMPTY_GET = "empty_get"
    PURCHASE = "purchase"
    NAIVE = "naive"
    BATCH = "batch"
    REDEMPTION = "redemption"
    HOLDING = "holding"
    RETURNING = "returning"
    MIXED = "mixed"
    BALANCE = "balance"
    UNCHANGED = "unchanged"


class Scheme(StrEnum):
    """The programs of the bench: one each, so that none finds what another left behind."""

    PLAIN = "plain"
    WORKER = "worker"
    NAIVE = "naive"
    RICH = "rich"


class Crowd(StrEnum):
    """Whom the requests are about: anybody, those with many open lots, or a few whom everybody asks for."""

    ALL = "all"
    MANY_LOTS = "many_lots"
    HOT = "hot"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the result. `base` names the case of an empty route that it is held against."""

    name: str
    title: str
    work: Work
    in_flight: int = IN_FLIGHT
    scheme: Scheme = Scheme.PLAIN
    base: str | None = None
    crowd: Crowd = Crowd.ALL


CASES = (
    Case("empty_post", "empty POST · 64", Work.EMPTY_POST),
    Case("single_1", "events · 1", Work.PURCHASE, in_flight=1, base="empty_post"),
    Case("single_16", "events · 16", Work.PURCHASE, in_flight=16, base="empty_post"),
    Case("single_64", "events · 64", Work.PURCHASE, base="empty_post"),
    Case("rules_64", "30 rules, 10 conditions · 64", Work.PURCHASE, scheme=Scheme.RICH, base="empty_post"),
    Case("single_64_worker", "with the worker · 64", Work.PURCHASE, scheme=Scheme.WORKER, base="empty_post"),
    Case("naive_64", "a transaction each · 64", Work.NAIVE, scheme=Scheme.NAIVE, base="empty_post"),
    Case("batch", "batches of 500 · 4", Work.BATCH, in_flight=4, base="empty_post"),
    Case("redemption_64", "redemptions · 64", Work.REDEMPTION, base="empty_post"),
    Case("redemption_lots_64", "redemptions, 50 lots · 64", Work.REDEMPTION, base="empty_post", crowd=Crowd.MANY_LOTS),
    Case("holding_lots_64", "holds, captures, 50 lots · 64", Work.HOLDING, base="empty_post", crowd=Crowd.MANY_LOTS),
    Case("returning_lots_64", "sales, returns, 50 lots · 64", Work.RETURNING, base="empty_post", crowd=Crowd.MANY_LOTS),
    Case("hot_64", "50 hot members, mixed · 64", Work.MIXED, base="empty_post", crowd=Crowd.HOT),
    Case("empty_get", "empty GET · 64", Work.EMPTY_GET),
    Case("balance_64", "balances · 64", Work.BALANCE, base="empty_get"),
    Case("balance_304_64", "balances, 304 · 64", Work.UNCHANGED, base="empty_get"),
)
"""Every case, in the order of the table; the number in a title is how many requests are in flight."""


def chosen(names: tuple[str, ...]) -> tuple[Case, ...]:
    """The cases whose name starts with one of `names`, with the empty routes they are held against; without any, all.

    Raises ValueError for a name that fits no case.
    """
    if not names:
        return CASES
    for name in names:
        if not any(case.name.startswith(name) for case in CASES):
            raise ValueError(f"no case is called {name}: choose from {', '.join(case.name for case in CASES)}")
    wanted = {case.name for case in CASES if case.name.startswith(names)}
    wanted |= {case.base for case in CASES if case.name in wanted and case.base is not None}
    return tuple(case for case in CASES if case.name in wanted)
