"""Goods that come back take exactly what they had given, whatever the order of the steps (semantics R1–R6, T5, L9)."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.commands import Activity, Cancellation, Enrolment, Line, Named, Purchase, Redemption, ReturnedLine
from app.domain.events import Recorded
from app.domain.refusals import (
    MoreThanLeft,
    NothingLeft,
    NotReversible,
    OtherCurrency,
    OtherMembersEvent,
    UnknownEvent,
    UnknownLine,
)
from app.domain.rules import Basis, Rules, Shortage, Versions
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    BRAM,
    NOW,
    SPENT,
    Books,
    accepted,
    back,
    card,
    cents,
    changed,
    cover,
    decide,
    end_of,
    fixed,
    gave,
    kept,
    kinds,
    ladder,
    ladder_rules,
    line,
    lot,
    make_rules,
    make_state,
    multiply,
    paid,
    per_item,
    purchase,
    rate,
    told,
    unit,
    wrong,
)

NEW = MemberState(id=ANNA)


def books(rules: Rules | None = None, **more: Any) -> Books:
    """Anna's books from her enrolment on."""
    made = Books(rules or make_rules(), state=NEW, **more)
    assert made.do(Enrolment((card(),))).refusal is None
    return made


def quantity(line_id: str, number: str) -> ReturnedLine:
    return ReturnedLine(line_id, quantity=number)


def amount(line_id: str, euros: str) -> ReturnedLine:
    return ReturnedLine(line_id, amount=cents(euros))


def points(made: Books, code: str = "points") -> int:
    account = made.state.accounts.get(code)
    return account.balance if account is not None else 0


