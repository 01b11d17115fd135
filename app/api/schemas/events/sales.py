"""Purchases and what follows on them: changes, deliveries, returns, cancellations (semantics A1, R1, E6)."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.common import Amount, Attributes, Code, Currency, Id, In, Name, NotAfter, Points, example
from app.api.schemas.events.common import LINES, EventIn, MemberName, Quantity, anybody
from app.api.schemas.friends import Fingerprints


class LineIn(In):
    """One line of a receipt, as charged after discounts."""

    id: Id | None = Field(default=None, description="Names the line in a return; its position (1, 2, …) if left out.")
    sku: Name | None = None
    quantity: Quantity = "1"
    amount: Amount = Field(description="The line's whole amount; negative only for deductions such as a deposit back.")
    tax: Amount | None = Field(default=None, description="Tax contained in the amount, or on top of net prices.")
    discount: Amount | None = Field(default=None, description="Discount already taken off the amount.")
    cost: Amount | None = Field(default=None, description="What the goods cost the shop.")
    categories: list[Name] = Field(default_factory=list, max_length=32)
    attributes: Attributes = Field(default_factory=dict)


class PaymentIn(In):
    """A means of payment."""

    kind: Code = Field(examples=["card", "points"])
    amount: Amount
    hold: Id | None = Field(default=None, description="The hold that this payment captures.")


class SaleIn(EventIn):
    """What a sale says of goods and money."""

    currency: Currency
    total: Amount | None = Field(default=None, description="What was charged; with lines, a check on their sum.")
    lines: list[LineIn] = Field(default_factory=list, max_length=LINES)
    payments: list[PaymentIn] = Field(default_factory=list, max_length=32)
    vouchers: list[Name] = Field(default_factory=list, max_length=32)


class PurchaseIn(SaleIn):
    """A sale. At least `id`, `member`, `occurred_at`, `currency` and `total` or `lines`."""

    type: Literal["purchase"]
    fingerprints: Fingerprints = Field(default_factory=list)
    member: MemberName = anybody()
    not_after: NotAfter = None

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "purchase",
                "id": "till7-000123",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:41:00+01:00",
                "channel": "pos",
                "location": "utrecht-12",
                "terminal": "7",
                "operator": "o-31",
                "currency": "EUR",
                "total": "12.50",
                "lines": [
                    {"sku": "4006381", "quantity": "2", "amount": "8.50", "categories": ["coffee"]},
                    {"sku": "77", "amount": "4.00"},
                ],
                "payments": [{"kind": "card", "amount": "12.50"}],
            }
        )
    )


class PurchaseChangeIn(SaleIn):
    """A purchase as it is kept from now on, in full: substitutions, goods weighed later, an order edited."""

    type: Literal["purchase_change"]
    purchase: Id = Field(description="The purchase: the shop's id of it, or ours (`evt_…`).", examples=["till7-000123"])
    shop: Name | None = Field(default=None, description="The shop that sold it, if it is not the one that sends this.")
    revision: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="Counts the changes; one that is not above the last recorded changes nothing."
    )

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "purchase_change",
                "id": "till7-000123-2",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:44:00+01:00",
                "purchase": "till7-000123",
                "revision": 1,
                "currency": "EUR",
                "lines": [
                    {"sku": "4006381", "quantity": "2", "amount": "8.50", "categories": ["coffee"]},
                    {"sku": "78", "amount": "3.50"},
                ],
            }
        )
    )


class FulfilmentIn(EventIn):
    """Goods of a purchase have reached the customer: points that waited for it count from now on."""

    type: Literal["fulfilment"]
    purchase: Id = Field(description="The purchase: the shop's id of it, or ours (`evt_…`).", examples=["till7-000123"])
    shop: Name | None = Field(default=None, description="The shop that sold it, if it is not the one that sends this.")
    lines: list[Id] = Field(default_factory=list, max_length=LINES, description="Only these lines, by id; else all.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "fulfilment",
                "id": "parcel-77",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:50:00+01:00",
                "purchase": "till7-000123",
                "lines": ["1"],
            }
        )
    )


class ActivityIn(EventIn):
    """Something a member did that is no sale."""

    type: Literal["activity"]
    member: MemberName = anybody()
    activity: Code = Field(examples=["survey"])

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "activity",
                "id": "survey-9-00004",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T10:02:00+01:00",
                "activity": "survey",
            }
        )
    )


class ReturnedLineIn(In):
    """What came back of a line: a quantity, or an amount; without either, all that is left of it."""

    id: Id = Field(description="The line's id in the purchase; its position (1, 2, …) if it had none.")
    quantity: Quantity | None = None
    amount: Amount | None = None


class ReturnIn(EventIn):
    """Goods brought back. Say `all`, `lines` or `amount`, and nothing else of these; without a receipt, `goods`."""

    type: Literal["return"]
    purchase: Id | None = Field(
        default=None,
        description="The purchase: the shop's id of it, or ours (`evt_…`). Without it, if the program allows: `goods`.",
        examples=["till7-000123"],
    )
    shop: Name | None = Field(default=None, description="The shop that sold it, if it is not the one that sends this.")
    goods: list[LineIn] = Field(
        default_factory=list,
        max_length=LINES,
        description="Without a purchase: what came back, line by line.",
    )
    all: Literal[True] | None = Field(default=None, description="Everything that is left came back.")
    lines: list[ReturnedLineIn] = Field(default_factory=list, max_length=LINES)
    amount: Amount | None = Field(default=None, description="So much came back, spread over what is left.")
    currency: Currency | None = Field(default=None, description="Needed where an amount is named.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "return",
                "id": "till7-000131",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:55:00+01:00",
                "purchase": "till7-000123",
                "lines": [{"id": "1", "quantity": "1"}],
            }
        )
    )


class CancellationIn(EventIn):
    """A redemption, capture, hold, purchase, activity, transfer or points given by hand, as if they had not been."""

    type: Literal["cancellation"]
    event: Id = Field(description="The shop's id of it, or ours (`evt_…`).", examples=["till7-000124"])
    kind: Literal["redemption", "capture", "hold", "purchase", "activity", "transfer", "adjustment"] | None = Field(
        default=None, description="Its type; needed with a shop's id, and for a transfer or an adjustment."
    )
    shop: Name | None = Field(default=None, description="The shop that sent it, if it is not the one that sends this.")
    points: Points | None = Field(default=None, description="Of a redemption or capture: give back only so many.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "cancellation",
                "id": "till7-000132",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:56:00+01:00",
                "event": "till7-000124",
                "kind": "redemption",
                "points": 20,
            }
        )
    )
