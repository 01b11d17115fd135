"""What bringing friends gives (semantics F2-F4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from app.domain.calendar import Span
from app.domain.periods import Within
from app.domain.rules.terms import FORGIVEN, Shortage


class ClaimLimit(NamedTuple):
    """How many may name the same friend within a span before somebody has to look (semantics F4)."""

    claims: int
    within: Span


class ReferralGift(NamedTuple):
    """What a side gets for a friend: points of a unit, a reward, or neither where friends are only counted (F3)."""

    unit: str = ""
    points: int = 0
    reward: str | None = None


class ReferralCap(NamedTuple):
    """For how many friends a member is rewarded in a period (semantics F3)."""

    rewards: int
    within: Within


class ReferralMilestone(NamedTuple):
    """Points for so many friends who were rewarded, or for every so many (semantics F3)."""

    unit: str
    points: int
    at: int | None = None
    every: int | None = None

    def has(self, number: int) -> bool:
        """Whether the friend of this number brings it."""
        return number == self.at or (self.every is not None and number % self.every == 0)


@dataclass(frozen=True, slots=True)
class ReferralTerms:
    """What bringing a friend gives, from which first purchase on, and after which wait (semantics F2, F3, F4)."""

    minimum: Mapping[str, int]
    lapse: Span
    referrer: ReferralGift | None = None
    referee: ReferralGift | None = None
    wait: Span | None = None
    """The return window after which the reward falls due; None for at once."""
    shortage: Shortage = FORGIVEN
    """What becomes of points that are to be taken back and are spent."""
    review: ClaimLimit | None = None
    cap: ReferralCap | None = None
    milestones: tuple[ReferralMilestone, ...] = ()