class TestLines:
    """What of the basket came back."""

    def test_one_of_two_coffees_takes_half(self) -> None:
        """Semantics R1, R2."""
        made = books()
        bought = made.bought(purchase(None, line("8.50", quantity="2"), line("4.00")))

        assert gave(made.do(back(bought, quantity("1", "1")))) == {"points": -(12 - 8)}  # 12.50 less 4.25
        assert gave(made.do(back(bought, quantity("1", "1")))) == {"points": -4}
        assert made.do(back(bought, quantity("1", "1"))).refusal == MoreThanLeft("1", "0", 0, "EUR", 2)
        assert gave(made.do(back(bought))) == {"points": -4}
        assert points(made) == 0
        assert wrong(made) == []

    def test_an_item_whose_price_rounds_away_is_an_item_still(self) -> None:
        """Semantics R2: two for 0.01, a stamp each."""
        made = books(make_rules(per_item("1")))
        bought = made.bought(purchase(None, line("0.01", quantity="2")))

        assert gave(made.do(back(bought, quantity("1", "1")))) == {"points": -1}
        assert gave(made.do(back(bought, quantity("1", "1")))) == {"points": -1}
        assert made.do(back(bought)).refusal == NothingLeft()

    def test_an_amount_is_spread_over_what_is_left(self) -> None:
        """Semantics R1: in proportion, to the cent."""
        made = books(make_rules(rate(), multiply("2", include=cover("cake"))))
        bought = made.bought(purchase(None, line("10.00", "cake"), line("30.00")))

        assert points(made) == 50
        assert gave(made.do(back(bought, amount=cents("4.00"), currency="EUR"))) == {"points": -5}
        assert gave(made.do(back(bought, ReturnedLine("1")))) == {"points": -18}  # 9.00 of it was left
        assert points(made) == 27

    def test_deductions_never_come_back_and_keep_their_share(self) -> None:
        """Semantics A1: bottles handed in lowered the basis of both lines, and that stays so."""
        made = books()
        bought = made.bought(purchase(None, line("10.00"), line("10.00"), line("-2.00")))

        assert points(made) == 18
        assert gave(made.do(back(bought, ReturnedLine("1")))) == {"points": -9}
        assert isinstance(made.do(back(bought, ReturnedLine("3"))).refusal, UnknownLine)
        assert gave(made.do(back(bought))) == {"points": -9}
        assert made.do(back(bought)).refusal == NothingLeft()

    def test_what_was_paid_with_points_keeps_its_share(self) -> None:
        """Semantics A1, R2: half was paid with points, so each line earned half, and gives back half."""
        made = books()
        bought = made.bought(purchase(None, line("10.00"), line("30.00"), payments=(paid("points", "20.00"),)))

        assert points(made) == 20
        assert gave(made.do(back(bought, ReturnedLine("2")))) == {"points": -15}

    def test_free_goods_come_back_by_quantity(self) -> None:
        """Semantics A8: they earned nothing by amount, but are items."""
        made = books(make_rules(rate(), per_item("5")))
        bought = made.bought(purchase("0.00", line("0.00", quantity="3")))

        assert gave(made.do(back(bought, quantity("1", "1")))) == {"points": -5}
        assert gave(made.do(back(bought))) == {"points": -10}
        assert made.do(back(bought)).refusal == NothingLeft()

    def test_a_fixed_grant_goes_with_the_last_goods_it_covers(self) -> None:
        """Semantics R2: f(nothing) is nothing."""
        made = books(make_rules(rate(), fixed(10, include=cover("cake"))))
        bought = made.bought(purchase(None, line("5.00", "cake"), line("5.00")))

        assert gave(made.do(back(bought, amount("1", "2.00"), currency="EUR"))) == {"points": -2}
        assert gave(made.do(back(bought, ReturnedLine("1")))) == {"points": -13}
        assert points(made) == 5

    @pytest.mark.parametrize(
        ("facts", "refusal"),
        [
            ({"amount": cents("12.51"), "currency": "EUR"}, MoreThanLeft(None, None, 1250, "EUR", 2)),
            ({"lines": (ReturnedLine("9"),)}, UnknownLine("9", ("1", "2"))),
            ({"lines": (quantity("1", "3"),)}, MoreThanLeft("1", "2", 850, "EUR", 2)),
            ({"lines": (amount("2", "4.01"),), "currency": "EUR"}, MoreThanLeft("2", "1", 400, "EUR", 2)),
            ({"amount": 1, "currency": "USD"}, OtherCurrency("EUR")),
        ],
    )
    def test_more_than_is_left_is_refused_with_what_is(self, facts: dict[str, Any], refusal: object) -> None:
        """Semantics R1."""
        made = books()
        bought = made.bought(purchase(None, line("8.50", quantity="2"), line("4.00")))

        assert made.do(back(bought, *facts.pop("lines", ()), **facts)).refusal == refusal
        assert points(made) == 12

    def test_after_an_amount_a_quantity_is_worth_its_part_of_what_is_left(self) -> None:
        """Semantics R1: 5.00 of 8.00 is back already, so one of two items brings back 1.50."""
        made = books()
        bought = made.bought(purchase(None, line("8.00", quantity="2")))
        made.do(back(bought, amount("1", "5.00"), currency="EUR"))

        assert gave(made.do(back(bought, quantity("1", "1")))) == {"points": -2}
        assert made.do(back(bought, amount("1", "1.51"), currency="EUR")).refusal == MoreThanLeft(
            "1", "1", 150, "EUR", 2
        )
        assert gave(made.do(back(bought, quantity("1", "1")))) == {"points": -1}
        assert points(made) == 0


class TestNaming:
    """Which event is meant."""

    def test_an_event_that_is_not_there_or_anothers_or_no_purchase(self) -> None:
        """Semantics R1, E6."""
        made = books()
        bought = made.bought(purchase("20.00"))
        spent = accepted(made.do(Redemption(5))).recorded
        others = changed(bought, member_id=BRAM, id=b"o" * 16)
        made.posted.append(changed(made.posted[-1], recorded=others))

        assert made.do(back(changed(bought, id=b"x" * 16))).refusal == UnknownEvent()
        assert made.do(back(others)).refusal == OtherMembersEvent()
        assert made.do(back(spent)).refusal == NotReversible("redemption", ("purchase",))
        enrolled = made.posted[0].recorded
        refused = made.do(Cancellation(Named(enrolled.id))).refusal
        assert refused == NotReversible("enrolment", ("purchase", "activity", "hold", "redemption", "capture"))
        assert made.do(Cancellation(Named(bought.id), points=3)).refusal == NotReversible(
            "purchase", ("redemption", "capture")
        )
        assert made.do(Cancellation(Named(bought.id, kind="redemption"))).refusal == NotReversible(
            "purchase", ("redemption",)
        )


