"""Webhook endpoints: made, read, changed, paused, tried, ended."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header
from starlette.responses import Response

from app.api import etags, ids, keyed, paging
from app.api.dependencies import Caller, Parts, PartsHere, allowed
from app.api.keyed import IdempotencyKey
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import FieldError, Problem
from app.api.routing import NO_BODY, PrivateRoute, problems
from app.api.schemas import endpoints as bodies
from app.domain import typeid
from app.domain.scopes import Scope
from app.operations import endpoints as operations
from app.operations.endpoints import KeptAnswer, Moment, NewSecret, Once, Settings
from app.queries import endpoints as queries
from app.queries.endpoints import EndpointRow

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"], route_class=PrivateRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.WEBHOOKS_READ))]
Writer = Annotated[Caller, Depends(allowed(Scope.WEBHOOKS_WRITE))]
IfMatch = Annotated[str | None, Header(max_length=64, description="The ETag of the endpoint as you know it.")]

_BODY = ("malformed_json", "unsupported_media_type", "body_too_large", "invalid")
_ONCE = ("idempotency_key_missing", "idempotency_key_reused", "request_in_flight", "malformed_query")


@router.post(
    "",
    operation_id="create_endpoint",
    summary="Create a webhook endpoint",
    response_model=bodies.EndpointOut,
    status_code=201,
    responses=problems(*_BODY, *_ONCE, "endpoint_refused"),
)
async def create_endpoint(
    body: bodies.EndpointIn, mine: PartsHere, caller: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Starts sending messages to an address, signed with a secret that is shown in this answer only."""
    settings = body.settings()
    _refuse(settings, mine)
    id, secret, at = mine.fresh_id(), _new_secret(mine), _moment(mine)
    made = EndpointRow(id, settings, at.now)
    shown = bodies.endpoint(made)
    location = f"/v1/webhook-endpoints/{shown['id']}"
    once = _once(caller, idempotency_key, "create_endpoint", body.digested(), {**shown, "secret_shown": True}, location)
    return await _answered(
        lambda: operations.create(mine.engine, id, settings, secret, by=_by(caller), once=once, at=at),
        fresh={**shown, "secret": mine.secret_text(secret.value)},
        etag=etags.etag(made.revision),
    )


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
    """The endpoint, how it fares, and the ETag that a change must name; without its secret."""
    return await _shown(ids.in_path(typeid.ENDPOINT, endpoint_id), mine, caller)


@router.patch(
    "/{endpoint_id}",
    operation_id="change_endpoint",
    summary="Change a webhook endpoint",
    response_model=bodies.EndpointOut,
    responses=problems(*_BODY, "not_found", "endpoint_refused", "if_match_missing", "changed_meanwhile"),
)
async def change_endpoint(
    endpoint_id: str, body: bodies.EndpointChangeIn, mine: PartsHere, caller: Writer, if_match: IfMatch = None
) -> Response:
    """Changes what is said, if nobody has changed it since: send the ETag that you read as `If-Match`.

    Types and order hold for what is recorded from then on.
    """
    id = ids.in_path(typeid.ENDPOINT, endpoint_id)

    def change(settings: Settings) -> Settings:
        changed = body.applied(settings)
        _refuse(changed, mine)
        return changed

    revision = etags.revision(if_match)
    await _done(lambda: operations.change(mine.engine, id, change, revision=revision, by=_by(caller), at=_moment(mine)))
    return await _shown(id, mine, caller)


@router.post(
    "/{endpoint_id}/pause",
    operation_id="pause_endpoint",
    summary="Pause a webhook endpoint",
    response_model=bodies.EndpointOut,
    responses=problems(*NO_BODY, "not_found", "endpoint_not_enabled"),
)
async def pause_endpoint(endpoint_id: str, mine: PartsHere, caller: Writer) -> Response:
    """Sends nothing until it is enabled again. What is recorded meanwhile waits, as long as messages are kept."""
    id = ids.in_path(typeid.ENDPOINT, endpoint_id)
    await _done(lambda: operations.pause(mine.engine, id, by=_by(caller), at=_moment(mine)))
    return await _shown(id, mine, caller)


@router.post(
    "/{endpoint_id}/enable",
    operation_id="enable_endpoint",
    summary="Enable a webhook endpoint",
    response_model=bodies.EndpointOut,
    responses=problems(*NO_BODY, "not_found"),
)
async def enable_endpoint(endpoint_id: str, mine: PartsHere, caller: Writer) -> Response:
    """Sends again, and soon all that waits: what was held, and what was put off, with all its attempts before it."""
    id = ids.in_path(typeid.ENDPOINT, endpoint_id)
    await _done(lambda: operations.enable(mine.engine, id, by=_by(caller), at=_moment(mine)))
    return await _shown(id, mine, caller)


