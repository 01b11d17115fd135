"""Refusals about an event as such: its id, its time, the rules that would judge it (semantics E1, E3, E6)."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.refusals.base import Refusal


@dataclass(frozen=True, slots=True)
class EventIdReused(Refusal):
    """The event's id is recorded with other content (semantics E1); `recorded` is the event it belongs to."""

    code = "event_id_reused"
    recorded: bytes


@dataclass(frozen=True, slots=True)
class TooLate(Refusal):
    """It happened longer ago than the program takes (semantics E3)."""

    code = "too_late"
    earliest: datetime


@dataclass(frozen=True, slots=True)
class TooEarly(Refusal):
    """It claims to have happened in the future (semantics E3)."""

    code = "too_early"
    latest: datetime


@dataclass(frozen=True, slots=True)
class NotAfterPassed(Refusal):
    """The sender gave up at `not_after`, and it is later (semantics E6)."""

    code = "not_after_passed"
    not_after: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class NoRules(Refusal):
    """The program has published no rules yet, so nothing can be judged."""

    code = "no_rules"
