"""Rows of webhook endpoints, for setting up."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint about to be made; `source` is the shop whose key asked, `types` None means every type."""

    id: bytes
    source: str | None
    url: str
    description: str
    types: tuple[str, ...] | None
    secret: bytes


async def add(connection: AsyncConnection, new: NewEndpoint, *, program_id: bytes, now: datetime) -> None:
    """A new endpoint: what is committed from now on is sent to it."""
    await connection.execute(
        insert(t.endpoint).values(
            program_id=program_id,
            endpoint_id=new.id,
            source=new.source,
            url=new.url,
            description=new.description,
            types=None if new.types is None else list(new.types),
            secret=new.secret,
            state="enabled",
            created_at=now,
        )
    )


async def end(
    connection: AsyncConnection, endpoint_id: bytes, *, program_id: bytes, source: str | None, now: datetime
) -> bool:
    """Ends an endpoint; False where there is none that `source` may end (None: any of the program)."""
    e = t.endpoint.c
    mine = [e.program_id == program_id, e.endpoint_id == endpoint_id, e.state != "deleted"]
    if source is not None:
        mine.append(e.source == source)
    gone = await connection.execute(
        update(t.endpoint).where(*mine).values(state="deleted", deleted_at=now).returning(e.endpoint_id)
    )
    return gone.first() is not None
