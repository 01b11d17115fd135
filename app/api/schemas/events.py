"""Events, as shops send them (semantics E2, A1)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter

from app.api.schemas.common import Amount, Attributes, Currency, Id, In, Instant, Name, Points, example

LINES = 1000
_QUANTITY = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$"


class MemberRef(In):
    """A member named by an identity, enrolled first if nobody is known by it."""

    identity: Annotated[str, StringConstraints(min_length=3, max_length=360)] = Field(examples=["customer:00004"])
    enrol: bool = Field(default=False, description="Enrol an unknown identity: two events, one transaction.")


MemberName = Annotated[
    Annotated[str, StringConstraints(min_length=3, max_length=360)] | MemberRef,
    Field(description="A member id, an identity such as `card:2740001234567`, or an identity to enrol."),
]


Quantity = Annotated[
    str,
    StringConstraints(pattern=_QUANTITY),
    Field(description="Decimal text, so that weighed goods fit.", examples=["2", "0.455"]),
]


class LineIn(In):
    """One line of a receipt, as charged after discounts."""

    id: Id | None = Field(default=None, description="Names the line in a return; its position (1, 2, …) if left out.")
    sku: Name | None = None
    quantity: Quantity = "1"
    amount: Amount = Field(description="The line's whole amount; negative only for deductions such as a deposit back.")
    tax: Amount | None = Field(default=None, description="Tax contained in the amount.")
    discount: Amount | None = Field(default=None, description="Discount already taken off the amount.")
    cost: Amount | None = Field(default=None, description="What the goods cost the shop.")
    categories: list[Name] = Field(default_factory=list, max_length=32)
    attributes: Attributes = Field(default_factory=dict)


class PaymentIn(In):
    """A means of payment."""

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(examples=["card", "points"])
    amount: Amount
    hold: Id | None = Field(default=None, description="The hold that this payment captures.")


class EventIn(In):
    """What every event says."""

    id: Id
    member: MemberName
    occurred_at: Instant = Field(description="When it happened, by the sender's clock.")
    channel: Name | None = None
    location: Name | None = None
    terminal: Name | None = None
    operator: Name | None = None
    attributes: Attributes = Field(default_factory=dict)
    history: bool = Field(default=False, description="An event of the past; needs the scope `events:history`.")
    messages: bool = Field(default=False, description="With `history`: send webhooks as well.")


class PurchaseIn(EventIn):
    """A sale. At least `id`, `member`, `occurred_at`, `currency` and `total` or `lines`."""

    type: Literal["purchase"]
    currency: Currency
    total: Amount | None = Field(default=None, description="What was charged; with lines, a check on their sum.")
    lines: list[LineIn] = Field(default_factory=list, max_length=LINES)
    payments: list[PaymentIn] = Field(default_factory=list, max_length=32)
    vouchers: list[Name] = Field(default_factory=list, max_length=32)
    not_after: Instant | None = Field(default=None, description="Refuse it if it would be recorded later than this.")

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


class ActivityIn(EventIn):
    """Something a member did that is no sale."""

    type: Literal["activity"]
    activity: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(examples=["survey"])

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


class RedemptionIn(EventIn):
    """Points a member spends; needs the scope `redemptions:write`."""

    type: Literal["redemption"]
    points: Points
    unit: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] | None = Field(
        default=None, description="Needed only where the program has several units to spend."
    )
    not_after: Instant | None = Field(default=None, description="Refuse it if it would be recorded later than this.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "redemption",
                "id": "till7-000124",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:42:00+01:00",
                "points": 50,
            }
        )
    )


class ReturnedLineIn(In):
    """What came back of a line: a quantity, or an amount; without either, all that is left of it."""

    id: Id = Field(description="The line's id in the purchase; its position (1, 2, …) if it had none.")
    quantity: Quantity | None = None
    amount: Amount | None = None


class ReturnIn(EventIn):
    """Goods brought back. Say `all`, `lines` or `amount`, and nothing else of these."""

    type: Literal["return"]
    purchase: Id = Field(description="The purchase: the shop's id of it, or ours (`evt_…`).", examples=["till7-000123"])
    shop: Name | None = Field(default=None, description="The shop that sold it, if it is not the one that sends this.")
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
    """A redemption, a purchase, an activity or points given by hand, that are to be as if they had not been."""

    type: Literal["cancellation"]
    event: Id = Field(description="The shop's id of it, or ours (`evt_…`).", examples=["till7-000124"])
    kind: Literal["redemption", "purchase", "activity", "adjustment"] | None = Field(
        default=None, description="Its type; needed with a shop's id, and for an adjustment."
    )
    shop: Name | None = Field(default=None, description="The shop that sent it, if it is not the one that sends this.")
    points: Points | None = Field(default=None, description="Of a redemption: give back only so many.")

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


IdentityMap = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")],
        Annotated[str, StringConstraints(min_length=1, max_length=320)],
    ],
    Field(max_length=16, description="How the member is known, by kind.", examples=[{"card": "2740001234567"}]),
]


class PersonIn(In):
    """What is said of a person who joins."""

    identities: IdentityMap = Field(default_factory=dict)
    birthday: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = Field(
        default=None, examples=["1990-02-28"]
    )
    attributes: Attributes = Field(default_factory=dict)
    referral_code: Annotated[str, StringConstraints(max_length=32)] | None = Field(
        default=None, description="The code of the friend who brought them."
    )


class EnrolmentIn(PersonIn):
    """A person joins, sent like any event; `POST /v1/members` does the same and answers with the member."""

    type: Literal["enrolment"]
    id: Id
    occurred_at: Instant
    channel: Name | None = None
    location: Name | None = None
    history: bool = Field(default=False, description="An event of the past; needs the scope `events:history`.")
    messages: bool = Field(default=False, description="With `history`: send webhooks as well.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "enrolment",
                "id": "web-signup-881",
                "occurred_at": "2026-11-21T09:30:00+01:00",
                "identities": {"card": "2740001234567", "email": "sanne@example.com"},
            }
        )
    )


EventBody = PurchaseIn | ReturnIn | ActivityIn | RedemptionIn | CancellationIn | EnrolmentIn
AnyEventIn = Annotated[EventBody, Field(discriminator="type")]
EVENT = TypeAdapter[EventBody](AnyEventIn)


class BatchIn(In):
    """Up to 500 events, judged by when they occurred, then by position; each has its own outcome."""

    events: list[dict[str, Any]] = Field(
        min_length=1,
        json_schema_extra={"items": {"$ref": "#/components/schemas/AnyEventIn"}, "maxItems": 500},
    )
