"""What an event earns: f(goods, context, rules), pure, so that returns can ask again for what is left (A, R2).

Stages per unit (A2): rates and per-item points add up per line and keep their fractions; multipliers scale each
line's sum; fixed grants are added; the sum is rounded once. Everything is exact until that rounding: sums are counted
in the plan's `scale`, so fine that rates and multipliers come out whole, and are fractions only where a basis is one.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from app.domain import applying, points
from app.domain.applying import Left, Occasion, Scene
from app.domain.commands import Line, Payment, Purchase
from app.domain.rules import (
    NOTHING,
    Basis,
    Cover,
    Fixed,
    Gift,
    Multiply,
    PerItem,
    Rate,
    Rule,
    Rules,
    UnitPlan,
)

__all__ = ["Earned", "Exact", "Left", "Occasion", "Step", "bare", "earned"]

Exact = int | Fraction
"""An exact number: minor units, or smallest parts times the plan's scale."""

Step = tuple[str, str, str, str]
"""One step of an explanation: the rule (or "" for the rounding), its unit, what happened, the number it led to.

What happened is `rate`, `per_item`, `multiply`, `fixed`, `round`, or the reason why the rule gave nothing.
"""


class Earned(NamedTuple):
    """Whole smallest parts per unit, in the program's order of units, and how they came about."""

    points: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    gifts: tuple[tuple[str, Gift], ...] = ()
    """What rules gave besides points, with the rule of each (A10)."""


def earned(goods: Purchase | None, occasion: Occasion, rules: Rules, *, left: Sequence[Left] | None = None) -> Earned:
    """What the rules give for these goods on this occasion; no goods means an event without a sale.

    With `left`, one for each line, for what is left of the goods.
    """
    scene = Scene(occasion, rules, goods, left)
    basket = _Basket(goods, rules, left, scene) if goods is not None else None
    sums: list[tuple[str, int]] = []
    steps: list[Step] = []
    for plan in rules.plans.get(occasion.kind, ()):
        given = _unit(plan, basket, scene, steps)
        if given:
            sums.append((plan.unit.code, given))
    return Earned(tuple(sums), tuple(steps), _gifts(basket, scene, rules, steps))


def bare(rules: Rules) -> Rules:
    """The same rules without multipliers and grants: what a return without a purchase is judged by (semantics R7)."""
    kept = tuple(rule for rule in rules.rules if not isinstance(rule.gives, Multiply | Fixed))
    return replace(rules, rules=kept)


class _Basket:
    """The basis of each line, spread and freed of what points paid for, made once per kind of basis (A1)."""

    __slots__ = ("_bases", "_left", "currency", "goods", "lines", "payments", "scene", "unpaid")

    def __init__(self, goods: Purchase, rules: Rules, left: Sequence[Left] | None, scene: Scene) -> None:
        self.scene = scene
        self.lines = goods.lines
        self.goods: Sequence[int] = range(len(goods.lines))
        if any(line.amount < 0 for line in goods.lines):  # deductions, such as a deposit back, are no goods
            self.goods = [i for i, line in enumerate(goods.lines) if line.amount >= 0]
        if left is not None:
            self.goods = [i for i in self.goods if not left[i].gone]
        self._left = left
        self.currency = goods.currency
        self.payments = goods.payments
        self.unpaid = rules.unpaid_kinds
        self._bases: dict[Basis, list[Exact | None]] = {}

    def basis(self, kind: Basis) -> list[Exact | None]:
        """Per line its basis; None where the line does not say what the basis needs."""
        found = self._bases.get(kind)
        if found is None:
            amounts = [_amount(line, kind) for line in self.lines]
            found = _spread(amounts, self.lines, self.payments, self.unpaid)
            if self._left is not None:
                found = [None if all is None else all * part.share for all, part in zip(found, self._left, strict=True)]
            self._bases[kind] = found
        return found

    def quantity(self, position: int) -> Exact:
        if self._left is not None:
            return self._left[position].quantity
        text = self.lines[position].quantity
        return int(text) if text.isdigit() else Fraction(Decimal(text))


def _amount(line: Line, basis: Basis) -> int | None:
    if basis is Basis.CHARGED:
        return line.amount
    if basis is Basis.WITHOUT_TAX:
        return None if line.tax is None else line.amount - line.tax
    return None if line.discount is None else line.amount + line.discount


def _spread(
    amounts: list[int | None], lines: Sequence[Line], payments: Sequence[Payment], unpaid: frozenset[str]
) -> list[Exact | None]:
    """Deductions (negative lines) and payments that do not count are spread over the goods in proportion (A1)."""
    charged = sum(line.amount for line in lines if line.amount > 0)
    away = -sum(line.amount for line in lines if line.amount < 0)
    away += sum(max(0, payment.amount) for payment in payments if payment.kind in unpaid)
    if away == 0:
        return [None if amount is None else max(0, amount) for amount in amounts]
    left = Fraction(max(0, charged - away), charged) if charged else Fraction(0)
    return [None if amount is None else max(0, amount) * left for amount in amounts]


