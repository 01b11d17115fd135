"""Programs, and the rules that are published."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading
from app.program import writing


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


@dataclass(frozen=True, slots=True)
class Draft:
    """What may become the next version, as somebody wrote it."""

    revision: int
    text: bytes
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A published version without its document; `until` is when another one takes over, as far as is known."""

    version: int
    digest: bytes
    in_force_from: datetime
    until: datetime | None
    published_at: datetime
    published_by: str

    def state(self, now: datetime) -> str:
        """Where it stands: `scheduled`, `in_force`, `past`, or `replaced` before it ever counted."""
        if self.until is not None and self.until <= self.in_force_from:
            return "replaced"
        if self.in_force_from > now:
            return "scheduled"
        return "in_force" if self.until is None or self.until > now else "past"


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


async def text(engine: AsyncEngine, published: RulesVersion, *, program_id: bytes) -> bytes:
    """A version as it was written; what was published before texts were kept is written out from its document."""
    r = t.rules.c
    query = select(r.text).where(r.program_id == program_id, r.version == published.version)
    async with reading(engine) as connection:
        kept: bytes | None = (await connection.execute(query)).scalar_one()
    return kept if kept is not None else await asyncio.to_thread(writing.written_out, published.document)


def in_force(published: Sequence[RulesVersion], *, now: datetime) -> RulesVersion | None:
    """The version that judges what occurs now; None before the first (semantics E3)."""
    begun = [row for row in published if row.in_force_from <= now] or list(published[:1])
    return max(begun, key=lambda row: (row.in_force_from, row.version), default=None)


async def listed(engine: AsyncEngine, *, program_id: bytes) -> tuple[Listed, ...]:
    """All published versions without their documents, newest first."""
    r = t.rules.c
    query = select(r.version, r.digest, r.in_force_from, r.published_at, r.published_by)
    async with reading(engine) as connection:
        found = (await connection.execute(query.where(r.program_id == program_id))).all()
    coming = sorted(found, key=lambda row: (row.in_force_from, row.version))
    ends = {row.version: next_one.in_force_from for row, next_one in pairwise(coming)}
    return tuple(
        Listed(row.version, row.digest, row.in_force_from, ends.get(row.version), row.published_at, row.published_by)
        for row in sorted(found, key=lambda row: row.version, reverse=True)
    )


async def draft(engine: AsyncEngine, *, program_id: bytes) -> Draft | None:
    """The program's draft, or None."""
    d = t.draft.c
    query = select(d.revision, d.text, d.changed_at, d.changed_by).where(d.program_id == program_id)
    async with reading(engine) as connection:
        row = (await connection.execute(query)).first()
    return None if row is None else Draft(row.revision, row.text, row.changed_at, row.changed_by)


async def shops(engine: AsyncEngine, *, program_id: bytes) -> frozenset[str]:
    """What the program's shops are called."""
    async with reading(engine) as connection:
        found = await connection.execute(select(t.shop.c.source).where(t.shop.c.program_id == program_id))
        return frozenset(found.scalars())


def _program(row: Any) -> Program:
    return Program(row.program_id, row.code, row.name, row.created_at)
