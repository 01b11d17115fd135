"""Arming what the calendar brings: birthdays, anniversaries, days for all; in pages, day by day (semantics K1, K3)."""

from datetime import date, datetime, timedelta

from app.db import schedules as rows
from app.db.schedules import Armed, Run, Whose
from app.db.transactions import Engine, operation
from app.domain import calendar, encoding, schedules
from app.domain.commands import Occurrence
from app.domain.rules import Rules, Schedule, Versions, Yearly

PAGE = 500


async def arm(engine: Engine, versions: Versions, *, program_id: bytes, now: datetime) -> int:
    """Arms a page of each schedule of the calendar whose day has begun; how many schedules moved on.

    Each day is armed by the version in force as it begins, days that were missed too, in order (K2). Killed anywhere,
    it goes on; run twice, it changes nothing.
    """
    moved = 0
    for code, first in _calendar(versions).items():
        async with operation(engine) as connection:
            run = await rows.run(connection, program_id=program_id, schedule=code, first=first)
            rules = versions.at(schedules.due_on(run.day, versions.all[-1].zone))
            if run.day > calendar.local_day(now, rules.zone):
                continue
            schedule = next((one for one in rules.schedules if one.code == code), None)
            armed = None if schedule is None else _armed(schedule, run.day, rules)
            last = None
            if schedule is not None and armed is not None:
                of = _whose(schedule, run.day, armed, rules)
                last = await rows.arm(connection, armed, program_id=program_id, of=of, after=run.after, limit=PAGE)
            following = Run(run.day, last) if last is not None else Run(run.day + timedelta(days=1), None)
            await rows.ran(connection, following, program_id=program_id, schedule=code)
            moved += 1
    return moved


def _calendar(versions: Versions) -> dict[str, date]:
    """The schedules of the calendar, each with the day on which the first version that has it came into force."""
    found: dict[str, date] = {}
    for rules in versions.all:
        for schedule in rules.schedules:
            if isinstance(schedule.when, Yearly | date):
                found.setdefault(schedule.code, calendar.local_day(rules.in_force_from, rules.zone))
    return found


def _armed(schedule: Schedule, day: date, rules: Rules) -> Armed | None:
    """What a day brings by a schedule; None where it brings nothing."""
    prefix, suffix = f"sch:{schedule.code}:", ":0"
    if schedule.when is Yearly.BIRTHDAY:
        prefix, suffix = f"bday:{schedule.code}:", f":{day.year}"
    elif schedule.when is Yearly.ANNIVERSARY:
        prefix, suffix = f"anv:{schedule.code}:", f":{day.year}"
    elif schedule.when != day:
        return None
    facts = encoding.encode_facts(Occurrence(schedule.code))
    return Armed(schedule.code, prefix, suffix, schedules.due_on(day, rules.zone), facts, rules.version)


def _whose(schedule: Schedule, day: date, armed: Armed, rules: Rules) -> Whose:
    days = schedules.falls_on(day)
    if schedule.when is Yearly.BIRTHDAY:
        return rows.born_on(days, due_at=armed.due_at)
    if schedule.when is Yearly.ANNIVERSARY:
        return rows.joined_on(days, zone=rules.zone.key, year=day.year)
    return None
