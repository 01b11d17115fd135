"""Rows as the ledger and the operations leave them, made by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils
from sqlalchemy import Table, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import operation

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def new_id() -> bytes:
    return uuid_utils.uuid7().bytes


async def create_tables(engine: AsyncEngine) -> None:
    async with operation(engine) as connection:
        await connection.run_sync(t.metadata.create_all)
        (index,) = t.pending_delivery.indexes
        if "endpoint_id" not in index.columns:
            await connection.execute(text(f"DROP INDEX {index.name}"))
            await connection.execute(
                text(
                    f"CREATE INDEX {index.name} ON pending_delivery (program_id, endpoint_id, due_at) WHERE attempts >= 0"
                )
            )


async def make_program(engine: AsyncEngine) -> bytes:
    id = new_id()
    row = {"program_id": id, "code": f"p{id.hex()[-12:]}", "name": "Koffiehuis", "created_at": NOW}
    async with operation(engine) as connection:
        await connection.execute(insert(t.program).values(row))
    return id


async def make_endpoint(
    engine: AsyncEngine, program_id: bytes, url: str, *, secret: bytes = SECRET, state: str = "enabled"
) -> bytes:
    id = new_id()
    row = {
        "program_id": program_id,
        "endpoint_id": id,
        "url": url,
        "description": "",
        "secret": secret,
        "state": state,
        "created_at": NOW,
    }
    async with operation(engine) as connection:
        await connection.execute(insert(t.endpoint).values(row))
    return id


async def change_endpoint(engine: AsyncEngine, endpoint_id: bytes, **values: Any) -> None:
    async with operation(engine) as connection:
        await connection.execute(update(t.endpoint).where(t.endpoint.c.endpoint_id == endpoint_id).values(values))


async def make_messages(
    engine: AsyncEngine,
    program_id: bytes,
    endpoints: Sequence[bytes],
    *,
    count: int = 1,
    body: bytes = b'{"type":"points.earned"}',
    due_at: datetime = NOW,
) -> list[bytes]:
    """Messages with a pending delivery each to every one of the endpoints; their ids."""
    ids = [new_id() for _ in range(count)]
    member = new_id()
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
        for number, id in enumerate(ids, 1)
    ]
    pending = [
        {
            "program_id": program_id,
            "endpoint_id": endpoint_id,
            "message_id": id,
            "due_at": due_at,
            "ordering_key": member,
            "attempts": 0,
        }
        for id in ids
        for endpoint_id in endpoints
    ]
    async with operation(engine) as connection:
        for table, rows in ((t.message, messages), (t.pending_delivery, pending)):
            for page in _pages(rows):
                await connection.execute(insert(table), page)
    return ids


async def all_rows(engine: AsyncEngine, table: Table, *order_by: str) -> list[Any]:
    async with operation(engine) as connection:
        query = select(table).order_by(*[table.c[name] for name in order_by])
        return list((await connection.execute(query)).all())


async def count(engine: AsyncEngine, table: Table) -> int:
    async with operation(engine) as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table.name}"))).scalar_one())


def uuids(ids: Iterable[bytes]) -> list[UUID]:
    return [UUID(bytes=id) for id in ids]


def _pages(rows: list[dict[str, Any]], size: int = 5_000) -> Iterable[list[dict[str, Any]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
