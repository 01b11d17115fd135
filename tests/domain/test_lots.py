"""Lots: drawn in order, gone by the clock, never below zero (semantics L3–L6, L9)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import lots
from app.domain.commands import Redemption
from app.domain.points import LIMIT
from app.domain.refusals import InsufficientPoints, PointsOutOfRange
from app.domain.state import Account, MemberState, OpenLot
from tests.domain.builders import (
    NOW,
    accepted,
    cents,
    changed,
    decide,
    end_of,
    entries,
    gave,
    kept,
    lot,
    make_rules,
    make_state,
    multiply,
    purchase,
    rate,
    remaining,
    unit,
)

DAY = timedelta(days=1)


@st.composite
def open_lots(draw: st.DrawFn, *, most: int = 6) -> list[OpenLot]:
    """Lots as a settled member has them: some never expire, some are partly used or reserved."""
    made = []
    for sequence in range(1, draw(st.integers(1, most)) + 1):
        credited = draw(st.integers(1, 100))
        left = draw(st.integers(1, credited))
        expires = draw(st.none() | st.integers(1, 10).map(lambda days: NOW + days * DAY))
        made.append(
            lot(
                credited,
                remaining=left,
                reserves=kept(draw(st.integers(0, left)) if draw(st.booleans()) else 0, until=NOW + 99 * DAY),
                expires=expires,
                earned=NOW - draw(st.integers(0, 5)) * DAY,
                sequence=sequence,
            )
        )
    return made


def in_order(some: Sequence[OpenLot]) -> list[int]:
    return [one.sequence for one in sorted(some, key=lots.draw_order)]


def test_draws_follow_expiry_then_occurrence_then_sequence() -> None:
    """Semantics L5: earliest expiry first, never-expiring last, then `occurred_at`, then sequence."""
    expected = [
        lot(expires="2026-12-01", earned=NOW, sequence=9),
        lot(expires="2027-01-31", earned=NOW - 2 * DAY, sequence=8),
        lot(expires="2027-01-31", earned=NOW - DAY, sequence=2),
        lot(expires="2027-01-31", earned=NOW - DAY, sequence=3),
        lot(earned=NOW - 9 * DAY, sequence=1),
        lot(earned=NOW, sequence=4),
    ]

    orders = {tuple(in_order(some)) for some in permutations(expected)}

    assert orders == {(9, 8, 2, 3, 1, 4)}


@pytest.mark.parametrize(
    ("available", "expires", "active"),
    [
        (NOW, None, True),
        (NOW + timedelta(microseconds=1), None, False),
        (NOW - DAY, NOW + timedelta(microseconds=1), True),
        (NOW - DAY, NOW, False),
        (NOW - DAY, NOW - timedelta(microseconds=1), False),
    ],
)
def test_a_lot_is_active_from_its_availability_until_before_its_expiry(
    available: datetime, expires: datetime | None, active: bool
) -> None:
    """Semantics L3: from `available_at` on, that instant included; expired from `expires_at` on, that included."""
    assert lots.is_active(lot(available=available, expires=expires), now=NOW) is active


def test_a_redemption_draws_the_soonest_expiring_lot_first() -> None:
    """Semantics L5: each draw names its lot."""
    state = make_state(lot(50, expires="2027-06-30", sequence=1), lot(50, expires="2027-01-31", sequence=2))

    decision = decide(state, Redemption(70))

    (entry,) = accepted(decision).recorded.entries
    assert [(draw.lot_sequence, draw.points) for draw in entry.draws] == [(2, 50), (1, 20)]
    assert (entry.points, entry.balance_after) == (-70, 30)
    assert remaining(decision.state) == [(30, end_of("2027-06-30"))]


def test_what_is_reserved_is_not_drawn() -> None:
    """Semantics L4, L5."""
    state = make_state(lot(50, reserves=kept(40), sequence=1), lot(50, sequence=2))

    decision = decide(state, Redemption(60))

    (entry,) = accepted(decision).recorded.entries
    assert [(draw.lot_sequence, draw.points) for draw in entry.draws] == [(1, 10), (2, 50)]
    refused = decide(decision.state, Redemption(1)).refusal
    assert refused == InsufficientPoints("points", asked=1, available=0)


def test_a_redemption_beyond_what_is_available_is_refused_with_the_facts() -> None:
    """Semantics L6: asked, available and missing; the state is as it was."""
    state = make_state(lot(20))

    decision = decide(state, Redemption(70))

    assert isinstance(decision.refusal, InsufficientPoints)
    assert (decision.refusal.asked, decision.refusal.available, decision.refusal.missing) == (70, 20, 50)
    assert decision.events == ()
    assert decision.state is state


def test_points_past_their_instant_cannot_be_spent_though_no_job_has_run() -> None:
    """Semantics L3, L7: at the very instant of expiry they are gone, a microsecond before they are not."""
    state = make_state(lot(20, expires="2026-11-21"))
    midnight = end_of("2026-11-21")

    assert decide(state, Redemption(20), now=midnight).refusal == InsufficientPoints("points", asked=20, available=0)
    assert gave(decide(state, Redemption(20), now=midnight - timedelta(microseconds=1))) == {"points": -20}


@given(open_lots(), st.integers(1, 700))
def test_a_redemption_takes_exactly_what_it_asks_or_nothing(made: list[OpenLot], asked: int) -> None:
    """Semantics L4–L6, L15: draws sum to the debit, lots stay within their bounds, the account with them."""
    state = make_state(*made)
    available = sum(one.remaining - one.reserved for one in made)

    decision = decide(state, Redemption(asked))

    if asked > available:
        assert decision.refusal == InsufficientPoints("points", asked=asked, available=available)
        return
    entry = entries(decision)[-1]
    assert -entry.points == sum(draw.points for draw in entry.draws) == asked
    assert all(draw.points > 0 for draw in entry.draws)
    check_sums(decision.state)
    drawn = [draw.lot_sequence for draw in entry.draws]
    free = [one for one in made if one.remaining > one.reserved]
    assert drawn == in_order(free)[: len(drawn)]
    assert [draw.points for draw in entry.draws][:-1] == [
        one.remaining - one.reserved for one in sorted(free, key=lots.draw_order)[: len(drawn) - 1]
    ]


def check_sums(state: MemberState) -> None:
    """Semantics L4, L15: balance = Σ remaining − deficit, 0 ≤ reserved ≤ remaining ≤ credited, the held ones summed."""
    account = state.accounts["points"]
    assert account.balance == sum(one.remaining for one in state.lots) - account.deficit
    assert account.held == sum(one.reserved for one in state.lots)
    for one in state.lots:
        assert 0 <= one.reserved <= one.remaining <= one.credited
        assert one.remaining > 0, "an open lot exists only while something remains"


@given(open_lots(), st.integers(0, 12))
def test_the_account_by_the_clock_is_what_its_lots_say(made: list[OpenLot], days: int) -> None:
    """Semantics L4: the stored sums are right before `next_due_at`, and folded from the open lots from then on."""
    state, later = make_state(*made), NOW + days * DAY

    account = lots.folded(state.accounts["points"], state.lots, now=later)

    active = [one for one in made if lots.is_active(one, now=later)]
    over = [one for one in made if one.expires_at is not None and one.expires_at <= later]
    assert account.active == sum(one.remaining for one in active) + sum(one.reserved for one in over)
    assert account.balance == account.active
    due = [one.expires_at for one in active if one.expires_at is not None]
    due += [reserve.lapses_at for one in made for reserve in one.reserves]
    assert account.next_due_at == min(due, default=None)


def test_folding_leaves_other_units_alone() -> None:
    """Semantics L4."""
    made = [lot(10, expires="2026-11-21"), lot(7, unit="stamps", expires="2026-11-21"), lot(5)]
    state = make_state(*made)

    account = lots.folded(state.accounts["points"], state.lots, now=NOW + 9 * DAY)

    assert (account.unit, account.balance, account.next_due_at) == ("points", 5, None)


def test_pending_points_are_shown_but_not_available() -> None:
    """Semantics L3, L4."""
    made = [lot(10), lot(7, available=NOW + DAY, expires=NOW + 5 * DAY)]
    account = make_state(*made).accounts["points"]

    before = lots.folded(account, made, now=NOW)
    after = lots.folded(account, made, now=NOW + DAY)

    assert (before.available, before.pending, before.balance) == (10, 7, 17)
    assert (after.available, after.pending, after.balance) == (17, 0, 17)
    assert [lots.next_due(made, now=NOW + days * DAY) for days in (0, 1, 5)] == [NOW + DAY, NOW + 5 * DAY, None]


def test_by_the_clock_what_ends_with_its_account_pays_last_what_is_owed() -> None:
    """Semantics L5, L9, L10: as it does when that is written down, though the account may end sooner than a lot."""
    together = lot(10, available=NOW + DAY, waiting=True)
    dated = lot(10, available=NOW + DAY, expires=NOW + 9 * DAY, waiting=True)
    account = Account("points", 8, 0, 20, 0, 12, NOW + DAY, active_until=NOW + 3 * DAY)

    left, owed = lots.repaid([together, dated], 12, until=account.active_until, now=NOW + DAY)
    later = lots.folded(account, [together, dated], now=NOW + 4 * DAY)

    assert ([one.remaining for one in left], owed) == ([8, 0], 0)
    assert (later.balance, later.deficit) == (0, 0)


@pytest.mark.parametrize(
    ("active", "held", "deficit", "available"), [(10, 0, 0, 10), (10, 4, 0, 6), (10, 4, 3, 3), (3, 0, 5, 0)]
)
def test_available_is_what_is_neither_held_nor_owed(active: int, held: int, deficit: int, available: int) -> None:
    """Semantics L4."""
    assert Account("points", active - deficit, active, 0, held, deficit).available == available


def test_a_credit_opens_a_lot_with_its_dates() -> None:
    """Semantics L3: the lot's facts are in its credit entry."""
    rules = make_rules(rate(), units=(unit(expires="P12M"),))
    state = make_state()

    decision = decide(state, purchase("12.00"), rules=rules)

    (entry,) = accepted(decision).recorded.entries
    assert (entry.available_at, entry.expires_at) == (NOW, end_of("2027-11-21"))
    (opened,) = decision.state.lots
    assert (opened.sequence, opened.position) == (state.sequence + 1, entry.position)
    assert (opened.credited, opened.remaining, opened.reserved) == (12, 12, 0)
    assert (opened.occurred_at, opened.available_at, opened.expires_at) == (NOW, NOW, end_of("2027-11-21"))
    assert decision.state.accounts["points"].next_due_at == end_of("2027-11-21")


