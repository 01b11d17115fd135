"""Programs, the drafts of their rules, and the versions that come of them."""

from dataclasses import dataclass
from datetime import datetime

from app.db import audit, drafts, outbox
from app.db import programs as rows
from app.db.outbox import Notice
from app.db.transactions import Connection, Duplicate, Engine, operation
from app.domain import messages, typeid
from app.program import reading, succession
from app.program.document import Document


@dataclass(frozen=True, slots=True)
class Published:
    """A version of a program's rules; `new` is False where the document is the one in force then already."""

    program_id: bytes
    version: int
    digest: bytes
    new: bool
    in_force_from: datetime


@dataclass(frozen=True, slots=True)
class Publication:
    """Who publishes, and from when on it counts: None for at once. `id` names the row of the log and the message."""

    id: bytes
    actor: str
    now: datetime
    in_force_from: datetime | None = None


class NoProgram(Exception):
    """There is no program of this id."""


class DraftChanged(Exception):
    """Somebody has changed the draft since; `revision` is what it is now, 0 for none."""

    def __init__(self, revision: int) -> None:
        super().__init__(revision)
        self.revision = revision


class TooSoon(Exception):
    """A version cannot be published into the past, and the first one not for later; `earliest` is what can be."""

    def __init__(self, earliest: datetime) -> None:
        super().__init__(f"rules can be published from {earliest.isoformat()} on, and the first ones only at once")
        self.earliest = earliest


async def publish(
    engine: Engine,
    document: Document,
    *,
    text: bytes,
    code: str,
    id: bytes,
    audit_id: bytes,
    actor: str,
    now: datetime,
    in_force_from: datetime | None = None,
) -> Published:
    """Makes the program named by `code` if there is none (with `id`), and publishes the document as its next version.

    `text` is what the document was read from, and kept with the version as it was written. It is in force from
    `in_force_from` on, or at once; the document that is in force then already is not published again. Raises
    MistakesInDocument where the document does not fit what earlier versions counted, or TooSoon.
    """
    async with operation(engine) as connection:
        program_id = await rows.locked(connection, code)
        if program_id is None:
            program_id = id
            await rows.add(connection, id=id, code=code, name=document.name, now=now)
        wanted = Publication(audit_id, actor, now, in_force_from)
        return await _publish(connection, document, wanted, text=text, program_id=program_id)


async def publish_draft(
    engine: Engine, document: Document, wanted: Publication, *, text: bytes, program_id: bytes, revision: int
) -> Published:
    """Publishes the draft of this revision, which is this text. Raises DraftChanged, and what `publish` raises."""
    async with operation(engine) as connection:
        if await rows.lock(connection, program_id=program_id) is None:
            raise NoProgram
        found = await drafts.revision(connection, program_id=program_id)
        if found != revision:
            raise DraftChanged(found)
        return await _publish(connection, document, wanted, text=text, program_id=program_id)


async def save_draft(
    engine: Engine, text: bytes, *, program_id: bytes, replaces: int | None, audit_id: bytes, by: str, now: datetime
) -> int:
    """Keeps a text as the program's draft, as it is written, and gives its revision.

    `replaces` is the revision it was made from, 0 for none, None for whichever there is: raises DraftChanged where that
    is no longer the last, or there is none.
    """
    try:
        async with operation(engine) as connection:
            found = await drafts.revision(connection, program_id=program_id)
            if found != replaces and not (replaces is None and found):
                raise DraftChanged(found)
            if found == 0:
                await drafts.add(connection, text, program_id=program_id, by=by, now=now)
            else:
                await drafts.change(connection, text, revision=found + 1, program_id=program_id, by=by, now=now)
            await audit.note(
                connection,
                program_id=program_id,
                id=audit_id,
                at=now,
                actor=by,
                action="draft.saved",
                subject=f"revision {found + 1}",
                details={"bytes": len(text)},
            )
    except Duplicate:  # the first draft, by two at once
        raise DraftChanged(1) from None
    return found + 1


async def named(engine: Engine, code: str) -> bytes | None:
    """The id of the program with this code, or None."""
    async with operation(engine) as connection:
        return await rows.named(connection, code)


async def _publish(
    connection: Connection, document: Document, wanted: Publication, *, text: bytes, program_id: bytes
) -> Published:
    canonical = reading.canonical(document)
    digest = reading.digest(canonical)
    earlier = await rows.versions(connection, program_id=program_id)
    now = max([wanted.now, *(version.published_at for version in earlier)])  # in the order of their numbers
    at = now if wanted.in_force_from is None else wanted.in_force_from
    if at < now or (at > now and not earlier):
        raise TooSoon(now)
    then = max((v for v in earlier if v.in_force_from <= at), key=lambda v: (v.in_force_from, v.version), default=None)
    if then is not None and then.digest == digest:
        return Published(program_id, then.version, digest, new=False, in_force_from=then.in_force_from)
    succession.check(document, [(version.version, reading.read(version.document)) for version in earlier])
    new = rows.NewVersion(len(earlier) + 1, canonical, text, digest, at, wanted.actor)
    await rows.add_version(connection, new, program_id=program_id, now=now)
    await audit.note(
        connection,
        program_id=program_id,
        id=wanted.id,
        at=now,
        actor=wanted.actor,
        action="rules.published",
        subject=f"version {new.version}",
        details={"digest": digest.hex(), "in_force_from": messages.time_text(at)},
    )
    if earlier:  # nobody listens before the first version
        await _announce(connection, new, wanted, program_id=program_id, now=now)
    return Published(program_id, new.version, digest, new=True, in_force_from=at)


async def _announce(
    connection: Connection, new: rows.NewVersion, wanted: Publication, *, program_id: bytes, now: datetime
) -> None:
    said = {
        "program": typeid.encode(typeid.PROGRAM, program_id),
        "version": new.version,
        "digest": new.digest.hex(),
        "in_force_from": messages.time_text(new.in_force_from),
    }
    body = messages.notice(messages.RULES_PUBLISHED, now=now, data=said)
    await outbox.announce(connection, Notice(wanted.id, messages.RULES_PUBLISHED, body, now), program_id=program_id)
