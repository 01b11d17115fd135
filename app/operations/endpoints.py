"""Webhook endpoints: where shops want to be told."""

from dataclasses import dataclass
from datetime import datetime

from app.db import audit, idempotency
from app.db import endpoints as rows
from app.db.endpoints import NewEndpoint
from app.db.idempotency import Answer as KeptAnswer
from app.db.transactions import Duplicate, Engine, operation
from app.domain import typeid

__all__ = ["Caller", "KeptAnswer", "KeyReused", "NewEndpoint", "create", "delete"]


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
    engine: Engine, new: NewEndpoint, caller: Caller, *, answer: KeptAnswer, audit_id: bytes, now: datetime
) -> tuple[KeptAnswer, bool]:
    """Makes the endpoint once per Idempotency-Key; the answer kept, and whether it was made now.

    Raises KeyReused, or Duplicate where the same key is in flight elsewhere.
    """
    kept = await _kept(engine, caller)
    if kept is not None:
        return kept, False
    try:
        async with operation(engine) as connection:
            await idempotency.keep(
                connection,
                answer,
                program_id=caller.program_id,
                key_id=caller.key_id,
                key=caller.idempotency_key,
                now=now,
            )
            await rows.add(connection, new, program_id=caller.program_id, now=now)
            await audit.note(
                connection,
                program_id=caller.program_id,
                id=audit_id,
                at=now,
                actor=caller.actor,
                action="endpoint.created",
                subject=typeid.encode(typeid.ENDPOINT, new.id),
                details={"types": new.types},
            )
    except Duplicate:
        kept = await _kept(engine, caller)
        if kept is None:
            raise
        return kept, False
    return answer, True


async def delete(
    engine: Engine,
    endpoint_id: bytes,
    *,
    program_id: bytes,
    source: str | None,
    audit_id: bytes,
    actor: str,
    now: datetime,
) -> bool:
    """Ends an endpoint; False where the caller has no such endpoint. `source` None may delete any of the program."""
    async with operation(engine) as connection:
        if not await rows.end(connection, endpoint_id, program_id=program_id, source=source, now=now):
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


async def _kept(engine: Engine, caller: Caller) -> KeptAnswer | None:
    async with operation(engine) as connection:
        kept = await idempotency.earlier(
            connection, program_id=caller.program_id, key_id=caller.key_id, key=caller.idempotency_key
        )
    if kept is not None and kept.digest != caller.digest:
        raise KeyReused
    return kept
