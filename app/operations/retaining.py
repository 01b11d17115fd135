"""Removing what is told and tried long ago: messages after 90 days, attempts after 30, or as the settings say."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db import deliveries, retention
from app.db.transactions import Engine

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """For how long."""

    messages: timedelta = timedelta(days=90)
    attempts: timedelta = timedelta(days=30)


async def page(engine: Engine, janitor: Engine, kept: Kept, *, program_id: bytes, now: datetime) -> int:
    """Removes a page of each of a program; how much. What could not be delivered until then is given up.

    A message that is being sent at this moment stays until the next time.
    """
    before = now - kept.messages
    attempts = await retention.remove_attempts(janitor, program_id=program_id, before=now - kept.attempts, limit=PAGE)
    old = await retention.old_messages(engine, program_id=program_id, before=before, limit=PAGE)
    if old:
        await deliveries.abandon_of(engine, old, program_id=program_id, now=now)
        sending = await retention.still_pending(engine, old, program_id=program_id)
        await retention.keep_from(janitor, before, program_id=program_id)
        old = tuple(id for id in old if id not in sending)
    messages = await retention.remove_messages(janitor, old, program_id=program_id) if old else 0
    ended = await retention.remove_deliveries(janitor, program_id=program_id, before=before, limit=PAGE)
    return attempts + messages + ended