@router.post(
    "/{endpoint_id}/rotate-secret",
    operation_id="rotate_endpoint_secret",
    summary="Make a new secret",
    response_model=bodies.SecretOut,
    status_code=201,
    responses=problems(*_BODY, *_ONCE, "not_found", "too_many_secrets"),
)
async def rotate_endpoint_secret(
    endpoint_id: str,
    mine: PartsHere,
    caller: Writer,
    body: bodies.RotateIn = bodies.USUAL_OVERLAP,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Signs with a new secret, shown in this answer only, and for a time with those before it as well."""
    id, secret, at = ids.in_path(typeid.ENDPOINT, endpoint_id), _new_secret(mine), _moment(mine)
    overlap = timedelta(hours=body.overlap_hours)
    shown = bodies.secret(id, until=at.now + overlap)
    said = {"endpoint": endpoint_id, **body.model_dump()}
    once = _once(caller, idempotency_key, "rotate_endpoint_secret", said, {**shown, "secret_shown": True})
    return await _answered(
        lambda: operations.rotate(mine.engine, id, secret, overlap=overlap, by=_by(caller), once=once, at=at),
        fresh={**shown, "secret": mine.secret_text(secret.value)},
    )


@router.post(
    "/{endpoint_id}/test",
    operation_id="try_endpoint",
    summary="Send a test message",
    response_model=bodies.TestOut,
    status_code=201,
    responses=problems(*NO_BODY, *_ONCE, "not_found", "endpoint_not_enabled"),
)
async def try_endpoint(
    endpoint_id: str, mine: PartsHere, caller: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Sends a message of the type `test` to this endpoint, whatever types it takes."""
    id, message_id = ids.in_path(typeid.ENDPOINT, endpoint_id), mine.fresh_id()
    shown = {"message": typeid.encode(typeid.MESSAGE, message_id)}
    location = f"/v1/webhook-endpoints/{endpoint_id}/deliveries/{shown['message']}"
    once = _once(caller, idempotency_key, "try_endpoint", {"endpoint": endpoint_id}, shown, location)
    at = _moment(mine)
    return await _answered(
        lambda: operations.test(mine.engine, id, message_id, by=_by(caller), once=once, at=at), fresh=shown
    )


@router.delete(
    "/{endpoint_id}",
    operation_id="delete_endpoint",
    summary="Delete a webhook endpoint",
    status_code=204,
    responses=problems("not_found"),
)
async def delete_endpoint(endpoint_id: str, mine: PartsHere, caller: Writer) -> Response:
    """Ends sending to it; what was not delivered yet is dropped."""
    id = ids.in_path(typeid.ENDPOINT, endpoint_id)
    await _done(lambda: operations.delete(mine.engine, id, by=_by(caller), at=_moment(mine)))
    return Response(None, 204)


def _by(caller: Caller) -> operations.Caller:
    actor = typeid.encode(typeid.KEY, caller.key_id)
    return operations.Caller(caller.program_id, caller.key_id, caller.source, actor)


def _moment(mine: Parts) -> Moment:
    return Moment(mine.clock(), mine.fresh_id())


def _new_secret(mine: Parts) -> NewSecret:
    value, nonce = secrets.token_bytes(operations.SECRET_BYTES), secrets.token_bytes(operations.NONCE_BYTES)
    return NewSecret(value, nonce, mine.secrets.endpoints)


def _refuse(settings: Settings, mine: Parts) -> None:
    """Raises Problem for settings that cannot be."""
    wrong = bodies.wrong(settings)
    if wrong:
        raise Problem("invalid", errors=wrong)
    reason = mine.address_check(settings.url)
    if reason is not None:
        raise Problem("endpoint_refused", errors=[FieldError("/url", reason)])


def _once(
    caller: Caller,
    key: str | None,
    operation: str,
    said: dict[str, Any],
    kept: dict[str, Any],
    location: str | None = None,
) -> Once:
    """What is kept of a request under its Idempotency-Key. Raises Problem where it has none."""
    asked = keyed.asked(caller, key, operation, said)
    return Once(asked, keyed.kept(asked, kept, status=201, location=location))


async def _answered(
    ask: Callable[[], Awaitable[tuple[KeptAnswer, bool]]], *, fresh: dict[str, Any], etag: str | None = None
) -> Response:
    """The answer of a write under an Idempotency-Key: `fresh` the first time, then what was kept."""
    answer, new = await _done(ask)
    shown = replace(answer, body=orjson.dumps(fresh)) if new else answer
    return keyed.answered(shown, new=new, etag=etag)


async def _done(ask: Callable[[], Awaitable[Any]]) -> Any:
    """What an operation gives, its refusals as problems."""
    try:
        return await ask()
    except operations.Unknown:
        raise Problem("not_found") from None
    except operations.KeyReused:
        raise Problem("idempotency_key_reused") from None
    except operations.Changed:
        raise Problem("changed_meanwhile") from None
    except operations.NotEnabled:
        raise Problem("endpoint_not_enabled") from None
    except operations.TooManySecrets:
        raise Problem("too_many_secrets") from None


async def _shown(id: bytes, mine: Parts, caller: Caller) -> Response:
    row = await queries.find(mine.engine, id, program_id=caller.program_id, source=caller.source)
    if row is None:
        raise Problem("not_found")
    headers = {"ETag": etags.etag(row.revision)}
    return Response(orjson.dumps(bodies.endpoint(row)), headers=headers, media_type="application/json")
