"""Pending deliveries: claimed under a lease, sent by others, and finished only while the lease is still one's own.

A claim pushes `due_at` ahead by the lease, so what a dead worker held falls due again by itself (webhooks W1, W2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ARRAY,
    Integer,
    LargeBinary,
    Select,
    SmallInteger,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, TableValuedAlias
from sqlalchemy.types import TypeEngine

from app.db import tables as t
from app.db.hot import Statement
from app.db.rows import uuid
from app.db.transactions import Engine, driver, transaction


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this worker's until `leased_until`; `attempts` is how many were made before."""

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt came to: `state` where it was the last, else `due_at` of the next."""

    claimed: Claimed
    id: bytes
    started_at: datetime
    finished_at: datetime
    duration_ms: int
    status: int | None
    outcome: str
    error: str | None
    answer: bytes
    state: str | None
    due_at: datetime | None


async def programs(engine: Engine) -> tuple[bytes, ...]:
    """The programs that have or had an endpoint."""
    async with driver(engine) as connection:
        return tuple(row["program_id"].bytes for row in await _PROGRAMS.fetch(connection))


async def claim(
    engine: Engine,
    *,
    program_id: bytes,
    now: datetime,
    until: datetime,
    lease: bytes,
    limit: int,
    room: int,
    rooms: Mapping[bytes, int],
    after: bytes,
) -> list[Claimed]:
    """Leases what is due, up to `limit`, oldest first within an endpoint, and commits.

    Each endpoint has so much `room`, but for those in `rooms`, which have that. Those with most come first, and among
    equals those after endpoint `after`, so that each has its turn. Rows another worker is claiming are passed over.
    """
    async with driver(engine) as connection:
        found = await _CLAIM.fetch(
            connection,
            program_id=uuid(program_id),
            now=now,
            until=until,
            lease=uuid(lease),
            most=limit,
            room=room,
            endpoints=[uuid(id) for id in rooms],
            rooms=list(rooms.values()),
            after=uuid(after),
        )
    return [
        Claimed(
            program_id,
            row["endpoint_id"].bytes,
            row["message_id"].bytes,
            lease,
            until,
            row["attempts"],
            row["url"],
            row["secret"],
            row["type"],
            row["body"],
        )
        for row in found
    ]


async def finish(engine: Engine, attempts: Sequence[Attempt]) -> int:
    """Records attempts, and moves or ends their deliveries where the lease still holds; how many did.

    Running it again after an error changes nothing twice. Where another worker took the lease over, the attempt is
    recorded all the same: it was made.
    """
    ours = 0
    for program_id, of_program in groupby(sorted(attempts, key=_key), lambda attempt: attempt.claimed.program_id):
        async with driver(engine) as connection:
            counted = await _FINISH.fetch(connection, program_id=uuid(program_id), **_columns(list(of_program)))
            ours += counted[0]["ours"]
    return ours


async def abandon(engine: Engine, *, program_id: bytes, now: datetime, limit: int) -> int:
    """Ends up to so many deliveries of deleted endpoints, but for those that are being sent; how many."""
    program = uuid(program_id)
    async with transaction(engine) as connection:
        found = await _GONE.fetch(connection, program_id=program, now=now, most=limit)
        if found:
            keys = {name: [row[f"{name[:-1]}_id"] for row in found] for name in ("endpoints", "messages")}
            await _ABANDON.fetch(connection, program_id=program, now=now, **keys)
        return len(found)


_PROGRAM: ColumnElement[Any] = bindparam("program_id", type_=Uuid())
_NOW: ColumnElement[Any] = bindparam("now", type_=t.INSTANT)
_MOST: ColumnElement[int] = bindparam("most", type_=Integer)
_ENABLED: ColumnElement[str] = literal_column("'enabled'")
_DELETED: ColumnElement[str] = literal_column("'deleted'")
_ABANDONED: ColumnElement[str] = literal_column("'abandoned'")
# The index of what is due is partial, with this condition, so that it serves the claim and nothing else: without
# statistics the planner takes it for as good as the primary key, and walks an endpoint's whole backlog for each row.
_INDEXED: ColumnElement[bool] = t.pending_delivery.c.attempts >= literal_column("0")
_e, _p, _m = t.endpoint.c, t.pending_delivery.c, t.message.c


def _rows(name: str, **types: TypeEngine[Any]) -> TableValuedAlias:
    """`unnest` of one array a column, each a parameter of that name."""
    arrays = [bindparam(column, type_=ARRAY(type_)) for column, type_ in types.items()]
    return func.unnest(*arrays).table_valued(*types).render_derived(name=name)


def _asked() -> TableValuedAlias:
    return _rows("asked", endpoints=Uuid(), messages=Uuid())


def _is(endpoint_id: ColumnElement[Any], message_id: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    return [_p.program_id == _PROGRAM, _p.endpoint_id == endpoint_id, _p.message_id == message_id]


def _due() -> Select[Any]:
    """Endpoint by endpoint along the index: the backlog of one that is full, or disabled, is never walked through."""
    known = _rows("known", endpoints=Uuid(), rooms=Integer())
    room = func.coalesce(known.c.rooms, bindparam("room", type_=Integer))
    endpoints = (
        select(_e.endpoint_id, _e.url, _e.secret, room.label("room"))
        .outerjoin(known, known.c.endpoints == _e.endpoint_id)
        .where(_e.program_id == _PROGRAM, _e.state == _ENABLED)
        .order_by(room.desc(), _e.endpoint_id <= bindparam("after", type_=Uuid()), _e.endpoint_id)
        .subquery("open_endpoint")
    )
    due = (
        select(_p.message_id, _p.attempts)
        .where(_p.program_id == _PROGRAM, _p.endpoint_id == endpoints.c.endpoint_id, _p.due_at <= _NOW, _INDEXED)
        .order_by(_p.due_at)
        .limit(endpoints.c.room)
        .with_for_update(skip_locked=True)
        .lateral("due")
    )
    columns = (endpoints.c.endpoint_id, endpoints.c.url, endpoints.c.secret, due.c.message_id, due.c.attempts)
    return select(*columns).join_from(endpoints, due, true()).limit(_MOST)


def _gone() -> Select[Any]:
    """Pending deliveries of deleted endpoints that nobody is sending."""
    endpoints = select(_e.endpoint_id).where(_e.program_id == _PROGRAM, _e.state == _DELETED).subquery("gone_endpoint")
    unsent = (
        select(_p.message_id)
        .where(_p.program_id == _PROGRAM, _p.endpoint_id == endpoints.c.endpoint_id)
        .where(or_(_p.lease.is_(None), _p.due_at <= _NOW))
        .order_by(_p.message_id)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
        .lateral("unsent")
    )
    return select(endpoints.c.endpoint_id, unsent.c.message_id).join_from(endpoints, unsent, true()).limit(_MOST)


def _claimed() -> Select[Any]:
    """One statement, and its parts joined row by row whatever the planner believes about how many there are."""
    due = _due().cte("due")
    columns = [select(due.c[name]).scalar_subquery() for name in ("endpoint_id", "message_id")]
    asked = func.unnest(*[func.array(column) for column in columns]).table_valued("endpoints", "messages")
    asked = asked.render_derived(name="asked")
    leased = (
        update(t.pending_delivery)
        .where(*_is(asked.c.endpoints, asked.c.messages))
        .values(due_at=bindparam("until", type_=t.INSTANT), lease=bindparam("lease", type_=Uuid()))
        .cte("leased")
    )
    message = (
        select(_m.type, _m.body)
        .where(_m.program_id == _PROGRAM, _m.message_id == due.c.message_id)
        .limit(literal_column("1"))
        .lateral("content")
    )
    return select(*due.c, *message.c).join_from(due, message, true()).add_cte(leased)


def _ending(ended: CTE, state: ColumnElement[Any], attempts: ColumnElement[Any], at: ColumnElement[Any]) -> Insert:
    """The deliveries of rows that are pending no longer; again where one had ended before and was sent anew."""
    names = ["program_id", "endpoint_id", "message_id", "state", "attempts", "finished_at"]
    rows = select(_PROGRAM, ended.c.endpoint_id, ended.c.message_id, state, attempts, at)
    statement = insert(t.delivery).from_select(names, rows)
    return statement.on_conflict_do_update(
        index_elements=list(t.delivery.primary_key.columns),
        set_={name: statement.excluded[name] for name in ("state", "attempts", "finished_at")},
    )


def _abandoned() -> Insert:
    asked = _asked()
    ended = (
        delete(t.pending_delivery)
        .where(*_is(asked.c.endpoints, asked.c.messages))
        .returning(_p.endpoint_id, _p.message_id, _p.attempts)
        .cte("ended")
    )
    return _ending(ended, _ABANDONED, ended.c.attempts, _NOW)


_MADE: dict[str, TypeEngine[Any]] = {
    "endpoint_id": Uuid(),
    "message_id": Uuid(),
    "attempt_id": Uuid(),
    "number": SmallInteger(),
    "started_at": t.INSTANT,
    "duration_ms": Integer(),
    "status": SmallInteger(),
    "outcome": Text(),
    "error": Text(),
    "answer": LargeBinary(),
}
_FATE: dict[str, TypeEngine[Any]] = {
    "lease": Uuid(),
    "state": Text(),
    "due_at": t.INSTANT,
    "finished_at": t.INSTANT,
}


def _finished() -> Select[Any]:
    done = select(_rows("made", **_MADE, **_FATE)).cte("done")
    ours = [*_is(done.c.endpoint_id, done.c.message_id), _p.lease == done.c.lease]
    recorded = (
        insert(t.attempt)
        .from_select(["program_id", *_MADE], select(_PROGRAM, *[done.c[name] for name in _MADE]))
        .on_conflict_do_nothing()
        .cte("recorded")
    )
    ended = (
        delete(t.pending_delivery)
        .where(*ours, done.c.state.is_not(None))
        .returning(_p.endpoint_id, _p.message_id, done.c.state, done.c.number, done.c.finished_at)
        .cte("ended")
    )
    ending = _ending(ended, ended.c.state, ended.c.number, ended.c.finished_at).cte("ending")
    put_off = (
        update(t.pending_delivery)
        .where(*ours, done.c.state.is_(None))
        .values(attempts=done.c.number, due_at=done.c.due_at, lease=null())
        .returning(_p.message_id)
        .cte("put_off")
    )
    counts = [select(func.count()).select_from(rows).scalar_subquery() for rows in (ended, put_off)]
    return select((counts[0] + counts[1]).label("ours")).add_cte(recorded, ending)


_PROGRAMS = Statement(
    select(t.program.c.program_id).where(select(_e.endpoint_id).where(_e.program_id == t.program.c.program_id).exists())
)
_CLAIM, _GONE, _ABANDON, _FINISH = map(Statement, (_claimed(), _gone(), _abandoned(), _finished()))


def _key(attempt: Attempt) -> tuple[bytes, bytes, bytes, bytes]:
    claimed = attempt.claimed
    return (claimed.program_id, claimed.endpoint_id, claimed.message_id, attempt.id)


def _columns(attempts: Sequence[Attempt]) -> dict[str, list[Any]]:
    rows = [
        (
            uuid(a.claimed.endpoint_id),
            uuid(a.claimed.message_id),
            uuid(a.id),
            a.claimed.attempts + 1,
            a.started_at,
            a.duration_ms,
            a.status,
            a.outcome,
            a.error,
            a.answer,
            uuid(a.claimed.lease),
            a.state,
            a.due_at,
            a.finished_at,
        )
        for a in attempts
    ]
    return {name: list(values) for name, values in zip((*_MADE, *_FATE), zip(*rows, strict=True), strict=True)}
