"""Messages that no event of a member brings: about the program, and about its endpoints (webhooks W6).

Each is written in the transaction of what it tells, with a pending delivery for every endpoint that it goes to.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import BigInteger, ColumnElement, Text, Uuid, bindparam, cast, func, null, or_
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import pending
from app.db import tables as t
from app.db.rows import uuid
from app.db.statements import Statement
from app.domain.commands import CLOCK


@dataclass(frozen=True, slots=True)
class Notice:
    """A message with the bytes to be signed; it has no number, for numbers are a member's."""

    id: bytes
    type: str
    body: bytes
    at: datetime
    audience: str | None = None
    """The shop whom it is for, beside the program's own: everybody, where this says nothing (W10)."""


def audience(source: str | None) -> str:
    """Who may see what is said about an endpoint: its shop, and of the program's own endpoints no shop."""
    return CLOCK if source is None else source


async def announce(connection: AsyncConnection, notice: Notice, *, program_id: bytes) -> None:
    """A message to every endpoint that takes its type, and to the feed (W1)."""
    of = _of(notice, program_id)
    await connection.execute(_MESSAGE, {**of, **_content(notice)})
    await connection.execute(_ALL, of)
    await connection.execute(_FEED, {**of, "messages": [notice.id]})


async def tell_one(connection: AsyncConnection, endpoint_id: bytes, notice: Notice, *, program_id: bytes) -> None:
    """Queues a notice for this endpoint alone, whatever types it takes, in no order, and not for the feed."""
    await connection.execute(_MESSAGE, {**_of(notice, program_id), **_content(notice)})
    queued = {"program_id": program_id, "message_id": notice.id, "endpoint_id": endpoint_id, "due_at": notice.at}
    await connection.execute(insert(t.pending_delivery).values(**queued, attempts=0))


async def tell_others(
    connection: asyncpg.Connection, notice: Notice, *, program_id: bytes, about: bytes, source: str | None
) -> None:
    """Queues a notice about an endpoint for the others of its shop and the program's own, as they take its type.

    It goes to the feed of these too. Another shop hears nothing: it does not see the endpoint either.
    """
    ids = {"program_id": uuid(program_id), "message_id": uuid(notice.id)}
    of = _of(notice, program_id) | ids
    await _MESSAGE_COMPILED.fetch(connection, **of, **_content(notice))
    await _OTHERS_COMPILED.fetch(connection, **of, endpoint_id=uuid(about), source=source)
    await _FEED_COMPILED.fetch(connection, **of, messages=[uuid(notice.id)])


def _of(notice: Notice, program_id: bytes) -> dict[str, Any]:
    return {"program_id": program_id, "message_id": notice.id, "type": notice.type, "created_at": notice.at}


def _content(notice: Notice) -> dict[str, Any]:
    return {"body": notice.body, "audience": notice.audience}


_m = t.message.c
_e = t.endpoint.c
_OF = {c.name: bindparam(c.name, type_=c.type) for c in (_m.program_id, _m.message_id, _m.type, _m.created_at)}


def _queued(*only: ColumnElement[bool]) -> Insert:
    return pending.queued(
        _OF["message_id"],
        *only,
        program_id=_OF["program_id"],
        type=_OF["type"],
        created_at=_OF["created_at"],
        member_id=cast(null(), Uuid()),
        number=cast(null(), BigInteger()),
    )


def _others() -> Insert:
    other = _e.endpoint_id != bindparam("endpoint_id", type_=_e.endpoint_id.type)
    return _queued(other, or_(_e.source.is_(None), _e.source == bindparam("source", type_=Text())))


def _sequenced() -> Insert:
    return insert(t.unsequenced).values(
        program_id=_OF["program_id"],
        written_at=func.clock_timestamp(),
        first_id=_OF["message_id"],
        messages=bindparam("messages", type_=t.unsequenced.c.messages.type),
    )


_CONTENT = {c.name: bindparam(c.name, type_=c.type) for c in (_m.body, _m.audience)}
_MESSAGE = insert(t.message).values(**_OF, **_CONTENT)
_ALL, _FEED = _queued(), _sequenced()
_MESSAGE_COMPILED, _OTHERS_COMPILED, _FEED_COMPILED = Statement(_MESSAGE), Statement(_others()), Statement(_FEED)
