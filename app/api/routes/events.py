"""Events: one, many, and what was recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from app.api import handlers, ids, previews
from app.api.dependencies import Caller, Parts, PartsHere, allowed, caller_of, may
from app.api.languages import LANGUAGE, Telling, telling
from app.api.previews import Preview
from app.api.problems import Problem, invalid, of_refusal
from app.api.routes.rules import sound_draft
from app.api.routing import DirectRoute, PrivateRoute, problems
from app.api.schemas import answers
from app.api.schemas.commands import check_born, to_command
from app.api.schemas.common import PRINTABLE
from app.api.schemas.events import (
    EVENT,
    NOBODY,
    ActivityIn,
    AnyEventIn,
    BatchIn,
    CancellationIn,
    CaptureIn,
    EnrolmentIn,
    EventBody,
    HoldIn,
    PurchaseIn,
    RedemptionIn,
    ReferralClaimIn,
    ReleaseIn,
    TransferIn,
)
from app.domain import typeid
from app.domain.commands import OPERATIONS, Activity, Adjustment, Command, Purchase, Transfer
from app.domain.events import Recorded
from app.domain.rules import Rules
from app.domain.scopes import Scope
from app.ledger.outcomes import Contended, Created, Failed, Outcome, Parked, Refused, Replayed, Settled, Unknown
from app.program import compiling
from app.queries import events as recorded_events

BATCH_EVENTS = 500

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=PrivateRoute)
busy = APIRouter(prefix="/v1/events", tags=["events"], route_class=DirectRoute)

Reader = Annotated[Caller, Depends(allowed(Scope.EVENTS_READ))]
EXPLAIN = {
    "name": "explain",
    "in": "query",
    "description": "Add the explanation to each event.",
    "schema": {"type": "boolean", "default": False},
}

JUDGED = (
    "event_id_reused", "unknown_member", "no_rules", "not_after_passed", "points_out_of_range", "unknown_outcome",
    "insufficient_points", "unlisted_currency", "total_mismatch", "unknown_unit", "not_spendable", "offline_allowance",
    "unknown_event", "other_members_event", "not_reversible", "nothing_left", "unknown_line", "more_than_left",
    "more_points_than_left", "other_currency", "already_fulfilled", "purchase_needed",
    "unknown_hold", "hold_settled", "more_than_held",
    "already_opened", "not_new", "unit_has_lots", "unit_has_no_lots", "unknown_tier",
    "transfers_off", "unknown_receiver", "own_transfer", "transfer_limit", "recently_received", "transfer_spent",
)  # fmt: skip
"""What any event may be refused with whenever it is judged, also when it is let in later."""

_REFUSALS = (
    "malformed_json", "unsupported_media_type", "body_too_large", "invalid", "malformed_query",
    "shop_key_required", "history_scope", "mistakes_in_document", "not_found",
    "too_late", "too_early", "identity_taken", "unknown_referral_code",
    "already_referred", "own_referral_code", "has_referred", "has_bought", *JUDGED,
)  # fmt: skip


@busy.post(
    "",
    operation_id="record_event",
    summary="Record one event",
    response_model=answers.EventOut,
    status_code=201,
    responses={
        200: {"model": answers.EventOut, "description": "Recorded before with the same content, or a dry run."},
        202: {"model": answers.ParkedOut, "description": "It waits for the event that it names."},
        **problems(*_REFUSALS),
    },
    openapi_extra={"parameters": [*previews.PARAMETERS, LANGUAGE]},
)
async def record_event(body: AnyEventIn, request: Request) -> Response:
    """Records an event: a purchase, a return, a redemption and so on, and answers what came of it, rule by rule.

    The event's `id` is yours, and stands for its content for ever: sent again, it answers the same with 200 and
    `Idempotent-Replayed: true`, so retry freely. Other content under a used id is refused.
    """
    mine: Parts = request.app.state.parts
    caller = caller_of(request, Scope.EVENTS_WRITE)
    preview = previews.asked(request, caller)
    command = _command(body, mine, caller, preview)
    del body  # before the wait: what the next request brings takes its place in the processor's cache
    words = await telling(request, mine, caller)
    if preview.dry_run:
        return await _previewed(command, mine, caller, preview, words=words)
    (outcome,) = await mine.ledger.submit([command], program_id=caller.program_id)
    return answered(outcome, words)


@busy.post(
    "/batch",
    operation_id="record_events",
    summary="Record up to 500 events",
    response_model=answers.BatchOut,
    status_code=207,
    responses=problems(
        "malformed_json",
        "unsupported_media_type",
        "body_too_large",
        "invalid",
        "batch_too_large",
        "shop_key_required",
        "malformed_query",
    ),
    openapi_extra={"parameters": [*previews.PARAMETERS, EXPLAIN, LANGUAGE]},
)
async def record_events(body: BatchIn, request: Request) -> Response:
    """Records many events, each with its own outcome: one bad item never blocks the others.

    They are judged in the order in which they occurred (history: as sent). Send the batch again whenever in doubt:
    nothing is recorded twice.
    """
    mine: Parts = request.app.state.parts
    caller = caller_of(request, Scope.EVENTS_WRITE)
    preview = previews.asked(request, caller)
    dry_run = preview.dry_run
    explain, words = previews.flag(request, "explain"), await telling(request, mine, caller)
    judging: Mapping[int, Rules] = {}
    if len(body.events) > BATCH_EVENTS:
        raise Problem("batch_too_large", limit=BATCH_EVENTS)
    items: list[Command | Problem] = [_item(item, mine, caller, preview) for item in body.events]
    commands = [item for item in items if isinstance(item, Command)]
    if dry_run:
        trial = await _trial(commands, mine, caller, preview)
        words = _of_trial(words, trial)
        judging = await _judging(mine, caller, trial)
        outcomes = await mine.ledger.preview(commands, program_id=caller.program_id, now=preview.now, trial=trial)
    else:
        outcomes = await mine.ledger.submit(commands, program_id=caller.program_id) if commands else []
    left = iter(outcomes)
    results = [
        _item_problem(item)
        if isinstance(item, Problem)
        else _item_answer(next(left), judging, explain=explain, dry_run=dry_run, words=words)
        for item in items
    ]
    status = 200 if dry_run else 207
    return Response(orjson.dumps({"results": results}), status, media_type="application/json")


@router.get(
    "",
    operation_id="find_events",
    summary="Find a receipt",
    response_model=answers.EventsFoundPage,
    responses=problems("malformed_query"),
    openapi_extra={"parameters": [LANGUAGE]},
)
async def find_events(
    request: Request,
    mine: PartsHere,
    caller: Reader,
    source: Annotated[str, Query(pattern=PRINTABLE, max_length=64, description="The shop that sent it.")],
    id: Annotated[str, Query(pattern=PRINTABLE, max_length=128, description="The sender's own id.")],
    kind: Annotated[
        str | None, Query(pattern=PRINTABLE, max_length=32, description="Its type; all types if left out.")
    ] = None,
) -> Response:
    """Finds what a shop recorded under its own id; of a purchase also what is left to be returned."""
    found = await recorded_events.by_key(mine.engine, program_id=caller.program_id, source=source, key=id, kind=kind)
    words = await telling(request, mine, caller)
    page = {"events": [await _standing(event, words, mine, caller) for event in found], "next_cursor": None}
    return Response(orjson.dumps(page), media_type="application/json")


@router.get(
    "/{event_id}",
    operation_id="get_event",
    summary="Read one event",
    response_model=answers.EventFoundOut,
    responses=problems("not_found", "malformed_query"),
    openapi_extra={"parameters": [LANGUAGE]},
)
async def get_event(event_id: str, request: Request, mine: PartsHere, caller: Reader) -> Response:
    """The event as it was answered when it was recorded; of a purchase also what is left to be returned."""
    id = ids.in_path(typeid.EVENT, event_id)
    found = await recorded_events.by_id(mine.engine, id, program_id=caller.program_id)
    if found is None:
        raise Problem("not_found")
    answer = await _standing(found, await telling(request, mine, caller), mine, caller)
    return Response(orjson.dumps(answer), media_type="application/json")


async def _standing(event: Recorded, words: Telling | None, mine: Parts, caller: Caller) -> dict[str, Any]:
    followed = await recorded_events.followed(mine.engine, event, program_id=caller.program_id)
    answer = answers.event(event, followed, telling=words)
    if event.kind == Purchase.kind:
        followers = await recorded_events.about(mine.engine, event.id, program_id=caller.program_id)
        answer["left"] = answers.left(event, followers)
    return answer


def _command(body: EventBody, mine: Parts, caller: Caller, preview: Preview) -> Command:
    if not preview.dry_run and isinstance(body, PurchaseIn | ActivityIn) and body.member == NOBODY:
        raise invalid("/member", "is missing")
    gives_back = isinstance(body, CancellationIn) and body.kind not in (Purchase.kind, Activity.kind, Transfer.kind)
    if isinstance(body, RedemptionIn | HoldIn | CaptureIn | ReleaseIn) or gives_back:
        may(caller, Scope.REDEMPTIONS_WRITE)
    if isinstance(body, RedemptionIn) and body.offline:
        may(caller, Scope.REDEMPTIONS_OFFLINE)
    if isinstance(body, TransferIn) or (isinstance(body, CancellationIn) and body.kind == Transfer.kind):
        may(caller, Scope.TRANSFERS_WRITE)
    if isinstance(body, EnrolmentIn | ReferralClaimIn):
        may(caller, Scope.MEMBERS_WRITE)
    if isinstance(body, EnrolmentIn):
        check_born(body.birthday, now=preview.now or mine.clock())
    if isinstance(body, CancellationIn) and body.kind == Adjustment.kind:
        may(caller, Scope.ADJUSTMENTS_WRITE)
    if body.history and Scope.EVENTS_HISTORY not in caller.scopes:
        raise Problem("history_scope", scope=Scope.EVENTS_HISTORY.value)
    return to_command(body, id=mine.fresh_id(), source=_source(caller, preview), key=mine.secrets.identities)


def _source(caller: Caller, preview: Preview) -> str:
    """The caller's shop. A dry run of the program's own key, which has none, is judged as if a person had sent it."""
    return OPERATIONS if preview.dry_run and caller.source is None else caller.shop


async def _previewed(
    command: Command, mine: Parts, caller: Caller, preview: Preview, *, words: Telling | None
) -> Response:
    trial = await _trial([command], mine, caller, preview)
    words = _of_trial(words, trial)
    (outcome,) = await mine.ledger.preview([command], program_id=caller.program_id, now=preview.now, trial=trial)
    if isinstance(outcome, Created | Replayed):
        provisional = isinstance(outcome, Created)
        rules = (await _judging(mine, caller, trial)).get(outcome.event.rules_version)
        body = answers.event(outcome.event, outcome.followed, provisional=provisional, telling=words, rules=rules)
        return Response(orjson.dumps(body), 200, media_type="application/json")
    if isinstance(outcome, Parked):
        return Response(orjson.dumps(answers.parked(outcome.waiting, provisional=True)), 200, None, "application/json")
    return answered(outcome)


async def _trial(commands: Sequence[Command], mine: Parts, caller: Caller, preview: Preview) -> Rules | None:
    """The draft, in force from the earliest of the commands on, if they are to be judged by it. Raises Problem."""
    if not preview.draft or not commands:
        return None
    document = await sound_draft(mine, caller)
    versions = await mine.rulebook.of(caller.program_id)
    return compiling.compile_next(document, versions, in_force_from=min(c.occurred_at for c in commands))


async def _judging(mine: Parts, caller: Caller, trial: Rules | None) -> Mapping[int, Rules]:
    """The rules that may judge a dry run, by version; without those that are so new that they are not at hand."""
    published = (await mine.rulebook.of(caller.program_id)).all
    return {one.version: one for one in (*published, trial) if one is not None}


def _of_trial(words: Telling | None, trial: Rules | None) -> Telling | None:
    return words if words is None else words._replace(versions=replace(words.versions, trial=trial))


def answered(outcome: Outcome, words: Telling | None = None) -> Response:
    """The answer that an outcome gets. Raises Problem where there is no event."""
    match outcome:
        case Created(event, followed):
            headers = {"Location": "/v1/events/" + typeid.encode(typeid.EVENT, event.id)}
            shown = orjson.dumps(answers.event(event, followed, telling=words))
            return Response(shown, 201, headers, "application/json")
        case Replayed(event, followed):
            headers = {"Idempotent-Replayed": "true"}
            shown = orjson.dumps(answers.event(event, followed, telling=words))
            return Response(shown, 200, headers, "application/json")
        case Parked(waiting):
            return Response(orjson.dumps(answers.parked(waiting)), 202, media_type="application/json")
        case _:
            raise problem_of(outcome)


def problem_of(outcome: Outcome) -> Problem:
    """The problem that an outcome without an event answers."""
    match outcome:
        case Refused(refusal):
            return of_refusal(refusal)
        case Unknown():
            return Problem("unknown_outcome")
        case Failed():
            return Problem("unavailable")
        case Contended():
            return Problem("contended")
        case Created() | Replayed() | Parked() | Settled():
            raise AssertionError(outcome)


def _item(item: Any, mine: Parts, caller: Caller, preview: Preview) -> Command | Problem:
    try:
        return _command(EVENT.validate_python(item), mine, caller, preview)
    except ValidationError as error:
        return handlers.invalid(error)
    except Problem as problem:
        return problem


def _item_problem(problem: Problem) -> dict[str, Any]:
    body = problem.body(request_id="", instance="/v1/events/batch")
    del body["request_id"]
    return {"outcome": "refused", "problem": body}


def _item_answer(
    outcome: Outcome, judging: Mapping[int, Rules], *, explain: bool, dry_run: bool, words: Telling | None
) -> dict[str, Any]:
    match outcome:
        case Created(event, followed):
            shown = answers.event(
                event,
                followed,
                explain=explain or dry_run,
                provisional=dry_run,
                telling=words,
                rules=judging.get(event.rules_version),
            )
            return {"outcome": "created", "event": shown}
        case Replayed(event, followed):
            return {"outcome": "replayed", "event": answers.event(event, followed, explain=explain, telling=words)}
        case Parked(waiting):
            return {"outcome": "parked", "parked": answers.parked(waiting, provisional=dry_run)}
        case Failed():
            return _item_problem(Problem("unavailable")) | {"outcome": "failed"}
        case Contended():
            return _item_problem(Problem("contended")) | {"outcome": "failed"}
        case Unknown():
            return _item_problem(Problem("unknown_outcome")) | {"outcome": "unknown"}
        case _:
            return _item_problem(problem_of(outcome))
