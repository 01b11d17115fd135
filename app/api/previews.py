"""Dry runs: what a query says of one, and who may say it (api C10)."""

from datetime import datetime
from typing import Any, NamedTuple

from fastapi import Request

from app.api.dependencies import Caller, may
from app.api.problems import malformed_query
from app.api.schemas.common import instant
from app.domain.scopes import Scope

PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "dry_run",
        "in": "query",
        "description": "Answer exactly what would happen, and write nothing.",
        "schema": {"type": "boolean", "default": False},
    },
    {
        "name": "now",
        "in": "query",
        "description": "With `dry_run` and the scope `program:write`: pretend that it is this time.",
        "schema": {"type": "string", "format": "date-time"},
    },
    {
        "name": "rules",
        "in": "query",
        "description": "With `dry_run` and the scope `program:write`: judge by the draft of the rules.",
        "schema": {"type": "string", "enum": ["draft"]},
    },
]
"""What a route that can be tried names in its OpenAPI."""


class Preview(NamedTuple):
    """Whether a request only asks what would happen, at which pretended time, and whether by the draft."""

    dry_run: bool = False
    now: datetime | None = None
    draft: bool = False


def asked(request: Request, caller: Caller) -> Preview:
    """What the query says of a dry run. Raises Problem where it says it wrongly."""
    if not request.scope["query_string"]:
        return Preview()
    said = request.query_params
    dry_run = flag(request, "dry_run")
    for name in ("now", "rules"):
        if name in said:
            may(caller, Scope.PROGRAM_WRITE)
            if not dry_run:
                raise malformed_query(name, "goes with `dry_run` only")
    if said.get("rules", "draft") != "draft":
        raise malformed_query("rules", "must be draft")
    try:
        return Preview(dry_run, instant(said["now"]) if "now" in said else None, "rules" in said)
    except ValueError as error:
        raise malformed_query("now", str(error)) from None


def flag(request: Request, name: str) -> bool:
    """A parameter that is true or false, false unless said. Raises Problem for anything else."""
    said = request.query_params.get(name, "false")
    if said not in ("true", "false"):
        raise malformed_query(name, "must be true or false")
    return said == "true"
