"""What members together used of caps over all of them, by their events (semantics A5)."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from app.domain import chain, limits
from app.domain.combining import Per
from app.domain.commands import Purchase
from app.domain.events import Recorded
from app.domain.rules import Versions
from app.domain.state import Usage
from app.domain.usage import Used
from app.domain.verifying.history import StoredEvent
from app.domain.verifying.places import Finding

Totals = dict[tuple[str, datetime], Usage]
"""What members together used of caps over all of them, by counter and the start of its period."""


def shared_findings(totals: Totals, stored: Used, versions: Versions, *, newest: datetime) -> Iterator[Finding]:
    """Where what all members used is not what their events lead to, in periods that events can still be of.

    `newest` is when the last event was recorded: what was over long before it may be forgotten.
    """
    late = max((rules.late for rules in versions.all), default=timedelta(0))
    for key in sorted(totals.keys() | stored.keys()):
        again, found = totals.get(key), stored.get(key)
        until = (again or stored[key]).until
        current = until is None or until > newest - late + timedelta(days=1)
        if current and _amounts(again) != _amounts(found):
            place = f"usage of {key[0]} since {key[1].isoformat()}"
            yield Finding(place, f"is {_amounts(found)}, and the events lead to {_amounts(again)}")


def add(totals: Totals, before: Used, after: Used) -> None:
    """Adds to the totals what a decision used between before and after."""
    for key in before.keys() | after.keys():
        was, now = before.get(key), after.get(key)
        known = totals.get(key) or (now or before[key])._replace(points=0, times=0)
        (points, times), (had, often) = _amounts(now), _amounts(was)
        totals[key] = known._replace(points=known.points + points - had, times=known.times + times - often)


def recalled(group: Sequence[StoredEvent], events: Sequence[StoredEvent], versions: Versions) -> Used:
    """What all members had used when these of a member's events were judged, as far as they say."""
    if all(cap.per is not Per.PROGRAM for rules in versions.all for caps in rules.limits.values() for cap in caps):
        return {}
    found: dict[tuple[str, datetime], Usage] = {}
    for stored in group:
        found = {**_said_of_usage(stored.recorded, events, versions), **found}
    return found


def _said_of_usage(event: Recorded, events: Sequence[StoredEvent], versions: Versions) -> Used:
    """What an event says of it: of its own caps, or of those of its purchase."""
    about = None if event.about is None else next((e for e in events if e.recorded.id == event.about), None)
    judged = event if about is None or event.kind == Purchase.kind else about.recorded
    rules = versions.numbered(judged.rules_version)
    return limits.recalled(chain.context_of(event.content), rules, judged.kind, judged.occurred_at)


def _amounts(row: Usage | None) -> tuple[int, int]:
    return (0, 0) if row is None else (row.points, row.times)
