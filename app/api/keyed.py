"""Writes that are made once per Idempotency-Key: who asks for what, and how that is answered (api C4)."""

from hashlib import sha256
from typing import Annotated, Any

import orjson
from fastapi import Header
from starlette.responses import Response

from app.api.dependencies import Caller
from app.api.problems import Problem
from app.domain import chain, typeid
from app.operations.resending import Asked, KeptAnswer

IdempotencyKey = Annotated[str | None, Header(pattern=r"^[\x20-\x7e]{1,128}$")]


def asked(caller: Caller, key: str | None, operation: str, said: Any) -> Asked:
    """Who asks, for what: the operation with everything that was said. Raises Problem where no key was sent."""
    if key is None:
        raise Problem("idempotency_key_missing")
    return Asked(
        program_id=caller.program_id,
        key_id=caller.key_id,
        actor=typeid.encode(typeid.KEY, caller.key_id),
        key=key,
        digest=sha256(operation.encode() + chain.canonical(said)).digest(),
    )


def kept(asked: Asked, body: Any, *, status: int, location: str | None) -> KeptAnswer:
    """The answer, as it is kept and given."""
    return KeptAnswer(asked.digest, status, location, orjson.dumps(body))


def answered(answer: KeptAnswer, *, new: bool, etag: str | None = None) -> Response:
    """The answer of the first time; a later one says that it is one. With an ETag of what it shows, as it is then."""
    headers = {} if answer.location is None else {"Location": answer.location}
    if etag is not None:
        headers["ETag"] = etag
    if not new:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, answer.status, headers, "application/json")
