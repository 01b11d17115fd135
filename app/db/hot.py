"""The SQL of the write corridor: built with SQLAlchemy Core once, run on the driver's connection (architecture §3.8).

Each statement is compiled at import, or (saving) once per set of tables that a batch writes to.
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
    Integer,
    LargeBinary,
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
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql import ClauseElement, Select
from sqlalchemy.sql.selectable import CTE, TableValuedAlias
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.db import tables as t
from app.domain.messages import time_text

_PROGRAM = bindparam("program_id", type_=Uuid())
_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


class Statement:
    """A compiled statement: SQL text, the order of its parameters, and the constants among them."""

    __slots__ = ("constants", "order", "sql")

    def __init__(self, clause: ClauseElement) -> None:
        compiled = clause.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self.constants = {name: value for name, value in compiled.params.items() if value is not None}
        self.order = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]

    async def fetch(self, connection: asyncpg.Connection, **values: Any) -> list[asyncpg.Record]:
        known = self.constants | values
        rows: list[asyncpg.Record] = await connection.fetch(self.sql, *[known[name] for name in self.order])
        return rows


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


def members_parameter() -> Any:
    """`ANY` of the array of members asked for."""
    return func.any(bindparam("members", type_=ARRAY(Uuid())))


_m, _e, _i = t.member.c, t.event.c, t.member_identity.c

RESOLVE = Statement(
    select(_i.digest, _i.member_id).where(
        _i.program_id == _PROGRAM, _i.digest == func.any(bindparam("digests", type_=ARRAY(LargeBinary)))
    )
)
"""Who the identities of these digests belong to."""

STATE_COLUMNS = tuple(column for column in t.member.c if column.name != "program_id")
_members_rows = select(*STATE_COLUMNS).where(_m.program_id == _PROGRAM, _m.member_id == members_parameter())
LOCK = Statement(_members_rows.order_by(_m.member_id).with_for_update())
"""The members' ledger rows, locked in the order of their ids."""
PEEK = Statement(_members_rows)
"""The same without a lock, for previews."""

RULES_VERSIONS = Statement(select(t.rules.c.version, t.rules.c.in_force_from).where(t.rules.c.program_id == _PROGRAM))

_keys = (
    func.unnest(*[bindparam(name, type_=ARRAY(Text)) for name in ("sources", "kinds", "keys")])
    .table_valued("source", "kind", "key")
    .render_derived(name="asked")
)
EVENT_COLUMNS = tuple(column for column in t.event.c if column.name not in ("program_id", "lane", "leaf", "block"))
RECORDED = Statement(
    select(*EVENT_COLUMNS).where(
        _e.program_id == _PROGRAM, _e.source == _keys.c.source, _e.kind == _keys.c.kind, _e.key == _keys.c.key
    )
)
"""The events recorded under these natural keys."""

_ENTRY_COLUMNS = tuple(column for column in t.entry.c if column.name != "program_id")
_DRAW_COLUMNS = tuple(column for column in t.draw.c if column.name != "program_id")


def _of_events(table: Table, columns: Sequence[Column[Any]]) -> Select[Any]:
    asked = (
        func.unnest(bindparam("members", type_=ARRAY(Uuid())), bindparam("sequences", type_=ARRAY(BigInteger)))
        .table_valued("member_id", "sequence")
        .render_derived(name="asked")
    )
    return select(*columns).where(
        table.c.program_id == _PROGRAM,
        table.c.member_id == asked.c.member_id,
        table.c.sequence == asked.c.sequence,
    )


ENTRIES = Statement(
    _of_events(t.entry, _ENTRY_COLUMNS).order_by(t.entry.c.member_id, t.entry.c.sequence, t.entry.c.position)
)
DRAWS = Statement(
    _of_events(t.draw, _DRAW_COLUMNS).order_by(
        t.draw.c.member_id, t.draw.c.sequence, t.draw.c.position, t.draw.c.ordinal
    )
)

ACCOUNT_COLUMNS = tuple(column for column in t.account.c if column.name not in ("program_id", "active_until"))
ACCOUNTS = Statement(
    select(*ACCOUNT_COLUMNS).where(t.account.c.program_id == _PROGRAM, t.account.c.member_id == members_parameter())
)

TERM_COLUMNS = tuple(column for column in t.tier_term.c if column.name != "program_id")
TERMS = Statement(
    select(*TERM_COLUMNS).where(t.tier_term.c.program_id == _PROGRAM, t.tier_term.c.member_id == members_parameter())
)

