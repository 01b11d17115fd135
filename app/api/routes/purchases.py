"""Purchases as they are kept: for webshops whose orders change after they were placed (semantics R8)."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from app.api.dependencies import Caller, Parts, PartsHere, allowed
from app.api.problems import Problem
from app.api.routes.events import answered
from app.api.routing import PrivateRoute, problems
from app.api.schemas import answers
from app.api.schemas.commands import to_command
from app.api.schemas.common import PRINTABLE
from app.api.schemas.events import PurchaseChangeIn, PurchaseIn
from app.api.schemas.purchases import KeptPurchaseIn
from app.domain.commands import Purchase, PurchaseChange
from app.domain.refusals import EventIdReused
from app.domain.scopes import Scope
from app.ledger.outcomes import Outcome, Refused
from app.queries import events as recorded_events

router = APIRouter(prefix="/v1/purchases", tags=["events"], route_class=PrivateRoute)

Writer = Annotated[Caller, Depends(allowed(Scope.EVENTS_WRITE))]
Source = Annotated[str, Path(pattern=PRINTABLE, max_length=64, description="The shop that sold it: your own.")]
KEY_LENGTH = 120
"""Its changes are recorded as `<id>:<revision>`, which must be no longer than any event's id: 128 characters."""
Key = Annotated[
    str,
    Path(
        pattern=PRINTABLE,
        max_length=KEY_LENGTH,
        description="The shop's own id of the purchase: shorter than others, since its changes are `<id>:<revision>`.",
    ),
]


@router.put(
    "/{source}/{id:path}",  # order numbers such as 2026/00123
    operation_id="keep_purchase",
    summary="State a purchase as it is now kept",
    response_model=answers.EventOut,
    status_code=201,
    responses={
        200: {"model": answers.EventOut, "description": "Recorded before with the same content."},
        **problems(
            "malformed_json", "unsupported_media_type", "body_too_large", "invalid", "not_found", "event_id_reused",
            "unknown_member", "other_members_event", "too_late", "too_early", "unlisted_currency", "total_mismatch",
            "other_currency", "points_out_of_range", "no_rules", "shop_key_required", "unknown_outcome",
        ),
    },
)  # fmt: skip
async def keep_purchase(source: Source, id: Key, body: KeptPurchaseIn, mine: PartsHere, caller: Writer) -> Response:
    """Records the purchase if it is new; else what the change gives or takes: f of it now less what stands.

    Send the whole purchase each time, with a `revision` that counts up; late ones, which are not above the last, change
    nothing. Goods that came back before are no part of what is kept.
    """
    if source != caller.shop:
        raise Problem("not_found")
    return answered(await _kept(id, body, mine, caller))


async def _kept(id: str, body: KeptPurchaseIn, mine: Parts, caller: Caller) -> Outcome:
    found = await recorded_events.by_key(
        mine.engine, program_id=caller.program_id, source=caller.shop, key=id, kind=Purchase.kind
    )
    about = await recorded_events.about(mine.engine, found[0].id, program_id=caller.program_id) if found else ()
    if not any(event.kind == PurchaseChange.kind for event in about):
        said: dict[str, Any] = {name: value for name, value in dict(body).items() if name != "revision"}
        sale = PurchaseIn.model_construct(type="purchase", id=id, **said)
        outcome = await _submit(sale, mine, caller, revision=body.revision)
        if not (isinstance(outcome, Refused) and isinstance(outcome.refusal, EventIdReused)):
            return outcome
    change = PurchaseChangeIn.model_construct(
        type="purchase_change", id=f"{id}:{body.revision}", purchase=id, shop=caller.shop, **dict(body)
    )
    return await _submit(change, mine, caller)


async def _submit(
    sent: PurchaseIn | PurchaseChangeIn, mine: Parts, caller: Caller, *, revision: int | None = None
) -> Outcome:
    command = to_command(sent, id=mine.fresh_id(), source=caller.shop, key=mine.secrets.identities)
    if isinstance(command.facts, Purchase) and revision is not None:
        command = command._replace(facts=replace(command.facts, revision=revision))
    (outcome,) = await mine.ledger.submit([command], program_id=caller.program_id)
    return outcome
