"""Schedules as the core and the worker follow them."""

from app.domain import calendar, rules
from app.program import document as documents


def schedule(stated: documents.Schedule) -> rules.Schedule:
    """One schedule of a document."""
    if stated.yearly is not None:
        return rules.Schedule(stated.id, rules.Yearly(stated.yearly))
    if stated.on is not None:
        return rules.Schedule(stated.id, stated.on)
    assert stated.after is not None, "a schedule has one kind: reading refuses others"
    wait = stated.wait or stated.each or calendar.Span()
    return rules.Schedule(stated.id, rules.After(rules.Follows(stated.after), wait, stated.tier or "", stated.each))
