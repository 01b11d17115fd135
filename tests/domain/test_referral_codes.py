"""Referral codes catch mistakes of reading and typing (semantics F1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.referral_code import ALPHABET, LENGTH, foreign, make, normalized

codes = st.binary(min_size=6, max_size=8).map(make)
LOOKALIKE = {ALPHABET[0], ALPHABET[-1]}
"""The one pair that a sum modulo 31 over 32 signs cannot tell apart."""


def test_codes_use_unambiguous_signs() -> None:
    """Semantics F1: unambiguous letters."""
    assert len(set(ALPHABET)) == 32
    assert not set("01IO") & set(ALPHABET)


@given(codes)
def test_a_code_is_its_own_normal_form(code: str) -> None:
    assert len(code) == LENGTH
    assert normalized(code) == code


@given(codes)
def test_a_code_may_be_typed_with_blanks_dashes_and_small_letters(code: str) -> None:
    assert normalized(f" {code[:3]}-{code[3:6]} {code[6:]} ".lower()) == code


@given(codes)
def test_every_single_wrong_sign_is_caught_but_one_pair(code: str) -> None:
    """Semantics F1, a check character: all 10 × 31 ways to mistype one sign."""
    for place, right in enumerate(code):
        for wrong in set(ALPHABET) - {right}:
            typed = code[:place] + wrong + code[place + 1 :]
            assert (normalized(typed) is None) == ({right, wrong} != LOOKALIKE or place == LENGTH - 1), typed


@given(codes)
def test_swapped_neighbors_are_caught_but_one_pair(code: str) -> None:
    """Semantics F1, a check character: the check sign counts as a neighbor too."""
    for place in range(LENGTH - 1):
        one, other = code[place], code[place + 1]
        typed = code[:place] + other + one + code[place + 2 :]
        if one != other and {one, other} != LOOKALIKE:
            assert normalized(typed) is None, typed


@pytest.mark.parametrize(
    "code", ["", "2", "23456789A", "23456789ABC", "0123456789", "IIIIIIIIII", "éééééééééé", "\x00" * 10]
)
def test_what_cannot_be_a_code_is_none(code: str) -> None:
    assert normalized(code) is None


def test_a_code_of_another_system_is_any_short_text_but_one_of_our_form() -> None:
    assert foreign(" anna-2019 ") == "ANNA2019"
    assert foreign("0123456789") == "0123456789"
    assert [foreign(code) for code in ("", " - ", "x" * 33, "é", "a\x00b", "23456789AB", "23456789ac")] == [None] * 7


@given(st.integers(0, 2**45 - 1), st.integers(0, 2**45 - 1))
def test_different_random_bits_make_different_codes(one: int, other: int) -> None:
    """Nine signs carry 45 bits."""
    assert (make(one.to_bytes(6)) == make(other.to_bytes(6))) == (one == other)
