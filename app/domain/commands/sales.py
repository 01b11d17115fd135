"""What shops ask for around a sale: purchases, activities, returns, changes, deliveries, cancellations."""

from dataclasses import dataclass
from typing import NamedTuple

from app.domain.commands.references import Named


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
    """A sale, as charged. A purchase without lines has the one line that stands for its total (semantics A1).

    One that was stated as it is kept has a `revision`, above which its changes must be; 0 where none was said (R8).
    """

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
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """Something a member did that is no sale: a survey, a check-in."""

    kind = "activity"
    activity: str
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None


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
class Cancellation:
    """An event that is to be as if it had not been (semantics E6); of a redemption `points`, or all that is left."""

    kind = "cancellation"
    of: Named
    points: int | None = None
    channel: str | None = None
    location: str | None = None
    terminal: str | None = None
    operator: str | None = None
