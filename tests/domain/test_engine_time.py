"""When an event counts: limits, versions of the rules, history (semantics E3, E6, E7)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import chain, engine
from app.domain.commands import Activity, Command, Enrolment, Mode, Redemption
from app.domain.events import Decision
from app.domain.refusals import InsufficientPoints, NotAfterPassed, TooEarly, TooLate
from app.domain.rules import OutOfTime, Versions
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    LONG_AGO,
    NOW,
    PROGRAM,
    accepted,
    command,
    decide,
    end_of,
    entries,
    fixed,
    gave,
    kinds,
    ladder_rules,
    lot,
    make_ids,
    make_rules,
    make_state,
    on,
    purchase,
    rate,
    settle,
    tier,
    told,
    unit,
)

MICROSECOND, DAY = timedelta(microseconds=1), timedelta(days=1)
NEW = MemberState(id=ANNA)


@pytest.mark.parametrize(
    ("offset", "refusal"),
    [
        (timedelta(0), None),
        (-30 * DAY, None),
        (-30 * DAY - MICROSECOND, TooLate(NOW - 30 * DAY)),
        (timedelta(minutes=5), None),
        (timedelta(minutes=5) + MICROSECOND, TooEarly(NOW + timedelta(minutes=5))),
    ],
)
def test_events_are_taken_within_the_programs_limits(offset: timedelta, refusal: object) -> None:
    """Semantics E3: 30 days late, 5 minutes early, both included."""
    decision = decide(make_state(), purchase("12.00"), at=NOW + offset)

    assert decision.refusal == refusal
    if refusal is None:
        assert accepted(decision).recorded.occurred_at == NOW + offset


@pytest.mark.parametrize("offset", [-31 * DAY, timedelta(minutes=6)])
def test_a_sale_with_a_wrong_clock_may_be_taken_as_of_now(offset: timedelta) -> None:
    """Semantics E3: by setting, taken at `recorded_at` and flagged."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),), out_of_time=OutOfTime.RECORD_NOW)

    own = accepted(decide(make_state(), purchase("12.00"), rules=rules, at=NOW + offset)).recorded

    assert (own.occurred_at, own.effective_at, own.flags) == (NOW, NOW, ("clock_corrected",))
    assert own.entries[0].expires_at == end_of("2026-12-21")
    assert accepted(decide(make_state(), purchase("12.00"), rules=rules)).recorded.flags == ()


def test_the_limits_are_those_of_the_version_in_force_at_recording() -> None:
    """Semantics E3."""
    short = make_rules(version=2, in_force_from=NOW - DAY, late=timedelta(days=1))
    versions = Versions((make_rules(), short))

    assert decide(make_state(), purchase(), rules=versions, at=NOW - 2 * DAY).refusal == TooLate(NOW - DAY)


@pytest.mark.parametrize(
    ("occurred", "version"),
    [(NOW - 20 * DAY, 1), (NOW - 10 * DAY - MICROSECOND, 1), (NOW - 10 * DAY, 2), (NOW - 5 * DAY, 3), (NOW, 3)],
)
def test_the_version_in_force_when_it_occurred_judges(occurred: datetime, version: int) -> None:
    """Semantics E3: before the first version, the first."""
    days = {1: 15, 2: 10, 3: 5}
    versions = Versions(
        tuple(make_rules(rate(str(n)), version=n, in_force_from=NOW - ago * DAY) for n, ago in days.items())
    )

    own = accepted(decide(make_state(), purchase("10.00"), rules=versions, at=occurred)).recorded

    assert own.rules_version == version
    assert own.entries[0].points == 10 * version


def test_recorded_at_never_runs_backwards() -> None:
    """Semantics E3: `max(clock, last recorded)`, as two processes may read different clocks."""
    ahead = make_state(now=NOW + timedelta(seconds=3))

    own = accepted(decide(ahead, purchase("12.00"), now=NOW)).recorded

    assert own.recorded_at == NOW + timedelta(seconds=3)


@pytest.mark.parametrize(("seconds", "taken"), [(0, True), (1, True), (-1, False)])
def test_a_till_that_gave_up_does_not_succeed_behind_its_back(seconds: int, taken: bool) -> None:
    """Semantics E6: recorded later than `not_after`, it must be refused."""
    until = NOW + timedelta(seconds=seconds)

    decision = decide(make_state(lot(50)), Redemption(20), not_after=until)

    assert decision.refusal == (None if taken else NotAfterPassed(until, NOW))


