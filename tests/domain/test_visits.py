"""First and n-th purchases, and what rules give besides points: taken back with the goods (semantics A10, A11, R2)."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.domain import chain
from app.domain.calendar import Every, Period
from app.domain.periods import LIFETIME, Within
from app.domain.rules import Reward, Rewarded, Rule, Rules, Visits
from tests.domain.builders import (
    Books,
    accepted,
    back,
    fixed,
    gave,
    line,
    make_rules,
    on,
    purchase,
    rate,
    rule,
    told,
)

MONTHLY = Within(Period(Every.MONTH))


def first(points: int = 50, *, numbers: Sequence[int] = (1,), within: Within = LIFETIME, **more: Any) -> Rule:
    """A bonus for the first purchase."""
    return fixed(points, code="first", visits=Visits(within, frozenset(numbers)), **more)


def coffee_rules(*rules: Rule) -> Rules:
    """A program whose rules may give a coffee."""
    return make_rules(*rules, rewards={"coffee": Reward("coffee", "A free coffee")})


def test_only_the_first_purchase_gets_the_bonus_for_the_first() -> None:
    """Semantics A11."""
    made = Books(make_rules(rate(), first()))

    decisions = [made.do(purchase("10.00")), made.do(purchase("10.00"))]

    assert [gave(one) for one in decisions] == [{"points": 60}, {"points": 10}]
    assert decisions[1].events[0].recorded.steps[1] == ("first", "points", "other_visit", "0")


def test_a_first_purchase_wholly_returned_is_as_if_it_had_not_been() -> None:
    """Semantics A11, R5: the bonus goes with it, and may be earned again."""
    made = Books(make_rules(rate(), first()))
    bought = made.bought(purchase("10.00"))

    returned, again = made.do(back(bought)), made.do(purchase("20.00"))

    assert gave(returned) == {"points": -60}
    assert gave(again) == {"points": 70}
    assert made.state.purchases == 1


def test_a_bonus_never_stands_twice_when_the_first_comes_back_after_the_second() -> None:
    """Semantics R5."""
    made = Books(make_rules(rate(), first()))
    bought, _ = made.bought(purchase("10.00")), made.do(purchase("10.00"))

    made.do(back(bought))

    assert gave(made.do(purchase("10.00"))) == {"points": 10}


def test_some_goods_back_keep_the_purchase_a_purchase() -> None:
    """Semantics A11: only one that is wholly returned counts for nothing."""
    made = Books(make_rules(rate(), first()))
    bought = made.bought(purchase(None, line("10.00", id="a"), line("5.00", id="b")))

    returned = made.do(back(bought, amount=500))

    assert gave(returned) == {"points": -5}
    assert made.state.purchases == 1


@pytest.mark.parametrize(("number", "expected"), [(6, 0), (7, 5), (14, 5), (15, 0)])
def test_every_seventh_purchase_is_counted(number: int, expected: int) -> None:
    """Semantics A11."""
    visits = Visits(LIFETIME, every=7)

    assert 5 * visits.has(number) == expected


def test_counting_begins_again_with_each_period() -> None:
    """Semantics, Words: an event belongs to the period of its occurred_at, in the program's zone."""
    made = Books(make_rules(fixed(5, visits=Visits(MONTHLY, frozenset({2})))), now=on("2026-12-01", "00:30"))

    given = [
        gave(made.do(purchase("1.00"), at=at))
        for at in (on("2026-11-29"), on("2026-11-30", "22:00"), on("2026-12-01", "00:01"), on("2026-12-01", "00:02"))
    ]

    assert given == [{}, {"points": 5}, {}, {"points": 5}]


def test_a_return_gives_the_visit_back_to_the_period_of_its_purchase() -> None:
    """Semantics, Words: a reversal belongs to the period of what it reverses."""
    made = Books(make_rules(fixed(5, visits=Visits(MONTHLY, frozenset({2})))), now=on("2026-11-30", "23:00"))
    bought = made.bought(purchase("1.00"))
    made.now = on("2026-12-01", "10:00")

    made.do(back(bought))
    late = made.do(purchase("1.00"), at=on("2026-11-30", "23:30"))

    assert gave(late) == {}
    assert [(row.counter, row.times) for row in made.state.usage.values()] == [("visits:month", 1)]


def test_periods_long_over_are_forgotten() -> None:
    made = Books(make_rules(fixed(5, visits=Visits(MONTHLY, frozenset({2})))), now=on("2026-09-10"))
    made.do(purchase("1.00"))
    made.now = on("2026-11-20")

    made.do(purchase("1.00"))

    assert [row.since for row in made.state.usage.values()] == [on("2026-11-01", "00:00")]


def test_a_reward_is_told_and_taken_back_with_the_goods() -> None:
    """Semantics A10: known by the number of its event and its rule."""
    made = Books(coffee_rules(rate(), rule(Rewarded("coffee"), code="gift", unit="")))

    bought = made.do(purchase("10.00"))
    returned = made.do(back(accepted(bought).recorded))

    named = {"reward": "coffee", "name": "A free coffee", "rule": "gift", "issued_by": 2}
    assert _besides(bought) == [("reward.issued", named)]
    assert _besides(returned) == [("reward.cancelled", named)]
    assert chain.context_of(accepted(bought).recorded.content)["gifts"] == [["gift", "reward", "coffee"]]


def test_a_reward_is_kept_while_its_line_is() -> None:
    """Semantics R2: f of what is left still gives it."""
    rules = coffee_rules(rate(), rule(Rewarded("coffee"), code="gift", unit=""))
    made = Books(rules)
    bought = made.bought(purchase(None, line("10.00", id="a"), line("5.00", id="b")))

    assert _besides(made.do(back(bought, amount=500))) == []


def _besides(decision: Any) -> list[tuple[str, dict[str, Any]]]:
    """What a decision tells about rewards."""
    own = ("reward", "name", "rule", "issued_by")
    return [(type, {name: data[name] for name in own}) for type, data in told(decision) if type.startswith("reward.")]
