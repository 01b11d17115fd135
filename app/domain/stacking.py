"""How rules that choose among each other come together, and what caps leave of them (semantics A4, A5).

In this order, per unit: groups choose, an exclusive rule stands alone, stops end what ranks lower; multipliers scale
each line; the sum is rounded, and each rule has its whole share of it; caps trim these shares, narrow ones first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from operator import is_
from typing import NamedTuple

from app.domain import combining, multiplying, points
from app.domain.combining import PROGRAM, Cap, Combine, Group, Room
from app.domain.exact import Exact
from app.domain.multiplying import Factor
from app.domain.rules import Rule, Rules, UnitPlan
from app.domain.steps import Step

NO_LINE = -1
"""Where a fixed grant stands: it is of no line, and never multiplied."""

Used = tuple[str, int, int]
"""The counter of a cap, and what an event uses under it: points, and times."""


class Gives(NamedTuple):
    """What a rule would give for each line, by its own terms, in `scale`ths; or why it gives nothing."""

    rule: Rule
    what: str
    shares: Sequence[tuple[int, Exact]] = ()
    why: str | None = None

    @property
    def total(self) -> Exact:
        return sum([share for _, share in self.shares])


class Share(NamedTuple):
    """The whole smallest parts that a rule gives."""

    rule: Rule
    points: int


def combined(
    plan: UnitPlan,
    gives: Sequence[Gives],
    factors: Sequence[Factor],
    *,
    room: Mapping[str, Room],
    lines: int,
    steps: list[Step],
) -> list[Share]:
    """What each rule of a unit gives, whole, under the caps of rules, groups and the unit; in order of the stages."""
    gives = [_with_room(one, room) if one.why is None else one for one in gives]
    gives, alone = _alone(_grouped(gives, plan, room), plan, room)
    sums_of, fixed = [g for g in gives if g.what != "fixed"], [g for g in gives if g.what == "fixed"]
    sums_of, fixed = _until_stopped(sums_of), _until_stopped(fixed)
    parts = [dict(one.shares) if one.why is None else {} for one in sums_of]
    for one in sums_of:
        steps.append(_step(one, plan.scale))
    parts += multiplying.multiplied(
        [_factor(one, room, alone=alone) for one in factors], parts, plan, lines=lines, steps=steps
    )
    parts += [dict(one.shares) if one.why is None else {} for one in fixed]
    steps.extend(_step(one, plan.scale) for one in fixed)
    rules = [*(g.rule for g in sums_of), *(f.rule for f in factors), *(g.rule for g in fixed)]
    whole = _rounded(plan, [sum(part.values()) for part in parts], steps, gave=any(one.why is None for one in gives))
    return _capped(plan, [Share(rule, n) for rule, n in zip(rules, whole, strict=True)], room, steps)


def together(shares: Sequence[Share], rules: Rules, room: Mapping[str, Room], steps: list[Step]) -> list[Share]:
    """What the caps of the program leave of what all units' rules give: of all times, of points that can be spent."""
    if not rules.caps:
        return list(shares)
    limited = [cap for cap in rules.caps if cap.points is not None]
    times = [cap for cap in rules.caps if cap.times is not None]
    shares = _trimmed(shares, 0 if not combining.once_more(times, room) else None, "program_cap", steps)
    return _trimmed(
        shares,
        combining.most(limited, room),
        "program_cap",
        steps,
        of=lambda rule: rules.units[rule.unit].spendable,
    )


def by_unit(shares: Iterable[Share]) -> dict[str, int]:
    """What is given, by unit."""
    sums: dict[str, int] = {}
    for share in shares:
        if share.points:
            sums[share.rule.unit] = sums.get(share.rule.unit, 0) + share.points
    return sums


def used(
    given: Mapping[str, int], shares: Iterable[Share], gifts: Sequence[str], rules: Rules, kind: str
) -> tuple[Used, ...]:
    """What an event uses of the caps whose usage is kept: of what is `given` by unit, and of its gifts' rules."""
    limits = rules.limits.get(kind, ())
    if not limits:
        return ()
    spendable = sum(points for code, points in given.items() if rules.units[code].spendable)
    sums = {PROGRAM: spendable} | {f"unit:{code}": points for code, points in given.items()}
    for share in shares:
        for holder in (f"rule:{share.rule.code}", f"group:{share.rule.group}"):
            sums[holder] = sums.get(holder, 0) + share.points
    times = {holder for holder, points in sums.items() if points} | {f"rule:{code}" for code in gifts}
    if gifts or any(given.values()):
        times.add(PROGRAM)
    found = {cap.counter: (sums.get(cap.holder, 0), int(cap.holder in times)) for cap in limits}
    return tuple((counter, *amounts) for counter, amounts in sorted(found.items()) if any(amounts))


def _with_room(one: Gives, room: Mapping[str, Room]) -> Gives:
    """A rule whose own caps leave nothing gives nothing, and ends no other."""
    return one._replace(why="no_room") if combining.most(one.rule.caps, room) == 0 else one


