"""Refusals about what persons do by hand: adjustments, and tiers they set (semantics E5, T4)."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.refusals.base import Refusal


@dataclass(frozen=True, slots=True)
class UnknownTier(Refusal):
    """The program has no such ladder, or the ladder no such tier; `known` are its tiers as `ladder:tier`."""

    code = "unknown_tier"
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownReason(Refusal):
    """The program lists no such reason for an adjustment; `known` are those it lists (semantics E5)."""

    code = "unknown_reason"
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpiryNotPossible(Refusal):
    """Points cannot end at the instant named: not before `earliest`; where that is None, the unit's never end."""

    code = "expiry_not_possible"
    unit: str
    earliest: datetime | None


@dataclass(frozen=True, slots=True)
class DailyLimit(Refusal):
    """A person asks for more adjustments in a day than the program lets one person ask for (semantics E5)."""

    code = "daily_limit"
    unit: str
    limit: int
    left: int


@dataclass(frozen=True, slots=True)
class SelfApproval(Refusal):
    """Nobody decides on what they asked for themselves (semantics E5)."""

    code = "self_approval"


@dataclass(frozen=True, slots=True)
class AlreadyDecided(Refusal):
    """The adjustment has been approved or rejected, as `state` says (semantics E5)."""

    code = "already_decided"
    state: str
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class AdjustmentLapsed(Refusal):
    """Nobody decided on the adjustment in time (semantics E5)."""

    code = "adjustment_lapsed"
    lapses_at: datetime | None


@dataclass(frozen=True, slots=True)
class UntilPassed(Refusal):
    """A tier cannot be given until an instant that is over (semantics T4)."""

    code = "until_passed"
    now: datetime


@dataclass(frozen=True, slots=True)
class NoTierFloor(Refusal):
    """No person has set a tier on that ladder (semantics T4)."""

    code = "no_tier_floor"
