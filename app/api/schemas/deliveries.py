"""Deliveries and attempts, as they are read."""

from datetime import datetime
from typing import Any

from pydantic import Field

from app.api.schemas.common import Out, Page, maybe_time, time
from app.domain import typeid
from app.queries.deliveries import AttemptRow, DeliveryRow
from app.queries.statistics import Statistics


class DeliveryOut(Out):
    """What becomes of a message at an endpoint."""

    message: str = Field(description="The message's id: `webhook-id` where it is sent.")
    type: str | None = Field(description="The message's type; null where the message is kept no longer.")
    created_at: str | None = Field(description="When the ledger committed it.")
    state: str = Field(
        description="`pending`: to be sent; `delivered`; `exhausted`: it failed at every attempt; "
        "`aborted`: the endpoint asked that it not be sent again; `abandoned`: it was not sent any more."
    )
    attempts: int = Field(description="How many were made since it was last made pending.")
    due_at: str | None = Field(description="Of a pending one: when it is sent next, at the earliest.")
    finished_at: str | None = Field(description="Of the others: when it ended.")


class DeliveryPage(Page):
    """Deliveries, newest message first."""

    deliveries: list[DeliveryOut]


class AttemptOut(Out):
    """One time it was sent."""

    id: str
    number: int
    started_at: str
    duration_ms: int
    status: int | None = Field(description="The HTTP status of the answer, if there was one.")
    outcome: str = Field(description="What it came to.")
    error: str | None = Field(description="Why there was no complete answer.")
    answer: str = Field(description="The first 4 KiB of the answer, read as UTF-8.")


class DeliveryWithAttemptsOut(DeliveryOut):
    """A delivery with its newest attempts, up to 100, newest first."""

    tries: list[AttemptOut]


class ResentOut(Out):
    """A message that is to be sent again."""

    message: str
    state: str
    due_at: str


class LatencyOut(Out):
    """Milliseconds from the look-up of the name to the last byte, that so many in a hundred attempts stayed within."""

    p50: int
    p95: int
    p99: int


class StatisticsOut(Out):
    """How an endpoint has fared."""

    over: str = Field(description="`hour` or `day`: the last one.")
    since: str
    outcomes: dict[str, int] = Field(description="Attempts by what they came to.")
    statuses: dict[str, int] = Field(description="Attempts by the HTTP status of the answer.")
    milliseconds: LatencyOut | None = Field(description="How long attempts took; null where there was none.")
    complete: bool = Field(description="False where there were more attempts than were looked at.")
    pending: int = Field(description="Deliveries that wait now.")
    pending_complete: bool = Field(description="False where more wait than were counted.")
    oldest_pending_at: str | None = Field(description="When the oldest message that waits was committed.")


def statistics(found: Statistics, *, over: str, since: datetime) -> dict[str, Any]:
    """The statistics as an answer shows them."""
    took = found.milliseconds
    return {
        "over": over,
        "since": time(since),
        "outcomes": dict(found.outcomes),
        "statuses": {str(status): count for status, count in found.statuses.items()},
        "milliseconds": None if took is None else dict(zip(("p50", "p95", "p99"), took, strict=True)),
        "complete": found.complete,
        "pending": found.pending,
        "pending_complete": found.pending_complete,
        "oldest_pending_at": maybe_time(found.oldest_pending_at),
    }


def delivery(row: DeliveryRow) -> dict[str, Any]:
    """The delivery as an answer shows it."""
    return {
        "message": typeid.encode(typeid.MESSAGE, row.message_id),
        "type": row.type,
        "created_at": maybe_time(row.created_at),
        "state": row.state,
        "attempts": row.attempts,
        "due_at": maybe_time(row.due_at),
        "finished_at": maybe_time(row.finished_at),
    }


def attempt(row: AttemptRow) -> dict[str, Any]:
    """The attempt as an answer shows it."""
    return {
        "id": typeid.encode(typeid.ATTEMPT, row.id),
        "number": row.number,
        "started_at": time(row.started_at),
        "duration_ms": row.duration_ms,
        "status": row.status,
        "outcome": row.outcome,
        "error": row.error,
        "answer": row.answer.decode("utf-8", "replace"),
    }
