"""When the clock brings events (semantics K3)."""

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from app.domain.calendar import Span


class Follows(StrEnum):
    """What a schedule follows on: somebody joining, their latest purchase, a tier that they reached (semantics K3)."""

    ENROLMENT = "enrolment"
    PURCHASE = "purchase"
    TIER = "tier"


class After(NamedTuple):
    """So long after something, at the same time of the day; of a tier, and then each so long again while it is held."""

    what: Follows
    wait: Span
    tier: str = ""
    each: Span | None = None


class Yearly(StrEnum):
    """Once a year: on the day on which a member was born, or joined."""

    BIRTHDAY = "birthday"
    ANNIVERSARY = "anniversary"


class Schedule(NamedTuple):
    """When the clock brings a member a `scheduled` event: after something, once a year, or on one day for all (K3)."""

    code: str
    when: After | Yearly | date
