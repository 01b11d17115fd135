"""What becomes of messages at an endpoint: deliveries, their attempts, and sending one again (webhooks W10)."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.api import cursors, ids, keyed, paging
from app.api.dependencies import Caller, Parts, PartsHere, allowed
from app.api.keyed import IdempotencyKey
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import Problem, malformed_query, nearest
from app.api.routing import NO_BODY, PrivateRoute, problems
from app.api.schemas import deliveries as bodies
from app.api.schemas.common import time
from app.domain import messages, typeid
from app.domain.scopes import Scope
from app.operations import resending
from app.queries import deliveries, endpoints, statistics
from app.queries.deliveries import Filter

router = APIRouter(prefix="/v1/webhook-endpoints/{endpoint_id}", tags=["webhooks"], route_class=PrivateRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.WEBHOOKS_READ))]
Writer = Annotated[Caller, Depends(allowed(Scope.WEBHOOKS_WRITE))]


class State(StrEnum):
    """What a delivery may have come to."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    ABORTED = "aborted"
    ABANDONED = "abandoned"


class Stretch(StrEnum):
    """How far statistics look back."""

    HOUR = "hour"
    DAY = "day"


_STRETCHES = {Stretch.HOUR: timedelta(hours=1), Stretch.DAY: timedelta(days=1)}

Over = Annotated[Stretch, Query(description="How far to look back.")]
OfState = Annotated[State | None, Query(description="Only deliveries in this state.")]
OfType = Annotated[str | None, Query(max_length=64, description="Only those of messages of this type.")]
OfMessage = Annotated[str | None, Query(max_length=64, description="Only that of this message, by its id.")]


@router.get(
    "/deliveries",
    operation_id="list_deliveries",
    summary="List deliveries",
    response_model=bodies.DeliveryPage,
    responses=problems("not_found", "malformed_cursor", "malformed_query"),
)
async def list_deliveries(
    endpoint_id: str,
    mine: PartsHere,
    caller: Reader,
    state: OfState = None,
    type: OfType = None,
    message: OfMessage = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """What became of messages at an endpoint, newest message first.

    With a filter a page may hold fewer than `limit`, or none, and still have a next one.
    """
    id = await seen(endpoint_id, mine, caller)
    if type is not None and type not in messages.TYPES:
        raise malformed_query("type", "is no type of message", nearest(type, messages.TYPES))
    asked = Filter(state, type, None if message is None else _message(message))
    bound = f"deliveries:{caller.program_id.hex()}:{id.hex()}:{state}:{type}:{message}"
    found = await deliveries.page(
        mine.engine,
        program_id=caller.program_id,
        endpoint_id=id,
        asked=asked,
        before=paging.begin_after(cursor, bound_to=bound, key=mine.secrets.cursors),
        limit=limit,
    )
    more = None
    if found.next is not None:
        more = cursors.encode(found.next.hex(), bound_to=bound, key=mine.secrets.cursors)
    body = {"deliveries": [bodies.delivery(row) for row in found.deliveries], "next_cursor": more}
    return Response(orjson.dumps(body), media_type="application/json")


@router.get(
    "/deliveries/{message_id}",
    operation_id="get_delivery",
    summary="Read a delivery with its attempts",
    response_model=bodies.DeliveryWithAttemptsOut,
    responses=problems("not_found"),
)
async def get_delivery(endpoint_id: str, message_id: str, mine: PartsHere, caller: Reader) -> Response:
    """Each time a message was sent to an endpoint: when, how long it took, and what came back."""
    id = await seen(endpoint_id, mine, caller)
    row, attempts = await _found(id, message_id, mine, caller)
    body = {**bodies.delivery(row), "tries": [bodies.attempt(one) for one in attempts]}
    return Response(orjson.dumps(body), media_type="application/json")


@router.post(
    "/deliveries/{message_id}/resend",
    operation_id="resend_message",
    summary="Send a message again",
    response_model=bodies.ResentOut,
    status_code=201,
    responses=problems(
        *NO_BODY,
        "not_found",
        "idempotency_key_missing",
        "idempotency_key_reused",
        "request_in_flight",
        "malformed_query",
    ),
)
async def resend_message(
    endpoint_id: str, message_id: str, mine: PartsHere, caller: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Makes a message pending for an endpoint once more, under the same id, whatever became of it before.

    One that waits for its next attempt is sent at once instead. A disabled endpoint gets it when it is enabled.
    """
    id = await seen(endpoint_id, mine, caller)
    asked = keyed.asked(caller, idempotency_key, "resend_message", [endpoint_id, message_id])
    row, _ = await _found(id, message_id, mine, caller)
    if row.type is None:
        raise Problem("not_found")
    now = mine.clock()
    shown = {"message": message_id, "state": State.PENDING.value, "due_at": time(now)}
    location = f"/v1/webhook-endpoints/{endpoint_id}/deliveries/{message_id}"
    try:
        answer, new = await resending.resend(
            mine.engine,
            row.message_id,
            asked,
            endpoint_id=id,
            answer=keyed.kept(asked, shown, status=201, location=location),
            audit_id=mine.fresh_id(),
            now=now,
        )
    except resending.KeyReused:
        raise Problem("idempotency_key_reused") from None
    return keyed.answered(answer, new=new)


@router.get(
    "/statistics",
    operation_id="get_endpoint_statistics",
    summary="Read how an endpoint fares",
    response_model=bodies.StatisticsOut,
    responses=problems("not_found", "malformed_query"),
)
async def get_endpoint_statistics(
    endpoint_id: str, mine: PartsHere, caller: Reader, over: Over = Stretch.HOUR
) -> Response:
    """Attempts of the last hour or day by outcome, how long they took, and what waits to be sent."""
    id = await seen(endpoint_id, mine, caller)
    since = mine.clock() - _STRETCHES[over]
    found = await statistics.of_endpoint(mine.engine, id, program_id=caller.program_id, since=since)
    body = bodies.statistics(found, over=over.value, since=since)
    return Response(orjson.dumps(body), media_type="application/json")


async def seen(endpoint_id: str, mine: Parts, caller: Caller) -> bytes:
    """The endpoint's id, if the caller may see it. Raises Problem `not_found`."""
    id = ids.in_path(typeid.ENDPOINT, endpoint_id)
    found = await endpoints.find(mine.engine, id, program_id=caller.program_id, source=caller.source)
    if found is None:
        raise Problem("not_found")
    return id


async def _found(
    endpoint_id: bytes, message_id: str, mine: Parts, caller: Caller
) -> tuple[deliveries.DeliveryRow, tuple[deliveries.AttemptRow, ...]]:
    id = ids.in_path(typeid.MESSAGE, message_id)
    found = await deliveries.find(mine.engine, id, program_id=caller.program_id, endpoint_id=endpoint_id)
    if found is None:
        raise Problem("not_found")
    return found


def _message(text: str) -> bytes:
    id = typeid.decode(typeid.MESSAGE, text)
    if id is None:
        raise malformed_query("message", "is no id of a message")
    return id
