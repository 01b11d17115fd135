"""Programs and the versions of their rules."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import audit
from app.db import tables as t
from app.db.transactions import operation
from app.program import reading
from app.program.document import Document


@dataclass(frozen=True, slots=True)
class Published:
    """A version of a program's rules; `new` is False where the document is the one in force already."""

    program_id: bytes
    version: int
    digest: bytes
    new: bool


async def publish(
    engine: AsyncEngine, document: Document, *, code: str, id: bytes, audit_id: bytes, actor: str, now: datetime
) -> Published:
    """Makes the program named by `code` if there is none (with `id`), and publishes the document as its next version.

    The version is in force from `now` on; the document that is in force already is not published again.
    """
    canonical = reading.canonical(document)
    digest = reading.digest(canonical)
    async with operation(engine) as connection:
        program_id = await _program(connection, code=code, name=document.name, id=id, now=now)
        r = t.rules.c
        last = (
            await connection.execute(
                select(r.version, r.digest).where(r.program_id == program_id).order_by(r.version.desc()).limit(1)
            )
        ).first()
        if last is not None and last.digest == digest:
            return Published(program_id, last.version, digest, new=False)
        version = 1 if last is None else last.version + 1
        await connection.execute(
            insert(t.rules).values(
                program_id=program_id,
                version=version,
                document=canonical,
                digest=digest,
                in_force_from=now,
                published_at=now,
                published_by=actor,
            )
        )
        await audit.note(
            connection,
            program_id=program_id,
            id=audit_id,
            at=now,
            actor=actor,
            action="rules.published",
            subject=f"version {version}",
            details={"digest": digest.hex()},
        )
    return Published(program_id, version, digest, new=True)


async def _program(connection: AsyncConnection, *, code: str, name: str, id: bytes, now: datetime) -> bytes:
    """The program's id; its row is locked, so that two publishers take numbers one after the other."""
    p = t.program.c
    found = (
        await connection.execute(select(p.program_id).where(p.code == code).with_for_update())
    ).scalar_one_or_none()
    if found is not None:
        return bytes(found)
    await connection.execute(insert(t.program).values(program_id=id, code=code, name=name, created_at=now))
    return id


async def named(engine: AsyncEngine, code: str) -> bytes | None:
    """The id of the program with this code, or None."""
    async with operation(engine) as connection:
        query = select(t.program.c.program_id).where(func.lower(t.program.c.code) == code.lower())
        found = (await connection.execute(query)).scalar_one_or_none()
    return None if found is None else bytes(found)
