"""Webhook endpoints: where shops want to be told, in what order, and with which secrets it is signed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.db import audit, endpoints, idempotency, outbox, sealing
from app.db.endpoints import Found, Settings
from app.db.idempotency import Answer as KeptAnswer
from app.db.idempotency import Asked, KeyReused
from app.db.outbox import Notice
from app.db.sealing import NONCE_BYTES, SECRET_BYTES, Secret
from app.db.transactions import Connection, Engine, operation
from app.domain import messages, typeid

__all__ = ["NONCE_BYTES", "SECRET_BYTES", "KeptAnswer", "KeyReused", "Settings"]

SEALED_AT_ONCE = 100


class Unknown(Exception):
    """The caller has no such endpoint."""


class Changed(Exception):
    """The endpoint is no longer at the revision that the caller knows."""


class NotEnabled(Exception):
    """Nothing is sent to the endpoint: it is paused or disabled."""


class TooManySecrets(Exception):
    """As many secrets as can sign at once do so already."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `source` None may change any endpoint of the program."""

    program_id: bytes
    key_id: bytes
    source: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class Once:
    """Under which Idempotency-Key a caller asks for what, and the answer that is kept for it."""

    asked: Asked
    answer: KeptAnswer


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret about to be stored: sealed with the installation's key and a nonce of its own."""

    value: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    key: bytes = field(repr=False)

    def sealed(self, secrets: tuple[Secret, ...], program_id: bytes, endpoint_id: bytes) -> bytes:
        """The secrets that sign from now on, as they are stored."""
        of = {"program_id": program_id, "endpoint_id": endpoint_id}
        return sealing.seal(secrets, key=self.key, nonce=self.nonce, **of)


@dataclass(frozen=True, slots=True)
class Moment:
    """When it happens, and the id of its row in the log."""

    now: datetime
    audit_id: bytes


async def create(
    engine: Engine, endpoint_id: bytes, settings: Settings, secret: NewSecret, *, by: Caller, once: Once, at: Moment
) -> tuple[KeptAnswer, bool]:
    """Makes the endpoint once per Idempotency-Key; the answer kept, and whether it was made now.

    Raises KeyReused, or Duplicate where the same key is in flight elsewhere.
    """

    async def make(connection: Connection) -> None:
        await endpoints.add(
            connection,
            settings,
            program_id=by.program_id,
            endpoint_id=endpoint_id,
            source=by.source,
            secret=secret.sealed((Secret(secret.value),), by.program_id, endpoint_id),
            now=at.now,
        )
        await _note(connection, "endpoint.created", endpoint_id, by, at, {"types": settings.types})

    return await idempotency.once(engine, once.asked, once.answer, make, now=at.now)


async def change(
    engine: Engine,
    endpoint_id: bytes,
    change: Callable[[Settings], Settings],
    *,
    revision: int | None,
    by: Caller,
    at: Moment,
) -> None:
    """Changes what the caller says of an endpoint at this revision, or at any. Raises Unknown or Changed."""
    async with operation(engine) as connection:
        found = await _lock(connection, endpoint_id, by)
        if revision not in (None, found.revision):
            raise Changed
        settings = change(found.settings)
        await endpoints.set_up(connection, endpoint_id, settings, program_id=by.program_id)
        if settings.url != found.settings.url:
            await endpoints.change(connection, endpoint_id, program_id=by.program_id, values=endpoints.UNTRIED)
        await _note(connection, "endpoint.changed", endpoint_id, by, at, {"types": settings.types})


async def pause(engine: Engine, endpoint_id: bytes, *, by: Caller, at: Moment) -> None:
    """Sends nothing until it is enabled; what is recorded meanwhile waits. Raises Unknown or NotEnabled."""
    async with operation(engine) as connection:
        found = await _lock(connection, endpoint_id, by)
        if found.state == "disabled":
            raise NotEnabled
        if found.state == "enabled":
            values = {"state": "paused", "paused_at": at.now}
            await endpoints.change(connection, endpoint_id, program_id=by.program_id, values=values)
            await _note(connection, "endpoint.paused", endpoint_id, by, at, {})


