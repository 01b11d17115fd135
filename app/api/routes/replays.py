"""Replays: an endpoint's messages since a time, sent again (webhooks W10)."""

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.api import ids, keyed, paging
from app.api.dependencies import Caller, PartsHere, allowed
from app.api.keyed import IdempotencyKey
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import Problem, invalid
from app.api.routes.deliveries import seen
from app.api.routing import PrivateRoute, problems
from app.api.schemas import replays as bodies
from app.api.schemas.common import maybe_time, time
from app.api.schemas.replays import ReplayIn
from app.domain import typeid
from app.domain.scopes import Scope
from app.operations import replays as operations
from app.operations.resending import KeyReused
from app.queries import replays as queries

router = APIRouter(prefix="/v1/webhook-endpoints/{endpoint_id}", tags=["webhooks"], route_class=PrivateRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.WEBHOOKS_READ))]
Writer = Annotated[Caller, Depends(allowed(Scope.WEBHOOKS_WRITE))]
DryRun = Annotated[
    Literal["true", "false"], Query(description="Only count what would be sent; no Idempotency-Key is needed.")
]


@router.post(
    "/replays",
    operation_id="create_replay",
    summary="Send messages since a time again",
    response_model=bodies.ReplayOut,
    status_code=201,
    responses={
        200: {"model": bodies.ReplayCountOut, "description": "With `dry_run`: what would be sent."},
        **problems(
            "malformed_json", "unsupported_media_type", "body_too_large", "invalid", "not_found", "malformed_query",
            "idempotency_key_missing", "idempotency_key_reused", "request_in_flight",
        ),
    },
)  # fmt: skip
async def create_replay(
    endpoint_id: str,
    body: ReplayIn,
    mine: PartsHere,
    caller: Writer,
    dry_run: DryRun = "false",
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Starts a job that makes messages pending once more, each under its own id, in the order of the feed.

    It goes on while the service is restarted, and slower where the endpoint is behind, so that new messages are not
    held up. What is pending anyway is left as it is. Count first with `dry_run=true`.
    """
    id, now = await seen(endpoint_id, mine, caller), mine.clock()
    if body.since >= now:
        raise invalid("/since", "lies in the future")
    if body.until is not None and body.until <= body.since:
        raise invalid("/until", "must be later than `since`")
    job = await operations.planned(
        mine.engine,
        mine.fresh_id(),
        program_id=caller.program_id,
        endpoint_id=id,
        which=operations.Which(body.which),
        since=body.since,
        until=body.until,
        now=now,
    )
    if dry_run == "true":
        counted = await operations.count(mine.engine, job, program_id=caller.program_id)
        shown = {"messages": counted.messages, "complete": counted.complete, "provisional": True}
        return Response(orjson.dumps(shown), media_type="application/json")
    said = [endpoint_id, time(body.since), maybe_time(body.until), body.which]
    asked = keyed.asked(caller, idempotency_key, "create_replay", said)
    location = f"/v1/webhook-endpoints/{endpoint_id}/replays/{typeid.encode(typeid.REPLAY, job.id)}"
    answer = keyed.kept(asked, bodies.replay(job), status=201, location=location)
    try:
        answer, new = await operations.ask(mine.engine, job, asked, answer=answer, audit_id=mine.fresh_id())
    except KeyReused:
        raise Problem("idempotency_key_reused") from None
    return keyed.answered(answer, new=new)


@router.get(
    "/replays",
    operation_id="list_replays",
    summary="List replays",
    response_model=bodies.ReplayPage,
    responses=problems("not_found", "malformed_cursor", "malformed_query"),
)
async def list_replays(
    endpoint_id: str, mine: PartsHere, caller: Reader, limit: Limit = PAGE, cursor: Cursor = None
) -> Response:
    """The replays of an endpoint, newest first, each with how far it has come."""
    id, key = await seen(endpoint_id, mine, caller), mine.secrets.cursors
    bound = f"replays:{caller.program_id.hex()}:{id.hex()}"
    before = paging.begin_after(cursor, bound_to=bound, key=key)
    found = await queries.page(
        mine.engine, program_id=caller.program_id, endpoint_id=id, before=before, limit=limit + 1
    )
    return paging.page(
        "replays",
        found,
        limit=limit,
        show=bodies.replay,
        position=lambda one: one.id.hex(),
        bound_to=bound,
        key=key,
    )


@router.get(
    "/replays/{replay_id}",
    operation_id="get_replay",
    summary="Read how far a replay has come",
    response_model=bodies.ReplayOut,
    responses=problems("not_found"),
)
async def get_replay(endpoint_id: str, replay_id: str, mine: PartsHere, caller: Reader) -> Response:
    """The replay, with how many messages it has looked at and made pending so far."""
    id, wanted = await seen(endpoint_id, mine, caller), ids.in_path(typeid.REPLAY, replay_id)
    found = await queries.find(mine.engine, wanted, program_id=caller.program_id, endpoint_id=id)
    if found is None:
        raise Problem("not_found")
    return Response(orjson.dumps(bodies.replay(found)), media_type="application/json")
