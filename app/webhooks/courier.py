"""What delivers works with, and one attempt: sign, send, judge; no transaction is open meanwhile (webhooks W5-W7)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from app.db.claims import Claimed
from app.db.deliveries import Attempt
from app.db.transactions import Engine
from app.domain import typeid
from app.webhooks import outcomes, retries, sender, signing


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once and for how long; the lease must outlast the deadline by far. `grace` is for a shutdown."""

    in_flight: int = 512
    per_endpoint: int = 256
    lease: timedelta = timedelta(seconds=60)
    deadline_seconds: float = sender.DEADLINE_SECONDS
    connect_seconds: float = sender.CONNECT_SECONDS
    grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Courier:
    """What the loop works with.

    `random` draws from [0, 1); `new_id` makes ids sortable by time; `unseal` turns what is stored of a delivery's
    endpoint into the secrets that live at an instant, newest first; `on_attempt` hears of every attempt once it is
    recorded, `on_claim` of the seconds that each claim took. `give_way` returns when there is time for
    more of a backlog.
    """

    engine: Engine
    client: httpx.AsyncBaseTransport
    clock: Callable[[], datetime]
    random: Callable[[], float]
    new_id: Callable[[], bytes]
    unseal: Callable[[Claimed, datetime], Sequence[bytes]]
    version: str
    schedule: tuple[timedelta, ...] = retries.SCHEDULE
    limits: Limits = field(default=Limits())
    on_attempt: Callable[[Attempt], None] = lambda attempt: None
    on_claim: Callable[[float], None] = lambda seconds: None
    give_way: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)


async def make_attempt(courier: Courier, claimed: Claimed) -> Attempt | None:
    """Signs and sends a delivery, and judges what came of it; None where it may be another worker's by now."""
    started_at = courier.clock()
    if started_at >= claimed.leased_until:
        return None  # this process was frozen for so long that another may be sending it
    id = courier.new_id()
    headers = signing.headers(
        courier.unseal(claimed, started_at),
        id=typeid.encode(typeid.MESSAGE, claimed.message_id),
        timestamp=int(started_at.timestamp()),
        body=claimed.body,
        type=claimed.type,
        attempt=claimed.attempts + 1,
        version=courier.version,
    )
    answer = await sender.post(
        courier.client,
        claimed.url,
        headers={**headers, "traceparent": signing.trace(claimed.message_id, id)},
        body=claimed.body,
        deadline_seconds=courier.limits.deadline_seconds,
        connect_seconds=courier.limits.connect_seconds,
    )
    return outcomes.judge(
        claimed,
        answer,
        id=id,
        started_at=started_at,
        now=courier.clock(),
        schedule=courier.schedule,
        draw=courier.random(),
    )
