"""The report of a trial: what the members' parts come to together, in memory that does not grow with them."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from fractions import Fraction

from app.domain import books, contributions
from app.domain.backtesting import Sums, Tried
from app.domain.books import Moved
from app.domain.rules import Cost

Difference = tuple[int, bytes]
"""How many points more a member has than before, and who; fewer below zero."""


@dataclass(slots=True)
class Side:
    """One side of a trial: points by unit, by rule and unit, and members by ladder and tier."""

    _moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    _given: Counter[tuple[str, str]] = field(default_factory=Counter)
    tiers: Counter[tuple[str, str]] = field(default_factory=Counter)

    rewards: Counter[str] = field(default_factory=Counter)

    def add(self, sums: Sums) -> None:
        """Counts one member."""
        self.rewards.update(sums.rewards)
        _add(self._moved, sums.moved)
        _add(self._given, sums.given)
        self.tiers.update(sums.tiers.items())

    def moved(self, unit: str) -> Moved:
        """What was moved of a unit."""
        return Moved(**{way: self._moved[unit, way] for way in books.WAYS})

    def given(self, rule: str, unit: str) -> Fraction:
        """What a rule gave of a unit, in smallest parts."""
        return Fraction(self._given[rule, unit], contributions.SCALE)

    def rules(self) -> Set[tuple[str, str]]:
        """Which rules gave which units."""
        return self._given.keys()

    def units(self) -> Set[str]:
        """The units of which anything moved."""
        return {unit for unit, _ in self._moved}


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
        self.before.add(tried.before)
        self.after.add(tried.after)
        for unit in {unit for sums in (tried.before, tried.after) for unit, _ in sums.moved}:
            self._rank(unit, _kept(tried.after, unit) - _kept(tried.before, unit), tried.member_id)

    def gaining(self, unit: str) -> tuple[Difference, ...]:
        """Who would have gained most, the most first."""
        return tuple(sorted(self._gaining.get(unit, ()), reverse=True))

    def losing(self, unit: str) -> tuple[Difference, ...]:
        """Who would have lost most, the most first."""
        return tuple((-points, member_id) for points, member_id in sorted(self._losing.get(unit, ()), reverse=True))

    def units(self) -> tuple[str, ...]:
        """The units of which anything moved, by name."""
        return tuple(sorted(self.before.units() | self.after.units()))

    def _rank(self, unit: str, difference: int, member_id: bytes) -> None:
        if difference:
            ranked = (self._gaining if difference > 0 else self._losing).setdefault(unit, [])
            heapq.heappush(ranked, (abs(difference), member_id))
            if len(ranked) > self.top:
                heapq.heappop(ranked)


def costs(side: Side, each: Mapping[str, Cost], decimals: Mapping[str, int]) -> Iterator[tuple[str, str, Fraction]]:
    """What the points issued cost when they are spent, less those taken back: unit, currency and exact money."""
    for unit, cost in sorted(each.items()):
        moved = side.moved(unit)
        yield unit, cost.currency, cost.amount * Fraction(moved.issued - moved.reversed, 10 ** decimals[unit])


def _kept(sums: Sums, unit: str) -> int:
    """What was issued of a unit, less what was taken back."""
    return sums.moved.get((unit, books.ISSUED), 0) - sums.moved.get((unit, books.REVERSED), 0)


def _add(to: Counter[tuple[str, str]], more: Mapping[tuple[str, str], int]) -> None:
    for name, count in more.items():
        to[name] += count
