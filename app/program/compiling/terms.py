"""The terms of returns, costs, adjustments and transfers as the core reads them."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from app.domain import rules, units
from app.program import document as documents
from app.program import values
from app.program.compiling import amounts
from app.program.document import Document


def shortage(returns: documents.Returns, known: Mapping[str, units.Unit]) -> rules.Shortage:
    """What becomes of points that a return cannot take."""
    return rules.Shortage(
        forgive=returns.shortage == "clamp",
        floors=amounts.by_unit(returns.deficit_floor, known),
    )


def costs(document: Document) -> Iterator[tuple[str, rules.Cost]]:
    """What a point costs, of the units that say so."""
    for code, unit in sorted(document.units.items()):
        if unit.cost_per_point is not None:
            amounts = values.amounts(unit.cost_per_point, currencies=document.currencies)
            ((currency, amount),) = amounts.items()
            yield code, rules.Cost(currency, Fraction(amount))


def adjustments(adjustments: documents.Adjustments, known: Mapping[str, units.Unit]) -> rules.AdjustmentTerms:
    """What persons may adjust."""
    return rules.AdjustmentTerms(
        reasons=adjustments.reasons,
        approval_above=amounts.by_unit(adjustments.approval_above, known),
        daily_limit=amounts.by_unit(adjustments.daily_limit, known),
    )


def transfers(transfers: documents.Transfers, known: Mapping[str, units.Unit]) -> rules.TransferTerms:
    """What members may pass on."""
    return rules.TransferTerms(units=transfers.units, daily_limit=amounts.by_unit(transfers.daily_limit, known))
