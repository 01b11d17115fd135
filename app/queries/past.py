"""What a member had at an instant, from recorded entries and draws: nothing is decided again (semantics L14)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    ColumnElement,
    and_,
    case,
    cast,
    column,
    func,
    null,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.selectable import TableValuedAlias

from app.db import hot, rows
from app.db import tables as t
from app.db.transactions import reading
from app.domain import opening
from app.domain.commands import Fulfilment, Opening
from app.domain.events import OWED, Balances
from app.domain.settling import EXPIRY
from app.domain.state import OpenLot, TierTerm


class AsOf(NamedTuple):
    """An instant to look back at: by effect, counting what had happened, or by recording, what was known then."""

    instant: datetime
    by_recording: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """What entries and draws of a unit come to: its points, and what was owed beside its lots; below zero by effect,
    where that was paid before it was made. Lots without a date of their own lasted `until`.
    """

    points: int
    owed: int
    has_lots: bool
    until: datetime | None


_v, _e, _d, _a = t.event.c, t.entry.c, t.draw.c, t.account.c
_LOT = 1 + len(fields(Sums))
"""Where in a row the lot begins."""
_UNTIL = Balances._fields.index("active_until")
"""Where in what an event left of an account it is told until when that lasts."""
_HELD = Balances._fields.index("held")
_never = cast(null(), t.INSTANT)


class Left(NamedTuple):
    """A lot as it was left, and what it had paid of debts."""

    lot: OpenLot
    paid: int


class Written(NamedTuple):
    """What had been written down: the units in the order of their codes, and the lots.

    Of these, all of which something remained or had paid debts.
    """

    sums: Mapping[str, Sums]
    lots: tuple[Left, ...]


async def written(engine: AsyncEngine, member_id: bytes, as_of: AsOf, *, program_id: bytes) -> Written:
    """All of it from one look at the entries; lots in the order of their units and credit entries."""
    counted = _counted(program_id, member_id, as_of)
    unit, left = _sums(counted), _left(counted, program_id=program_id, member_id=member_id)
    lasts = _lasts(as_of, program_id=program_id, member_id=member_id)
    o, credited = left.c, and_(_v.program_id == program_id, _v.member_id == member_id, _v.sequence == left.c.sequence)
    dates = (hot.credited_at(o), o.available_at, o.expires_at)
    told = case((_v.kind == Opening.kind, _v.content))
    query = (
        select(unit, lasts.c.until, o.sequence, o.position, o.unit, o.points, o.remaining, *dates, o.paid, told)
        .select_from(unit.outerjoin(lasts, lasts.c.unit == unit.c.code))
        .outerjoin(left.join(t.event, credited), o.unit == unit.c.code)
        .order_by(unit.c.code, o.sequence, o.position)
    )
    async with reading(engine) as connection:
        found = (await connection.execute(query)).all()
    first = {row[0]: row for row in reversed(found)}
    sums = {code: Sums(*first[code][1:_LOT]) for code in sorted(first)}
    return Written(sums, tuple(_lot(*row[_LOT:]) for row in found if row[_LOT] is not None))


def _lot(sequence: int, position: int, *more: Any) -> Left:
    """A lot; those of an opening were earned before it occurred, as its content tells (semantics E7)."""
    *named, paid, content = more
    lot = OpenLot(sequence, position, *named)
    if content is not None:
        lot = lot._replace(occurred_at=opening.earned_at(content)[position])
    return Left(lot, paid)


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
    mine = select(*place, cast(func.sum(_d.points), BigInteger).label("points")).where(
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
    pays = and_(_d.points > 0, c.points >= 0)  # a credit, or what has become free (semantics L9)
    moves = and_(_d.points < 0, c.available_at.is_(None))  # back into a lot that had ended (semantics L8)
    taken = (
        select(
            _d.lot_sequence,
            _d.lot_position,
            cast(func.sum(_d.points), BigInteger).label("points"),
            cast(func.sum(_d.points).filter(pays), BigInteger).label("paid"),
            func.max(c.expires_at).filter(moves).label("ends"),
        )
        .join(counted, and_(c.sequence == _d.sequence, c.position == _d.position))
        .where(_d.program_id == program_id, _d.member_id == member_id)
        .group_by(_d.lot_sequence, _d.lot_position)
        .cte("taken")
    )
    remaining, paid = c.points - func.coalesce(taken.c.points, 0), func.coalesce(taken.c.paid, 0)
    ends = func.greatest(c.expires_at, taken.c.ends).label("expires_at")
    of_lot = and_(taken.c.lot_sequence == c.sequence, taken.c.lot_position == c.position)
    return (
        select(*[one for one in c if one.name != "expires_at"], ends)
        .add_columns(remaining.label("remaining"), paid.label("paid"))
        .select_from(counted.outerjoin(taken, of_lot))
        .where(c.available_at.is_not(None), or_(remaining > 0, paid > 0))
        .cte("open_then")
    )


def told_of_units(accounts: ColumnElement[Any]) -> TableValuedAlias:
    """What an event left of a member's accounts: by unit its balances."""
    return func.json_each(accounts).table_valued("key", column("value", JSON)).render_derived()


def told_until(left: TableValuedAlias) -> ColumnElement[datetime]:
    """Until when what bears no date of its own was to last, in a unit whose expiry slides (semantics L10)."""
    return cast(left.c.value.op("->>")(_UNTIL), t.INSTANT)


def told_held(left: TableValuedAlias) -> ColumnElement[int]:
    """What holds kept of a unit."""
    return cast(left.c.value.op("->>")(_HELD), BigInteger)


def _lasts(as_of: AsOf, *, program_id: bytes, member_id: bytes) -> CTE:
    """By unit, until when an account that slides was to last (semantics L10).

    By effect, where it had ended and that is not written down; by recording, as the last event until then told. What
    older engines wrote tells it by the ends that came later.
    """
    mine = and_(_a.program_id == program_id, _a.member_id == member_id, _a.active_until <= as_of.instant)
    yet = select(_a.unit, _a.active_until.label("until")).where(mine)
    if not as_of.by_recording:
        return yet.cte("lasts")
    same = and_(_v.program_id == _d.program_id, _v.member_id == _d.member_id, _v.sequence == _d.sequence)
    of_lot = and_(_e.program_id == _d.program_id, _e.member_id == _d.member_id, _e.sequence == _d.lot_sequence)
    later = (
        select(_e.unit, _v.effective_at.label("until"))
        .select_from(t.draw.join(t.event, same).join(t.entry, and_(of_lot, _e.position == _d.lot_position)))
        .where(_d.program_id == program_id, _d.member_id == member_id, _e.expires_at.is_(None), _v.kind == EXPIRY)
        .where(_v.effective_at <= as_of.instant, _v.recorded_at > as_of.instant)
    )
    by_then = and_(_v.program_id == program_id, _v.member_id == member_id, _v.recorded_at <= as_of.instant)
    last = select(_v.accounts).where(by_then).order_by(_v.sequence.desc()).limit(1).scalar_subquery()
    left = told_of_units(last)
    told = union_all(
        select(
            left.c.key.label("unit"),
            told_until(left).label("told"),
            _never.label("guessed"),
        ),
        *[select(one.c.unit, _never, one.c.until) for one in (later.subquery(), yet.subquery())],
    ).subquery()
    until = func.coalesce(func.min(told.c.told), func.min(told.c.guessed)).label("until")
    return select(told.c.unit, until).group_by(told.c.unit).cte("lasts")
