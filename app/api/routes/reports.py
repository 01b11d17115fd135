"""Reports on the whole program: its books, and what members could still spend."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.api import asof
from app.api.dependencies import Caller, PartsHere, allowed, published
from app.api.problems import malformed_query
from app.api.routing import PrivateRoute, problems
from app.api.schemas import report_examples
from app.api.schemas import reports as bodies
from app.api.schemas.common import Count, Instant
from app.domain import books, calendar
from app.domain.books import Cut
from app.domain.calendar import Every, Period, Span
from app.domain.rules import Versions
from app.domain.scopes import Scope
from app.queries import reports

PERIODS_MOST = 400
"""Periods of one answer: a year of days."""
MONTHS, MONTHS_MOST = 12, 120

router = APIRouter(prefix="/v1/reports", tags=["reports"], route_class=PrivateRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.REPORTS_READ))]


def _asked(description: str, value: str | int, **more: Any) -> Any:
    """A parameter of a query with an example, which a test sends."""
    return Query(description=description, openapi_examples={"one": {"value": value}}, **more)


def _answered(example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": example}}}}


From = Annotated[
    Instant | None,
    _asked("Only what was recorded at this instant or later.", "2027-01-01T00:00:00+01:00", alias="from"),
]
Until = Annotated[Instant | None, _asked("Only what was recorded before this instant.", "2027-07-01T00:00:00+02:00")]
By = Annotated[Every | None, _asked("Tell it also by these periods of the calendar, in the program's zone.", "quarter")]
Then = Annotated[Instant | None, _asked("Answer as it was known at this instant.", "2027-04-01T00:00:00+02:00")]
Months = Annotated[
    Count,
    _asked("The estimate judges by the lots that ended in so many months before.", 24, ge=1, le=MONTHS_MOST),
]


@router.get(
    "/trial-balance",
    operation_id="get_trial_balance",
    summary="Read the trial balance",
    response_model=bodies.TrialBalanceOut,
    responses=_answered(report_examples.TRIAL_BALANCE) | problems("malformed_query", "no_rules"),
)
async def get_trial_balance(
    mine: PartsHere, caller: Reader, since: From = None, until: Until = None, every: By = None
) -> Response:
    """Per unit what was issued, redeemed, expired and reversed, by shop and period, beside what the accounts hold.

    By the time of recording, so that a closed period never changes. The figures of `zegel verify`, to the point.
    """
    versions = await published(mine, caller)
    cut = _cut(since, until, every, versions, now=mine.clock())
    async with mine.reports:
        found = await reports.trial_balance(mine.engine, cut.edges, program_id=caller.program_id)
    answer = bodies.trial_balance(found, cut, versions.at(mine.clock()), since=since, until=until)
    return Response(orjson.dumps(answer), media_type="application/json")


@router.get(
    "/liability",
    operation_id="get_liability",
    summary="Read the liability",
    response_model=bodies.LiabilityOut,
    responses=_answered(report_examples.LIABILITY) | problems("malformed_query", "as_of_out_of_range", "no_rules"),
)
async def get_liability(
    mine: PartsHere, caller: Reader, as_of: Then = None, breakage_months: Months = MONTHS
) -> Response:
    """Per unit what members can still spend, until when, what it is worth, and how much may never be spent.

    Right to the moment also where no job has run. The last is an estimate; the answer says how it was made.
    """
    versions = await published(mine, caller)
    now = mine.clock()
    if as_of is not None:
        asof.within(as_of, earliest=_beginning(versions), now=now)
    at = as_of or now
    rules = versions.at(at)
    since = calendar.later(at, Span(months=-breakage_months), rules.zone)
    read = reports.holdings if as_of is None else reports.past_holdings
    async with mine.reports:
        found = await read(mine.engine, at, since=since, program_id=caller.program_id)
    answer = bodies.liabilities(found, rules, at=at, since=since)
    return Response(orjson.dumps(answer), media_type="application/json")


def _beginning(versions: Versions) -> datetime:
    return min(rules.in_force_from for rules in versions.all)


def _cut(
    since: datetime | None, until: datetime | None, every: Every | None, versions: Versions, *, now: datetime
) -> Cut:
    """The stretches of time that are asked for. Raises Problem."""
    if since is not None and until is not None and since >= until:
        raise malformed_query("until", "must come after `from`")
    if every is None:
        return books.cut(since, until)
    cut = books.cut_by(
        Period(every),
        since,
        until,
        beginning=_beginning(versions),
        now=now,
        zone=versions.at(now).zone,
        most=PERIODS_MOST + 1,
    )
    if len(cut.periods) > PERIODS_MOST:
        raise malformed_query("every", f"makes more than {PERIODS_MOST} periods: ask for longer ones, or for less time")
    return cut
