"""Pending deliveries: finished only while the lease is still one's own, given up, or called up before their time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import asyncpg
from sqlalchemy import (
    Integer,
    LargeBinary,
    Select,
    SmallInteger,
    Text,
    Update,
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
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE
from sqlalchemy.types import TypeEngine

from app.db import claims
from app.db import tables as t
from app.db.claims import NOW, PROGRAM, Claimed, is_pending, rows
from app.db.rows import uuid
from app.db.statements import Statement
from app.db.transactions import Engine, driver, transaction


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt came to: `state` where it was the last, else `due_at` of the next; neither where it is held."""

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
    disables: str | None = None
    """Why the shop's answer switches its endpoint off, if it does."""

    @property
    def exhausted(self) -> bool:
        """Whether no further attempt follows by itself, though it was not delivered."""
        return self.state == EXHAUSTED or (self.state is None and self.due_at is None)


DELIVERED, FAILED, EXHAUSTED, ABORTED = "delivered", "failed", "exhausted", "aborted"


async def programs(engine: Engine) -> tuple[bytes, ...]:
    """The programs that have or had an endpoint."""
    async with driver(engine) as connection:
        return tuple(row["program_id"].bytes for row in await _PROGRAMS.fetch(connection))


async def finish(engine: Engine, attempts: Sequence[Attempt]) -> int:
    """Records attempts, and moves or ends their deliveries where the lease still holds; how many did.

    Running it again after an error changes nothing twice. Where another worker took the lease over, the attempt is
    recorded all the same: it was made.
    """
    ours = 0
    for program_id, of_program in groupby(sorted(attempts, key=_key), lambda attempt: attempt.claimed.program_id):
        mine = list(of_program)
        if any(attempt.claimed.ordered for attempt in mine):
            async with transaction(engine) as connection:
                ours += await finish_in(connection, mine, program_id=program_id)
        else:
            async with driver(engine) as connection:
                ours += await _finish(connection, mine, program_id=program_id)
    return ours


async def finish_and_follow(
    engine: Engine, attempt: Attempt, *, now: datetime, until: datetime, lease: bytes
) -> tuple[int, Claimed | None]:
    """The same for a strict endpoint's delivery that has ended, and leases what comes next, all in one transaction.

    There is no next where the lease did not hold, where the endpoint must not be called, or where it has a rate: that
    is for a claim to keep.
    """
    claimed, following = attempt.claimed, None
    of: dict[str, Any] = {"program_id": claimed.program_id, "now": now}
    async with transaction(engine) as connection:
        endpoint = await claims.lock(connection, claimed.endpoint_id, **of)
        ours = await _finish(connection, [attempt], program_id=claimed.program_id)
        if ours and endpoint is not None and endpoint.strict and endpoint.per_second is None:
            following = await claims.follow(connection, endpoint, **of, until=until, lease=lease)
    return ours, following


async def finish_in(connection: asyncpg.Connection, attempts: Sequence[Attempt], *, program_id: bytes) -> int:
    """The same for one program within a transaction; what waited for these deliveries is called up.

    Endpoints with an order are locked, so that no claim puts aside what is being called up.
    """
    ordered = sorted({attempt.claimed.endpoint_id for attempt in attempts if attempt.claimed.ordered})
    if ordered:
        await _LOCK.fetch(connection, program_id=uuid(program_id), endpoints=[uuid(id) for id in ordered])
    return await _finish(connection, attempts, program_id=program_id)


async def abandon(engine: Engine, *, program_id: bytes, now: datetime, limit: int) -> int:
    """Ends up to so many deliveries of deleted endpoints, but for those that are being sent; how many."""
    async with transaction(engine) as connection:
        found = await _GONE.fetch(connection, program_id=uuid(program_id), now=now, most=limit)
        return await _abandon(connection, found, program_id=program_id, now=now)


async def abandon_of(engine: Engine, messages: Sequence[bytes], *, program_id: bytes, now: datetime) -> int:
    """Ends all deliveries of these messages, but for those that are being sent; how many."""
    async with transaction(engine) as connection:
        ids = [uuid(id) for id in messages]
        found = await _OF.fetch(connection, program_id=uuid(program_id), messages=ids, now=now)
        return await _abandon(connection, found, program_id=program_id, now=now)


async def release(engine: Engine, *, program_id: bytes, now: datetime, limit: int) -> int:
    """Makes due, with all their attempts before them, up to so many deliveries of endpoints that were enabled again."""
    async with transaction(engine) as connection:
        enabled = await _RELEASING.fetch(connection, program_id=uuid(program_id))
        asked = {"program_id": uuid(program_id), "endpoints": [row["endpoint_id"] for row in enabled]}
        released = 0
        for statement in (_RELEASE, _REFRESH) if enabled else ():
            released += len(await statement.fetch(connection, **asked, now=now, most=limit - released))
            if released == limit:
                return limit
        if enabled:
            await _RELEASED.fetch(connection, **asked)
        return released


