"""The periods in which rules count: of the calendar, from a day on, from joining, or all time (semantics, Words)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.domain import calendar
from app.domain.calendar import Period

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""When the one period of all time begins."""


class Within(NamedTuple):
    """The periods in which something is counted (semantics, Words): all time is one where there is no `period`.

    With `joining`, periods follow each other from the day on which the member enrolled.
    """

    period: Period | None = None
    joining: bool = False

    @property
    def code(self) -> str:
        """A name of these periods that never changes, for counters."""
        if self.period is None:
            return "lifetime"
        start = "@joining" if self.joining else f"@{self.period.start}" if self.period.start else ""
        return f"{self.period.every.value}{start}"


LIFETIME = Within()


def bounds(
    within: Within, instant: datetime, *, zone: ZoneInfo, enrolled_at: datetime | None
) -> tuple[datetime, datetime | None]:
    """The period that holds an instant, half-open."""
    if within.period is None:
        return BEGINNING, None
    period = within.period
    if within.joining and enrolled_at is not None:
        period = replace(period, start=calendar.local_day(enrolled_at, zone))
    return calendar.start_of_period(instant, period, zone), calendar.end_of_period(instant, period, zone)
