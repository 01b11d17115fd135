"""What a program lays down besides its rules: what is out of time, owed, adjusted, passed on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple


class Audience(StrEnum):
    """Which messages of the program a shop gets: all, or those of the events that it sent itself (webhooks W10)."""

    ALL = "all"
    OWN = "own"


class OutOfTime(StrEnum):
    """What becomes of an event beyond the late or early limit (semantics E3)."""

    REFUSE = "refuse"
    RECORD_NOW = "record_now"


class Shortage(NamedTuple):
    """What becomes of points that are to be taken and are no longer there (semantics R3).

    They are owed, unless `forgive`; where `floors` names the unit, until the member owes so many in all.
    """

    forgive: bool = False
    floors: Mapping[str, int] = MappingProxyType({})


OWED = Shortage()
FORGIVEN = Shortage(forgive=True)


class Cost(NamedTuple):
    """What one point, as members see it, costs the program when it is spent: exact money of one currency."""

    currency: str
    amount: Fraction


class AdjustmentTerms(NamedTuple):
    """What persons may adjust, and when a second one must agree (semantics E5); by unit, no entry is no limit.

    An adjustment waits where its person's day would come to more than `approval_above`, without regard to signs.
    """

    reasons: tuple[str, ...] = ()
    approval_above: Mapping[str, int] = MappingProxyType({})
    daily_limit: Mapping[str, int] = MappingProxyType({})


NO_REASONS = AdjustmentTerms()
"""Nothing can be adjusted."""


@dataclass(frozen=True, slots=True)
class TransferTerms:
    """The units that members may pass on, and the most of each that one may give in a day (semantics L13)."""

    units: tuple[str, ...]
    daily_limit: Mapping[str, int] = field(default_factory=dict)
