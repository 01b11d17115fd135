"""What an event earns: f(goods, context, rules), pure, so that returns can ask again for what is left (A, R2).

Stages per unit (A2): rates and per-item points add up per line and keep their fractions; multipliers scale each
line's sum; fixed grants are added; the sum is rounded once; caps trim it. Everything is exact until that rounding: sums
are counted in the plan's `scale`, so fine that rates and multipliers come out whole, and are fractions only where a
basis is one. Rules that simply add and multiply are counted here, those that choose and limit in `stacking`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from app.domain import combining, points, stacking
from app.domain.basket import Basket, Exact, Left
from app.domain.combining import Room
from app.domain.commands import Purchase
from app.domain.multiplying import Factor
from app.domain.rules import (
    Applies,
    Basis,
    Fixed,
    Gift,
    Measured,
    Multiply,
    PerItem,
    Rate,
    Rewarded,
    Rule,
    Rules,
    UnitPlan,
)
from app.domain.stacking import Gives, Share, Used
from app.domain.steps import Step


class Occasion(NamedTuple):
    """What rules look at besides the goods: judged once, kept in the event's context (semantics E2)."""

    kind: str
    occurred_at: datetime
    tiers: frozenset[str]
    source: str
    activity: str | None = None
    channel: str | None = None
    location: str | None = None
    schedule: str | None = None
    visits: Mapping[str, int] = MappingProxyType({})
    """By the code of the periods, how many of the member's purchases stood before this one (A11)."""
    numbers: Mapping[str, Fraction] = MappingProxyType({})
    """The declared numbers that the event tells (A1)."""
    room: Mapping[str, Room] = MappingProxyType({})
    """By the counter of a cap, what was left under it (A5); all of it where nothing is said."""


class Earned(NamedTuple):
    """Whole smallest parts per unit, in the program's order of units, and how they came about."""

    points: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    gifts: tuple[tuple[str, Gift], ...] = ()
    """What rules gave besides points, with the rule of each (A10)."""
    used: tuple[Used, ...] = ()
    """What that uses of the caps whose usage is kept (A5)."""


def earned(goods: Purchase | None, occasion: Occasion, rules: Rules, *, left: Sequence[Left] | None = None) -> Earned:
    """What the rules give for these goods on this occasion; no goods means an event without a sale.

    With `left`, one for each line, for what is left of the goods.
    """
    basket = Basket(goods, rules, left) if goods is not None else None
    sums: list[tuple[str, int]] = []
    steps: list[Step] = []
    shares: list[Share] = []
    for plan in rules.plans.get(occasion.kind, ()):
        if not plan.plain:
            shares += _stacked(plan, basket, occasion, steps)
        elif given := _unit(plan, basket, occasion, steps):
            sums.append((plan.unit.code, given))
    gifts = _gifts(basket, occasion, rules, steps)
    if not shares and occasion.kind not in rules.limits:
        return Earned(tuple(sums), tuple(steps), gifts)
    shares = stacking.together(shares, rules, occasion.room, steps)
    given_of = dict(sums) | stacking.by_unit(shares)
    used = stacking.used(given_of, shares, [rule for rule, _ in gifts], rules, occasion.kind)
    return Earned(
        tuple((code, given_of[code]) for code in rules.units if given_of.get(code)), tuple(steps), gifts, used
    )


def bare(rules: Rules) -> Rules:
    """The same rules without multipliers and grants: what a return without a purchase is judged by (semantics R7)."""
    kept = tuple(rule for rule in rules.rules if not isinstance(rule.gives, Multiply | Fixed))
    return replace(rules, rules=kept)


def _unit(plan: UnitPlan, basket: Basket | None, occasion: Occasion, steps: list[Step]) -> int:
    code = plan.unit.code
    sums: list[Exact] = [0] * (len(basket.lines) if basket is not None else 1)
    gave = False
    for rule in plan.sums:
        why = _why_not(rule.applies, occasion) or _add(rule, plan.scale, basket, occasion, sums, steps)
        gave = gave or why is None
        if why is not None:
            steps.append((rule.code, code, why, "0"))
    for rule in plan.multipliers:
        why = _why_not(rule.applies, occasion) or _multiply(rule, plan.scale, basket, sums, steps)
        if why is not None:
            steps.append((rule.code, code, why, "0"))
    total: Exact = sum(sums)
    for rule in plan.fixed:
        why = _why_not(rule.applies, occasion) or _grant(rule, basket)
        if why is not None:
            steps.append((rule.code, code, why, "0"))
            continue
        assert isinstance(rule.gives, Fixed)
        gave = True
        total += rule.gives.give * plan.scale
        steps.append((rule.code, code, "fixed", str(rule.gives.give)))
    whole = max(0, points.rounded(total, plan.unit.rounding, scale=plan.scale))
    if gave and whole * plan.scale != total:
        steps.append(("", code, "round", str(whole)))
    return whole


