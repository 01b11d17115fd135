"""Money as text and as minor units (api C2)."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import LIMIT, BadAmount, decimal_text, exact_text, minor_units, rounded_text


@pytest.mark.parametrize(
    ("amount", "decimals", "minor"),
    [
        ("12.50", 2, 1250),
        ("12.5", 2, 1250),
        ("12", 2, 1200),
        ("0", 2, 0),
        ("0.05", 2, 5),
        ("-3.99", 2, -399),
        ("1500", 0, 1500),
        ("1.234", 3, 1234),
        ("0.0001", 4, 1),
        ("10000000000000.00", 2, LIMIT),
    ],
)
def test_decimal_text_becomes_minor_units(amount: str, decimals: int, minor: int) -> None:
    assert minor_units(amount, decimals=decimals) == minor


@pytest.mark.parametrize(
    ("amount", "decimals", "reason"),
    [
        ("12.505", 2, "too_many_decimals"),
        ("1.0", 0, "too_many_decimals"),
        ("10000000000000.01", 2, "too_large"),
        ("-10000000000000.01", 2, "too_large"),
        *[
            (text, 2, "not_an_amount")
            for text in ("", " ", "1,50", "+1", "01", "1.", ".5", "1e3", "--1", "-", "NaN", "0x10", "1 0", "1\n", "١٢")
        ],
    ],
)
def test_what_is_no_amount_says_why(amount: str, decimals: int, reason: str) -> None:
    with pytest.raises(BadAmount) as raised:
        minor_units(amount, decimals=decimals)

    assert (raised.value.reason, raised.value.decimals) == (reason, decimals)


@given(st.integers(-LIMIT, LIMIT), st.integers(0, 4))
def test_every_amount_survives_being_written(minor: int, decimals: int) -> None:
    written = decimal_text(minor, decimals=decimals)

    assert minor_units(written, decimals=decimals) == minor
    assert Decimal(written).scaleb(decimals) == minor


@given(st.text(alphabet="0123456789.-+e, ", max_size=20), st.integers(0, 4))
def test_no_text_is_read_differently_than_decimal_arithmetic_would(text: str, decimals: int) -> None:
    try:
        minor = minor_units(text, decimals=decimals)
    except BadAmount:
        return

    assert Decimal(text).scaleb(decimals) == minor


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [
        (Fraction(875, 10_000), 2, "0.09"),
        (Fraction(5, 1000), 2, "0.01"),
        (Fraction(4999, 1_000_000), 2, "0.00"),
        (Fraction(1, 3), 3, "0.333"),
        (Fraction(5, 2), 0, "3"),
        (Fraction(400), 2, "400.00"),
    ],
)
def test_an_exact_amount_is_rounded_half_up_once(amount: Fraction, decimals: int, text: str) -> None:
    assert rounded_text(amount, decimals=decimals) == text


@pytest.mark.parametrize("text", ["0.01", "0.0125", "3", "10", "1.5", "0.000000001"])
def test_an_amount_that_has_a_text_keeps_it(text: str) -> None:
    assert exact_text(Fraction(text)) == text


def test_an_amount_without_a_text_has_none() -> None:
    with pytest.raises(ValueError, match="more than 9 decimals"):
        exact_text(Fraction(1, 3))
