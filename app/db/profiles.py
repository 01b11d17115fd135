"""What lies with a member apart from the ledger: read and replaced under the member's lock."""

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import hot, rows
from app.db import tables as t
from app.domain.profiles import Profile


async def lock(connection: AsyncConnection, member_id: bytes, *, program_id: bytes) -> bool:
    """Locks the member as a batch does, so that none judges meanwhile; False where there is no such member."""
    m = t.member.c
    query = select(m.member_id).where(m.program_id == program_id, m.member_id == member_id).with_for_update()
    return (await connection.execute(query)).first() is not None


async def read(connection: AsyncConnection, member_id: bytes, *, program_id: bytes) -> Profile:
    """The member's profile and tags; an empty one where nothing was said."""
    p, g = t.profile.c, t.member_tag.c
    said = (
        await connection.execute(
            select(p.birthday, p.attributes, p.birthday_changed_at).where(
                p.program_id == program_id, p.member_id == member_id
            )
        )
    ).first()
    tags = await connection.execute(
        select(*hot.TAG_COLUMNS).where(g.program_id == program_id, g.member_id == member_id).order_by(g.tag, g.sequence)
    )
    return Profile(
        None if said is None else said.birthday,
        {} if said is None else said.attributes or {},
        tuple(rows.held_tag(row) for row in tags.mappings()),
        None if said is None else said.birthday_changed_at,
    )


async def replace(
    connection: AsyncConnection, member_id: bytes, before: Profile, after: Profile, *, program_id: bytes
) -> None:
    """Writes what changed from one profile to the other."""
    if after._replace(tags=()) != before._replace(tags=()):
        said = {
            "birthday": after.birthday,
            "birthday_changed_at": after.birthday_changed_at,
            "attributes": dict(after.attributes),
        }
        statement = insert(t.profile).values(program_id=program_id, member_id=member_id, **said)
        replaced = statement.on_conflict_do_update(
            index_elements=list(t.profile.primary_key.columns),
            set_={name: statement.excluded[name] for name in said},
        )
        await connection.execute(replaced)
    g = t.member_tag.c
    for tag in before.tags:
        if tag not in after.tags:
            mine = (g.program_id == program_id) & (g.member_id == member_id)
            await connection.execute(delete(t.member_tag).where(mine, g.tag == tag.tag, g.sequence == tag.sequence))
    new = [tag._asdict() for tag in after.tags if tag not in before.tags]
    if new:
        ids = {"program_id": program_id, "member_id": member_id}
        await connection.execute(insert(t.member_tag), [{**ids, **tag} for tag in new])
