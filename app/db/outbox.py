"""Messages that belong to no member: what became of an endpoint, told to the others (webhooks W6)."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import BigInteger, LargeBinary, Text, Uuid, bindparam, cast, null, or_, select
from sqlalchemy.dialects.postgresql import Insert, insert

from app.db import pending
from app.db import tables as t
from app.db.hot import Statement
from app.db.rows import uuid


@dataclass(frozen=True, slots=True)
class Notice:
    """A message with the bytes to be signed; it has no number, for numbers are a member's."""

    id: bytes
    type: str
    body: bytes
    at: datetime


async def tell_others(
    connection: asyncpg.Connection, notice: Notice, *, program_id: bytes, about: bytes, source: str | None
) -> None:
    """Queues a notice about an endpoint for the others of its shop and the program's own, as they take its type.

    Another shop hears nothing: it does not see the endpoint either.
    """
    await _add(connection, notice, program_id=program_id)
    await _OTHERS.fetch(connection, **_asked(notice, program_id, about), source=source)


async def _add(connection: asyncpg.Connection, notice: Notice, *, program_id: bytes) -> None:
    await _MESSAGE.fetch(
        connection,
        program_id=uuid(program_id),
        message_id=uuid(notice.id),
        type=notice.type,
        body=notice.body,
        created_at=notice.at,
    )


def _asked(notice: Notice, program_id: bytes, endpoint_id: bytes) -> dict[str, object]:
    return {
        "program_id": uuid(program_id),
        "message_id": uuid(notice.id),
        "type": notice.type,
        "created_at": notice.at,
        "endpoint_id": uuid(endpoint_id),
    }


_PROGRAM = bindparam("program_id", type_=Uuid())
_MESSAGE_ID = bindparam("message_id", type_=Uuid())
_ENDPOINT_ID = bindparam("endpoint_id", type_=Uuid())
_TYPE = bindparam("type", type_=Text())
_CREATED_AT = bindparam("created_at", type_=t.INSTANT)
_e = t.endpoint.c


def _message() -> Insert:
    names = ["program_id", "message_id", "type", "body", "created_at"]
    body = bindparam("body", type_=LargeBinary())
    return insert(t.message).from_select(names, select(_PROGRAM, _MESSAGE_ID, _TYPE, body, _CREATED_AT))


def _others() -> Insert:
    source = bindparam("source", type_=Text())
    mine = or_(_e.source.is_(None), _e.source == source)
    return pending.queued(
        _MESSAGE_ID,
        _e.endpoint_id != _ENDPOINT_ID,
        mine,
        program_id=_PROGRAM,
        type=_TYPE,
        created_at=_CREATED_AT,
        member_id=cast(null(), Uuid()),
        number=cast(null(), BigInteger()),
    )


_MESSAGE, _OTHERS = map(Statement, (_message(), _others()))
