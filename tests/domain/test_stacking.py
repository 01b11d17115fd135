"""How rules come together: measures, groups, exclusive rules, stops, and multipliers (semantics A2, A4, A7, A8)."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from app.domain.accrual import Earned, earned
from app.domain.basket import Left
from app.domain.combining import Combine, Multipliers
from app.domain.commands import Purchase
from app.domain.rules import Measured, Rule
from app.domain.seeing import Seen
from tests.domain.builders import (
    changed,
    cover,
    fixed,
    group,
    line,
    make_rules,
    multiply,
    occasion,
    per_item,
    purchase,
    rate,
    rule,
    unit,
)


def gives(goods: Purchase | None, *rules: Rule, **more: Any) -> Earned:
    """What rules give for goods."""
    return earned(goods, occasion(), make_rules(*rules, **more))


def points(result: Earned, code: str = "points") -> int:
    return dict(result.points).get(code, 0)


def why(result: Earned) -> dict[str, str]:
    """What happened to each rule."""
    return {code: what for code, _, what, _ in result.steps if code}


def measured(give: str, per: str = "1", *, number: str | None = None, whole_steps: bool = False, **more: Any) -> Rule:
    return rule(Measured(Fraction(give), Fraction(per), number, whole_steps), **({"code": "measured"} | more))


# What is counted (A2).


def test_a_rate_counts_a_quantity() -> None:
    """Semantics A2: 3 for each half kilogram, 1.25 kg of cheese: 7.5."""
    goods = purchase(None, line("20.00", quantity="1.25"))

    assert points(gives(goods, measured("3", "0.5"))) == 7


def test_whole_steps_of_a_quantity_count_what_the_rule_covers_together() -> None:
    """Semantics A2: 1.5 and 0.75 of it are two whole steps, 1.5 : 0.75 of them ×2 on the first line."""
    goods = purchase(None, line("9.00", "loose", quantity="1.5"), line("9.00", quantity="0.75"))

    result = gives(goods, measured("3", whole_steps=True), multiply("2", include=cover("loose")))

    assert points(result) == 10  # 6 shared as 4 and 2: 8 + 2


def test_a_declared_number_counts_without_goods() -> None:
    """Semantics A2: 2 for each kilometre of a ride that is no sale."""
    rules = make_rules(measured("2", number="km", kind="activity"), multiply("1.5", kind="activity"))

    result = earned(None, occasion("activity", seen=Seen({"km": "12.5"})), rules)

    assert points(result) == 37
    assert result.steps[:2] == (("measured", "points", "rate", "25"), ("times", "points", "multiply", "37.5"))


def test_a_declared_number_is_spread_over_the_lines_covered() -> None:
    """Semantics A2, R2: 30 km over 20.00 and 10.00; the second line back leaves 20 of them."""
    goods = purchase(None, line("20.00"), line("10.00"))
    rules = make_rules(measured("1", number="km"))
    here = occasion(seen=Seen({"km": "30"}))
    left = [Left(Fraction(share), Fraction(share)) for share in (1, 0)]

    assert points(earned(goods, here, rules)) == 30
    assert points(earned(goods, here, rules, left=left)) == 20


def test_a_missing_number_gives_nothing_and_says_so_and_one_below_zero_counts_as_zero() -> None:
    """Semantics A1."""
    rules = make_rules(measured("1", number="km"))

    assert why(earned(purchase(), occasion(), rules)) == {"measured": "missing_attribute"}
    assert points(earned(purchase(), occasion(seen=Seen({"km": "-5"})), rules)) == 0


def test_nothing_paid_earns_nothing_by_amount_in_a_group_too() -> None:
    """Semantics A8: the best of a group is then what the other rule gives."""
    rules = (rate(group="g"), fixed(5, group="g"))

    result = gives(purchase("0.00"), *rules, groups=group("g", Combine.BEST))

    assert points(result) == 5
    assert why(result) == {"base": "not_best", "fixed": "fixed"}


# Groups (A4).


@pytest.mark.parametrize(
    ("combine", "given", "told"),
    [
        (Combine.SUM, 35, {"base": "rate", "per-item": "per_item", "fixed": "fixed"}),
        (Combine.BEST, 20, {"base": "not_best", "per-item": "per_item", "fixed": "not_best"}),
        (Combine.FIRST, 10, {"base": "rate", "per-item": "not_first", "fixed": "not_first"}),
    ],
)
def test_a_group_counts_all_the_best_or_the_first_of_its_rules(
    combine: Combine, given: int, told: dict[str, str]
) -> None:
    """Semantics A4: 10 by amount, 2 × 10 by item, 5 at once."""
    goods = purchase(None, line("10.00", quantity="2"))
    rules = (rate(group="g"), per_item("10", group="g"), fixed(5, group="g"))

    result = gives(goods, *rules, groups=group("g", combine))

    assert (points(result), why(result)) == (given, told)


def test_the_first_of_a_group_goes_by_priority_then_by_the_document() -> None:
    """Semantics A4: and a rule that gives nothing is passed over."""
    rules = (
        fixed(1, code="one", group="g"),
        fixed(2, code="two", group="g", priority=1),
        fixed(3, code="three", group="g", priority=1),
        fixed(4, code="web", group="g", priority=2, channels=["web"]),
    )

    result = gives(purchase(), *rules, groups=group("g", Combine.FIRST))

    assert points(result) == 2
    assert why(result) == {"web": "other_channel", "two": "fixed", "three": "not_first", "one": "not_first"}


def test_ties_in_a_group_go_by_the_document() -> None:
    """Semantics A4."""
    rules = (fixed(5, code="one", group="g"), fixed(5, code="two", group="g"))

    assert why(gives(purchase(), *rules, groups=group("g", Combine.BEST))) == {"one": "fixed", "two": "not_best"}


# Exclusive rules and stops (A4).


def test_an_exclusive_rule_that_gives_something_stands_alone_in_its_unit() -> None:
    """Semantics A4, A7: no other rule and no multiplier; other units are untouched."""
    rules = (
        rate(),
        fixed(3, exclusive=True),
        multiply("2"),
        rate("100", code="spent", unit="spent"),
    )

    result = gives(purchase("10.00"), *rules, units=(unit(), unit("spent", decimals=2)))

    assert result.points == (("points", 3), ("spent", 1000))
    assert why(result) == {"base": "excluded", "times": "excluded", "fixed": "fixed", "spent": "rate"}


def test_an_exclusive_rule_that_gives_nothing_excludes_nobody() -> None:
    """Semantics A4."""
    result = gives(purchase("10.00"), rate(), rate("2", code="cake", exclusive=True, include=cover("cake")))

    assert points(result) == 10
    assert why(result) == {"base": "rate", "cake": "not_covered"}


@pytest.mark.parametrize(("priorities", "winner"), [((0, 0), "larger"), ((1, 0), "smaller")])
def test_of_exclusive_rules_the_highest_priority_stands_then_the_larger(priorities: Sequence[int], winner: str) -> None:
    """Semantics A4."""
    one, other = priorities
    rules = (
        fixed(3, code="smaller", exclusive=True, priority=one),
        fixed(4, code="larger", exclusive=True, priority=other),
    )

    assert [code for code, what in why(gives(purchase(), *rules)).items() if what == "fixed"] == [winner]


def test_a_stop_ends_lower_priorities_of_its_unit_and_stage_only() -> None:
    """Semantics A4: 20 by the first rate, not the second; the grant and the multiplier are of other stages."""
    rules = (
        rate("2", code="app", priority=1, stop=True),
        rate("3", code="same", priority=1),
        rate(code="lower"),
        multiply("2"),
        fixed(7),
    )

    result = gives(purchase("10.00"), *rules)

    assert points(result) == 107
    assert why(result)["lower"] == "stopped"


def test_a_stop_that_gives_nothing_ends_nobody() -> None:
    """Semantics A4: only if its rule really gave something."""
    goods = purchase(None, line("0.00", "cake"), line("10.00"))
    rules = (rate("2", code="cake", priority=1, stop=True, include=cover("cake")), rate())

    assert points(gives(goods, *rules)) == 10


def test_a_rule_that_lost_in_its_group_stops_nobody() -> None:
    """Semantics A4: groups choose first."""
    rules = (
        fixed(1, code="small", priority=1, stop=True, group="g"),
        fixed(9, code="large", priority=1, group="g"),
        fixed(5, code="lower"),
    )

    assert points(gives(purchase(), *rules, groups=group("g", Combine.BEST))) == 14


# Multipliers (A4).


@pytest.mark.parametrize(("way", "given"), [(Multipliers.PRODUCT, 90), (Multipliers.SUM, 45), (Multipliers.BEST, 30)])
def test_multipliers_of_a_unit_multiply_add_up_or_the_best_counts(way: Multipliers, given: int) -> None:
    """Semantics A4: 10 × 2 × 1.5 × 3 = 90; 10 × (1 + 1 + 0.5 + 2) = 45; 10 × 3 = 30."""
    rules = (rate(), multiply("2", code="two"), multiply("1.5", code="half-more"), multiply("3", code="three"))

    assert points(gives(purchase("10.00"), *rules, units=(unit(multipliers=way),))) == given


def test_the_best_multiplier_is_chosen_line_by_line() -> None:
    """Semantics A4: coffee ×3, all else ×2."""
    goods = purchase(None, line("10.00", "coffee"), line("10.00"))
    rules = (rate(), multiply("2", code="two"), multiply("3", code="three", include=cover("coffee")))

    result = gives(goods, *rules, units=(unit(multipliers=Multipliers.BEST),))

    assert points(result) == 50
    assert result.steps[1:] == (("two", "points", "multiply", "30"), ("three", "points", "multiply", "50"))


def test_a_group_of_multipliers_adds_up_among_the_others() -> None:
    """Semantics A4, airline style: 10 × (1 + 0.5 + 0.25) × 2 = 35."""
    rules = (
        rate(),
        multiply("1.5", code="gold", group="elite"),
        multiply("2", code="week"),
        multiply("1.25", code="card", group="elite"),
    )

    result = gives(purchase("10.00"), *rules, groups=group("elite"))

    assert points(result) == 35
    assert [(step[0], step[3]) for step in result.steps] == [
        ("base", "10"),
        ("gold", "15"),
        ("card", "17.5"),
        ("week", "35"),
    ]


def test_a_multiplier_of_zero_leaves_nothing_however_they_come_together() -> None:
    """Semantics A4: on the lines that it covers."""
    goods = purchase(None, line("10.00", "gift-card"), line("10.00"))
    rules = (rate(), multiply("3", code="three"), multiply("0", code="none", include=cover("gift-card")))

    for way in Multipliers:
        assert points(gives(goods, *rules, units=(unit(multipliers=way),))) == 30
    grouped = [changed(one, group="g") if one.code != "base" else one for one in rules]
    for combine in (Combine.SUM, Combine.BEST):
        assert points(gives(goods, *grouped, groups=group("g", combine))) == 30


def test_parts_below_one_lessen_what_is_added() -> None:
    """Semantics A4: 10 × (1 + 1 - 0.5) = 15, in either order; never below nothing."""
    both = (multiply("0.5", code="half"), multiply("2", code="two"))
    for pair in (both, both[::-1]):
        assert points(gives(purchase("10.00"), rate(), *pair, units=(unit(multipliers=Multipliers.SUM),))) == 15
    many = [multiply("0.25", code=f"m{n}") for n in range(3)]
    assert points(gives(purchase("10.00"), rate(), *many, units=(unit(multipliers=Multipliers.SUM),))) == 0


def test_a_multiplier_that_stops_ends_lower_ones_only_if_it_changed_something() -> None:
    """Semantics A4."""
    goods = purchase(None, line("10.00"), line("0.00", "cake"))
    stop = multiply("3", code="cake", priority=1, stop=True, include=cover("cake"))

    assert points(gives(goods, rate(), stop, multiply("2"))) == 20
    assert points(gives(goods, rate(), changed(stop, include=cover(), exclude=cover("cake")), multiply("2"))) == 20
    whole = changed(stop, include=rate().include)
    result = gives(goods, rate(), whole, multiply("2"))
    assert (points(result), why(result)["times"]) == (30, "stopped")
