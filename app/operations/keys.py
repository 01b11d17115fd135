"""API keys: made, listed and revoked. What is stored cannot be turned back into a key."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import audit
from app.db import tables as t
from app.db.transactions import operation
from app.domain import keys, typeid
from app.domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key about to be made; `source` names the shop it belongs to, None makes it the program's own."""

    program_id: bytes
    source: str | None
    label: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known of a key: everything but the key."""

    id: bytes
    source: str | None
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


async def create(
    engine: AsyncEngine, new: NewKey, *, ids: tuple[bytes, bytes, bytes], digest: bytes, actor: str, now: datetime
) -> None:
    """Stores a key's digest, and makes its shop where there is none of that name. `ids`: key, shop, audit row."""
    key_id, shop_id, audit_id = ids
    async with operation(engine) as connection:
        if new.source is not None:
            await _shop(connection, new.program_id, source=new.source, id=shop_id, now=now)
        await connection.execute(
            insert(t.api_key).values(
                key_id=key_id,
                program_id=new.program_id,
                source=new.source,
                label=new.label,
                secret_digest=digest,
                scopes=[scope.value for scope in new.scopes],
                created_at=now,
                expires_at=new.expires_at,
            )
        )
        await audit.note(
            connection,
            program_id=new.program_id,
            id=audit_id,
            at=now,
            actor=actor,
            action="key.created",
            subject=typeid.encode(typeid.KEY, key_id),
            details={"source": new.source, "scopes": [scope.value for scope in new.scopes]},
        )


async def listed(engine: AsyncEngine, *, program_id: bytes) -> tuple[KeyRow, ...]:
    """The program's keys, newest first."""
    k = t.api_key.c
    query = (
        select(k.key_id, k.source, k.label, k.scopes, k.created_at, k.expires_at, k.revoked_at)
        .where(k.program_id == program_id)
        .order_by(k.created_at.desc())
        .limit(1000)
    )
    async with operation(engine) as connection:
        found = (await connection.execute(query)).all()
    return tuple(_row(row) for row in found)


async def revoke(engine: AsyncEngine, *, key_id: bytes, audit_id: bytes, actor: str, now: datetime) -> bool:
    """Ends a key within seconds; False where there is no such key in force."""
    k = t.api_key.c
    async with operation(engine) as connection:
        ended = await connection.execute(
            update(t.api_key)
            .where(k.key_id == key_id, k.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(k.program_id)
        )
        program_id = ended.scalar_one_or_none()
        if program_id is None:
            return False
        await audit.note(
            connection,
            program_id=program_id,
            id=audit_id,
            at=now,
            actor=actor,
            action="key.revoked",
            subject=typeid.encode(typeid.KEY, key_id),
            details={},
        )
    return True


def text(*, environment: str, id: bytes, secret: bytes, key: bytes) -> tuple[str, bytes]:
    """A key's text, to be shown once, and the digest that is stored."""
    shown = keys.key_text(environment=environment, id=id, secret=secret)
    parsed = keys.parse_key(shown)
    assert parsed is not None
    return shown, keys.key_digest(parsed[1], key=key)


async def _shop(connection: AsyncConnection, program_id: bytes, *, source: str, id: bytes, now: datetime) -> None:
    s = t.shop.c
    known = await connection.execute(select(s.shop_id).where(s.program_id == program_id, s.source == source))
    if known.first() is None:
        await connection.execute(
            insert(t.shop).values(program_id=program_id, shop_id=id, source=source, name=source, created_at=now)
        )


def _row(row: Any) -> KeyRow:
    scopes: Iterable[str] = row.scopes
    return KeyRow(row.key_id, row.source, row.label, tuple(scopes), row.created_at, row.expires_at, row.revoked_at)
