"""Multipliers, fixed grants, filters and what rules cover (semantics A2, A3, A6)."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accrual import earned
from app.domain.points import Rounding
from app.domain.rules import EVERYTHING, Cover, Rule
from tests.domain.builders import (
    NOW,
    cover,
    fixed,
    line,
    make_rules,
    multiply,
    occasion,
    per_item,
    purchase,
    rate,
    unit,
)


def test_multipliers_scale_only_the_lines_they_cover() -> None:
    """Semantics A2b."""
    goods = purchase(None, line("10.00", "coffee"), line("10.00", "cake"))

    result = earned(goods, occasion(), make_rules(rate(), multiply("3", include=cover("cake"))))

    assert dict(result.points) == {"points": 40}
    assert result.steps == (("base", "points", "rate", "20"), ("times", "points", "multiply", "40"))


def test_multipliers_multiply_each_other() -> None:
    """Semantics A4: ×2 and ×1.5 are ×3, in either order."""
    one, other = multiply("2", code="two"), multiply("1.5", code="half-more")

    both = [
        dict(earned(purchase("10.00"), occasion(), make_rules(rate(), *pair)).points)
        for pair in ((one, other), (other, one))
    ]

    assert both == [{"points": 30}, {"points": 30}]


def test_a_multiplier_of_zero_means_no_points() -> None:
    """Semantics A4."""
    result = earned(purchase("10.00"), occasion(), make_rules(rate(), multiply("0")))

    assert result.points == ()
    assert result.steps[-1] == ("times", "points", "multiply", "0")


def test_multipliers_reach_what_items_gave() -> None:
    """Semantics A2: both kinds of stage a are scaled by stage b."""
    assert dict(earned(purchase("10.00"), occasion(), make_rules(per_item("5"), multiply("2"))).points) == {
        "points": 10
    }


def test_fixed_grants_are_never_multiplied_wherever_they_stand() -> None:
    """Semantics A2c."""
    rules = make_rules(fixed(5), rate(), multiply("2"))

    result = earned(purchase("10.00"), occasion(), rules)

    assert dict(result.points) == {"points": 25}
    assert [step[2] for step in result.steps] == ["rate", "multiply", "fixed"]


def test_a_fixed_grant_is_given_once_however_many_lines_it_covers() -> None:
    """Semantics A2c: once per event."""
    goods = purchase(None, line("1.00", "cake"), line("1.00", "cake"), line("1.00", "cake"))

    assert dict(earned(goods, occasion(), make_rules(fixed(5, include=cover("cake")))).points) == {"points": 5}


def test_a_fixed_grant_needs_a_line_it_covers() -> None:
    """Semantics A2c."""
    result = earned(purchase(None, line("1.00", "coffee")), occasion(), make_rules(fixed(5, include=cover("cake"))))

    assert result.points == ()
    assert result.steps == (("fixed", "points", "not_covered", "0"),)


def test_an_event_without_goods_gets_fixed_grants_only() -> None:
    """Semantics A2c: `fixed` asks for a covered line only where the event has lines."""
    rules = make_rules(
        rate(kind="activity"), multiply("2", kind="activity"), fixed(20, kind="activity", include=cover("cake"))
    )

    result = earned(None, occasion("activity"), rules)

    assert dict(result.points) == {"points": 20}
    assert result.steps == (
        ("base", "points", "no_goods", "0"),
        ("times", "points", "no_goods", "0"),
        ("fixed", "points", "fixed", "20"),
    )


def test_rounding_comes_once_after_everything() -> None:
    """Semantics A2d, L2: 9.5 × 1.5 + 1 = 15.25."""
    rules = make_rules(rate(), multiply("1.5"), fixed(1), units=(unit(rounding=Rounding.UP),))

    result = earned(purchase("9.50"), occasion(), rules)

    assert dict(result.points) == {"points": 16}
    assert result.steps[-1] == ("", "points", "round", "16")


def test_a_rule_without_effect_says_why_and_where_nothing_is_given_nothing_is_rounded() -> None:
    """Semantics A3, E2: the explanation has one line a rule."""
    result = earned(purchase("9.50"), occasion(), make_rules(rate(channels=["web"])))

    assert result.points == ()
    assert result.steps == (("base", "points", "other_channel", "0"),)


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), min_size=1, max_size=6),
    st.fractions(0, 5, max_denominator=20),
    st.integers(0, 50),
)
def test_the_stages_are_the_formula_of_the_semantics(
    parts: list[tuple[int, bool]], factor: Fraction, grant: int
) -> None:
    """Semantics A2: Σ rate × (factor where covered) + grant, rounded down."""
    lines = [line(f"{amount / 100:.2f}", *(["cake"] if cake else [])) for amount, cake in parts]
    rules = make_rules(
        rate("3", "2.00"), multiply(str(factor), include=cover("cake")), fixed(grant, include=EVERYTHING)
    )

    result = earned(purchase(None, *lines), occasion(), rules)

    exact = sum(Fraction(3 * amount, 200) * (factor if cake else 1) for amount, cake in parts) + grant
    assert dict(result.points).get("points", 0) == exact // 1


@pytest.mark.parametrize(
    ("rule", "covered"),
    [
        (rate(), "coffee cake beans"),
        (rate(include=cover("coffee")), "coffee"),
        (rate(include=cover("coffee", "cake")), "coffee cake"),
        (rate(include=cover("hot")), "coffee"),
        (rate(include=cover(skus=["77"])), "cake"),
        (rate(include=cover("coffee", skus=["77"])), "coffee cake"),
        (rate(exclude=cover("cake")), "coffee beans"),
        (rate(exclude=cover(skus=["77"])), "coffee beans"),
        (rate(include=cover("coffee", "cake"), exclude=cover("hot")), "cake"),
        (rate(include=Cover()), ""),
        (rate(exclude=EVERYTHING), ""),
    ],
)
def test_a_rule_covers_what_it_includes_less_what_it_excludes(rule: Rule, covered: str) -> None:
    """Semantics A3: by category or sku; beans here have neither."""
    worth = {"coffee": 1, "cake": 10, "beans": 100}
    goods = purchase(None, line("1.00", "coffee", "hot"), line("10.00", "cake", sku="77"), line("100.00"))

    result = earned(goods, occasion(), make_rules(rule))

    assert dict(result.points).get("points", 0) == sum(worth[name] for name in covered.split())
    assert bool(covered) == (result.steps[0][2] == "rate")
    assert covered or result.steps == (("base", "points", "not_covered", "0"),)


def test_a_multiplier_that_covers_nothing_says_so() -> None:
    """Semantics A3."""
    result = earned(purchase("10.00"), occasion(), make_rules(rate(), multiply("2", include=cover("cake"))))

    assert dict(result.points) == {"points": 10}
    assert ("times", "points", "not_covered", "0") in result.steps


FILTERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"channels": ["web"]}, {"channel": "web"}, "other_channel"),
    ({"locations": ["utrecht-12"]}, {"location": "utrecht-12"}, "other_location"),
    ({"sources": ["webshop"]}, {"source": "webshop"}, "other_shop"),
    ({"tiers": ["gold"]}, {"tiers": ["bronze", "gold"]}, "other_tier"),
    ({"activities": ["survey"]}, {"activity": "survey"}, "other_activity"),
]


@pytest.mark.parametrize(("filters", "fits", "reason"), FILTERS)
def test_a_filter_lets_through_what_it_names_and_nothing_else(
    filters: dict[str, Any], fits: dict[str, Any], reason: str
) -> None:
    """Semantics A3, for rates, multipliers and grants alike; an event that does not say it is not meant."""
    for rule in (fixed(5, **filters), rate("5", "10.00", **filters)):
        assert dict(earned(purchase("10.00"), occasion(**fits), make_rules(rule)).points) == {"points": 5}
        assert earned(purchase("10.00"), occasion(), make_rules(rule)).steps == ((rule.code, "points", reason, "0"),)
    doubled = make_rules(rate(), multiply("2", **filters))
    assert dict(earned(purchase("10.00"), occasion(**fits), doubled).points) == {"points": 20}
    assert dict(earned(purchase("10.00"), occasion(), doubled).points) == {"points": 10}


@pytest.mark.parametrize(("seconds", "reason"), [(-1, "not_yet"), (0, None), (59, None), (60, "over")])
def test_a_rule_applies_from_its_beginning_until_before_its_end(seconds: int, reason: str | None) -> None:
    """Semantics A3, dates; Words: half-open."""
    rules = make_rules(fixed(5, starts_at=NOW, ends_at=NOW + timedelta(minutes=1)))

    result = earned(purchase("10.00"), occasion(at=NOW + timedelta(seconds=seconds)), rules)

    assert result.steps[0][2] == (reason or "fixed")
    assert dict(result.points) == ({} if reason else {"points": 5})


def test_rules_for_another_kind_of_event_are_not_asked() -> None:
    """Semantics A3, kinds."""
    rules = make_rules(rate(), fixed(50, kind="enrolment"), fixed(20, kind="activity"))

    assert dict(earned(None, occasion("enrolment"), rules).points) == {"points": 50}
    assert dict(earned(purchase("3.00"), occasion(), rules).points) == {"points": 3}
    assert earned(None, occasion("redemption"), rules).points == ()


def test_tiers_of_any_ladder_let_a_rule_apply() -> None:
    """Semantics A3, T1: several ladders are possible."""
    rules = make_rules(fixed(5, tiers=["gold", "friend"]))

    assert dict(earned(purchase(), occasion(tiers=["bronze", "friend"]), rules).points) == {"points": 5}
