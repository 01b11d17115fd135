"""Schedules: one kind each, and everything that it needs."""

from collections.abc import Iterator

from app.program.checking import names
from app.program.document import Schedule
from app.program.parsing import Path, Problem
from app.program.parts import Parts


def check(path: Path, schedule: Schedule, parts: Parts) -> Iterator[Problem]:
    """What is wrong with one schedule."""
    kinds = [name for name in ("after", "yearly", "on") if getattr(schedule, name) is not None]
    if len(kinds) != 1:
        yield Problem(path, "must name exactly one of after, yearly and on")
    if schedule.wait is None and schedule.after is not None and schedule.each is None:
        yield Problem((*path, "wait"), "is missing: how long after it")
    if schedule.wait is not None and schedule.after is None:
        yield Problem((*path, "wait"), "belongs to after")
    for name in ("tier", "each"):
        if getattr(schedule, name) is not None and schedule.after != "tier":
            yield Problem((*path, name), "belongs to after tier")
    if schedule.after == "tier" and schedule.tier is None:
        yield Problem((*path, "tier"), "is missing: which tier")
    tiers = frozenset(code for _, code in parts.level_ids)
    if schedule.tier is not None and schedule.tier not in tiers:
        yield Problem((*path, "tier"), "there is no such tier", names.nearest(schedule.tier, tiers))
