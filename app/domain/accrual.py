"""What an event earns: f(goods, context, rules), pure, so that returns can ask again for what is left (A, R2).

Stages per unit (A2): rates and per-item points add up per line and keep their fractions; multipliers scale each
line's sum; fixed grants are added; the sum is rounded once; caps trim it. Everything is exact until that rounding: sums
are counted in the plan's `scale`, so fine that rates and multipliers come out whole, and are fractions only where a
basis is one. Rules that simply add and multiply are counted here, those that choose and limit in `stacking`.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from app.domain import applying, combining, points, stacking
from app.domain.applying import Occasion, Scene
from app.domain.basket import Basket, Left
from app.domain.commands import Purchase
from app.domain.exact import Exact
from app.domain.multiplying import Factor
from app.domain.rules import (
    Basis,
    Fixed,
    Gift,
    Measured,
    Multiply,
    PerItem,
    Rate,
    Rule,
    Rules,
    UnitPlan,
)
from app.domain.stacking import Gives, Share, Used
from app.domain.steps import Step


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
    scene = Scene(occasion, rules, goods, left)
    basket = Basket(goods, rules, left, engine=occasion.engine) if goods is not None else None
    sums: list[tuple[str, int]] = []
    steps: list[Step] = []
    shares: list[Share] = []
    for plan in rules.plans.get(occasion.kind, ()):
        if not plan.plain:
            shares += _stacked(plan, basket, scene, steps)
        elif given := _unit(plan, basket, scene, steps):
            sums.append((plan.unit.code, given))
    gifts = _gifts(basket, scene, rules, steps)
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


def _unit(plan: UnitPlan, basket: Basket | None, scene: Scene, steps: list[Step]) -> int:
    code = plan.unit.code
    sums: list[Exact] = [0] * (len(basket.lines) if basket is not None else 1)
    gave = False
    for rule in plan.sums:
        why = scene.why_not(rule.applies) or _add(rule, plan.scale, basket, scene, sums, steps)
        gave = gave or why is None
        if why is not None:
            steps.append((rule.code, code, why, "0"))
    for rule in plan.multipliers:
        why = scene.why_not(rule.applies) or _multiply(rule, plan.scale, basket, scene, sums, steps)
        if why is not None:
            steps.append((rule.code, code, why, "0"))
    total: Exact = sum(sums)
    for rule in plan.fixed:
        why = scene.why_not(rule.applies) or _grant(rule, basket, scene, steps)
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


def _stacked(plan: UnitPlan, basket: Basket | None, scene: Scene, steps: list[Step]) -> list[Share]:
    """What each rule of a unit gives where they choose among each other, or have caps (A4, A5)."""
    gives: list[Gives] = []
    for rule in plan.sums:
        found = scene.why_not(rule.applies) or _shares(rule, plan.scale, basket, scene, steps)
        gives.append(Gives(rule, _way(rule), why=found) if isinstance(found, str) else Gives(rule, _way(rule), found))
    for rule in plan.fixed:
        why = scene.why_not(rule.applies) or _grant(rule, basket, scene, steps)
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
        lines = scene.why_not(rule.applies) or _multiplied(rule, basket, scene, sums, steps)
        factors.append(Factor(rule, why=lines) if isinstance(lines, str) else Factor(rule, lines))
    return stacking.combined(plan, gives, factors, room=scene.occasion.room, lines=len(sums), steps=steps)


def _gifts(basket: Basket | None, scene: Scene, rules: Rules, steps: list[Step]) -> tuple[tuple[str, Gift], ...]:
    """What is given besides points: by the same conditions as a fixed grant, none for nothing (A10, R2)."""
    given = []
    for rule in rules.gifts.get(scene.occasion.kind, ()):
        why = scene.why_not(rule.applies) or _grant(rule, basket, scene, steps)
        if why is None and not combining.once_more((*rule.caps, *rules.caps), scene.occasion.room):
            why = "no_room"
        assert isinstance(rule.gives, Gift)
        steps.append((rule.code, "", why or rule.gives.kind, "0" if why else rule.gives.code))
        if why is None:
            given.append((rule.code, rule.gives))
    return tuple(given)


def _covered(rule: Rule, basket: Basket, scene: Scene, steps: list[Step]) -> tuple[Sequence[int], str]:
    """The positions of the goods a rule covers, and the reason if there are none (A3), deductions aside.

    Covered is what it includes less what it excludes, and what its condition holds of, if that is one of lines. Of a
    line of which that cannot be told it gives nothing, and says so.
    """
    covered, condition = basket.covered(rule), rule.applies.condition
    if condition is None or not condition.of_lines or not covered:
        return covered, "not_covered"
    covered, failed = scene.covered(condition, covered)
    if covered and failed is not None:
        steps.append((rule.code, rule.unit, failed, "0"))
    return covered, failed or applying.NOT_MET


def _add(
    rule: Rule, scale: int, basket: Basket | None, scene: Scene, sums: list[Exact], steps: list[Step]
) -> str | None:
    """Adds what a rate or a per-item rule gives to each covered line's sum; the reason if it gives nothing."""
    shares = _shares(rule, scale, basket, scene, steps)
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