def _stacked(plan: UnitPlan, basket: Basket | None, occasion: Occasion, steps: list[Step]) -> list[Share]:
    """What each rule of a unit gives where they choose among each other, or have caps (A4, A5)."""
    gives: list[Gives] = []
    for rule in plan.sums:
        found = _why_not(rule.applies, occasion) or _shares(rule, plan.scale, basket, occasion)
        gives.append(Gives(rule, _way(rule), why=found) if isinstance(found, str) else Gives(rule, _way(rule), found))
    for rule in plan.fixed:
        why = _why_not(rule.applies, occasion) or _grant(rule, basket)
        assert isinstance(rule.gives, Fixed)
        gives.append(
            Gives(rule, "fixed", [(stacking.NO_LINE, rule.gives.give * plan.scale)] if why is None else (), why)
        )
    sums: list[Exact] = [0] * (len(basket.lines) if basket is not None else 1)
    for one in gives:
        for line, share in one.shares:
            if line != stacking.NO_LINE:
                sums[line] += share
    factors: list[Factor] = []
    for rule in plan.multipliers:
        lines = _why_not(rule.applies, occasion) or _multiplied(rule, basket, sums)
        factors.append(Factor(rule, why=lines) if isinstance(lines, str) else Factor(rule, lines))
    return stacking.combined(plan, gives, factors, room=occasion.room, lines=len(sums), steps=steps)


def _gifts(basket: Basket | None, occasion: Occasion, rules: Rules, steps: list[Step]) -> tuple[tuple[str, Gift], ...]:
    """What is given besides points: by the same conditions as a fixed grant, none for nothing (A10, R2)."""
    given = []
    for rule in rules.gifts.get(occasion.kind, ()):
        why = _why_not(rule.applies, occasion) or _grant(rule, basket)
        if why is None and not combining.once_more((*rule.caps, *rules.caps), occasion.room):
            why = "no_room"
        assert isinstance(rule.gives, Gift)
        kind, code = ("reward", rule.gives.reward) if isinstance(rule.gives, Rewarded) else ("tier", rule.gives.tier)
        steps.append((rule.code, "", why or kind, "0" if why else code))
        if why is None:
            given.append((rule.code, rule.gives))
    return tuple(given)


def _why_not(applies: Applies, occasion: Occasion) -> str | None:
    """The code of the first filter that keeps a rule from applying, or None (A3)."""
    if applies.always:
        return None
    if applies.starts_at is not None and occasion.occurred_at < applies.starts_at:
        return "not_yet"
    if applies.ends_at is not None and occasion.occurred_at >= applies.ends_at:
        return "over"
    if applies.tiers and not applies.tiers & occasion.tiers:
        return "other_tier"
    if applies.activities and occasion.activity not in applies.activities:
        return "other_activity"
    if applies.channels and occasion.channel not in applies.channels:
        return "other_channel"
    if applies.locations and occasion.location not in applies.locations:
        return "other_location"
    if applies.sources and occasion.source not in applies.sources:
        return "other_shop"
    if applies.visits is not None and not applies.visits.has(occasion.visits.get(applies.visits.within.code, 0) + 1):
        return "other_visit"
    if applies.schedules and occasion.schedule not in applies.schedules:
        return "other_schedule"
    return None


def _add(
    rule: Rule, scale: int, basket: Basket | None, occasion: Occasion, sums: list[Exact], steps: list[Step]
) -> str | None:
    """Adds what a rate or a per-item rule gives to each covered line's sum; the reason if it gives nothing."""
    shares = _shares(rule, scale, basket, occasion)
    if isinstance(shares, str):
        return shares
    total: Exact = 0
    for i, share in shares:
        sums[i] += share
        total += share
    steps.append((rule.code, rule.unit, _way(rule), points.text(total, scale=scale)))
    return None


