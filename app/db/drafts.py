"""The row of a program's draft: one text, numbered anew with each change, so that nobody writes over another's."""

from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t


async def revision(connection: AsyncConnection, *, program_id: bytes) -> int:
    """The number of the draft's last change, locked until the transaction ends; 0 where there is none."""
    query = select(t.draft.c.revision).where(t.draft.c.program_id == program_id).with_for_update()
    return (await connection.execute(query)).scalar_one_or_none() or 0


async def add(connection: AsyncConnection, text: bytes, *, program_id: bytes, by: str, now: datetime) -> None:
    """The program's first draft. Raises Duplicate where there is one already."""
    await connection.execute(
        insert(t.draft).values(program_id=program_id, revision=1, text=text, changed_at=now, changed_by=by)
    )


async def change(
    connection: AsyncConnection, text: bytes, *, revision: int, program_id: bytes, by: str, now: datetime
) -> None:
    """Another text in place of the draft's, as this revision."""
    await connection.execute(
        update(t.draft)
        .where(t.draft.c.program_id == program_id)
        .values(revision=revision, text=text, changed_at=now, changed_by=by)
    )
