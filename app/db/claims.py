"""Claiming what is due: endpoints are locked first, so that what is in flight is counted right (webhooks W2, W7).

A claim pushes `due_at` ahead by the lease, so what a dead worker held falls due again by itself (webhooks W1). What
waits for another of its key is put aside until that one has ended, so that it is not looked at with every claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    Integer,
    Select,
    Update,
    Uuid,
    and_,
    bindparam,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy import true as sql_true
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, TableValuedAlias
from sqlalchemy.types import TypeEngine

from app.db import tables as t
from app.db.rows import uuid
from app.db.statements import Statement

IN_FLIGHT = 64
"""Requests in flight to an endpoint that says nothing else."""
LOOKED_AT = 256
"""Deliveries beyond those to be claimed that one claim looks at, where some may have to wait for others."""
ASIDE = timedelta(hours=1)
"""What waits for another is looked at again after this long, should nobody have called it up."""


@dataclass(frozen=True, slots=True)
class Open:
    """An endpoint that may be called; `trips` says how often in a row its breaker opened.

    `releasing` says that it was enabled again a moment ago: what waits there has all its attempts before it.
    """

    endpoint_id: bytes
    url: str = field(repr=False)
    secret: bytes = field(repr=False)
    ordered: bool
    holds: bool
    in_flight: int
    per_second: int | None
    rate_at: datetime | None
    failures: int
    trips: int
    strict: bool = False
    releasing: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """How many more deliveries of an endpoint may be claimed, and how many of it may be in flight everywhere."""

    endpoint: Open
    room: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this worker's until `leased_until`; `attempts` is how many were made before.

    `ordered` says that others may wait for it, `strict` that all others of its endpoint do, `holds` that they do so for
    ever once it is exhausted, `ailing` that the endpoint has failed lately.
    """

    program_id: bytes
    endpoint_id: bytes
    message_id: bytes
    lease: bytes
    leased_until: datetime
    attempts: int
    url: str = field(repr=False)
    secret: bytes = field(repr=False)
    type: str
    body: bytes
    ordered: bool = False
    strict: bool = False
    holds: bool = False
    ailing: bool = False


async def endpoints(connection: asyncpg.Connection, *, program_id: bytes, now: datetime) -> list[Open]:
    """The endpoints with something due that may be called now, locked in the order of their ids."""
    found = await _ENDPOINTS.fetch(connection, program_id=uuid(program_id), now=now)
    return [_open(row) for row in found]


async def take(
    connection: asyncpg.Connection,
    rooms: Sequence[Room],
    *,
    program_id: bytes,
    now: datetime,
    until: datetime,
    lease: bytes,
    limit: int,
) -> list[Claimed]:
    """Leases what is due of these endpoints, in their order, up to `limit`; of each the oldest first.

    Needs the locks of `endpoints`, in an earlier statement: what is in flight is counted in this one's own snapshot.
    """
    found = await _TAKE.fetch(
        connection,
        program_id=uuid(program_id),
        now=now,
        until=until,
        aside=now + ASIDE,
        lease=uuid(lease),
        most=limit,
        look=limit + (LOOKED_AT if any(one.endpoint.ordered for one in rooms) else 0),
        endpoints=[uuid(one.endpoint.endpoint_id) for one in rooms],
        places=list(range(len(rooms))),
        rooms=[one.room for one in rooms],
        extras=[LOOKED_AT if one.endpoint.ordered else 0 for one in rooms],
        flights=[one.in_flight for one in rooms],
    )
    known = {one.endpoint.endpoint_id: one.endpoint for one in rooms}
    return [_claimed(row, known[row["endpoint_id"].bytes], program_id, lease, until) for row in found]


async def lock(connection: asyncpg.Connection, endpoint_id: bytes, *, program_id: bytes, now: datetime) -> Open | None:
    """Locks an endpoint, and tells how it is now, or None where it may not be called."""
    found = await _LOCK.fetch(connection, program_id=uuid(program_id), endpoint_id=uuid(endpoint_id), now=now)
    return next((_open(row) for row in found if row["callable"]), None)


async def follow(
    connection: asyncpg.Connection, endpoint: Open, *, program_id: bytes, now: datetime, until: datetime, lease: bytes
) -> Claimed | None:
    """Leases what comes first at a strict endpoint, if it is due. Needs its lock, in an earlier statement."""
    of = {"program_id": uuid(program_id), "endpoint_id": uuid(endpoint.endpoint_id)}
    found = await _FOLLOW.fetch(connection, **of, now=now, until=until, lease=uuid(lease))
    return next((_claimed(row, endpoint, program_id, lease, until) for row in found), None)


