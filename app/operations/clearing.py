"""Removing what is kept for a time only: refused events after 90 days, kept answers after 30 (semantics E3, api C4)."""

from datetime import datetime, timedelta

from app.db import clearing
from app.db.transactions import Engine, operation
from app.domain.parking import REFUSED_KEPT_FOR

ANSWERS_FOR = timedelta(days=30)
PAGE = 1_000


async def clear(engine: Engine, *, now: datetime) -> int:
    """Removes a page of each at most; the number of rows. Again removes the next page, until nothing is left."""
    async with operation(engine) as connection:
        refused = await clearing.page(connection, clearing.REFUSED, before=now - REFUSED_KEPT_FOR, limit=PAGE)
        return refused + await clearing.page(connection, clearing.ANSWERS, before=now - ANSWERS_FOR, limit=PAGE)
