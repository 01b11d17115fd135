"""Messages, as the ledger committed them."""

from sqlalchemy import select

from app.db import tables as t
from app.db.transactions import Engine, reading


async def ids_after(engine: Engine, *, program_id: bytes, after: bytes) -> frozenset[bytes]:
    """The ids of the program's messages after an id, which is to say after a time: they are UUIDv7."""
    m = t.message.c
    query = select(m.message_id).where(m.program_id == program_id, m.message_id > after)
    async with reading(engine) as connection:
        return frozenset(bytes(id) for id in (await connection.execute(query)).scalars())
