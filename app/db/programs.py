"""Rows of programs and of the versions of their rules, for setting up."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version of a program's rules about to be published; `text` is what its document was read from."""

    version: int
    document: bytes
    text: bytes
    digest: bytes
    in_force_from: datetime
    published_by: str


@dataclass(frozen=True, slots=True)
class Version:
    """A published version, as the next one must fit it."""

    version: int
    document: bytes
    digest: bytes
    in_force_from: datetime
    published_at: datetime


async def locked(connection: AsyncConnection, code: str) -> bytes | None:
    """The id of the program with this code; its row is locked, so that publishers take numbers one after the other."""
    query = select(t.program.c.program_id).where(t.program.c.code == code).with_for_update()
    return (await connection.execute(query)).scalar_one_or_none()


async def named(connection: AsyncConnection, code: str) -> bytes | None:
    """The id of the program with this code, or None."""
    query = select(t.program.c.program_id).where(t.program.c.code == code)
    return (await connection.execute(query)).scalar_one_or_none()


async def add(connection: AsyncConnection, *, id: bytes, code: str, name: str, now: datetime) -> None:
    """A new program. Raises Duplicate where the code is taken."""
    await connection.execute(insert(t.program).values(program_id=id, code=code, name=name, created_at=now))


async def lock(connection: AsyncConnection, *, program_id: bytes) -> str | None:
    """The code of the program with this id, or None; its row is locked as `locked` does."""
    query = select(t.program.c.code).where(t.program.c.program_id == program_id).with_for_update()
    return (await connection.execute(query)).scalar_one_or_none()


async def versions(connection: AsyncConnection, *, program_id: bytes) -> list[Version]:
    """The published versions, by number."""
    r = t.rules.c
    query = (
        select(r.version, r.document, r.digest, r.in_force_from, r.published_at)
        .where(r.program_id == program_id)
        .order_by(r.version)
    )
    return [
        Version(row.version, row.document, row.digest, row.in_force_from, row.published_at)
        for row in await connection.execute(query)
    ]


async def add_version(connection: AsyncConnection, new: NewVersion, *, program_id: bytes, now: datetime) -> None:
    """Publishes a version; it never changes afterwards."""
    await connection.execute(
        insert(t.rules).values(
            program_id=program_id,
            version=new.version,
            document=new.document,
            text=new.text,
            digest=new.digest,
            in_force_from=new.in_force_from,
            published_at=now,
            published_by=new.published_by,
        )
    )
