"""What a member has used of something that is counted in periods: visits, caps, totals of milestones (A5, A9, A11).

Each counter has a row a period, which is forgotten once the period has been over for longer than events may be late:
what is taken back later gives nothing back that anybody could still use.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from app.domain.state import MemberState, Usage

Used = Mapping[tuple[str, datetime], Usage]
"""What is used, by counter and the start of its period."""


def used(state: MemberState, counter: str, since: datetime) -> Usage:
    """What a counter shows for the period that begins at `since`."""
    return state.usage.get((counter, since)) or Usage(counter, since, None)


def added(state: MemberState, counted: Iterable[Usage], *, now: datetime, kept: timedelta) -> MemberState:
    """The state after these counts. Periods that were over for longer than `kept` are forgotten, and not counted."""
    return state._replace(usage=moved(state.usage, counted, now=now, kept=kept))


def moved(used: Used, counted: Iterable[Usage], *, now: datetime, kept: timedelta) -> Used:
    """What is used after these counts."""
    usage = dict(used)
    for one in counted:
        before = usage.get((one.counter, one.since)) or one._replace(points=0, times=0)
        after = before._replace(points=before.points + one.points, times=before.times + one.times)
        usage[one.counter, one.since] = after
    return {
        key: row
        for key, row in usage.items()
        if (row.points or row.times) and (row.until is None or row.until > now - kept)
    }
