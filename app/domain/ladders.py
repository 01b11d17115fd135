"""What a ladder is: its tiers, what they ask for, and when who holds one is looked at again (semantics T1, T3, T6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.domain import calendar
from app.domain.calendar import Period, Span

_INSTANT = timedelta.resolution


class Join(StrEnum):
    """Whether a tier asks for enough of every unit of its ladder, or of any of them."""

    ALL = "all"
    ANY = "any"


class Fall(StrEnum):
    """How far a member falls who misses a review."""

    ONE_STEP = "one_step"
    TO_WHAT_IS_MET = "to_what_is_met"


@dataclass(frozen=True, slots=True)
class AtEndOf:
    """Reviewed at the end of the period in which the tier was reached, or of the one after it (`later` 1)."""

    period: Period
    later: int = 0


@dataclass(frozen=True, slots=True)
class After:
    """Reviewed so long after the tier was reached, at the end of that day."""

    span: Span


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Never reviewed, because the tier follows what is met in every event, down too."""


AT_ONCE = AtOnce()
Review = AtEndOf | After | AtOnce
"""When a tier is looked at again; a ladder without one is never reviewed."""


@dataclass(frozen=True, slots=True)
class Benefit:
    """What a tier brings besides points: for apps and tills to show and to act on. No decision reads it."""

    code: str
    kind: str
    text: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """A level of a ladder: reached at these smallest parts, one for each unit of the ladder; None: only ever given."""

    code: str
    name: str
    thresholds: tuple[int, ...] | None
    benefits: tuple[Benefit, ...] = ()


@dataclass(frozen=True, slots=True)
class Ladder:
    """Tiers in ascending order over the active balances of its units; none, if all of them are given (T1, T7).

    Everybody holds at least the first tier.
    """

    code: str
    units: tuple[str, ...]
    tiers: tuple[Tier, ...]
    join: Join = Join.ALL
    review: Review | None = None
    fall: Fall = Fall.TO_WHAT_IS_MET
    grace: Span | None = None
    """How long a member who missed a review keeps the tier, and can still earn it."""
    notice: Span | None = None
    """How long before a tier ends that is told."""

    def rank(self, code: str) -> int:
        """A tier's place; a tier that a later version dropped counts as the first."""
        return next((rank for rank, tier in enumerate(self.tiers) if tier.code == code), 0)


def meets(active: Mapping[str, int], tier: Tier, ladder: Ladder) -> bool:
    """Whether what is active by unit is what a tier asks for (semantics T1)."""
    if tier.thresholds is None:
        return False
    enough = (active.get(unit, 0) >= least for unit, least in zip(ladder.units, tier.thresholds, strict=True))
    return all(enough) if ladder.join is Join.ALL else any(enough)


def met(active: Mapping[str, int], ladder: Ladder) -> int:
    """The rank of the highest tier that is met."""
    for rank in range(len(ladder.tiers) - 1, 0, -1):
        if meets(active, ladder.tiers[rank], ladder):
            return rank
    return 0


def decided(held: int, active: Mapping[str, int], ladder: Ladder) -> int:
    """The rank that a review leaves a member of whom so much is active (semantics T3)."""
    enough = met(active, ladder)
    if enough >= held or ladder.fall is Fall.TO_WHAT_IS_MET:
        return enough
    below = (rank for rank in range(held - 1, 0, -1) if ladder.tiers[rank].thresholds is not None)
    return max(enough, next(below, 0))


def first_review(ladder: Ladder, *, reached_at: datetime, joined: datetime | None, zone: ZoneInfo) -> datetime | None:
    """When a tier that was reached at an instant is reviewed for the first time; None for never."""
    day = calendar.local_day(reached_at, zone)
    match ladder.review:
        case AtEndOf(period, later):
            period = calendar.anchored(period, joined, zone)
            return calendar.end_of_day(calendar.period_end(day, period, later=later), zone)
        case After(span):
            return calendar.end_of_day(calendar.add(day, span), zone)
        case _:
            return None


def next_review(ladder: Ladder, *, reviewed_at: datetime, joined: datetime | None, zone: ZoneInfo) -> datetime | None:
    """When a tier is reviewed again after an instant at which it was: a period ends with the last day before it."""
    if isinstance(ladder.review, AtEndOf):
        return calendar.end_of_period(reviewed_at, calendar.anchored(ladder.review.period, joined, zone), zone)
    return first_review(ladder, reached_at=reviewed_at - _INSTANT, joined=joined, zone=zone)


def grace_ends(ladder: Ladder, *, reviewed_at: datetime, zone: ZoneInfo) -> datetime | None:
    """Until when a member who missed a review keeps the tier; None where that ends it."""
    if ladder.grace is None:
        return None
    return calendar.end_of_day(calendar.add(calendar.local_day(reviewed_at - _INSTANT, zone), ladder.grace), zone)


def notice_at(ladder: Ladder, *, ends_at: datetime | None, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the end of a tier is to be told; not of one that is closer already: it has just been reached."""
    if ladder.notice is None or ends_at is None:
        return None
    at = calendar.later(ends_at, Span(-ladder.notice.months, -ladder.notice.days), zone)
    return at if at > now else None
