"""What the cases act on: a program each for what must not meet, members with points, an endpoint that hears it all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bench import messages, processes
from app.bench.cases import BATCH, Scheme
from app.bench.messages import Said
from app.db import tables as t
from app.db import transactions
from app.domain import messages as message_types
from app.settings import Settings

DOCUMENT = """
zegel: 1
name: Measured
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points, expires: {after: P12M}}
  spent: {name: Money spent, decimals: 2, spendable: false}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
  - {id: welcome, on: enrolment, unit: points, fixed: 100000}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: "200.00", multiply: {points: "1.25"}}
      - {id: gold, name: Gold, from: "500.00", multiply: {points: "1.5"}}
"""
"""Points that expire, money spent, a ladder with multipliers; a welcome large enough for every redemption."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program made for this run, and a shop's key to it."""

    id: bytes
    key: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a run has set up."""

    settings: Settings
    programs: Mapping[Scheme, Program]
    ids: Mapping[Scheme, tuple[str, ...]]

    def said(self, scheme: Scheme, *, tag: str, at: str) -> Said:
        """What requests about this program say."""
        ids = self.ids[scheme]
        return Said(key=self.programs[scheme].key, tag=tag, at=at, cards=len(ids), ids=ids)


def environment(settings: Settings) -> dict[str, str]:
    """The settings of the service under test: these, and leave to send to the loopback receiver."""
    assert settings.database_url is not None
    assert settings.secret is not None
    return {
        "DATABASE_URL": settings.database_url,
        "ZEGEL_SECRET": settings.secret,
        "ZEGEL_ENVIRONMENT": settings.environment,
        "ZEGEL_POOL_SIZE": str(settings.pool_size),
        "ZEGEL_WEBHOOK_ALLOW_HTTP": "true",
        "ZEGEL_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
    }


def populate(port: int, program: Program, *, members: int, receiver: int, at: str) -> tuple[str, ...]:
    """Enrols members through the service on this port, and then makes the endpoint; the members' ids."""
    ids: list[str] = []
    for first in range(0, members, BATCH):
        cards = range(first, min(first + BATCH, members))
        body = {"events": [_enrolment(card, at=at) for card in cards]}
        results = _post(port, "/v1/events/batch", body, key=program.key, status=207)["results"]
        ids += [result["event"]["member"] for result in results]
    endpoint = {"url": f"http://127.0.0.1:{receiver}/", "types": list(message_types.TYPES)}
    _post(port, "/v1/webhook-endpoints", endpoint, key=program.key, status=201, more="Idempotency-Key: bench\r\n")
    return tuple(ids)


async def forget_deliveries(engine: AsyncEngine, programs: Sequence[bytes]) -> None:
    """Drops what these programs have not delivered."""
    p = t.pending_delivery.c
    async with transactions.operation(engine) as connection:
        await connection.execute(delete(t.pending_delivery).where(p.program_id.in_(programs)))


async def waiting_deliveries(engine: AsyncEngine, program_id: bytes) -> int:
    """How many deliveries of a program have not been made yet."""
    p = t.pending_delivery.c
    query = select(func.count()).select_from(t.pending_delivery).where(p.program_id == program_id)
    async with transactions.reading(engine) as connection:
        return int((await connection.execute(query)).scalar_one())


def time_text(now: datetime) -> str:
    """A time as a till writes it, to the second."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _enrolment(card: int, *, at: str) -> dict[str, Any]:
    return {"type": "enrolment", "id": f"enrol-{card}", "occurred_at": at, "identities": {"card": f"{card:010d}"}}


def _post(port: int, path: str, body: Any, *, key: str, status: int, more: str = "") -> Any:
    request = messages.post(path, json.dumps(body).encode(), key=key, more=more)
    return json.loads(processes.body(processes.answer(port, request), status=status))
