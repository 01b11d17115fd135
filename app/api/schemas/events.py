"""Events, as shops send them (semantics E2, A1)."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, assert_never

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter

from app.api import identities
from app.api.problems import FieldError, Problem
from app.api.schemas.common import MINOR_UNITS, Amount, Attributes, Currency, Id, In, Instant, Name, Points, example
from app.domain import chain, money
from app.domain import identities as stored
from app.domain.commands import (
    Activity,
    Command,
    Enrolment,
    Facts,
    Identity,
    Line,
    Mode,
    Payment,
    Purchase,
    Redemption,
    Reference,
)
from app.domain.referral_code import normalized

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


class LineIn(In):
    """One line of a receipt, as charged after discounts."""

    id: Id | None = Field(default=None, description="Names the line in a return; its position (1, 2, …) if left out.")
    sku: Name | None = None
    quantity: Annotated[str, StringConstraints(pattern=_QUANTITY)] = Field(
        default="1", description="Decimal text, so that weighed goods fit.", examples=["2", "0.455"]
    )
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


AnyEventIn = Annotated[PurchaseIn | ActivityIn | RedemptionIn | EnrolmentIn, Field(discriminator="type")]
EVENT = TypeAdapter[PurchaseIn | ActivityIn | RedemptionIn | EnrolmentIn](AnyEventIn)


class BatchIn(In):
    """Up to 500 events, judged by when they occurred, then by position; each has its own outcome."""

    events: list[dict[str, Any]] = Field(
        min_length=1,
        json_schema_extra={"items": {"$ref": "#/components/schemas/AnyEventIn"}, "maxItems": 500},
    )


def to_command(
    body: PurchaseIn | ActivityIn | RedemptionIn | EnrolmentIn, *, id: bytes, source: str, key: bytes
) -> Command:
    """The command of a body. Raises Problem with the field that is wrong."""
    mode = Mode.LIVE if not body.history else Mode.HISTORY_WITH_MESSAGES if body.messages else Mode.HISTORY
    if body.messages and not body.history:
        raise _invalid("/messages", "goes with `history` only; other events always send webhooks")
    if isinstance(body, EnrolmentIn):
        facts, particulars = enrolment(body, channel=body.channel, location=body.location, key=key)
        member = Reference()
        return Command(id, source, body.id, member, body.occurred_at, facts, particulars, mode)
    return Command(
        id=id,
        source=source,
        key=body.id,
        member=_member(body.member, key),
        occurred_at=body.occurred_at,
        facts=_facts(body),
        particulars=_particulars(body),
        mode=mode,
        not_after=None if isinstance(body, ActivityIn) else body.not_after,
    )


def enrolment(body: PersonIn, *, channel: str | None, location: str | None, key: bytes) -> tuple[Enrolment, bytes]:
    """The facts of an enrolment, and the personal part that lies apart and can be erased."""
    named = tuple(_identity(kind, value, key) for kind, value in sorted(body.identities.items()))
    birthday = None
    if body.birthday is not None:
        try:
            birthday = datetime.strptime(body.birthday, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            raise _invalid("/birthday", "is no day that exists") from None
    code = None
    if body.referral_code is not None:
        text = normalized(body.referral_code)
        if text is None:
            raise _invalid("/referral_code", "is not a referral code: ten letters and digits, the last one a check")
        code = stored.identity(stored.REFERRAL_CODE, text, key=key)
    said: dict[str, Any] = {}
    if named:
        said["identities"] = {identity.kind: identity.value for identity in named}
    if body.birthday is not None:
        said["birthday"] = body.birthday
    if body.attributes:
        said["attributes"] = body.attributes
    if code is not None:
        said["referral_code"] = code.value
    attributes = chain.canonical(body.attributes).decode() if body.attributes else None
    facts = Enrolment(named, birthday, attributes, code, channel, location)
    return facts, chain.canonical(said) if said else b""


def _identity(kind: str, value: str, key: bytes) -> Identity:
    try:
        return identities.identity(kind, value, key=key)
    except ValueError as error:
        raise _invalid(f"/identities/{kind}", str(error)) from None


def _member(name: str | MemberRef, key: bytes) -> Reference:
    try:
        if isinstance(name, str):
            return identities.reference(name, key=key)
        return identities.reference(name.identity, key=key, enrol=name.enrol)
    except ValueError as error:
        raise _invalid("/member" if isinstance(name, str) else "/member/identity", str(error)) from None


def _facts(body: PurchaseIn | ActivityIn | RedemptionIn) -> Facts:
    place = (body.channel, body.location, body.terminal, body.operator)
    match body:
        case PurchaseIn():
            return _purchase(body)
        case ActivityIn():
            return Activity(body.activity, *place)
        case RedemptionIn():
            return Redemption(body.points, body.unit, *place)
        case _:
            assert_never(body)


def _particulars(body: PurchaseIn | ActivityIn | RedemptionIn) -> bytes:
    said: dict[str, Any] = {"attributes": body.attributes} if body.attributes else {}
    if isinstance(body, PurchaseIn):
        lines = {str(i): line.attributes for i, line in enumerate(body.lines, start=1) if line.attributes}
        if lines:
            said["lines"] = lines
    return chain.canonical(said) if said else b""


def _purchase(body: PurchaseIn) -> Purchase:
    decimals = MINOR_UNITS.get(body.currency)
    if decimals is None:
        raise _invalid("/currency", "is not an ISO 4217 currency")
    lines = tuple(_line(line, i, decimals) for i, line in enumerate(body.lines))
    if len({line.id for line in lines}) != len(lines):
        raise _invalid("/lines", "two lines have the same id")
    total = _minor(body.total, "/total", decimals) if body.total is not None else sum(line.amount for line in lines)
    if body.total is None and not lines:
        raise _invalid("/total", "is needed where there are no lines")
    if total < 0:
        raise _invalid("/total", "is below zero: goods brought back are a return")
    return Purchase(
        currency=body.currency,
        total=total,
        lines=lines or (Line("1", total),),
        payments=tuple(
            Payment(payment.kind, _paid(payment.amount, f"/payments/{i}/amount", decimals), payment.hold)
            for i, payment in enumerate(body.payments)
        ),
        vouchers=tuple(body.vouchers),
        channel=body.channel,
        location=body.location,
        terminal=body.terminal,
        operator=body.operator,
    )


def _line(line: LineIn, position: int, decimals: int) -> Line:
    at = f"/lines/{position}"
    return Line(
        id=line.id if line.id is not None else str(position + 1),
        amount=_minor(line.amount, f"{at}/amount", decimals),
        sku=line.sku,
        quantity=_quantity(line.quantity, f"{at}/quantity"),
        tax=None if line.tax is None else _minor(line.tax, f"{at}/tax", decimals),
        discount=None if line.discount is None else _minor(line.discount, f"{at}/discount", decimals),
        cost=None if line.cost is None else _minor(line.cost, f"{at}/cost", decimals),
        categories=tuple(line.categories),
    )


def _paid(amount: str, pointer: str, decimals: int) -> int:
    paid = _minor(amount, pointer, decimals)
    if paid < 0:
        raise _invalid(pointer, "is below zero: name what was paid, less the change")
    return paid


def _quantity(text: str, pointer: str) -> str:
    """Plain decimal text without superfluous zeros, so that "2" and "2.0" are the same content."""
    if "." not in text:
        return text
    try:
        plain = format(Decimal(text).normalize(), "f")
    except InvalidOperation:
        raise _invalid(pointer, "is not a quantity") from None
    return plain


def _minor(amount: str, pointer: str, decimals: int) -> int:
    try:
        return money.minor_units(amount, decimals=decimals)
    except money.BadAmount as error:
        reason = {
            "too_many_decimals": f"has more decimals than the currency's {decimals}",
            "too_large": "is too large",
        }.get(error.reason, "is not an amount of money")
        raise _invalid(pointer, reason) from None


def _invalid(pointer: str, message: str) -> Problem:
    return Problem("invalid", errors=(FieldError(pointer, message),))
