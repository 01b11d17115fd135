"""Ladders as the core reads them, and what their tiers multiply."""

from collections.abc import Iterator
from fractions import Fraction

from app.domain import rules, units
from app.program import document as documents
from app.program.compiling import amounts


def multipliers(ladders: tuple[documents.Ladder, ...]) -> Iterator[rules.Rule]:
    """What the tiers multiply, as rules of their own, named `tier:<tier>:<unit>`."""
    for level in (level for ladder in ladders for level in ladder.levels):
        for unit, factor in sorted((level.multiply or {}).items()):
            yield rules.Rule(
                code=f"tier:{level.id}:{unit}",
                unit=unit,
                gives=rules.Multiply(Fraction(factor)),
                applies=rules.Applies(kind="purchase", tiers=frozenset({level.id})),
            )


def ladder(stated: documents.Ladder, unit: units.Unit) -> rules.Ladder:
    """One ladder of a document."""
    tiers = (
        rules.Tier(level.id, level.name, amounts.whole_parts(level.from_, unit.decimals)) for level in stated.levels
    )
    return rules.Ladder(stated.id, stated.unit, tuple(tiers))
