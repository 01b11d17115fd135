"""The whole document: its parts by name."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from app.program import fields
from app.program.document.base import Part
from app.program.document.caps import Cap, Group
from app.program.document.circumstances import Attributes, Location
from app.program.document.earning import Rule
from app.program.document.ladders import Ladder
from app.program.document.milestones import Milestone
from app.program.document.referring import Referrals
from app.program.document.rewards import Reward
from app.program.document.schedules import Schedule
from app.program.document.terms import Adjustments, Events, Holds, Redemptions, Returns, Transfers, Webhooks
from app.program.document.units import Unit


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
        Field(description="Whether amounts include tax (gross, also where nothing is said), or it comes on top (net)."),
    ] = None
    cash_rounding: Annotated[
        dict[fields.CurrencyCode, fields.AboveZero] | None,
        Field(min_length=1, description="How far a total may be rounded from its lines, such as 0.05, by currency."),
    ] = None
    payments_without_points: Annotated[
        fields.WordsOrNone,
        Field(description="Kinds of payment that earn nothing by rates on money, unless a rate says what counts."),
    ] = ("points",)
    events: Annotated[Events, Field(description="How late and how early tills may report.")] = Events()
    units: Annotated[
        dict[fields.Code, Unit],
        Field(min_length=1, description="What the program counts, each under its short name."),
    ]
    attributes: Annotated[
        Attributes, Field(description="Facts of your own that shops send, for conditions and segments.")
    ] = Attributes()
    segments: Annotated[
        dict[fields.Code, fields.Condition],
        Field(description="Conditions over what a member is, each under a short name that you choose."),
    ] = {}
    locations: Annotated[dict[fields.Word, Location], Field(description="Places; rules then name no others.")] = {}
    rules: Annotated[tuple[Rule, ...], Field(description="How members earn.")] = ()
    groups: Annotated[tuple[Group, ...], Field(description="Rules that count together, each group under its id.")] = ()
    caps: Annotated[tuple[Cap, ...], Field(description="The most that all rules give together.")] = ()
    rewards: Annotated[
        dict[fields.Code, Reward], Field(description="What rules give besides points, each under its short name.")
    ] = {}
    milestones: Annotated[tuple[Milestone, ...], Field(description="What totals bring.")] = ()
    schedules: Annotated[tuple[Schedule, ...], Field(description="When the clock brings something.")] = ()
    tiers: Annotated[tuple[Ladder, ...], Field(description="The ladders of tiers; most programs have one.")] = ()
    referrals: Annotated[Referrals | None, Field(description="Bonuses for bringing a friend.")] = None
    returns: Annotated[Returns, Field(description="What happens when goods come back.")] = Returns()
    redemptions: Annotated[Redemptions, Field(description="How points are spent.")] = Redemptions()
    holds: Annotated[Holds, Field(description="How points are kept aside.")] = Holds()
    adjustments: Annotated[Adjustments | None, Field(description="What persons may give and take by hand.")] = None
    transfers: Annotated[Transfers | None, Field(description="Which points members may pass on.")] = None
    webhooks: Annotated[Webhooks, Field(description="What shops are told.")] = Webhooks()
