"""What the clock brings: expiries and scheduled bonuses, written down instant by instant (semantics L7, T3, F2)."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import chain, encoding, engine
from app.domain.commands import Activity, Redemption, ReferralBonus
from app.domain.events import Posted
from app.domain.rules import Versions
from app.domain.settling import next_instant
from app.domain.state import MemberState, OpenLot, ReferralState, Scheduled
from tests.domain.builders import (
    ANNA,
    BRAM,
    NOW,
    SPENT,
    accepted,
    changed,
    decide,
    end_of,
    fixed,
    friends_rules,
    kept,
    kinds,
    ladder,
    lot,
    make_rules,
    make_state,
    moment,
    purchase,
    rate,
    remaining,
    settle,
    tier,
    told,
    unit,
)

DAY = timedelta(days=1)


def bonus(points: int = 25, *, side: str = "referee", due: datetime = NOW, unit: str = "points") -> Scheduled:
    facts = encoding.encode_facts(ReferralBonus(side, BRAM, unit, points))
    return Scheduled(ANNA, due, f"ref:{BRAM.hex()}:{side}:1", "referral_bonus", facts, 1, b"c" * 16)


def test_nothing_is_due_before_its_instant_and_everything_from_it_on() -> None:
    """Semantics L3, L7: that instant included."""
    midnight = end_of("2026-11-21")
    state = make_state(lot(10, expires="2026-11-21"), lot(5))

    before = settle(state, now=midnight - timedelta(microseconds=1))
    after = settle(state, now=midnight)

    assert before.events == ()
    assert before.state == state
    assert kinds(after) == ["expiry"]
    assert remaining(after.state) == [(5, None)]


def test_an_expiry_is_effective_at_its_instant_and_recorded_now() -> None:
    """Semantics L7: also when nobody looked for a year."""
    state = make_state(lot(10, expires="2026-11-21"), lot(5))
    late = NOW + 365 * DAY

    (posted,) = settle(state, now=late).events

    event = posted.recorded
    assert (event.kind, event.source) == ("expiry", "zegel")
    assert event.occurred_at == event.effective_at == end_of("2026-11-21")
    assert event.recorded_at == late
    (entry,) = event.entries
    assert (entry.points, entry.balance_after, entry.unit) == (-10, 5, "points")
    assert [draw.points for draw in entry.draws] == [10]


def test_there_is_one_expiry_per_unit_and_instant() -> None:
    """Semantics L7: three lots of points end at one instant, the stamps too, and one lot a day later."""
    units = (unit(), unit("stamps"))
    state = make_state(
        lot(10, expires="2026-11-21"),
        lot(20, expires="2026-11-21"),
        lot(30, expires="2026-11-21"),
        lot(4, expires="2026-11-21", unit="stamps"),
        lot(40, expires="2026-11-22"),
    )

    decision = settle(state, now=NOW + 9 * DAY, rules=make_rules(units=units))

    gone = [
        (posted.recorded.effective_at, entry.unit, entry.points)
        for posted in decision.events
        for entry in posted.recorded.entries
    ]
    assert gone == [
        (end_of("2026-11-21"), "points", -60),
        (end_of("2026-11-21"), "stamps", -4),
        (end_of("2026-11-22"), "points", -40),
    ]
    assert decision.state.lots == ()
    assert {account.balance for account in decision.state.accounts.values()} == {0}


def test_what_is_used_up_expires_silently() -> None:
    """Semantics L7: nothing remains, so nothing is written and nobody told."""
    spent = decide(make_state(lot(10, expires="2026-11-21")), Redemption(10)).state

    assert settle(spent, now=NOW + 9 * DAY).events == ()


def test_what_is_reserved_does_not_expire() -> None:
    """Semantics L12."""
    state = make_state(lot(10, reserves=kept(4, until=NOW + 9 * DAY), expires="2026-11-21"))

    decision = settle(state, now=NOW + DAY)

    assert [entry.points for posted in decision.events for entry in posted.recorded.entries] == [-6]
    assert [(one.remaining, one.reserved) for one in decision.state.lots] == [(4, 4)]
    assert settle(decision.state, now=NOW + 2 * DAY).events == ()


def facts(posted: Posted) -> tuple[object, ...]:
    return (posted.recorded.sequence, posted.recorded.effective_at, posted.recorded.entries)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 6)), max_size=8),
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
)
def test_settling_often_or_once_leaves_the_same_and_twice_writes_nothing(
    made: list[tuple[int, int]], visits: list[int]
) -> None:
    """Semantics L7, K2: the same expiries, with the same effective times, however often somebody looked."""
    state = make_state(
        *(lot(points, expires=NOW + (days + 1) * DAY, sequence=i) for i, (points, days) in enumerate(made))
    )

    once = settle(state, now=NOW + 10 * DAY)
    stepwise, written = state, list[Posted]()
    for day in [*sorted(visits), 10]:
        decision = settle(stepwise, now=NOW + day * DAY)
        written += decision.events
        stepwise = decision.state

    assert [facts(posted) for posted in written] == [facts(posted) for posted in once.events]
    assert (stepwise.lots, stepwise.accounts) == (once.state.lots, once.state.accounts)
    again = settle(once.state, now=NOW + 10 * DAY)
    assert (again.events, again.state) == ((), once.state)


def test_settling_needs_all_open_lots() -> None:
    """Guards against an expiry judged by half of the lots."""
    state = changed(make_state(lot(10, expires="2026-11-21")), lots=(), lots_loaded=False)

    with pytest.raises(ValueError, match="open lots"):
        settle(state, now=NOW + DAY)


def test_a_command_settles_what_is_due_first() -> None:
    """Semantics L7: the expiry is numbered before the purchase, and the purchase sees the balance without it."""
    state = make_state(lot(10, expires="2026-11-21", sequence=1))

    decision = decide(state, purchase("5.00"), now=NOW + DAY)

    assert kinds(decision) == ["expiry", "purchase"]
    assert [posted.recorded.sequence for posted in decision.events] == [2, 3]
    assert accepted(decision).recorded.entries[0].balance_after == 5


def test_a_refused_command_settles_nothing() -> None:
    """Semantics, Refusals: nothing written; the expiry stays due."""
    state = make_state(lot(10, expires="2026-11-21"))

    decision = decide(state, Redemption(5), now=NOW + DAY)

    assert decision.refusal is not None
    assert (decision.state, decision.events) == (state, ())
    assert next_instant(state, now=NOW + DAY) == end_of("2026-11-21")


def test_a_lot_born_expired_expires_at_once() -> None:
    """Semantics L10: a late purchase whose points have ended meanwhile; nothing of it can be spent."""
    rules = make_rules(rate(), units=(unit(expires="P7D"),))

    decision = decide(make_state(), purchase("12.00"), rules=rules, at=NOW - 20 * DAY)

    assert kinds(decision) == ["purchase", "expiry"]
    assert decision.events[1].recorded.effective_at == end_of("2026-11-08")
    assert decision.state.lots == ()
    assert decision.state.accounts["points"].balance == 0
    assert settle(decision.state).events == ()


def test_a_lot_born_expired_is_not_available_in_its_own_answer() -> None:
    """Semantics L3, E2: an answer's accounts are as of its recording, when these points can no longer be spent."""
    rules = make_rules(rate(), units=(unit(expires="P7D"),))

    own = accepted(decide(make_state(lot(5)), purchase("12.00"), rules=rules, at=NOW - 20 * DAY)).recorded

    assert own.accounts["points"].available == 5


