"""Adjustments: points given or taken by hand, and the second person who agrees (semantics E5)."""

from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.api import ids, paging
from app.api.dependencies import Caller, Parts, PartsHere, allowed, published
from app.api.paging import PAGE, Cursor, Limit
from app.api.problems import Problem, of_refusal
from app.api.routes.events import answered, problem_of
from app.api.routing import NO_BODY, PrivateRoute, problems
from app.api.schemas import adjustments as bodies
from app.api.schemas import answers
from app.domain import adjusting, chain, encoding, typeid
from app.domain.adjusting import Proposal, Standing
from app.domain.commands import OPERATIONS, Adjustment, Cancellation, Command, Named, Reference
from app.domain.refusals import EventIdReused, Refused
from app.domain.scopes import Scope
from app.ledger.outcomes import Created, Replayed
from app.ledger.outcomes import Refused as NotRecorded
from app.operations import adjustments as operations
from app.queries import adjustments as queries
from app.queries import members

router = APIRouter(prefix="/v1/adjustments", tags=["adjustments"], route_class=PrivateRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.ADJUSTMENTS_READ))]
Writer = Annotated[Caller, Depends(allowed(Scope.ADJUSTMENTS_WRITE))]
Approver = Annotated[Caller, Depends(allowed(Scope.ADJUSTMENTS_APPROVE))]

_RULES = ("unknown_reason", "unknown_unit", "expiry_not_possible", "points_out_of_range", "no_rules", "unknown_outcome")
_DECIDING = ("not_found", "self_approval", "already_decided", "adjustment_lapsed")


@router.post(
    "",
    operation_id="request_adjustment",
    summary="Give or take points by hand",
    response_model=bodies.AdjustmentOut,
    status_code=201,
    responses={
        200: {"model": bodies.AdjustmentOut, "description": "Asked for before, and no longer waiting."},
        202: {"model": bodies.AdjustmentOut, "description": "It waits for a second person."},
        **problems(
            "malformed_json", "unsupported_media_type", "body_too_large", "invalid", "event_id_reused",
            "unknown_member", "daily_limit", *_RULES,
        ),
    },
)  # fmt: skip
async def request_adjustment(body: bodies.AdjustmentIn, mine: PartsHere, caller: Writer) -> Response:
    """Records points that a person gives or takes, with the reason: at once, or after a second person has agreed.

    The program says from how much on a day's adjustments of one person need a second one. The `id` is yours and stands
    for the content: sent again, it answers what has become of it.
    """
    asked = await _asked(body, mine, caller)
    earlier = await queries.keyed(mine.engine, asked.key, program_id=caller.program_id)
    if earlier is None:
        await _try(asked, mine, caller)
    rules = (await published(mine, caller)).at(asked.requested_at)
    try:
        asked, new = await operations.ask(
            mine.engine,
            asked,
            rules.adjustments,
            program_id=caller.program_id,
            zone=rules.zone,
            audit_id=mine.fresh_id(),
        )
    except operations.IdTaken as taken:
        raise Problem("event_id_reused", adjustment=typeid.encode(typeid.ADJUSTMENT, taken.asked.id)) from None
    except Refused as refused:
        raise of_refusal(refused.refusal) from None
    asked = await _recorded(asked, mine, caller)
    shown = await _shown(asked, mine, caller)
    status = 202 if shown["state"] == Standing.WAITING else 201 if new else 200
    headers = {"Location": f"/v1/adjustments/{shown['id']}"} if new else {"Idempotent-Replayed": "true"}
    return Response(orjson.dumps(shown), status, headers, "application/json")