class TestRising:
    """What is left may earn more without what came back (semantics R2: a negative difference gives points back)."""

    RULES = make_rules(rate(per="10.00", whole_steps=True), multiply("10", include=cover("coffee")))

    @pytest.mark.parametrize("spent", [0, 6, 7])
    def test_a_line_that_took_its_share_of_a_step_gives_points_when_it_goes(self, spent: int) -> None:
        """Coffee 10.00 ×10 and cake 5.00 make one step, two thirds of it ×10: 7; without the cake 10."""
        made = books(self.RULES)
        bought = made.bought(purchase(None, line("10.00", "coffee"), line("5.00", "cake")))
        assert points(made) == 7
        if spent:
            made.do(Redemption(spent))
        returned = made.do(back(bought, ReturnedLine("2")))

        assert gave(returned) == {"points": 3}
        assert [type for type, _ in told(returned)] == ["points.earned"]
        assert gave(made.do(back(bought))) == {"points": -10}
        assert (points(made), made.state.accounts["points"].deficit) == (-spent, spent)
        assert wrong(made) == []

    def test_a_line_without_its_tax_hid_what_the_others_give(self) -> None:
        """Also in a unit that cannot be spent, whose points are found again when the rest comes back."""
        status = unit("status", expires="P1M", spendable=False)
        made = books(make_rules(rate(unit="status", basis=Basis.WITHOUT_TAX), units=(status,)))
        bought = made.bought(purchase(None, line("10.00", tax="2.00"), line("5.00")))
        assert "status" not in made.state.accounts

        assert gave(made.do(back(bought, ReturnedLine("2")))) == {"status": 8}
        assert gave(made.do(back(bought))) == {"status": -8}
        assert points(made, "status") == 0
        assert wrong(made) == []


class TestShortage:
    """Points that are spent already."""

    def test_they_are_owed_and_the_next_credit_pays(self) -> None:
        """Semantics R3, L9, worked example 5."""
        made = books()
        bought = made.bought(purchase("80.00"))
        made.do(Redemption(30))
        made.do(back(bought))

        assert (points(made), made.state.accounts["points"].deficit) == (-30, 30)
        assert wrong(made) == []
        made.bought(purchase("100.00"))
        assert (points(made), made.state.accounts["points"].deficit) == (70, 0)
        assert [(one.credited, one.remaining) for one in made.state.lots] == [(100, 70)]
        assert wrong(made) == []

    def test_other_lots_pay_in_draw_order_before_anything_is_owed(self) -> None:
        """Semantics R3: its own lots first."""
        made = books(make_rules(units=(unit(expires="P12M"),)))
        first = made.bought(purchase("50.00"))
        made.now += timedelta(days=40)
        second = made.bought(purchase("50.00"))
        made.do(Redemption(70))
        entry = accepted(made.do(back(second))).recorded.entries[0]

        assert [(d.lot_sequence, d.points) for d in entry.draws] == [(second.sequence, 30)]
        assert (entry.points, made.state.accounts["points"].deficit) == (-50, 20)
        entry = accepted(made.do(back(first))).recorded.entries[0]
        assert (entry.points, entry.draws, made.state.accounts["points"].deficit) == (-50, (), 70)
        assert wrong(made) == []

    def test_what_is_reserved_is_left_alone(self) -> None:
        """Semantics L12."""
        rules = make_rules()
        made = Books(rules, state=make_state(lot(100, reserves=kept(60), sequence=1)))
        bought = made.bought(purchase("10.00"))
        made.do(Redemption(45))
        made.do(back(bought))

        assert (made.state.accounts["points"].deficit, made.state.accounts["points"].held) == (5, 60)
        assert min(one.remaining for one in made.state.lots) == 60

    def test_clamp_forgives_and_says_so(self) -> None:
        """Semantics R3; what was forgiven counts as taken."""
        made = books(make_rules(shortage=Shortage(forgive=True)))
        bought = made.bought(purchase("80.00"))
        made.do(Redemption(30))
        taken = accepted(made.do(back(bought, amount=cents("60.00"), currency="EUR")))
        rest = accepted(made.do(back(bought)))

        assert [entry.points for entry in taken.recorded.entries] == [-50]
        assert ("", "points", "forgiven", "10") in taken.recorded.steps
        assert (rest.recorded.entries, points(made)) == ((), 0)
        assert ("", "points", "forgiven", "20") in rest.recorded.steps
        assert wrong(made) == []

    def test_nobody_owes_more_than_the_floor(self) -> None:
        """Semantics R3, L9."""
        made = books(make_rules(shortage=Shortage(floors={"points": 20})))
        bought = made.bought(purchase("80.00"))
        made.do(Redemption(80))
        made.do(back(bought))

        assert (points(made), made.state.accounts["points"].deficit) == (-20, 20)
        assert wrong(made) == []

    def test_units_that_only_count_never_owe(self) -> None:
        """Semantics R3: this year's status is not lowered for what has expired."""
        status = unit("status", expires="P1M", spendable=False)
        made = books(make_rules(rate(unit="status"), units=(status,)))
        bought = made.bought(purchase("80.00"))
        made.now += timedelta(days=60)
        made.bought(purchase("10.00"))
        made.do(back(bought))

        assert (points(made, "status"), made.state.accounts["status"].deficit) == (10, 0)
        assert wrong(made) == []


