"""The tiers that members climb."""

from typing import Annotated

from pydantic import Field

from app.program import fields
from app.program.document.base import Part


class Level(Part):
    """One tier of a ladder."""

    id: Annotated[fields.Code, Field(description="A short name of the tier, unique in the program.")]
    name: Annotated[fields.Name, Field(description="What members read, such as Silver.")]
    from_: Annotated[
        fields.Number,
        Field(alias="from", description="From how much of the ladder's unit on; the first tier starts at 0."),
    ]
    multiply: Annotated[
        dict[fields.Code, fields.Number] | None,
        Field(min_length=1, description="What members of this tier earn on purchases is multiplied, unit by unit."),
    ] = None


class Ladder(Part):
    """Tiers that members climb by what they have of one unit. Members cannot spend that unit."""

    id: Annotated[fields.Code, Field(description="A short name of the ladder, such as status.")]
    unit: Annotated[fields.Code, Field(description="The unit it stands on; one that members cannot spend.")]
    levels: Annotated[tuple[Level, ...], Field(min_length=1, description="The tiers, from the lowest up.")]
