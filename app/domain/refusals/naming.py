"""Refusals about the earlier event that a command names (semantics R1, E6)."""

from dataclasses import dataclass

from app.domain.refusals.base import Refusal


@dataclass(frozen=True, slots=True)
class UnknownEvent(Refusal):
    """The member has no such event (semantics R1, E6)."""

    code = "unknown_event"


@dataclass(frozen=True, slots=True)
class OtherMembersEvent(Refusal):
    """The event it names is another member's (semantics R1)."""

    code = "other_members_event"


@dataclass(frozen=True, slots=True)
class NotReversible(Refusal):
    """What it names is of a kind that cannot be taken back this way; `kinds` can (semantics R1, E6)."""

    code = "not_reversible"
    kind: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NothingLeft(Refusal):
    """What it names has been taken back already, wholly (semantics E6, R1)."""

    code = "nothing_left"


@dataclass(frozen=True, slots=True)
class MorePointsThanLeft(Refusal):
    """More points are to be given back than the redemption still stands for (semantics E6)."""

    code = "more_points_than_left"
    unit: str
    asked: int
    left: int