async def spend(connection: asyncpg.Connection, rates: dict[bytes, datetime], *, program_id: bytes) -> None:
    """Notes how far the rates of endpoints are used up."""
    await _SPEND.fetch(
        connection,
        program_id=uuid(program_id),
        endpoints=[uuid(id) for id in rates],
        instants=list(rates.values()),
    )


def _open(row: asyncpg.Record) -> Open:
    return Open(
        row["endpoint_id"].bytes,
        row["url"],
        row["secret"],
        (row["ordering"] or "none") != "none",
        row["exhausted"] == "hold",
        row["in_flight"] or IN_FLIGHT,
        row["per_second"],
        row["rate_at"],
        row["failures"] or 0,
        row["trips"] or 0,
        strict=row["ordering"] == "strict",
        releasing=bool(row["releasing"]),
    )


def _claimed(row: asyncpg.Record, of: Open, program_id: bytes, lease: bytes, until: datetime) -> Claimed:
    return Claimed(
        program_id,
        of.endpoint_id,
        row["message_id"].bytes,
        lease,
        until,
        0 if of.releasing else row["attempts"],
        of.url,
        of.secret,
        row["type"],
        row["body"],
        ordered=row["ordering_key"] is not None,
        strict=row["ordering_key"] == row["endpoint_id"],
        holds=of.holds and row["ordering_key"] is not None,
        ailing=of.failures > 0 or of.trips > 0,
    )


PROGRAM: ColumnElement[Any] = bindparam("program_id", type_=Uuid())
NOW: ColumnElement[Any] = bindparam("now", type_=t.INSTANT)
_ENDPOINT: ColumnElement[Any] = bindparam("endpoint_id", type_=Uuid())
_ENABLED: ColumnElement[str] = literal_column("'enabled'")
_ONE: ColumnElement[int] = literal_column("1")
# The index of what is due is partial, with this condition, so that it serves the claim and nothing else: without
# statistics the planner takes it for as good as the primary key, and walks an endpoint's whole backlog for each row.
_INDEXED: ColumnElement[bool] = t.pending_delivery.c.attempts >= literal_column("0")
_e, _p, _m = t.endpoint.c, t.pending_delivery.c, t.message.c
_OPEN = (
    *(_e.endpoint_id, _e.url, _e.secret, _e.ordering, _e.exhausted, _e.in_flight),
    *(_e.per_second, _e.rate_at, _e.failures, _e.trips, _e.releasing),
)
_CALLABLE = and_(_e.state == _ENABLED, or_(_e.open_until.is_(None), _e.open_until <= NOW))


def rows(name: str, **types: TypeEngine[Any]) -> TableValuedAlias:
    """`unnest` of one array a column, each a parameter of that name."""
    arrays = [bindparam(column, type_=ARRAY(type_)) for column, type_ in types.items()]
    return func.unnest(*arrays).table_valued(*types).render_derived(name=name)


def picked(source: Any, name: str, *conditions: ColumnElement[bool]) -> TableValuedAlias:
    """The endpoints and messages of some rows as arrays: joined row by row whatever the planner believes of them."""
    columns = [
        func.array(select(source.c[column]).where(*conditions).scalar_subquery())
        for column in ("endpoint_id", "message_id")
    ]
    return func.unnest(*columns).table_valued("endpoints", "messages").render_derived(name=name)


