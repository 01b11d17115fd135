"""Ladders as the core reads them, and what their tiers multiply."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from app.domain import calendar, ladders, rules, units
from app.program import document as documents
from app.program import values
from app.program.compiling import amounts
from app.program.compiling.units import period


def multipliers(stated: tuple[documents.Ladder, ...]) -> Iterator[rules.Rule]:
    """What the tiers multiply, as rules of their own, named `tier:<tier>:<unit>`."""
    for level in (level for ladder in stated for level in ladder.levels):
        for unit, factor in sorted((level.multiply or {}).items()):
            yield rules.Rule(
                code=f"tier:{level.id}:{unit}",
                unit=unit,
                gives=rules.Multiply(Fraction(factor)),
                applies=rules.Applies(kind="purchase", tiers=frozenset({level.id})),
            )


def ladder(stated: documents.Ladder, known: Mapping[str, units.Unit]) -> ladders.Ladder:
    """One ladder of a document."""
    counted = tuple(sorted(stated.counted))
    return ladders.Ladder(
        stated.id,
        counted,
        tuple(_tier(level, counted, known) for level in stated.levels),
        join=ladders.Join(stated.join),
        review=_review(stated),
        fall=ladders.Fall(stated.fall),
        grace=_some(stated.grace),
        notice=_some(stated.expiring_notice),
    )


def _tier(level: documents.Level, counted: tuple[str, ...], known: Mapping[str, units.Unit]) -> ladders.Tier:
    asked = level.asked(counted)
    thresholds = None
    if asked is not None:
        thresholds = tuple(amounts.whole_parts(asked[unit], known[unit].decimals) for unit in counted)
    benefits = (
        ladders.Benefit(one.id, one.kind, one.text, None if one.value is None else values.plain(one.value))
        for one in level.benefits
    )
    return ladders.Tier(level.id, level.name, thresholds, tuple(benefits))


def _review(stated: documents.Ladder) -> ladders.Review | None:
    match stated.review:
        case documents.ReviewWithPeriod(at_end_of=every, starting=starting, later=later):
            return ladders.AtEndOf(period(every, starting), later)
        case documents.ReviewAfter(after=after):
            return ladders.After(after)
        case "at_once":
            return ladders.AT_ONCE
        case "never":
            return None


def _some(span: calendar.Span | None) -> calendar.Span | None:
    return span if span else None
