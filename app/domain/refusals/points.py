"""Refusals about units, and about points to be spent, kept aside or passed on (semantics L2, L6, L12, L13)."""

from dataclasses import dataclass

from app.domain.refusals.base import Refusal


@dataclass(frozen=True, slots=True)
class UnknownUnit(Refusal):
    """The program has no such unit, or it has several to spend and the command names none."""

    code = "unknown_unit"
    known: tuple[str, ...]


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
class OfflineAllowance(Refusal):
    """More than the member had when it was made offline, and may owe for such redemptions (semantics L6).

    `available` is what they had then, as far as it is unspent.
    """

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
