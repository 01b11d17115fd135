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


def rounded(value: Fraction | int, rounding: Rounding) -> int:
    """The whole points of an exact sum. Halves go up, also below zero."""
    if isinstance(value, int):
        return value
    whole, rest = divmod(value.numerator, value.denominator)
    if rounding is Rounding.UP:
        return whole + (rest > 0)
    if rounding is Rounding.HALF_UP:
        return whole + (2 * rest >= value.denominator)
    return whole


def text(value: Fraction | int, *, places: int = 6) -> str:
    """An exact sum as short decimal text for explanations; cut (not rounded) after `places` decimals."""
    if isinstance(value, int) or value.denominator == 1:
        return str(int(value))
    sign = "-" if value < 0 else ""
    scaled = abs(value.numerator) * 10**places // value.denominator
    whole, part = divmod(scaled, 10**places)
    return f"{sign}{whole}.{part:0{places}d}".rstrip("0").rstrip(".")