async def _finish(connection: asyncpg.Connection, attempts: Sequence[Attempt], *, program_id: bytes) -> int:
    counted = await _FINISH.fetch(connection, program_id=uuid(program_id), **_columns(attempts))
    return int(counted[0]["ours"])


async def _abandon(
    connection: asyncpg.Connection, found: Sequence[asyncpg.Record], *, program_id: bytes, now: datetime
) -> int:
    if found:
        keys = {name: [row[f"{name[:-1]}_id"] for row in found] for name in ("endpoints", "messages")}
        await _ABANDON.fetch(connection, program_id=uuid(program_id), now=now, **keys)
    return len(found)


_MOST: ColumnElement[int] = bindparam("most", type_=Integer)
_WANTED: ColumnElement[Any] = func.any(bindparam("endpoints", type_=ARRAY(Uuid())))
_ENABLED: ColumnElement[str] = literal_column("'enabled'")
_DELETED: ColumnElement[str] = literal_column("'deleted'")
_ABANDONED: ColumnElement[str] = literal_column("'abandoned'")
_NEVER: ColumnElement[Any] = literal_column("'infinity'::timestamptz")
_NONE: ColumnElement[int] = literal_column("0")
_INDEXED: ColumnElement[bool] = t.pending_delivery.c.attempts >= _NONE  # the condition of the index of what is due
_e, _p = t.endpoint.c, t.pending_delivery.c


def _gone() -> Select[Any]:
    """Pending deliveries of deleted endpoints that nobody is sending."""
    endpoints = select(_e.endpoint_id).where(_e.program_id == PROGRAM, _e.state == _DELETED).subquery("gone_endpoint")
    unsent = (
        select(_p.message_id)
        .where(_p.program_id == PROGRAM, _p.endpoint_id == endpoints.c.endpoint_id)
        .where(or_(_p.lease.is_(None), _p.due_at <= NOW))
        .order_by(_p.message_id)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
        .lateral("unsent")
    )
    return select(endpoints.c.endpoint_id, unsent.c.message_id).join_from(endpoints, unsent, true()).limit(_MOST)


def _of() -> Select[Any]:
    """Pending deliveries of messages that nobody is sending."""
    endpoints = select(_e.endpoint_id).where(_e.program_id == PROGRAM).subquery("any_endpoint")
    of = rows("of", messages=Uuid())
    unsent = (
        select(_p.message_id)
        .where(_p.program_id == PROGRAM, _p.endpoint_id == endpoints.c.endpoint_id)
        .where(_p.message_id == of.c.messages, or_(_p.lease.is_(None), _p.due_at <= NOW))
        .offset(_NONE)
        .with_for_update(skip_locked=True)
        .lateral("unsent")
    )
    pairs = select(endpoints.c.endpoint_id, unsent.c.message_id).select_from(of).join(endpoints, true())
    return pairs.join(unsent, true())


def _release() -> Update:
    """What is put off, put aside or held: all that is due later and not being sent."""
    return _anew(_p.due_at > NOW)


def _refresh() -> Update:
    """What fell due while nothing was sent, and had been tried before."""
    return _anew(_p.due_at <= NOW, _p.attempts > _NONE)


def _anew(*which: ColumnElement[bool]) -> Update:
    """Due at once and never tried, where the endpoint was enabled again."""
    endpoints = select(_e.endpoint_id).where(_e.program_id == PROGRAM, _e.endpoint_id == _WANTED).subquery("e")
    these = (
        select(_p.message_id)
        .where(_p.program_id == PROGRAM, _p.endpoint_id == endpoints.c.endpoint_id, _INDEXED)
        .where(*which, _p.lease.is_(None))
        .order_by(_p.due_at)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
        .lateral("these")
    )
    found = select(endpoints.c.endpoint_id, these.c.message_id).join_from(endpoints, these, true()).limit(_MOST)
    asked = claims.picked(found.cte("found"), "asked")
    return (
        update(t.pending_delivery)
        .where(*is_pending(asked.c.endpoints, asked.c.messages))
        .values(due_at=NOW, attempts=_NONE)
        .returning(_p.message_id)
    )


def _lock() -> Select[Any]:
    query = select(_e.endpoint_id).where(_e.program_id == PROGRAM, _e.endpoint_id == _WANTED)
    return query.order_by(_e.endpoint_id).with_for_update(key_share=True)