@router.get(
    "",
    operation_id="list_adjustments",
    summary="List adjustments",
    response_model=bodies.AdjustmentPage,
    responses=problems("malformed_cursor", "malformed_query"),
)
async def list_adjustments(
    mine: PartsHere,
    caller: Reader,
    state: Annotated[Standing | None, Query(description="Only those in this state.")] = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """What persons asked to give or take by hand, in the order in which they asked."""
    bound, key, now = f"adjustments {caller.program_id.hex()} {state}", mine.secrets.cursors, mine.clock()
    after = paging.begin_after(cursor, bound_to=bound, key=key)
    found = await queries.page(
        mine.engine, program_id=caller.program_id, state=state, after=after, limit=limit + 1, now=now
    )
    return paging.page(
        "adjustments",
        found,
        limit=limit,
        show=lambda one: bodies.adjustment(one, now=now),
        position=lambda one: one.id.hex(),
        bound_to=bound,
        key=key,
    )


@router.get(
    "/{adjustment_id}",
    operation_id="get_adjustment",
    summary="Read an adjustment",
    response_model=bodies.AdjustmentOut,
    responses=problems("not_found"),
)
async def get_adjustment(adjustment_id: str, mine: PartsHere, caller: Reader) -> Response:
    """What was asked for, by whom, and what has become of it."""
    found = await _found(adjustment_id, mine, caller)
    return Response(orjson.dumps(bodies.adjustment(found, now=mine.clock())), media_type="application/json")


@router.post(
    "/{adjustment_id}/approve",
    operation_id="approve_adjustment",
    summary="Agree to an adjustment",
    response_model=bodies.AdjustmentOut,
    responses=problems(*NO_BODY, *_DECIDING, *_RULES),
)
async def approve_adjustment(adjustment_id: str, mine: PartsHere, caller: Approver) -> Response:
    """Records what another person asked for. Sent again by the same person, it answers the same.

    It takes a key of another owner than the one that asked. Where the ledger refuses it by now, it goes on waiting.
    """
    found = await _found(adjustment_id, mine, caller)
    try:
        adjusting.check_decision(found, Standing.APPROVED, by=caller.owner, now=mine.clock())
    except Refused as refused:
        raise of_refusal(refused.refusal) from None
    if found.event_id is None:
        await _try(found, mine, caller)
    decided = await _decide(found, Standing.APPROVED, mine, caller)
    shown = await _shown(await _recorded(decided, mine, caller), mine, caller)
    return Response(orjson.dumps(shown), media_type="application/json")


@router.post(
    "/{adjustment_id}/reject",
    operation_id="reject_adjustment",
    summary="Turn an adjustment down",
    response_model=bodies.AdjustmentOut,
    responses=problems(*NO_BODY, *_DECIDING),
)
async def reject_adjustment(adjustment_id: str, mine: PartsHere, caller: Approver) -> Response:
    """Ends what another person asked for: nothing is recorded. Sent again by the same person, it answers the same."""
    found = await _found(adjustment_id, mine, caller)
    shown = await _shown(await _decide(found, Standing.REJECTED, mine, caller), mine, caller)
    return Response(orjson.dumps(shown), media_type="application/json")


@router.post(
    "/{adjustment_id}/cancel",
    operation_id="cancel_adjustment",
    summary="Take back what was given by hand",
    response_model=answers.EventOut,
    status_code=201,
    responses={
        200: {"model": answers.EventOut, "description": "Taken back before, by the same person."},
        **problems(
            *NO_BODY, "not_found", "unknown_event", "not_reversible", "nothing_left", "points_out_of_range",
            "unknown_outcome",
        ),
    },
)  # fmt: skip
async def cancel_adjustment(adjustment_id: str, mine: PartsHere, caller: Writer) -> Response:
    """Takes back the points that an adjustment gave, as far as they are there; the rest is owed or forgiven.

    What an adjustment took is not given back so: ask for another one.
    """
    found = await _found(adjustment_id, mine, caller)
    if found.event_id is None:
        raise Problem("unknown_event", detail="Nothing was recorded that could be taken back.")
    command = Command(
        id=mine.fresh_id(),
        source=OPERATIONS,
        key=found.key,
        member=Reference(found.member_id),
        occurred_at=mine.clock(),
        facts=Cancellation(Named(found.event_id, kind=Adjustment.kind), operator=caller.owner),
        time_said=False,
    )
    (outcome,) = await mine.ledger.submit([command], program_id=caller.program_id)
    match outcome:
        case NotRecorded(EventIdReused()):  # another person was first
            raise Problem("nothing_left")
        case _:
            return answered(outcome)


async def _asked(body: bodies.AdjustmentIn, mine: Parts, caller: Caller) -> Proposal:
    """What the body asks for, as it waits; of a member who is known."""
    facts, said = bodies.facts(body, actor=caller.owner), bodies.member(body, key=mine.secrets.identities)
    member_id = said.member_id
    if said.identity is not None:
        member_id = await members.known_as(mine.engine, said.identity.digest, program_id=caller.program_id)
    if member_id is None:
        raise Problem("unknown_member", detail="Enrol the member first: nobody is enrolled by an adjustment.")
    now = mine.clock()
    asked = Proposal(
        id=mine.fresh_id(),
        key=body.id,
        member_id=member_id,
        facts=facts,
        particulars=bodies.particulars(body),
        digest=b"",
        requested_at=now,
        state=Standing.WAITING,
        lapses_at=now + adjusting.WAITS,
    )
    command = _command(asked, mine)
    encoded = encoding.encode_facts(facts)
    return replace(asked, digest=chain.command_digest(command, encoded, member_id, key=mine.secrets.commands))


def _command(asked: Proposal, mine: Parts) -> Command:
    """What the ledger is asked to record: as of now, and under one key however often it is asked."""
    return Command(
        id=mine.fresh_id(),
        source=OPERATIONS,
        key=asked.key,
        member=Reference(asked.member_id),
        occurred_at=mine.clock(),
        facts=replace(asked.facts, approver=asked.decided_by),
        particulars=asked.particulars,
        time_said=False,
    )


async def _try(asked: Proposal, mine: Parts, caller: Caller) -> None:
    """Raises Problem where the ledger would refuse it, before anybody is told that it waits or is approved.

    Another request for the same may have been faster: what is true then is found under the lock.
    """
    (outcome,) = await mine.ledger.preview([_command(asked, mine)], program_id=caller.program_id, now=None)
    match outcome:
        case Created() | Replayed() | NotRecorded(EventIdReused()):
            return
        case _:
            raise problem_of(outcome)


async def _recorded(asked: Proposal, mine: Parts, caller: Caller) -> Proposal:
    """Records what is approved and not recorded yet: killed in between, the next call finds it so and goes on."""
    if asked.state is not Standing.APPROVED or asked.event_id is not None:
        return asked
    (outcome,) = await mine.ledger.submit([_command(asked, mine)], program_id=caller.program_id)
    if not isinstance(outcome, Created | Replayed):
        raise problem_of(outcome)
    return await operations.record(mine.engine, asked, program_id=caller.program_id, event_id=outcome.event.id)


async def _decide(found: Proposal, verdict: Standing, mine: Parts, caller: Caller) -> Proposal:
    try:
        decided = await operations.decide(
            mine.engine,
            found.id,
            verdict,
            program_id=caller.program_id,
            by=caller.owner,
            audit_id=mine.fresh_id(),
            now=mine.clock(),
        )
    except Refused as refused:
        raise of_refusal(refused.refusal) from None
    if decided is None:
        raise Problem("not_found")
    return decided


async def _found(adjustment_id: str, mine: Parts, caller: Caller) -> Proposal:
    id = ids.in_path(typeid.ADJUSTMENT, adjustment_id)
    found = await queries.find(mine.engine, id, program_id=caller.program_id)
    if found is None:
        raise Problem("not_found")
    return found


async def _shown(asked: Proposal, mine: Parts, caller: Caller) -> dict[str, Any]:
    """The adjustment as it is read now: with its note, also where that lies beside the event."""
    found = await queries.find(mine.engine, asked.id, program_id=caller.program_id)
    assert found is not None
    return bodies.adjustment(found, now=mine.clock())
