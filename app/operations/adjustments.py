"""Adjustments: asked for by one person and, where they are large, decided on by another (semantics E5).

No points move here: what is approved goes through the ledger, under a key by which it is recorded once.
"""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from app.db import adjustments as rows
from app.db.transactions import Engine, operation
from app.domain import adjusting, calendar
from app.domain.adjusting import Proposal, Standing
from app.domain.rules import AdjustmentTerms


class IdTaken(Exception):
    """Something else was asked for under this id (semantics E1)."""

    def __init__(self, asked: Proposal) -> None:
        super().__init__(asked.key)
        self.asked = asked


async def ask(
    engine: Engine, asked: Proposal, terms: AdjustmentTerms, *, program_id: bytes, zone: ZoneInfo, audit_id: bytes
) -> tuple[Proposal, bool]:
    """Keeps what a person asks for, once: approved, unless a second person must agree; and whether it is new.

    What is approved is to be recorded. Raises IdTaken, or Refused beyond what one person may ask for in a day.
    """
    async with operation(engine) as connection:
        await rows.one_at_a_time(connection, program_id=program_id)
        earlier = await rows.keyed(connection, asked.key, program_id=program_id)
        if earlier is not None:
            return same(asked, earlier), False
        today = calendar.local_day(asked.requested_at, zone)
        day = await rows.day(
            connection,
            program_id=program_id,
            person=asked.requested_by,
            unit=asked.facts.unit,
            starts_at=calendar.start_of_day(today, zone),
            ends_at=calendar.end_of_day(today, zone),
        )
        if not adjusting.waits(asked.facts, terms, day):
            asked = replace(asked, state=Standing.APPROVED, lapses_at=None, decided_at=asked.requested_at)
        await rows.add(connection, asked, program_id=program_id)
        await rows.note(
            connection, asked, "requested", program_id=program_id, id=audit_id, by=asked.requested_by,
            at=asked.requested_at,
        )  # fmt: skip
    return asked, True


def same(asked: Proposal, earlier: Proposal) -> Proposal:
    """The earlier one, if it is what is asked for again. Raises IdTaken."""
    if asked.digest != earlier.digest:
        raise IdTaken(earlier)
    return earlier


async def decide(
    engine: Engine, id: bytes, verdict: Standing, *, program_id: bytes, by: str, audit_id: bytes, now: datetime
) -> Proposal | None:
    """What a second person says of an adjustment; None where there is none. Again by the same person changes nothing.

    Raises Refused where that person may not decide, or no longer.
    """
    async with operation(engine) as connection:
        asked = await rows.locked(connection, id, program_id=program_id)
        if asked is None:
            return None
        adjusting.check_decision(asked, verdict, by=by, now=now)
        if asked.state is not Standing.WAITING:
            return asked
        decided = await rows.decide(connection, asked, verdict, program_id=program_id, by=by, now=now)
        await rows.note(connection, decided, verdict.value, program_id=program_id, id=audit_id, by=by, at=now)
    return decided


async def record(engine: Engine, asked: Proposal, *, program_id: bytes, event_id: bytes) -> Proposal:
    """Keeps which event came of an adjustment."""
    async with operation(engine) as connection:
        await rows.record(connection, asked.id, program_id=program_id, event_id=event_id)
    return replace(asked, event_id=event_id)
