"""What totals bring: every so many of a unit, or at certain totals."""

from typing import Annotated

from pydantic import Field

from app.program import fields
from app.program.document.base import Part, Within
from app.program.document.circumstances import Tag
from app.program.document.earning import TierGift


class Given(Part):
    """What a milestone gives: points of a unit, a reward, a tag or a tier."""

    unit: Annotated[fields.Code | None, Field(description="The unit of the points.")] = None
    points: Annotated[fields.AboveZero | None, Field(description="How many points, each time.")] = None
    reward: Annotated[fields.Code | None, Field(description="A reward of the document, each time.")] = None
    tag: Annotated[Tag | None, Field(description="A tag on the member, each time.")] = None
    tier: Annotated[TierGift | None, Field(description="A tier for a time; given again, it runs on.")] = None


class Milestone(Part):
    """What a member's total of a unit brings, such as a free coffee for every seventh stamp."""

    id: Annotated[fields.Code, Field(description="A short name of the milestone, shown where points are explained.")]
    unit: Annotated[fields.Code, Field(description="The unit whose total it stands on.")]
    every: Annotated[fields.AboveZero | None, Field(description="At each multiple of so many, such as 7 stamps.")] = (
        None
    )
    at: Annotated[
        tuple[fields.AboveZero, ...] | None,
        Field(min_length=1, max_length=100, description="At each of these totals, once each."),
    ] = None
    in_: Annotated[Within, Field(alias="in", description="Where the total begins at nothing again.")] = "lifetime"
    consume: Annotated[
        bool, Field(description="Whether so many of the unit are drawn each time, as a full card is handed in.")
    ] = False
    give: Annotated[Given, Field(description="What it gives, each time.")]
