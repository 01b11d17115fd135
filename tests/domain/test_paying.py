"""Rates that count what was paid in some ways, and prices without tax (semantics A1): worked out by hand."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import books, paying
from app.domain.accrual import Earned, earned
from app.domain.backtesting import Trial, Tried, trying
from app.domain.commands import Enrolment, Line, Payment, Purchase, PurchaseChange, ReturnedLine
from app.domain.paying import NotPaidBy, PaidBy
from app.domain.refusals import NothingLeft
from app.domain.rules import Basis, Multiply, Rule, Rules, Versions
from app.domain.state import MemberState
from app.domain.verifying import StoredEvent
from tests.domain.builders import (
    ANNA,
    NOW,
    PROGRAM,
    SPENT,
    Books,
    back,
    card,
    cents,
    changed,
    cover,
    gave,
    line,
    make_rules,
    multiply,
    occasion,
    paid,
    purchase,
    rate,
    unit,
    wrong,
)

GIFT_CARD = paid("gift-card", "8.00")
CARD = paid("card", "12.00")


def given_for(goods: Purchase, *rules: Rule, engine: int | None = None, **more: Any) -> Earned:
    asked = occasion() if engine is None else occasion(engine=engine)
    return earned(goods, asked, make_rules(*rules, **more))


def points_of(goods: Purchase, *rules: Rule, **more: Any) -> int:
    return dict(given_for(goods, *rules, **more).points).get("points", 0)


def counting(counted: paying.Paid, code: str = "base", **more: Any) -> Rule:
    """A point a euro of what was paid in these ways."""
    return rate(code=code, counted=counted, **more)


def new_books(rules: Rules) -> Books:
    made = Books(rules, state=MemberState(id=ANNA))
    made.do(Enrolment((card(),)))
    return made


def test_a_rate_counts_only_what_was_paid_in_its_ways() -> None:
    """20.00, of which 12.00 by card: 12 points for the card, 8 for the gift card, 20 for both."""
    goods = purchase("20.00", payments=(CARD, GIFT_CARD))

    assert points_of(goods, counting(PaidBy(frozenset({"card"})))) == 12
    assert points_of(goods, counting(PaidBy(frozenset({"gift-card"})))) == 8
    assert points_of(goods, counting(PaidBy(frozenset({"card", "gift-card"})))) == 20


def test_each_line_has_its_share_of_what_was_paid_in_a_way() -> None:
    """Coffee 5.00 and cake 15.00, 12.00 of 20.00 by card: 3.00 of the coffee and 9.00 of the cake."""
    goods = purchase(None, line("5.00", "coffee"), line("15.00", "cake"), payments=(CARD, GIFT_CARD))
    by_card = PaidBy(frozenset({"card"}))

    assert points_of(goods, counting(by_card, include=cover("coffee"))) == 3
    assert points_of(goods, counting(by_card, include=cover("cake"))) == 9


def test_what_nobody_says_how_it_was_paid_is_not_paid_in_any_way() -> None:
    """15.00 of 20.00 is told, 12.00 of it by card; without payments the rule gives nothing, and says why."""
    by_card = counting(PaidBy(frozenset({"card"})))
    partly = purchase("20.00", payments=(CARD, paid("cash", "3.00")))

    assert points_of(partly, by_card) == 12
    assert given_for(purchase("20.00"), by_card).steps == (("base", "points", "other_payment", "0"),)
    assert points_of(purchase("20.00"), counting(NotPaidBy(frozenset({"card"})))) == 20


def test_what_a_rate_says_stands_in_place_of_what_the_program_says() -> None:
    """20.00, 8.00 of it by gift card: the program leaves points out, one rate gift cards, another nothing."""
    goods = purchase("20.00", payments=(paid("points", "12.00"), GIFT_CARD))

    assert points_of(goods, rate()) == 8
    assert points_of(goods, counting(NotPaidBy(frozenset({"gift-card"})))) == 12
    assert points_of(goods, counting(NotPaidBy(frozenset()))) == 20
    assert points_of(goods, counting(PaidBy(frozenset({"points"})))) == 12


def test_more_paid_than_was_due_counts_for_no_more_than_that() -> None:
    """Change given back, and a deposit of 4.00 returned: 16.00 were due, of which 50.00 in cash pay all."""
    goods = purchase(None, line("20.00"), line("-4.00"), payments=(paid("cash", "50.00"),))

    assert points_of(goods, counting(PaidBy(frozenset({"cash"})))) == 16
    assert points_of(goods, counting(NotPaidBy(frozenset({"cash"})))) == 0


def test_a_part_counts_of_any_basis_and_in_whole_steps() -> None:
    """20.00 with 4.00 discount already off, 60 % by card: 14.40 of 24.00 before the discount; one whole 10.00 of 12."""
    goods = purchase(None, line("20.00", discount="4.00"), payments=(CARD, GIFT_CARD))
    by_card = PaidBy(frozenset({"card"}))

    assert points_of(goods, counting(by_card, basis=Basis.BEFORE_DISCOUNT)) == 14
    assert points_of(goods, rate(per="10.00", whole_steps=True, counted=by_card)) == 1


def test_another_rate_beside_doubles_what_the_store_card_paid() -> None:
    """30.00, 10.00 by store card: 30 for all of it and 10 more."""
    goods = purchase("30.00", payments=(paid("store-card", "10.00"), paid("cash", "20.00")))
    result = given_for(goods, rate(), counting(PaidBy(frozenset({"store-card"})), code="card"))

    assert dict(result.points) == {"points": 40}
    assert result.steps == (("base", "points", "rate", "30"), ("card", "points", "rate", "10"))


@pytest.mark.parametrize(
    ("basis", "net", "points"),
    [
        (Basis.CHARGED, False, 121),
        (Basis.CHARGED, True, 121),
        (Basis.WITH_TAX, False, 121),
        (Basis.WITH_TAX, True, 142),
        (Basis.WITHOUT_TAX, False, 100),
        (Basis.WITHOUT_TAX, True, 121),
    ],
)
def test_tax_is_in_gross_prices_and_on_top_of_net_ones(basis: Basis, net: bool, points: int) -> None:
    """A line of 121.00 with 21.00 tax."""
    assert points_of(purchase(None, line("121.00", tax="21.00")), rate(basis=basis), net=net) == points


def test_only_what_must_be_added_or_taken_off_has_to_be_told() -> None:
    """Without its tax a net line is known without tax, and a gross one with it."""
    goods = purchase("100.00")

    assert points_of(goods, rate(basis=Basis.WITHOUT_TAX), net=True) == 100
    assert points_of(goods, rate(basis=Basis.WITH_TAX)) == 100
    assert given_for(goods, rate(basis=Basis.WITH_TAX), net=True).steps == (("base", "points", "missing_tax", "0"),)


def test_payments_are_of_prices_with_the_tax_that_comes_on_top() -> None:
    """100.00 and 21.00 tax, 60.50 of 121.00 paid with points: half of it, so 50.00 of 100.00 counts."""
    goods = purchase(None, line("100.00", tax="21.00"), payments=(paid("points", "60.50"), paid("card", "60.50")))

    assert points_of(goods, rate(), net=True) == 50
    assert points_of(goods, counting(PaidBy(frozenset({"card"}))), net=True) == 50
    assert points_of(goods, rate()) == 39  # gross: 60.50 of 100.00


def test_what_an_older_engine_judged_stays_as_it_was() -> None:
    """Until engine 2 prices were taken as gross whatever the program said (architecture §4)."""
    goods = purchase(None, line("121.00", tax="21.00"), payments=(paid("points", "60.50"),))

    assert points_of(goods, rate(basis=Basis.WITHOUT_TAX), net=True, engine=2) == 50
    assert points_of(goods, rate(basis=Basis.WITHOUT_TAX), net=True, engine=3) == 69  # 121 × 81.50 / 142


def test_a_return_of_what_an_older_engine_judged_takes_what_it_gave() -> None:
    """Semantics R2: f is that of the purchase, whichever engine judges the return."""
    made = new_books(make_rules(rate(basis=Basis.WITHOUT_TAX), net=True))
    made.engine_number = 2
    bought = made.bought(purchase(None, line("121.00", tax="21.00")))
    made.engine_number = 3

    assert made.state.accounts["points"].balance == 100
    assert gave(made.do(back(bought))) == {"points": -100}
    assert wrong(made) == []


def test_a_draft_is_tried_as_this_engine_would_judge_it() -> None:
    """Semantics A1: what engine 2 took as gross is tried as net; on the other side stands what was recorded."""
    rules = make_rules(rate(basis=Basis.WITHOUT_TAX), net=True)
    made = new_books(rules)
    made.engine_number = 2
    made.bought(purchase(None, line("121.00", tax="21.00")))
    draft, day = changed(rules, version=2), timedelta(days=1)
    trial, tried = Trial(PROGRAM, Versions((rules,)), draft, NOW - day, NOW + day), Tried(ANNA)

    for _ in trying(ANNA, [StoredEvent(one.recorded) for one in made.posted], trial, tried):
        pass

    assert tried.before.moved == {("points", books.ISSUED): 100}
    assert tried.after.moved == {("points", books.ISSUED): 121}


def test_an_article_back_takes_its_share_of_what_was_paid_in_a_way() -> None:
    """Semantics R2: coffee 5.00 and cake 15.00, 12.00 by card: the cake takes 9 of the 12."""
    made = new_books(make_rules(counting(PaidBy(frozenset({"card"})))))
    bought = made.bought(purchase(None, line("5.00", "coffee"), line("15.00", "cake"), payments=(CARD, GIFT_CARD)))

    assert gave(made.do(back(bought, amount=cents("10.00"), currency="EUR"))) == {"points": -6}
    assert gave(made.do(back(bought))) == {"points": -6}
    assert wrong(made) == []


def test_a_changed_purchase_says_anew_how_it_is_paid() -> None:
    """Semantics R8: 20.00 by card becomes 20.00 of which 8.00 by gift card."""
    made = new_books(make_rules(counting(PaidBy(frozenset({"card"})))))
    bought = made.bought(purchase("20.00", payments=(paid("card", "20.00"),)))
    named = back(bought).of

    changed = made.do(PurchaseChange(named, 1, purchase("20.00", payments=(CARD, GIFT_CARD))))

    assert gave(changed) == {"points": -8}
    assert wrong(made) == []


def test_the_example_of_the_guide_comes_out_as_it_says() -> None:
    """30.00: 10.00 by store card, 5.00 by gift card, 15.00 in cash; then the coffee of 6.00 comes back."""
    rules = make_rules(
        rate(),
        counting(PaidBy(frozenset({"store-card"})), code="store-card"),
        rate("100", code="turnover", unit="spent", counted=NotPaidBy(frozenset())),
        units=(unit(), SPENT),
        unpaid_kinds=frozenset({"points", "gift-card"}),
    )
    ways = (paid("store-card", "10.00"), paid("gift-card", "5.00"), paid("cash", "15.00"))
    made = new_books(rules)
    bought = made.bought(purchase(None, line("6.00", "coffee"), line("24.00"), payments=ways))

    assert {entry.unit: entry.points for entry in bought.entries} == {"points": 35, "spent": 30_00}
    assert gave(made.do(back(bought, ReturnedLine("1")))) == {"points": -7, "spent": -6_00}


def test_a_multiplier_scales_the_part_that_counts() -> None:
    """12.00 by card of coffee at ×1.5 is 18."""
    goods = purchase(None, line("20.00", "coffee"), payments=(CARD, GIFT_CARD))
    doubled = multiply("1.5", include=cover("coffee"))

    assert isinstance(doubled.gives, Multiply)
    assert points_of(goods, counting(PaidBy(frozenset({"card"}))), doubled) == 18


_KINDS = ("card", "gift-card", "points", "cash")
_PAYMENTS = st.lists(st.tuples(st.sampled_from(_KINDS), st.integers(-500, 9_000)), max_size=4)
_LINES = st.lists(
    st.tuples(st.integers(0, 5_000), st.none() | st.integers(0, 900), st.sampled_from(["cake", "coffee"])),
    min_size=1,
    max_size=4,
)
_STEPS = st.lists(st.integers(1, 2_500), max_size=6)
_RULES = (
    counting(PaidBy(frozenset({"card"}))),
    counting(NotPaidBy(frozenset({"gift-card"})), code="most", include=cover("cake")),
    rate("3", per="10.00", whole_steps=True, code="steps", counted=PaidBy(frozenset({"cash", "card"}))),
    rate("100", code="spent", unit="spent", basis=Basis.WITH_TAX),
    multiply("1.25", include=cover("cake")),
)


def _sale(lines: list[tuple[int, int | None, str]], payments: list[tuple[str, int]]) -> Purchase:
    goods = [Line("", amount, tax=tax, categories=(category,)) for amount, tax, category in lines]
    return purchase(None, *goods, payments=tuple(Payment(kind, amount) for kind, amount in payments))


@given(_LINES, _PAYMENTS, _STEPS, st.booleans())
def test_whatever_was_paid_and_comes_back_a_whole_return_takes_all(
    lines: Any, payments: Any, steps: list[int], net: bool
) -> None:
    """Semantics R2: by amounts in any number of steps, with payments of all kinds and prices of either."""
    made = new_books(make_rules(*_RULES, units=(unit(), SPENT), net=net))
    bought = made.bought(_sale(lines, payments))
    for size in steps:
        made.do(back(bought, amount=size, currency="EUR"))
        assert all(account.balance >= 0 for account in made.state.accounts.values())
    last = made.do(back(bought))

    assert last.refusal in (None, NothingLeft())
    assert {code: account.balance for code, account in made.state.accounts.items() if account.balance} == {}
    assert made.state.lots == ()
    assert wrong(made) == []


@given(_LINES, _PAYMENTS, st.booleans())
def test_what_counts_and_what_does_not_make_up_the_whole(lines: Any, payments: Any, net: bool) -> None:
    """Semantics A1: of the same kinds, each minor unit counts on one side exactly."""
    kinds, sale = frozenset({"card", "points"}), _sale(lines, payments)
    whole = sum(line.amount for line in sale.lines) + (sum(line.tax or 0 for line in sale.lines) if net else 0)

    with_them = paying.share(PaidBy(kinds), sale.payments, due=whole)
    without = paying.share(NotPaidBy(kinds), sale.payments, due=whole)

    assert 0 <= with_them <= 1
    assert 0 <= without <= 1
    assert with_them + without == 1 or not whole
    assert Fraction(with_them) * whole <= max(0, sum(max(0, amount) for kind, amount in payments if kind in kinds))
