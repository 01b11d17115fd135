"""Referrals that a person has looked at: who, in the log of what was set up (semantics F4).

No points move here: the verdict goes through the ledger, which records it once.
"""

from datetime import datetime

from app.db import audit
from app.db.transactions import Engine, operation
from app.domain import typeid
from app.domain.commands import Verdict


async def note(
    engine: Engine, referee: bytes, verdict: Verdict, *, program_id: bytes, event_id: bytes, by: str, at: datetime
) -> None:
    """Writes down once what a person said of a referral; the event of it gives the row its id."""
    async with operation(engine) as connection:
        if await audit.has(connection, event_id, program_id=program_id):
            return
        await audit.note(
            connection,
            program_id=program_id,
            id=event_id,
            at=at,
            actor=by,
            action=f"referral.{verdict.value}",
            subject=typeid.encode(typeid.REFERRAL, referee),
            details={"event": typeid.encode(typeid.EVENT, event_id)},
        )
