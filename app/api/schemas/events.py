"""Events, as shops send them (semantics E2, A1)."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainValidator, StringConstraints, TypeAdapter, WithJsonSchema

from app.api.schemas.common import Amount, Attributes, Currency, Id, In, Instant, Name, Points, example
from app.api.schemas.friends import Fingerprints, ReferralCode
from app.domain import calendar, holds

LINES = 1000
LOTS = 1000
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


UnitCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


def _duration(value: object) -> timedelta:
    found = calendar.parse_duration(value) if isinstance(value, str) else timedelta(0)
    if not timedelta(0) < found <= holds.LONGEST:
        raise ValueError("must be an ISO 8601 duration of at most 7 days, such as PT15M")
    return found


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

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(examples=["card", "points"])
    amount: Amount
    hold: Id | None = Field(default=None, description="The hold that this payment captures.")


NOBODY = ""
"""Stands for a member who is not named: in dry runs anybody."""


def _anybody() -> Any:
    return Field(
        default_factory=lambda: NOBODY,
        description="A member id, an identity such as `card:2740001234567`, or an identity to enrol. "
        "Only a dry run may leave it out: then it is judged for somebody new, on the lowest tier.",
    )


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
    member: MemberName = _anybody()
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
    member: MemberName = _anybody()
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
    unit: UnitCode | None = Field(default=None, description="Needed only where the program has several units to spend.")
    offline: bool = Field(
        default=False,
        description="Given out without a network: may leave a deficit, up to the program's allowance; needs the scope "
        "`redemptions:offline`.",
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


Duration = Annotated[
    timedelta,
    PlainValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": calendar.DURATION, "examples": ["PT15M", "P7D"]}),
]


class HoldIn(EventIn):
    """Points kept aside for a purchase to come; needs the scope `redemptions:write`."""

    type: Literal["hold"]
    points: Points
    unit: UnitCode | None = Field(default=None, description="Needed only where there are several units to spend.")
    lasts: Duration | None = Field(
        default=None, description="How long, from now; at most 7 days. If left out, as the program says."
    )
    not_after: Instant | None = Field(default=None, description="Refuse it if it would be recorded later than this.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "hold",
                "id": "till7-h9",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:40:00+01:00",
                "points": 40,
                "lasts": "PT10M",
            }
        )
    )


class CaptureIn(EventIn):
    """Points of a hold that are spent; needs the scope `redemptions:write`."""

    type: Literal["capture"]
    hold: Id = Field(description="The hold: the shop's id of it, or ours (`evt_…`).", examples=["till7-h9"])
    shop: Name | None = Field(default=None, description="The shop that placed it, if it is not the sender.")
    points: Points | None = Field(default=None, description="So many of it; all that is held if left out.")
    final: bool = Field(default=True, description="Free the rest; `false` keeps it for a further capture.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "capture",
                "id": "till7-h9-c1",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:42:00+01:00",
                "hold": "till7-h9",
                "points": 10,
                "final": False,
            }
        )
    )


class ReleaseIn(EventIn):
    """A hold that is given up; needs the scope `redemptions:write`."""

    type: Literal["release"]
    hold: Id = Field(description="The hold: the shop's id of it, or ours (`evt_…`).", examples=["till7-h9"])
    shop: Name | None = Field(default=None, description="The shop that placed it, if it is not the sender.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "release",
                "id": "till7-h9-r1",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:43:00+01:00",
                "hold": "till7-h9",
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


class TransferIn(EventIn):
    """Points that a member passes on to another; needs the scope `transfers:write`, and a program that lets them."""

    type: Literal["transfer"]
    to: Annotated[str, StringConstraints(min_length=3, max_length=360)] = Field(
        description="Who gets them: a member id, or an identity; nobody is enrolled by it.",
        examples=["card:2740009999999"],
    )
    points: Points
    unit: UnitCode | None = Field(default=None, description="Which points, if the program lets several be passed on.")
    not_after: Instant | None = Field(default=None, description="Refuse it if it would be recorded later than this.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "transfer",
                "id": "app-000017",
                "member": "card:2740001234567",
                "to": "card:2740009999999",
                "occurred_at": "2026-11-21T10:01:00+01:00",
                "points": 25,
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
    referral_code: ReferralCode | None = Field(default=None, description="The code of the friend who brought them.")
    fingerprints: Fingerprints = Field(default_factory=list)


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


class ReferralClaimIn(EventIn):
    """A member names the friend who brought them, after joining: once, before a first purchase; needs `members:write`.

    Who has brought others can no longer be brought.
    """

    type: Literal["referral_claim"]
    referral_code: ReferralCode = Field(description="The code of the friend who brought them.", examples=["ANNA-2024"])
    fingerprints: Fingerprints = Field(default_factory=list)

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "referral_claim",
                "id": "app-000021",
                "member": "card:2740001234574",
                "occurred_at": "2026-11-21T09:35:00+01:00",
                "referral_code": "ANNA-2024",
            }
        )
    )


class OpenedLotIn(In):
    """What is left of points that were earned together."""

    unit: UnitCode
    points: Points
    earned_at: Instant
    available_at: Instant | None = Field(default=None, description="From when they can be spent, if they wait.")
    expires_at: Instant | None = Field(
        default=None,
        description="The first instant at which they can no longer be spent; null: they never end. Left out: as the "
        "program's rules say for points of that day.",
    )


class OpenedTotalIn(In):
    """What the member had in a unit that only counts."""

    unit: UnitCode
    points: Points


class OpenedTierIn(In):
    """A tier that the member held."""

    ladder: UnitCode
    tier: UnitCode
    since: Instant
    review_at: Instant | None = Field(default=None, description="Kept; nothing is done at that instant yet.")


class OpeningIn(In):
    """A member's balances in another system, once, before anything else; needs the scope `events:history`.

    No rule of earning is asked. Send at least one of `lots`, `totals` and `tiers`. A member enrolled by it gets nothing
    for joining.
    """

    type: Literal["opening"]
    id: Id
    member: MemberName
    occurred_at: Instant = Field(description="The instant as of which the other system's books say so.")
    lots: list[OpenedLotIn] = Field(default_factory=list, max_length=LOTS, description="Of units that are dated.")
    totals: list[OpenedTotalIn] = Field(default_factory=list, max_length=32, description="Of units that only count.")
    tiers: list[OpenedTierIn] = Field(default_factory=list, max_length=32)
    referral_code: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = Field(
        default=None, description="The member's own code in the other system, by which friends may go on naming them."
    )
    history: bool = Field(default=True, description="Always true: an opening is an event of the past.")
    messages: bool = Field(default=False, description="Send webhooks as well.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "opening",
                "id": "old-system-00081",
                "member": {"identity": "customer:00081", "enrol": True},
                "occurred_at": "2026-11-01T00:00:00+01:00",
                "lots": [
                    {
                        "unit": "points",
                        "points": 120,
                        "earned_at": "2026-03-14T10:30:00+01:00",
                        "expires_at": "2027-04-01T00:00:00+02:00",
                    },
                    {"unit": "points", "points": 35, "earned_at": "2026-09-02T16:00:00+02:00"},
                ],
            }
        )
    )


EventBody = (
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
    | EnrolmentIn
    | OpeningIn
)
AnyEventIn = Annotated[EventBody, Field(discriminator="type")]
EVENT = TypeAdapter[EventBody](AnyEventIn)


class BatchIn(In):
    """Up to 500 events, judged by when they occurred, then by position; each has its own outcome."""

    events: list[dict[str, Any]] = Field(
        min_length=1,
        json_schema_extra={"items": {"$ref": "#/components/schemas/AnyEventIn"}, "maxItems": 500},
    )
