"""What waits for the event it names, and what was turned away, newest first (semantics E3, E4)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import rows
from app.db import tables as t
from app.db.transactions import reading
from app.domain import encoding
from app.domain.commands import Command, Enrolment, Identity, Mode, Opening, Reference, ReferralClaim, ReferralReview
from app.domain.parking import REFUSED_KEPT_FOR, Parked

_p, _r, _e = t.parked.c, t.refused.c, t.event.c


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """An event that was refused the last time it was sent; `recorded` is its id if it was taken since."""

    refused_id: bytes
    source: str
    kind: str
    key: str
    member_id: bytes | None
    occurred_at: datetime
    refused_at: datetime
    code: str
    details: Any
    recorded: bytes | None


_OF_PERSONS = (Enrolment.kind, ReferralClaim.kind, ReferralReview.kind)
"""What lacks something that was sent with it, or was a person's own decision."""


async def parked(
    engine: AsyncEngine,
    *,
    program_id: bytes,
    member_id: bytes | None,
    before: bytes | None,
    limit: int,
    now: datetime,
) -> tuple[Parked, ...]:
    """What waits, newest first, with ids below `before`; of one member, if one is named."""
    query = select(*_p).where(_p.program_id == program_id, _p.lapses_at > now).order_by(_p.event_id.desc()).limit(limit)
    if member_id is not None:
        query = query.where(_p.member_id == member_id)
    if before is not None:
        query = query.where(_p.event_id < before)
    async with reading(engine) as connection:
        return tuple(rows.parked(row) for row in (await connection.execute(query)).mappings())


async def refused(
    engine: AsyncEngine,
    *,
    program_id: bytes,
    member_id: bytes | None,
    before: bytes | None,
    limit: int,
    now: datetime,
) -> tuple[TurnedAway, ...]:
    """What was turned away, newest first, with ids below `before`; of one member, if one is named."""
    same = and_(_e.program_id == _r.program_id, _e.source == _r.source, _e.kind == _r.kind, _e.key == _r.key)
    query = (
        select(
            _r.refused_id,
            _r.source,
            _r.kind,
            _r.key,
            _r.member_id,
            _r.occurred_at,
            _r.refused_at,
            _r.code,
            _r.details,
            _e.event_id.label("recorded"),
        )
        .select_from(t.refused.outerjoin(t.event, same))
        .where(_r.program_id == program_id, _r.refused_at > now - REFUSED_KEPT_FOR)
        .order_by(_r.refused_id.desc())
        .limit(limit)
    )
    if member_id is not None:
        query = query.where(_r.member_id == member_id)
    if before is not None:
        query = query.where(_r.refused_id < before)
    async with reading(engine) as connection:
        return tuple(TurnedAway(**row) for row in (await connection.execute(query)).mappings())


async def command(engine: AsyncEngine, refused_id: bytes, *, program_id: bytes, id: bytes) -> Command | None:
    """The command that was turned away, under a new id, to be judged again; None where there is none.

    Whom the event would have enrolled, it enrols (M1). Raises ValueError where what was sent cannot be judged again
    without its sender: an enrolment's identities and the code of a friend are kept nowhere.
    """
    query = select(*_r).where(_r.program_id == program_id, _r.refused_id == refused_id)
    async with reading(engine) as connection:
        row = (await connection.execute(query)).mappings().first()
    if row is None:
        return None
    if row["kind"] in _OF_PERSONS or (row["member_id"] is None and row["identity"] is None):
        raise ValueError("who it is about is kept nowhere")
    if row["kind"] == Opening.kind and row["particulars"]:
        raise ValueError("the referral code of the other system is found by no digest that is kept")
    return Command(
        id=id,
        source=row["source"],
        key=row["key"],
        member=_who(row),
        occurred_at=row["occurred_at"],
        facts=encoding.decode_facts(row["kind"], row["facts"]),
        particulars=row["particulars"],
        mode=Mode(row["mode"]),
        not_after=row["not_after"],
        in_time=True,
        time_said=row["time_said"] is not False,  # None: written before that was kept
    )


def _who(row: Any) -> Reference:
    """The member as the command named them: by an identity they may have got since, or to be enrolled by it."""
    if row["member_id"] is not None:
        return Reference(member_id=row["member_id"])
    kind, value = row["enrols_kind"] or "", row["enrols_value"] or ""
    return Reference(identity=Identity(kind, value, row["identity"]), enrol=row["enrols_kind"] is not None)
