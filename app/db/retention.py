"""Messages and attempts that have had their time: found by the service, removed by the janitor's own role.

The service may not delete them: they are history to it (architecture §5.4). Before the janitor removes messages it
writes down from when on they are kept, so that `zegel verify` misses those alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    Integer,
    Select,
    Table,
    Uuid,
    bindparam,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy import true as sql_true
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.elements import ColumnElement

from app.db import tables as t
from app.db.claims import PROGRAM, rows
from app.db.rows import uuid
from app.db.statements import Statement
from app.db.transactions import Engine, driver


async def old_messages(engine: Engine, *, program_id: bytes, before: datetime, limit: int) -> tuple[bytes, ...]:
    """Up to so many messages of a program from before an instant."""
    async with driver(engine) as connection:
        found = await _OLD.fetch(connection, program_id=uuid(program_id), before=before, most=limit)
    return tuple(row["message_id"].bytes for row in found)


async def still_pending(engine: Engine, messages: Sequence[bytes], *, program_id: bytes) -> frozenset[bytes]:
    """Those of the messages that are on their way to some endpoint."""
    async with driver(engine) as connection:
        ids = [uuid(id) for id in messages]
        found = await _PENDING.fetch(connection, program_id=uuid(program_id), messages=ids)
    return frozenset(row["message_id"].bytes for row in found)


async def keep_from(janitor: Engine, instant: datetime, *, program_id: bytes) -> None:
    """Writes down that messages from before an instant may be gone; that never moves back."""
    async with driver(janitor) as connection:
        await _KEEP.fetch(connection, program_id=uuid(program_id), messages_from=instant)


async def remove_messages(janitor: Engine, messages: Sequence[bytes], *, program_id: bytes) -> int:
    """Removes messages; how many there were."""
    async with driver(janitor) as connection:
        ids = [uuid(id) for id in messages]
        return len(await _REMOVE.fetch(connection, program_id=uuid(program_id), messages=ids))


async def remove_attempts(janitor: Engine, *, program_id: bytes, before: datetime, limit: int) -> int:
    """Removes up to so many attempts of a program from before an instant; how many."""
    async with driver(janitor) as connection:
        return len(await _ATTEMPTS.fetch(connection, program_id=uuid(program_id), before=before, most=limit))


async def remove_deliveries(janitor: Engine, *, program_id: bytes, before: datetime, limit: int) -> int:
    """Removes up to so many deliveries that ended before an instant; how many."""
    async with driver(janitor) as connection:
        return len(await _DELIVERIES.fetch(connection, program_id=uuid(program_id), before=before, most=limit))


_BEFORE: ColumnElement[Any] = bindparam("before", type_=t.INSTANT)
_MOST: ColumnElement[int] = bindparam("most", type_=Integer)
_NONE: ColumnElement[int] = literal_column("0")
_m, _p, _e, _r = t.message.c, t.pending_delivery.c, t.endpoint.c, t.retention.c


def _pending() -> Select[Any]:
    endpoints = select(_e.endpoint_id).where(_e.program_id == PROGRAM).subquery("any_endpoint")
    of = rows("of", messages=Uuid())
    found = (
        select(_p.message_id)
        .where(_p.program_id == PROGRAM, _p.endpoint_id == endpoints.c.endpoint_id, _p.message_id == of.c.messages)
        .offset(_NONE)  # a join might walk all that is pending: this looks up each
        .lateral("found")
    )
    return select(found.c.message_id).select_from(of).join(endpoints, sql_true()).join(found, sql_true())


def _keep() -> Insert:
    instant = bindparam("messages_from", type_=t.INSTANT)
    statement = insert(t.retention).from_select(["program_id", "messages_from"], select(PROGRAM, instant))
    later = func.greatest(_r.messages_from, statement.excluded.messages_from)
    return statement.on_conflict_do_update(index_elements=[_r.program_id], set_={"messages_from": later})


def _remove() -> Any:
    ids = func.any(bindparam("messages", type_=ARRAY(Uuid())))
    return delete(t.message).where(_m.program_id == PROGRAM, _m.message_id == ids).returning(_m.message_id)


def _page(table: Table, at: Column[Any]) -> Any:
    """The rows of a page by their places: along the index of time, without a sort."""
    place: ColumnElement[Any] = literal_column(f"{table.name}.ctid")
    old = select(place).where(table.c.program_id == PROGRAM, at < _BEFORE).limit(_MOST)
    return delete(table).where(place == func.any(func.array(old.scalar_subquery()))).returning(literal_column("1"))


_OLD = Statement(select(_m.message_id).where(_m.program_id == PROGRAM, _m.created_at < _BEFORE).limit(_MOST))
_PENDING, _KEEP, _REMOVE = map(Statement, (_pending(), _keep(), _remove()))
_ATTEMPTS = Statement(_page(t.attempt, t.attempt.c.started_at))
_DELIVERIES = Statement(_page(t.delivery, t.delivery.c.finished_at))
