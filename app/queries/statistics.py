"""How an endpoint fares: its attempts of a while by outcome, how long they took, and what waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import tables as t
from app.db.transactions import reading

EXAMINED = 200_000
"""Attempts that are looked at: an endpoint that gets more is judged by these."""
PENDING = 100_000
"""Pending deliveries that are counted."""
_PERCENTILES = (0.5, 0.95, 0.99)

_a, _p, _m = t.attempt.c, t.pending_delivery.c, t.message.c


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of attempts by outcome and status, milliseconds that half, 95 and 99 % stay within, and what waits."""

    outcomes: Mapping[str, int]
    statuses: Mapping[int, int]
    milliseconds: tuple[int, int, int] | None
    complete: bool
    pending: int
    pending_complete: bool
    oldest_pending_at: datetime | None


async def of_endpoint(engine: AsyncEngine, endpoint_id: bytes, *, program_id: bytes, since: datetime) -> Statistics:
    """How the endpoint has fared since an instant."""
    mine = (_a.program_id == program_id, _a.endpoint_id == endpoint_id, _a.started_at >= since)
    looked_at = select(_a.outcome, _a.status, _a.duration_ms).where(*mine).limit(EXAMINED).cte("looked_at")
    by_outcome = select(looked_at.c.outcome, looked_at.c.status, func.count().label("count")).group_by(
        looked_at.c.outcome, looked_at.c.status
    )
    took = [func.percentile_disc(part).within_group(looked_at.c.duration_ms) for part in _PERCENTILES]
    waits = select(_p.message_id).where(_p.program_id == program_id, _p.endpoint_id == endpoint_id)
    oldest = (
        select(_m.created_at)
        .where(_m.program_id == program_id)
        .where(_m.message_id == waits.order_by(_p.message_id).limit(1).scalar_subquery())
    )
    async with reading(engine) as connection:
        counts = (await connection.execute(by_outcome)).all()
        half, most, nearly_all = (await connection.execute(select(*took).select_from(looked_at))).one()
        counted = select(func.count()).select_from(waits.limit(PENDING).subquery())
        pending = int((await connection.execute(counted)).scalar_one())
        oldest_at = (await connection.execute(oldest)).scalar()
    outcomes: dict[str, int] = {}
    statuses: dict[int, int] = {}
    for outcome, status, count in counts:
        outcomes[outcome] = outcomes.get(outcome, 0) + count
        if status is not None:
            statuses[status] = statuses.get(status, 0) + count
    seen = sum(outcomes.values())
    return Statistics(
        dict(sorted(outcomes.items())),
        dict(sorted(statuses.items())),
        (half, most, nearly_all) if seen else None,
        seen < EXAMINED,
        pending,
        pending < PENDING,
        oldest_at,
    )
