"""Days that come back, and hours of them: RFC 5545 recurrences, tested for one day with bounded work (semantics A3).

A day is tested within its own week, month or year, at most 366 days, and never searched for from a beginning. What
would need such a search (COUNT, parts below a day) is not read. `UNTIL` is the rule's own `until`.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from app.domain import calendar

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
MAX_LENGTH = 200
MAX_INTERVAL = 1000
LONGEST = timedelta(hours=24)
"""No window lasts longer, so that only windows of two days can hold an instant."""

_NTH = re.compile(r"([+-]?[1-9][0-9]?)?(MO|TU|WE|TH|FR|SA|SU)\Z")
_NUMBER = re.compile(r"[+-]?[1-9][0-9]{0,2}\Z")
_LIMITS = {"BYMONTHDAY": 31, "BYYEARDAY": 366, "BYSETPOS": 366}
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_NEEDED = {
    "DAILY": (),
    "WEEKLY": ("BYDAY",),
    "MONTHLY": ("BYDAY", "BYMONTHDAY"),
    "YEARLY": ("BYDAY", "BYMONTHDAY", "BYYEARDAY"),
}
"""Which days are meant must be said: there is no first occurrence to take them from."""


class NoRecurrence(ValueError):
    """A text that is no recurrence; `str` says what is wrong, to its writer."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Days that come back (RFC 5545 §3.3.10). `start` is the day from which an `interval` above 1 counts."""

    frequency: str
    interval: int = 1
    start: date | None = None
    weekdays: tuple[tuple[int, int], ...] = ()
    """(number, weekday): the first Friday is (1, 4), every Friday (0, 4)."""
    month_days: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    positions: frozenset[int] = frozenset()
    week_start: int = 0

    def has(self, day: date) -> bool:
        """Whether the recurrence comes on this day."""
        if self.start is not None and day < self.start:
            return False
        return day in _days(self, _beginning(self, day))


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of days that come back: from the hour `at`, for as long as it `lasts`; without, the whole day."""

    recurrence: Recurrence
    at: time = time(0)
    lasts: timedelta | None = None

    def holds(self, instant: datetime, zone: ZoneInfo) -> bool:
        """Whether it is open at an instant by the clocks of the zone; half-open: the end is outside.

        A clock that is put forward over the beginning opens it as if it had not been; one that is put back opens it
        the first time. It lasts as long as it says, whatever the clocks do.
        """
        day = calendar.local_day(instant, zone)
        if self.lasts is None:
            return self.recurrence.has(day)
        nearby = (day - timedelta(days=1), day, day + timedelta(days=1))  # a gap may put a beginning on the next day
        return any(self._open(start, instant, zone) for start in nearby)

    def _open(self, day: date, instant: datetime, zone: ZoneInfo) -> bool:
        assert self.lasts is not None
        start = datetime.combine(day, self.at, zone).astimezone(UTC)
        return start <= instant < start + self.lasts and self.recurrence.has(day)


def parse(text: str, *, start: date | None = None) -> Recurrence:
    """The recurrence of an RFC 5545 rule such as FREQ=WEEKLY;BYDAY=FR. Raises NoRecurrence."""
    if len(text) > MAX_LENGTH:
        raise NoRecurrence(f"is longer than {MAX_LENGTH} characters")
    parts = _parts(text)
    frequency = parts.pop("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise NoRecurrence("must begin with FREQ= and one of DAILY, WEEKLY, MONTHLY and YEARLY")
    unknown = next((name for name in parts if name not in _READERS), None)
    if unknown is not None:
        raise NoRecurrence(_WHY_NOT.get(unknown, "{} is not read here").format(unknown))
    said: dict[str, Any] = {_READERS[n][0]: _READERS[n][1](n, v) for n, v in parts.items()}
    recurrence = Recurrence(frequency, start=start, **said)
    _check(recurrence, parts)
    return recurrence


_WHY_NOT = {
    "COUNT": "COUNT is not read: say until when with `until` of the rule",
    "UNTIL": "UNTIL is not read: say it with `until` of the rule",
    "BYHOUR": "BYHOUR is not read: say it with `at`",
    "BYMINUTE": "BYMINUTE is not read: say it with `at`",
    "BYSECOND": "BYSECOND is not read: say it with `at`",
    "BYWEEKNO": "BYWEEKNO is not read: name months or days of the year",
}


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name in parts:
            raise NoRecurrence("must be parts such as FREQ=WEEKLY;BYDAY=FR, each once, with ; between them")
        parts[name] = value
    return parts


def _check(recurrence: Recurrence, parts: dict[str, str]) -> None:
    frequency = recurrence.frequency
    needed = _NEEDED[frequency]
    if needed and not any(name in parts for name in needed):
        raise NoRecurrence(f"must say on which days: with FREQ={frequency} by {' or '.join(needed)}")
    if frequency in ("DAILY", "WEEKLY") and any(number for number, _ in recurrence.weekdays):
        raise NoRecurrence("a numbered day such as 1FR is one of a month or a year: FREQ=MONTHLY or YEARLY")
    if frequency == "WEEKLY" and recurrence.month_days:
        raise NoRecurrence("BYMONTHDAY does not go with FREQ=WEEKLY")
    if frequency != "YEARLY" and recurrence.year_days:
        raise NoRecurrence("BYYEARDAY goes with FREQ=YEARLY only")
    if recurrence.positions and not any(name in parts for name in ("BYDAY", "BYMONTHDAY", "BYYEARDAY")):
        raise NoRecurrence("BYSETPOS picks from days that another part names")
    if recurrence.interval > 1 and recurrence.start is None:
        raise NoRecurrence("INTERVAL above 1 needs `from`, the day from which it counts")
    if not _ever(recurrence):
        raise NoRecurrence("never comes: there is no such day")


def _ever(recurrence: Recurrence) -> bool:
    """Whether any day of a leap year and the two years after it can be meant."""
    return any(_days(_every(recurrence), start) for start in _beginnings(recurrence))


def _every(recurrence: Recurrence) -> Recurrence:
    return Recurrence(
        recurrence.frequency,
        weekdays=recurrence.weekdays,
        month_days=recurrence.month_days,
        year_days=recurrence.year_days,
        months=recurrence.months,
        positions=recurrence.positions,
        week_start=recurrence.week_start,
    )


def _beginnings(recurrence: Recurrence) -> Iterator[date]:
    day = _beginning(recurrence, date(2024, 1, 1))
    while day < date(2027, 1, 1):
        yield day
        day = _end(recurrence, day)


def _beginning(recurrence: Recurrence, day: date) -> date:
    """The first day of the day, week, month or year that a day lies in."""
    match recurrence.frequency:
        case "DAILY":
            return day
        case "WEEKLY":
            return day - timedelta(days=(day.weekday() - recurrence.week_start) % 7)
        case "MONTHLY":
            return day.replace(day=1)
    return date(day.year, 1, 1)


def _end(recurrence: Recurrence, beginning: date) -> date:
    match recurrence.frequency:
        case "DAILY":
            return beginning + timedelta(days=1)
        case "WEEKLY":
            return beginning + timedelta(days=7)
        case "MONTHLY":
            return beginning + timedelta(days=monthrange(beginning.year, beginning.month)[1])
    return date(beginning.year + 1, 1, 1)


def _skipped(recurrence: Recurrence, beginning: date) -> bool:
    """Whether the interval leaves this day, week, month or year out."""
    if recurrence.interval == 1 or recurrence.start is None:
        return False
    first = _beginning(recurrence, recurrence.start)
    match recurrence.frequency:
        case "DAILY":
            number = (beginning - first).days
        case "WEEKLY":
            number = (beginning - first).days // 7
        case "MONTHLY":
            number = 12 * (beginning.year - first.year) + beginning.month - first.month
        case _:
            number = beginning.year - first.year
    return number % recurrence.interval != 0


@lru_cache(maxsize=4096)
def _days(recurrence: Recurrence, beginning: date) -> frozenset[date]:
    """The days meant of the day, week, month or year that begins then: at most 366 are looked at."""
    if _skipped(recurrence, beginning):
        return frozenset()
    count = (_end(recurrence, beginning) - beginning).days
    days = [day for number in range(count) if _meant(recurrence, day := beginning + timedelta(days=number))]
    if not recurrence.positions:
        return frozenset(days)
    picked = (place - 1 if place > 0 else len(days) + place for place in recurrence.positions)
    return frozenset(days[place] for place in picked if 0 <= place < len(days))


def _meant(recurrence: Recurrence, day: date) -> bool:
    length = monthrange(day.year, day.month)[1]
    if recurrence.months and day.month not in recurrence.months:
        return False
    if recurrence.month_days and not {day.day, day.day - length - 1} & recurrence.month_days:
        return False
    if recurrence.year_days and not _of_year(day) & recurrence.year_days:
        return False
    return not recurrence.weekdays or any(_falls_on(recurrence, day, length, *one) for one in recurrence.weekdays)


def _of_year(day: date) -> set[int]:
    """A day's number in its year, from the front and from the back."""
    number, days = day.timetuple().tm_yday, date(day.year, 12, 31).timetuple().tm_yday
    return {number, number - days - 1}


