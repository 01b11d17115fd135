"""What statements on the driver's connection are made of: SQLAlchemy Core, compiled once (architecture §3.8)."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Table,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql import ClauseElement, Select
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

PROGRAM_PARAMETER = bindparam("program_id", type_=Uuid())
"""Leads every WHERE."""

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


class Questions(Statement):
    """Several questions asked in one statement, so in one round trip and one snapshot."""

    __slots__ = ("_names",)

    def __init__(self, queries: Mapping[str, Select[Any]]) -> None:
        all_of = {
            name: func.array(query.with_only_columns(func.row(*query.selected_columns)).scalar_subquery())
            for name, query in queries.items()
        }
        super().__init__(select(*[rows.label(name) for name, rows in all_of.items()]))
        self._names = {name: tuple(column.name for column in query.selected_columns) for name, query in queries.items()}

    async def ask(self, connection: asyncpg.Connection, **values: Any) -> dict[str, list[dict[str, Any]]]:
        """Per question its rows, by the names of their columns."""
        (found,) = await self.fetch(connection, **values)
        return {name: [dict(zip(of, row, strict=True)) for row in found[name]] for name, of in self._names.items()}


def columns(table: Table, *left_out: str) -> tuple[Column[Any], ...]:
    """A table's columns, without the program's."""
    return tuple(column for column in table.c if column.name not in ("program_id", *left_out))


def each(asked: TableValuedAlias, table: Table, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """The rows of `table` that equal a row of `asked` in all its columns: one look-up of an index for each.

    A plain join leaves the planner the choice to walk all rows of the program instead, which it takes as long as it
    believes that there is only one (a table without statistics), in a plan that is kept.
    """
    same = [table.c.program_id == PROGRAM_PARAMETER, *(table.c[column.name] == column for column in asked.c)]
    fence: ColumnElement[int] = literal_column("0")
    found = select(*columns).where(*same).offset(fence).lateral(f"found_{table.name}")
    return select(*found.c).select_from(asked.join(found, true()))


def asked(**types: TypeEngine[Any]) -> TableValuedAlias:
    """The rows asked for: one array a column, called by the column's name and an s."""
    arrays = [bindparam(f"{name}s", type_=ARRAY(type_)) for name, type_ in types.items()]
    return func.unnest(*arrays).table_valued(*types).render_derived(name="asked")


def members_parameter() -> Any:
    """`ANY` of the array of members asked for."""
    return func.any(bindparam("members", type_=ARRAY(Uuid())))


def of_members(table: Table, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """The rows of `table` that are those members'."""
    return select(*columns).where(table.c.program_id == PROGRAM_PARAMETER, table.c.member_id == members_parameter())
