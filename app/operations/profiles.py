"""What lies with a member apart from the ledger, changed by hand (semantics M5)."""

from datetime import datetime

from app.db import audit
from app.db import profiles as rows
from app.db.transactions import Engine, operation
from app.domain import profiles, typeid
from app.domain.profiles import Change


class Stale(Exception):
    """The profile is no longer the one that the caller had read."""


async def change(
    engine: Engine,
    member_id: bytes,
    asked: Change,
    *,
    program_id: bytes,
    known: frozenset[str] | None,
    audit_id: bytes,
    actor: str,
    now: datetime,
) -> bool:
    """Changes the member's birthday, attributes and tags; False where there is no such member.

    `known` are versions of which one must be the profile's; None asks for nothing. Raises Stale, or TooMany.
    """
    async with operation(engine) as connection:
        if not await rows.lock(connection, member_id, program_id=program_id):
            return False
        before = await rows.read(connection, member_id, program_id=program_id)
        if known is not None and profiles.version(before) not in known:
            raise Stale
        after = profiles.changed(before, asked, now=now)
        await rows.replace(connection, member_id, before, after, program_id=program_id)
        await audit.note(
            connection,
            program_id=program_id,
            id=audit_id,
            at=now,
            actor=actor,
            action="member.changed",
            subject=typeid.encode(typeid.MEMBER, member_id),
            details={
                "attributes": sorted(asked.attributes),
                "birthday": asked.birthday is not None,
                "tags": sorted({*asked.tags, *asked.removed}),
            },
        )
    return True
