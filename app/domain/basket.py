"""The goods of a sale as rules count them: which lines there are, and the basis of each (semantics A1)."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from app.domain.commands import Line, Payment, Purchase
from app.domain.rules import NOTHING, Basis, Cover, Rule, Rules

Exact = int | Fraction
"""An exact number: minor units, or smallest parts times the plan's scale."""


class Left(NamedTuple):
    """What is left of a line after returns: a share of its amounts, and a quantity (semantics R2)."""

    share: Fraction
    quantity: Fraction

    @property
    def gone(self) -> bool:
        return not self.share and not self.quantity


class Basket:
    """The basis of each line, spread and freed of what points paid for, made once per kind of basis (A1)."""

    __slots__ = ("_bases", "_left", "currency", "goods", "lines", "payments", "unpaid")

    def __init__(self, goods: Purchase, rules: Rules, left: Sequence[Left] | None) -> None:
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

    def covered(self, rule: Rule) -> Sequence[int]:
        """The positions of the goods a rule covers: what it includes less what it excludes (A3), deductions aside."""
        if rule.include.everything and rule.exclude is NOTHING:
            return self.goods
        return [i for i in self.goods if covers(rule, self.lines[i])]

    def spread(self, rule: Rule, number: Exact, covered: Sequence[int]) -> list[Exact]:
        """A number of the whole event, over the lines `covered` by a rule, in proportion, as far as they are left.

        Their shares are those of the goods as they were sold, so that each takes its own along when it comes back.
        """
        sold = [(i, line) for i, line in enumerate(self.lines) if line.amount >= 0 and covers(rule, line)]
        total = sum(line.amount for _, line in sold)
        each = {i: Fraction(line.amount, total) if total else Fraction(1, len(sold)) for i, line in sold}
        return [number * each[i] * (self._left[i].share if self._left is not None else 1) for i in covered]

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


def covers(rule: Rule, line: Line) -> bool:
    """Whether a rule is for a line: it includes it, and does not exclude it (A3)."""
    return _named(rule.include, line) and not _named(rule.exclude, line)


def _named(cover: Cover, line: Line) -> bool:
    if cover.everything:
        return True
    if line.sku is not None and line.sku in cover.skus:
        return True
    return not cover.categories.isdisjoint(line.categories)
