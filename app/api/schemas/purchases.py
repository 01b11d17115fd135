"""A purchase as it is now kept: the body of PUT (semantics R8)."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.api.schemas.common import Amount, Attributes, Currency, In, Instant, Name, example
from app.api.schemas.events import LINES, LineIn, MemberName, PaymentIn


class KeptPurchaseIn(In):
    """The whole purchase, as it is kept from now on."""

    revision: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="Counts the states of the purchase; one that is not above the last changes nothing."
    )
    member: MemberName
    occurred_at: Instant = Field(description="When it came to be kept so, by the sender's clock.")
    currency: Currency
    total: Amount | None = Field(default=None, description="What was charged; with lines, a check on their sum.")
    lines: list[LineIn] = Field(default_factory=list, max_length=LINES)
    payments: list[PaymentIn] = Field(default_factory=list, max_length=32)
    vouchers: list[Name] = Field(default_factory=list, max_length=32)
    channel: Name | None = None
    location: Name | None = None
    terminal: Name | None = None
    operator: Name | None = None
    attributes: Attributes = Field(default_factory=dict)

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "revision": 1,
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:57:00+01:00",
                "currency": "EUR",
                "lines": [{"sku": "4006381", "quantity": "2", "amount": "8.50", "categories": ["coffee"]}],
            }
        )
    )
