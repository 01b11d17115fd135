"""What waits for the event it names, and what was turned away (semantics E3, E4)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.api import ids, paging
from app.api.dependencies import Caller, PartsHere, allowed
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import KINDS, Problem, facts_kept, malformed_query
from app.api.routes.events import JUDGED, answered
from app.api.routing import NO_BODY, PrivateRoute, problems
from app.api.schemas import answers
from app.domain import typeid
from app.domain.scopes import Scope
from app.queries import waiting

router = APIRouter(prefix="/v1", tags=["events"], route_class=PrivateRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.EVENTS_READ))]
Admitter = Annotated[Caller, Depends(allowed(Scope.EVENTS_ADMIT))]
Member = Annotated[str | None, Query(max_length=64, description="Only this member's, by our id.")]


@router.get(
    "/parked",
    operation_id="list_parked",
    summary="List what waits",
    response_model=answers.ParkedPage,
    responses=problems("malformed_cursor", "malformed_query"),
)
async def list_parked(
    mine: PartsHere, caller: Reader, member: Member = None, limit: Limit = PAGE, cursor: Cursor = None
) -> Response:
    """Events that arrived before the one they name, such as a return before its purchase, newest first."""
    bound, key = f"parked:{caller.program_id.hex()}:{member}", mine.secrets.cursors
    found = await waiting.parked(
        mine.engine,
        program_id=caller.program_id,
        member_id=_member(member),
        before=paging.begin_after(cursor, bound_to=bound, key=key),
        limit=limit + 1,
        now=mine.clock(),
    )
    return paging.page(
        "parked",
        found,
        limit=limit,
        show=answers.parked,
        position=lambda one: one.event_id.hex(),
        bound_to=bound,
        key=key,
    )


@router.get(
    "/refused",
    operation_id="list_refused",
    summary="List what was turned away",
    response_model=answers.RefusedPage,
    responses=problems("malformed_cursor", "malformed_query"),
)
async def list_refused(
    mine: PartsHere, caller: Reader, member: Member = None, limit: Limit = PAGE, cursor: Cursor = None
) -> Response:
    """Events that were refused in the last 90 days, newest first, each once, with why the last time."""
    bound, key = f"refused:{caller.program_id.hex()}:{member}", mine.secrets.cursors
    found = await waiting.refused(
        mine.engine,
        program_id=caller.program_id,
        member_id=_member(member),
        before=paging.begin_after(cursor, bound_to=bound, key=key),
        limit=limit + 1,
        now=mine.clock(),
    )
    return paging.page(
        "refused",
        found,
        limit=limit,
        show=_refused,
        position=lambda one: one.refused_id.hex(),
        bound_to=bound,
        key=key,
    )


@router.post(
    "/refused/{refused_id}/admit",
    operation_id="admit_refused",
    summary="Let a refused event in",
    response_model=answers.EventOut,
    status_code=201,
    responses={
        200: {"model": answers.EventOut, "description": "It has been recorded meanwhile."},
        202: {"model": answers.ParkedOut, "description": "It waits for the event that it names."},
        **problems(*NO_BODY, "not_found", "not_admissible", *JUDGED),
    },
)
async def admit_refused(refused_id: str, mine: PartsHere, caller: Admitter) -> Response:
    """Judges a refused event again as it was sent, without the limits on its time or on what an offline till may owe.

    A sale with a wrong clock is still a sale, and whom it would have enrolled is enrolled. The event says who let it
    in, with the flag `admitted`; anything else that is against it still is.
    """
    id = ids.in_path(typeid.REFUSED, refused_id)
    try:
        command = await waiting.command(mine.engine, id, program_id=caller.program_id, id=mine.fresh_id())
    except ValueError:
        raise Problem("not_admissible") from None
    if command is None:
        raise Problem("not_found")
    command = command._replace(admitted_by=typeid.encode(typeid.KEY, caller.key_id))
    (outcome,) = await mine.ledger.submit([command], program_id=caller.program_id)
    return answered(outcome)


def _refused(one: waiting.TurnedAway) -> dict[str, Any]:
    return answers.refused(one, title=KINDS[one.code].title, details=facts_kept(one.code, one.details))


def _member(text: str | None) -> bytes | None:
    if text is None:
        return None
    id = typeid.decode(typeid.MEMBER, text)
    if id is None:
        raise malformed_query("member", "is no id of a member")
    return id
