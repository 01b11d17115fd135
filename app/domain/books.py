"""The books: which way each entry moved a unit's points. The one table of it, for blocks, proofs and reports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.domain import calendar
from app.domain.calendar import Period
from app.domain.commands import (
    Cancellation,
    Capture,
    Fulfilment,
    Purchase,
    PurchaseChange,
    Redemption,
    Return,
    Transfer,
    TransferIn,
    TransferReversal,
)
from app.domain.events import REACHED, UNREACHED, Entry
from app.domain.posting import REVIVAL
from app.domain.settling import EXPIRY

ISSUED, REDEEMED, EXPIRED, REVERSED = WAYS = ("issued", "redeemed", "expired", "reversed")
"""The four ways points go: in by the first, out by the others."""

DEBITS: Mapping[str, str] = {
    Redemption.kind: REDEEMED,
    Capture.kind: REDEEMED,
    Purchase.kind: REDEEMED,  # what holds paid of it
    Transfer.kind: REDEEMED,  # and as put back by its receiver: together they move nothing
    TransferReversal.kind: REDEEMED,  # likewise, beside what the cancellation puts back
    EXPIRY: EXPIRED,
    REACHED: REDEEMED,  # what it consumed
}
"""The way of what a kind of event takes; what any other kind takes is reversed."""

RESTORING = (Cancellation.kind, UNREACHED)
"""Kinds that may put redeemed points back: what opens no lot then, or says by its draws that it puts some back, lowers
what was redeemed."""


RETURNING = (Return.kind, PurchaseChange.kind)
"""Kinds that put redeemed points back where their draws say so, and may give points as well."""

REVIVING = (REVIVAL,)
"""Kinds that put points back which had expired: what they credit lowers what has expired."""

MOVING = (Fulfilment.kind,)
"""Kinds that only move points from one lot to another: what they take lowers what was issued."""

PASSING = (TransferIn.kind,)
"""Kinds whose credits are another member's debit: they lower what was redeemed, though they open lots."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Points of one unit by the way they went; `redeemed` and `expired` are less what was put back."""

    issued: int = 0
    redeemed: int = 0
    expired: int = 0
    reversed: int = 0

    @property
    def net(self) -> int:
        """What it adds to the points outstanding."""
        return self.issued - self.redeemed - self.expired - self.reversed

    def and_more(self, way: str, points: int) -> "Moved":
        """The same with more points of one way."""
        return replace(self, **{way: getattr(self, way) + points})


@dataclass(frozen=True, slots=True)
class Trial:
    """One unit's books: what was issued less what went, and what the accounts hold, must be the same."""

    unit: str
    moved: Moved
    outstanding: int

    @property
    def balanced(self) -> bool:
        return self.moved.net == self.outstanding


class Cut(NamedTuple):
    """Time cut at `edges` into stretches, one more than edges, of which a report tells those from `first` to `last`.

    With `periods`, the beginning and end of each stretch told.
    """

    edges: tuple[datetime, ...]
    first: int
    last: int
    periods: tuple[tuple[datetime, datetime], ...] = ()


def cut(since: datetime | None, until: datetime | None) -> Cut:
    """The one stretch from `since` until `until`; None for the beginning, and for now."""
    edges = tuple(edge for edge in (since, until) if edge is not None)
    return Cut(edges, first=int(since is not None), last=int(since is not None))


def cut_by(
    period: Period,
    since: datetime | None,
    until: datetime | None,
    *,
    beginning: datetime,
    now: datetime,
    zone: ZoneInfo,
    most: int,
) -> Cut:
    """The same by period: the first ones of more than `most`; without `since`, from the period of the beginning on."""
    earliest = beginning if until is None else min(beginning, until - timedelta.resolution)
    start = since or calendar.start_of_period(earliest, period, zone)
    end = until or calendar.end_of_period(max(start, now), period, zone)
    inner = calendar.period_starts(start, end, period, zone, most=most - 1)
    whole = cut(since, until)
    edges = tuple(sorted({*whole.edges, *inner}))
    return Cut(
        edges,
        first=whole.first,
        last=whole.first + len(inner),
        periods=tuple(zip((start, *inner), (*inner, end), strict=True)),
    )


def total(parts: Iterable[Moved]) -> Moved:
    """All that was moved together."""
    found = tuple(parts)
    return Moved(**{way: sum(getattr(part, way) for part in found) for way in WAYS})


def way(kind: str, entry: Entry) -> tuple[str, int]:
    """The way an entry of this kind of event moved points, and how many; less than none where it restored some."""
    if kind in MOVING:
        return ISSUED, entry.points
    if entry.points <= 0:
        return DEBITS.get(kind, REVERSED), -entry.points
    if kind in REVIVING:
        return EXPIRED, -entry.points
    back = kind in (*RESTORING, *RETURNING) and any(draw.points < 0 for draw in entry.draws)
    if back or kind in PASSING or (kind in RESTORING and entry.available_at is None):
        return REDEEMED, -entry.points
    return ISSUED, entry.points
