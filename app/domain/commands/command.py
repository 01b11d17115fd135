"""One thing to record: who sent it, of whom, when, and its facts."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.domain import typeid
from app.domain.commands.by_hand import Adjustment, ReferralReview, TierFloor
from app.domain.commands.joining import Enrolment, Opening, ReferralClaim
from app.domain.commands.references import Named, Reference
from app.domain.commands.sales import Activity, Cancellation, Fulfilment, LooseReturn, Purchase, PurchaseChange, Return
from app.domain.commands.scheduled import Occurrence, ReferralBonus, ReferralLapse, ReferralReversal
from app.domain.commands.spending import Capture, Hold, Redemption, Release, Transfer, TransferIn, TransferReversal


class Mode(StrEnum):
    """Whether a command speaks of now or of the past (semantics E7)."""

    LIVE = "live"
    HISTORY = "history"
    HISTORY_WITH_MESSAGES = "history_with_messages"


Naming = Return | Cancellation | Capture | Release | PurchaseChange | Fulfilment | TransferReversal
"""What names one earlier event."""

Facts = (
    Purchase
    | Activity
    | Redemption
    | Enrolment
    | Opening
    | Return
    | LooseReturn
    | PurchaseChange
    | Fulfilment
    | Cancellation
    | Hold
    | Capture
    | Release
    | Adjustment
    | Occurrence
    | ReferralBonus
    | ReferralReversal
    | ReferralLapse
    | ReferralClaim
    | ReferralReview
    | Transfer
    | TransferIn
    | TransferReversal
    | TierFloor
)


class Command(NamedTuple):
    """One thing to record. `(source, kind, key)` is its natural key for ever (semantics E1); `id` is the event's id.

    `particulars` is the erasable part of what was said (attributes, free text, identities) as canonical JSON,
    or empty; `facts` is everything else. `not_after` refuses the command once it would be recorded later.
    """

    id: bytes
    source: str
    key: str
    member: Reference
    occurred_at: datetime
    facts: Facts
    particulars: bytes = b""
    mode: Mode = Mode.LIVE
    not_after: datetime | None = None
    in_time: bool = False
    """Whether the limits on its time have been judged already, or somebody lets it in beyond them (semantics E3)."""
    admitted_by: str = ""
    """Who let it in although it had been refused."""
    time_said: bool = True
    """Whether the caller gave `occurred_at`; a time we took for want of one is no part of the content."""


def names(command: Command) -> tuple[Named, ...]:
    """The earlier events that a command names, in order: of a purchase the holds that pay for it."""
    facts = command.facts
    if isinstance(facts, Purchase):
        return tuple(_hold(payment.hold, command.source) for payment in facts.payments if payment.hold is not None)
    return (facts.of,) if isinstance(facts, Naming) else ()


def _hold(id: str, source: str) -> Named:
    ours = typeid.decode(typeid.EVENT, id)
    return Named(ours, kind=Hold.kind) if ours is not None else Named(None, source, Hold.kind, id)
