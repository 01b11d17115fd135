"""Refusals about purchases, and about goods that come back or reach the customer (semantics A1, R1, R7, L11)."""

from dataclasses import dataclass

from app.domain.refusals.base import Refusal


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
class OtherCurrency(Refusal):
    """The purchase was paid in another currency."""

    code = "other_currency"
    currency: str


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
class AlreadyFulfilled(Refusal):
    """All of that has been fulfilled already (semantics L11)."""

    code = "already_fulfilled"


@dataclass(frozen=True, slots=True)
class PurchaseNeeded(Refusal):
    """The program takes no goods back without their purchase (semantics R7)."""

    code = "purchase_needed"
