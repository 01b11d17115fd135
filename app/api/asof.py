"""Looking back: `as_of` and `by` of a query, and the bounds they have (semantics L14)."""

from datetime import datetime
from typing import Any

from fastapi import Request

from app.api.dependencies import Caller, Parts
from app.api.problems import Problem, malformed_query
from app.api.schemas.common import instant, time
from app.queries import members
from app.queries.past import AsOf

PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "as_of",
        "in": "query",
        "description": "Answer as things stood at this instant.",
        "schema": {"type": "string", "format": "date-time"},
    },
    {
        "name": "by",
        "in": "query",
        "description": "With `as_of`: by what had happened then, or by what was recorded then.",
        "schema": {"type": "string", "enum": ["effect", "recording"], "default": "effect"},
    },
]
"""What a route that looks back names in its OpenAPI."""


async def asked(request: Request, member_id: bytes, mine: Parts, caller: Caller) -> AsOf | None:
    """The instant that the query asks for; None where it asks for now. Raises Problem.

    It lies between the program's beginning, or the member's where that is older history, and now.
    """
    if not request.scope["query_string"]:
        return None
    said = request.query_params
    by = said.get("by", "effect")
    if by not in ("effect", "recording"):
        raise malformed_query("by", "must be effect or recording")
    if "as_of" not in said:
        if "by" in said:
            raise malformed_query("by", "goes with `as_of` only")
        return None
    try:
        at = instant(said["as_of"])
    except ValueError as error:
        raise malformed_query("as_of", str(error)) from None
    state = await members.state(mine.engine, member_id, program_id=caller.program_id)
    if state is None or state.enrolled_at is None:
        raise Problem("not_found")
    versions = await mine.rulebook.of(caller.program_id)
    within(at, earliest=min([state.enrolled_at, *(rules.in_force_from for rules in versions.all)]), now=mine.clock())
    return AsOf(at, by_recording=by == "recording")


def within(at: datetime, *, earliest: datetime, now: datetime) -> None:
    """Raises Problem for an instant that cannot be looked back at."""
    if not earliest <= at <= now:
        raise Problem("as_of_out_of_range", earliest=time(earliest), latest=time(now))