class TestTiers:
    """What is left may not reach a tier."""

    def test_a_tier_is_lost_at_once_and_multipliers_stay(self) -> None:
        """Semantics T5, R2: the purchase made as silver keeps its context."""
        made = books(ladder_rules())
        first = made.bought(purchase("210.00"))
        second = made.bought(purchase("20.00"))
        fall = made.do(back(first))

        assert accepted(fall).recorded.tier_changes == (("status", "silver", "bronze"),)
        assert [type for type, _ in told(fall)] == ["points.reversed", "tier.downgraded"]
        assert points(made) == 25
        assert gave(made.do(back(second))) == {"points": -25, "spent": -2000}
        assert wrong(made) == []

    def test_a_fall_does_not_count_from_before_the_rise(self) -> None:
        """Semantics T5, A6: a return dated before its purchase leaves the time before both alone."""
        made = books(ladder_rules())
        made.now += timedelta(days=3)
        made.bought(purchase("210.00"))
        gold = made.bought(purchase("310.00"))
        made.do(back(gold), at=NOW + timedelta(days=1))
        late = made.bought(purchase("100.00"), at=NOW + timedelta(days=2))

        assert late.entries[0].points == 100  # as bronze: silver came a day later
        assert [(term.tier, term.since) for term in made.state.tiers] == [
            ("silver", NOW + timedelta(days=3)),
            ("gold", NOW + timedelta(days=3)),
            ("silver", NOW + timedelta(days=3)),
        ]

    def test_a_return_that_takes_nothing_of_it_costs_no_tier(self) -> None:
        """Semantics T5, R3: last year's goods do not lower this year's status, nor do goods that never counted."""
        status = unit("status", expires="P1M", spendable=False)
        rules = make_rules(
            rate(),
            rate(code="status", unit="status", exclude=cover("beans")),
            units=(unit(), status),
            ladders=(ladder(("gold", 600), unit="status"),),
        )
        made = books(rules)
        old = made.bought(purchase("600.00"))
        made.now += timedelta(days=60)
        new = made.bought(purchase(None, line("10.00"), line("90.00", "beans")))

        for event in (old, new):
            decision = made.do(back(event, amount=cents("5.00"), currency="EUR"))
            assert accepted(decision).recorded.tier_changes == ()
        assert wrong(made) == []

    def test_a_threshold_that_was_raised_pushes_nobody_down(self) -> None:
        """Semantics T6, T5."""
        low = make_rules(rate(unit="spent"), units=(SPENT,), ladders=(ladder(("gold", 500)),))
        high = changed(low, version=2, in_force_from=NOW + timedelta(days=1), ladders=(ladder(("gold", 1000)),))
        made = books(low)
        bought = made.bought(purchase("600.00"))
        made.rules, made.now = Versions((low, high)), NOW + timedelta(days=2)

        assert accepted(made.do(back(bought, amount=100, currency="EUR"))).recorded.tier_changes == ()

    def test_the_switch_keeps_tiers(self) -> None:
        """Semantics T5."""
        made = books(ladder_rules(returns_lower_tiers=False))
        bought = made.bought(purchase("210.00"))

        assert accepted(made.do(back(bought))).recorded.tier_changes == ()


