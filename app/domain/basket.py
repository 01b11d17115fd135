"""The goods of a sale as rules count them: which lines there are, and the basis of each (semantics A1)."""

from collections.abc import Sequence
from typing import NamedTuple

from app.domain import paying
from app.domain.commands import Line, Purchase
from app.domain.exact import Exact, number, ratio
from app.domain.paying import NotPaidBy, Paid
from app.domain.rules import NOTHING, Basis, Cover, Rule, Rules

NET_SINCE = 3
"""The engine since which prices without tax are told from those with it (semantics A1)."""


class Left(NamedTuple):
    """What is left of a line after returns: a share of its amounts, and a quantity (semantics R2)."""

    share: Exact
    quantity: Exact

    @property
    def gone(self) -> bool:
        return not self.share and not self.quantity


class Basket:
    """The basis of each line, spread and freed of what does not count, made once per kind of basis (A1)."""

    __slots__ = ("_bases", "_left", "currency", "goods", "lines", "net", "payments", "unpaid")

    def __init__(self, goods: Purchase, rules: Rules, left: Sequence[Left] | None, *, engine: int) -> None:
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
        self.net = rules.net and engine >= NET_SINCE
        self._bases: dict[tuple[Basis, Paid | None], list[Exact | None]] = {}

    def basis(self, kind: Basis, counted: Paid | None = None) -> list[Exact | None]:
        """Per line its basis; None where the line does not say what the basis needs.

        Of it counts what was paid as `counted` says, or else as the program does.
        """
        found = self._bases.get((kind, counted))
        if found is None:
            share = self._share(NotPaidBy(self.unpaid) if counted is None else counted)
            amounts = [amount(line, kind, net=self.net) for line in self.lines]
            found = [None if one is None else max(0, one) * share for one in amounts]
            if self._left is not None:
                found = [None if all is None else all * part.share for all, part in zip(found, self._left, strict=True)]
            self._bases[kind, counted] = found
        return found

    def _share(self, counted: Paid) -> Exact:
        """How much of each of the goods counts: deductions and payments are spread over them in proportion (A1).

        Payments are of what was due in all, and so with the tax that comes on top of prices without it.
        """
        goods = sum([line.amount for line in self.lines if line.amount > 0])
        kept = sum([line.amount for line in self.lines])
        due = kept + sum([line.tax or 0 for line in self.lines]) if self.net else kept
        paid = paying.share(counted, self.payments, due=due)
        if kept == goods:
            return paid
        return paid * ratio(max(0, kept), goods) if goods else 0

    def covered(self, rule: Rule) -> Sequence[int]:
        """The positions of the goods a rule covers: what it includes less what it excludes (A3), deductions aside."""
        if rule.include.everything and rule.exclude is NOTHING:
            return self.goods
        return [i for i in self.goods if covers(rule, self.lines[i])]

    def spread(self, rule: Rule, amount: Exact, covered: Sequence[int]) -> list[Exact]:
        """A number of the whole event, over the lines `covered` by a rule, in proportion, as far as they are left.

        Their shares are those of the goods as they were sold, so that each takes its own along when it comes back.
        """
        sold = [(i, line) for i, line in enumerate(self.lines) if line.amount >= 0 and covers(rule, line)]
        total = sum(line.amount for _, line in sold)
        each = {i: ratio(line.amount, total) if total else ratio(1, len(sold)) for i, line in sold}
        return [amount * each[i] * (self._left[i].share if self._left is not None else 1) for i in covered]

    def quantity(self, position: int) -> Exact:
        if self._left is not None:
            return self._left[position].quantity
        return number(self.lines[position].quantity)


def amount(line: Line, basis: Basis, *, net: bool) -> int | None:
    """What a basis counts of a line, whose amount is without tax where prices are `net`; None where it is not said."""
    match basis:
        case Basis.CHARGED:
            return line.amount
        case Basis.WITHOUT_TAX if net:
            return line.amount
        case Basis.WITHOUT_TAX:
            return None if line.tax is None else line.amount - line.tax
        case Basis.WITH_TAX if not net:
            return line.amount
        case Basis.WITH_TAX:
            return None if line.tax is None else line.amount + line.tax
        case Basis.BEFORE_DISCOUNT:
            return None if line.discount is None else line.amount + line.discount


def covers(rule: Rule, line: Line) -> bool:
    """Whether a rule is for a line: it includes it, and does not exclude it (A3)."""
    return _named(rule.include, line) and not _named(rule.exclude, line)


def _named(cover: Cover, line: Line) -> bool:
    if cover.everything:
        return True
    if line.sku is not None and line.sku in cover.skus:
        return True
    return not cover.categories.isdisjoint(line.categories)
