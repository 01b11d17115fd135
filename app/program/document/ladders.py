"""The tiers that members climb."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from app.program import fields
from app.program.document.base import Part


def _asked(value: object) -> str:
    if value == GIVEN:
        return "<given>"
    return "<each>" if isinstance(value, dict) else "<one>"


GIVEN: Literal["given"] = "given"


def _review(value: object) -> str:
    if isinstance(value, str):
        return "<word>"
    keys = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
    return "<period>" if "at_end_of" in keys else "<after>"


class Benefit(Part):
    """What members of a tier get besides points, for apps to show and tills to act on."""

    id: Annotated[fields.Code, Field(description="A short name of the benefit, such as lounge.")]
    kind: Annotated[
        Literal["discount", "shipping", "service", "access", "gift", "other"],
        Field(description="What sort of benefit it is."),
    ]
    text: Annotated[fields.Name, Field(description="What members read, such as Free delivery.")]
    value: Annotated[fields.Number | None, Field(description="A number that goes with it, such as 10 for 10 %.")] = None


class Level(Part):
    """One tier of a ladder."""

    id: Annotated[fields.Code, Field(description="A short name of the tier, unique in the program.")]
    name: Annotated[fields.Name, Field(description="What members read, such as Silver.")]
    from_: Annotated[
        Annotated[
            Annotated[fields.Number, Tag("<one>")]
            | Annotated[dict[fields.Code, fields.Number], Tag("<each>")]
            | Annotated[Literal["given"], Tag("<given>")],
            Discriminator(_asked),
        ]
        | None,
        Field(
            alias="from",
            description="From how much of the ladder's unit on, or of each of its units; the first tier starts at 0. "
            "given: members only get the tier by being given it, as all of a ladder that names no unit.",
        ),
    ] = None
    multiply: Annotated[
        dict[fields.Code, fields.Number] | None,
        Field(min_length=1, description="What members of this tier earn on purchases is multiplied, unit by unit."),
    ] = None
    benefits: Annotated[tuple[Benefit, ...], Field(description="What the tier brings besides points.")] = ()

    def asked(self, units: tuple[str, ...]) -> dict[str, Decimal] | None:
        """How much of each unit it asks for; None where it is only given."""
        if self.from_ is None or isinstance(self.from_, str):
            return None
        return self.from_ if isinstance(self.from_, dict) else dict.fromkeys(units, self.from_)


class ReviewWithPeriod(Part):
    """Tiers are reviewed where a period ends."""

    at_end_of: Annotated[
        Literal["day", "week", "month", "quarter", "half_year", "year"],
        Field(description="The period in which the tier was reached."),
    ]
    starting: Annotated[
        fields.PeriodStart | None,
        Field(description="A day on which such a period begins, such as 2026-03-01; or joining: each member's own."),
    ] = None
    later: Annotated[
        int,
        Field(ge=0, le=1, description="1 to let a tier last to the end of the period after the one it was reached in."),
    ] = 0


class ReviewAfter(Part):
    """Tiers are reviewed so long after they were reached."""

    after: Annotated[
        fields.LongSpan,
        Field(description="How long a tier lasts once it is reached, such as P12M; the last day counts whole."),
    ]


class Ladder(Part):
    """Tiers that members climb by what they have of one or several units. Members cannot spend those."""

    id: Annotated[fields.Code, Field(description="A short name of the ladder, such as status.")]
    unit: Annotated[fields.Code | None, Field(description="The unit it stands on; one that members cannot spend.")] = (
        None
    )
    units: Annotated[fields.Codes | None, Field(description="In place of unit: several units that it stands on.")] = (
        None
    )
    join: Annotated[
        Literal["all", "any"],
        Field(description="With several units: a tier asks for enough of all of them, or of any."),
    ] = "all"
    review: Annotated[
        Annotated[Literal["never", "at_once"], Tag("<word>")]
        | Annotated[ReviewWithPeriod, Tag("<period>")]
        | Annotated[ReviewAfter, Tag("<after>")],
        Discriminator(_review),
        Field(
            description="When a tier is looked at again: never; at the end of a period; so long after it was reached; "
            "or at once: members hold what is met, up and down."
        ),
    ] = "never"
    fall: Annotated[
        Literal["one_step", "to_what_is_met"],
        Field(description="How far a member falls who does not meet the tier at its review."),
    ] = "to_what_is_met"
    grace: Annotated[
        fields.Days | None,
        Field(description="How many days a member who misses a review keeps the tier, and can still earn it: P30D."),
    ] = None
    expiring_notice: Annotated[
        fields.Days | None,
        Field(description="How many days before a tier ends that is told to shops, such as P30D."),
    ] = None
    levels: Annotated[tuple[Level, ...], Field(min_length=1, description="The tiers, from the lowest up.")]

    @property
    def counted(self) -> tuple[str, ...]:
        """The units it stands on."""
        return self.units or (() if self.unit is None else (self.unit,))