class TestCancelling:
    """As if it had not been."""

    def test_an_undone_redemption_is_back_in_its_lots(self) -> None:
        """Semantics L8, worked example 7."""
        early, late = lot(50, expires="2027-01-31", sequence=1), lot(50, expires="2027-06-30", sequence=2)
        made = Books(make_rules(units=(unit(expires="P12M"),)), state=make_state(early, late))
        spent = accepted(made.do(Redemption(70))).recorded
        undone = made.do(Cancellation(Named(spent.id)))

        assert set(made.state.lots) == {early, late}
        assert [type for type, _ in told(undone)] == ["points.restored"]
        assert made.do(Cancellation(Named(spent.id))).refusal == NothingLeft()

    def test_parts_go_back_in_reverse_order_of_the_draws(self) -> None:
        """Semantics L8, E6."""
        early, late = lot(50, expires="2027-01-31", sequence=1), lot(50, expires="2027-06-30", sequence=2)
        made = Books(make_rules(units=(unit(expires="P12M"),)), state=make_state(early, late))
        spent = accepted(made.do(Redemption(70))).recorded

        def left() -> dict[int, int]:
            return {one.sequence: one.remaining for one in made.state.lots}

        for part, expected in ((5, {2: 35}), (20, {1: 5, 2: 50}), (44, {1: 49, 2: 50})):
            assert made.do(Cancellation(Named(spent.id), points=part)).refusal is None
            assert left() == expected
        assert made.do(Cancellation(Named(spent.id), points=2)).refusal is not None
        made.do(Cancellation(Named(spent.id)))
        assert left() == {1: 50, 2: 50}

    def test_what_has_expired_meanwhile_expires_again_at_once(self) -> None:
        """Semantics L8."""
        made = books(make_rules(units=(unit(expires="P1M"),)))
        made.bought(purchase("50.00"))
        spent = accepted(made.do(Redemption(30))).recorded
        made.now += timedelta(days=40)
        undone = made.do(Cancellation(Named(spent.id)))

        assert kinds(undone) == ["expiry", "cancellation", "expiry"]
        assert (points(made), made.state.lots) == (0, ())
        assert wrong(made) == []

    def test_restored_points_that_have_ended_pay_what_is_owed_before_they_end_again(self) -> None:
        """Semantics L8, L9: as if the points had never been spent."""
        made = books(make_rules(units=(unit(expires="P1M"),)))
        bought = made.bought(purchase("80.00"))
        spent = accepted(made.do(Redemption(80))).recorded
        made.do(back(bought))
        made.now += timedelta(days=40)
        made.do(Cancellation(Named(spent.id)))

        assert (points(made), made.state.accounts["points"].deficit, made.state.lots) == (0, 0, ())
        assert wrong(made) == []

    def test_restored_points_pay_what_is_owed(self) -> None:
        """Semantics L9."""
        made = books()
        bought = made.bought(purchase("80.00"))
        spent = accepted(made.do(Redemption(30))).recorded
        made.do(back(bought))
        made.do(Cancellation(Named(spent.id), points=10))

        assert (points(made), made.state.accounts["points"].deficit, made.state.lots) == (-20, 20, ())
        made.do(Cancellation(Named(spent.id)))
        assert (points(made), made.state.accounts["points"].deficit, made.state.lots) == (0, 0, ())
        assert wrong(made) == []

    def test_a_purchase_is_returned_whole_and_an_activity_takes_back_what_it_gave(self) -> None:
        """Semantics E6."""
        rules = make_rules(rate(), fixed(20, kind="activity", activities=["survey"]))
        made = books(rules)
        bought = made.bought(purchase("80.00"))
        asked = accepted(made.do(Activity("survey"))).recorded
        made.do(back(bought, amount=cents("30.00"), currency="EUR"))

        assert gave(made.do(Cancellation(Named(bought.id)))) == {"points": -50}
        assert gave(made.do(Cancellation(Named(asked.id)))) == {"points": -20}
        assert made.do(Cancellation(Named(bought.id))).refusal == NothingLeft()
        assert made.do(Cancellation(Named(asked.id))).refusal == NothingLeft()
        assert points(made) == 0
        assert wrong(made) == []


