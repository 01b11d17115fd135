"""What a member had at an instant, from recorded entries and draws: nothing is decided again (semantics L14)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import CTE, BigInteger, ColumnElement, and_, case, cast, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import hot, rows
from app.db import tables as t
from app.db.transactions import reading
from app.domain import opening
from app.domain.commands import Fulfilment, Opening
from app.domain.events import OWED
from app.domain.settling import EXPIRY
from app.domain.state import OpenLot, TierTerm


class AsOf(NamedTuple):
    """An instant to look back at: by effect, counting what had happened, or by recording, what was known then."""

    instant: datetime
    by_recording: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """What entries and draws of a unit come to: its points, and what was owed beside its lots."""

    points: int
    owed: int
    has_lots: bool


_v, _e, _d, _a = t.event.c, t.entry.c, t.draw.c, t.account.c
_LOT = 1 + len(fields(Sums))
"""Where in a row the lot begins."""


class Written(NamedTuple):
    """What had been written down: the units in the order of their codes, and the lots of which something remained."""

    sums: Mapping[str, Sums]
    lots: tuple[OpenLot, ...]


async def written(engine: AsyncEngine, member_id: bytes, as_of: AsOf, *, program_id: bytes) -> Written:
    """All of it from one look at the entries; lots in the order of their units and credit entries."""
    counted = _counted(program_id, member_id, as_of)
    unit, left = _sums(counted), _left(counted, program_id=program_id, member_id=member_id)
    over = _over(as_of, program_id=program_id, member_id=member_id)
    o, credited = left.c, and_(_v.program_id == program_id, _v.member_id == member_id, _v.sequence == left.c.sequence)
    ends = func.coalesce(o.expires_at, over.c.ended_at)
    told = case((_v.kind == Opening.kind, _v.content))
    query = (
        select(
            unit, o.sequence, o.position, o.unit, o.points, o.remaining, hot.credited_at(o), o.available_at, ends, told
        )
        .select_from(unit.outerjoin(left.join(t.event, credited), o.unit == unit.c.code))
        .outerjoin(over, and_(o.unit == over.c.unit, o.expires_at.is_(None)))
        .order_by(unit.c.code, o.sequence, o.position)
    )
    async with reading(engine) as connection:
        found = (await connection.execute(query)).all()
    sums = {row[0]: Sums(*row[1:_LOT]) for row in found}
    return Written(sums, tuple(_lot(*row[_LOT:]) for row in found if row[_LOT] is not None))


def _lot(sequence: int, position: int, *more: Any) -> OpenLot:
    """A lot; those of an opening were earned before it occurred, as its content tells (semantics E7)."""
    *named, content = more
    lot = OpenLot(sequence, position, *named)
    return lot if content is None else lot._replace(occurred_at=opening.earned_at(content)[position])


def _sums(counted: CTE) -> CTE:
    c = counted.c
    owed = func.sum(case((c.available_at.is_(None), -c.points), else_=0) - c.drawn)
    return (
        select(
            c.unit.label("code"),
            cast(func.sum(c.points), BigInteger),
            cast(owed, BigInteger),
            func.bool_or(c.available_at.is_not(None)),
        )
        .group_by(c.unit)
        .cte("of_unit")
    )


async def terms(engine: AsyncEngine, member_id: bytes, as_of: AsOf, *, program_id: bytes) -> tuple[TierTerm, ...]:
    """The tiers the member had held by then."""
    r = t.tier_term.c
    posted = and_(_v.program_id == r.program_id, _v.member_id == r.member_id, _v.sequence == r.sequence)
    query = (
        select(*hot.TERM_COLUMNS)
        .join(t.event, posted)
        .where(r.program_id == program_id, r.member_id == member_id)
        .where((_v.recorded_at if as_of.by_recording else func.coalesce(r.began_at, r.since)) <= as_of.instant)
        .order_by(r.sequence)
    )
    async with reading(engine) as connection:
        return tuple(rows.tier_term(row) for row in (await connection.execute(query)).mappings())


def happened_at(as_of: AsOf) -> ColumnElement[datetime]:
    """When an event counts: what undoes another not before that one."""
    if as_of.by_recording:
        return _v.recorded_at
    other = t.event.alias("other")
    undone = select(other.c.effective_at).where(other.c.program_id == _v.program_id, other.c.event_id == _v.about)
    return case((_v.about.is_(None), _v.effective_at), else_=func.greatest(_v.effective_at, undone.scalar_subquery()))


def _counted(program_id: bytes, member_id: bytes, as_of: AsOf) -> CTE:
    """The entries that had happened, each with what it drew.

    By effect a debit happened when it took effect, yet not before what it drew could be spent, or was recorded: a late
    redemption may draw on points that came after it.
    """
    instant = happened_at(as_of)
    drawn = _drawn(program_id, member_id, as_of)
    happened = instant
    if not as_of.by_recording:
        drew = and_(_e.points < 0, drawn.c.ready.is_not(None), _v.kind != Fulfilment.kind)
        happened = func.greatest(instant, case((drew, func.least(drawn.c.ready, _v.recorded_at))))
    same = and_(_v.program_id == _e.program_id, _v.member_id == _e.member_id, _v.sequence == _e.sequence)
    own = and_(drawn.c.sequence == _e.sequence, drawn.c.position == _e.position)
    return (
        select(
            _e.sequence,
            _e.position,
            _e.unit,
            _e.points,
            _e.available_at,
            _e.expires_at,
            func.coalesce(drawn.c.points, 0).label("drawn"),
        )
        .select_from(t.entry.join(t.event, same).outerjoin(drawn, own))
        .where(_e.program_id == program_id, _e.member_id == member_id, happened <= as_of.instant)
        .cte("counted")
    )


def _drawn(program_id: bytes, member_id: bytes, as_of: AsOf) -> CTE:
    """What each entry drew of lots in all; by effect also since when the last of it could be spent."""
    place = (_d.sequence, _d.position)
    mine = select(*place, func.sum(_d.points).label("points")).where(
        _d.program_id == program_id, _d.member_id == member_id, tuple_(_d.lot_sequence, _d.lot_position) != OWED
    )
    if not as_of.by_recording:
        credit = t.entry.alias("credit")
        lot = and_(credit.c.sequence == _d.lot_sequence, credit.c.position == _d.lot_position)
        same = and_(credit.c.program_id == _d.program_id, credit.c.member_id == _d.member_id, lot)
        mine = mine.add_columns(func.max(credit.c.available_at).label("ready")).join(credit, same)
    return mine.group_by(*place).cte("drawn")


def _left(counted: CTE, *, program_id: bytes, member_id: bytes) -> CTE:
    """The lots that counted entries had credited, with what counted draws had left of them, and their end by then."""
    c = counted.c
    moves = and_(_d.points < 0, c.available_at.is_(None))  # back into a lot that had ended (semantics L8)
    taken = (
        select(
            _d.lot_sequence,
            _d.lot_position,
            func.sum(_d.points).label("points"),
            func.max(c.expires_at).filter(moves).label("ends"),
        )
        .join(counted, and_(c.sequence == _d.sequence, c.position == _d.position))
        .where(_d.program_id == program_id, _d.member_id == member_id)
        .group_by(_d.lot_sequence, _d.lot_position)
        .cte("taken")
    )
    remaining = c.points - func.coalesce(taken.c.points, 0)
    ends = func.greatest(c.expires_at, taken.c.ends).label("expires_at")
    of_lot = and_(taken.c.lot_sequence == c.sequence, taken.c.lot_position == c.position)
    return (
        select(*[one for one in c if one.name != "expires_at"], ends, cast(remaining, BigInteger).label("remaining"))
        .select_from(counted.outerjoin(taken, of_lot))
        .where(c.available_at.is_not(None), remaining > 0)
        .cte("open_then")
    )


def _over(as_of: AsOf, *, program_id: bytes, member_id: bytes) -> CTE:
    """By unit, when an account that slides had ended, as long as that was not written down (semantics L4, L10)."""
    same = and_(_v.program_id == _d.program_id, _v.member_id == _d.member_id, _v.sequence == _d.sequence)
    of_lot = and_(_e.program_id == _d.program_id, _e.member_id == _d.member_id, _e.sequence == _d.lot_sequence)
    later = (
        select(_e.unit, _v.effective_at.label("at"))
        .select_from(t.draw.join(t.event, same).join(t.entry, and_(of_lot, _e.position == _d.lot_position)))
        .where(_d.program_id == program_id, _d.member_id == member_id, _e.expires_at.is_(None), _v.kind == EXPIRY)
        .where(_v.effective_at <= as_of.instant, _v.recorded_at > as_of.instant, literal(as_of.by_recording))
    )
    yet = select(_a.unit, _a.active_until).where(
        _a.program_id == program_id, _a.member_id == member_id, _a.active_until <= as_of.instant
    )
    ends = later.union_all(yet).subquery()
    return select(ends.c.unit, func.min(ends.c.at).label("ended_at")).group_by(ends.c.unit).cte("over")
