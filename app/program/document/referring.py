"""What members get for bringing a friend."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from app.domain import calendar
from app.program import fields
from app.program.document.base import Money, Part


class Bonus(Part):
    """What one side of a referral gets."""

    unit: Annotated[fields.Code, Field(description="The unit of the bonus.")]
    points: Annotated[fields.AboveZero, Field(description="How much of it.")]


class Review(Part):
    """When so many name the same friend in a short time that a person has to look first."""

    claims: Annotated[
        int,
        BeforeValidator(fields.whole_number),
        Field(ge=1, le=1000, description="How many may name the same friend in that time; those after them are held."),
    ]
    within: Annotated[fields.ShortDays, Field(alias="in", description="The time, at most 31 days, such as P1D.")]


class Referrals(Part):
    """What members get for bringing a friend, once the friend buys for the first time."""

    minimum: Annotated[
        Money | None,
        Field(description="The least the friend's first purchase must come to; without it, any purchase counts."),
    ] = None
    lapse: Annotated[
        fields.LongSpan,
        Field(description="How long the friend has for that first purchase, such as P180D."),
    ] = calendar.Span(days=180)
    wait: Annotated[
        fields.Days | None,
        Field(
            description="How long the bonuses wait for goods that may come back, such as P14D; without it, they are "
            "given at once and taken back."
        ),
    ] = None
    reversal: Annotated[
        Literal["clamp", "allow_deficit"],
        Field(
            description="What happens when a bonus is to be taken back and its points are spent: they are forgiven, or "
            "owed, down to the floor of the returns."
        ),
    ] = "clamp"
    review: Annotated[Review | None, Field(description="When a person has to look at a referral first.")] = None
    referrer: Annotated[Bonus | None, Field(description="For the member who brought the friend.")] = None
    referee: Annotated[Bonus | None, Field(description="For the friend.")] = None
