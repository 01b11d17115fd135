"""What a caller or the clock asks for: one typed command per event that may come of it.

Named tuples where a value has no kind, as in `state`: each event is made of half a dozen of them.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from app.domain import typeid

CLOCK = "zegel"
"""The reserved source of events that the clock or a consequence brings (semantics E2)."""

OPERATIONS = "ops"
"""The reserved source of what persons do by hand (semantics E5)."""

RESERVED = (CLOCK, OPERATIONS)
"""Sources that no shop can be called by."""


class Mode(StrEnum):
    """Whether a command speaks of now or of the past (semantics E7)."""

    LIVE = "live"
    HISTORY = "history"
    HISTORY_WITH_MESSAGES = "history_with_messages"


class Identity(NamedTuple):
    """How a member is known, such as a card. `digest` is the keyed hash it is found by; `value` is personal data."""

    kind: str
    value: str
    digest: bytes


class Reference(NamedTuple):
    """Who a command is about: our id, or an identity; `enrol` enrols an unknown identity first (semantics M1)."""

    member_id: bytes | None = None
    identity: Identity | None = None
    enrol: bool = False


class Line(NamedTuple):
    """One line of a purchase: amounts in minor units as charged, quantity as plain decimal text (semantics A1)."""

    id: str
    amount: int
    sku: str | None = None
    quantity: str = "1"
    tax: int | None = None
    discount: int | None = None
    cost: int | None = None
    categories: tuple[str, ...] = ()


class Payment(NamedTuple):
    """A means of payment of a purchase, in minor units."""

    kind: str
    amount: int
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class Purchase:
    """A sale, as charged. A purchase without lines has the one line that stands for its total (semantics A1)."""

    kind = "purchase"
    currency: str
    total: int
    lines: tuple[Line, ...]
    payments: tuple[Payment, ...] = ()
    vouchers: tuple[str, ...] = ()
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """Something a member did that is no sale: a survey, a check-in."""

    kind = "activity"
    activity: str
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Redemption:
    """Points a member spends: `points` is at least 1, in smallest parts of `unit`; None is the program's own choice."""

    kind = "redemption"
    points: int
    unit: str | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None
    offline: bool = False
    """Made by a till without a network, so that it may leave a deficit (semantics L6)."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A person joins. Identities, birthday and attributes (JSON text) are personal: outside the ledger (M1, M4)."""

    kind = "enrolment"
    identities: tuple[Identity, ...] = ()
    birthday: date | None = None
    attributes: str | None = None
    referral_code: Identity | None = None
    channel: str | None = None
    location: str | None = None
    opening: bool = False
    """Made for an opening: its points are those of the other system, so joining earns nothing here (semantics E7)."""


class OpenedLot(NamedTuple):
    """What is left of points that were earned together in another system.

    Their end is `expires_at`; without one the program's rules say it, unless `never` (semantics L10).
    """

    unit: str
    points: int
    earned_at: datetime
    available_at: datetime | None = None
    expires_at: datetime | None = None
    never: bool = False


class OpenedTotal(NamedTuple):
    """What a member had in a unit that has no lots, such as money spent."""

    unit: str
    points: int


class OpenedTier(NamedTuple):
    """A tier that a member held in another system; `review_at` is kept, and nothing reads it yet."""

    ladder: str
    tier: str
    since: datetime
    review_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """A member's balances in another system, by the books of the day on which it occurred (semantics E7).

    The referral code that the member had there may be personal: it lies outside the ledger, like an enrolment's.
    """

    kind = "opening"
    lots: tuple[OpenedLot, ...] = ()
    totals: tuple[OpenedTotal, ...] = ()
    tiers: tuple[OpenedTier, ...] = ()
    referral_code: Identity | None = None


