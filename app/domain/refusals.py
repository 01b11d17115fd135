"""Refusals: what a command asked that must not happen, with the facts of why. Nothing is written for them.

Each carries the code that the API answers with; texts and status codes belong to `api.problems`.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Refusal:
    """The base of all refusals."""

    code: ClassVar[str] = "refused"


def facts_of(refusal: Refusal) -> dict[str, Any]:
    """The refusal's facts as JSON values."""
    return {field.name: _plain(getattr(refusal, field.name)) for field in fields(refusal)}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


class Refused(Exception):
    """Ends a decision with a refusal; what was decided on the way is dropped."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class UnknownMember(Refusal):
    """The body names a member who is not in this program."""

    code = "unknown_member"


@dataclass(frozen=True, slots=True)
class EventIdReused(Refusal):
    """The event's id is recorded with other content (semantics E1); `recorded` is the event it belongs to."""

    code = "event_id_reused"
    recorded: bytes


@dataclass(frozen=True, slots=True)
class IdentityTaken(Refusal):
    """An identity of the enrolment belongs to a member already (semantics M1)."""

    code = "identity_taken"
    kind: str
    member_id: bytes


@dataclass(frozen=True, slots=True)
class UnknownReferralCode(Refusal):
    """No member of the program has this referral code (semantics F1)."""

    code = "unknown_referral_code"


@dataclass(frozen=True, slots=True)
class AlreadyReferred(Refusal):
    """The member has named a friend before, and one names one once (semantics F1)."""

    code = "already_referred"
    claimed_at: datetime | None
    state: str


@dataclass(frozen=True, slots=True)
class OwnReferralCode(Refusal):
    """The code is the member's own (semantics F1)."""

    code = "own_referral_code"


@dataclass(frozen=True, slots=True)
class HasReferred(Refusal):
    """The member has brought others, so that nobody can have brought them any more (semantics F1)."""

    code = "has_referred"


@dataclass(frozen=True, slots=True)
class HasBought(Refusal):
    """The member has bought before, and so many `purchases` stand (semantics F1, A11)."""

    code = "has_bought"
    purchases: int


@dataclass(frozen=True, slots=True)
class NotInReview(Refusal):
    """The referral is not held for anybody to look at (semantics F4); `state` is what it is."""

    code = "not_in_review"
    state: str


@dataclass(frozen=True, slots=True)
class TooLate(Refusal):
    """It happened longer ago than the program takes (semantics E3)."""

    code = "too_late"
    earliest: datetime


@dataclass(frozen=True, slots=True)
class TooEarly(Refusal):
    """It claims to have happened in the future (semantics E3)."""

    code = "too_early"
    latest: datetime


@dataclass(frozen=True, slots=True)
class NotAfterPassed(Refusal):
    """The sender gave up at `not_after`, and it is later (semantics E6)."""

    code = "not_after_passed"
    not_after: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class UnlistedCurrency(Refusal):
    """The program does not deal in this currency (semantics A1)."""

    code = "unlisted_currency"
    currency: str
    listed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TotalMismatch(Refusal):
    """The lines do not sum to the total within the program's cash rounding (semantics A1). Minor units."""

    code = "total_mismatch"
    currency: str
    total: int
    lines: int
    decimals: int


@dataclass(frozen=True, slots=True)
class UnknownUnit(Refusal):
    """The program has no such unit, or it has several to spend and the command names none."""

    code = "unknown_unit"
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnitHasLots(Refusal):
    """An opening gives the unit as a total, but its points have dates (semantics E7)."""

    code = "unit_has_lots"
    unit: str


@dataclass(frozen=True, slots=True)
class UnitHasNoLots(Refusal):
    """An opening gives the unit as lots, but it only counts: there is nothing to date (semantics E7)."""

    code = "unit_has_no_lots"
    unit: str


@dataclass(frozen=True, slots=True)
class UnknownTier(Refusal):
    """The program has no such ladder, or the ladder no such tier; `known` are its tiers as `ladder:tier`."""

    code = "unknown_tier"
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlreadyOpened(Refusal):
    """The member's balances were opened before, by the event `opened` (semantics E7)."""

    code = "already_opened"
    opened: bytes


@dataclass(frozen=True, slots=True)
class NotNew(Refusal):
    """Something has happened to the member since they joined, first the event `first` (semantics E7)."""

    code = "not_new"
    first: bytes


@dataclass(frozen=True, slots=True)
class NotSpendable(Refusal):
    """The unit only counts; nobody can spend it."""

    code = "not_spendable"
    unit: str


@dataclass(frozen=True, slots=True)
class InsufficientPoints(Refusal):
    """A redemption beyond what is available (semantics L6)."""

    code = "insufficient_points"
    unit: str
    asked: int
    available: int

    @property
    def missing(self) -> int:
        return self.asked - self.available


@dataclass(frozen=True, slots=True)
class PointsOutOfRange(Refusal):
    """The result would leave ±(2^53 − 1) (semantics L2)."""

    code = "points_out_of_range"
    unit: str


@dataclass(frozen=True, slots=True)
class NoRules(Refusal):
    """The program has published no rules yet, so nothing can be judged."""

    code = "no_rules"


@dataclass(frozen=True, slots=True)
class UnknownEvent(Refusal):
    """The member has no such event (semantics R1, E6)."""

    code = "unknown_event"