def _shares(
    rule: Rule, scale: int, basket: Basket | None, scene: Scene, steps: list[Step]
) -> Sequence[tuple[int, Exact]] | str:
    """What a rate or a per-item rule gives for each line it covers; the reason if it gives nothing."""
    gives = rule.gives
    if isinstance(gives, Measured) and gives.number is not None:
        return _numbered(rule, gives, gives.number, scale, basket, scene, steps)
    if basket is None:
        return "no_goods"
    covered, why = _covered(rule, basket, scene, steps)
    if not covered:
        return why
    if isinstance(gives, PerItem):
        each = gives.give * scale
        return [(i, each * basket.quantity(i)) for i in covered]
    if isinstance(gives, Measured):
        return _measured(gives, covered, [basket.quantity(i) for i in covered], scale)
    assert isinstance(gives, Rate)
    per = gives.per.get(basket.currency)
    if per is None:
        return "other_currency"
    found = basket.basis(gives.basis, gives.counted)
    bases = [basis for i in covered if (basis := found[i]) is not None]
    if len(bases) < len(covered):
        return "missing_discount" if gives.basis is Basis.BEFORE_DISCOUNT else "missing_tax"
    if gives.counted is not None and not any(bases):
        return "other_payment"
    if gives.whole_steps:
        return list(zip(covered, _stepped(gives.give * scale, per, bases), strict=True))
    each_minor = gives.give.numerator * scale // (gives.give.denominator * per)  # whole by the making of the scale
    return [(i, each_minor * basis) for i, basis in zip(covered, bases, strict=True)]


def _numbered(
    rule: Rule,
    gives: Measured,
    name: str,
    scale: int,
    basket: Basket | None,
    scene: Scene,
    steps: list[Step],
) -> Sequence[tuple[int, Exact]] | str:
    """What a declared number gives: by itself without goods, else spread over what the rule covers of them (A2)."""
    told = scene.occasion.seen.event
    if name not in told:
        return applying.MISSING
    text = told[name]
    if not isinstance(text, str):
        return applying.WRONG
    number = max(Fraction(0), Fraction(text))
    if basket is None:
        return _measured(gives, [0], [number], scale)
    covered, why = _covered(rule, basket, scene, steps)
    return _measured(gives, covered, basket.spread(rule, number, covered), scale) if covered else why


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


def _multiply(
    rule: Rule, scale: int, basket: Basket | None, scene: Scene, sums: list[Exact], steps: list[Step]
) -> str | None:
    covered = _multiplied(rule, basket, scene, sums, steps)
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


def _multiplied(
    rule: Rule, basket: Basket | None, scene: Scene, sums: Sequence[Exact], steps: list[Step]
) -> Sequence[int] | str:
    """The lines a multiplier covers; what a number gave without goods is one. The reason if there are none."""
    if basket is None:
        return [0] if sums[0] else "no_goods"
    covered, why = _covered(rule, basket, scene, steps)
    return covered or why


def _grant(rule: Rule, basket: Basket | None, scene: Scene, steps: list[Step]) -> str | None:
    """A fixed grant needs a covered line where there are lines, and nothing where there are none (A2)."""
    if basket is None:
        return None
    covered, why = _covered(rule, basket, scene, steps)
    return None if covered else why
