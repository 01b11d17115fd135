"""What keeps one endpoint from costing the others anything, and us from pestering it (webhooks W6, W7): pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.db.claims import Open, Room
from app.db.deliveries import ABORTED, DELIVERED, Attempt
from app.db.endpoint_health import Health

TRIP_AFTER = 10
"""Failures in a row that open the breaker."""
PAUSES = (timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=5))
"""How long the breaker stays open, the first time and each time a probe has failed; then the last one again."""
PROBES = 1
"""Requests in flight to an endpoint whose breaker has opened, until one succeeds."""
LONGEST_FAILING = timedelta(days=5)
"""An endpoint is disabled once it has failed for so long without a success."""
FAILURE_COSTS, MOST_PENALTY = 4, 64
"""A failure counts against an endpoint until it has had so many successes; with the most it has the least room."""
LEAST_BESIDE = 4
"""Requests in flight that remain to an endpoint that fails, while there is room for others that do not."""
BURST = timedelta(milliseconds=100)
"""A rate may be used up this much at once: what it gives in this time, but one request at least."""

ENABLED, DISABLED = "enabled", "disabled"
GONE, ASKED, FAILING = "gone", "asked", "failing"
"""Why an endpoint was disabled: by 410, by a header of its answer, by failing for days."""


def rooms(
    endpoints: Sequence[Open],
    *,
    flying: Mapping[bytes, int],
    unrecorded: Mapping[bytes, int],
    most: int,
    free: int,
    after: bytes,
    now: datetime,
) -> list[Room]:
    """What may be claimed of each, those with most room first, and among equals those after endpoint `after`.

    `flying` is what this process has in flight, `unrecorded` what has come back and is not recorded yet; `most` and
    `free` are this process's own limits, of one endpoint and in all.
    """
    found = []
    for one in endpoints:
        at_once = PROBES if one.trips or one.strict else min(one.in_flight, most)
        room = min(at_once - flying.get(one.endpoint_id, 0), free, allowance(one.rate_at, one.per_second, now=now))
        if room > 0:
            found.append(Room(one, room, at_once + unrecorded.get(one.endpoint_id, 0)))
    return sorted(found, key=lambda r: (-r.room, r.endpoint.endpoint_id <= after, r.endpoint.endpoint_id))


def penalties(before: Mapping[bytes, int], attempts: Iterable[Attempt]) -> dict[bytes, int]:
    """What endpoints have against them after some attempts, by endpoint; those that do well are not among them."""
    after = dict(before)
    for attempt in attempts:
        endpoint_id = attempt.claimed.endpoint_id
        of = after.pop(endpoint_id, 0) + (FAILURE_COSTS if _counts_as_failed(attempt) else -1)
        if of > 0:
            after[endpoint_id] = min(of, MOST_PENALTY)
    return after


def yielding(rooms: Sequence[Room], penalties: Mapping[bytes, int]) -> dict[bytes, int]:
    """Those that give way, with their penalties: who has one, as long as there is room for another who has none."""
    ailing = [one.endpoint.endpoint_id for one in rooms if one.endpoint.endpoint_id in penalties]
    return {id: penalties[id] for id in ailing} if len(ailing) < len(rooms) else {}


def lessened(rooms: Sequence[Room], yielding: Mapping[bytes, int], *, flying: Mapping[bytes, int]) -> list[Room]:
    """The same rooms, in the same order, but smaller for those that give way, by as much as their penalty says."""
    found = []
    for one in rooms:
        id = one.endpoint.endpoint_id
        share = MOST_PENALTY - yielding.get(id, 0)
        at_once = max(LEAST_BESIDE, one.endpoint.in_flight * share // MOST_PENALTY)
        room = min(one.room, at_once - flying.get(id, 0)) if id in yielding else one.room
        if room > 0:
            found.append(replace(one, room=room))
    return found


def allowance(rate_at: datetime | None, per_second: int | None, *, now: datetime) -> int:
    """How many requests a rate allows now; `rate_at` is how far it is used up."""
    if per_second is None:
        return _UNLIMITED
    interval = timedelta(seconds=1) / per_second
    return (now - _used_from(rate_at, interval, now=now)) // interval


def spent(rate_at: datetime | None, per_second: int, count: int, *, now: datetime) -> datetime:
    """How far a rate is used up after so many requests more."""
    interval = timedelta(seconds=1) / per_second
    return _used_from(rate_at, interval, now=now) + count * interval


def fare(health: Health, attempts: Iterable[Attempt]) -> Health:
    """An endpoint's health after some attempts, in the order in which they ended."""
    for attempt in sorted(attempts, key=lambda attempt: attempt.finished_at):
        if attempt.outcome == DELIVERED:
            health = replace(health, failures=0, trips=0, open_until=None, failing_since=None)
        elif _counts_as_failed(attempt):
            health = _failed(health, attempt.finished_at)
        reason = attempt.disables or _too_long(health, attempt.finished_at)
        if reason is not None and health.state == ENABLED:
            health = replace(health, state=DISABLED, reason=reason)
    return health


_UNLIMITED = 1_000_000


def _counts_as_failed(attempt: Attempt) -> bool:
    return attempt.outcome != DELIVERED and attempt.state != ABORTED  # who asks to abort a message is well


def _used_from(rate_at: datetime | None, interval: timedelta, *, now: datetime) -> datetime:
    full = now - max(BURST, interval)
    return full if rate_at is None else max(rate_at, full)


def _failed(health: Health, at: datetime) -> Health:
    failing_since = health.failing_since or at
    if health.open_until is not None and at < health.open_until:
        return replace(health, failing_since=failing_since)  # it was under way when the breaker opened
    failures = health.failures + 1
    if health.trips == 0 and failures < TRIP_AFTER:
        return replace(health, failing_since=failing_since, failures=failures)
    pause = PAUSES[min(health.trips, len(PAUSES) - 1)]
    trips = min(health.trips + 1, len(PAUSES))
    return replace(health, failing_since=failing_since, failures=failures, trips=trips, open_until=at + pause)


def _too_long(health: Health, now: datetime) -> str | None:
    since = health.failing_since
    return FAILING if since is not None and now - since >= LONGEST_FAILING else None
