"""Webhook endpoints: made, read, ended."""

import secrets
from hashlib import sha256
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header
from starlette.responses import Response

from app.api import paging
from app.api.dependencies import Caller, PartsHere, allowed
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import FieldError, Problem
from app.api.routing import PrivateRoute, problems
from app.api.schemas import endpoints as bodies
from app.api.schemas.common import time
from app.domain import chain, typeid
from app.domain.scopes import Scope
from app.operations import endpoints as operations
from app.queries import endpoints as queries

SECRET_BYTES = 32

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"], route_class=PrivateRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.WEBHOOKS_READ))]
Writer = Annotated[Caller, Depends(allowed(Scope.WEBHOOKS_WRITE))]


@router.post(
    "",
    operation_id="create_endpoint",
    summary="Create a webhook endpoint",
    response_model=bodies.EndpointOut,
    status_code=201,
    responses=problems(
        "malformed_json", "unsupported_media_type", "body_too_large", "invalid", "idempotency_key_missing",
        "idempotency_key_reused", "endpoint_refused", "request_in_flight", "malformed_query",
    ),
)  # fmt: skip
async def create_endpoint(
    body: bodies.EndpointIn,
    mine: PartsHere,
    caller: Writer,
    idempotency_key: Annotated[str | None, Header(pattern=r"^[\x20-\x7e]{1,128}$")] = None,
) -> Response:
    """Starts sending messages to an address, signed with a secret that is shown in this answer only."""
    if idempotency_key is None:
        raise Problem("idempotency_key_missing")
    wrong = bodies.unknown_types(body.types or [])
    if wrong:
        raise Problem("invalid", errors=[FieldError(f"/types/{i}", "is no type of message") for i in wrong])
    reason = mine.address_check(body.url)
    if reason is not None:
        raise Problem("endpoint_refused", errors=[FieldError("/url", reason)])
    new = operations.NewEndpoint(
        id=mine.fresh_id(),
        source=caller.source,
        url=body.url,
        description=body.description,
        types=None if body.types is None else tuple(body.types),
        secret=secrets.token_bytes(SECRET_BYTES),
    )
    asked = operations.Caller(
        program_id=caller.program_id,
        key_id=caller.key_id,
        actor=typeid.encode(typeid.KEY, caller.key_id),
        idempotency_key=idempotency_key,
        digest=sha256(b"create_endpoint" + chain.canonical(body.model_dump())).digest(),
    )
    now = mine.clock()
    shown = _new(new, created_at=time(now))
    kept = operations.KeptAnswer(
        asked.digest, 201, f"/v1/webhook-endpoints/{shown['id']}", orjson.dumps({**shown, "secret_shown": True})
    )
    try:
        answer, made = await operations.create(mine.engine, new, asked, answer=kept, audit_id=mine.fresh_id(), now=now)
    except operations.KeyReused:
        raise Problem("idempotency_key_reused") from None
    headers = {"Location": answer.location or ""}
    if made:
        secret = mine.secret_text(new.secret)
        return Response(orjson.dumps({**shown, "secret": secret}), 201, headers, "application/json")
    return Response(answer.body, answer.status, {**headers, "Idempotent-Replayed": "true"}, "application/json")


@router.get(
    "",
    operation_id="list_endpoints",
    summary="List webhook endpoints",
    response_model=bodies.EndpointPage,
    responses=problems("malformed_cursor", "malformed_query"),
)
async def list_endpoints(
    mine: PartsHere,
    caller: Reader,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """The endpoints you may see: a shop its own, the program all."""
    bound, key = f"endpoints {caller.program_id.hex()} {caller.source}", mine.secrets.cursors
    after = paging.begin_after(cursor, bound_to=bound, key=key)
    found = await queries.page(
        mine.engine, program_id=caller.program_id, source=caller.source, after=after, limit=limit + 1
    )
    return paging.page(
        "endpoints",
        found,
        limit=limit,
        show=bodies.endpoint,
        position=lambda row: row.id.hex(),
        bound_to=bound,
        key=key,
    )


@router.get(
    "/{endpoint_id}",
    operation_id="get_endpoint",
    summary="Read a webhook endpoint",
    response_model=bodies.EndpointOut,
    responses=problems("not_found"),
)
async def get_endpoint(endpoint_id: str, mine: PartsHere, caller: Reader) -> Response:
    """The endpoint, without its secret."""
    id = _id(endpoint_id)
    row = await queries.find(mine.engine, id, program_id=caller.program_id, source=caller.source)
    if row is None:
        raise Problem("not_found")
    return Response(orjson.dumps(bodies.endpoint(row)), media_type="application/json")


@router.delete(
    "/{endpoint_id}",
    operation_id="delete_endpoint",
    summary="Delete a webhook endpoint",
    status_code=204,
    responses=problems("not_found"),
)
async def delete_endpoint(endpoint_id: str, mine: PartsHere, caller: Writer) -> Response:
    """Ends sending to it; what was not delivered yet is dropped."""
    gone = await operations.delete(
        mine.engine,
        _id(endpoint_id),
        program_id=caller.program_id,
        source=caller.source,
        audit_id=mine.fresh_id(),
        actor=typeid.encode(typeid.KEY, caller.key_id),
        now=mine.clock(),
    )
    if not gone:
        raise Problem("not_found")
    return Response(None, 204)


def _id(text: str) -> bytes:
    found = typeid.decode(typeid.ENDPOINT, text)
    if found is None:
        raise Problem("not_found")
    return found


def _new(new: operations.NewEndpoint, *, created_at: str) -> dict[str, Any]:
    return {
        "id": typeid.encode(typeid.ENDPOINT, new.id),
        "url": new.url,
        "description": new.description,
        "types": None if new.types is None else list(new.types),
        "state": "enabled",
        "created_at": created_at,
    }
