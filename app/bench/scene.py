"""What the cases act on: a program each for what must not meet, members with points, an endpoint that hears it all."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bench import documents, messages, processes
from app.bench.cases import BATCH, HOT_MEMBERS, LOTS, Case, Crowd, Scheme
from app.bench.messages import Said
from app.db import tables as t
from app.db import transactions
from app.domain import messages as message_types
from app.settings import Settings

DOCUMENTS: Mapping[Scheme, str] = {Scheme.RICH: documents.RICH}
"""The document of a program's scheme; of the others the simple one."""


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
    many_lots: int

    def said(self, case: Case, *, tag: str, at: str) -> Said:
        """What the requests of a case say. Each time others are hot, lest their lots pile up."""
        ids = self.ids[case.scheme]
        match case.crowd:
            case Crowd.ALL:
                first, cards = 0, len(ids)
            case Crowd.MANY_LOTS:
                first, cards = len(ids), self.many_lots
            case Crowd.HOT:
                first, cards = random.randrange(max(1, len(ids) - HOT_MEMBERS)), min(len(ids), HOT_MEMBERS)
        return Said(key=self.programs[case.scheme].key, tag=tag, at=at, first=first, cards=cards, ids=ids)


def environment(settings: Settings) -> dict[str, str]:
    """The settings of the service under test: these, and leave to send to the loopback receiver."""
    assert settings.database_url is not None
    assert settings.secret is not None
    janitor = settings.janitor_database_url
    return {
        **({"JANITOR_DATABASE_URL": janitor} if janitor is not None else {}),
        "DATABASE_URL": settings.database_url,
        "ZEGEL_SECRET": settings.secret,
        "ZEGEL_ENVIRONMENT": settings.environment,
        "ZEGEL_POOL_SIZE": str(settings.pool_size),
        "ZEGEL_WEBHOOK_ALLOW_HTTP": "true",
        "ZEGEL_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
    }


def enrol(port: int, program: Program, count: int, *, at: str) -> tuple[str, ...]:
    """Enrols members with the cards 0, 1, 2, … through the service on this port; their ids."""
    recorded = _record(port, program, [_enrolment(card, at=at) for card in range(count)])
    return tuple(event["member"] for event in recorded)


def fill(port: int, program: Program, *, first: int, count: int, at: str) -> None:
    """Enrols so many more members, from card `first` on, and lets each buy until they have many open lots."""
    cards = range(first, first + count)
    _record(port, program, [_enrolment(card, at=at) for card in cards])
    _record(port, program, [_purchase(card, lot, at=at) for lot in range(LOTS - 1) for card in cards])


def subscribe(port: int, program: Program, *, receiver: int) -> None:
    """Makes an endpoint that hears everything from now on."""
    endpoint = {"url": f"http://127.0.0.1:{receiver}/", "types": list(message_types.TYPES)}
    _post(port, "/v1/webhook-endpoints", endpoint, key=program.key, status=201, more="Idempotency-Key: bench\r\n")


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


def _purchase(card: int, lot: int, *, at: str) -> dict[str, Any]:
    return {
        "type": "purchase",
        "id": f"lot-{card}-{lot}",
        "member": f"card:{card:010d}",
        "occurred_at": at,
        "currency": "EUR",
        "total": "1.00",
    }


def _record(port: int, program: Program, events: Sequence[Any]) -> list[Any]:
    recorded: list[Any] = []
    for at in range(0, len(events), BATCH):
        answer = _post(port, "/v1/events/batch", {"events": events[at : at + BATCH]}, key=program.key, status=207)
        recorded += [result["event"] for result in answer["results"]]
    return recorded


def _post(port: int, path: str, body: Any, *, key: str, status: int, more: str = "") -> Any:
    request = messages.post(path, json.dumps(body).encode(), key=key, more=more)
    return json.loads(processes.body(processes.answer(port, request), status=status))
