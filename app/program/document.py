"""The program document: what a shop owner writes, field by field. The descriptions are what the JSON Schema shows.

Points, thresholds and what rules give are written as the unit is shown (1.25 of a unit with two decimals);
money is written in whole currency (12.50). What the parts say about each other is checked in `checking`.
"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from app.domain import calendar
from app.program import fields

FORMAT = 1
"""The format of documents that this version reads, named by the key `zegel`."""

WAYS = ("rate", "per_item", "fixed", "multiply")
"""How a rule gives; each rule has exactly one."""


# The tags of unions appear in pydantic's errors: in brackets they cannot be taken for names of the document.
def _one_or_each(value: object) -> str:
    return "<each>" if isinstance(value, dict) else "<one>"


def _expiry(value: object) -> str:
    if isinstance(value, str):
        return "<never>"
    keys = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
    return next((tag for key, tag in _KINDS_OF_EXPIRY.items() if key in keys), "<after>")


_KINDS_OF_EXPIRY = {"at_end_of": "<period>", "on": "<on>", "inactive": "<inactive>"}


def _wait(value: object) -> str:
    return "<event>" if isinstance(value, dict | BaseModel) else "<time>"


MoneyAboveZero = Annotated[
    Annotated[fields.AboveZero, Tag("<one>")] | Annotated[dict[fields.CurrencyCode, fields.AboveZero], Tag("<each>")],
    Discriminator(_one_or_each),
]
Money = Annotated[
    Annotated[fields.Number, Tag("<one>")] | Annotated[dict[fields.CurrencyCode, fields.Number], Tag("<each>")],
    Discriminator(_one_or_each),
]


class Part(BaseModel):
    """The base of all parts: unknown names are refused, nothing is coerced, nothing changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


class Expires(Part):
    """How long points live once they can be spent."""

    after: Annotated[fields.Span, Field(description="How long points live, such as P12M; the last day counts whole.")]
    round_up: Annotated[
        Literal["month", "quarter", "half_year", "year"] | None,
        Field(description="Let points live on to the end of this calendar period."),
    ] = None


class ExpiresWithPeriod(Part):
    """All points of one period end with it, or with a later one."""

    at_end_of: Annotated[
        Literal["day", "week", "month", "quarter", "half_year", "year"],
        Field(description="The period of the calendar in which points could first be spent."),
    ]
    starting: Annotated[
        fields.Day | None,
        Field(description="A day on which such a period begins, such as 2026-03-01 for years from 1 March."),
    ] = None
    later: Annotated[int, Field(ge=0, le=100, description="How many periods later, such as 1 for next year's end.")] = 0


class ExpiresOn(Part):
    """All points end on one date, such as the end of a saving action."""

    on: Annotated[fields.Moment, Field(description="The last day on which they count, or the instant they end.")]


class PendingFulfilment(Part):
    """Points wait until the goods have reached the customer."""

    until: Annotated[Literal["fulfilment"], Field(description="What they wait for: an event that names the purchase.")]
    lapses_after: Annotated[
        fields.LongSpan,
        Field(description="Points whose goods were never fulfilled end after so long, such as P90D."),
    ] = calendar.Span(days=90)


class ExpiresInactive(Part):
    """All points of a member end together, so long after the last event that counts."""

    inactive: Annotated[
        fields.LongSpan,
        Field(description="How long after the last such event, such as P12M; the last day counts whole."),
    ]
    events: Annotated[
        fields.EventKinds,
        Field(description="The kinds of events that count."),
    ] = ("purchase", "activity", "redemption")


class Unit(Part):
    """Something the program counts: points, stamps, status credits, money spent."""

    name: Annotated[fields.Name, Field(description="What members read, such as Points.")]
    decimals: Annotated[int, Field(ge=0, le=4, description="How many decimals are shown and may be given.")] = 0
    spendable: Annotated[bool, Field(description="Whether members can spend it. What tiers stand on cannot be.")] = True
    rounding: Annotated[
        Literal["down", "half_up", "up"],
        Field(description="How a fraction at the end of a sum is rounded."),
    ] = "down"
    expires: Annotated[
        Annotated[Literal["never"], Tag("<never>")]
        | Annotated[Expires, Tag("<after>")]
        | Annotated[ExpiresWithPeriod, Tag("<period>")]
        | Annotated[ExpiresOn, Tag("<on>")]
        | Annotated[ExpiresInactive, Tag("<inactive>")],
        Discriminator(_expiry),
        Field(description="When it expires: never, after a time, with a period, on one date, or without activity."),
    ] = "never"
    pending: Annotated[
        Annotated[
            Annotated[fields.LongSpan, Tag("<time>")] | Annotated[PendingFulfilment, Tag("<event>")],
            Discriminator(_wait),
        ]
        | None,
        Field(description="How long points wait before they can be spent or count for a tier: P14D, or an event."),
    ] = None
    expiring_notice: Annotated[
        fields.Days | None,
        Field(description="How many days before points end that is told to shops, such as P14D."),
    ] = None
    cost_per_point: Annotated[
        MoneyAboveZero | None,
        Field(
            description='What one point costs the program when it is spent, such as "0.01", for the liability report; '
            "with several currencies, in one of them."
        ),
    ] = None