_BASKETS = st.lists(
    st.tuples(st.integers(0, 5_000), st.sampled_from(["1", "2", "3", "0.455"]), st.sampled_from([(), ("cake",)])),
    min_size=1,
    max_size=4,
)
_RULES = make_rules(
    rate("3", per="10.00", whole_steps=True, code="steps"),
    rate(basis=Basis.WITHOUT_TAX, code="net"),
    rate(include=cover("cake")),
    rate("100", code="spent", unit="spent"),
    per_item("2", exclude=cover("cake")),
    multiply("1.25", include=cover("cake")),
    fixed(7),
    units=(unit(), SPENT),
)


def _basket(drawn: list[tuple[int, str, tuple[str, ...]]]) -> Purchase:
    lines = [
        Line("", cents_, quantity=number, categories=named, tax=cents_ // 6 if cents_ % 3 else None)
        for cents_, number, named in drawn
    ]
    return purchase(None, *lines)


def _step(made: Books, bought: Recorded, what: tuple[str, int, int]) -> bool:
    """Some of it comes back, if there is as much."""
    way, which, size = what
    one = str(which)
    facts = {
        "quantity": back(bought, quantity(one, "1")),
        "amount": back(bought, ReturnedLine(one, amount=size), currency="EUR"),
        "line": back(bought, ReturnedLine(one)),
        "spread": back(bought, amount=size, currency="EUR"),
    }[way]
    return made.do(facts).refusal is None


_STEPS = st.lists(
    st.tuples(st.sampled_from(["quantity", "amount", "line", "spread"]), st.integers(1, 4), st.integers(1, 2_500)),
    max_size=8,
)


@given(_BASKETS, _STEPS)
def test_whatever_the_steps_a_whole_return_takes_exactly_what_was_given(basket: Any, steps: Any) -> None:
    """Semantics R2: no step takes more than stands, and nothing stands in the end."""
    made = books(_RULES)
    bought = made.bought(_basket(basket))
    for step in steps:
        _step(made, bought, step)
        assert points(made) >= 0
    last = made.do(back(bought))

    assert last.refusal in (None, NothingLeft())
    assert {code: account.balance for code, account in made.state.accounts.items() if account.balance} == {}
    assert made.state.lots == ()
    assert wrong(made) == []


@given(_BASKETS, st.permutations([("quantity", 1, 0), ("quantity", 2, 0), ("amount", 3, 500), ("quantity", 1, 0)]))
def test_the_same_goods_leave_the_same_points_in_every_order(basket: Any, steps: Any) -> None:
    """Semantics R2: every order of steps ends at the same place."""
    whole = [(5_000 + cents_, "3", named) for cents_, _, named in (basket * 3)[:3]]
    one, other = books(_RULES), books(_RULES)
    for made, order in ((one, sorted(steps)), (other, steps)):
        bought = made.bought(_basket(whole))
        assert all(_step(made, bought, step) for step in order)

    assert {c: a.balance for c, a in one.state.accounts.items()} == {
        c: a.balance for c, a in other.state.accounts.items()
    }


def test_worked_example_6_is_not_touched_by_returns() -> None:
    """A lot that a return leaves something of keeps its date; semantics L10."""
    made = books(make_rules(units=(unit(expires="P1M"),)))
    bought = made.bought(purchase("10.00"))
    made.do(back(bought, amount=cents("4.00"), currency="EUR"))

    assert [(one.remaining, one.expires_at) for one in made.state.lots] == [(6, end_of("2026-12-21"))]
    assert decide(made.state, Redemption(6), rules=made.rules, now=NOW).refusal is None
