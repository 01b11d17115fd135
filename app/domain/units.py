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
    round_up: calendar.Every | None = None


@dataclass(frozen=True, slots=True)
class ExpiresWithPeriod:
    """A lot lives to the end of the period in which it became available, or of one `later` periods on."""

    period: calendar.Period
    later: int = 0


@dataclass(frozen=True, slots=True)
class ExpiresAt:
    """All lots end at one instant, such as the end of a saving action."""

    instant: datetime


@dataclass(frozen=True, slots=True)
class Slides:
    """All of an account ends together, this long after the last event of these kinds, with the end of that day."""

    span: calendar.Span
    events: frozenset[str]


Expiry = ExpiresAfter | ExpiresWithPeriod | ExpiresAt | Slides


@dataclass(frozen=True, slots=True)
class AwaitsFulfilment:
    """Points wait until the goods have reached the customer; after so long they lapse (semantics L11)."""

    lapse: calendar.Span


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a program. `decimals` is for display and for rules: entries count smallest parts."""

    code: str
    name: str
    decimals: int = 0
    spendable: bool = True
    rounding: Rounding = Rounding.DOWN
    expiry: Expiry | None = None
    pending: calendar.Span | AwaitsFulfilment | None = None
    """How long points wait before they count, or what for (semantics L11)."""
    notice: calendar.Span | None = None
    """How many days ahead the end of points is told (semantics L16)."""
    grace: calendar.Span | None = None
    """How long points live on that are put back into a lot that has ended meanwhile (semantics L8)."""
    has_lots: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_lots", self.spendable or self.expiry is not None or self.pending is not None)

    @property
    def brief(self) -> bool:
        """Whether a lot may end within hours of being earned, or before it, or its end may have to be told then."""
        return self.notice is not None or not (self.expiry is None or isinstance(self.expiry, ExpiresAfter | Slides))


def available_from(unit: Unit, *, occurred_at: datetime, zone: ZoneInfo) -> datetime:
    """When points can count at the earliest: nominally, however late they are recorded (semantics L11)."""
    return calendar.later(occurred_at, unit.pending, zone) if isinstance(unit.pending, calendar.Span) else occurred_at


def lapses_at(unit: Unit, *, occurred_at: datetime, zone: ZoneInfo) -> datetime | None:
    """When points that wait for a fulfilment lapse, at the end of that day; None for all others."""
    if not isinstance(unit.pending, AwaitsFulfilment):
        return None
    return calendar.end_of_day(calendar.add(calendar.local_day(occurred_at, zone), unit.pending.lapse), zone)


def expires_at(
    unit: Unit, *, available_from: datetime, zone: ZoneInfo, joined: datetime | None = None
) -> datetime | None:
    """When a lot available from this instant stops being active; None if it bears no date (semantics L10).

    `joined` is when its member did: their own periods begin with that day.
    """
    if unit.expiry is None or isinstance(unit.expiry, Slides):
        return None
    if isinstance(unit.expiry, ExpiresAt):
        return unit.expiry.instant
    expiry = unit.expiry
    if isinstance(expiry, ExpiresWithPeriod) and expiry.period.from_joining:
        expiry = ExpiresWithPeriod(calendar.anchored(expiry.period, joined, zone), expiry.later)
    return _end(expiry, calendar.local_day(available_from, zone), zone)


def active_until(slides: Slides, *, occurred_at: datetime, zone: ZoneInfo) -> datetime:
    """When an account ends that nothing happens to after this instant (semantics L10)."""
    return _end(ExpiresAfter(slides.span), calendar.local_day(occurred_at, zone), zone)


def grace_until(unit: Unit, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When points end that are put back now into a lot that has ended, at the end of that day; None for at once."""
    if unit.grace is None:
        return None
    return calendar.end_of_day(calendar.add(calendar.local_day(now, zone), unit.grace), zone)


def notice_at(notice: calendar.Span, *, ends_at: datetime, zone: ZoneInfo) -> datetime:
    """When an end is to be told: so many days before, at the same time of the day."""
    return calendar.later(ends_at, calendar.Span(-notice.months, -notice.days), zone)


@lru_cache(maxsize=10_000)
def _end(expiry: ExpiresAfter | ExpiresWithPeriod, day: date, zone: ZoneInfo) -> datetime:
    if isinstance(expiry, ExpiresWithPeriod):
        return calendar.end_of_day(calendar.period_end(day, expiry.period, later=expiry.later), zone)
    last_day = calendar.add(day, expiry.span)
    if expiry.round_up is not None:
        last_day = calendar.period_end(last_day, calendar.Period(expiry.round_up))
    return calendar.end_of_day(last_day, zone)