def _factor(factor: Factor, room: Mapping[str, Room], *, alone: bool) -> Factor:
    if factor.why is not None:
        return factor
    if alone:
        return factor._replace(why="excluded")
    return factor._replace(why="no_room") if combining.most(factor.rule.caps, room) == 0 else factor


def _worth(one: Gives, plan: UnitPlan, room: Mapping[str, Room]) -> Exact:
    """What a rule gives before multipliers, as far as its own caps let it; nothing where it does not apply."""
    if one.why is not None:
        return 0
    most = combining.most(one.rule.caps, room)
    return one.total if most is None else min(one.total, most * plan.scale)


def _grouped(gives: Sequence[Gives], plan: UnitPlan, room: Mapping[str, Room]) -> list[Gives]:
    """Of each group that is not a sum, the one rule that counts: the best, or the first that gives anything."""
    chosen = list(gives)
    for group in plan.groups:
        if group.combine is Combine.SUM:
            continue
        worth = {
            i: amount
            for i, one in enumerate(gives)
            if one.rule.group == group.code and (amount := _worth(one, plan, room))
        }
        if not worth:
            continue
        ranked = sorted(worth, key=lambda i: _rank(gives[i].rule, i))
        winner = max(ranked, key=worth.__getitem__) if group.combine is Combine.BEST else ranked[0]
        why = "not_best" if group.combine is Combine.BEST else "not_first"
        for i, one in enumerate(gives):
            if one.rule.group == group.code and one.why is None and i != winner:
                chosen[i] = one._replace(why=why)
    return chosen


def _rank(rule: Rule, position: int) -> tuple[int, int]:
    """Higher priority first, then as they stand."""
    return (-rule.priority, position)


def _alone(gives: Sequence[Gives], plan: UnitPlan, room: Mapping[str, Room]) -> tuple[list[Gives], bool]:
    """Where an exclusive rule gives something, that one alone: the highest priority, then the larger."""
    worth = {i: amount for i, one in enumerate(gives) if one.rule.exclusive and (amount := _worth(one, plan, room))}
    if not worth:
        return list(gives), False
    winner = min(worth, key=lambda i: (-gives[i].rule.priority, -worth[i], i))
    others = [one if i == winner or one.why else one._replace(why="excluded") for i, one in enumerate(gives)]
    return others, True


def _until_stopped(gives: Sequence[Gives]) -> list[Gives]:
    """The rules of a stage, those ended that rank lower than one that stops and really gave something."""
    least: int | None = None
    kept = []
    for one in gives:  # in order of priority
        if one.why is None and least is not None and one.rule.priority < least:
            one = one._replace(why="stopped")
        if one.why is None and one.rule.stop and least is None and one.total:
            least = one.rule.priority
        kept.append(one)
    return kept


def _step(one: Gives, scale: int) -> Step:
    if one.why is not None:
        return (one.rule.code, one.rule.unit, one.why, "0")
    return (one.rule.code, one.rule.unit, one.what, points.text(one.total, scale=scale))


def _rounded(plan: UnitPlan, amounts: Sequence[Exact], steps: list[Step], *, gave: bool) -> list[int]:
    """Each rule's whole share: the running total is rounded, so that they sum to the rounded sum (A2, L2)."""
    whole, before = [], 0
    total: Exact = Fraction(0)
    for amount in amounts:
        total += amount
        now = points.rounded(total, plan.unit.rounding, scale=plan.scale)
        whole.append(now - before)
        before = now
    if gave and before * plan.scale != total:
        steps.append(("", plan.unit.code, "round", str(before)))
    return whole


def _capped(plan: UnitPlan, shares: list[Share], room: Mapping[str, Room], steps: list[Step]) -> list[Share]:
    for rule in [share.rule for share in shares if share.rule.caps]:
        shares = _under(shares, rule.caps, room, "rule_cap", steps, of=partial(is_, rule))
    for group in plan.groups:
        shares = _under(shares, group.caps, room, "group_cap", steps, of=_in(group))
    return _under(shares, plan.unit.caps, room, "unit_cap", steps)


def _in(group: Group) -> Callable[[Rule], bool]:
    return lambda rule: rule.group == group.code


def _all(rule: Rule) -> bool:
    return True


def _under(
    shares: list[Share],
    caps: Sequence[Cap],
    room: Mapping[str, Room],
    code: str,
    steps: list[Step],
    *,
    of: Callable[[Rule], bool] = _all,
) -> list[Share]:
    return _trimmed(shares, combining.most(caps, room), code, steps, of=of) if caps else shares


def _trimmed(
    shares: Sequence[Share],
    most: int | None,
    code: str,
    steps: list[Step],
    *,
    of: Callable[[Rule], bool] = _all,
) -> list[Share]:
    """What is left where some rules together may give so much at most: trimmed from the last one backwards (A5)."""
    left = list(shares)
    if most is None:
        return left
    over = sum(share.points for share in shares if of(share.rule)) - most
    for i in range(len(left) - 1, -1, -1):
        rule, given = left[i]
        less = min(given, over) if of(rule) else 0
        if less > 0:
            over -= less
            left[i] = Share(rule, given - less)
            steps.append((rule.code, rule.unit, code, str(less)))
    return left
