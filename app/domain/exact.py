"""Exact numbers: a whole one is an int, which costs a tenth of a fraction."""

from fractions import Fraction

Exact = int | Fraction
"""Minor units, quantities and shares, or smallest parts times a plan's scale."""


def exact(value: Exact) -> Exact:
    """The same number, as an int where it is whole."""
    return value.numerator if value.denominator == 1 else value


def ratio(part: Exact, whole: Exact) -> Exact:
    """One number through another that is not zero."""
    return 1 if part == whole else exact(Fraction(part, whole)) if part else 0


def number(text: str) -> Exact:
    """The number of a decimal text, or of one such as `1/3`."""
    return int(text) if text.isdigit() else exact(Fraction(text))
