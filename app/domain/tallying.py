"""The report of a trial: what the members' parts come to together, in memory that does not grow with them."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from app.domain import books
from app.domain.backtesting import Tried
from app.domain.books import Moved
from app.domain.rules import Cost

Difference = tuple[int, bytes]
"""How many points more a member has than before, and who; fewer below zero."""


@dataclass(slots=True)
class Side:
    """One side of a trial: points by unit, by rule and unit, and members by ladder and tier."""

    moved: dict[str, Moved] = field(default_factory=dict)
    given: dict[tuple[str, str], Fraction] = field(default_factory=dict)
    tiers: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """What has been counted so far; of those who gain and lose most, at most `top` a unit."""

    top: int
    members: int = 0
    events: int = 0
    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    _gaining: dict[str, list[Difference]] = field(default_factory=dict)
    _losing: dict[str, list[Difference]] = field(default_factory=dict)

    def add(self, tried: Tried) -> None:
        """Counts a member's part; one without events in the period does not count."""
        if not tried.events:
            return
        self.members += 1
        self.events += tried.events
        self.refused += tried.refused
        for side, sums in ((self.before, tried.before), (self.after, tried.after)):
            side.tiers.update(sums.tiers.items())
            for name, points in sums.given.items():
                side.given[name] = side.given.get(name, Fraction(0)) + points
            for unit, moved in sums.moved.items():
                side.moved[unit] = books.total((side.moved.get(unit, Moved()), moved))
        for unit in tried.before.moved.keys() | tried.after.moved.keys():
            was, is_ = (sums.moved.get(unit, Moved()) for sums in (tried.before, tried.after))
            self._rank(unit, (is_.issued - is_.reversed) - (was.issued - was.reversed), tried.member_id)

    def gaining(self, unit: str) -> tuple[Difference, ...]:
        """Who would have gained most, the most first."""
        return tuple(sorted(self._gaining.get(unit, ()), reverse=True))

    def losing(self, unit: str) -> tuple[Difference, ...]:
        """Who would have lost most, the most first."""
        return tuple((-points, member_id) for points, member_id in sorted(self._losing.get(unit, ()), reverse=True))

    def units(self) -> tuple[str, ...]:
        """The units of which anything moved, by name."""
        return tuple(sorted(self.before.moved.keys() | self.after.moved.keys()))

    def _rank(self, unit: str, difference: int, member_id: bytes) -> None:
        if difference:
            ranked = (self._gaining if difference > 0 else self._losing).setdefault(unit, [])
            heapq.heappush(ranked, (abs(difference), member_id))
            if len(ranked) > self.top:
                heapq.heappop(ranked)


def costs(side: Side, each: Mapping[str, Cost], decimals: Mapping[str, int]) -> Iterator[tuple[str, str, Fraction]]:
    """What the points issued cost when they are spent, less those taken back: unit, currency and exact money."""
    for unit, cost in sorted(each.items()):
        moved = side.moved.get(unit, Moved())
        yield unit, cost.currency, cost.amount * Fraction(moved.issued - moved.reversed, 10 ** decimals[unit])
