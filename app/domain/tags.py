"""Tags on members, each from an instant on, perhaps until one: set by hand or given by rules (semantics M5, A10)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain import calendar
from app.domain.rules import Tagged
from app.domain.state import HeldTag, MemberState

BY_HAND = 0
"""The number of the event of a tag that no event gave."""


def held(tags: Iterable[HeldTag], instant: datetime) -> frozenset[str]:
    """The tags that a member has at an instant; half-open."""
    return frozenset(one.tag for one in tags if one.since <= instant and (one.until is None or instant < one.until))


def given(
    state: MemberState,
    gifts: Iterable[Tagged],
    *,
    zone: ZoneInfo,
    occurred_at: datetime,
    sequence: int,
    now: datetime,
    kept: timedelta,
) -> MemberState:
    """The state with tags that the event of this number gave; those that ended longer ago than `kept` are forgotten."""
    new = {one.tag: HeldTag(one.tag, sequence, occurred_at, _until(one, zone, occurred_at)) for one in gifts}
    standing = (one for one in state.tags if one.until is None or one.until > now - kept)
    return state._replace(tags=(*standing, *(new[tag] for tag in sorted(new))))


def taken(state: MemberState, gifts: Iterable[Tagged], *, sequence: int) -> MemberState:
    """The state without the tags that the event of this number gave; the same tag from elsewhere stays."""
    gone = {(one.tag, sequence) for one in gifts}
    return state._replace(tags=tuple(one for one in state.tags if (one.tag, one.sequence) not in gone))


def _until(gift: Tagged, zone: ZoneInfo, occurred_at: datetime) -> datetime | None:
    if gift.lasts is None:
        return None
    return calendar.end_of_day(calendar.add(calendar.local_day(occurred_at, zone), gift.lasts), zone)
