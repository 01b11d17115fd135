"""The SQL of the write corridor that saves: one statement for all that a batch writes (architecture §3.8).

It is compiled once per set of tables that a batch writes to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Delete,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, Insert, aggregate_order_by, insert
from sqlalchemy.sql import Select
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.db import pending, statements
from app.db import tables as t
from app.db.statements import PROGRAM_PARAMETER, Statement
from app.domain.messages import time_text


async def save(
    connection: asyncpg.Connection, *, program_id: Any, columns: Mapping[str, Mapping[str, list[Any]]]
) -> None:
    """Writes a batch in one statement: per kind of row, per column, the values in row order; ids as bytes."""
    written = {kind: values for kind, values in columns.items() if values and any(values.values())}
    values = {}
    for kind, named in written.items():
        for column in _WRITES[kind].columns:
            literal = _LITERALS.get(type(_plain(column.type)))
            found = named[column.name]
            values[f"{kind}__{column.name}"] = found if literal is None else literal(found)
    await saving(frozenset(written)).fetch(connection, program_id=program_id, **values)


@cache
def saving(kinds: frozenset[str]) -> Statement:
    """The statement that writes these kinds of rows, in one go."""
    named = [(kind, write) for kind, write in _WRITES.items() if kind in kinds]
    writes = [write.make(_rows(kind, write.columns)).cte(f"w_{kind}") for kind, write in named]
    return Statement(select(literal_column("1")).add_cte(*writes))


class _Write(NamedTuple):
    """One kind of row: the columns that come as arrays, and what is done with the rows they make."""

    columns: tuple[Column[Any], ...]
    make: Callable[[TableValuedAlias], Insert | Delete]


def _source(columns: Sequence[Column[Any]], rows: TableValuedAlias) -> tuple[list[str], Select[Any]]:
    names = ["program_id", *[column.name for column in columns]]
    return names, select(PROGRAM_PARAMETER, *[rows.c[column.name] for column in columns])


def _insert(table: Table, *left_out: str) -> _Write:
    columns = statements.columns(table, *left_out)
    return _Write(columns, lambda rows: insert(table).from_select(*_source(columns, rows)))


def _upsert(table: Table, changing: Sequence[str]) -> _Write:
    columns = statements.columns(table)

    def make(rows: TableValuedAlias) -> Insert:
        statement = insert(table).from_select(*_source(columns, rows))
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: statement.excluded[name] for name in changing}
        )

    return _Write(columns, make)


def _insert_new(table: Table) -> _Write:
    """Adds the rows that are not there yet."""
    columns = statements.columns(table)

    def make(rows: TableValuedAlias) -> Insert:
        return insert(table).from_select(*_source(columns, rows)).on_conflict_do_nothing()

    return _Write(columns, make)


def _remove(table: Table, *names: str) -> _Write:
    """Deletes rows by their places, each looked up by itself: a join might walk all rows (`statements.each`)."""
    place: ColumnElement[Any] = literal_column(f"{table.name}.ctid")

    def make(rows: TableValuedAlias) -> Delete:
        places = statements.each(rows, table, [place.label("place")])
        return delete(table).where(place == func.any(func.array(places.scalar_subquery())))

    return _Write(tuple(table.c[name] for name in names), make)


def _deliver(rows: TableValuedAlias) -> Insert:
    """A pending delivery per message and endpoint that takes its type: decided where both lie, so none is missed."""
    return pending.queued(
        rows.c.message_id,
        pending.may_see(rows.c.audience),
        program_id=PROGRAM_PARAMETER,
        type=rows.c.type,
        created_at=rows.c.created_at,
        member_id=rows.c.member_id,
        number=rows.c.number,
    )


def _leave_to_sequence(rows: TableValuedAlias) -> Insert:
    """One row that names all these messages, in the order in which the feed is to have them.

    Its time is the database's own: who waited for a member's row writes later, by one clock, than whom they waited for.
    """
    ids = func.array_agg(aggregate_order_by(rows.c.message_id, rows.c.place))
    first: ColumnElement[Any] = ids[1]
    source = select(PROGRAM_PARAMETER, func.clock_timestamp(), first, ids).select_from(rows)
    return insert(t.unsequenced).from_select(["program_id", "written_at", "first_id", "messages"], source)


_PENDING = ("message_id", "member_id", "number", "type", "created_at", "audience")
_PLACE: Column[int] = Column("place", Integer)
_STATE_CHANGES = [column.name for column in statements.columns(t.member, "member_id", "referral_code")]
_ACCOUNT_CHANGES = [column.name for column in statements.columns(t.account, "member_id", "unit")]

_WRITES: Mapping[str, _Write] = {
    "member": _upsert(t.member, _STATE_CHANGES),
    "member_identity": _insert(t.member_identity),
    "profile": _insert(t.profile, "birthday_changed_at"),
    "fingerprint": _insert_new(t.fingerprint),
    "event": _insert(t.event),
    "entry": _insert(t.entry),
    "draw": _insert(t.draw),
    "particulars": _insert(t.particulars),
    "account": _upsert(t.account, _ACCOUNT_CHANGES),
    "tier_term": _insert(t.tier_term),
    "tier_floor": _upsert(t.tier_floor, ["ends_at"]),
    "ended_floor": _remove(t.tier_floor, "member_id", "ladder", "sequence", "rule"),
    "usage": _upsert(t.usage, ["points", "times"]),
    "shared_usage": _upsert(t.shared_usage, ["points", "times"]),
    "forgotten_shared_usage": _remove(t.shared_usage, "counter", "since"),
    "forgotten_usage": _remove(t.usage, "member_id", "counter", "since"),
    "member_tag": _upsert(t.member_tag, ["since", "until"]),
    "removed_tag": _remove(t.member_tag, "member_id", "tag", "sequence"),
    "open_lot": _upsert(t.open_lot, ["remaining", "reserved", "waiting", "expires_at"]),
    "closed_lot": _remove(t.open_lot, "member_id", "sequence", "position"),
    "parked": _insert(t.parked),
    "unparked": _remove(t.parked, "source", "kind", "key"),
    "refused": _upsert(
        t.refused,
        [column.name for column in t.refused.c if column.name not in ("program_id", "source", "kind", "key")],
    ),
    "reservation": _upsert(t.reservation, ["points"]),
    "closed_reservation": _remove(t.reservation, "member_id", "hold", "lot_sequence", "lot_position"),
    "schedule": _insert(t.schedule),
    "later_schedule": _upsert(t.schedule, ["due_at"]),
    "closed_schedule": _remove(t.schedule, "member_id", "key"),
    "block": _insert(t.block),
    "message": _insert(t.message),
    "pending": _Write(tuple(t.message.c[name] for name in _PENDING), _deliver),
    "unsequenced": _Write((t.message.c.message_id, _PLACE), _leave_to_sequence),
}
"""Each kind of row a batch writes, in the order in which the statement names them."""


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return type_.impl_instance if isinstance(type_, TypeDecorator) else type_


def _rows(prefix: str, columns: Sequence[Column[Any]]) -> TableValuedAlias:
    """`unnest` of one array a column: the rows of a set-based write."""
    arrays = [_array(f"{prefix}__{column.name}", _plain(column.type)) for column in columns]
    return func.unnest(*arrays).table_valued(*[column.name for column in columns]).render_derived(name=f"{prefix}_rows")


def _array(name: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """A parameter that is an array; of types in `_LITERALS` as text, which costs a third of the driver's own way."""
    if type(type_) in _LITERALS:
        return cast(bindparam(name, type_=Text()), ARRAY(type_))
    return bindparam(name, type_=ARRAY(type_))


def _hexes(values: Iterable[bytes | None]) -> str:
    return "{" + ",".join([value.hex() if value is not None else "NULL" for value in values]) + "}"


def _numbers(values: Iterable[int | None]) -> str:
    return "{" + ",".join([str(value) if value is not None else "NULL" for value in values]) + "}"


def _times(values: Iterable[datetime | None]) -> str:
    return "{" + ",".join([time_text(value) if value is not None else "NULL" for value in values]) + "}"


_LITERALS: Mapping[type, Callable[[Iterable[Any]], str]] = {
    Uuid: _hexes,
    SmallInteger: _numbers,
    Integer: _numbers,
    BigInteger: _numbers,
    TIMESTAMP: _times,
}
"""How arrays of a type are written as text; none of these can hold a sign that would need quoting."""
