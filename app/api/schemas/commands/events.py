"""The command of any event."""

from datetime import timedelta
from typing import Any

from app.api import identities
from app.api.problems import invalid
from app.api.schemas import friends
from app.api.schemas.commands import joining, references, sales
from app.api.schemas.events import (
    ActivityIn,
    CancellationIn,
    CaptureIn,
    EnrolmentIn,
    EventBody,
    FulfilmentIn,
    HoldIn,
    OpeningIn,
    PurchaseChangeIn,
    PurchaseIn,
    RedemptionIn,
    ReferralClaimIn,
    ReleaseIn,
    ReturnIn,
    SaleIn,
    TransferIn,
)
from app.domain import chain
from app.domain.commands import (
    Activity,
    Capture,
    Command,
    Facts,
    Hold,
    Mode,
    Redemption,
    Reference,
    ReferralClaim,
    Release,
    Transfer,
)

Sent = (
    PurchaseIn
    | PurchaseChangeIn
    | FulfilmentIn
    | ReturnIn
    | ActivityIn
    | RedemptionIn
    | HoldIn
    | CaptureIn
    | ReleaseIn
    | CancellationIn
    | TransferIn
    | ReferralClaimIn
)


def to_command(body: EventBody, *, id: bytes, source: str, key: bytes) -> Command:
    """The command of a body. Raises Problem with the field that is wrong."""
    mode = Mode.LIVE if not body.history else Mode.HISTORY_WITH_MESSAGES if body.messages else Mode.HISTORY
    if body.messages and not body.history:
        raise invalid("/messages", "goes with `history` only; other events always send webhooks")
    if isinstance(body, EnrolmentIn):
        facts, particulars = joining.enrolment(body, channel=body.channel, location=body.location, key=key)
        member = Reference()
        return Command(id, source, body.id, member, body.occurred_at, facts, particulars, mode)
    if isinstance(body, OpeningIn):
        return joining.opening(body, id=id, source=source, key=key, mode=mode)
    if body.history and (
        isinstance(body, TransferIn) or (isinstance(body, CancellationIn) and body.kind == Transfer.kind)
    ):
        raise invalid("/history", "goes without transfers: two members' pasts would have to agree")
    return Command(
        id=id,
        source=source,
        key=body.id,
        member=references.member_of(body.member, key),
        occurred_at=body.occurred_at,
        facts=_facts(body, source, key),
        particulars=_particulars(body, key),
        mode=mode,
        not_after=body.not_after if isinstance(body, PurchaseIn | RedemptionIn | HoldIn | TransferIn) else None,
    )


def _facts(body: Sent, source: str, key: bytes) -> Facts:
    place = (body.channel, body.location, body.terminal, body.operator)
    match body:
        case PurchaseIn():
            return sales.purchase_of(body)
        case ActivityIn():
            return Activity(body.activity, *place)
        case RedemptionIn():
            return Redemption(body.points, body.unit, *place, offline=body.offline)
        case HoldIn():
            lasts = None if body.lasts is None else body.lasts // timedelta(seconds=1)
            return Hold(body.points, body.unit, lasts, *place)
        case ReferralClaimIn():
            return ReferralClaim(friends.code(body.referral_code, key=key), *place)
        case TransferIn():
            return Transfer(body.points, identities.reference(body.to, at="/to", key=key), body.unit, *place)
        case CaptureIn():
            hold = references.earlier_of(body.hold, Hold.kind, body.shop, source)
            return Capture(hold, body.points, body.final, *place)
        case ReleaseIn():
            return Release(references.earlier_of(body.hold, Hold.kind, body.shop, source), *place)
        case CancellationIn():
            return sales.cancellation_of(body, place, source)
        case _:
            return sales.following(body, place, source)


def _particulars(body: Sent, key: bytes) -> bytes:
    said: dict[str, Any] = {"attributes": body.attributes} if body.attributes else {}
    if isinstance(body, PurchaseIn | ReferralClaimIn) and body.fingerprints:
        said |= friends.said(body.fingerprints, key=key)
    if isinstance(body, ReferralClaimIn):
        said["referral_code"] = friends.code(body.referral_code, key=key).value
    if isinstance(body, SaleIn):
        lines = {str(i): line.attributes for i, line in enumerate(body.lines, start=1) if line.attributes}
        if lines:
            said["lines"] = lines
    return chain.canonical(said) if said else b""
