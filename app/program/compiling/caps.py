"""Caps and groups as the core counts them."""

from collections.abc import Iterable
from fractions import Fraction

from app.domain import combining
from app.domain.periods import LIFETIME
from app.program import document as documents
from app.program import values
from app.program.compiling import periods


def caps(stated: Iterable[documents.Cap], holder: str, *, decimals: int) -> tuple[combining.Cap, ...]:
    """The caps of a holder, in smallest parts of its unit."""
    return tuple(
        combining.Cap(
            holder=holder,
            per=combining.Per(cap.per),
            points=None if cap.points is None else _parts(values.smallest_parts(cap.points, decimals=decimals)),
            times=cap.times,
            within=LIFETIME if cap.in_ is None else periods.within(cap.in_),
        )
        for cap in stated
    )


def group(stated: documents.Group, *, decimals: int) -> combining.Group:
    """One group of a document; `decimals` are those of the unit that its rules give."""
    limits = caps(stated.caps, f"group:{stated.id}", decimals=decimals)
    return combining.Group(stated.id, combining.Combine(stated.combine), limits)


def _parts(points: Fraction) -> int:
    """Whole parts; more precise than the unit can only be a cap of a group that no rule names."""
    return points.numerator // points.denominator
