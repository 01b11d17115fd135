"""When the clock brings something: so long after an event, once a year, or on one day for all."""

from typing import Annotated, Literal

from pydantic import Field

from app.program import fields
from app.program.document.base import Part


class Schedule(Part):
    """When members get a `scheduled` event, for which rules can give. It has exactly one of after, yearly and on."""

    id: Annotated[fields.Code, Field(description="A short name of the schedule, which rules name.")]
    after: Annotated[
        Literal["enrolment", "purchase", "tier"] | None,
        Field(description="What it follows on: joining, the latest purchase, or reaching the tier named."),
    ] = None
    wait: Annotated[
        fields.LongSpan | None, Field(description="How long after it, such as P3D, at the same time of the day.")
    ] = None
    tier: Annotated[fields.Code | None, Field(description="With after tier: the tier.")] = None
    each: Annotated[
        fields.LongSpan | None,
        Field(description="With after tier: and then again each so long, such as P1M, while the tier is held."),
    ] = None
    yearly: Annotated[
        Literal["birthday", "anniversary"] | None,
        Field(description="Once a year: on the day on which the member was born, or joined."),
    ] = None
    on: Annotated[fields.Day | None, Field(description="On this day, for every member there is then.")] = None
