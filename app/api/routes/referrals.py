"""Referrals: who brought whom, and those that a person has to look at (semantics F)."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.api import ids, paging
from app.api.dependencies import Caller, Parts, PartsHere, Reader, allowed
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import Problem
from app.api.routes.events import problem_of
from app.api.routing import PrivateRoute, problems
from app.api.schemas import referrals as bodies
from app.domain import chain, referrals, typeid
from app.domain.commands import OPERATIONS, Command, Reference, ReferralReview, Verdict
from app.domain.refusals import EventIdReused
from app.domain.scopes import Scope
from app.domain.state import MemberState
from app.ledger.outcomes import Created, Refused, Replayed
from app.operations import referrals as operations
from app.queries import members
from app.queries import referrals as queries

router = APIRouter(tags=["referrals"], route_class=PrivateRoute)

ReferralReader = Annotated[Caller, Depends(allowed(Scope.REFERRALS_READ))]
Reviewer = Annotated[Caller, Depends(allowed(Scope.REFERRALS_REVIEW))]

_DECIDING = (
    "malformed_json", "unsupported_media_type", "body_too_large", "invalid", "not_found", "not_in_review",
    "unknown_outcome",
)  # fmt: skip


@router.get(
    "/v1/referrals",
    operation_id="list_referrals",
    summary="List referrals",
    response_model=bodies.ReferralPage,
    responses=problems("malformed_cursor", "malformed_query"),
)
async def list_referrals(
    mine: PartsHere,
    caller: ReferralReader,
    state: Annotated[bodies.State | None, Query(description="Only those in this state.")] = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """Who brought whom, in the order in which the friends joined; `state=review` is the list to be looked through."""
    bound, key, now = f"referrals {caller.program_id.hex()} {state}", mine.secrets.cursors, mine.clock()
    found = await queries.page(
        mine.engine,
        program_id=caller.program_id,
        state=state,
        after=paging.begin_after(cursor, bound_to=bound, key=key),
        limit=limit + 1,
        now=now,
    )
    return paging.page(
        "referrals",
        found,
        limit=limit,
        show=lambda one: bodies.referral(one, now=now),
        position=lambda one: one.id.hex(),
        bound_to=bound,
        key=key,
    )


@router.get(
    "/v1/referrals/{referral_id}",
    operation_id="get_referral",
    summary="Read a referral",
    response_model=bodies.ReferralOut,
    responses=problems("not_found"),
)
async def get_referral(referral_id: str, mine: PartsHere, caller: ReferralReader) -> Response:
    """How far a referral has come, and why a person has to look at it."""
    return _shown(await _found(referral_id, mine, caller), mine)


@router.post(
    "/v1/referrals/{referral_id}/approve",
    operation_id="approve_referral",
    summary="Let a referral go on",
    response_model=bodies.ReferralOut,
    responses=problems(*_DECIDING),
)
async def approve_referral(referral_id: str, body: bodies.ReviewIn, mine: PartsHere, caller: Reviewer) -> Response:
    """Lets a referral that was held go on as if it had not been; it is not held again.

    Sent again with the same reason by the same person, it answers the same.
    """
    return await _decide(referral_id, Verdict.APPROVE, body, mine, caller)


@router.post(
    "/v1/referrals/{referral_id}/reject",
    operation_id="reject_referral",
    summary="End a referral",
    response_model=bodies.ReferralOut,
    responses=problems(*_DECIDING),
)
async def reject_referral(referral_id: str, body: bodies.ReviewIn, mine: PartsHere, caller: Reviewer) -> Response:
    """Ends a referral that was held: nobody gets a bonus for it, now or later."""
    return await _decide(referral_id, Verdict.REJECT, body, mine, caller)


@router.get(
    "/v1/members/{member_id}/referrals",
    operation_id="list_member_referrals",
    summary="Read a member's referrals",
    response_model=bodies.MemberReferrals,
    responses=problems("not_found", "malformed_cursor", "malformed_query"),
)
async def list_member_referrals(
    member_id: str, mine: PartsHere, caller: Reader, limit: Limit = PAGE, cursor: Cursor = None
) -> Response:
    """By whom a member was brought, and whom they brought; by id only."""
    id = ids.in_path(typeid.MEMBER, member_id)
    if await members.state(mine.engine, id, program_id=caller.program_id) is None:
        raise Problem("not_found")
    bound, key, now = f"referrals of {member_id} {caller.program_id.hex()}", mine.secrets.cursors, mine.clock()
    own = await queries.of_referee(mine.engine, id, program_id=caller.program_id)
    position = paging.begin(cursor, bound_to=bound, key=key)
    found = await queries.of_referrer(
        mine.engine,
        id,
        program_id=caller.program_id,
        after=None if position is None else _place(position),
        limit=limit + 1,
    )
    return paging.page(
        "referrals",
        found,
        limit=limit,
        show=lambda one: bodies.referral(one, now=now),
        position=_position,
        bound_to=bound,
        key=key,
        more={"referred": None if own is None else bodies.referral(own, now=now)},
    )


async def _decide(referral_id: str, verdict: Verdict, body: bodies.ReviewIn, mine: Parts, caller: Caller) -> Response:
    """Submits what a person says under the one key that a referral has, and notes who it was."""
    found = await _found(referral_id, mine, caller)
    command = Command(
        id=mine.fresh_id(),
        source=OPERATIONS,
        key=typeid.encode(typeid.REFERRAL, found.id),
        member=Reference(found.id),
        occurred_at=mine.clock(),
        facts=ReferralReview(verdict, caller.owner),
        particulars=bodies.particulars(body),
        time_said=False,
    )
    (outcome,) = await mine.ledger.submit([command], program_id=caller.program_id)
    match outcome:
        case Created(event) | Replayed(event):
            at, by = event.recorded_at, caller.owner
            await operations.note(
                mine.engine, found.id, verdict, program_id=caller.program_id, event_id=event.id, by=by, at=at
            )
            return _shown(await _found(referral_id, mine, caller), mine)
        case Refused(EventIdReused()):  # it has been decided on, otherwise or by somebody else
            raise Problem("not_in_review", state=referrals.shown(found, now=mine.clock()))
        case _:
            raise problem_of(outcome)


async def _found(referral_id: str, mine: Parts, caller: Caller) -> MemberState:
    id = ids.in_path(typeid.REFERRAL, referral_id)
    found = await queries.of_referee(mine.engine, id, program_id=caller.program_id)
    if found is None:
        raise Problem("not_found")
    return found


def _shown(found: MemberState, mine: Parts) -> Response:
    return Response(orjson.dumps(bodies.referral(found, now=mine.clock())), media_type="application/json")


def _position(one: MemberState) -> str:
    assert one.referral_claimed_at is not None
    return f"{chain.micros(one.referral_claimed_at)}.{one.id.hex()}"


def _place(position: str) -> queries.Place:
    micros, _, id = position.partition(".")
    return queries.Place(chain.instant(int(micros)), bytes.fromhex(id))
