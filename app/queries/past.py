"""What a member had at an instant, from recorded entries and draws: nothing is decided again (semantics L14)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import CTE, BigInteger, ColumnElement, and_, case, cast, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import hot, rows
from app.db import tables as t
from app.db.transactions import reading
from app.domain import opening
from app.domain.commands import Fulfilment, Opening
from app.domain.settling import EXPIRY
from app.domain.state import Account, OpenLot, TierTerm
from app.queries.balances import MemberAccounts, group


class AsOf(NamedTuple):
    """An instant to look back at: by effect, counting what had happened, or by recording, what was known then."""

    instant: datetime
    by_recording: bool = False


@dataclass(frozen=True, slots=True)
class _Sums:
    points: int
    owed: int
    has_lots: bool


_v, _e, _d, _a = t.event.c, t.entry.c, t.draw.c, t.account.c


async def accounts(engine: AsyncEngine, member_id: bytes, as_of: AsOf, *, program_id: bytes) -> MemberAccounts:
    """The member's accounts as they stood, with the lots they had, grouped by their dates."""
    counted = _counted(program_id, member_id, as_of)
    left = _left(counted, as_of, program_id=program_id, member_id=member_id)
    c, o = counted.c, left.c
    sums = select(
        c.unit,
        cast(func.sum(c.points), BigInteger),
        cast(func.sum(case((c.available_at.is_(None), -c.points), else_=0) - c.drawn), BigInteger),
        func.bool_or(c.available_at.is_not(None)),
    ).group_by(c.unit)
    waits = case((o.available_at > as_of.instant, o.available_at))
    groups = (
        select(
            o.unit.label("lot_unit"),
            o.expires_at,
            waits.label("pending_until"),
            cast(func.sum(o.remaining), BigInteger).label("remaining"),
            literal(0).label("reserved"),
            literal(0).label("lapsed"),
            literal(False).label("waiting"),
        )
        .where((o.expires_at.is_(None)) | (o.expires_at > as_of.instant))
        .group_by(o.unit, o.expires_at, waits)
    )
    until = select(_a.unit, _a.active_until).where(
        _a.program_id == program_id, _a.member_id == member_id, _a.active_until <= as_of.instant
    )
    async with reading(engine) as connection:
        by_unit = {row[0]: _Sums(*row[1:]) for row in await connection.execute(sums)}
        lots = tuple(group(row) for row in (await connection.execute(groups)).mappings())
        over = {row.unit for row in await connection.execute(until)}  # nothing had been written down of it yet
    lots = tuple(lot for lot in lots if lot.expires_at is not None or lot.unit not in over)
    return MemberAccounts(0, tuple(_account(unit, by_unit[unit], lots, as_of) for unit in sorted(by_unit)), lots)


async def lots(
    engine: AsyncEngine,
    member_id: bytes,
    as_of: AsOf,
    *,
    program_id: bytes,
    after: tuple[int, int] | None,
    limit: int,
) -> tuple[OpenLot, ...]:
    """The lots of which something remained, in the order of their credit entries, after the entry named."""
    o = _left(_counted(program_id, member_id, as_of), as_of, program_id=program_id, member_id=member_id).c
    over = over_at(o.unit, now=as_of.instant, program_id=program_id, member_id=member_id)
    ends = func.coalesce(o.expires_at, over).label("expires_at")
    query = select(o.sequence, o.position, o.unit, o.points, o.remaining, o.occurred_at, o.available_at, ends, o.kind)
    if after is not None:
        query = query.where(tuple_(o.sequence, o.position) > tuple_(*after))
    async with reading(engine) as connection:
        found = (await connection.execute(query.order_by(o.sequence, o.position).limit(limit))).all()
        opened = {row.sequence for row in found if row.kind == Opening.kind}
        contents = select(_v.sequence, _v.content).where(
            _v.program_id == program_id, _v.member_id == member_id, _v.sequence.in_(opened)
        )
        told = (await connection.execute(contents)).all() if opened else ()
    earned_at = {row.sequence: opening.earned_at(row.content) for row in told}
    return tuple(_lot(OpenLot(*row[:-1]), earned_at.get(row.sequence)) for row in found)


def over_at(
    unit: ColumnElement[str], *, now: datetime, program_id: bytes, member_id: bytes
) -> ColumnElement[datetime | None]:
    """When an account that slides had ended by an instant, as long as that is not written down (semantics L10)."""
    mine = (_a.program_id == program_id, _a.member_id == member_id, _a.unit == unit)
    return select(_a.active_until).where(*mine, _a.active_until <= now).scalar_subquery()


