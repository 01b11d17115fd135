"""The worked examples of the semantics, by number, as far as they concern what is built."""

from dataclasses import dataclass

import pytest

from app.domain.calendar import Every
from app.domain.commands import Cancellation, Named, Redemption, ReturnedLine
from app.domain.points import Rounding
from app.domain.rules import Rules
from tests.domain.builders import (
    Books,
    accepted,
    back,
    cents,
    cover,
    decide,
    end_of,
    fixed,
    gave,
    ladder_rules,
    line,
    lot,
    make_rules,
    make_state,
    multiply,
    on,
    purchase,
    rate,
    remaining,
    unit,
)


@dataclass(frozen=True)
class Sum:
    """A unit's rounding and what 19.00 × 1.5 makes of it."""

    rounding: Rounding
    points: int


def earns(total: str, rules: Rules) -> int:
    return gave(decide(make_state(), purchase(total), rules=rules)).get("points", 0)


def test_worked_example_1_a_point_a_euro_for_49_95_is_49_and_its_return_takes_49() -> None:
    """Semantics A2, L2, R2."""
    books = Books(make_rules(rate()))
    bought = books.bought(purchase("49.95"))

    assert gave(books.do(back(bought))) == {"points": -49}
    assert bought.entries[0].points == 49


def test_worked_example_2_an_article_takes_back_its_share_of_the_basket() -> None:
    """Of 40.00 that earned 70, the article of 20.00 earned 20; semantics A2, R2."""
    books = Books(make_rules(rate(), multiply("2", include=cover("cake")), fixed(10)))
    bought = books.bought(purchase(None, line("20.00", "coffee"), line("20.00", "cake")))

    assert bought.entries[0].points == 70
    assert gave(books.do(back(bought, ReturnedLine("1")))) == {"points": -20}


def test_worked_example_3_ten_small_returns_take_as_much_as_one_big_one() -> None:
    """1 point per 10.00, ten returns of 9.00 out of 90.00 take all 9; semantics R2."""
    books = Books(make_rules(rate(per="10.00")))
    bought = books.bought(purchase("90.00"))

    taken = [gave(books.do(back(bought, amount=cents("9.00"), currency="EUR"))).get("points", 0) for _ in range(10)]

    assert sum(taken) == -9
    assert books.state.accounts["points"].balance == 0


@pytest.mark.parametrize("earned_first", ["2026-06-01", "2026-08-01"])
def test_worked_example_4_the_lot_that_ends_first_is_drawn_first(earned_first: str) -> None:
    """A lot to 30 June earned first, one to 31 January: 100 draws the January lot; semantics L5."""
    june = lot(100, expires="2027-06-30", earned=on(earned_first))
    january = lot(100, expires="2027-01-31", earned=on("2026-07-01"))

    decision = decide(make_state(june, january), Redemption(100))

    (entry,) = accepted(decision).recorded.entries
    assert [(draw.lot_sequence, draw.points) for draw in entry.draws] == [(january.sequence, 100)]
    assert remaining(decision.state) == [(100, end_of("2027-06-30"))]


def test_worked_example_5_what_is_owed_is_paid_by_the_next_credit() -> None:
    """Credit 80, redeem 30, return all 80, credit 100: balance 70, no deficit, a lot of 100 with 70 left; L9, R3."""
    books = Books(make_rules(rate()))
    bought = books.bought(purchase("80.00"))
    books.do(Redemption(30))
    books.do(back(bought))
    books.bought(purchase("100.00"))

    account = books.state.accounts["points"]
    assert (account.balance, account.deficit) == (70, 0)
    assert [(one.credited, one.remaining) for one in books.state.lots] == [(100, 70)]


@pytest.mark.parametrize(
    ("earned", "last_day"),
    [("2026-01-31", "2026-02-28"), ("2028-01-31", "2028-02-29"), ("2027-12-31", "2028-01-31")],
)
def test_worked_example_6_a_month_from_31_january_is_the_end_of_february(earned: str, last_day: str) -> None:
    """29 February in a leap year; semantics L10."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),))

    decision = decide(make_state(now=on(earned)), purchase("12.00"), rules=rules, now=on(earned, "23:59"))

    assert remaining(decision.state) == [(12, end_of(last_day))]
    rounded_up = make_rules(rate(), units=(unit(expires="P1M", round_up=Every.MONTH),))
    same = decide(make_state(now=on(earned)), purchase("12.00"), rules=rounded_up, now=on(earned, "23:59"))
    assert remaining(same.state) == [(12, end_of(last_day))]


def test_worked_example_7_an_undone_redemption_leaves_the_lots_as_they_were() -> None:
    """Two lots 50/50, redeem 70, undo it; semantics L8."""
    first, second = lot(50, expires="2027-01-31"), lot(50, expires="2027-06-30")
    books = Books(make_rules(rate()), state=make_state(first, second))
    spent = accepted(books.do(Redemption(70))).recorded

    books.do(Cancellation(Named(spent.id)))

    assert set(books.state.lots) == {first, second}


@pytest.mark.parametrize("case", [Sum(Rounding.DOWN, 28), Sum(Rounding.HALF_UP, 29), Sum(Rounding.UP, 29)])
def test_worked_example_8_a_half_point_is_rounded_as_the_unit_says(case: Sum) -> None:
    """19.00 × 1.5 = 28.5; semantics L2."""
    rules = make_rules(rate(), multiply("1.5"), units=(unit(rounding=case.rounding),))

    assert earns("19.00", rules) == case.points


def test_worked_example_8_cents_count_unless_steps_are_whole() -> None:
    """19.99 × 1.5 = 29.985 → 29, but with whole steps 19 × 1.5 = 28.5 → 28; semantics A2."""
    assert earns("19.99", make_rules(rate(), multiply("1.5"))) == 29
    assert earns("19.99", make_rules(rate(whole_steps=True), multiply("1.5"))) == 28


def test_worked_example_9_whole_steps_of_ten_euros() -> None:
    """21.90 → 2; × 1.5 → 3; semantics A2."""
    steps = rate(per="10.00", whole_steps=True)

    assert earns("21.90", make_rules(steps)) == 2
    assert earns("21.90", make_rules(steps, multiply("1.5"))) == 3


def test_worked_example_9_steps_are_shared_back_over_the_lines() -> None:
    """Coffee 8.00 and cake 12.00 make 2 steps; coffee ×2: 0.8 × 2 + 1.2 = 2.8 → 2; semantics A2."""
    rules = make_rules(rate(per="10.00", whole_steps=True), multiply("2", include=cover("coffee")))
    goods = purchase(None, line("8.00", "coffee"), line("12.00", "cake"))

    own = accepted(decide(make_state(), goods, rules=rules)).recorded

    assert own.entries[0].points == 2
    assert own.steps == (
        ("base", "points", "rate", "2"),
        ("times", "points", "multiply", "2.8"),
        ("", "points", "round", "2"),
    )


def test_worked_example_10_the_tier_before_the_event_counts() -> None:
    """190.00, 20.00 and 20.00 on a ladder with silver from 200.00 (×1.25) → 190, 20, 25; semantics A6, T2."""
    rules, state, points = ladder_rules(), make_state(), []

    for total in ("190.00", "20.00", "20.00"):
        decision = decide(state, purchase(total), rules=rules)
        points.append(gave(decision)["points"])
        state = decision.state

    assert points == [190, 20, 25]
