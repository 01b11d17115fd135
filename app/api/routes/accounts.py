"""What members have: balances, tiers, statements, lots."""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from app.api import asof, etags, ids, paging
from app.api.dependencies import Caller, Parts, PartsHere, Reader, caller_of, published
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import Problem
from app.api.routing import DirectRoute, PrivateRoute, problems
from app.api.schemas import answers
from app.api.schemas import members as bodies
from app.domain import typeid
from app.domain.rules import Rules
from app.domain.scopes import Scope
from app.domain.state import MemberState
from app.queries import balances as balance_queries
from app.queries import events as event_queries
from app.queries import holds as hold_queries
from app.queries import members as member_queries
from app.queries import past, standing
from app.queries.balances import MemberAccounts
from app.queries.past import AsOf

FRESH_SECONDS = 5
"""How long an app may show a balance without asking again."""
router = APIRouter(prefix="/v1/members", tags=["members"], route_class=PrivateRoute)
busy = APIRouter(prefix="/v1/members", tags=["members"], route_class=DirectRoute)
IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "An ETag: 304 if nothing has changed.",
    "schema": {"type": "string"},
}
IfNoneMatch = Annotated[str | None, Header(max_length=256, description="An ETag: 304 if nothing has changed.")]


@busy.get(
    "/{member_id}/balance",
    operation_id="get_balance",
    summary="Read a balance",
    response_model=bodies.BalancesOut,
    responses={
        304: {"description": "Nothing has changed since the ETag."},
        **problems("not_found", "malformed_query", "as_of_out_of_range"),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH, *asof.PARAMETERS]},
)
async def get_balance(member_id: str, request: Request) -> Response:
    """Every account by the instant: what can be spent now, what is pending, held or owed, and what expires next.

    Right to the moment also where no job has run. The ETag changes whenever the answer does.
    """
    mine: Parts = request.app.state.parts
    caller = caller_of(request, Scope.MEMBERS_READ)
    id = ids.in_path(typeid.MEMBER, member_id)
    as_of = await asof.asked(request, id, mine, caller)
    found = await _accounts(id, mine, caller, as_of)
    now = _now(mine, as_of)
    rules = await _rules(mine, caller, now)
    body = orjson.dumps(bodies.balances(id, balance_queries.balances(found, now=now), rules))
    known = request.headers.get("if-none-match")
    return _conditional(body, known, now=now, changes_at=balance_queries.changes_at(found, now=now))