def _lot(lot: OpenLot, earned_at: Sequence[datetime] | None) -> OpenLot:
    """The lots of an opening were earned before it occurred (semantics E7)."""
    return lot if earned_at is None else lot._replace(occurred_at=earned_at[lot.position])


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
    return func.greatest(_v.effective_at, undone.scalar_subquery())


def _counted(program_id: bytes, member_id: bytes, as_of: AsOf) -> CTE:
    """The entries that had happened, each with what it drew.

    By effect a debit happened when it took effect, yet not before what it drew could be spent, or was recorded: a late
    redemption may draw on points that came after it.
    """
    credit = t.entry.alias("credit")
    instant = happened_at(as_of)
    drawn = (
        select(
            _d.sequence,
            _d.position,
            func.sum(_d.points).label("points"),
            func.max(credit.c.available_at).label("ready"),
        )
        .join(
            credit,
            and_(
                credit.c.program_id == _d.program_id,
                credit.c.member_id == _d.member_id,
                credit.c.sequence == _d.lot_sequence,
                credit.c.position == _d.lot_position,
            ),
        )
        .where(_d.program_id == program_id, _d.member_id == member_id)
        .group_by(_d.sequence, _d.position)
        .cte("drawn")
    )
    drew = and_(_e.points < 0, drawn.c.ready.is_not(None), _v.kind != Fulfilment.kind)
    ready = case((drew, func.least(drawn.c.ready, _v.recorded_at)))
    happened = instant if as_of.by_recording else func.greatest(instant, ready)
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
            _v.occurred_at,
            _v.kind,
            func.coalesce(drawn.c.points, 0).label("drawn"),
        )
        .select_from(t.entry.join(t.event, same).outerjoin(drawn, own))
        .where(_e.program_id == program_id, _e.member_id == member_id, instant <= as_of.instant)
        .where(happened <= as_of.instant)
        .cte("counted")
    )


def _left(counted: CTE, as_of: AsOf, *, program_id: bytes, member_id: bytes) -> CTE:
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
    over = _over(as_of, program_id=program_id, member_id=member_id)
    undated = case((c.expires_at.is_(None), func.coalesce(over.c.points, 0)), else_=0)
    remaining = c.points - func.coalesce(taken.c.points, 0) - undated
    ends = func.greatest(c.expires_at, taken.c.ends).label("expires_at")
    of_lot = [and_(x.c.lot_sequence == c.sequence, x.c.lot_position == c.position) for x in (taken, over)]
    return (
        select(*[one for one in c if one.name != "expires_at"], ends, cast(remaining, BigInteger).label("remaining"))
        .select_from(counted.outerjoin(taken, of_lot[0]).outerjoin(over, of_lot[1]))
        .where(c.available_at.is_not(None), remaining > 0)
        .cte("open_then")
    )


def _over(as_of: AsOf, *, program_id: bytes, member_id: bytes) -> CTE:
    """What had ended of lots by an instant of recording, though it was written down only later (semantics L4)."""
    return (
        select(_d.lot_sequence, _d.lot_position, func.sum(_d.points).label("points"))
        .join(t.event, and_(_v.program_id == _d.program_id, _v.member_id == _d.member_id, _v.sequence == _d.sequence))
        .where(_d.program_id == program_id, _d.member_id == member_id, _v.kind == EXPIRY)
        .where(_v.effective_at <= as_of.instant, _v.recorded_at > as_of.instant, literal(as_of.by_recording))
        .group_by(_d.lot_sequence, _d.lot_position)
        .cte("over")
    )


def _account(unit: str, sums: _Sums, lots: tuple[OpenLot, ...], as_of: AsOf) -> Account:
    if not sums.has_lots:
        owed = max(0, -sums.points)  # taken, and nothing had been given yet
        return Account(unit, balance=sums.points, active=sums.points + owed, deficit=owed)
    mine = [lot for lot in lots if lot.unit == unit]
    pending = sum(lot.remaining for lot in mine if lot.available_at > as_of.instant)
    early = max(0, -sums.owed)  # by effect, a debt may be paid before it is made
    active, owed = sum(lot.remaining for lot in mine) - pending + early, max(0, sums.owed)
    return Account(unit, active + pending - owed, active, pending, deficit=owed)
