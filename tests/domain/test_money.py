"""Money as text and as minor units (api C2)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import LIMIT, BadAmount, decimal_text, minor_units


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
