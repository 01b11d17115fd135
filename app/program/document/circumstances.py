"""What rules look at besides an event's facts: declared attributes, segments, places, hours."""

from typing import Annotated, Literal

from pydantic import Field

from app.program import fields
from app.program.document.base import Part

AttributeKind = Literal["number", "boolean", "text"]


class Attributes(Part):
    """Facts of your own that shops send, each with its kind. Those that are not declared are kept and ignored."""

    event: Annotated[
        dict[fields.Attribute, AttributeKind], Field(description="Of a whole event: `event_km` in a condition.")
    ] = {}
    line: Annotated[
        dict[fields.Attribute, AttributeKind], Field(description="Of a line of a purchase: `line_organic`.")
    ] = {}
    member: Annotated[
        dict[fields.Attribute, AttributeKind], Field(description="Of a member: `member_city`. For segments only.")
    ] = {}


class Location(Part):
    """A place where events happen."""

    time_zone: Annotated[
        fields.Name | None, Field(description="Its own time zone, if it is another one than the program's.")
    ] = None


class Times(Part):
    """Days that come back, or hours of them, by the clocks of the location."""

    rule: Annotated[
        fields.Recurrence, Field(description="The days, as RFC 5545 writes them, such as FREQ=WEEKLY;BYDAY=FR.")
    ]
    at: Annotated[fields.Clock | None, Field(description='When it begins on those days, such as "17:00".')] = None
    lasts: Annotated[
        fields.WindowTime | None, Field(description="How long, at most 24 hours, such as PT2H; else the whole day.")
    ] = None
    from_: Annotated[
        fields.Day | None, Field(alias="from", description="The first day, from which an INTERVAL counts.")
    ] = None


class Tag(Part):
    """A tag on the member, for a while or for good."""

    name: Annotated[fields.Code, Field(description="The tag.")]
    for_: Annotated[
        fields.LongSpan | None,
        Field(alias="for", description="How long, such as P30D; the last day counts whole. Without it, for good."),
    ] = None