SCHEDULE_COLUMNS = tuple(column for column in t.schedule.c if column.name != "program_id")
SCHEDULED = Statement(
    select(*SCHEDULE_COLUMNS).where(
        t.schedule.c.program_id == _PROGRAM,
        t.schedule.c.member_id == members_parameter(),
        t.schedule.c.due_at <= bindparam("now", type_=t.INSTANT),
    )
)

LOT_COLUMNS = tuple(column for column in t.open_lot.c if column.name != "program_id")
LOTS = Statement(
    select(*LOT_COLUMNS).where(t.open_lot.c.program_id == _PROGRAM, t.open_lot.c.member_id == members_parameter())
)


class _Write(NamedTuple):
    """One kind of row: the columns that come as arrays, and what is done with the rows they make."""

    columns: tuple[Column[Any], ...]
    make: Callable[[TableValuedAlias], CTE]


def _all_columns(table: Table) -> tuple[Column[Any], ...]:
    return tuple(column for column in table.c if column.name not in ("program_id", "active_until"))


def _source(columns: Sequence[Column[Any]], rows: TableValuedAlias) -> tuple[list[str], Select[Any]]:
    names = ["program_id", *[column.name for column in columns]]
    return names, select(_PROGRAM, *[rows.c[column.name] for column in columns])


def _insert(table: Table) -> _Write:
    columns = _all_columns(table)
    return _Write(columns, lambda rows: insert(table).from_select(*_source(columns, rows)).cte(f"w_{table.name}"))


def _upsert(table: Table, changing: Sequence[str]) -> _Write:
    columns = _all_columns(table)

    def make(rows: TableValuedAlias) -> CTE:
        statement = insert(table).from_select(*_source(columns, rows))
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: statement.excluded[name] for name in changing}
        ).cte(f"w_{table.name}")

    return _Write(columns, make)


def _remove(table: Table, prefix: str, *names: str) -> _Write:
    def make(rows: TableValuedAlias) -> CTE:
        same = [table.c[name] == rows.c[name] for name in names]
        return delete(table).where(table.c.program_id == _PROGRAM, *same).cte(f"w_{prefix}")

    return _Write(tuple(table.c[name] for name in names), make)


def _deliver(rows: TableValuedAlias) -> CTE:
    """A pending delivery per message and endpoint that takes its type: decided where both lie, so none is missed."""
    e = t.endpoint.c
    source = select(
        _PROGRAM, e.endpoint_id, rows.c.message_id, rows.c.created_at, rows.c.member_id, literal_column("0")
    ).where(
        e.program_id == _PROGRAM,
        e.state == "enabled",
        (e.types.is_(None)) | (rows.c.type == func.any(e.types)),
    )
    names = ["program_id", "endpoint_id", "message_id", "due_at", "ordering_key", "attempts"]
    return insert(t.pending_delivery).from_select(names, source).cte("w_pending")


_STATE_CHANGES = [column.name for column in STATE_COLUMNS if column.name not in ("member_id", "referral_code")]
_ACCOUNT_CHANGES = [column.name for column in ACCOUNT_COLUMNS if column.name not in ("member_id", "unit")]

_WRITES: Mapping[str, _Write] = {
    "member": _upsert(t.member, _STATE_CHANGES),
    "member_identity": _insert(t.member_identity),
    "profile": _insert(t.profile),
    "event": _insert(t.event),
    "entry": _insert(t.entry),
    "draw": _insert(t.draw),
    "particulars": _insert(t.particulars),
    "account": _upsert(t.account, _ACCOUNT_CHANGES),
    "tier_term": _insert(t.tier_term),
    "open_lot": _upsert(t.open_lot, ["remaining", "reserved"]),
    "closed_lot": _remove(t.open_lot, "closed_lot", "member_id", "sequence", "position"),
    "schedule": _insert(t.schedule),
    "closed_schedule": _remove(t.schedule, "closed_schedule", "member_id", "key"),
    "block": _insert(t.block),
    "message": _insert(t.message),
    "pending": _Write(tuple(t.message.c[name] for name in ("message_id", "member_id", "type", "created_at")), _deliver),
}
"""Each kind of row a batch writes, in the order in which the statement names them."""


@cache
def _saving(kinds: frozenset[str]) -> Statement:
    writes = [write.make(_rows(kind, write.columns)) for kind, write in _WRITES.items() if kind in kinds]
    return Statement(select(literal_column("1")).add_cte(*writes))


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
    await _saving(frozenset(written)).fetch(connection, program_id=program_id, **values)
