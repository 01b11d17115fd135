"""Tiers: reached at once, by the active balance, and counted from the next event (semantics T1, T2, T6, A6)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import ladders, tiers
from app.domain.rules import Rules
from app.domain.state import MemberState, TierTerm
from tests.domain.builders import (
    NOW,
    SPENT,
    accepted,
    decide,
    gave,
    kinds,
    ladder,
    ladder_rules,
    lot,
    make_rules,
    make_state,
    multiply,
    purchase,
    rate,
    settle,
    tier,
    told,
    unit,
)

LADDER = ladder(("silver", 200_00), ("gold", 500_00))
HOUR = timedelta(hours=1)


def term(tier: str, since: datetime = NOW, sequence: int = 1, ladder: str = "status") -> TierTerm:
    return TierTerm(ladder, tier, since, sequence)


def buy(state: MemberState, *sales: tuple[str, datetime], rules: Rules) -> tuple[MemberState, list[int]]:
    """The points of purchases recorded in this order, each as having occurred when it says."""
    points = []
    for total, when in sales:
        decision = decide(state, purchase(total), rules=rules, at=when)
        points.append(gave(decision).get("points", 0))
        state = decision.state
    return state, points


@pytest.mark.parametrize(
    ("spent", "met"),
    [(0, "bronze"), (199_99, "bronze"), (200_00, "silver"), (499_99, "silver"), (500_00, "gold"), (10**9, "gold")],
)
def test_the_highest_threshold_that_is_met_decides(spent: int, met: str) -> None:
    """Semantics T1: met at the threshold itself."""
    assert LADDER.tiers[ladders.met({"spent": spent}, LADDER)].code == met


def test_everybody_holds_the_first_tier_even_below_zero() -> None:
    """Semantics T1."""
    assert ladders.met({"spent": -5}, LADDER) == 0
    assert tiers.held_at(NOW, (), LADDER) == "bronze"
    assert tiers.current((), LADDER) is None


def test_a_tier_is_reached_in_the_event_that_reached_it() -> None:
    """Semantics T2: the event says so, and shops are told."""
    decision = decide(make_state(), purchase("200.00"), rules=ladder_rules())

    own = accepted(decision).recorded
    assert own.tier_changes == (("status", "bronze", "silver"),)
    assert decision.state.tiers == (term("silver", NOW, own.sequence),)
    assert told(decision)[-1] == (
        "tier.upgraded",
        told(decision)[-1][1] | {"ladder": "status", "before": "bronze", "tier": "silver"},
    )


def test_one_event_may_skip_a_tier() -> None:
    """Semantics T2: straight to what is met, as one change."""
    decision = decide(make_state(), purchase("900.00"), rules=ladder_rules())

    assert accepted(decision).recorded.tier_changes == (("status", "bronze", "gold"),)
    assert [one.tier for one in decision.state.tiers] == ["gold"]


def test_staying_is_no_change() -> None:
    """Semantics T2: nothing is said, and the term is left alone."""
    state = decide(make_state(), purchase("200.00"), rules=ladder_rules()).state

    decision = decide(state, purchase("100.00"), rules=ladder_rules(), now=NOW + HOUR)

    assert accepted(decision).recorded.tier_changes == ()
    assert decision.state.tiers == state.tiers


def test_a_tier_counts_from_the_next_event_not_in_the_one_that_reached_it() -> None:
    """Semantics A6."""
    _, points = buy(make_state(), ("500.00", NOW), ("100.00", NOW), rules=ladder_rules())

    assert points == [500, 150]


def test_at_one_instant_the_order_of_recording_decides() -> None:
    """Semantics A6: ties by sequence. All three occurred in the same second."""
    _, points = buy(make_state(), ("100.00", NOW), ("200.00", NOW), ("100.00", NOW), rules=ladder_rules())

    assert points == [100, 200, 125]


def test_a_late_event_gets_the_tier_of_its_own_time() -> None:
    """Semantics A6: the tier held at `occurred_at`, however high the member has climbed meanwhile."""
    _, points = buy(
        make_state(),
        ("200.00", NOW - 2 * HOUR),
        ("100.00", NOW - 3 * HOUR),
        ("100.00", NOW - 2 * HOUR),
        ("100.00", NOW - HOUR),
        rules=ladder_rules(),
    )

    assert points == [200, 100, 125, 125]


def test_a_late_event_that_reaches_a_higher_tier_lifts_from_its_own_time_on() -> None:
    """Semantics A6: gold was reached at 06:00 by what arrived last, so what occurs after that is judged as gold.

    The silver of 07:00, recorded before, must not come between.
    """
    state, _ = buy(make_state(), ("200.00", NOW - 2 * HOUR), ("400.00", NOW - 3 * HOUR), rules=ladder_rules())

    _, points = buy(
        state,
        ("100.00", NOW - 4 * HOUR),
        ("100.00", NOW - 2 * HOUR - HOUR / 2),
        ("100.00", NOW - HOUR),
        ("100.00", NOW),
        rules=ladder_rules(),
    )

    assert tier(state, ladder_rules()) == "gold"
    assert points == [100, 150, 150, 150]


@given(st.lists(st.tuples(st.integers(0, 300_00), st.integers(0, 48)), min_size=1, max_size=12))
def test_the_tier_an_event_counts_is_the_highest_reached_by_its_time(sales: Sequence[tuple[int, int]]) -> None:
    """Semantics A6, T2: against the plain rule, for purchases in any order of occurrence."""
    state, reached, spent = make_state(), [(NOW - timedelta(days=9), 0)], 0
    factors, thresholds = (100, 125, 150), (0, 200_00, 500_00)
    for amount, hours in sales:
        occurred_at = NOW - hours * HOUR
        rank = max(rank for since, rank in reached if since <= occurred_at)

        decision = decide(state, purchase(f"{amount // 100}.{amount % 100:02d}"), rules=ladder_rules(), at=occurred_at)

        assert gave(decision).get("points", 0) == amount * factors[rank] // 10_000
        spent += amount
        met = max(rank for rank in range(3) if spent >= thresholds[rank])
        if met > max(rank for _, rank in reached):
            reached.append((occurred_at, met))
        state = decision.state


def test_ladders_stand_side_by_side() -> None:
    """Semantics T1: several ladders, each on its own unit."""
    rules = make_rules(
        rate("100", code="spent", unit="spent"),
        rate("1", "10.00", code="visits", unit="credits"),
        units=(unit("credits", spendable=False), SPENT),
        ladders=(LADDER, ladder(("friend", 3), code="club", unit="credits", first="guest")),
    )

    decision = decide(make_state(), purchase("40.00"), rules=rules)

    assert accepted(decision).recorded.tier_changes == (("club", "guest", "friend"),)
    assert tiers.held_at(NOW, decision.state.tiers, LADDER) == "bronze"


def test_a_multiplier_of_a_tier_may_stand_on_the_ladders_own_unit() -> None:
    """Semantics A6, A7: status credits are earned faster from the next event on."""
    rules = make_rules(
        rate("100", unit="spent"),
        multiply("2", unit="spent", tiers=["silver"]),
        units=(SPENT,),
        ladders=(LADDER,),
    )
    state = decide(make_state(), purchase("200.00"), rules=rules).state

    decision = decide(state, purchase("150.00"), rules=rules)

    assert gave(decision) == {"spent": 300_00}
    assert accepted(decision).recorded.tier_changes == (("status", "silver", "gold"),)


def test_what_qualified_may_expire_and_the_tier_stays() -> None:
    """Semantics T2: down only at a review, which is not built yet."""
    rules = make_rules(
        rate("100", unit="spent"), units=(unit("spent", spendable=False, expires="P1M"),), ladders=(LADDER,)
    )
    state = decide(make_state(), purchase("200.00"), rules=rules).state

    decision = settle(state, now=NOW + timedelta(days=60), rules=rules)

    assert kinds(decision) == ["expiry"]
    assert tier(decision.state, rules) == "silver"
    again = decide(decision.state, purchase("200.00"), rules=rules, now=NOW + timedelta(days=60))
    assert accepted(again).recorded.tier_changes == ()


def test_a_reader_sees_what_is_needed_for_the_next_tier() -> None:
    """Semantics T6."""
    state = decide(make_state(), purchase("250.00"), rules=ladder_rules()).state

    standing = tiers.standing(state.accounts, state.tiers, LADDER)

    assert (standing.tier.code, standing.since, standing.qualifying) == ("silver", NOW, 250_00)
    assert standing.next is not None
    assert (standing.next.code, standing.to_next) == ("gold", 250_00)


def test_on_the_highest_tier_nothing_is_missing() -> None:
    """Semantics T6."""
    state = decide(make_state(), purchase("500.00"), rules=ladder_rules()).state

    standing = tiers.standing(state.accounts, state.tiers, LADDER)

    assert (standing.tier.code, standing.next, standing.to_next) == ("gold", None, None)


def test_a_newcomer_stands_on_the_first_tier_from_the_start() -> None:
    """Semantics T6."""
    standing = tiers.standing({}, (), LADDER)

    assert (standing.tier.code, standing.since, standing.qualifying, standing.to_next) == ("bronze", None, 0, 200_00)


def test_changed_thresholds_push_nobody_down() -> None:
    """Semantics T6: a higher bar matters for those who are not there yet."""
    state = decide(make_state(), purchase("200.00"), rules=ladder_rules()).state
    raised = ladder(("silver", 300_00), ("gold", 900_00))

    standing = tiers.standing(state.accounts, state.tiers, raised)

    assert (standing.tier.code, standing.to_next) == ("silver", 700_00)


def test_lots_of_another_unit_do_not_qualify() -> None:
    """Semantics T1: never on a spendable balance."""
    decision = decide(make_state(lot(10**9)), purchase("1.00"), rules=ladder_rules())

    assert decision.state.tiers == ()
