"""Programs, and the rules that are published."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading


@dataclass(frozen=True, slots=True)
class Program:
    """A loyalty scheme."""

    id: bytes
    code: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """A published version: its canonical document is what was digested."""

    version: int
    document: bytes
    digest: bytes
    in_force_from: datetime
    published_at: datetime
    published_by: str


_COLUMNS = (t.program.c.program_id, t.program.c.code, t.program.c.name, t.program.c.created_at)


async def all(engine: AsyncEngine) -> tuple[Program, ...]:
    """Every program of the installation, oldest first."""
    async with reading(engine) as connection:
        found = await connection.execute(select(*_COLUMNS).order_by(t.program.c.created_at, t.program.c.program_id))
        return tuple(_program(row) for row in found)


async def program(engine: AsyncEngine, program_id: bytes) -> Program | None:
    """The program with this id, or None."""
    async with reading(engine) as connection:
        row = (await connection.execute(select(*_COLUMNS).where(t.program.c.program_id == program_id))).first()
    return None if row is None else _program(row)


async def rules_versions(engine: AsyncEngine, *, program_id: bytes) -> tuple[RulesVersion, ...]:
    """All published versions, oldest first."""
    r = t.rules.c
    query = (
        select(r.version, r.document, r.digest, r.in_force_from, r.published_at, r.published_by)
        .where(r.program_id == program_id)
        .order_by(r.version)
    )
    async with reading(engine) as connection:
        found = await connection.execute(query)
        return tuple(
            RulesVersion(row.version, row.document, row.digest, row.in_force_from, row.published_at, row.published_by)
            for row in found
        )


def _program(row: Any) -> Program:
    return Program(row.program_id, row.code, row.name, row.created_at)
