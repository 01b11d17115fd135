"""Which key is this? Read at most once a second per key, so that a revoked one ends within that time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading
from app.domain import keys


@dataclass(frozen=True, slots=True)
class Credential:
    """What a key stands for. `source` is its shop, None means the program's own key; `owner` is whose it is."""

    key_id: bytes
    program_id: bytes | None
    source: str | None
    secret_digest: bytes
    scopes: frozenset[str]
    expires_at: datetime | None
    owner: str


async def find(engine: AsyncEngine, key_ids: Sequence[bytes]) -> dict[bytes, Credential]:
    """The keys with these ids that are not revoked; expiry is for the caller to judge."""
    k = t.api_key.c
    columns = (k.key_id, k.program_id, k.source, k.secret_digest, k.scopes, k.expires_at, k.owner, k.label)
    query = select(*columns).where(k.key_id.in_(key_ids), k.revoked_at.is_(None))
    async with reading(engine) as connection:
        return {row.key_id: _credential(row) for row in await connection.execute(query)}


def _credential(row: Any) -> Credential:
    return Credential(
        row.key_id,
        row.program_id,
        row.source,
        row.secret_digest,
        frozenset(row.scopes),
        row.expires_at,
        keys.owner(row.owner, label=row.label, id=row.key_id),
    )