def test_not_after_is_held_against_the_recording_even_where_the_clock_is_behind() -> None:
    """Semantics E3, E6: the member's last recording counts."""
    ahead = make_state(lot(50), now=NOW + timedelta(seconds=9))

    decision = decide(ahead, Redemption(20), not_after=NOW + timedelta(seconds=5), now=NOW)

    assert isinstance(decision.refusal, NotAfterPassed)


def test_whether_points_can_be_spent_is_judged_at_recording() -> None:
    """Semantics E3, L6: not when the redemption says it occurred."""
    state = make_state(lot(50, expires="2026-11-21"))

    decision = decide(state, Redemption(20), at=NOW, now=end_of("2026-11-21"))

    assert decision.refusal == InsufficientPoints("points", asked=20, available=0)


def test_points_of_a_till_whose_clock_is_ahead_can_be_spent_at_once() -> None:
    """Semantics E3, L3: early is taken, and available from its recording."""
    early = decide(make_state(), purchase("12.00"), at=NOW + timedelta(minutes=4))

    assert accepted(early).recorded.entries[0].available_at == NOW
    assert gave(decide(early.state, Redemption(12))) == {"points": -12}


# History


def past(facts: Any, at: datetime, *, mode: Mode = Mode.HISTORY) -> Command:
    return command(facts, at=at, mode=mode)


def load(state: MemberState, *commands: Command, **more: Any) -> list[Decision]:
    decisions = []
    for one in commands:
        decisions.append(decide(state, one, **more))
        state = decisions[-1].state
    return decisions


def test_history_has_no_late_limit() -> None:
    """Semantics E7."""
    decision = decide(make_state(now=LONG_AGO), past(purchase("12.00"), on("2021-05-01")))

    own = accepted(decision).recorded
    assert (own.occurred_at, own.recorded_at) == (on("2021-05-01"), NOW)
    assert chain.decode_content(own.content).judged_at == on("2021-05-01")


def test_history_still_lies_in_the_past() -> None:
    """Semantics E7: past events; only the late limit is lifted.

    Taken, an event of 2199 would run the member's clock ahead, and all points would be past their instant.
    """
    decision = decide(make_state(lot(50, expires="2027-01-31")), past(purchase("12.00"), NOW + 365 * DAY))

    assert isinstance(decision.refusal, TooEarly)


def test_what_would_have_expired_meanwhile_expires() -> None:
    """Semantics E7: judged as if now were the latest `occurred_at` so far."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),))

    _, bought, later = load(
        NEW,
        past(Enrolment(), on("2025-01-01")),
        past(purchase("12.00"), on("2025-01-31")),
        past(purchase("5.00"), on("2025-03-02")),
        rules=rules,
    )

    assert kinds(bought) == ["purchase"]
    assert kinds(later) == ["expiry", "purchase"]
    assert later.events[0].recorded.effective_at == end_of("2025-02-28")
    assert later.state.accounts["points"].balance == 5


def test_past_points_could_be_spent_in_the_past() -> None:
    """Semantics E7: what has expired by today was there then."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),))
    start = make_state(now=on("2025-01-01"))

    _, spent = load(
        start, past(purchase("12.00"), on("2025-01-31")), past(Redemption(12), on("2025-02-20")), rules=rules
    )

    assert gave(spent) == {"points": -12}


def test_history_out_of_order_is_judged_by_the_latest_so_far() -> None:
    """Semantics E7, L10: an older purchase after a newer one may be born expired."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),))
    start = make_state(now=on("2025-01-01"))

    _, older = load(
        start, past(purchase("5.00"), on("2025-06-01")), past(purchase("12.00"), on("2025-02-01")), rules=rules
    )

    assert kinds(older) == ["purchase", "expiry"]
    assert older.state.accounts["points"].balance == 5
    assert chain.decode_content(older.events[0].recorded.content).judged_at == on("2025-06-01")


def test_tiers_of_the_past_count_for_the_past() -> None:
    """Semantics E7, A6."""
    start = make_state(now=on("2024-12-01"))

    first, second, third = load(
        start,
        past(purchase("200.00"), on("2025-01-01")),
        past(purchase("100.00"), on("2025-01-02")),
        past(purchase("100.00"), on("2024-12-31")),
        rules=ladder_rules(),
    )

    assert [gave(one)["points"] for one in (first, second, third)] == [200, 125, 100]
    assert tier(third.state, ladder_rules()) == "silver"


def test_history_is_quiet_and_what_fell_due_before_it_was_sent_too() -> None:
    """Semantics E7: no messages for the past, and none for its expiries when the worker writes them down."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),))
    sent = decide(make_state(now=LONG_AGO), past(purchase("12.00"), NOW - 90 * DAY), rules=rules)

    settled = settle(sent.state, now=NOW + DAY, rules=rules)

    assert told(sent) == []
    assert kinds(settled) == ["expiry"]
    assert told(settled) == []
    assert sent.state.quiet_before == NOW


