"""Messages that are to be sent to an endpoint again, beside those that a batch leaves for it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, literal_column, null, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from app.db import tables as t

_COLUMNS = ("program_id", "endpoint_id", "message_id", "due_at", "lease", "ordering_key", "attempts")
_m, _e, _p = t.message.c, t.endpoint.c, t.pending_delivery.c


def taken_by_endpoint() -> list[ColumnElement[bool]]:
    """Whether an endpoint gets a message: it asks for the type, and its shop may see it (webhooks W10)."""
    family = func.split_part(_m.type, literal_column("'.'"), literal_column("1")) + literal_column("'.*'")
    return [
        or_(_e.types.is_(None), _m.type == func.any(_e.types), family == func.any(_e.types)),
        or_(_m.audience.is_(None), _e.source.is_(None), _m.audience == _e.source),
    ]


def pending(endpoint_id: Any, *, now: datetime) -> Select[Any]:
    """The rows that make messages pending for an endpoint, from the table of messages."""
    due: ColumnElement[Any] = bindparam("due", now, type_=t.INSTANT)
    attempts: ColumnElement[int] = literal_column("0")
    return select(_m.program_id, endpoint_id, _m.message_id, due, null(), _m.member_id, attempts)


def add(rows: Select[Any]) -> Any:
    """Inserts such rows; a message that is pending anyway stays as it is."""
    return insert(t.pending_delivery).from_select(_COLUMNS, rows).on_conflict_do_nothing()


async def again(
    connection: AsyncConnection, message_id: bytes, *, program_id: bytes, endpoint_id: bytes, now: datetime
) -> None:
    """Makes a message pending for an endpoint anew. One that waits for its next attempt is due at once instead.

    One that is being sent at this moment stays as it is: whoever sends it still holds its lease.
    """
    endpoint: ColumnElement[Any] = bindparam("endpoint", endpoint_id, type_=t.Id())
    rows = pending(endpoint, now=now).where(_m.program_id == program_id, _m.message_id == message_id)
    statement = insert(t.pending_delivery).from_select(_COLUMNS, rows)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(t.pending_delivery.primary_key.columns),
            set_={"due_at": statement.excluded.due_at, "attempts": 0},
            where=_p.lease.is_(None),
        )
    )
