"""Programs and the versions of their rules."""

from dataclasses import dataclass
from datetime import datetime

from app.db import audit
from app.db import programs as rows
from app.db.transactions import Engine, operation
from app.program import reading, succession
from app.program.document import Document


@dataclass(frozen=True, slots=True)
class Published:
    """A version of a program's rules; `new` is False where the document is the one in force already."""

    program_id: bytes
    version: int
    digest: bytes
    new: bool


async def publish(
    engine: Engine, document: Document, *, code: str, id: bytes, audit_id: bytes, actor: str, now: datetime
) -> Published:
    """Makes the program named by `code` if there is none (with `id`), and publishes the document as its next version.

    The version is in force from `now` on; the document that is in force already is not published again. Raises
    MistakesInDocument where the document does not fit what earlier versions counted.
    """
    canonical = reading.canonical(document)
    digest = reading.digest(canonical)
    async with operation(engine) as connection:
        program_id = await rows.locked(connection, code)
        if program_id is None:
            program_id = id
            await rows.add(connection, id=id, code=code, name=document.name, now=now)
        last = await rows.last_version(connection, program_id=program_id)
        if last is not None and last[1] == digest:
            return Published(program_id, last[0], digest, new=False)
        earlier = await rows.documents(connection, program_id=program_id)
        succession.check(document, [(version, reading.read(text)) for version, text in earlier])
        new = rows.NewVersion(1 if last is None else last[0] + 1, canonical, digest, now, actor)
        await rows.add_version(connection, new, program_id=program_id, now=now)
        await audit.note(
            connection,
            program_id=program_id,
            id=audit_id,
            at=now,
            actor=actor,
            action="rules.published",
            subject=f"version {new.version}",
            details={"digest": digest.hex()},
        )
    return Published(program_id, new.version, digest, new=True)


async def named(engine: Engine, code: str) -> bytes | None:
    """The id of the program with this code, or None."""
    async with operation(engine) as connection:
        return await rows.named(connection, code)
