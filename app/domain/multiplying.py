"""How multipliers scale the sums of lines where they choose among each other or have caps (semantics A4).

What a multiplier adds is its own; one below 1 lessens what every rule before it gave for the line.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from app.domain import points
from app.domain.combining import Combine, Multipliers
from app.domain.exact import Exact
from app.domain.rules import Multiply, Rule, UnitPlan
from app.domain.steps import Step

Parts = dict[int, Exact]
"""What a rule gives for each line, in `scale`ths."""


class Factor(NamedTuple):
    """A multiplier with the lines it scales, or why it scales none."""

    rule: Rule
    lines: Sequence[int] = ()
    why: str | None = None

    @property
    def times(self) -> Fraction:
        assert isinstance(self.rule.gives, Multiply)
        return self.rule.gives.factor


def multiplied(
    factors: Sequence[Factor], given: Sequence[Parts], plan: UnitPlan, *, lines: int, steps: list[Step]
) -> list[Parts]:
    """What each multiplier adds per line. Those below 1 lessen what was `given`, in place, and what others added.

    Per line, the factors of a group and then those of the unit come together as they say. A factor of 0 leaves nothing.
    """
    if not factors:
        return []
    sums: list[Exact] = [sum(part.get(line, 0) for part in given) for line in range(lines)]
    factors = _until_stopped(_grouped(factors, plan), sums)
    added: list[Parts] = [{} for _ in factors]
    moved: list[Exact] = [0] * len(factors)
    counted: set[int] = set()
    for line in range(lines):
        for entry in _entries(factors, line, plan):
            counted.update(entry)
            sums[line] = _scaled(entry, factors, sums[line], line, (given, added), moved)
    running: Exact = sum(sums) - sum(moved)
    for i in sorted(range(len(factors)), key=lambda i: _turn(factors, i, plan)):
        one = factors[i]
        running += moved[i]
        why = one.why if one.why is not None or i in counted else "not_best"
        said = ("multiply", points.text(running, scale=plan.scale)) if why is None else (why, "0")
        steps.append((one.rule.code, one.rule.unit, *said))
    return added


def _grouped(factors: Sequence[Factor], plan: UnitPlan) -> list[Factor]:
    """Of each group that is not a sum, one multiplier a line: the largest, or the first; a 0 stays beside it."""
    chosen = list(factors)
    for group in plan.groups:
        mine = [i for i, one in enumerate(factors) if one.rule.group == group.code and one.why is None]
        if group.combine is Combine.SUM or not mine:
            continue
        best = group.combine is Combine.BEST
        for i in mine:
            others = [factors[k] for k in mine if (_beats(factors[k], factors[i], k < i) if best else k < i)]
            lines = [line for line in factors[i].lines if not any(line in other.lines for other in others)]
            why = None if lines else "not_best" if best else "not_first"
            chosen[i] = factors[i]._replace(lines=lines, why=why)
    return chosen


def _beats(one: Factor, other: Factor, before: bool) -> bool:
    larger = one.times > other.times or (one.times == other.times and before)
    return larger and other.times > 0


def _until_stopped(factors: Sequence[Factor], sums: Sequence[Exact]) -> list[Factor]:
    """Those are ended that rank lower than one that stops and really changed something."""
    least: int | None = None
    kept = []
    for one in factors:  # in order of priority
        if one.why is None and least is not None and one.rule.priority < least:
            one = one._replace(why="stopped")
        changes = one.why is None and one.times != 1 and any(sums[line] for line in one.lines)
        if changes and one.rule.stop and least is None:
            least = one.rule.priority
        kept.append(one)
    return kept


def _entries(factors: Sequence[Factor], line: int, plan: UnitPlan) -> list[list[int]]:
    """What scales a line, one after the other; those of an entry add up their parts above and below 1.

    A factor of 0 is no part of a sum, and not to be chosen from: it leaves nothing.
    """
    entries: dict[int, list[int]] = {}
    for i, one in enumerate(factors):
        if one.why is None and line in one.lines:
            entries.setdefault(_first(factors, i, plan), []).append(i)
    found = list(entries.values())
    if plan.unit.multipliers is not Multipliers.BEST:
        return found
    nothing = [entry for entry in found if not factors[entry[0]].times]
    some = [entry for entry in found if factors[entry[0]].times]
    return ([max(some, key=lambda entry: _together(entry, factors))] if some else []) + nothing


def _first(factors: Sequence[Factor], i: int, plan: UnitPlan) -> int:
    """The first multiplier of the sum that one is a part of; itself where it is of none."""
    rule, times = factors[i].rule, factors[i].times
    if not times:
        return i
    if plan.unit.multipliers is Multipliers.SUM:
        return next(k for k, one in enumerate(factors) if one.times)
    if rule.group not in {group.code for group in plan.groups if group.combine is Combine.SUM}:
        return i
    return next(k for k, one in enumerate(factors) if one.rule.group == rule.group and one.times)


def _turn(factors: Sequence[Factor], i: int, plan: UnitPlan) -> tuple[int, bool, int]:
    """When a multiplier is told: those of a sum together, what is below 1 after the others."""
    first = _first(factors, i, plan)
    return (first, factors[i].times < 1, i)


def _together(entry: Sequence[int], factors: Sequence[Factor]) -> Fraction:
    """One factor by itself; of several, 1 with the parts by which each is above or below it."""
    return max(Fraction(0), 1 + sum((factors[i].times - 1 for i in entry), Fraction(0)))


def _scaled(
    entry: Sequence[int],
    factors: Sequence[Factor],
    value: Exact,
    line: int,
    parts: tuple[Sequence[Parts], Sequence[Parts]],
    moved: list[Exact],
) -> Exact:
    """The line's sum after an entry. What is above 1 is added first, so that what is below lessens all of it."""
    given, added = parts
    start, before = value, Fraction(1)
    for i in sorted(entry, key=lambda i: factors[i].times < 1):
        now = max(Fraction(0), before + factors[i].times - 1)
        change = start * now - value
        value, moved[i] = value + change, moved[i] + change
        if change > 0:
            added[i][line] = added[i].get(line, 0) + change
        elif change < 0:
            for part in (*given, *added):
                if line in part:
                    part[line] *= now / before
        before = now
    return value