def _way(rule: Rule) -> str:
    return "per_item" if isinstance(rule.gives, PerItem) else "rate"


def _shares(rule: Rule, scale: int, basket: Basket | None, occasion: Occasion) -> Sequence[tuple[int, Exact]] | str:
    """What a rate or a per-item rule gives for each line it covers; the reason if it gives nothing."""
    gives = rule.gives
    if isinstance(gives, Measured) and gives.number is not None:
        return _numbered(rule, gives, gives.number, scale, basket, occasion)
    if basket is None:
        return "no_goods"
    covered = basket.covered(rule)
    if not covered:
        return "not_covered"
    if isinstance(gives, PerItem):
        each = gives.give * scale
        return [(i, each * basket.quantity(i)) for i in covered]
    if isinstance(gives, Measured):
        return _measured(gives, covered, [basket.quantity(i) for i in covered], scale)
    assert isinstance(gives, Rate)
    per = gives.per.get(basket.currency)
    if per is None:
        return "other_currency"
    found = basket.basis(gives.basis)
    bases = [basis for i in covered if (basis := found[i]) is not None]
    if len(bases) < len(covered):
        return "missing_tax" if gives.basis is Basis.WITHOUT_TAX else "missing_discount"
    if gives.whole_steps:
        return list(zip(covered, _stepped(gives.give * scale, per, bases), strict=True))
    each_minor = gives.give.numerator * scale // (gives.give.denominator * per)  # whole by the making of the scale
    return [(i, each_minor * basis) for i, basis in zip(covered, bases, strict=True)]


def _numbered(
    rule: Rule, gives: Measured, name: str, scale: int, basket: Basket | None, occasion: Occasion
) -> Sequence[tuple[int, Exact]] | str:
    """What a declared number gives: by itself without goods, else spread over what the rule covers of them (A2)."""
    number = occasion.numbers.get(name)
    if number is None:
        return "missing_number"
    number = max(Fraction(0), number)
    if basket is None:
        return _measured(gives, [0], [number], scale)
    covered = basket.covered(rule)
    return _measured(gives, covered, basket.spread(rule, number), scale) if covered else "not_covered"


def _measured(
    gives: Measured, covered: Sequence[int], found: Sequence[Exact], scale: int
) -> Sequence[tuple[int, Exact]]:
    if gives.whole_steps:
        return list(zip(covered, _stepped(gives.give * scale, gives.per, found), strict=True))
    each = gives.give * scale / gives.per
    return [(i, each * one) for i, one in zip(covered, found, strict=True)]


def _stepped(give: Fraction, per: Exact, bases: Sequence[Exact]) -> Sequence[Exact]:
    """Each line's share of the complete steps of what the rule covers together, in proportion (A2)."""
    together = sum(bases)
    if together <= 0:
        return [0] * len(bases)
    given = give * (together // per)
    return [given * basis / together for basis in bases]


def _multiply(rule: Rule, scale: int, basket: Basket | None, sums: list[Exact], steps: list[Step]) -> str | None:
    covered = _multiplied(rule, basket, sums)
    if isinstance(covered, str):
        return covered
    assert isinstance(rule.gives, Multiply)
    factor = rule.gives.factor
    for i in covered:
        # A whole sum stays whole: the scale has the factor's denominator in it.
        value = sums[i] * factor.numerator
        sums[i] = value // factor.denominator if isinstance(value, int) else value / factor.denominator
    steps.append((rule.code, rule.unit, "multiply", points.text(sum(sums), scale=scale)))
    return None


def _multiplied(rule: Rule, basket: Basket | None, sums: Sequence[Exact]) -> Sequence[int] | str:
    """The lines a multiplier covers; what a number gave without goods is one. The reason if there are none."""
    if basket is None:
        return [0] if sums[0] else "no_goods"
    return basket.covered(rule) or "not_covered"


def _grant(rule: Rule, basket: Basket | None) -> str | None:
    """A fixed grant needs a covered line where there are lines, and nothing where there are none (A2)."""
    if basket is not None and not basket.covered(rule):
        return "not_covered"
    return None
