"""What the bodies of messages hold: the form of `data`, by type (webhooks W11)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

Points = Annotated[dict[str, int], Field(description="How much, by unit, in the unit's smallest part.")]
Time = Annotated[str, Field(description="RFC 3339, UTC.", json_schema_extra={"format": "date-time"})]
Of = Annotated[str, Field(description="The event that this one is about.")]
Side = Annotated[Literal["referrer", "referee"], Field(description="Who got the bonus.")]


class Data(BaseModel):
    """The base of all bodies' `data`. What is sent has these fields and no others; readers must tolerate new ones."""

    model_config = ConfigDict(strict=True, extra="forbid")


class MessageBalance(Data):
    """An account after the event."""

    balance: int
    available: int


class MessageAwaited(Data):
    """An event that has not been recorded yet, as its sender names it."""

    source: str
    kind: str
    id: str


class AboutMember(Data):
    """What every message about a member carries."""

    member: str
    sequence: int = Field(ge=1, description="Counts the messages about one member: 1, 2, 3, … without gaps.")
    event: str
    source: str = Field(description="Who sent the event; `zegel` for what the clock brought.")
    kind: str
    id: str = Field(description="The event's id, as its sender names it.")
    occurred_at: Time


class OfEvent(AboutMember):
    """What every message of a recorded event carries."""

    event_sequence: int = Field(ge=1, description="Numbers the member's events.")
    effective_at: Time
    balances: dict[str, MessageBalance] = Field(description="By unit, the member's accounts after the event.")


class Enrolled(OfEvent):
    """Data of `member.enrolled`."""

    referrer: str | SkipJsonSchema[None] = Field(default=None, description="Who brought them, if a friend did.")


class Activity(OfEvent):
    """Data of `activity.recorded`."""

    activity: str


class Moved(OfEvent):
    """Data of messages that tell of points alone."""

    points: Points


class MovedAbout(Moved):
    """Data of messages about points of another event, where there is one."""

    of: Of | SkipJsonSchema[None] = None


class Expiring(Moved):
    """Data of `points.expiring`."""

    expires_at: Time
    valid_until: str = Field(description="The last day on which they count, in the program's zone.")


class HoldPlaced(Moved):
    """Data of `hold.placed`."""

    lapses_at: Time


class HoldCaptured(Moved):
    """Data of `hold.captured`."""

    held: Points
    of: Of


class HoldEnded(Moved):
    """Data of `hold.released` and `hold.expired`."""

    of: Of


class Adjusted(Moved):
    """Data of `points.adjusted`."""

    reason: str


class Transferred(Moved):
    """Data of `points.transferred`."""

    side: Literal["given", "received"]
    other: str = Field(description="The member on the other side.")


class TierChanged(OfEvent):
    """Data of `tier.upgraded` and `tier.downgraded`."""

    ladder: str
    before: str | None
    tier: str | None
    review_at: Time | SkipJsonSchema[None] = Field(default=None, description="When the tier is reviewed, if it is.")


class TierRenewed(OfEvent):
    """Data of `tier.renewed`."""

    ladder: str
    tier: str
    review_at: Time = Field(description="When it is reviewed next.")


class TierExpiring(OfEvent):
    """Data of `tier.expiring`."""

    ladder: str
    tier: str
    next: str = Field(description="The tier that is left then.")
    ends_at: Time


class ReferralMoved(OfEvent):
    """Data of `referral.claimed`, `referral.qualified`, `referral.held` and `referral.lapsed`."""

    referrer: str
    referee: str
    state: str
    lapses_at: Time | SkipJsonSchema[None] = None
    due_at: Time | SkipJsonSchema[None] = Field(default=None, description="When the bonuses fall due, if they wait.")
    reasons: list[str] | SkipJsonSchema[None] = Field(default=None, description="Why somebody has to look.")


class RewardNamed(OfEvent):
    """Data of `reward.cancelled`: what was issued, by the number of its event and its rule."""

    reward: str
    name: str
    rule: str
    issued_by: int


class RewardIssued(RewardNamed):
    """Data of `reward.issued`."""

    valid_until: str | SkipJsonSchema[None] = Field(default=None, description="The last day on which it can be used.")
    expires_at: Time | SkipJsonSchema[None] = None


class Bonus(Moved):
    """Data of `referral.rewarded` and `referral.reversed`."""

    side: Side
    referee: str


class RulesPublished(Data):
    """Data of `rules.published`."""

    program: str
    version: int
    digest: str = Field(description="SHA-256 of the canonical document, in hexadecimal.")
    in_force_from: Time


class EndpointDisabled(Data):
    """Data of `endpoint.disabled`."""

    endpoint: str
    source: str | SkipJsonSchema[None] = Field(default=None, description="The shop whose endpoint it is.")
    reason: str = Field(description="gone, asked or failing.")


class MessageExhausted(Data):
    """Data of `message.exhausted`."""

    endpoint: str
    source: str | SkipJsonSchema[None] = None
    message: str
    type: str
    attempts: int
    held: bool = Field(description="Whether others wait behind it.")


class Tested(Data):
    """Data of `test`."""

    endpoint: str


class Waiting(AboutMember):
    """Data of `event.parked` and `event.lapsed`."""

    awaits: MessageAwaited


class Unparked(AboutMember):
    """Data of `event.unparked`."""

    outcome: Literal["recorded", "refused"]
    code: str | SkipJsonSchema[None] = Field(default=None, description="Of a refused one, why.")
