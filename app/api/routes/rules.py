"""The rules of a program from draft to version: written, checked, compared, published (semantics E3)."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from app.api import etags, paging
from app.api import texts as written
from app.api.dependencies import Caller, Parts, PartsHere, allowed, may
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import FieldError, Problem, invalid
from app.api.routing import NO_BODY, DocumentRoute, PrivateRoute, problems
from app.api.schemas import rules as bodies
from app.api.schemas.common import time
from app.domain.scopes import Scope
from app.operations import programs as operations
from app.program import differing, reading, schema
from app.program.document import Document
from app.program.reading import MistakesInDocument
from app.queries import drafts, programs
from app.queries.programs import Draft

router = APIRouter(prefix="/v1/program/rules", tags=["program"], route_class=PrivateRoute)
texts = APIRouter(prefix="/v1/program/rules", tags=["program"], route_class=DocumentRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.PROGRAM_READ))]
Writer = Annotated[Caller, Depends(allowed(Scope.PROGRAM_WRITE))]
IfMatch = Annotated[str | None, Header(max_length=64, description="The `ETag` of the draft as you read it.")]
Side = Annotated[str, Query(pattern=r"^(draft|current|[1-9][0-9]{0,8})$", max_length=9)]

_BODY = {
    "required": True,
    "description": "The document as you write it, at most 256 KiB. It may still have mistakes.",
    "content": {
        written.YAML: {"schema": {"type": "string", "maxLength": reading.MAX_BYTES}},
        "application/json": {"schema": {"type": "object"}},
    },
}


@router.get(
    "/draft",
    operation_id="get_draft",
    summary="Read the draft of the rules",
    response_model=bodies.DraftOut,
    responses={**written.ANSWER, **problems("not_found")},
)
async def get_draft(request: Request, mine: PartsHere, caller: Writer) -> Response:
    """What may become the next version, with who changed it last; its `ETag` is what the next change must name.

    With `Accept: application/yaml` the answer is the document itself, byte for byte.
    """
    found = await _draft(mine, caller)
    headers = {"ETag": etags.etag(found.revision), "Vary": "Accept"}
    if written.wanted(request):
        return Response(found.text, 200, headers, written.YAML)
    return Response(orjson.dumps(bodies.draft(found)), 200, headers, "application/json")


@texts.put(
    "/draft",
    operation_id="save_draft",
    summary="Write the draft of the rules",
    response_model=bodies.SavedOut,
    responses=problems(
        "malformed_json", "malformed_header", "unsupported_media_type", "body_too_large", "invalid",
        "if_match_missing", "changed_meanwhile",
    ),
    openapi_extra={"requestBody": _BODY},
)  # fmt: skip
async def save_draft(
    request: Request,
    mine: PartsHere,
    caller: Writer,
    if_match: IfMatch = None,
    if_none_match: Annotated[str | None, Header(max_length=64, description="`*` for the first draft.")] = None,
) -> Response:
    """Keeps a document as it is written, also one with mistakes: a draft judges nothing.

    `If-Match` names the draft that it was made from, so that two people who edit at once never write over each other.
    """
    first = if_match is None and if_none_match == etags.ANY
    replaces = 0 if first else etags.revision(if_match)
    text = await request.body()
    if not _is_text(text):
        raise invalid("", "must be UTF-8 text without NUL")
    now = mine.clock()
    try:
        revision = await operations.save_draft(
            mine.engine,
            text,
            program_id=caller.program_id,
            replaces=replaces,
            audit_id=mine.fresh_id(),
            by=caller.owner,
            now=now,
        )
    except operations.DraftChanged as changed:
        raise _changed(changed) from None
    answer = bodies.saved(revision, at=now, by=caller.owner)
    return Response(orjson.dumps(answer), 200, {"ETag": etags.etag(revision)}, "application/json")


@router.post(
    "/draft/check",
    operation_id="check_draft",
    summary="Check the draft of the rules",
    response_model=bodies.CheckedOut,
    responses=problems(*NO_BODY, "not_found"),
)
async def check_draft(mine: PartsHere, caller: Writer) -> Response:
    """Everything that is wrong with the draft, at once: each mistake with its place and line, and what may be meant."""
    found = await _draft(mine, caller)
    _, mistakes = await drafts.judged(mine.engine, found.text, program_id=caller.program_id)
    answer = bodies.checked(found.revision, mistakes)
    return Response(orjson.dumps(answer), 200, {"ETag": etags.etag(found.revision)}, "application/json")


@router.post(
    "/draft/publish",
    operation_id="publish_draft",
    summary="Publish the draft of the rules",
    response_model=bodies.VersionOut,
    status_code=201,
    responses={
        200: {"model": bodies.VersionOut, "description": "The version in force then says the same already."},
        **problems(
            "malformed_json", "malformed_header", "unsupported_media_type", "body_too_large", "invalid", "not_found",
            "if_match_missing", "changed_meanwhile", "mistakes_in_document", "not_in_the_past",
        ),
    },
)  # fmt: skip
async def publish_draft(
    mine: PartsHere, caller: Writer, body: bodies.PublishIn = bodies.AT_ONCE, if_match: IfMatch = None
) -> Response:
    """Makes the draft the next version, in force at once or from an instant to come. A version never changes.

    `If-Match` names the draft that was checked: changed since, it is not published. Without a body it is in force at
    once. Shops are told by a `rules.published` message.
    """
    checked = etags.revision(if_match)
    found = await _draft(mine, caller)
    if checked not in (None, found.revision):
        raise _changed(operations.DraftChanged(found.revision))
    document = await _sound(found, mine, caller)
    now = mine.clock()
    wanted = operations.Publication(mine.fresh_id(), caller.owner, now, body.in_force_from)
    try:
        published = await operations.publish_draft(
            mine.engine, document, wanted, text=found.text, program_id=caller.program_id, revision=found.revision
        )
    except operations.DraftChanged as changed:
        raise _changed(changed) from None
    except operations.TooSoon as soon:
        raise Problem("not_in_the_past", earliest=time(soon.earliest)) from None
    except MistakesInDocument as mistakes:
        raise mistaken(mistakes) from None
    listed = await programs.listed(mine.engine, program_id=caller.program_id)
    (version,) = [one for one in listed if one.version == published.version]
    headers = {"Location": f"/v1/program/rules/{version.version}"}
    answer = bodies.version(version, now=now)
    return Response(orjson.dumps(answer), 201 if published.new else 200, headers, "application/json")


@router.get(
    "/versions",
    operation_id="list_versions",
    summary="List the versions of the rules",
    response_model=bodies.VersionPage,
    responses=problems("malformed_cursor", "malformed_query"),
)
async def list_versions(mine: PartsHere, caller: Reader, limit: Limit = PAGE, cursor: Cursor = None) -> Response:
    """Every version, newest first: which one is in force, which wait, and until when each judges."""
    bound, key = f"versions {caller.program_id.hex()}", mine.secrets.cursors
    before = paging.begin(cursor, bound_to=bound, key=key)
    found = await programs.listed(mine.engine, program_id=caller.program_id)
    rest = [one for one in found if before is None or one.version < int(before)]
    now = mine.clock()
    return paging.page(
        "versions",
        rest[: limit + 1],
        limit=limit,
        show=lambda one: bodies.version(one, now=now),
        position=lambda one: str(one.version),
        bound_to=bound,
        key=key,
    )


@router.get(
    "/diff",
    operation_id="compare_rules",
    summary="Compare two versions, or the draft",
    response_model=bodies.DifferencesOut,
    responses=problems("not_found", "malformed_query", "mistakes_in_document"),
)
async def compare_rules(
    mine: PartsHere,
    caller: Reader,
    before: Annotated[
        Side, Query(alias="from", description="A version, `current` for the one in force, or `draft`.")
    ] = "current",
    after: Annotated[
        Side, Query(alias="to", description="The same; the draft needs the scope `program:write`.")
    ] = "draft",
) -> Response:
    """What two documents say differently, place by place; rules, tiers and the like are matched by their ids."""
    if "draft" in (before, after):
        may(caller, Scope.PROGRAM_WRITE)
    old, new = [await _canonical(side, mine, caller) for side in (before, after)]
    found = differing.differences(old[1], new[1])
    answer = {
        "before": old[0],
        "after": new[0],
        "differences": [bodies.difference(one) for one in found],
        "text": differing.text(found),
    }
    return Response(orjson.dumps(answer), media_type="application/json")


@router.get(
    "/schema",
    operation_id="get_rules_schema",
    summary="Read the JSON Schema of documents",
    responses=problems(),
)
async def get_rules_schema(caller: Reader) -> Response:
    """The JSON Schema (draft 2020-12) of program documents, with which editors complete and check while you type."""
    return Response(orjson.dumps(schema.json_schema()), media_type="application/schema+json")


def mistaken(error: MistakesInDocument) -> Problem:
    """The problem of a document that has mistakes."""
    errors = [FieldError(one.pointer, one.message, one.suggestion, one.line) for one in error.mistakes]
    return Problem("mistakes_in_document", errors=errors)


async def _draft(mine: Parts, caller: Caller) -> Draft:
    found = await programs.draft(mine.engine, program_id=caller.program_id)
    if found is None:
        raise Problem("not_found", detail="There is no draft yet: `PUT` one.")
    return found


async def sound_draft(mine: Parts, caller: Caller) -> Document:
    """The document of the draft. Raises Problem where there is none, or it has mistakes."""
    return await _sound(await _draft(mine, caller), mine, caller)


async def _sound(found: Draft, mine: Parts, caller: Caller) -> Document:
    try:
        return await drafts.sound(mine.engine, found.text, program_id=caller.program_id)
    except MistakesInDocument as mistakes:
        raise mistaken(mistakes) from None


async def _canonical(side: str, mine: Parts, caller: Caller) -> tuple[str, bytes]:
    """What a side of a comparison is called, and its canonical document."""
    if side == "draft":
        return side, reading.canonical(await sound_draft(mine, caller))
    published = await programs.rules_versions(mine.engine, program_id=caller.program_id)
    if side == "current":
        row = programs.in_force(published, now=mine.clock())
    else:
        row = next((row for row in published if row.version == int(side)), None)
    if row is None:
        raise Problem("not_found", detail="There is no such version.")
    return str(row.version), row.document


def _changed(changed: operations.DraftChanged) -> Problem:
    headers = {"ETag": etags.etag(changed.revision)} if changed.revision else {}
    return Problem("changed_meanwhile", revision=changed.revision, headers=headers)


def _is_text(body: bytes) -> bool:
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False
