"""Files to import, and what the service is made to do meanwhile."""

import csv
import random
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import httpx

from app.cli.importing import running
from app.cli.importing.running import Done, Options
from app.cli.importing.sending import Patience
from tests.builders import Service


@dataclass(frozen=True, slots=True)
class Order:
    """One order as a webshop lists it."""

    id: str
    customer: str
    day: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Expected:
    """What orders come to, worked out without the service's code."""

    amount: Decimal
    points: int
    members: int
    tiers: dict[str, int]


def orders(count: int, *, members: int, seed: int) -> list[Order]:
    """Orders over eighteen months by customer and date; some are worth nothing, some customers buy twice a day."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        customer = f"{draw.randrange(members) ** 2 // members:05d}"  # few customers buy much
        day = date(1997, 1, 1) + timedelta(days=draw.randrange(545))
        cents = 0 if draw.random() < 0.02 else draw.randrange(399, 9_999)
        made.append((customer, day, Decimal(cents) / 100))
    return [Order(f"order-{i:05d}", *order) for i, order in enumerate(sorted(made), start=1)]


def model(sold: Iterable[Order], *, ladder: Sequence[tuple[str, Decimal, Decimal]] = ()) -> Expected:
    """A point per whole unit of money times the factor of the tier held before the order; tiers by money spent."""
    spent: dict[str, Decimal] = {}
    tier: dict[str, int] = {}
    points = 0
    for order in sold:
        factor = ladder[tier.get(order.customer, 0)][2] if ladder else Decimal(1)
        points += int((order.amount * factor).to_integral_value(ROUND_FLOOR))
        spent[order.customer] = spent.get(order.customer, Decimal()) + order.amount
        reached = [i for i, (_, threshold, _) in enumerate(ladder) if spent[order.customer] >= threshold]
        tier[order.customer] = max([tier.get(order.customer, 0), *reached])
    names = [ladder[place][0] for place in tier.values()] if ladder else []
    return Expected(sum(spent.values(), Decimal()), points, len(spent), {name: names.count(name) for name in names})


def write(path: Path, sold: Iterable[Order]) -> Path:
    """The orders as a CSV file."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["order_id", "customer_id", "date", "units", "amount"])
        rows.writerows([o.id, o.customer, o.day.isoformat(), 1, f"{o.amount:.2f}"] for o in sold)
    return path


async def load(service: Service, file: Path, *, client: httpx.AsyncClient | None = None, **options: Any) -> Done:
    """Imports without waiting for what stays away."""
    return await running.run(client or service.client, Options(file, **options), patience=impatient())


def impatient() -> Patience:
    """Ten tries or so, without a pause."""
    passed = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    return Patience(sleep=sleep, monotonic=lambda: passed)


@dataclass
class Trouble(httpx.AsyncBaseTransport):
    """The app behind a bad line: what happens to each batch, in order, is said beforehand; then all is well.

    `down`: it never arrives. `lost`: it is recorded, and the answer is lost. `busy`: 503. `failed`: its last item
    is answered as failed, though the others are recorded.
    """

    app: Any
    batches: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    forever: bool = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        behind = httpx.ASGITransport(app=self.app)
        if request.url.path != "/v1/events/batch":
            return await behind.handle_async_request(request)
        what = self.batches.pop(0) if self.batches else "well"
        if self.forever and not self.batches:
            self.batches.append(what)
        if what == "down":
            raise httpx.ConnectError("nobody listens")
        if what == "busy":
            return httpx.Response(503, headers={"Retry-After": "2"})
        if what == "failed":
            return await self._with_a_failed_item(request)
        response = await behind.handle_async_request(request)
        self.sent.append(len(_json(request.content)["events"]))
        if what == "lost":
            await response.aread()
            raise httpx.ReadError("the line went dead")
        return response

    async def _with_a_failed_item(self, request: httpx.Request) -> httpx.Response:
        events = _json(request.content)["events"]
        whole = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://zegel.test")
        headers = {"Authorization": request.headers["Authorization"]}
        async with whole:
            answer = await whole.post("/v1/events/batch", json={"events": events[:-1]}, headers=headers)
        results = answer.json()["results"] if len(events) > 1 else []
        return httpx.Response(207, json={"results": [*results, {"outcome": "failed", "problem": {}}]})


def through(trouble: Trouble, service: Service) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A client with the shop's key on a bad line."""
    headers = {"Authorization": service.client.headers["Authorization"]}
    return httpx.AsyncClient(transport=trouble, base_url="http://zegel.test", headers=headers)


def _json(content: bytes) -> Any:
    return httpx.Response(200, content=content).json()
