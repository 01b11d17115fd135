"""API keys: made, listed and revoked. What is stored cannot be turned back into a key."""

from dataclasses import dataclass
from datetime import datetime

from app.db import api_keys as rows
from app.db import audit
from app.db.api_keys import KeyRow
from app.db.transactions import Engine, operation
from app.domain import keys, typeid
from app.domain.scopes import Scope

__all__ = ["KeyRow", "NewKey", "create", "listed", "revoke", "text"]


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key about to be made; `source` names the shop it belongs to, None makes it the program's own.

    Without an `owner` it is its label's.
    """

    program_id: bytes
    source: str | None
    label: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None
    owner: str | None = None


async def create(
    engine: Engine, new: NewKey, *, ids: tuple[bytes, bytes, bytes], digest: bytes, actor: str, now: datetime
) -> None:
    """Stores a key's digest, and makes its shop where there is none of that name. `ids`: key, shop, audit row."""
    key_id, shop_id, audit_id = ids
    scopes = tuple(scope.value for scope in new.scopes)
    async with operation(engine) as connection:
        if new.source is not None:
            await rows.have_shop(connection, program_id=new.program_id, source=new.source, id=shop_id, now=now)
        owner = keys.owner(new.owner, label=new.label, id=key_id)
        key = KeyRow(key_id, new.source, new.label, scopes, now, new.expires_at, None, owner)
        await rows.add(connection, key, program_id=new.program_id, digest=digest)
        await audit.note(
            connection,
            program_id=new.program_id,
            id=audit_id,
            at=now,
            actor=actor,
            action="key.created",
            subject=typeid.encode(typeid.KEY, key_id),
            details={"source": new.source, "scopes": list(scopes), "owner": owner},
        )


async def listed(engine: Engine, *, program_id: bytes) -> tuple[KeyRow, ...]:
    """The program's keys, newest first."""
    async with operation(engine) as connection:
        return await rows.listed(connection, program_id=program_id)


async def revoke(engine: Engine, *, key_id: bytes, audit_id: bytes, actor: str, now: datetime) -> bool:
    """Ends a key within seconds; False where there is no such key in force."""
    async with operation(engine) as connection:
        program_id = await rows.revoke(connection, key_id, now=now)
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
