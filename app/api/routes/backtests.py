"""Trying the draft of the rules on what really happened (semantics E3): told as it goes, nothing written.

The answer is a stream of lines and no job that is kept: a trial takes about a minute at most, and whoever hangs up has
ended it. It runs beside the tills' requests, a slice at a time.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, cast

import orjson
import structlog
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from app.api.dependencies import Caller, Parts, PartsHere, allowed, published
from app.api.middleware import request_id
from app.api.problems import Problem, invalid
from app.api.routes.rules import sound_draft
from app.api.routing import PrivateRoute, problems
from app.api.schemas import backtests as bodies
from app.domain.backtesting import Trial
from app.domain.scopes import Scope
from app.program import compiling
from app.queries import backtests
from app.queries.backtests import Progress

LINES = "application/x-ndjson"

router = APIRouter(prefix="/v1/program/rules", tags=["program"], route_class=PrivateRoute)

Writer = Annotated[Caller, Depends(allowed(Scope.PROGRAM_WRITE))]

log = structlog.get_logger(__name__)


@router.post(
    "/backtest",
    operation_id="backtest_draft",
    summary="Try the draft of the rules on history",
    response_model=bodies.BacktestLineOut,
    responses={
        200: {
            "description": "Lines of JSON: `progress` about every second, at last a `report`, or a `problem`.",
            "content": {LINES: {"schema": {"$ref": "#/components/schemas/BacktestLineOut"}}},
        },
        **problems(
            "malformed_json", "unsupported_media_type", "body_too_large", "invalid", "not_found",
            "mistakes_in_document", "backtest_running", "no_rules",
        ),
    },
)  # fmt: skip
async def backtest_draft(body: bodies.BacktestIn, request: Request, mine: PartsHere, caller: Writer) -> Response:
    """What the draft would have made of a period: points by unit and rule, cost, tiers, and who gains or loses most.

    Every recorded event of the period is decided again by the draft; nothing is written. One at a time; hanging up ends
    it.
    """
    now = mine.clock()
    until = now if body.until is None else min(body.until, now)
    if body.since >= until:
        raise invalid("/from", "must lie before `to`, and before now")
    document = await sound_draft(mine, caller)
    versions = await published(mine, caller)
    if mine.backtesting.locked():
        raise Problem("backtest_running")
    draft = compiling.compile_next(document, versions, in_force_from=body.since)
    trial = Trial(caller.program_id, versions, draft, body.since, until)
    return _Stream(_lines(trial, mine, top=body.top, asked=request), media_type=LINES)


class _Stream(StreamingResponse):
    """An answer whose source ends with it, also where the caller has hung up."""

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        async with aclosing(cast(AsyncGenerator[bytes, None], self.body_iterator)):
            await super().__call__(scope, receive, send)


async def _lines(trial: Trial, mine: Parts, *, top: int, asked: Request) -> AsyncGenerator[bytes, None]:
    try:
        async with (
            mine.backtesting,  # taken here, as an answer that nobody waits for never begins
            aclosing(backtests.run(mine.engine, trial, top=top, monotonic=time.monotonic)) as found,
        ):
            async for one in found:
                line = bodies.progress(one) if isinstance(one, Progress) else bodies.report(one, trial)
                yield orjson.dumps(line) + b"\n"
    except Exception:  # the status has been sent: what is wrong can only be told by a line
        log.exception("backtest_failed")
        problem = Problem("internal").body(request_id=request_id(asked), instance=asked.url.path)
        yield orjson.dumps({"problem": problem}) + b"\n"
