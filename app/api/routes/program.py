"""The program and the rules it has published."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from app.api import texts
from app.api.dependencies import Caller, Parts, PartsHere, allowed
from app.api.problems import Problem
from app.api.routing import PrivateRoute, problems
from app.api.schemas.common import Count, Out, time
from app.domain import typeid
from app.domain.scopes import Scope
from app.queries import programs

router = APIRouter(prefix="/v1/program", tags=["program"], route_class=PrivateRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.PROGRAM_READ))]


class ProgramOut(Out):
    """The program that the key belongs to."""

    id: str
    code: str
    name: str
    created_at: str
    rules_version: int | None = Field(description="The version in force.")


class RulesOut(Out):
    """A published version of the rules. It never changes."""

    version: int
    digest: str = Field(description="SHA-256 of the canonical document, in hexadecimal.")
    in_force_from: str
    published_at: str
    published_by: str
    document: dict[str, Any]


@router.get("", operation_id="get_program", summary="Read the program", response_model=ProgramOut, responses=problems())
async def get_program(mine: PartsHere, caller: Reader) -> ProgramOut:
    """The program that the key belongs to."""
    found = await programs.program(mine.engine, caller.program_id)
    if found is None:
        raise Problem("not_found")
    versions = await mine.rulebook.of(caller.program_id)
    return ProgramOut(
        id=typeid.encode(typeid.PROGRAM, found.id),
        code=found.code,
        name=found.name,
        created_at=time(found.created_at),
        rules_version=versions.at(mine.clock()).version if versions.all else None,
    )


@router.get(
    "/rules",
    operation_id="get_rules",
    summary="Read the rules in force",
    response_model=RulesOut,
    responses={**texts.ANSWER, **problems("no_rules")},
)
async def get_rules(request: Request, mine: PartsHere, caller: Reader) -> Response:
    """The document that judges events that occur now.

    With `Accept: application/yaml` the answer is the text that was published, byte for byte; `Content-Location` says
    which version it is.
    """
    published = await programs.rules_versions(mine.engine, program_id=caller.program_id)
    found = programs.in_force(published, now=mine.clock())
    if found is None:
        raise Problem("no_rules")
    return await _rules(found, request, mine, caller)


@router.get(
    "/rules/{version}",
    operation_id="get_rules_version",
    summary="Read a version of the rules",
    response_model=RulesOut,
    responses={**texts.ANSWER, **problems("not_found", "malformed_query")},
)
async def get_rules_version(version: Count, request: Request, mine: PartsHere, caller: Reader) -> Response:
    """A version that some event names.

    With `Accept: application/yaml` the answer is the text that was published, byte for byte, comments and all. Of a
    version from before texts were kept it is the document, written out.
    """
    published = await programs.rules_versions(mine.engine, program_id=caller.program_id)
    found = next((row for row in published if row.version == version), None)
    if found is None:
        raise Problem("not_found")
    return await _rules(found, request, mine, caller)


async def _rules(row: programs.RulesVersion, request: Request, mine: Parts, caller: Caller) -> Response:
    if texts.wanted(request):
        text = await programs.text(mine.engine, row, program_id=caller.program_id)
        headers = {"Content-Location": f"/v1/program/rules/{row.version}", "Vary": "Accept"}
        return Response(text, 200, headers, texts.YAML)
    answer = {
        "version": row.version,
        "digest": row.digest.hex(),
        "in_force_from": time(row.in_force_from),
        "published_at": time(row.published_at),
        "published_by": row.published_by,
        "document": json.loads(row.document),
    }
    body = json.dumps(answer, ensure_ascii=False).encode()
    return Response(body, 200, {"Vary": "Accept"}, "application/json")
