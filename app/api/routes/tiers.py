"""Tiers that persons set by hand: floors, until they are removed or their date passes (semantics T4)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from app.api import ids
from app.api.dependencies import Caller, Parts, PartsHere, allowed
from app.api.problems import Problem
from app.api.routes.events import answered, problem_of
from app.api.routing import PrivateRoute, problems
from app.api.schemas import answers
from app.api.schemas import tiers as bodies
from app.api.schemas.common import CODE
from app.domain import typeid
from app.domain.commands import OPERATIONS, Command, Reference, TierFloor
from app.domain.scopes import Scope
from app.ledger.outcomes import Created, Outcome, Replayed
from app.queries import members

router = APIRouter(prefix="/v1/members", tags=["members"], route_class=PrivateRoute)

Writer = Annotated[Caller, Depends(allowed(Scope.TIERS_WRITE))]
_RULES = ("not_found", "unknown_tier", "event_id_reused", "no_rules", "unknown_outcome")


@router.put(
    "/{member_id}/tier-floor",
    operation_id="set_tier_floor",
    summary="Give a tier by hand",
    response_model=answers.EventOut,
    status_code=201,
    responses={
        200: {"model": answers.EventOut, "description": "Recorded before, with the same content."},
        **problems(
            "malformed_json", "unsupported_media_type", "body_too_large", "invalid", "until_passed", *_RULES
        ),
    },
)  # fmt: skip
async def set_tier_floor(member_id: str, body: bodies.TierFloorIn, mine: PartsHere, caller: Writer) -> Response:
    """The member stands no lower than this tier, in place of what a person set on its ladder before.

    A status match, or goodwill. What they earn themselves goes on beneath it, with its reviews, and is what they hold
    once this ends.
    """
    id, facts = await _known(member_id, mine, caller), bodies.facts(body, actor=caller.owner)
    outcome = await _record(id, facts, mine, caller, key=body.id, particulars=bodies.particulars(body))
    return answered(outcome)


@router.delete(
    "/{member_id}/tier-floor",
    operation_id="remove_tier_floor",
    summary="Take a tier given by hand away",
    status_code=204,
    response_class=Response,
    responses=problems("malformed_header", "malformed_query", "idempotency_key_missing", "no_tier_floor", *_RULES),
)
async def remove_tier_floor(
    member_id: str,
    mine: PartsHere,
    caller: Writer,
    reason: Annotated[str, Query(pattern=CODE, description="A code for why, such as mistake.")],
    ladder: Annotated[
        str | None, Query(pattern=CODE, description="The ladder; it may be left out where there is one.")
    ] = None,
    idempotency_key: Annotated[
        str | None, Header(pattern=r"^[\x20-\x7e]{1,128}$", description="Names this removal for ever.")
    ] = None,
) -> Response:
    """What the member earned, or was given by other ways, holds from now on."""
    id = await _known(member_id, mine, caller)
    if idempotency_key is None:
        raise Problem("idempotency_key_missing")
    facts = TierFloor(None, reason, caller.owner, ladder=ladder)
    outcome = await _record(id, facts, mine, caller, key=idempotency_key, particulars=b"")
    match outcome:
        case Created():
            return Response(status_code=204)
        case Replayed():
            return Response(status_code=204, headers={"Idempotent-Replayed": "true"})
        case _:
            raise problem_of(outcome)


async def _known(member_id: str, mine: Parts, caller: Caller) -> bytes:
    id = ids.in_path(typeid.MEMBER, member_id)
    if await members.state(mine.engine, id, program_id=caller.program_id) is None:
        raise Problem("not_found")
    return id


async def _record(id: bytes, facts: TierFloor, mine: Parts, caller: Caller, *, key: str, particulars: bytes) -> Outcome:
    command = Command(
        id=mine.fresh_id(),
        source=OPERATIONS,
        key=key,
        member=Reference(id),
        occurred_at=mine.clock(),
        facts=facts,
        particulars=particulars,
        time_said=False,
    )
    (outcome,) = await mine.ledger.submit([command], program_id=caller.program_id)
    return outcome
