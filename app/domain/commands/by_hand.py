"""What persons decide: points given outright, tiers set, friends looked at (semantics E5, T4, F4)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Points named outright by a person, above or below zero, for a reason that the program lists (semantics E5).

    `actor` is who asked for it, `approver` the second person, where there had to be one; the note is a particular.
    """

    kind = "adjustment"
    points: int
    unit: str
    reason: str
    actor: str
    approver: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TierFloor:
    """A tier that a person sets for a member, until an instant or for good; without a `tier` it is removed (T4).

    The ladder may be left out where the tier, or there being only one, says which.
    """

    kind = "tier_floor"
    tier: str | None
    reason: str
    actor: str
    ladder: str | None = None
    until: datetime | None = None


class Verdict(StrEnum):
    """What a person says of a referral that was held for them (semantics F4)."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class ReferralReview:
    """A person has looked at a referral that was held; `actor` is who (semantics F4). Their words are a particular."""

    kind = "referral_review"
    verdict: Verdict
    actor: str