def _ending(ended: CTE, state: ColumnElement[Any], attempts: ColumnElement[Any], at: ColumnElement[Any]) -> Insert:
    """The deliveries of rows that are pending no longer; again where one had ended before and was sent anew."""
    names = ["program_id", "endpoint_id", "message_id", "state", "attempts", "finished_at"]
    source = select(PROGRAM, ended.c.endpoint_id, ended.c.message_id, state, attempts, at)
    statement = insert(t.delivery).from_select(names, source)
    return statement.on_conflict_do_update(
        index_elements=list(t.delivery.primary_key.columns),
        set_={name: statement.excluded[name] for name in ("state", "attempts", "finished_at")},
    )


def _abandoned() -> Insert:
    asked = rows("asked", endpoints=Uuid(), messages=Uuid())
    ended = (
        delete(t.pending_delivery)
        .where(*is_pending(asked.c.endpoints, asked.c.messages))
        .returning(_p.endpoint_id, _p.message_id, _p.attempts)
        .cte("ended")
    )
    return _ending(ended, _ABANDONED, ended.c.attempts, NOW)


def _called_up(ended: CTE) -> Update:
    """The next under the key of each delivery that has ended is due at once."""
    after = t.pending_delivery.alias("after")
    following = (
        select(after.c.message_id)
        .where(after.c.program_id == PROGRAM, after.c.endpoint_id == ended.c.endpoint_id)
        .where(after.c.ordering_key == ended.c.ordering_key, after.c.message_id != ended.c.message_id)
        .order_by(after.c.queued_at, after.c.number, after.c.message_id)
        .limit(literal_column("1"))
        .scalar_subquery()
    )
    nexts = select(ended.c.endpoint_id, following.label("message_id"), ended.c.finished_at)
    found = nexts.where(ended.c.ordering_key.is_not(None)).cte("nexts")
    arrays = [
        func.array(select(found.c[name]).scalar_subquery()) for name in ("endpoint_id", "message_id", "finished_at")
    ]
    asked = func.unnest(*arrays).table_valued("endpoints", "messages", "instants").render_derived(name="asked")
    return (
        update(t.pending_delivery)
        .where(*is_pending(asked.c.endpoints, asked.c.messages), _p.lease.is_(None))
        .values(due_at=func.least(_p.due_at, asked.c.instants))
    )


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
    done = select(rows("made", **_MADE, **_FATE)).cte("done")
    ours = [*is_pending(done.c.endpoint_id, done.c.message_id), _p.lease == done.c.lease]
    recorded = (
        insert(t.attempt)
        .from_select(["program_id", *_MADE], select(PROGRAM, *[done.c[name] for name in _MADE]))
        .on_conflict_do_nothing()
        .cte("recorded")
    )
    ended = (
        delete(t.pending_delivery)
        .where(*ours, done.c.state.is_not(None))
        .returning(
            *(_p.endpoint_id, _p.message_id, _p.ordering_key),
            *(done.c.state, done.c.number, done.c.finished_at),
        )
        .cte("ended")
    )
    ending = _ending(ended, ended.c.state, ended.c.number, ended.c.finished_at).cte("ending")
    put_off = (
        update(t.pending_delivery)
        .where(*ours, done.c.state.is_(None))
        .values(attempts=done.c.number, due_at=func.coalesce(done.c.due_at, _NEVER), lease=null())
        .returning(_p.message_id)
        .cte("put_off")
    )
    called_up = _called_up(ended).cte("called_up")
    counts = [select(func.count()).select_from(rows).scalar_subquery() for rows in (ended, put_off)]
    return select((counts[0] + counts[1]).label("ours")).add_cte(recorded, ending, called_up)


_PROGRAMS = Statement(
    select(t.program.c.program_id).where(select(_e.endpoint_id).where(_e.program_id == t.program.c.program_id).exists())
)
_RELEASING = Statement(  # locked, so that none of them is disabled and enabled again meanwhile
    select(_e.endpoint_id)
    .where(_e.program_id == PROGRAM, _e.releasing, _e.state == _ENABLED)
    .order_by(_e.endpoint_id)
    .with_for_update(key_share=True, skip_locked=True)
)
_RELEASED = Statement(
    update(t.endpoint).where(_e.program_id == PROGRAM, _e.endpoint_id == _WANTED).values(releasing=null())
)
_GONE, _OF, _ABANDON, _FINISH = map(Statement, (_gone(), _of(), _abandoned(), _finished()))
_LOCK, _RELEASE, _REFRESH = map(Statement, (_lock(), _release(), _refresh()))


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
