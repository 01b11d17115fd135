"""Rows as the ledger and the operations leave them, made by hand."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils
from sqlalchemy import insert, update

from app.db import tables as t
from app.db.transactions import Engine, operation
from tests.builders import START
from tests.webhooks import receiver

SECRET = receiver.SECRET
BODY = b'{"type":"points.earned"}'


def new_id() -> bytes:
    return uuid_utils.uuid7().bytes


async def make_program(engine: Engine) -> bytes:
    id = new_id()
    row = {"program_id": id, "code": f"p{id.hex()[-12:]}", "name": "Koffiehuis", "created_at": START}
    async with operation(engine) as connection:
        await connection.execute(insert(t.program).values(row))
    return id


async def make_endpoint(
    engine: Engine,
    program_id: bytes,
    url: str,
    *,
    secret: bytes = SECRET,
    state: str = "enabled",
    **settings: Any,
) -> bytes:
    id = new_id()
    row = {
        "program_id": program_id,
        "endpoint_id": id,
        "url": url,
        "description": "",
        "secret": secret,
        "state": state,
        "created_at": START,
        **settings,
    }
    async with operation(engine) as connection:
        await connection.execute(insert(t.endpoint).values(row))
    return id


async def change_endpoint(engine: Engine, endpoint_id: bytes, **values: Any) -> None:
    async with operation(engine) as connection:
        await connection.execute(update(t.endpoint).where(t.endpoint.c.endpoint_id == endpoint_id).values(values))


async def make_messages(
    engine: Engine,
    program_id: bytes,
    endpoints: Sequence[bytes],
    *,
    count: int = 1,
    body: bytes = BODY,
    due_at: datetime = START,
    member: bytes | None = None,
    first: int = 1,
    ordering: str = "none",
) -> list[bytes]:
    """Messages with a pending delivery each to every one of the endpoints, in this order; their ids."""
    ids = [new_id() for _ in range(count)]
    member = member or new_id()
    messages = [
        {
            "program_id": program_id,
            "message_id": id,
            "member_id": member,
            "sequence": number,
            "number": number,
            "type": "points.earned",
            "body": body,
            "created_at": due_at,
        }
        for number, id in enumerate(ids, first)
    ]
    pending = [
        {
            "program_id": program_id,
            "endpoint_id": endpoint_id,
            "message_id": id,
            "due_at": due_at,
            "ordering_key": {"none": None, "member": member, "strict": endpoint_id}[ordering],
            "attempts": 0,
            "queued_at": due_at if ordering == "strict" else None,
            "number": number if ordering != "none" else None,
        }
        for number, id in enumerate(ids, first)
        for endpoint_id in endpoints
    ]
    async with operation(engine) as connection:
        for table, made in ((t.message, messages), (t.pending_delivery, pending)):
            for page in _pages(made):
                await connection.execute(insert(table), page)
    return ids


def uuids(ids: Iterable[bytes]) -> list[UUID]:
    return [UUID(bytes=id) for id in ids]


def _pages(made: list[dict[str, Any]], size: int = 5_000) -> Iterable[list[dict[str, Any]]]:
    return (made[start : start + size] for start in range(0, len(made), size))