class Cover(Part):
    """Lines of a purchase, named by category or by article; a line of either kind is meant."""

    categories: Annotated[fields.Words | None, Field(description="Lines of one of these categories.")] = None
    skus: Annotated[fields.Words | None, Field(description="Lines of one of these article numbers.")] = None


class Rate(Part):
    """So much for each amount of money: 1 point for each 1.00."""

    give: Annotated[fields.AboveZero, Field(description="How much is given, such as 1.")]
    per: Annotated[
        MoneyAboveZero,
        Field(description='For each of this amount, such as "1.00"; with several currencies one amount for each.'),
    ]
    basis: Annotated[
        Literal["charged", "without_tax", "before_discount"],
        Field(description="Which amount of a line counts: as charged, without tax, or before discounts."),
    ] = "charged"
    whole_steps: Annotated[
        bool,
        Field(description="Count only complete steps: at 1 for each 10.00, a purchase of 19.99 gives 1."),
    ] = False


class Rule(Part):
    """One way to earn. It has exactly one of rate, per_item, fixed and multiply."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [way]} for way in WAYS]})

    id: Annotated[fields.Code, Field(description="A short name of the rule, shown where points are explained.")]
    on: Annotated[Literal["purchase", "enrolment", "activity"], Field(description="The kind of event it is for.")]
    unit: Annotated[fields.Code, Field(description="The unit it gives or multiplies.")]
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
    enabled: Annotated[bool, Field(description="Set to false to leave the rule out for now.")] = True
    include: Annotated[Cover | None, Field(description="Only these lines; without it, all lines.")] = None
    exclude: Annotated[Cover | None, Field(description="Not these lines.")] = None
    activities: Annotated[fields.Words | None, Field(description="Only these activities, such as survey.")] = None
    channels: Annotated[fields.Words | None, Field(description="Only in these channels, such as web.")] = None
    locations: Annotated[fields.Words | None, Field(description="Only at these locations.")] = None
    shops: Annotated[fields.Words | None, Field(description="Only events of these shops.")] = None
    tiers: Annotated[fields.Codes | None, Field(description="Only members of one of these tiers.")] = None
    from_: Annotated[
        fields.Moment | None,
        Field(alias="from", description="From this day or instant on."),
    ] = None
    until: Annotated[
        fields.Moment | None,
        Field(description="Until this day, which still counts, or until this instant, which does not."),
    ] = None


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


class Document(Part):
    """A loyalty program: what it counts, how members earn, which tiers there are."""

    zegel: Annotated[
        Literal[1], BeforeValidator(fields.whole_number), Field(description="The version of this format: 1.")
    ]
    name: Annotated[fields.Name, Field(description="The name of the program.")]
    time_zone: Annotated[
        fields.Name,
        Field(
            description="Where days begin and end, such as Europe/Amsterdam (a name of the IANA time zone database)."
        ),
    ]
    currencies: Annotated[
        fields.Currencies,
        Field(description="The currencies members pay in, by their ISO 4217 codes, such as EUR."),
    ]
    prices: Annotated[
        Literal["gross", "net"] | None,
        Field(
            description="Whether amounts include tax (gross) or not (net). It is recorded; nothing depends on it yet."
        ),
    ] = None
    cash_rounding: Annotated[
        dict[fields.CurrencyCode, fields.AboveZero] | None,
        Field(min_length=1, description="How far a total may be rounded from its lines, such as 0.05, by currency."),
    ] = None
    payments_without_points: Annotated[
        fields.WordsOrNone,
        Field(description="Kinds of payment that earn nothing: what is paid with points earns no points."),
    ] = ("points",)
    events: Annotated[Events, Field(description="How late and how early tills may report.")] = Events()
    units: Annotated[
        dict[fields.Code, Unit],
        Field(min_length=1, description="What the program counts, each under its short name."),
    ]
    rules: Annotated[tuple[Rule, ...], Field(description="How members earn.")] = ()
    tiers: Annotated[tuple[Ladder, ...], Field(description="The ladders of tiers; most programs have one.")] = ()
    referrals: Annotated[Referrals | None, Field(description="Bonuses for bringing a friend.")] = None
    returns: Annotated[Returns, Field(description="What happens when goods come back.")] = Returns()
    redemptions: Annotated[Redemptions, Field(description="How points are spent.")] = Redemptions()
    holds: Annotated[Holds, Field(description="How points are kept aside.")] = Holds()
    adjustments: Annotated[Adjustments | None, Field(description="What persons may give and take by hand.")] = None
    transfers: Annotated[Transfers | None, Field(description="Which points members may pass on.")] = None
    webhooks: Annotated[Webhooks, Field(description="What shops are told.")] = Webhooks()
