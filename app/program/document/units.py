"""What a program counts: units, when their points begin to count, and when they end."""

from typing import Annotated, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from app.domain import calendar
from app.program import fields
from app.program.document.base import MoneyAboveZero, Part


def _expiry(value: object) -> str:
    if isinstance(value, str):
        return "<never>"
    keys = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
    return next((tag for key, tag in _KINDS_OF_EXPIRY.items() if key in keys), "<after>")


_KINDS_OF_EXPIRY = {"at_end_of": "<period>", "on": "<on>", "inactive": "<inactive>"}


def _wait(value: object) -> str:
    return "<event>" if isinstance(value, dict | BaseModel) else "<time>"


class Expires(Part):
    """How long points live once they can be spent."""

    after: Annotated[fields.Span, Field(description="How long points live, such as P12M; the last day counts whole.")]
    round_up: Annotated[
        Literal["month", "quarter", "half_year", "year"] | None,
        Field(description="Let points live on to the end of this calendar period."),
    ] = None


class ExpiresWithPeriod(Part):
    """All points of one period end with it, or with a later one."""

    at_end_of: Annotated[
        Literal["day", "week", "month", "quarter", "half_year", "year"],
        Field(description="The period of the calendar in which points could first be spent."),
    ]
    starting: Annotated[
        fields.PeriodStart | None,
        Field(description="A day on which such a period begins, such as 2026-03-01; or joining: each member's own."),
    ] = None
    later: Annotated[int, Field(ge=0, le=100, description="How many periods later, such as 1 for next year's end.")] = 0


class ExpiresOn(Part):
    """All points end on one date, such as the end of a saving action."""

    on: Annotated[fields.Moment, Field(description="The last day on which they count, or the instant they end.")]


class PendingFulfilment(Part):
    """Points wait until the goods have reached the customer."""

    until: Annotated[Literal["fulfilment"], Field(description="What they wait for: an event that names the purchase.")]
    lapses_after: Annotated[
        fields.LongSpan,
        Field(description="Points whose goods were never fulfilled end after so long, such as P90D."),
    ] = calendar.Span(days=90)


class ExpiresInactive(Part):
    """All points of a member end together, so long after the last event that counts."""

    inactive: Annotated[
        fields.LongSpan,
        Field(description="How long after the last such event, such as P12M; the last day counts whole."),
    ]
    events: Annotated[
        fields.EventKinds,
        Field(description="The kinds of events that count."),
    ] = ("purchase", "activity", "redemption")


class Unit(Part):
    """Something the program counts: points, stamps, status credits, money spent."""

    name: Annotated[fields.Name, Field(description="What members read, such as Points.")]
    decimals: Annotated[int, Field(ge=0, le=4, description="How many decimals are shown and may be given.")] = 0
    spendable: Annotated[bool, Field(description="Whether members can spend it. What tiers stand on cannot be.")] = True
    rounding: Annotated[
        Literal["down", "half_up", "up"],
        Field(description="How a fraction at the end of a sum is rounded."),
    ] = "down"
    expires: Annotated[
        Annotated[Literal["never"], Tag("<never>")]
        | Annotated[Expires, Tag("<after>")]
        | Annotated[ExpiresWithPeriod, Tag("<period>")]
        | Annotated[ExpiresOn, Tag("<on>")]
        | Annotated[ExpiresInactive, Tag("<inactive>")],
        Discriminator(_expiry),
        Field(description="When it expires: never, after a time, with a period, on one date, or without activity."),
    ] = "never"
    pending: Annotated[
        Annotated[
            Annotated[fields.LongSpan, Tag("<time>")] | Annotated[PendingFulfilment, Tag("<event>")],
            Discriminator(_wait),
        ]
        | None,
        Field(description="How long points wait before they can be spent or count for a tier: P14D, or an event."),
    ] = None
    expiring_notice: Annotated[
        fields.Days | None,
        Field(description="How many days before points end that is told to shops, such as P14D."),
    ] = None
    grace: Annotated[
        fields.Days | None,
        Field(
            description="How many days points live on that are put back after they have ended, such as P30D; "
            "without it they end again at once."
        ),
    ] = None
    cost_per_point: Annotated[
        MoneyAboveZero | None,
        Field(
            description='What one point costs the program when it is spent, such as "0.01", for the liability report; '
            "with several currencies, in one of them."
        ),
    ] = None
