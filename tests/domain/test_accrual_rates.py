"""What a purchase earns by amount and by item: bases, steps, deductions, payments (semantics A1, A2, A8)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accrual import Earned, earned
from app.domain.commands import Line, Purchase
from app.domain.points import Rounding
from app.domain.rules import Basis, Rules
from tests.domain.builders import (
    cover,
    fixed,
    line,
    make_rules,
    multiply,
    occasion,
    paid,
    per_item,
    purchase,
    rate,
    unit,
)

amounts = st.integers(0, 10**7)


def points_of(goods: Purchase, rules: Rules) -> int:
    return dict(earned(goods, occasion(), rules).points).get("points", 0)


def reasons(result: Earned) -> list[tuple[str, str, str]]:
    """The explanation without its units: rule, what happened, number."""
    return [(rule, what, number) for rule, _, what, number in result.steps]


@pytest.mark.parametrize(
    ("total", "points"),
    [("49.95", 49), ("0.99", 0), ("1.00", 1), ("0.00", 0), ("10000.00", 10_000)],
)
def test_a_rate_gives_points_for_money(total: str, points: int) -> None:
    """Semantics A2a, A8: a purchase of nothing earns nothing by amount."""
    assert points_of(purchase(total), make_rules(rate())) == points


def test_rates_add_up_and_keep_their_fractions_until_the_end() -> None:
    """Semantics A2a, L2: 0.60 + 0.60 over two lines is one whole point, rounded once."""
    rules = make_rules(rate(), rate("0.5", code="half"))

    result = earned(purchase(None, line("0.60"), line("0.60")), occasion(), rules)

    assert dict(result.points) == {"points": 1}
    assert reasons(result) == [("base", "rate", "1.2"), ("half", "rate", "0.6"), ("", "round", "1")]


@given(st.lists(amounts, min_size=1, max_size=8))
def test_splitting_a_basket_into_lines_changes_nothing(parts: list[int]) -> None:
    """Semantics A2a, d: fractions are kept per line and rounded once."""
    lines = tuple(Line(str(i), amount) for i, amount in enumerate(parts))
    rules = make_rules(rate("3", "7.00"))

    split = points_of(Purchase("EUR", sum(parts), lines), rules)

    assert split == points_of(Purchase("EUR", sum(parts), (Line("1", sum(parts)),)), rules) == 3 * sum(parts) // 700


@given(amounts, st.fractions(0, 50, max_denominator=100), st.integers(1, 10_000), st.sampled_from(Rounding))
def test_a_rate_is_exact_until_its_one_rounding(amount: int, give: Fraction, per: int, rounding: Rounding) -> None:
    """Semantics L2, A2: against plain fractions."""
    rules = make_rules(rate(str(give), {"EUR": per}), units=(unit(rounding=rounding),))
    exact = give * amount / per

    points = points_of(Purchase("EUR", amount, (Line("1", amount),)), rules)

    whole = {Rounding.DOWN: exact // 1, Rounding.UP: -(-exact // 1), Rounding.HALF_UP: (exact + Fraction(1, 2)) // 1}
    assert points == whole[rounding]


def test_each_currency_has_its_own_rate() -> None:
    """Semantics A1: a rate states one per currency; yen have no minor units."""
    rules = make_rules(rate(per={"EUR": 1_00, "JPY": 150}), currencies={"EUR": 2, "JPY": 0})

    assert points_of(purchase("3.00"), rules) == 3
    assert points_of(Purchase("JPY", 450, (Line("1", 450),), ()), rules) == 3


def test_a_rate_without_this_currency_gives_nothing_and_says_so() -> None:
    """Semantics A1."""
    rules = make_rules(rate(per={"USD": 1_00}), currencies={"EUR": 2, "USD": 2})

    result = earned(purchase("3.00"), occasion(), rules)

    assert result.points == ()
    assert reasons(result) == [("base", "other_currency", "0")]


@pytest.mark.parametrize(
    ("basis", "points"), [(Basis.CHARGED, 12), (Basis.WITHOUT_TAX, 10), (Basis.BEFORE_DISCOUNT, 15)]
)
def test_the_basis_is_what_was_charged_without_tax_or_before_discount(basis: Basis, points: int) -> None:
    """Semantics A1: `tax` and `discount` are parts of the amount."""
    goods = purchase(None, line("12.00", tax="2.00", discount="3.00"))

    assert points_of(goods, make_rules(rate(basis=basis))) == points


@pytest.mark.parametrize(
    ("basis", "reason"), [(Basis.WITHOUT_TAX, "missing_tax"), (Basis.BEFORE_DISCOUNT, "missing_discount")]
)
def test_a_rule_that_needs_what_a_line_does_not_say_gives_nothing_and_says_so(basis: Basis, reason: str) -> None:
    """Semantics A1."""
    goods = purchase(None, line("12.00", tax="2.00", discount="3.00"), line("5.00"))

    result = earned(goods, occasion(), make_rules(rate(basis=basis), fixed(7)))

    assert dict(result.points) == {"points": 7}
    assert ("base", reason, "0") in reasons(result)


def test_a_missing_tax_matters_only_on_covered_lines() -> None:
    """Semantics A1, A3."""
    goods = purchase(None, line("12.00", "coffee", tax="2.00"), line("5.00", "deposit"))
    rules = make_rules(rate(basis=Basis.WITHOUT_TAX, include=cover("coffee")))

    assert points_of(goods, rules) == 10


def test_tax_beyond_the_amount_counts_as_a_basis_of_zero() -> None:
    """Semantics A1: a negative basis counts as 0, per line."""
    goods = purchase(None, line("1.00", tax="3.00"), line("5.00", tax="0.00"))

    assert points_of(goods, make_rules(rate(basis=Basis.WITHOUT_TAX))) == 5


@pytest.mark.parametrize(("total", "points"), [("21.90", 2), ("9.99", 0), ("10.00", 1), ("20.00", 2)])
def test_whole_steps_counts_only_complete_steps(total: str, points: int) -> None:
    """Semantics A2."""
    assert points_of(purchase(total), make_rules(rate(per="10.00", whole_steps=True))) == points


def test_whole_steps_count_what_the_rule_covers_together() -> None:
    """Semantics A2: steps over the covered lines together, not line by line, and not over the rest."""
    goods = purchase(None, line("6.00", "coffee"), line("6.00", "coffee"), line("90.00", "books"))

    assert points_of(goods, make_rules(rate(per="10.00", whole_steps=True, include=cover("coffee")))) == 1


def test_whole_steps_of_nothing_are_none() -> None:
    """Semantics A2, A8: no division by an empty basket."""
    assert points_of(purchase(None, line("0.00"), line("0.00")), make_rules(rate(whole_steps=True))) == 0


@given(st.lists(amounts, min_size=1, max_size=6), st.integers(1, 5_000))
def test_shares_of_whole_steps_add_up_to_the_steps(parts: list[int], per: int) -> None:
    """Semantics A2: shared back in proportion, so nothing is lost or gained before the rounding."""
    goods = Purchase("EUR", sum(parts), tuple(Line(str(i), amount) for i, amount in enumerate(parts)))
    rules = make_rules(rate("7", {"EUR": per}, whole_steps=True))

    assert points_of(goods, rules) == 7 * (sum(parts) // per)


@pytest.mark.parametrize(
    ("give", "quantities", "points"),
    [("5", ("1", "2"), 15), ("10", ("0.455",), 4), ("0.5", ("3",), 1), ("5", ("0",), 0)],
)
def test_points_per_item_follow_the_quantity(give: str, quantities: tuple[str, ...], points: int) -> None:
    """Semantics A2a: points × quantity, also of weighed goods."""
    lines = [line("1.00", quantity=quantity) for quantity in quantities]

    assert points_of(purchase(None, *lines), make_rules(per_item(give))) == points


def test_items_and_rates_add_up_per_line() -> None:
    """Semantics A2a."""
    goods = purchase(None, line("8.50", "coffee", quantity="2"), line("4.00", "cake"))
    rules = make_rules(rate(), per_item("5", include=cover("cake")))

    result = earned(goods, occasion(), rules)

    assert dict(result.points) == {"points": 17}
    assert reasons(result) == [("base", "rate", "12.5"), ("per-item", "per_item", "5"), ("", "round", "17")]


def test_a_deduction_is_spread_over_the_goods_in_proportion() -> None:
    """Semantics A1: a deposit of 4.00 back takes 1.00 off the coffee and 3.00 off the cake."""
    goods = purchase(None, line("10.00", "coffee"), line("30.00", "cake"), line("-4.00", "deposit"))

    assert points_of(goods, make_rules(rate(include=cover("coffee")))) == 9
    assert points_of(goods, make_rules(rate(include=cover("cake")))) == 27
    assert points_of(goods, make_rules(rate())) == 36
    assert points_of(goods, make_rules(rate(include=cover("deposit")))) == 0


def test_a_deduction_is_no_item_and_no_reason_for_a_grant() -> None:
    """Semantics A1, A2: bottles brought back earn no points per item, and no bonus for buying from their category."""
    goods = purchase(None, line("10.00", "coffee"), line("-4.00", "deposit", quantity="16"))

    assert points_of(goods, make_rules(per_item("1"))) == 1
    assert points_of(goods, make_rules(per_item("1", include=cover("deposit")))) == 0
    assert points_of(goods, make_rules(fixed(50, include=cover("deposit")))) == 0
    assert points_of(goods, make_rules(fixed(50))) == 50


def test_what_was_paid_with_points_earns_nothing() -> None:
    """Semantics A1: 5.00 of 20.00 was paid with points, spread over both lines; other means of payment count."""
    goods = purchase(
        None, line("5.00", "coffee"), line("15.00", "cake"), payments=(paid("points", "5.00"), paid("card", "15.00"))
    )

    assert points_of(goods, make_rules(rate())) == 15
    assert points_of(goods, make_rules(rate(include=cover("cake")))) == 11
    assert points_of(goods, make_rules(rate(), unpaid_kinds=frozenset())) == 20
    assert points_of(goods, make_rules(rate(), unpaid_kinds=frozenset({"points", "card"}))) == 0


def test_deductions_and_payments_together_never_make_a_basis_negative() -> None:
    """Semantics A1: a negative basis counts as 0."""
    goods = purchase("6.00", line("10.00"), line("-4.00"), payments=(paid("points", "9.00"),))

    assert points_of(goods, make_rules(rate())) == 0


def test_deductions_alone_earn_nothing() -> None:
    """Semantics A1: no goods to spread over."""
    assert points_of(purchase("0.00", line("-4.00")), make_rules(rate())) == 0


def test_a_negative_payment_with_points_adds_nothing_to_the_basis() -> None:
    """Semantics A1: what is left out of the basis can only lower it; nobody earns on more than was charged."""
    goods = purchase("10.00", payments=(paid("card", "15.00"), paid("points", "-5.00")))

    assert points_of(goods, make_rules(rate())) == 10


@given(st.lists(amounts, min_size=1, max_size=6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_spread_basis_is_what_was_charged_less_what_does_not_count(
    parts: list[int], deducted: int, with_points: int
) -> None:
    """Semantics A1: whatever the spreading, the whole basket counts for what is left, and never below zero."""
    goods = Purchase(
        "EUR",
        max(0, sum(parts) - deducted),
        (*(Line(str(i), amount) for i, amount in enumerate(parts)), Line("back", -deducted)),
        payments=(paid("points", f"{with_points // 100}.{with_points % 100:02d}"),),
    )
    rules = make_rules(rate("1", {"EUR": 1}))

    assert points_of(goods, rules) == max(0, sum(parts) - deducted - with_points)


def test_a_negative_sum_earns_nothing() -> None:
    """Semantics L2, E5: an earning rule never takes points."""
    assert earned(purchase("5.00"), occasion(), make_rules(fixed(-3))).points == ()


def test_each_unit_is_earned_by_itself() -> None:
    """Semantics A7: points, money spent and a stamp at once, in the program's order of units."""
    units = (unit(), unit("spent", decimals=2, spendable=False), unit("stamps"))
    rules = make_rules(
        fixed(1, code="stamp", unit="stamps"),
        rate(),
        rate("100", code="spent", unit="spent"),
        multiply("2", unit="points"),
        units=units,
    )

    result = earned(purchase("12.34"), occasion(), rules)

    assert result.points == (("points", 24), ("spent", 1234), ("stamps", 1))
