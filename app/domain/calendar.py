"""Spans of time and the program's own days (semantics L10): months are clamped, a day ends where the zone says."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_SPAN = re.compile(r"P(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?\Z", re.ASCII)


DURATION = "^P(?=.)(?:([0-9]{1,2})D)?(?:T(?=[0-9])(?:([0-9]{1,3})H)?(?:([0-9]{1,5})M)?)?$"
"""An ISO 8601 duration of days, hours and minutes, as a pattern."""
_DURATION = re.compile(DURATION.replace("$", r"\Z"), re.ASCII)


class Every(StrEnum):
    """How long a period of the calendar is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"


_MONTHS = {Every.MONTH: 1, Every.QUARTER: 3, Every.HALF_YEAR: 6, Every.YEAR: 12}
_DAYS = {Every.DAY: 1, Every.WEEK: 7}
_MONDAY, _NEW_YEAR = date(2000, 1, 3), date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Period:
    """Periods that follow each other: of the calendar, or from a day on, such as years from 1 March.

    Where they begin with the day on which a member joined, they are `anchored` to it first.
    """

    every: Every
    start: date | None = None
    from_joining: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A period of time in whole months and days, as ISO 8601 writes it: P12M, P30D, P1Y6M."""

    months: int = 0
    days: int = 0


def parse_span(text: str) -> Span:
    """The span of an ISO 8601 duration of years, months, weeks and days. Raises ValueError for anything else."""
    match = _SPAN.match(text)
    if match is None or text == "P":
        raise ValueError("must be a duration of years, months, weeks or days such as P12M or P30D")
    years, months, weeks, days = (int(part or 0) for part in match.groups())
    return Span(months=12 * years + months, days=7 * weeks + days)


def parse_duration(text: str) -> timedelta:
    """The time of an ISO 8601 duration of days, hours and minutes: PT15M, P7D. Raises ValueError for anything else."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError("must be a duration of days, hours or minutes such as PT15M or P7D")
    days, hours, minutes = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def add(day: date, span: Span) -> date:
    """The day a span later; a month without that day ends at its last one (31 January + P1M = 28 or 29 February)."""
    month = day.month - 1 + span.months
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1])) + timedelta(days=span.days)


def anchored(period: Period, joined: datetime | None, zone: ZoneInfo) -> Period:
    """The periods of a member who joined at this instant."""
    if not period.from_joining or joined is None:
        return period
    return Period(period.every, local_day(joined, zone))


def period_end(day: date, period: Period, *, later: int = 0) -> date:
    """The last day of the period that `day` lies in, or of one so many periods later."""
    if period.every in _DAYS:
        days, first = _DAYS[period.every], period.start or _MONDAY
        return day + timedelta(days=days * (later + 1) - 1 - (day - first).days % days)
    months, first = _MONTHS[period.every], period.start or _NEW_YEAR
    number = ((day.year - first.year) * 12 + day.month - first.month) // months
    if add(first, Span(months=months * number)) > day:  # a later day of the month, or one that the month has not
        number -= 1
    return add(first, Span(months=months * (number + 1 + later))) - timedelta(days=1)


def period_starts(
    first: datetime, until: datetime, period: Period, zone: ZoneInfo, *, most: int
) -> tuple[datetime, ...]:
    """The instants between two, in UTC, at which a period begins in the zone; of more than `most` the first."""
    starts: list[datetime] = []
    following = end_of_period(first, period, zone)
    while following < until and len(starts) < most:
        starts.append(following)
        following = end_of_period(following, period, zone)
    return tuple(starts)


def start_of_period(instant: datetime, period: Period, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which the period that holds this one begins in the zone."""
    return end_of_day(period_end(local_day(instant, zone), period, later=-1), zone)


def end_of_period(instant: datetime, period: Period, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, that is no longer part of the period that holds this one."""
    return end_of_day(period_end(local_day(instant, zone), period), zone)


def later(instant: datetime, span: Span, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, a span later by the zone's calendar and at the same time of the day."""
    local = instant.astimezone(zone)
    return datetime.combine(add(local.date(), span), local.time(), zone).astimezone(UTC)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which a day begins in the zone."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, that is no longer part of the day in the zone."""
    return start_of_day(day + timedelta(days=1), zone)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day an instant falls on in the zone."""
    return instant.astimezone(zone).date()
