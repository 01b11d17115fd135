"""Builders with good defaults, and the service as tests drive it."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cli.keys import make_key
from app.db import transactions
from app.domain.scopes import Scope
from app.main import Options, create_app, fresh_id
from app.operations import programs
from app.program import reading
from app.settings import Settings

SECRET = "a-secret-for-tests-only-0123456789abcdef"
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PROGRAM = "coffee"

PLAIN = """
zegel: 1
name: Coffee
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
"""
"""One point per euro, which never expires."""

LADDER = (
    PLAIN.replace("rules:", "  spent: {name: Money spent, decimals: 2, spendable: false}\nrules:")
    + """  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: "200.00", multiply: {points: "1.25"}}
      - {id: gold, name: Gold, from: "500.00", multiply: {points: "1.5"}}
"""
)
"""The same with a ladder on lifetime money spent."""

EXPIRING = PLAIN.replace("points: {name: Points}", "points: {name: Points, expires: {after: P12M}}")
"""One point per euro, for twelve months."""

BY_HAND = (
    LADDER
    + """adjustments:
  reasons: [goodwill, correction]
  approval_above: {points: 500}
  daily_limit: {points: 2000}
"""
)
"""The ladder's program, in which persons give and take points by hand."""

FRIENDS = (
    PLAIN
    + """  - {id: welcome, on: enrolment, unit: points, fixed: 50}
referrals:
  minimum: "10.00"
  lapse: P180D
  referrer: {unit: points, points: 100}
  referee: {unit: points, points: 25}
"""
)
"""A welcome grant, and a bonus for bringing a friend."""


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        """Lets time pass: `forward(days=1)`."""
        self.now += timedelta(**span)


@dataclass
class Service:
    """The app and a client with a shop's key."""

    client: httpx.AsyncClient
    settings: Settings
    clock: Clock
    app: Any
    keys: Any = field(default_factory=lambda: itertools.count(1))

    async def send(self, body: Any, *, path: str = "/v1/events", **options: Any) -> httpx.Response:
        """POST of a JSON body."""
        return await self.client.post(path, json=body, **options)

    async def enrol(self, card: str = "1001", **more: Any) -> dict[str, Any]:
        """A new member, known by a card."""
        answer = await self.send({"id": f"enrol-{card}", "identities": {"card": card}, **more}, path="/v1/members")
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    async def buy(
        self, total: str = "10.00", *, card: str = "1001", id: str | None = None, **more: Any
    ) -> httpx.Response:
        """A purchase by card, now."""
        return await self.send(purchase(total, card=card, id=id or f"p{next(self.keys)}", at=self.clock.now, **more))

    async def redeem(self, points: int, *, card: str = "1001", id: str | None = None, **more: Any) -> httpx.Response:
        """A redemption by card, now."""
        return await self.send(
            {
                "type": "redemption",
                "id": id or f"r{next(self.keys)}",
                "member": f"card:{card}",
                "occurred_at": at(self.clock.now),
                "points": points,
                **more,
            }
        )

    async def units(self, member: str) -> dict[str, Any]:
        """The member's balances by unit."""
        answer = await self.client.get(f"/v1/members/{member}/balance")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["units"])


def at(instant: datetime) -> str:
    """A time as a till writes it."""
    return instant.isoformat()


def purchase(
    total: str = "10.00", *, card: str = "1001", id: str = "p1", at: datetime = START, **more: Any
) -> dict[str, Any]:
    """The body of a purchase; the member is enrolled if new."""
    return {
        "type": "purchase",
        "id": id,
        "member": {"identity": f"card:{card}", "enrol": True},
        "occurred_at": at.isoformat(),
        "currency": "EUR",
        "total": total,
        **more,
    }


async def publish(
    settings: Settings, *, clock: Clock, document: str = PLAIN, program: str = PROGRAM
) -> programs.Published:
    """Publishes a document, in force from the clock's time on."""
    async with _setting_up(settings) as engine:
        return await programs.publish(
            engine,
            reading.read_new(document),
            text=document.encode(),
            code=program,
            id=fresh_id(),
            audit_id=fresh_id(),
            actor="test",
            now=clock(),
        )


async def key_for(
    settings: Settings,
    *,
    shop: str | None = "till",
    scopes: tuple[Scope, ...] = tuple(Scope),
    program: str = PROGRAM,
    owner: str | None = None,
) -> str:
    """A key's text."""
    async with _setting_up(settings) as engine:
        return await make_key(
            engine, settings, program=program, shop=shop, scopes=scopes, label="test", days=None, owner=owner
        )


@asynccontextmanager
async def _setting_up(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The engine of all tests of this process, which keeps how statements are written but no connection."""
    assert settings.database_url is not None
    engine = _engine(settings.database_url)
    try:
        yield engine
    finally:
        await engine.dispose()


@cache
def _engine(url: str) -> AsyncEngine:
    return transactions.create_engine(url, pool_size=1)


@asynccontextmanager
async def open_service(
    settings: Settings, *, clock: Clock, worker: bool = False, shop: str | None = "till", program: str = PROGRAM
) -> AsyncIterator[Service]:
    """The app over ASGI on this database; the program must have been published."""
    key = await key_for(settings, shop=shop, program=program)
    app = create_app(settings, Options(worker=worker, clock=clock))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://zegel.test", headers={"Authorization": f"Bearer {key}"}
        ) as client,
    ):
        yield Service(client, settings, clock, app)
