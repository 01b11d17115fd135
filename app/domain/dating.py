"""When a credit counts: from when it can be spent, until when, and when its end is told (semantics L10, L11)."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.domain import units
from app.domain.calendar import Span
from app.domain.units import Unit


class Dates(NamedTuple):
    """When a credit occurred, from when it can be spent, and until when."""

    occurred_at: datetime
    available_at: datetime
    expires_at: datetime | None


def dates(unit: Unit, *, occurred_at: datetime, now: datetime, zone: ZoneInfo, joined: datetime | None) -> Dates:
    """The dates of a credit that is recorded now; where points wait, never over before now (semantics L10, L11)."""
    nominal = units.available_from(unit, occurred_at=occurred_at, zone=zone)
    waits = isinstance(unit.pending, Span)
    available_at = max(nominal, now) if waits else min(occurred_at, now)
    return Dates(occurred_at, available_at, units.expires_at(unit, available_from=nominal, zone=zone, joined=joined))


def dates_of_goods(
    unit: Unit, *, occurred_at: datetime, now: datetime, zone: ZoneInfo, joined: datetime | None
) -> Dates:
    """The same for what goods give: it may wait until they have arrived, and lapse if they never do (semantics L11)."""
    lapse = units.lapses_at(unit, occurred_at=occurred_at, zone=zone)
    if lapse is not None:  # never active: what lets it count moves it to a lot of its own
        return Dates(occurred_at, lapse, lapse)
    return dates(unit, occurred_at=occurred_at, now=now, zone=zone, joined=joined)


def first_seen_to(
    unit: Unit, *, occurred_at: datetime, now: datetime, zone: ZoneInfo, joined: datetime | None
) -> datetime | None:
    """When the end of a credit that is recorded now is told, or else written down, if nothing follows."""
    end = dates(unit, occurred_at=occurred_at, now=now, zone=zone, joined=joined).expires_at
    if isinstance(unit.expiry, units.Slides):
        end = units.active_until(unit.expiry, occurred_at=occurred_at, zone=zone)
    if end is None or unit.notice is None:
        return end
    return units.notice_at(unit.notice, ends_at=end, zone=zone)
