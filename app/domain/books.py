"""The books: which way each entry moved a unit's points. The one table of it, for blocks, proofs and reports."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.domain.commands import Cancellation, Redemption
from app.domain.events import Entry
from app.domain.settling import EXPIRY

ISSUED, REDEEMED, EXPIRED, REVERSED = WAYS = ("issued", "redeemed", "expired", "reversed")
"""The four ways points go: in by the first, out by the others."""

DEBITS: Mapping[str, str] = {Redemption.kind: REDEEMED, EXPIRY: EXPIRED}
"""The way of what a kind of event takes; what any other kind takes is reversed."""

RESTORING = (Cancellation.kind,)
"""Kinds that may put redeemed points back into their lots: what opens no lot then lowers what was redeemed."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Points of one unit by the way they went; `redeemed` is less what was restored."""

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


def way(kind: str, entry: Entry) -> tuple[str, int]:
    """The way an entry of this kind of event moved points, and how many; less than none where it restored some."""
    if entry.points <= 0:
        return DEBITS.get(kind, REVERSED), -entry.points
    if entry.available_at is None and kind in RESTORING:
        return REDEEMED, -entry.points
    return ISSUED, entry.points
