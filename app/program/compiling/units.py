"""Units as the core counts them."""

from datetime import date
from zoneinfo import ZoneInfo

from app.domain import calendar, units
from app.domain.points import Rounding
from app.program import document as documents
from app.program import values


def compile_unit(code: str, unit: documents.Unit, zone: ZoneInfo) -> units.Unit:
    """The core's unit of one of a document's, in the program's zone."""
    return units.Unit(
        code=code,
        name=unit.name,
        decimals=unit.decimals,
        spendable=unit.spendable,
        rounding=Rounding(unit.rounding),
        expiry=_expiry(unit, zone),
        pending=_pending(unit),
        notice=unit.expiring_notice,
        grace=unit.grace,
    )


def period(every: str, starting: date | str | None) -> calendar.Period:
    """Periods of the calendar, from a day on, or from the day on which each member joined."""
    if isinstance(starting, str):
        return calendar.Period(calendar.Every(every), from_joining=True)
    return calendar.Period(calendar.Every(every), starting)


def _pending(unit: documents.Unit) -> calendar.Span | units.AwaitsFulfilment | None:
    if isinstance(unit.pending, documents.PendingFulfilment):
        return units.AwaitsFulfilment(unit.pending.lapses_after)
    return unit.pending


def _expiry(unit: documents.Unit, zone: ZoneInfo) -> units.Expiry | None:
    match unit.expires:
        case documents.Expires(after=after, round_up=round_up):
            return units.ExpiresAfter(after, calendar.Every(round_up) if round_up else None)
        case documents.ExpiresWithPeriod(at_end_of=every, starting=starting, later=later):
            return units.ExpiresWithPeriod(period(every, starting), later)
        case documents.ExpiresOn(on=moment):
            return units.ExpiresAt(values.ends_at(moment, zone=zone))
        case documents.ExpiresInactive(inactive=inactive, events=events):
            return units.Slides(inactive, frozenset(events))
        case "never":
            return None
