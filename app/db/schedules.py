"""What the calendar brings, as rows that fall due: a page of members at once, each once (semantics K3)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    LargeBinary,
    Select,
    Text,
    cast,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t
from app.domain.commands import CLOCK, Occurrence

CHANGED_LATELY = timedelta(days=30)
"""A birthday is not kept so soon after its date was changed: else it could be kept as often as it is changed."""

Whose = ColumnElement[bool] | None
"""Which members a day is for; None for all."""

_m, _p, _v = t.member.c, t.profile.c, t.event.c


class Run(NamedTuple):
    """How far a schedule has been armed: the day that is next, and the member after whom."""

    day: date
    after: bytes | None


class Armed(NamedTuple):
    """What a page of members is armed with: an event of this key (less the member), due at an instant."""

    schedule: str
    prefix: str
    suffix: str
    due_at: datetime
    facts: bytes
    rules_version: int


async def run(connection: AsyncConnection, *, program_id: bytes, schedule: str, first: date) -> Run:
    """How far a schedule has come, locked; it begins with the `first` day."""
    named = {"program_id": program_id, "schedule": schedule}
    await connection.execute(insert(t.schedule_run).values(**named, day=first).on_conflict_do_nothing())
    r = t.schedule_run.c
    query = select(r.day, r.after).where(r.program_id == program_id, r.schedule == schedule).with_for_update()
    row = (await connection.execute(query)).one()
    return Run(row.day, row.after)


async def ran(connection: AsyncConnection, now: Run, *, program_id: bytes, schedule: str) -> None:
    """Keeps how far a schedule has come."""
    r = t.schedule_run.c
    same = (r.program_id == program_id) & (r.schedule == schedule)
    await connection.execute(update(t.schedule_run).where(same).values(day=now.day, after=now.after))


def born_on(days: Sequence[tuple[int, int]], *, due_at: datetime) -> ColumnElement[bool]:
    """Members with a birthday on one of these days of the year, whose date was not changed lately."""
    month, day = cast(extract("month", _p.birthday), Integer), cast(extract("day", _p.birthday), Integer)
    settled = or_(_p.birthday_changed_at.is_(None), _p.birthday_changed_at <= due_at - CHANGED_LATELY)
    same = (_p.program_id == _m.program_id) & (_p.member_id == _m.member_id)
    return exists().where(same, tuple_(month, day).in_(days), settled)


def joined_on(days: Sequence[tuple[int, int]], *, zone: str, year: int) -> ColumnElement[bool]:
    """Members who joined on one of these days of an earlier year, by the calendar of the zone."""
    joined = cast(func.timezone(zone, _m.enrolled_at), Date)
    month, day = cast(extract("month", joined), Integer), cast(extract("day", joined), Integer)
    return tuple_(month, day).in_(days) & (extract("year", joined) < year)


async def arm(
    connection: AsyncConnection,
    armed: Armed,
    *,
    program_id: bytes,
    of: Whose,
    after: bytes | None,
    limit: int,
) -> bytes | None:
    """Arms a page of the members of whom that is true; the last of a full page, or None where it was the last page."""
    page = _members(armed, program_id=program_id, of=of, after=after, limit=limit)
    members = [row.member_id for row in await connection.execute(page)]
    if members:
        key = _key(armed)
        unheard = ~exists().where(
            _v.program_id == program_id, _v.source == CLOCK, _v.kind == Occurrence.kind, _v.key == key
        )
        rows = select(
            _m.program_id,
            _m.member_id,
            key,
            literal(armed.due_at, t.INSTANT),
            literal(Occurrence.kind, Text()),
            literal(armed.facts, LargeBinary()),
            literal(armed.rules_version, Integer()),
            _m.member_id,
        ).where(_m.program_id == program_id, _m.member_id.in_(members), unheard)
        names = ["program_id", "member_id", "key", "due_at", "kind", "facts", "rules_version", "cause"]
        await connection.execute(insert(t.schedule).from_select(names, rows).on_conflict_do_nothing())
    return members[-1] if len(members) == limit else None


def _members(armed: Armed, *, program_id: bytes, of: Whose, after: bytes | None, limit: int) -> Select[tuple[bytes]]:
    query = select(_m.member_id).where(_m.program_id == program_id, _m.enrolled_at <= armed.due_at)
    if of is not None:
        query = query.where(of)
    if after is not None:
        query = query.where(_m.member_id > after)
    return query.order_by(_m.member_id).limit(limit)


def _key(armed: Armed) -> ColumnElement[str]:
    member = func.replace(cast(_m.member_id, Text()), "-", "")
    return func.concat(armed.prefix, member, armed.suffix)