def _unit(plan: UnitPlan, basket: _Basket | None, scene: Scene, steps: list[Step]) -> int:
    code = plan.unit.code
    sums: list[Exact] = [0] * len(basket.lines) if basket is not None else []
    gave = False
    for rule in plan.sums:
        why = scene.why_not(rule.applies) or _add(rule, plan.scale, basket, sums, steps)
        gave = gave or why is None
        if why is not None:
            steps.append((rule.code, code, why, "0"))
    for rule in plan.multipliers:
        why = scene.why_not(rule.applies) or _multiply(rule, plan.scale, basket, sums, steps)
        if why is not None:
            steps.append((rule.code, code, why, "0"))
    total: Exact = sum(sums)
    for rule in plan.fixed:
        why = scene.why_not(rule.applies) or _grant(rule, basket, steps)
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


def _gifts(basket: _Basket | None, scene: Scene, rules: Rules, steps: list[Step]) -> tuple[tuple[str, Gift], ...]:
    """What is given besides points: by the same conditions as a fixed grant, none for nothing (A10, R2)."""
    given = []
    for rule in rules.gifts.get(scene.occasion.kind, ()):
        why = scene.why_not(rule.applies) or _grant(rule, basket, steps)
        assert isinstance(rule.gives, Gift)
        steps.append((rule.code, "", why or rule.gives.kind, "0" if why else rule.gives.code))
        if why is None:
            given.append((rule.code, rule.gives))
    return tuple(given)


def _covered(rule: Rule, basket: _Basket, steps: list[Step]) -> tuple[Sequence[int], str]:
    """The positions of the goods a rule covers, and the reason if there are none (A3), deductions aside.

    Covered is what it includes less what it excludes, and what its condition holds of, if that is one of lines. Of a
    line of which that cannot be told it gives nothing, and says so.
    """
    condition = rule.applies.condition
    if rule.include.everything and rule.exclude is NOTHING and condition is None:
        return basket.goods, "not_covered"
    lines, covered = basket.lines, basket.goods
    if not (rule.include.everything and rule.exclude is NOTHING):
        covered = [i for i in covered if _names(rule.include, lines[i]) and not _names(rule.exclude, lines[i])]
    if condition is None or not condition.of_lines or not covered:
        return covered, "not_covered"
    covered, failed = basket.scene.covered(condition, covered)
    if covered and failed is not None:
        steps.append((rule.code, rule.unit, failed, "0"))
    return covered, failed or applying.NOT_MET


def _names(cover: Cover, line: Line) -> bool:
    if cover.everything:
        return True
    if line.sku is not None and line.sku in cover.skus:
        return True
    return not cover.categories.isdisjoint(line.categories)


def _add(rule: Rule, scale: int, basket: _Basket | None, sums: list[Exact], steps: list[Step]) -> str | None:
    """Adds what a rate or a per-item rule gives to each covered line's sum; the reason if it gives nothing."""
    if basket is None:
        return "no_goods"
    covered, why = _covered(rule, basket, steps)
    if not covered:
        return why
    if isinstance(rule.gives, PerItem):
        each: Exact = rule.gives.give * scale
        each = each.numerator if each.denominator == 1 else each
        shares: Sequence[Exact] = [each * basket.quantity(i) for i in covered]
        what = "per_item"
    else:
        assert isinstance(rule.gives, Rate)
        per = rule.gives.per.get(basket.currency)
        if per is None:
            return "other_currency"
        found = basket.basis(rule.gives.basis)
        bases = [basis for i in covered if (basis := found[i]) is not None]
        if len(bases) < len(covered):
            return "missing_tax" if rule.gives.basis is Basis.WITHOUT_TAX else "missing_discount"
        shares = _rated(rule.gives, per, bases, scale)
        what = "rate"
    total: Exact = 0
    for i, share in zip(covered, shares, strict=True):
        sums[i] += share
        total += share
    steps.append((rule.code, rule.unit, what, points.text(total, scale=scale)))
    return None


def _rated(rate: Rate, per: int, bases: Sequence[Exact], scale: int) -> Sequence[Exact]:
    """Each line's share: in proportion, or of the complete steps of what the rule covers together (A2)."""
    if not rate.whole_steps:
        each = rate.give.numerator * scale // (rate.give.denominator * per)  # whole by the making of the scale
        return [each * basis for basis in bases]
    together = sum(bases)
    if together <= 0:
        return [0] * len(bases)
    given = rate.give * (together // per) * scale
    return [given * basis / together for basis in bases]


def _multiply(rule: Rule, scale: int, basket: _Basket | None, sums: list[Exact], steps: list[Step]) -> str | None:
    if basket is None:
        return "no_goods"
    covered, why = _covered(rule, basket, steps)
    if not covered:
        return why
    assert isinstance(rule.gives, Multiply)
    factor = rule.gives.factor
    for i in covered:
        # A whole sum stays whole: the scale has the factor's denominator in it.
        value = sums[i] * factor.numerator
        sums[i] = value // factor.denominator if isinstance(value, int) else value / factor.denominator
    steps.append((rule.code, rule.unit, "multiply", points.text(sum(sums), scale=scale)))
    return None


def _grant(rule: Rule, basket: _Basket | None, steps: list[Step]) -> str | None:
    """A fixed grant needs a covered line where there are lines, and nothing where there are none (A2)."""
    if basket is None:
        return None
    covered, why = _covered(rule, basket, steps)
    return None if covered else why