def test_what_falls_due_after_history_was_sent_is_told() -> None:
    """Semantics E7: the future of imported points is no history."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),))
    sent = decide(make_state(now=LONG_AGO), past(purchase("12.00"), NOW - 20 * DAY), rules=rules)

    settled = settle(sent.state, now=NOW + 30 * DAY, rules=rules)

    assert [type for type, _ in told(settled)] == ["points.expired"]


def test_a_late_sale_of_today_is_told_although_history_came_before() -> None:
    """Semantics E7: only history is quiet. A till that was offline while the past was loaded sends live events."""
    sent = decide(make_state(now=LONG_AGO), past(purchase("12.00"), NOW - 90 * DAY))

    live = decide(sent.state, purchase("5.00"), at=NOW - timedelta(minutes=5), now=NOW + timedelta(minutes=1))

    assert [type for type, _ in told(live)] == ["points.earned"]


def test_history_with_messages_is_told() -> None:
    """Semantics E7: if asked, including what expires on the way."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),))
    start = make_state(now=on("2025-01-01"))
    loud = Mode.HISTORY_WITH_MESSAGES

    first, second = load(
        start,
        past(purchase("12.00"), on("2025-01-31"), mode=loud),
        past(Activity("survey"), on("2025-06-01"), mode=loud),
        rules=rules,
    )

    assert [type for type, _ in told(first)] == ["points.earned"]
    assert [type for type, _ in told(second)] == ["points.expired", "activity.recorded"]
    assert second.state.quiet_before is None


def test_after_history_the_present_goes_on() -> None:
    """Semantics E7, E3: a live event is judged now, and first settles what ended since."""
    rules = make_rules(rate(), units=(unit(expires="P1M"),))
    sent = decide(make_state(now=LONG_AGO), past(purchase("12.00"), NOW - 90 * DAY), rules=rules)

    live = decide(sent.state, purchase("5.00"), rules=rules)

    assert kinds(live) == ["expiry", "purchase"]
    assert live.state.judged_at == live.state.recorded_at == NOW
    assert live.state.accounts["points"].balance == 5


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 60)), min_size=1, max_size=8))
def test_a_past_sent_in_order_ends_where_living_it_would_have(sales: Sequence[tuple[int, int]]) -> None:
    """Semantics E7: the same accounts and lots as if each event had been sent when it occurred."""
    rules = make_rules(rate(), fixed(1, unit="stamps"), units=(unit(expires="P1M"), unit("stamps")))
    lived = imported = make_state(sequence=0, now=on("2025-01-01"))
    when = on("2025-01-01")
    for euros, days in sales:
        when += timedelta(days=days)
        lived = decide(lived, purchase(f"{euros}.00"), rules=rules, now=when).state
        imported = decide(imported, past(purchase(f"{euros}.00"), when), rules=rules).state

    assert (imported.accounts, imported.lots, imported.sequence) == (lived.accounts, lived.lots, lived.sequence)
    ends = [settle(state, now=NOW + 99 * DAY, rules=rules).state for state in (lived, imported)]
    assert (ends[0].accounts, ends[0].lots) == (ends[1].accounts, ends[1].lots)


def test_the_moment_is_made_of_the_clock_and_the_members_past() -> None:
    """Semantics E3, E7: live, now is the later of clock and last recording; history, the latest occurrence so far."""
    state = make_state(now=on("2025-03-01"))
    asked: dict[str, Any] = {
        "program_id": PROGRAM,
        "versions": Versions((make_rules(),)),
        "clock": NOW,
        "ids": make_ids(),
    }

    live = engine.moment_of(command(purchase()), state, **asked)
    older = engine.moment_of(past(purchase(), on("2025-01-01")), state, **asked)
    newer = engine.moment_of(past(purchase(), on("2025-05-01")), state, **asked)

    assert [one.recorded_at for one in (live, older, newer)] == [NOW, NOW, NOW]
    assert [one.judged_at for one in (live, older, newer)] == [NOW, on("2025-03-01"), on("2025-05-01")]
    assert [one.silent for one in (live, older, newer)] == [False, True, True]
    assert entries(decide(state, purchase("1.00")))[0].available_at == NOW
