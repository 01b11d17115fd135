"""Rows of API keys and of the shops they belong to, for setting up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables as t
from app.domain import keys

LISTED = 1000
"""Keys of a program that are listed, newest first."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known of a key: everything but the key. Keys of one `owner` are the same person's."""

    id: bytes
    source: str | None
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    owner: str


async def add(connection: AsyncConnection, key: KeyRow, *, program_id: bytes, digest: bytes) -> None:
    """A new key; of its text only the digest is kept."""
    await connection.execute(
        insert(t.api_key).values(
            key_id=key.id,
            program_id=program_id,
            source=key.source,
            label=key.label,
            secret_digest=digest,
            scopes=list(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            owner=key.owner,
        )
    )


async def listed(connection: AsyncConnection, *, program_id: bytes) -> tuple[KeyRow, ...]:
    """The program's keys, newest first."""
    k = t.api_key.c
    query = (
        select(k.key_id, k.source, k.label, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.owner)
        .where(k.program_id == program_id)
        .order_by(k.created_at.desc(), k.key_id.desc())
        .limit(LISTED)
    )
    return tuple(_key(row) for row in await connection.execute(query))


async def revoke(connection: AsyncConnection, key_id: bytes, *, now: datetime) -> bytes | None:
    """Ends a key; the program it belonged to, or None where there is no such key in force."""
    k = t.api_key.c
    ended = await connection.execute(
        update(t.api_key)
        .where(k.key_id == key_id, k.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(k.program_id)
    )
    found: bytes | None = ended.scalar_one_or_none()
    return found


async def have_shop(connection: AsyncConnection, *, program_id: bytes, source: str, id: bytes, now: datetime) -> None:
    """Makes the shop of this name where there is none. Raises Duplicate where somebody else just did."""
    s = t.shop.c
    known = await connection.execute(select(s.shop_id).where(s.program_id == program_id, s.source == source))
    if known.first() is None:
        values = {"program_id": program_id, "shop_id": id, "source": source, "name": source, "created_at": now}
        await connection.execute(insert(t.shop).values(values))


def _key(row: Any) -> KeyRow:
    return KeyRow(
        row.key_id,
        row.source,
        row.label,
        tuple(row.scopes),
        row.created_at,
        row.expires_at,
        row.revoked_at,
        keys.owner(row.owner, label=row.label, id=row.key_id),
    )