@dataclass(frozen=True, slots=True)
class ReferralBonus:
    """A side's bonus for a friend brought in; scheduled by the purchase that qualified (semantics F2)."""

    kind = "referral_bonus"
    side: str
    referee: bytes
    unit: str
    points: int
    reward: str | None = None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An instant that a schedule of the program names for a member, for the so many-th time (semantics K3).

    Where it follows on a tier, `round` counts how often that was reached, and `since` is when, in microseconds since
    1970.
    """

    kind = "scheduled"
    schedule: str
    step: int = 0
    round: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True)
class ReferralReversal:
    """A side's bonus taken back, because what qualified for it came back (semantics R5, F2).

    `given_at` is when the bonus was due, in microseconds since 1970: its lot occurred then.
    """

    kind = "referral_reversal"
    side: str
    referee: bytes
    unit: str
    points: int
    given_at: int
    reward: str | None = None


@dataclass(frozen=True, slots=True)
class ReferralLapse:
    """No purchase has qualified in time for a referral (semantics F2)."""

    kind = "referral_lapse"


@dataclass(frozen=True, slots=True)
class ReferralClaim:
    """A member names the friend who brought them, after joining (semantics F1). The code lies outside the ledger."""

    kind = "referral_claim"
    code: Identity
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


class Verdict(StrEnum):
    """What a person says of a referral that was held for them (semantics F4)."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class ReferralReview:
    """A person has looked at a referral that was held; `actor` is who (semantics F4). Their words are a particular."""

    kind = "referral_review"
    verdict: Verdict
    actor: str


class Named(NamedTuple):
    """An earlier event of the same member: by our id, or by the key its shop gave it; of the `kind`, if one is said."""

    event_id: bytes | None = None
    source: str = ""
    kind: str = ""
    key: str = ""


class ReturnedLine(NamedTuple):
    """What came back of a line: a quantity as plain decimal text, or an amount in minor units; neither: all of it."""

    id: str
    quantity: str | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Return:
    """Goods brought back: lines, or an amount spread over what is left, or without either everything (semantics R1)."""

    kind = "return"
    of: Named
    lines: tuple[ReturnedLine, ...] = ()
    amount: int | None = None
    currency: str | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Cancellation:
    """An event that is to be as if it had not been (semantics E6); of a redemption `points`, or all that is left."""

    kind = "cancellation"
    of: Named
    points: int | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Points kept aside for a purchase to come: `lasts` is in seconds; None is the program's own choice (L12)."""

    kind = "hold"
    points: int
    unit: str | None = None
    lasts: int | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Points of a hold that are spent: so many, or all that is held; a `final` one frees the rest (semantics L12)."""

    kind = "capture"
    of: Named
    points: int | None = None
    final: bool = True
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A hold that is given up: what it still holds is freed (semantics L12)."""

    kind = "release"
    of: Named
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Points named outright by a person, above or below zero, for a reason that the program lists (semantics E5).

    `actor` is who asked for it, `approver` the second person, where there had to be one; the note is a particular.
    """

    kind = "adjustment"
    points: int
    unit: str
    reason: str
    actor: str
    approver: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LooseReturn:
    """Goods brought back without saying which purchase they are of (semantics R7)."""

    kind = "return"
    goods: Purchase


@dataclass(frozen=True, slots=True)
class PurchaseChange:
    """A purchase as it is kept from now on, in full; a `revision` not above the last changes nothing (semantics R8)."""

    kind = "purchase_change"
    of: Named
    revision: int
    goods: Purchase


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """A purchase, or those of its lines that are named, has reached the customer (semantics L11)."""

    kind = "fulfilment"
    of: Named
    lines: tuple[str, ...] = ()
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Points that a member passes on to another one, `to` whom; nobody is enrolled by it (semantics L13)."""

    kind = "transfer"
    points: int
    to: Reference
    unit: str | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


class PassedLot(NamedTuple):
    """Points that were passed on together, with the dates they keep."""

    points: int
    available_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransferIn:
    """The receiver's side of a transfer: what the `giver` passed on by the event `transfer` (semantics L13)."""

    kind = "transfer_in"
    giver: bytes
    transfer: bytes
    unit: str
    lots: tuple[PassedLot, ...]


@dataclass(frozen=True, slots=True)
class TransferReversal:
    """The receiver's side of a cancelled transfer: `of` is the event by which the points came (semantics E6)."""

    kind = "transfer_reversal"
    of: Named


@dataclass(frozen=True, slots=True)
class TierFloor:
    """A tier that a person sets for a member, until an instant or for good; without a `tier` it is removed (T4).

    The ladder may be left out where the tier, or there being only one, says which.
    """

    kind = "tier_floor"
    tier: str | None
    reason: str
    actor: str
    ladder: str | None = None
    until: datetime | None = None


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
