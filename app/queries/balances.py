"""A member's accounts by the instant, and what expires next (semantics L4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Uuid, and_, bindparam, case, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import hot, rows, statements
from app.db import tables as t
from app.db.statements import Statement
from app.db.transactions import driver
from app.domain import lots
from app.domain.state import Account, OpenLot, Reserve

DAYS_SHOWN = 12
"""So many coming instants of expiry are told."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Balance:
    """One account as it stands now, with what expires next: (instant, points), soonest first."""

    account: Account
    expiring: tuple[tuple[datetime, int], ...]


@dataclass(frozen=True, slots=True)
class MemberAccounts:
    """The stored accounts of a member with their open lots, grouped by what time will do to them."""

    sequence: int
    accounts: tuple[Account, ...]
    lots: tuple[OpenLot, ...]


_m, _a, _l, _r = t.member.c, t.account.c, t.open_lot.c, t.reservation.c
_NOW = bindparam("now", type_=t.INSTANT)


def _of_holds(what: Any, lapses: ColumnElement[bool]) -> Any:
    """Something about what holds keep of a lot, or kept of it until they lapsed (semantics L12)."""
    found = (
        select(what)
        .where(_r.program_id == _l.program_id, _r.member_id == _l.member_id)
        .where(_r.lot_sequence == _l.sequence, _r.lot_position == _l.position, lapses)
        .scalar_subquery()
    )
    return case((_l.reserved > 0, found))


_LATER, _OVER = _r.lapses_at > _NOW, _r.lapses_at <= _NOW
_owing = _a.deficit > 0
"""Where points are owed each lot counts by itself: what it pays depends on when it is free (semantics L9)."""
_pending_until = case((_l.available_at > _NOW, _l.available_at), (_owing & _l.waiting, _l.available_at))
_one = (case((_owing, _l.sequence)), case((_owing, _l.position)))
_groups = (
    select(
        _l.unit.label("lot_unit"),
        _l.expires_at,
        _pending_until.label("pending_until"),
        cast(func.sum(_l.remaining), BigInteger).label("remaining"),
        cast(func.coalesce(func.sum(_of_holds(func.sum(_r.points), _LATER)), 0), BigInteger).label("reserved"),
        func.min(_of_holds(func.min(_r.lapses_at), _LATER)).label("lapses_at"),
        cast(func.coalesce(func.sum(_of_holds(func.sum(_r.points), _OVER)), 0), BigInteger).label("lapsed"),
        func.min(_of_holds(func.min(_r.lapses_at), _OVER)).label("lapsed_at"),
        func.bool_or(_owing & _l.waiting).label("waiting"),
    )
    .where(_l.program_id == _a.program_id, _l.member_id == _a.member_id, _l.unit == _a.unit)
    .where(_a.next_due_at.is_not(None))
    .group_by(_l.unit, _l.expires_at, _pending_until, *_one)
    .lateral("groups")
)
_ACCOUNTS = Statement(
    select(
        _m.member_id,
        _m.sequence,
        *[column for column in hot.ACCOUNT_COLUMNS if column.name != "member_id"],
        _groups.c.lot_unit,
        _groups.c.expires_at,
        _groups.c.pending_until,
        _groups.c.remaining,
        _groups.c.reserved,
        _groups.c.lapses_at,
        _groups.c.lapsed,
        _groups.c.lapsed_at,
        _groups.c.waiting,
    )
    .select_from(
        t.member.outerjoin(t.account, and_(_a.program_id == _m.program_id, _a.member_id == _m.member_id)).outerjoin(
            _groups, true()
        )
    )
    .where(_m.program_id == bindparam("program_id", type_=Uuid()), _m.member_id == statements.members_parameter())
)


async def accounts(
    engine: AsyncEngine, *, program_id: bytes, members: Sequence[bytes], now: datetime
) -> Mapping[bytes, MemberAccounts]:
    """The members' accounts from one statement, so from one state of each; unknown members are left out."""
    async with driver(engine) as connection:
        found = await _ACCOUNTS.fetch(
            connection, program_id=rows.uuid(program_id), members=[rows.uuid(id) for id in members], now=now
        )
    grouped: dict[bytes, list[Any]] = {}
    for row in found:
        grouped.setdefault(row["member_id"].bytes, []).append(row)
    return {id: _member(mine) for id, mine in grouped.items()}


def balances(member: MemberAccounts, *, now: datetime) -> tuple[Balance, ...]:
    """What the member has by the instant, whether or not a job has written expiries down (semantics L3, L4)."""
    return tuple(_balance(account, member.lots, now=now) for account in member.accounts)


def changes_at(member: MemberAccounts, *, now: datetime) -> datetime | None:
    """The next instant at which time alone changes the balances."""
    ends = {account.unit: account.active_until for account in member.accounts}
    return lots.next_due([lots.lasting(lot, ends[lot.unit]) for lot in member.lots], now=now)


def _balance(account: Account, open_lots: Iterable[OpenLot], *, now: datetime) -> Balance:
    mine = [lot for lot in open_lots if lot.unit == account.unit]
    ends: dict[datetime, int] = {}
    until = account.active_until
    left = lots.repaid(mine, account.deficit, until=until, now=now)[0] if account.deficit else mine
    for lot in (lots.lasting(lot, until) for lot in left):
        if lot.expires_at is not None and lots.is_active(lot, now=now):
            ends[lot.expires_at] = ends.get(lot.expires_at, 0) + lot.remaining - lot.kept(now)
    ends = {instant: points for instant, points in ends.items() if points}
    return Balance(lots.folded(account, mine, now=now), tuple(sorted(ends.items())[:DAYS_SHOWN]))


def _member(found: Sequence[Any]) -> MemberAccounts:
    accounts = {row["unit"]: rows.account(row) for row in found if row["unit"] is not None}
    groups = tuple(group(row) for row in found if row["lot_unit"] is not None)
    return MemberAccounts(found[0]["sequence"], tuple(accounts[unit] for unit in sorted(accounts)), groups)


def group(row: Any) -> OpenLot:
    """Lots that share unit and dates, as one."""
    return OpenLot(
        sequence=0,
        position=0,
        unit=row["lot_unit"],
        credited=row["remaining"],
        remaining=row["remaining"],
        occurred_at=_LONG_AGO,
        available_at=row["pending_until"] or _LONG_AGO,
        expires_at=row["expires_at"],
        reserves=tuple(
            Reserve(0, b"", row[points], row[instant])
            for points, instant in (("reserved", "lapses_at"), ("lapsed", "lapsed_at"))
            if row[points]
        ),
        waiting=bool(row["waiting"]),
    )
