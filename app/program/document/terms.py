"""What becomes of events, returns, redemptions, holds, adjustments and transfers."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from app.domain import calendar
from app.program import fields
from app.program.document.base import Part


class Events(Part):
    """How far the time of an event may lie from now."""

    late: Annotated[
        fields.Days,
        Field(description="How long after it happened an event is still taken."),
    ] = calendar.Span(days=30)
    early: Annotated[
        fields.Minutes,
        Field(description="How far a till's clock may run ahead, at most 60 minutes."),
    ] = timedelta(minutes=5)
    out_of_time: Annotated[
        Literal["refuse", "record_now"],
        Field(description="What becomes of an event beyond these limits: refuse it, or take it as of now."),
    ] = "refuse"


class Returns(Part):
    """What becomes of points when goods come back."""

    shortage: Annotated[
        Literal["allow_deficit", "clamp"],
        Field(description="Points to be taken that were spent: the member owes them, or they are forgiven (clamp)."),
    ] = "allow_deficit"
    deficit_floor: Annotated[
        dict[fields.Code, fields.Number],
        Field(description="The most that a member may owe, unit by unit; what is beyond is forgiven."),
    ] = {}
    points_back: Annotated[
        bool, Field(description="Whether points that paid for the goods come back, before any are taken.")
    ] = True
    without_purchase: Annotated[
        Literal["refuse", "allow"],
        Field(description="Goods whose purchase is not known: refuse them, or take what the rules give for them now."),
    ] = "refuse"
    lower_tiers: Annotated[
        bool,
        Field(description="Whether members lose a tier at once that what is left would not have reached."),
    ] = True


class Redemptions(Part):
    """How members spend points."""

    offline_allowance: Annotated[
        dict[fields.Code, fields.Number],
        Field(description="Unit by unit, how much a member may owe for what tills gave out without a network."),
    ] = {}


class Holds(Part):
    """What becomes of points that are kept aside for a purchase to come."""

    lasts: Annotated[
        fields.HoldTime,
        Field(description="How long a hold keeps points where the till does not say, such as PT15M; at most 7 days."),
    ] = timedelta(minutes=15)
    uncaptured: Annotated[
        Literal["report", "allow_deficit"],
        Field(
            description="A purchase is to be paid by a hold that has lapsed: only report it, or take the points anyway."
        ),
    ] = "report"


class Adjustments(Part):
    """What persons may give and take by hand, and when a second one must agree."""

    reasons: Annotated[fields.Codes, Field(description="Codes for why, such as goodwill; each adjustment names one.")]
    approval_above: Annotated[
        dict[fields.Code, fields.Number],
        Field(description="Unit by unit, how much a person may adjust in a day before a second one must agree."),
    ] = {}
    daily_limit: Annotated[
        dict[fields.Code, fields.Number],
        Field(description="Unit by unit, how much a person may ask for in a day at all."),
    ] = {}


class Transfers(Part):
    """What members may pass on to each other."""

    units: Annotated[fields.Codes, Field(description="The units of which points may be passed on.")]
    daily_limit: Annotated[
        dict[fields.Code, fields.Number],
        Field(description="Unit by unit, how much one member may give in a day."),
    ] = {}


class Webhooks(Part):
    """Which shops are told what."""

    messages: Annotated[
        Literal["all", "own"],
        Field(description="Which messages a shop gets: all of the program, or those of events it sent itself (own)."),
    ] = "all"