@dataclass(frozen=True, slots=True)
class OtherMembersEvent(Refusal):
    """The event it names is another member's (semantics R1)."""

    code = "other_members_event"


@dataclass(frozen=True, slots=True)
class NotReversible(Refusal):
    """What it names is of a kind that cannot be taken back this way; `kinds` can (semantics R1, E6)."""

    code = "not_reversible"
    kind: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NothingLeft(Refusal):
    """What it names has been taken back already, wholly (semantics E6, R1)."""

    code = "nothing_left"


@dataclass(frozen=True, slots=True)
class UnknownLine(Refusal):
    """The purchase has no such line of goods (semantics R1)."""

    code = "unknown_line"
    line: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MoreThanLeft(Refusal):
    """More is to come back than is left; of the purchase as a whole where `line` is None (semantics R1).

    `quantity` is what is left as decimal text, `amount` in minor units of `currency`.
    """

    code = "more_than_left"
    line: str | None
    quantity: str | None
    amount: int
    currency: str
    decimals: int


@dataclass(frozen=True, slots=True)
class MorePointsThanLeft(Refusal):
    """More points are to be given back than the redemption still stands for (semantics E6)."""

    code = "more_points_than_left"
    unit: str
    asked: int
    left: int


@dataclass(frozen=True, slots=True)
class AlreadyFulfilled(Refusal):
    """All of that has been fulfilled already (semantics L11)."""

    code = "already_fulfilled"


@dataclass(frozen=True, slots=True)
class PurchaseNeeded(Refusal):
    """The program takes no goods back without their purchase (semantics R7)."""

    code = "purchase_needed"


@dataclass(frozen=True, slots=True)
class OfflineAllowance(Refusal):
    """More than is available, and more than a member may owe for redemptions made offline (semantics L6)."""

    code = "offline_allowance"
    unit: str
    asked: int
    available: int
    allowance: int
    deficit: int


@dataclass(frozen=True, slots=True)
class UnknownHold(Refusal):
    """The member has no such hold (semantics L12)."""

    code = "unknown_hold"


@dataclass(frozen=True, slots=True)
class HoldSettled(Refusal):
    """The hold keeps nothing any more: it was `captured`, `released` or has `expired` (semantics L12)."""

    code = "hold_settled"
    state: str


@dataclass(frozen=True, slots=True)
class MoreThanHeld(Refusal):
    """More is to be captured than the hold keeps (semantics L12)."""

    code = "more_than_held"
    unit: str
    asked: int
    held: int


@dataclass(frozen=True, slots=True)
class OtherCurrency(Refusal):
    """The purchase was paid in another currency."""

    code = "other_currency"
    currency: str


@dataclass(frozen=True, slots=True)
class UnknownReason(Refusal):
    """The program lists no such reason for an adjustment; `known` are those it lists (semantics E5)."""

    code = "unknown_reason"
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpiryNotPossible(Refusal):
    """Points cannot end at the instant named: not before `earliest`; where that is None, the unit's never end."""

    code = "expiry_not_possible"
    unit: str
    earliest: datetime | None


@dataclass(frozen=True, slots=True)
class DailyLimit(Refusal):
    """A person asks for more adjustments in a day than the program lets one person ask for (semantics E5)."""

    code = "daily_limit"
    unit: str
    limit: int
    left: int


@dataclass(frozen=True, slots=True)
class SelfApproval(Refusal):
    """Nobody decides on what they asked for themselves (semantics E5)."""

    code = "self_approval"


@dataclass(frozen=True, slots=True)
class AlreadyDecided(Refusal):
    """The adjustment has been approved or rejected, as `state` says (semantics E5)."""

    code = "already_decided"
    state: str
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class AdjustmentLapsed(Refusal):
    """Nobody decided on the adjustment in time (semantics E5)."""

    code = "adjustment_lapsed"
    lapses_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransfersOff(Refusal):
    """The rules do not let members pass this on, only the units listed (semantics L13)."""

    code = "transfers_off"
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownReceiver(Refusal):
    """Nobody in this program is who the points should go to (semantics L13)."""

    code = "unknown_receiver"


@dataclass(frozen=True, slots=True)
class OwnTransfer(Refusal):
    """Nobody passes points on to themselves (semantics L13)."""

    code = "own_transfer"


@dataclass(frozen=True, slots=True)
class TransferLimit(Refusal):
    """More than a member may give in a day (semantics L13)."""

    code = "transfer_limit"
    unit: str
    limit: int
    left: int


@dataclass(frozen=True, slots=True)
class RecentlyReceived(Refusal):
    """Enough is available, but not enough that did not come by a transfer in the last 24 hours (semantics L13)."""

    code = "recently_received"
    unit: str
    asked: int
    free: int


@dataclass(frozen=True, slots=True)
class TransferSpent(Refusal):
    """The receiver does not have all of the points any more (semantics E6)."""

    code = "transfer_spent"
    unit: str
    given: int
    left: int


@dataclass(frozen=True, slots=True)
class UntilPassed(Refusal):
    """A tier cannot be given until an instant that is over (semantics T4)."""

    code = "until_passed"
    now: datetime


@dataclass(frozen=True, slots=True)
class NoTierFloor(Refusal):
    """No person has set a tier on that ladder (semantics T4)."""

    code = "no_tier_floor"
