"""Messages, as the ledger committed them."""

from dataclasses import dataclass

from sqlalchemy import select

from app.db import tables as t
from app.db.transactions import Engine, reading
from app.queries.feeds import visible_to


@dataclass(frozen=True, slots=True)
class Found:
    """A message's type, and the exact bytes that are signed."""

    type: str
    body: bytes


async def find(engine: Engine, message_id: bytes, *, program_id: bytes, source: str | None) -> Found | None:
    """The message, if there is one that the caller may see."""
    m = t.message.c
    query = select(m.type, m.body).where(m.program_id == program_id, m.message_id == message_id, visible_to(source))
    async with reading(engine) as connection:
        row = (await connection.execute(query)).first()
    return None if row is None else Found(row.type, row.body)


async def ids_after(engine: Engine, *, program_id: bytes, after: bytes) -> frozenset[bytes]:
    """The ids of the program's messages after an id, which is to say after a time: they are UUIDv7."""
    m = t.message.c
    query = select(m.message_id).where(m.program_id == program_id, m.message_id > after)
    async with reading(engine) as connection:
        return frozenset(bytes(id) for id in (await connection.execute(query)).scalars())