@router.get(
    "/{member_id}/tier",
    operation_id="get_tier",
    summary="Read a tier",
    response_model=bodies.TiersOut,
    responses={
        304: {"description": "Nothing has changed since the ETag."},
        **problems("not_found", "malformed_query", "as_of_out_of_range"),
    },
    openapi_extra={"parameters": asof.PARAMETERS},
)
async def get_tier(
    member_id: str, request: Request, mine: PartsHere, caller: Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """The member's place on each ladder, and what is needed for the next tier."""
    id = ids.in_path(typeid.MEMBER, member_id)
    as_of = await asof.asked(request, id, mine, caller)
    now = _now(mine, as_of)
    answer, changes_at = await tiers(id, mine, caller, now=now, as_of=as_of)
    return _conditional(orjson.dumps(answer), if_none_match, now=now, changes_at=changes_at)


@router.get(
    "/{member_id}/statement",
    operation_id="list_statement",
    summary="Read a statement",
    response_model=answers.EventPage,
    responses=problems("not_found", "malformed_cursor", "malformed_query", "as_of_out_of_range"),
    openapi_extra={"parameters": asof.PARAMETERS},
)
async def list_statement(
    member_id: str, request: Request, mine: PartsHere, caller: Reader, limit: Limit = PAGE, cursor: Cursor = None
) -> Response:
    """Everything that moved the member's points, newest first, each entry with its lots or draws."""
    id = ids.in_path(typeid.MEMBER, member_id)
    as_of = await asof.asked(request, id, mine, caller)
    bound, key = f"statement {member_id} {caller.program_id.hex()} {as_of}", mine.secrets.cursors
    position = paging.begin(cursor, bound_to=bound, key=key)
    before = None if position is None else int(position)
    found = await event_queries.of_member(
        mine.engine, id, program_id=caller.program_id, before=before, limit=limit + 1, as_of=as_of
    )
    if not found and before is None and as_of is None:
        raise Problem("not_found")
    return paging.page(
        "events",
        found,
        limit=limit,
        show=answers.event,
        position=lambda event: str(event.sequence),
        bound_to=bound,
        key=key,
    )


@router.get(
    "/{member_id}/lots",
    operation_id="list_lots",
    summary="Read open lots",
    response_model=bodies.LotPage,
    responses=problems("not_found", "malformed_cursor", "malformed_query", "as_of_out_of_range"),
    openapi_extra={"parameters": asof.PARAMETERS},
)
async def list_lots(
    member_id: str, request: Request, mine: PartsHere, caller: Reader, limit: Limit = PAGE, cursor: Cursor = None
) -> Response:
    """Points credited together of which something remains, each with its dates and its state."""
    id = ids.in_path(typeid.MEMBER, member_id)
    as_of = await asof.asked(request, id, mine, caller)
    bound, key = f"lots {member_id} {caller.program_id.hex()} {as_of}", mine.secrets.cursors
    after = None
    if (position := paging.begin(cursor, bound_to=bound, key=key)) is not None:
        sequence, _, place = position.partition(".")
        after = (int(sequence), int(place))
    program, most, now = caller.program_id, limit + 1, _now(mine, as_of)
    if as_of is None:
        found = await member_queries.open_lots(mine.engine, id, program_id=program, after=after, limit=most, now=now)
    else:
        found = await hold_queries.lots_then(mine.engine, id, as_of, program_id=program, after=after, limit=most)
    if not found:
        await _state(id, mine, caller)
    return paging.page(
        "lots",
        found,
        limit=limit,
        show=lambda lot: bodies.lot(lot, now=now),
        position=lambda lot: f"{lot.sequence}.{lot.position}",
        bound_to=bound,
        key=key,
    )


async def balances(member_id: bytes, mine: Parts, caller: Caller) -> dict[str, Any]:
    """The member's balances now."""
    found, now = await _accounts(member_id, mine, caller, None), mine.clock()
    return bodies.balances(member_id, balance_queries.balances(found, now=now), await _rules(mine, caller, now))


async def tiers(
    member_id: bytes, mine: Parts, caller: Caller, *, now: datetime, as_of: AsOf | None = None
) -> tuple[dict[str, Any], datetime | None]:
    """The tiers by the instant, and when time alone changes them."""
    stored = await _state(member_id, mine, caller)
    versions = await mine.rulebook.of(caller.program_id)
    state = await standing.by_now(mine.engine, stored, versions, program_id=caller.program_id, now=now)
    if as_of is not None:
        reached = await past.terms(mine.engine, member_id, as_of, program_id=caller.program_id)
        unwritten = (term for term in state.tiers if term.sequence > stored.sequence and term.begins <= now)
        given = tuple(floor for floor in state.floors if floor.given_at <= now)
        state = state._replace(tiers=(*reached, *unwritten), floors=given)
    found, rules = await _accounts(member_id, mine, caller, as_of), await _rules(mine, caller, now)
    shown = balance_queries.balances(found, now=now)
    body = bodies.tier_list(state, shown, rules, then=standing.then(state, found, rules))
    changes = [at for at in (balance_queries.changes_at(found, now=now), state.tiers_due_at) if at is not None]
    return body, min(changes, default=None)


def _now(mine: Parts, as_of: AsOf | None) -> datetime:
    """The instant that an answer is for."""
    return mine.clock() if as_of is None else as_of.instant


async def _state(member_id: bytes, mine: Parts, caller: Caller) -> MemberState:
    state = await member_queries.state(mine.engine, member_id, program_id=caller.program_id)
    if state is None:
        raise Problem("not_found")
    return state


async def _rules(mine: Parts, caller: Caller, now: datetime) -> Rules:
    return (await published(mine, caller)).at(now)


async def _accounts(member_id: bytes, mine: Parts, caller: Caller, as_of: AsOf | None) -> MemberAccounts:
    if as_of is not None:
        return await hold_queries.accounts_then(mine.engine, member_id, as_of, program_id=caller.program_id)
    found = await mine.accounts.get((caller.program_id, member_id))
    if found is None:
        raise Problem("not_found")
    return found


def _conditional(body: bytes, if_none_match: str | None, *, now: datetime, changes_at: datetime | None) -> Response:
    """The answer with its ETag, fresh at most until time alone changes it (api C8)."""
    etag = etags.etag(blake2b(body, digest_size=12).hexdigest())
    left = FRESH_SECONDS if changes_at is None else min(FRESH_SECONDS, int((changes_at - now).total_seconds()))
    headers = {"ETag": etag, "Cache-Control": f"private, max-age={max(0, left)}"}
    known = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    if etag in known or "*" in known:
        return Response(None, 304, headers)
    return Response(body, 200, headers, "application/json")
