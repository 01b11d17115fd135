"""Points are whole numbers of a unit's smallest part (semantics L2)."""

from enum import StrEnum
from fractions import Fraction

LIMIT = 2**53 - 1
"""The largest number of points anywhere: what a JSON reader with doubles still reads exactly (semantics L2)."""


class Rounding(StrEnum):
    """How a fraction at the end of an event's sum becomes whole points (semantics L2)."""

    DOWN = "down"
    HALF_UP = "half_up"
    UP = "up"


def rounded(value: Fraction | int, rounding: Rounding, *, scale: int = 1) -> int:
    """The whole points of an exact sum counted in `scale`ths. Halves go up, also below zero."""
    denominator = value.denominator * scale
    whole, rest = divmod(value.numerator, denominator)
    if rounding is Rounding.UP:
        return whole + (rest > 0)
    if rounding is Rounding.HALF_UP:
        return whole + (2 * rest >= denominator)
    return whole


def text(value: Fraction | int, *, scale: int = 1) -> str:
    """An exact sum in `scale`ths as short decimal text for explanations; cut (not rounded) after six decimals."""
    numerator, denominator = value.numerator, value.denominator * scale
    whole, rest = divmod(abs(numerator), denominator)
    sign = "-" if numerator < 0 else ""
    if not rest:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{rest * 1_000_000 // denominator:06d}".rstrip("0").rstrip(".")