async def enable(engine: Engine, endpoint_id: bytes, *, by: Caller, at: Moment) -> None:
    """Sends again, and soon all that was held, put off or given up for a while. Raises Unknown."""
    async with operation(engine) as connection:
        found = await _lock(connection, endpoint_id, by)
        values = {**endpoints.FRESH, "state": "enabled", "releasing": True}
        await endpoints.change(connection, endpoint_id, program_id=by.program_id, values=values)
        await _note(connection, "endpoint.enabled", endpoint_id, by, at, {"before": found.state})


async def delete(engine: Engine, endpoint_id: bytes, *, by: Caller, at: Moment) -> None:
    """Ends an endpoint; what is not delivered yet is given up. Raises Unknown."""
    async with operation(engine) as connection:
        await _lock(connection, endpoint_id, by)
        values = {"state": "deleted", "deleted_at": at.now, "secret": b""}
        await endpoints.change(connection, endpoint_id, program_id=by.program_id, values=values)
        await _note(connection, "endpoint.deleted", endpoint_id, by, at, {})


async def rotate(
    engine: Engine, endpoint_id: bytes, new: NewSecret, *, overlap: timedelta, by: Caller, once: Once, at: Moment
) -> tuple[KeptAnswer, bool]:
    """Signs with a new secret, and with those before it for the overlap at most; once per Idempotency-Key.

    Raises Unknown, TooManySecrets, KeyReused, Duplicate, or sealing's Unreadable.
    """

    async def make(connection: Connection) -> None:
        found = await _lock(connection, endpoint_id, by)
        of = {"program_id": by.program_id, "endpoint_id": endpoint_id}
        known = sealing.unseal(found.secret, key=new.key, **of)
        secrets = sealing.rotated(known, new.value, overlap=overlap, now=at.now)
        if len(secrets) > sealing.MOST_LIVE:
            raise TooManySecrets
        until = max((one.until for one in secrets if one.until is not None), default=None)
        values = {"secret": new.sealed(secrets, **of), "old_secrets_until": until}
        await endpoints.change(connection, endpoint_id, program_id=by.program_id, values=values)
        await _note(connection, "endpoint.secret_rotated", endpoint_id, by, at, {"hours": overlap // _HOUR})

    return await idempotency.once(engine, once.asked, once.answer, make, now=at.now)


async def test(
    engine: Engine, endpoint_id: bytes, message_id: bytes, *, by: Caller, once: Once, at: Moment
) -> tuple[KeptAnswer, bool]:
    """Queues a test message, once per Idempotency-Key. Raises Unknown, NotEnabled, KeyReused or Duplicate."""
    data = {"endpoint": typeid.encode(typeid.ENDPOINT, endpoint_id)}
    body = messages.notice(messages.TEST, now=at.now, data=data)

    async def make(connection: Connection) -> None:
        found = await _lock(connection, endpoint_id, by)
        if found.state != "enabled":
            raise NotEnabled
        notice = Notice(message_id, messages.TEST, body, at.now, audience=outbox.audience(found.source))
        await outbox.tell_one(connection, endpoint_id, notice, program_id=by.program_id)

    return await idempotency.once(engine, once.asked, once.answer, make, now=at.now)


async def seal_bare(engine: Engine, *, key: bytes, random: Callable[[int], bytes]) -> int:
    """Encrypts some secrets that were stored before there was encryption; how many. Again does the next."""
    async with operation(engine) as connection:
        found = await endpoints.bare_secrets(connection, length=SECRET_BYTES, limit=SEALED_AT_ONCE)
        for program_id, endpoint_id, bare in found:
            of = {"program_id": program_id, "endpoint_id": endpoint_id}
            sealed = sealing.seal((Secret(bare),), key=key, nonce=random(NONCE_BYTES), **of)
            await endpoints.replace_secret(connection, endpoint_id, sealed, program_id=program_id)
        return len(found)


_HOUR = timedelta(hours=1)


async def _lock(connection: Connection, endpoint_id: bytes, by: Caller) -> Found:
    found = await endpoints.lock(connection, endpoint_id, program_id=by.program_id, source=by.source)
    if found is None:
        raise Unknown
    return found


async def _note(
    connection: Connection, action: str, endpoint_id: bytes, by: Caller, at: Moment, details: Mapping[str, Any]
) -> None:
    await audit.note(
        connection,
        program_id=by.program_id,
        id=at.audit_id,
        at=at.now,
        actor=by.actor,
        action=action,
        subject=typeid.encode(typeid.ENDPOINT, endpoint_id),
        details=details,
    )
