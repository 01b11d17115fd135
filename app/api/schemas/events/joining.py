"""Persons who join, name a friend, or bring balances from another system (semantics M1, F1, E7)."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.api.schemas.common import Attributes, Code, Id, In, Instant, Name, Points, example
from app.api.schemas.events.common import EventIn, MemberName
from app.api.schemas.friends import Fingerprints, ReferralCode

LOTS = 1000


IdentityMap = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")],
        Annotated[str, StringConstraints(min_length=1, max_length=320)],
    ],
    Field(max_length=16, description="How the member is known, by kind.", examples=[{"card": "2740001234567"}]),
]


Birthday = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class PersonIn(In):
    """What is said of a person who joins."""

    identities: IdentityMap = Field(default_factory=dict)
    birthday: Birthday | None = Field(default=None, examples=["1990-02-28"])
    attributes: Attributes = Field(default_factory=dict)
    referral_code: ReferralCode | None = Field(default=None, description="The code of the friend who brought them.")
    fingerprints: Fingerprints = Field(default_factory=list)


class EnrolmentIn(PersonIn):
    """A person joins, sent like any event; `POST /v1/members` does the same and answers with the member."""

    type: Literal["enrolment"]
    id: Id
    occurred_at: Instant
    channel: Name | None = None
    location: Name | None = None
    history: bool = Field(default=False, description="An event of the past; needs the scope `events:history`.")
    messages: bool = Field(default=False, description="With `history`: send webhooks as well.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "enrolment",
                "id": "web-signup-881",
                "occurred_at": "2026-11-21T09:30:00+01:00",
                "identities": {"card": "2740001234567", "email": "sanne@example.com"},
            }
        )
    )


class ReferralClaimIn(EventIn):
    """A member names the friend who brought them, after joining: once, before a first purchase; needs `members:write`.

    Who has brought others can no longer be brought.
    """

    type: Literal["referral_claim"]
    referral_code: ReferralCode = Field(description="The code of the friend who brought them.", examples=["ANNA-2024"])
    fingerprints: Fingerprints = Field(default_factory=list)

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "referral_claim",
                "id": "app-000021",
                "member": "card:2740001234574",
                "occurred_at": "2026-11-21T09:35:00+01:00",
                "referral_code": "ANNA-2024",
            }
        )
    )


class OpenedLotIn(In):
    """What is left of points that were earned together."""

    unit: Code
    points: Points
    earned_at: Instant
    available_at: Instant | None = Field(default=None, description="From when they can be spent, if they wait.")
    expires_at: Instant | None = Field(
        default=None,
        description="The first instant at which they can no longer be spent; null: they never end. Left out: as the "
        "program's rules say for points of that day.",
    )


class OpenedTotalIn(In):
    """What the member had in a unit that only counts."""

    unit: Code
    points: Points


class OpenedTierIn(In):
    """A tier that the member held."""

    ladder: Code
    tier: Code
    since: Instant
    review_at: Instant | None = Field(default=None, description="Kept; nothing is done at that instant yet.")


class OpeningIn(In):
    """A member's balances in another system, once, before anything else; needs the scope `events:history`.

    No rule of earning is asked. Send at least one of `lots`, `totals` and `tiers`. A member enrolled by it gets nothing
    for joining.
    """

    type: Literal["opening"]
    id: Id
    member: MemberName
    occurred_at: Instant = Field(description="The instant as of which the other system's books say so.")
    lots: list[OpenedLotIn] = Field(default_factory=list, max_length=LOTS, description="Of units that are dated.")
    totals: list[OpenedTotalIn] = Field(default_factory=list, max_length=32, description="Of units that only count.")
    tiers: list[OpenedTierIn] = Field(default_factory=list, max_length=32)
    referral_code: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = Field(
        default=None, description="The member's own code in the other system, by which friends may go on naming them."
    )
    history: bool = Field(default=True, description="Always true: an opening is an event of the past.")
    messages: bool = Field(default=False, description="Send webhooks as well.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "opening",
                "id": "old-system-00081",
                "member": {"identity": "customer:00081", "enrol": True},
                "occurred_at": "2026-11-01T00:00:00+01:00",
                "lots": [
                    {
                        "unit": "points",
                        "points": 120,
                        "earned_at": "2026-03-14T10:30:00+01:00",
                        "expires_at": "2027-04-01T00:00:00+02:00",
                    },
                    {"unit": "points", "points": 35, "earned_at": "2026-09-02T16:00:00+02:00"},
                ],
            }
        )
    )
