"""When a delivery that failed is tried again (webhooks W5)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SCHEDULE: tuple[timedelta, ...] = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""The pauses after the first attempt, the second and so on: ten attempts in 75 h 35 min."""

LEAST_JITTER, MOST_JITTER = 0.8, 1.2
OVERLOADED = frozenset({429, 502, 503, 504})
OVERLOADED_PAUSE = timedelta(seconds=60)
LONGEST_RETRY_AFTER = timedelta(hours=1)

_SECONDS = re.compile(r"[0-9]{1,9}")


def next_delay(
    schedule: Sequence[timedelta],
    *,
    attempts: int,
    status: int | None,
    timed_out: bool,
    retry_after: timedelta | None,
    draw: float,
) -> timedelta | None:
    """How long to wait after so many attempts, or None once they are exhausted. `draw` is uniform in [0, 1)."""
    if attempts > len(schedule):
        return None
    delay = schedule[attempts - 1] * (LEAST_JITTER + (MOST_JITTER - LEAST_JITTER) * draw)
    if timed_out or status in OVERLOADED:
        delay = max(delay, OVERLOADED_PAUSE)
    if retry_after is not None:
        delay = max(delay, min(retry_after, LONGEST_RETRY_AFTER))
    return delay


def parse_retry_after(text: str | None, *, now: datetime) -> timedelta | None:
    """The wait that a Retry-After header asks for, in seconds or until a date (RFC 9110 §10.2.3); None for another."""
    if text is None:
        return None
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
        return max((until if until.tzinfo else until.replace(tzinfo=UTC)) - now, timedelta())
    except (ValueError, OverflowError):
        return None
