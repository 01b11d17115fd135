"""What a program counts: points, stamps, status credits, money spent (semantics, Words)."""

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.domain import calendar
from app.domain.points import Rounding


@dataclass(frozen=True, slots=True)
class ExpiresAfter:
    """A lot lives this long from its nominal availability, to the end of that day (semantics L10)."""

    span: calendar.Span
    round_up: calendar.RoundUp | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a program. `decimals` is for display and for rules: entries count smallest parts."""

    code: str
    name: str
    decimals: int = 0
    spendable: bool = True
    rounding: Rounding = Rounding.DOWN
    expiry: ExpiresAfter | None = None
    has_lots: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_lots", self.spendable or self.expiry is not None)


def expires_at(unit: Unit, *, available_from: datetime, zone: ZoneInfo) -> datetime | None:
    """When a lot available from this instant stops being active; None if it never does (semantics L10)."""
    return None if unit.expiry is None else _end(unit.expiry, calendar.local_day(available_from, zone), zone)


@lru_cache(maxsize=10_000)
def _end(expiry: ExpiresAfter, day: date, zone: ZoneInfo) -> datetime:
    last_day = calendar.add(day, expiry.span)
    if expiry.round_up is not None:
        last_day = calendar.period_end(last_day, expiry.round_up)
    return calendar.end_of_day(last_day, zone)