def test_within_an_instant_expiries_come_before_schedules() -> None:
    """Semantics T3."""
    midnight = end_of("2026-11-21")
    state = make_state(lot(10, expires="2026-11-21"), scheduled=(bonus(due=midnight),))

    decision = settle(state, now=midnight + DAY, rules=friends_rules())

    assert kinds(decision) == ["expiry", "referral_bonus"]
    assert decision.state.accounts["points"].balance == 25


def test_what_is_due_earlier_is_done_earlier_whatever_it_is() -> None:
    """Semantics L7: instant by instant."""
    state = make_state(lot(10, expires="2026-11-22"), scheduled=(bonus(due=end_of("2026-11-21")),))

    assert kinds(settle(state, now=NOW + 9 * DAY, rules=friends_rules())) == ["referral_bonus", "expiry"]


def test_a_bonus_is_credited_at_its_instant_once() -> None:
    """Semantics F2, F5, K1: by the version that scheduled it, closed with its effect."""
    rules = friends_rules(units=(unit(expires="P1M"),))
    state = make_state(scheduled=(bonus(due=NOW),), referral=ReferralState.QUALIFIED)

    decision = settle(state, now=NOW + 3 * DAY, rules=rules)

    (posted,) = decision.events
    event = posted.recorded
    assert (event.kind, event.key, event.source) == ("referral_bonus", f"ref:{BRAM.hex()}:referee:1", "zegel")
    assert (event.effective_at, event.recorded_at) == (NOW, NOW + 3 * DAY)
    assert (event.entries[0].points, event.entries[0].expires_at) == (25, end_of("2026-12-21"))
    assert decision.state.referral is ReferralState.REWARDED
    assert decision.state.scheduled == ()
    assert settle(decision.state, now=NOW + 3 * DAY, rules=rules).events == ()


