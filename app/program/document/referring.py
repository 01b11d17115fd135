"""What members get for bringing a friend."""

from typing import Annotated

from pydantic import Field

from app.domain import calendar
from app.program import fields
from app.program.document.base import Money, Part


class Bonus(Part):
    """What one side of a referral gets."""

    unit: Annotated[fields.Code, Field(description="The unit of the bonus.")]
    points: Annotated[fields.AboveZero, Field(description="How much of it.")]


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
    referrer: Annotated[Bonus | None, Field(description="For the member who brought the friend.")] = None
    referee: Annotated[Bonus | None, Field(description="For the friend.")] = None
