"""What members get for bringing a friend."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from app.domain import calendar
from app.program import fields
from app.program.document.base import Money, Part, Within


class Bonus(Part):
    """What one side of a referral gets: points of a unit, or a reward."""

    unit: Annotated[fields.Code | None, Field(description="The unit of the bonus.")] = None
    points: Annotated[fields.AboveZero | None, Field(description="How much of it.")] = None
    reward: Annotated[fields.Code | None, Field(description="One of the document's rewards, instead of points.")] = None


class FriendCap(Part):
    """For how many friends a member is rewarded in a period; the friends get theirs all the same."""

    rewards: Annotated[
        int, BeforeValidator(fields.whole_number), Field(ge=1, le=1_000_000, description="For so many friends.")
    ]
    within: Annotated[Within, Field(alias="in", description="In which period.")] = "lifetime"


class FriendMilestone(Part):
    """Points for a number of friends for whom a member was rewarded."""

    at: Annotated[
        Annotated[int, BeforeValidator(fields.whole_number), Field(ge=1, le=1_000_000)] | None,
        Field(description="Once, for the friend of this number."),
    ] = None
    every: Annotated[
        Annotated[int, BeforeValidator(fields.whole_number), Field(ge=2, le=1_000_000)] | None,
        Field(description="For every so many-th friend."),
    ] = None
    unit: Annotated[fields.Code | None, Field(description="The unit; without it, that of the referrer's bonus.")] = None
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
    cap: Annotated[FriendCap | None, Field(description="For how many friends a member is rewarded.")] = None
    milestones: Annotated[
        tuple[FriendMilestone, ...],
        Field(max_length=20, description="What a member gets besides for a number of friends."),
    ] = ()
    referrer: Annotated[Bonus | None, Field(description="For the member who brought the friend.")] = None
    referee: Annotated[Bonus | None, Field(description="For the friend.")] = None