def test_a_unit_that_only_counts_has_a_balance_and_no_lots() -> None:
    """Semantics L3: its balance is all active."""
    rules = make_rules(rate("100", unit="spent"), units=(unit("spent", spendable=False),))

    decision = decide(make_state(), purchase("12.34"), rules=rules)

    account = decision.state.accounts["spent"]
    assert decision.state.lots == ()
    assert (account.balance, account.active, account.next_due_at) == (1234, 1234, None)
    assert accepted(decision).recorded.entries[0].available_at is None


@pytest.mark.parametrize(("owed", "left", "deficit"), [(30, 70, 0), (100, 0, 0), (130, 0, 30)])
def test_a_credit_pays_an_open_deficit_at_once(owed: int, left: int, deficit: int) -> None:
    """Semantics L9, worked example 5's last step: the lot is credited in full and pays from what it has."""
    state = make_state(accounts={"points": Account("points", balance=-owed, deficit=owed)})

    decision = decide(state, purchase("100.00"))

    (entry,) = accepted(decision).recorded.entries
    account = decision.state.accounts["points"]
    assert (entry.points, entry.balance_after) == (100, 100 - owed)
    assert [draw.points for draw in entry.draws] == [min(owed, 100)]
    assert sum(one.remaining for one in decision.state.lots) == left
    assert (account.deficit, account.available, account.balance) == (deficit, left, 100 - owed)
    check_sums(decision.state)


def test_no_posting_leaves_the_range_of_points() -> None:
    """Semantics L2: within ±(2^53 − 1), also by what was ever earned."""
    state = make_state(lot(LIMIT - 5))

    assert decide(state, purchase("5.00")).refusal is None
    beyond = decide(state, purchase("6.00"))
    assert beyond.refusal == PointsOutOfRange("points")
    assert beyond.state is state
    spent = changed(state.accounts["points"], balance=10, active=10)
    poor = make_state(lot(10), accounts={"points": spent})
    assert decide(poor, purchase("6.00")).refusal == PointsOutOfRange("points")


def test_one_huge_purchase_cannot_leave_the_range_either() -> None:
    """Semantics L2: the largest amount times a thousand."""
    rules = make_rules(rate("1000"), multiply("1000"))

    assert decide(make_state(), purchase("10000000000000.00"), rules=rules).refusal == PointsOutOfRange("points")
    assert cents("10000000000000.00") == 10**15
