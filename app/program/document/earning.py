"""How members earn: rules, what they cover and when they apply."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.program import fields
from app.program.document.base import MoneyAboveZero, Part, Within
from app.program.document.caps import Cap
from app.program.document.circumstances import Tag, Times

WAYS = ("rate", "per_item", "fixed", "multiply", "reward", "tag", "tier")
"""How a rule gives; each rule has exactly one."""


class Cover(Part):
    """Lines of a purchase, named by category or by article; a line of either kind is meant."""

    categories: Annotated[fields.Words | None, Field(description="Lines of one of these categories.")] = None
    skus: Annotated[fields.Words | None, Field(description="Lines of one of these article numbers.")] = None


class Rate(Part):
    """So much for each amount of money, of what is bought, or of a number that shops send, such as km."""

    give: Annotated[fields.AboveZero, Field(description="How much is given, such as 1.")]
    per: Annotated[
        MoneyAboveZero | None,
        Field(description='For each of this amount, such as "1.00"; with several currencies one amount for each.'),
    ] = None
    quantity: Annotated[
        fields.AboveZero | None,
        Field(description='For each of this quantity instead, such as "1" or, of goods that are weighed, "0.5".'),
    ] = None
    number: Annotated[
        fields.Attribute | None,
        Field(description="For each 1 of this number of the event instead, one declared in attributes, such as km."),
    ] = None
    basis: Annotated[
        Literal["charged", "without_tax", "with_tax", "before_discount"],
        Field(description="Which amount of a line counts: as charged, without tax, with tax, or before discounts."),
    ] = "charged"
    paid_by: Annotated[
        fields.Codes | None,
        Field(description="Only the part that was paid in one of these kinds of payment, such as store-card."),
    ] = None
    not_paid_by: Annotated[
        fields.CodesOrNone | None,
        Field(
            description="Not the part that was paid in one of these kinds, instead of payments_without_points; "
            "[] counts all."
        ),
    ] = None
    whole_steps: Annotated[
        bool,
        Field(description="Count only complete steps: at 1 for each 10.00, a purchase of 19.99 gives 1."),
    ] = False


class Visits(Part):
    """Only some of a member's purchases. One that was wholly returned does not count."""

    number: Annotated[
        tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...] | None,
        Field(min_length=1, description="The first, the third: purchases of these numbers, such as [1]."),
    ] = None
    every: Annotated[int | None, Field(ge=2, le=1_000_000, description="Every so many-th purchase, such as 7.")] = None
    in_: Annotated[Within, Field(alias="in", description="The period in which purchases are counted.")] = "lifetime"


class TierGift(Part):
    """A tier that is given: for so long, or until a day. Given again, it runs on from where it ends."""

    tier: Annotated[fields.Code, Field(description="The tier that is given, such as gold.")]
    for_: Annotated[
        fields.LongSpan | None,
        Field(alias="for", description="For how long, such as P1Y; the last day counts whole."),
    ] = None
    until: Annotated[
        fields.Moment | None,
        Field(description="Instead: until this day, which still counts, or this instant."),
    ] = None


class Rule(Part):
    """One way to earn. It has exactly one of rate, per_item, fixed, multiply, reward, tag and tier."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [way]} for way in WAYS]})

    id: Annotated[fields.Code, Field(description="A short name of the rule, shown where points are explained.")]
    on: Annotated[
        Literal["purchase", "enrolment", "activity", "scheduled"], Field(description="The kind of event it is for.")
    ]
    unit: Annotated[
        fields.Code | None,
        Field(description="The unit it gives or multiplies; none where a reward, a tag or a tier is given."),
    ] = None
    rate: Annotated[Rate | None, Field(description="So much for each amount of money. Purchases only.")] = None
    per_item: Annotated[fields.AboveZero | None, Field(description="So much for each item. Purchases only.")] = None
    fixed: Annotated[
        fields.AboveZero | None,
        Field(description="So much once for each event; never multiplied."),
    ] = None
    multiply: Annotated[
        fields.Number | None,
        Field(
            description="Multiplies what the other rules give for the lines it covers; 0 means none. Purchases only."
        ),
    ] = None
    reward: Annotated[fields.Code | None, Field(description="A reward of the document, given once for each event.")] = (
        None
    )
    tag: Annotated[Tag | None, Field(description="A tag on the member, given once for each event.")] = None
    enabled: Annotated[bool, Field(description="Set to false to leave the rule out for now.")] = True
    include: Annotated[Cover | None, Field(description="Only these lines; without it, all lines.")] = None
    exclude: Annotated[Cover | None, Field(description="Not these lines.")] = None
    activities: Annotated[fields.Words | None, Field(description="Only these activities, such as survey.")] = None
    channels: Annotated[fields.Words | None, Field(description="Only in these channels, such as web.")] = None
    locations: Annotated[fields.Words | None, Field(description="Only at these locations.")] = None
    shops: Annotated[fields.Words | None, Field(description="Only events of these shops.")] = None
    tiers: Annotated[fields.Codes | None, Field(description="Only members of one of these tiers.")] = None
    segments: Annotated[fields.Codes | None, Field(description="Only members in one of these segments.")] = None
    tags: Annotated[fields.Codes | None, Field(description="Only members with one of these tags.")] = None
    times: Annotated[
        tuple[Times, ...] | None,
        Field(min_length=1, max_length=32, description="Only on days that come back, or in hours of them."),
    ] = None
    if_: Annotated[
        fields.Condition | None,
        Field(alias="if", description="Only if this holds, such as \"total >= 20 && channel == 'app'\"."),
    ] = None
    tier: Annotated[TierGift | None, Field(description="A tier for a time, such as a plan that members buy.")] = None
    schedules: Annotated[fields.Codes | None, Field(description="Only these schedules, such as birthday.")] = None
    visits: Annotated[Visits | None, Field(description="Only some purchases of a member, such as the first.")] = None
    priority: Annotated[
        int, Field(ge=-1000, le=1000, description="Rules of a higher priority come first; 0 unless it is said.")
    ] = 0
    group: Annotated[fields.Code | None, Field(description="The group of rules that it counts together with.")] = None
    exclusive: Annotated[
        bool, Field(description="Where it gives anything, no other rule gives or multiplies its unit.")
    ] = False
    stop: Annotated[
        bool, Field(description="Where it gives anything, rules of its kind with a lower priority give nothing.")
    ] = False
    caps: Annotated[tuple[Cap, ...], Field(description="The most that it gives.")] = ()
    from_: Annotated[
        fields.Moment | None,
        Field(alias="from", description="From this day or instant on."),
    ] = None
    until: Annotated[
        fields.Moment | None,
        Field(description="Until this day, which still counts, or until this instant, which does not."),
    ] = None
