"""Who brought whom, and how far that has come; without anything personal (semantics F4)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import hot, rows
from app.db import tables as t
from app.db.transactions import reading
from app.domain import referrals
from app.domain.state import MemberState, ReferralState

_m = t.member.c


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a referrer's own list begins: after the referral of this member, claimed at this instant."""

    claimed_at: datetime
    referee: bytes


async def page(
    engine: AsyncEngine, *, program_id: bytes, state: str | None, after: bytes | None, limit: int, now: datetime
) -> tuple[MemberState, ...]:
    """The referees of a program in the order in which they joined, of one state or of all."""
    query = _referees(program_id).order_by(_m.member_id).limit(limit)
    if after is not None:
        query = query.where(_m.member_id > after)
    if state is not None:
        query = query.where(_shown_as(state, now))
    return await _all(engine, query)


async def of_referrer(
    engine: AsyncEngine, referrer: bytes, *, program_id: bytes, after: Place | None, limit: int
) -> tuple[MemberState, ...]:
    """Those whom a member brought, in the order in which they named them."""
    order = (_m.referral_claimed_at, _m.member_id)
    query = _referees(program_id).where(_m.referrer_id == referrer).order_by(*order).limit(limit)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(literal(after.claimed_at, t.INSTANT), literal(after.referee, t.Id)))
    return await _all(engine, query)


async def of_referee(engine: AsyncEngine, referee: bytes, *, program_id: bytes) -> MemberState | None:
    """The referral by which a member came; None where nobody brought them."""
    found = await _all(engine, _referees(program_id).where(_m.member_id == referee))
    return found[0] if found else None


def _referees(program_id: bytes) -> Select[Any]:
    return select(*hot.STATE_COLUMNS).where(_m.program_id == program_id, _m.referrer_id.is_not(None))


def _shown_as(state: str, now: datetime) -> ColumnElement[bool]:
    """What readers are told of a referral: what is held and not over is in review; what is over has lapsed."""
    held = and_(_m.referral_review.is_not(None), _m.referral_review != referrals.APPROVED)
    over = and_(_m.referral == ReferralState.CLAIMED.value, _m.referral_lapses_at <= now)
    if state == referrals.REVIEW:
        open_ends = or_(_m.referral != ReferralState.CLAIMED.value, _m.referral_lapses_at > now)
        return and_(held, open_ends)
    if state == ReferralState.LAPSED.value:
        return or_(_m.referral == state, over)
    free = or_(_m.referral_review.is_(None), _m.referral_review == referrals.APPROVED)
    if state == ReferralState.CLAIMED.value:
        running = or_(_m.referral_lapses_at.is_(None), _m.referral_lapses_at > now)
        return and_(_m.referral == state, free, running)
    return and_(_m.referral == state, free)


async def _all(engine: AsyncEngine, query: Select[Any]) -> tuple[MemberState, ...]:
    async with reading(engine) as connection:
        return tuple(rows.member_state(row) for row in (await connection.execute(query)).mappings())