def is_pending(endpoint_id: ColumnElement[Any], message_id: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """The row of one pending delivery."""
    return [_p.program_id == PROGRAM, _p.endpoint_id == endpoint_id, _p.message_id == message_id]


def _endpoints() -> Select[Any]:
    next_due = (
        select(_p.due_at)
        .where(_p.program_id == PROGRAM, _p.endpoint_id == _e.endpoint_id, _INDEXED)
        .order_by(_p.due_at)
        .limit(_ONE)
        .scalar_subquery()
    )
    return (
        select(*_OPEN)
        .where(_e.program_id == PROGRAM, _CALLABLE, next_due <= NOW)
        .order_by(_e.endpoint_id)
        .with_for_update(key_share=True)
    )


def _lock() -> Select[Any]:
    query = select(*_OPEN, _CALLABLE.label("callable"))
    return query.where(_e.program_id == PROGRAM, _e.endpoint_id == _ENDPOINT).with_for_update(key_share=True)


def _looked() -> Select[Any]:
    """Endpoint by endpoint along the index: the backlog of one that is full is never walked through."""
    number = Integer()
    asked = rows("asked", endpoints=Uuid(), places=number, rooms=number, extras=number, flights=number)
    first, leased = t.pending_delivery.alias("first"), t.pending_delivery.alias("leased")
    oldest = (
        select(first.c.message_id)
        .where(first.c.program_id == PROGRAM, first.c.endpoint_id == _p.endpoint_id)
        .where(first.c.ordering_key == _p.ordering_key)
        .order_by(first.c.queued_at, first.c.number, first.c.message_id)
        .limit(_ONE)
        .scalar_subquery()
    )
    flying = (
        select(func.count())
        .where(leased.c.program_id == PROGRAM, leased.c.endpoint_id == asked.c.endpoints)
        .where(leased.c.lease.is_not(None), leased.c.due_at > NOW)
        .scalar_subquery()
    )
    none: ColumnElement[int] = literal_column("0")
    room = func.greatest(none, func.least(asked.c.rooms, asked.c.flights - flying))
    counted = select(asked, room.label("room")).order_by(asked.c.places).offset(none).subquery("counted")
    found = (
        select(
            *(_p.message_id, _p.attempts, _p.ordering_key, _p.due_at),
            or_(_p.ordering_key.is_(None), _p.message_id == oldest).label("first"),
        )
        .where(_p.program_id == PROGRAM, _p.endpoint_id == counted.c.endpoints, _p.due_at <= NOW, _INDEXED)
        .order_by(_p.due_at)
        .limit(counted.c.room + counted.c.extras)
        .with_for_update(skip_locked=True)
        .lateral("found")
    )
    within = select(
        counted.c.endpoints.label("endpoint_id"),
        *(counted.c.places, counted.c.room, found.c.message_id, found.c.attempts, found.c.ordering_key, found.c.first),
        found.c.due_at,
    )
    seen = within.join_from(counted, found, sql_true()).limit(bindparam("look", type_=Integer)).cte("seen")
    nth = func.row_number().over(partition_by=[seen.c.places, seen.c.first], order_by=seen.c.due_at)
    return select(seen, nth.label("nth"))


def _take() -> Select[Any]:
    """One statement: what is first under its key is leased, what is not is put aside."""
    looked = _looked().cte("looked")
    due = (
        select(looked)
        .where(looked.c.first, looked.c.nth <= looked.c.room)
        .order_by(looked.c.places, looked.c.nth)
        .limit(bindparam("most", type_=Integer))
        .cte("due")
    )
    until, lease = bindparam("until", type_=t.INSTANT), bindparam("lease", type_=Uuid())
    leased = _moved(picked(due, "asked_for"), due_at=until, lease=lease).cte("leased_now")
    waiting = picked(looked, "waiting", ~looked.c.first)
    # A lease that a killed worker left must not be kept: it would count as in flight, and bar calling this one up.
    aside = _moved(waiting, due_at=bindparam("aside", type_=t.INSTANT), lease=null()).cte("put_aside")
    return _with_content(due).add_cte(leased, aside)


def _follow() -> Select[Any]:
    """The oldest under the endpoint's own key, and no other: where that one is not due, none is."""
    other = t.pending_delivery.alias("other")
    oldest = (
        select(other.c.message_id)
        .where(other.c.program_id == PROGRAM, other.c.endpoint_id == _ENDPOINT, other.c.ordering_key == _ENDPOINT)
        .order_by(other.c.queued_at, other.c.number, other.c.message_id)
        .limit(_ONE)
        .scalar_subquery()
    )
    leased = (
        update(t.pending_delivery)
        .where(*is_pending(_ENDPOINT, oldest), _p.due_at <= NOW)
        .values(due_at=bindparam("until", type_=t.INSTANT), lease=bindparam("lease", type_=Uuid()))
        .returning(_p.endpoint_id, _p.message_id, _p.attempts, _p.ordering_key)
        .cte("leased_now")
    )
    return _with_content(leased)


def _with_content(claimed: CTE) -> Select[Any]:
    message = (
        select(_m.type, _m.body)
        .where(_m.program_id == PROGRAM, _m.message_id == claimed.c.message_id)
        .limit(_ONE)
        .lateral("content")
    )
    columns = (claimed.c.endpoint_id, claimed.c.message_id, claimed.c.attempts, claimed.c.ordering_key)
    return select(*columns, *message.c).join_from(claimed, message, sql_true())


def _moved(those: TableValuedAlias, **values: Any) -> Update:
    return update(t.pending_delivery).where(*is_pending(those.c.endpoints, those.c.messages)).values(**values)


def _spend() -> Update:
    asked = rows("asked", endpoints=Uuid(), instants=t.INSTANT)
    mine = and_(_e.program_id == PROGRAM, _e.endpoint_id == asked.c.endpoints)
    return update(t.endpoint).where(mine).values(rate_at=asked.c.instants)


_ENDPOINTS, _TAKE, _SPEND = map(Statement, (_endpoints(), _take(), _spend()))
_LOCK, _FOLLOW = map(Statement, (_lock(), _follow()))
