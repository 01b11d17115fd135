"""The books of a whole program, each report from one snapshot: they read much, lock nothing, and decide nothing."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    SmallInteger,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import rows, statements
from app.db import tables as t
from app.db.statements import Statement
from app.db.transactions import preview
from app.domain.books import Moved, Trial
from app.domain.liability import Ended, Lots
from app.queries import books, holds, past
from app.queries.books import LINES, PROGRAM

STATEMENT_SECONDS = 300
"""A report reads every entry: about a second for each 200,000 of them."""

_v, _e, _d, _l, _a = t.event.c, t.entry.c, t.draw.c, t.open_lot.c, t.account.c
_AT, _SINCE = bindparam("at", type_=t.INSTANT), bindparam("since", type_=t.INSTANT)

Shops = Mapping[str, Moved]
"""What the events of each source moved."""


@dataclass(frozen=True, slots=True)
class UnitBooks:
    """What one unit's entries moved in each stretch of time, by source; and the whole of it beside the accounts."""

    stretches: tuple[Shops, ...]
    trial: Trial


_STRETCH = func.width_bucket(LINES.c.recorded_at, bindparam("edges", type_=ARRAY(t.INSTANT))).label("stretch")
_MOVED = books.moved(LINES.c.source, _STRETCH)


async def trial_balance(
    engine: AsyncEngine, edges: Sequence[datetime], *, program_id: bytes
) -> Mapping[str, UnitBooks]:
    """Each unit's books, cut at these instants of recording: one stretch more than there are edges."""
    asked = {"program_id": rows.uuid(program_id)}
    async with _snapshot(engine) as connection:
        moved = await _MOVED.fetch(connection, **asked, edges=list(edges))
        held = {row["unit"]: row["points"] for row in await books.HELD.fetch(connection, **asked)}
    nothing: list[dict[str, Moved]] = [{} for _ in range(len(edges) + 1)]
    cut: dict[str, list[dict[str, Moved]]] = {}
    whole: dict[str, Moved] = {}
    for row in moved:
        unit, source, way, points = row["unit"], row["source"], row["way"], row["points"]
        stretch = cut.setdefault(unit, [{} for _ in range(len(edges) + 1)])[row["stretch"]]
        stretch[source] = stretch.get(source, Moved()).and_more(way, points)
        whole[unit] = whole.get(unit, Moved()).and_more(way, points)
    return {
        unit: UnitBooks(tuple(cut.get(unit, nothing)), Trial(unit, whole.get(unit, Moved()), held.get(unit, 0)))
        for unit in sorted(cut.keys() | held.keys())
    }


