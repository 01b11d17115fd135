"""Whole points of exact sums (semantics L2)."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.points import LIMIT, Rounding, rounded, text

fractions = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6)


@pytest.mark.parametrize(
    ("value", "down", "half_up", "up"),
    [
        ("0", 0, 0, 0),
        ("28.4", 28, 28, 29),
        ("28.5", 28, 29, 29),
        ("28.6", 28, 29, 29),
        ("28", 28, 28, 28),
        ("0.001", 0, 0, 1),
        ("-0.5", -1, 0, 0),
        ("-1.2", -2, -1, -1),
        ("-1.6", -2, -2, -1),
    ],
)
def test_a_fraction_is_rounded_as_its_unit_says(value: str, down: int, half_up: int, up: int) -> None:
    """Semantics L2: downwards unless the unit says half_up or up."""
    exact = Fraction(value)

    assert rounded(exact, Rounding.DOWN) == down
    assert rounded(exact, Rounding.HALF_UP) == half_up
    assert rounded(exact, Rounding.UP) == up


@given(fractions)
def test_rounding_never_moves_by_a_whole_point(value: Fraction) -> None:
    """Semantics L2."""
    assert value - 1 < rounded(value, Rounding.DOWN) <= value
    assert value <= rounded(value, Rounding.UP) < value + 1
    assert value - Fraction(1, 2) < rounded(value, Rounding.HALF_UP) <= value + Fraction(1, 2)


@given(st.integers(-LIMIT, LIMIT), st.sampled_from(Rounding))
def test_whole_points_stay_as_they_are_up_to_the_limit(value: int, rounding: Rounding) -> None:
    """Semantics L2: exact within ±(2^53 − 1), as an integer and as a fraction."""
    assert rounded(value, rounding) == value
    assert rounded(Fraction(value), rounding) == value


@given(st.integers(0, 10**9))
def test_half_up_agrees_with_decimal_arithmetic(thousandths: int) -> None:
    """Semantics L2, against the standard library."""
    value = Decimal(thousandths) / 1000

    assert rounded(Fraction(thousandths, 1000), Rounding.HALF_UP) == value.quantize(Decimal(1), ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (49, "49"),
        (Fraction(57, 2), "28.5"),
        (Fraction(28), "28"),
        (Fraction(1, 3), "0.333333"),
        (Fraction(2, 3), "0.666666"),
        (Fraction(-5, 4), "-1.25"),
        (Fraction(29985, 1000), "29.985"),
    ],
)
def test_explanations_show_sums_as_short_decimals(value: int | Fraction, shown: str) -> None:
    assert text(value) == shown


@given(st.integers(-(10**12), 10**12))
def test_a_sum_of_few_decimals_is_shown_exactly(millionths: int) -> None:
    assert Fraction(text(Fraction(millionths, 10**6))) == Fraction(millionths, 10**6)