def test_a_bonus_can_be_spent_by_the_command_that_settles_it() -> None:
    """Semantics L7: everything due is done first."""
    state = make_state(scheduled=(bonus(),))

    decision = decide(state, Redemption(25), rules=friends_rules(), now=NOW + DAY)

    assert kinds(decision) == ["referral_bonus", "redemption"]


def test_a_bonus_that_reaches_a_tier_lifts_at_once() -> None:
    """Semantics T2: up at once, in the event that reached it, whatever kind it is."""
    rules = friends_rules(units=(unit(), SPENT), ladders=(ladder(("silver", 100)),))
    state = make_state(scheduled=(bonus(150, unit="spent"),))

    decision = settle(state, rules=rules)

    assert decision.events[0].recorded.tier_changes == (("status", "bronze", "silver"),)
    assert tier(decision.state, rules) == "silver"


def test_a_bonus_is_judged_by_the_version_that_scheduled_it() -> None:
    """Semantics K3: the unit that a later version dropped is still there for it."""
    first = friends_rules()
    second = make_rules(fixed(1, unit="stamps"), units=(unit("stamps"),), version=2, in_force_from=NOW)
    state = make_state(scheduled=(bonus(due=NOW + DAY),))

    (posted,) = settle(state, now=NOW + 2 * DAY, rules=Versions((first, second))).events

    assert posted.recorded.rules_version == 1
    assert [entry.unit for entry in posted.recorded.entries] == ["points"]


def test_shops_are_told_of_expiries_and_bonuses() -> None:
    """Semantics L7, F2: each message names points and who brought whom, by id."""
    state = make_state(lot(10, expires="2026-11-21"), scheduled=(bonus(due=NOW + DAY, side="referrer"),))

    messages = told(settle(state, now=NOW + 2 * DAY, rules=friends_rules()))

    assert [type for type, _ in messages] == ["points.expired", "points.earned", "referral.rewarded"]
    assert [data["points"] for _, data in messages] == [{"points": 10}, {"points": 25}, {"points": 25}]
    assert messages[2][1]["side"] == "referrer"
    assert [data["sequence"] for _, data in messages] == [1, 2, 3]


def test_the_moment_of_settling_numbers_and_links_each_event() -> None:
    """Semantics L1: dense numbers, one chain."""
    made: list[OpenLot] = [lot(10, expires="2026-11-21"), lot(10, expires="2026-11-22")]
    state: MemberState = make_state(*made, sequence=7)

    decision = engine.settle(state, moment(NOW + 9 * DAY))

    first, second = (posted.recorded for posted in decision.events)
    assert (first.sequence, second.sequence, decision.state.sequence) == (8, 9, 9)
    assert first.hash == chain.event_hash(state.head, first.content, first.entries)
    assert second.hash == chain.event_hash(first.hash, second.content, second.entries) == decision.state.head
    assert accepted(decide(decision.state, Activity("survey"), now=NOW + 9 * DAY)).recorded.sequence == 10