@asynccontextmanager
async def _snapshot(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """One state of the database, with more time to read it than a request has otherwise."""
    async with preview(engine) as connection:
        await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
        yield connection


class Holdings(NamedTuple):
    """The lots of a program by unit and dates, what its accounts hold, and what became of lots that ended."""

    lots: tuple[Lots, ...]
    balances: Mapping[str, int]
    ended: Mapping[str, Ended]


async def holdings(engine: AsyncEngine, now: datetime, *, since: datetime, program_id: bytes) -> Holdings:
    """What members hold now; judged by the lots that ended after `since`."""
    return await _holdings(engine, (_LOTS, books.HELD), program_id=program_id, at=now, since=since)


async def past_holdings(engine: AsyncEngine, at: datetime, *, since: datetime, program_id: bytes) -> Holdings:
    """The same as it was known at an instant: from what had been recorded by then (semantics L14)."""
    async with _snapshot(engine) as connection:
        found = await _HOLDING.fetch(connection, program_id=rows.uuid(program_id), at=at)
    members = [row["member_id"].bytes for row in found]
    kept = await holds.kept_then(engine, members, at, program_id=program_id)
    columns: dict[str, Sequence[Any]] = {
        "member_ids": [rows.uuid(member_id) for member_id, _, _ in kept],
        "lot_sequences": [sequence for _, sequence, _ in kept],
        "lot_positions": [position for _, _, position in kept],
        "keeps": list(kept.values()),
    }
    both = (_LOTS_THEN, _HELD_THEN)
    return await _holdings(engine, both, program_id=program_id, at=at, since=since, **columns)


async def _holdings(
    engine: AsyncEngine,
    read: tuple[Statement, Statement],
    *,
    program_id: bytes,
    at: datetime,
    since: datetime,
    **more: Any,
) -> Holdings:
    asked = {"program_id": rows.uuid(program_id), "at": at, "since": since, **more}
    lots, held = read
    async with _snapshot(engine) as connection:
        return Holdings(
            tuple(Lots(*row) for row in await lots.fetch(connection, **asked)),
            {row["unit"]: row["points"] for row in await held.fetch(connection, **asked)},
            {row["unit"]: Ended(row["expired"], row["redeemed"]) for row in await _ENDED.fetch(connection, **asked)},
        )


def _grouped(
    lots: Any, ends: ColumnElement[datetime], chosen: ColumnElement[bool], reserved: ColumnElement[int], of: FromClause
) -> Statement:
    """Lots by unit, whether they wait, and when they end, in the order of the fields of Lots."""
    pending = lots.available_at > _AT
    return Statement(
        select(
            lots.unit,
            pending,
            ends,
            cast(func.sum(lots.remaining), BigInteger),
            cast(func.sum(func.coalesce(reserved, 0)), BigInteger),
        )
        .select_from(of)
        .where(chosen)
        .group_by(lots.unit, pending, ends)
    )


def _of_event(one: Any, other: Any) -> ColumnElement[bool]:
    return and_(*[one[name] == other[name] for name in ("program_id", "member_id", "sequence")])


def _of_lot(one: Any) -> ColumnElement[bool]:
    """What is known of the lot of an entry."""
    return and_(one.member_id == _e.member_id, one.lot_sequence == _e.sequence, one.lot_position == _e.position)


def _keeps(kept: Any, lot: Any) -> ColumnElement[bool]:
    """What a hold keeps of this lot."""
    same = (kept.lot_sequence == lot.sequence, kept.lot_position == lot.position)
    return and_(kept.member_id == lot.member_id, *same)


_drawing = t.event.alias("drawing")
_of_others = _d.lot_sequence != _d.sequence  # what a credit pays of a deficit at once is spent by nobody
_draws = (
    select(
        _d.member_id,
        _d.lot_sequence,
        _d.lot_position,
        func.sum(_d.points).label("points"),
        func.sum(_d.points).filter(_of_others & books.redeems(_drawing.c.kind, _d.points)).label("redeemed"),
        func.sum(_d.points).filter(books.expires(_drawing.c.kind, _d.points)).label("expired"),
        func.max(_drawing.c.effective_at).label("last"),
    )
    .join(_drawing, _of_event(_drawing.c, _d))
    .where(_d.program_id == PROGRAM, _drawing.c.recorded_at <= _AT)
    .group_by(_d.member_id, _d.lot_sequence, _d.lot_position)
    .subquery("draws")
)
_moving = t.entry.alias("moving")
_moved = (
    select(_d.member_id, _d.lot_sequence, _d.lot_position, func.max(_moving.c.expires_at).label("ends"))
    .join(_moving, and_(_of_event(_moving.c, _d), _moving.c.position == _d.position))
    .join(_drawing, _of_event(_drawing.c, _d))
    .where(_moving.c.program_id == PROGRAM, _moving.c.available_at.is_(None), _moving.c.expires_at.is_not(None))
    .where(_d.points < 0, _drawing.c.recorded_at <= _AT)
    .group_by(_d.member_id, _d.lot_sequence, _d.lot_position)
    .subquery("moved")
)
"""The lots that got a new end when points were put back into them (semantics L8)."""
_own_event = _of_event(_v, _e)
_known = and_(_e.program_id == PROGRAM, _v.recorded_at <= _AT)
_then = (
    select(
        _e.member_id,
        _e.sequence,
        _e.position,
        _e.unit,
        _e.available_at,
        func.greatest(_e.expires_at, _moved.c.ends).label("expires_at"),
        (_e.points - func.coalesce(_draws.c.points, 0)).label("remaining"),
        func.coalesce(_draws.c.redeemed, 0).label("redeemed"),
        func.coalesce(_draws.c.expired, 0).label("expired"),
        _draws.c.last,
    )
    .select_from(
        t.entry.join(t.event, _own_event).outerjoin(_draws, _of_lot(_draws.c)).outerjoin(_moved, _of_lot(_moved.c))
    )
    .where(_known, _e.available_at.is_not(None))
    .subquery("lots")
)
"""Every lot that had been credited, with what had been drawn from it."""

_of_account = and_(_a.program_id == _l.program_id, _a.member_id == _l.member_id, _a.unit == _l.unit)
_r = t.reservation.c
_kept = (
    select(_r.member_id, _r.lot_sequence, _r.lot_position, func.sum(_r.points).label("points"))
    .where(_r.program_id == PROGRAM, _r.lapses_at > _AT)
    .group_by(_r.member_id, _r.lot_sequence, _r.lot_position)
    .subquery("kept")
)
"""What holds keep of each lot. One that is over keeps nothing, whether or not that has been written down."""
_LOTS = _grouped(
    _l,
    func.coalesce(_l.expires_at, _a.active_until),
    _l.program_id == PROGRAM,
    _kept.c.points,
    t.open_lot.join(t.account, _of_account).outerjoin(_kept, _keeps(_kept.c, _l)),
)

_m = t.member.c
_last = (
    select(_v.accounts)
    .where(_v.program_id == _m.program_id, _v.member_id == _m.member_id, _v.recorded_at <= _AT)
    .order_by(_v.sequence.desc())
    .limit(literal_column("1"))
    .lateral("last")
)
_told = past.told_of_units(_last.c.accounts)
_of_members = t.member.join(_last, true()).join(_told, true())
_HOLDING = Statement(
    select(_m.member_id).distinct().select_from(_of_members).where(_m.program_id == PROGRAM, past.told_held(_told) > 0)
)
"""The members of whose points holds kept something by what had been written down."""
_lasted = (
    select(_m.member_id, _told.c.key.label("unit"), past.told_until(_told).label("until"))
    .select_from(_of_members)
    .where(_m.program_id == PROGRAM, past.told_until(_told).is_not(None))
    .subquery("lasted")
)
"""Until when accounts that slide were to last (semantics L10)."""
_then_lasting = _then.outerjoin(_lasted, and_(_lasted.c.member_id == _then.c.member_id, _lasted.c.unit == _then.c.unit))
_kept_then = statements.asked(
    member_id=Uuid(), lot_sequence=BigInteger(), lot_position=SmallInteger(), keep=BigInteger()
)
_LOTS_THEN = _grouped(
    _then.c,
    func.coalesce(_then.c.expires_at, _lasted.c.until),
    _then.c.remaining > 0,
    _kept_then.c.keep,
    _then_lasting.outerjoin(_kept_then, _keeps(_kept_then.c, _then.c)),
)
_HELD_THEN = Statement(
    select(_e.unit, cast(func.sum(_e.points), BigInteger).label("points"))
    .select_from(t.entry.join(t.event, _own_event))
    .where(_known)
    .group_by(_e.unit)
)
_slid = func.bool_or(and_(_then.c.expires_at.is_(None), _then.c.expired > 0) | _lasted.c.until.is_not(None))
_with_ends = (
    select(
        _then,
        _slid.over(partition_by=_then.c.unit).label("slides"),
        func.coalesce(_then.c.expires_at, case((_then.c.remaining == 0, _then.c.last)), _lasted.c.until).label("ends"),
    )
    .select_from(_then_lasting)
    .subquery("with_ends")
)
"""A lot that bears no date, in a unit whose expiry slides, has come to its end when nothing is left of it."""
_w = _with_ends.c
# What is left of a lot when it ends has expired, whether or not that has been written down.
_ENDED = Statement(
    select(
        _w.unit,
        cast(func.sum(_w.expired + _w.remaining), BigInteger).label("expired"),
        cast(func.sum(_w.redeemed), BigInteger).label("redeemed"),
    )
    .where(_w.ends > _SINCE, _w.ends <= _AT, _w.slides | _w.expires_at.is_not(None))
    .group_by(_w.unit)
)
