"""Holds as resources: a till asks before it takes; the same as the events hold, capture and release (semantics L12)."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.api.dependencies import Caller, Parts, PartsHere, allowed
from app.api.problems import Problem
from app.api.routes.events import problem_of
from app.api.routing import PrivateRoute, problems
from app.api.schemas import answers
from app.api.schemas import holds as bodies
from app.api.schemas.commands import to_command
from app.api.schemas.events import CaptureIn, HoldIn, ReleaseIn
from app.domain import typeid
from app.domain.commands import Hold
from app.domain.events import Recorded
from app.domain.scopes import Scope
from app.ledger.outcomes import Created, Replayed
from app.queries import events as recorded_events
from app.queries import holds as hold_queries

router = APIRouter(prefix="/v1/holds", tags=["holds"], route_class=PrivateRoute)

Spender = Annotated[Caller, Depends(allowed(Scope.REDEMPTIONS_WRITE))]
Reader = Annotated[Caller, Depends(allowed(Scope.EVENTS_READ))]

_BODY = ("malformed_json", "unsupported_media_type", "body_too_large", "invalid")
_JUDGED = (
    "event_id_reused", "too_late", "too_early", "no_rules", "shop_key_required", "unknown_outcome",
    "points_out_of_range",
)  # fmt: skip
_REPLAYED: dict[int | str, dict[str, Any]] = {
    200: {"model": bodies.HoldOut, "description": "Recorded before with the same content."}
}


@router.post(
    "",
    operation_id="place_hold",
    summary="Keep points aside",
    response_model=bodies.HoldOut,
    status_code=201,
    responses={
        **_REPLAYED,
        **problems(
            *_BODY,
            *_JUDGED,
            "unknown_member",
            "insufficient_points",
            "not_after_passed",
            "unknown_unit",
            "not_spendable",
        ),
    },
)
async def place_hold(body: bodies.PlaceHoldIn, mine: PartsHere, caller: Spender) -> Response:
    """Keeps points of a member aside, so that nothing else can take them until the purchase is through.

    Capture it, release it, or name it in the purchase's `payments`; it lapses by itself. Retry freely with the same
    `id`.
    """
    sent = HoldIn.model_construct(**_said(body, mine), type="hold")
    return await _record(sent, mine, caller, said=body.occurred_at is not None)


@router.post(
    "/{hold:path}/capture",  # a shop's own id may have slashes
    operation_id="capture_hold",
    summary="Spend what is held",
    response_model=bodies.HoldOut,
    status_code=201,
    responses={**_REPLAYED, **problems(*_BODY, *_JUDGED, "not_found", "hold_settled", "more_than_held")},
)
async def capture_hold(hold: str, body: bodies.CaptureHoldIn, mine: PartsHere, caller: Spender) -> Response:
    """Spends points of the hold, named by our id or the shop's own; unless it is not `final`, the rest is freed."""
    found = await _find(hold, mine, caller)
    sent = CaptureIn.model_construct(**_said(body, mine, found), type="capture")
    return await _record(sent, mine, caller, said=body.occurred_at is not None)


@router.post(
    "/{hold:path}/release",
    operation_id="release_hold",
    summary="Give a hold up",
    response_model=bodies.HoldOut,
    status_code=201,
    responses={**_REPLAYED, **problems(*_BODY, *_JUDGED, "not_found", "hold_settled")},
)
async def release_hold(hold: str, body: bodies.ReleaseHoldIn, mine: PartsHere, caller: Spender) -> Response:
    """Frees what the hold, named by our id or the shop's own, still keeps."""
    found = await _find(hold, mine, caller)
    sent = ReleaseIn.model_construct(**_said(body, mine, found), type="release")
    return await _record(sent, mine, caller, said=body.occurred_at is not None)


@router.get(
    "/{hold:path}",
    operation_id="get_hold",
    summary="Read a hold",
    response_model=bodies.HoldOut,
    responses=problems("not_found"),
)
async def get_hold(hold: str, mine: PartsHere, caller: Reader) -> Response:
    """The hold, named by our id or the shop's own, as it stands."""
    answer = await _answer(await _find(hold, mine, caller), mine, caller)
    return Response(orjson.dumps(answer), media_type="application/json")


def _said(body: Any, mine: Parts, hold: Recorded | None = None) -> dict[str, Any]:
    """The fields of the event that a resource's body stands for."""
    said = {**dict(body), "occurred_at": body.occurred_at or mine.clock()}
    if hold is not None:
        said["hold"], said["shop"] = hold.key, hold.source  # as the event would name it, so that retries are the same
        said["member"] = typeid.encode(typeid.MEMBER, hold.member_id)
    return said


async def _find(name: str, mine: Parts, caller: Caller) -> Recorded:
    id = typeid.decode(typeid.EVENT, name)
    if id is not None:
        found = await recorded_events.by_id(mine.engine, id, program_id=caller.program_id)
        if found is not None and found.kind == Hold.kind:
            return found
    elif caller.source is not None and name.isascii() and name.isprintable():  # what no id has, no database is asked
        for event in await recorded_events.by_key(
            mine.engine, program_id=caller.program_id, source=caller.source, key=name, kind=Hold.kind
        ):
            return event
    raise Problem("not_found")


async def _record(sent: HoldIn | CaptureIn | ReleaseIn, mine: Parts, caller: Caller, *, said: bool) -> Response:
    command = to_command(sent, id=mine.fresh_id(), source=caller.shop, key=mine.secrets.identities)
    (outcome,) = await mine.ledger.submit([command._replace(time_said=said)], program_id=caller.program_id)
    if not isinstance(outcome, Created | Replayed):
        raise problem_of(outcome)
    event = outcome.event
    hold = event
    if event.about is not None:
        found = await recorded_events.by_id(mine.engine, event.about, program_id=caller.program_id)
        assert found is not None
        hold = found
    answer = await _answer(hold, mine, caller) | {"event": answers.event(event, outcome.followed)}
    if isinstance(outcome, Replayed):
        return Response(orjson.dumps(answer), 200, {"Idempotent-Replayed": "true"}, "application/json")
    headers = {"Location": "/v1/holds/" + typeid.encode(typeid.EVENT, hold.id)}
    return Response(orjson.dumps(answer), 201, headers, "application/json")


async def _answer(hold: Recorded, mine: Parts, caller: Caller) -> dict[str, Any]:
    followers = await recorded_events.about(mine.engine, hold.id, program_id=caller.program_id)
    purchases = await hold_queries.paid_for(mine.engine, hold, program_id=caller.program_id)
    return bodies.hold(hold, followers, purchases, now=mine.clock())
