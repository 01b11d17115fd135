"""A sale as it is told: in a currency of the program, with lines that sum to its total (semantics A1)."""

from app.domain.commands import Purchase
from app.domain.refusals import Refused, TotalMismatch, UnlistedCurrency
from app.domain.rules import Rules


def check(facts: Purchase, rules: Rules) -> None:
    """Raises Refused where the currency is not the program's, or the lines are not the total but for cash rounding."""
    if facts.currency not in rules.currencies:
        raise Refused(UnlistedCurrency(facts.currency, tuple(rules.currencies)))
    lines = sum(line.amount for line in facts.lines)
    if lines != facts.total and 2 * abs(lines - facts.total) > rules.cash_rounding.get(facts.currency, 0):
        decimals = rules.currencies[facts.currency]
        raise Refused(TotalMismatch(facts.currency, facts.total, lines, decimals))
