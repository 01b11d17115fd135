"""Keeping the feed: committed messages get their positions, and those that have had their time go."""

from datetime import datetime, timedelta

from app.db import feeds
from app.db.transactions import Engine, operation, reading

KEPT_FOR = timedelta(days=90)
ROWS_AT_ONCE = 40
"""Rows of messages that are sequenced in one transaction; a row names those of at most 125 commands."""
PAGES_IN_A_ROW = 50
TRIMMED_AT_ONCE = 1_000


async def sequence(engine: Engine, *, now: datetime) -> int:
    """Gives what was committed its positions, program by program, in pages; how many messages."""
    async with reading(engine) as connection:
        programs = await feeds.waiting(connection)
    return sum([await sequence_program(engine, program_id=program_id, now=now) for program_id in programs])


async def sequence_program(engine: Engine, *, program_id: bytes, now: datetime) -> int:
    """The same for one program. Several processes may do so at once: one goes after another."""
    sequenced = 0
    for _ in range(PAGES_IN_A_ROW):
        async with operation(engine) as connection:
            head = await feeds.lock(connection, program_id=program_id, now=now)
            page = await feeds.append(connection, head, program_id=program_id, now=now, limit=ROWS_AT_ONCE)
        sequenced += page
        if page == 0:
            break
    return sequenced


async def trim(engine: Engine, *, program_id: bytes, now: datetime, kept_for: timedelta = KEPT_FOR) -> int:
    """Removes a page of the oldest positions; how many. Again removes the next page, until none is too old."""
    async with operation(engine) as connection:
        head = await feeds.lock(connection, program_id=program_id, now=now)
        before = now - kept_for
        return await feeds.trim(connection, head, program_id=program_id, before=before, limit=TRIMMED_AT_ONCE)
