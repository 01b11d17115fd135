"""Webhook endpoints: where shops want to be told."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import audit, idempotency
from app.db import tables as t
from app.db.idempotency import Answer as KeptAnswer
from app.db.transactions import Duplicate, operation
from app.domain import typeid

__all__ = ["Caller", "KeptAnswer", "KeyReused", "NewEndpoint", "create", "delete"]


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint about to be made; `source` is the shop whose key asked, `types` None means every type."""

    id: bytes
    source: str | None
    url: str
    description: str
    types: tuple[str, ...] | None
    secret: bytes


class KeyReused(Exception):
    """The Idempotency-Key was sent before with another body."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and under which Idempotency-Key with which body's digest."""

    program_id: bytes
    key_id: bytes
    actor: str
    idempotency_key: str
    digest: bytes


async def create(
    engine: AsyncEngine,
    new: NewEndpoint,
    caller: Caller,
    *,
    answer: KeptAnswer,
    audit_id: bytes,
    now: datetime,
) -> tuple[KeptAnswer, bool]:
    """Makes the endpoint once per Idempotency-Key; the answer kept, and whether it was made now.

    Raises KeyReused, or Duplicate where the same key is in flight elsewhere.
    """
    program_id = caller.program_id
    try:
        async with operation(engine) as connection:
            kept = await idempotency.earlier(
                connection, program_id=program_id, key_id=caller.key_id, key=caller.idempotency_key
            )
            if kept is not None:
                return _same(kept, caller), False
            await idempotency.keep(
                connection, answer, program_id=program_id, key_id=caller.key_id, key=caller.idempotency_key, now=now
            )
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
            await audit.note(
                connection,
                program_id=program_id,
                id=audit_id,
                at=now,
                actor=caller.actor,
                action="endpoint.created",
                subject=typeid.encode(typeid.ENDPOINT, new.id),
                details={"types": new.types},
            )
    except Duplicate:
        async with operation(engine) as connection:
            kept = await idempotency.earlier(
                connection, program_id=program_id, key_id=caller.key_id, key=caller.idempotency_key
            )
        if kept is None:
            raise
        return _same(kept, caller), False
    return answer, True


async def delete(
    engine: AsyncEngine,
    endpoint_id: bytes,
    *,
    program_id: bytes,
    source: str | None,
    audit_id: bytes,
    actor: str,
    now: datetime,
) -> bool:
    """Ends an endpoint; False where the caller has no such endpoint. `source` None may delete any of the program."""
    e = t.endpoint.c
    mine = [e.program_id == program_id, e.endpoint_id == endpoint_id, e.state != "deleted"]
    if source is not None:
        mine.append(e.source == source)
    async with operation(engine) as connection:
        gone = await connection.execute(
            update(t.endpoint).where(*mine).values(state="deleted", deleted_at=now).returning(e.endpoint_id)
        )
        if gone.first() is None:
            return False
        await audit.note(
            connection,
            program_id=program_id,
            id=audit_id,
            at=now,
            actor=actor,
            action="endpoint.deleted",
            subject=typeid.encode(typeid.ENDPOINT, endpoint_id),
            details={},
        )
    return True


def _same(kept: KeptAnswer, caller: Caller) -> KeptAnswer:
    if kept.digest != caller.digest:
        raise KeyReused
    return kept
