"""Periods as the core counts in them."""

from datetime import date

from app.domain import calendar, periods
from app.program.document import Periods


def within(stated: str | Periods) -> periods.Within:
    """The periods that a document names."""
    if isinstance(stated, Periods):
        start = stated.from_ if isinstance(stated.from_, date) else None
        return periods.Within(calendar.Period(calendar.Every(stated.every), start), joining=start is None)
    return periods.LIFETIME if stated == "lifetime" else periods.Within(calendar.Period(calendar.Every(stated)))