def _falls_on(recurrence: Recurrence, day: date, length: int, number: int, weekday: int) -> bool:
    if day.weekday() != weekday or number == 0:
        return day.weekday() == weekday
    if recurrence.frequency == "MONTHLY" or recurrence.months:
        place, places = day.day, length
    else:
        places = date(day.year, 12, 31).timetuple().tm_yday
        place = day.timetuple().tm_yday
    return number in ((place - 1) // 7 + 1, -((places - place) // 7) - 1)


def _numbers(name: str, value: str) -> frozenset[int]:
    most = _LIMITS[name]
    found = value.split(",")
    if not all(_NUMBER.match(one) and abs(int(one)) <= most for one in found):
        raise NoRecurrence(f"{name} must be numbers from 1 to {most}, or from -1 to -{most} counted from the end")
    return frozenset(int(one) for one in found)


def _months(name: str, value: str) -> frozenset[int]:
    if not all(one.isascii() and one.isdigit() and 1 <= int(one) <= 12 for one in value.split(",")):
        raise NoRecurrence("BYMONTH must be numbers from 1 to 12")
    return frozenset(int(one) for one in value.split(","))


def _weekdays(name: str, value: str) -> tuple[tuple[int, int], ...]:
    matches = [_NTH.match(one) for one in value.split(",")]
    if not all(matches):
        raise NoRecurrence("BYDAY must be days such as FR, or 1FR for the first Friday and -1FR for the last")
    return tuple(sorted({(int(match[1] or 0), WEEKDAYS.index(match[2])) for match in matches if match}))


def _interval(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= MAX_INTERVAL):
        raise NoRecurrence(f"INTERVAL must be a number from 1 to {MAX_INTERVAL}")
    return int(value)


def _week_start(name: str, value: str) -> int:
    if value not in WEEKDAYS:
        raise NoRecurrence("WKST must be a day such as MO")
    return WEEKDAYS.index(value)


_READERS: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "INTERVAL": ("interval", _interval),
    "BYDAY": ("weekdays", _weekdays),
    "BYMONTHDAY": ("month_days", _numbers),
    "BYYEARDAY": ("year_days", _numbers),
    "BYMONTH": ("months", _months),
    "BYSETPOS": ("positions", _numbers),
    "WKST": ("week_start", _week_start),
}


def open_at(windows: Iterable[Window], instant: datetime, zone: ZoneInfo) -> bool:
    """Whether any of the windows is open at an instant."""
    return any(window.holds(instant, zone) for window in windows)
