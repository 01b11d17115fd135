"""Messages that are to be sent to an endpoint again, beside those that a batch leaves for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, literal_column, null, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from app.db import tables as t

_COLUMNS = ("program_id", "endpoint_id", "message_id", "due_at", "lease", "ordering_key", "attempts")
_m, _p = t.message.c, t.pending_delivery.c


def pending(message: Any, *, endpoint_id: bytes, now: datetime) -> Sequence[ColumnElement[Any]]:
    """The columns of a row that makes a message pending for an endpoint."""
    endpoint: ColumnElement[Any] = bindparam("endpoint", endpoint_id, type_=t.Id())
    due: ColumnElement[Any] = bindparam("due", now, type_=t.INSTANT)
    attempts: ColumnElement[int] = literal_column("0")
    return [message.program_id, endpoint, message.message_id, due, null(), null(), attempts]


def add(rows: Select[Any]) -> Insert:
    """Inserts such rows; a message that is pending anyway stays as it is."""
    return insert(t.pending_delivery).from_select(_COLUMNS, rows).on_conflict_do_nothing()


async def again(
    connection: AsyncConnection, message_id: bytes, *, program_id: bytes, endpoint_id: bytes, now: datetime
) -> None:
    """Makes a message pending for an endpoint anew. One that waits for its next attempt is due at once instead.

    One that is being sent at this moment stays as it is: whoever sends it still holds its lease.
    """
    columns = pending(_m, endpoint_id=endpoint_id, now=now)
    rows = select(*columns).where(_m.program_id == program_id, _m.message_id == message_id)
    statement = insert(t.pending_delivery).from_select(_COLUMNS, rows)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(t.pending_delivery.primary_key.columns),
            set_={"due_at": statement.excluded.due_at, "attempts": 0},
            where=_p.lease.is_(None),
        )
    )
