"""Late events that undo the end of an account which they would have kept (semantics L10)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import books as bookkeeping
from app.domain import chain, reviving
from app.domain.books import Moved
from app.domain.calendar import parse_span
from app.domain.commands import Activity, Adjustment, Cancellation, Enrolment, Hold, Mode, Named, Redemption, Release
from app.domain.events import Decision, Posted, Recorded
from app.domain.rules import AdjustmentTerms, Shortage, Versions
from app.domain.state import MemberState
from app.domain.units import Slides, Unit
from tests.domain.builders import (
    ANNA,
    Books,
    accepted,
    card,
    changed,
    command,
    end_of,
    had,
    kinds,
    make_rules,
    on,
    opened,
    purchase,
    rate,
    told,
    unit,
    wrong,
)

DAY = timedelta(days=1)


def sliding(span: str = "P12M", *events: str, **more: Any) -> Unit:
    """A unit whose accounts end so long after the last event that counts."""
    slides = Slides(parse_span(span), frozenset(events or ("purchase", "activity", "redemption")))
    return changed(unit(), expiry=slides, **more)


def books(*units: Unit, now: str = "2026-11-21", **more: Any) -> Books:
    """Anna's books from her enrolment on, in a program whose units slide."""
    rules = make_rules(rate(), units=units or (sliding(),), adjustments=AdjustmentTerms(("goodwill",)), **more)
    made = Books(rules, now=on(now), state=MemberState(id=ANNA))
    assert made.do(Enrolment((card(),))).refusal is None
    return made


def lapsed(*units: Unit, points: str = "100.00", **more: Any) -> Books:
    """Books in which what was bought on 21 November 2026 ended a year later, as written down; it is 25 November."""
    made = books(*units, **more)
    made.do(purchase(points))
    made.now = on("2027-11-25")
    assert kinds(made.settle()) == ["expiry"]
    return made


def balance(made: Books) -> int:
    return made.state.accounts["points"].balance


def until(made: Books) -> datetime | None:
    return made.state.accounts["points"].active_until


def first(decision: Decision) -> Recorded:
    return decision.events[0].recorded


def moved(posted: list[Posted]) -> Moved:
    """What all entries together moved, by the books."""
    whole = Moved()
    for one in posted:
        for entry in one.recorded.entries:
            whole = whole.and_more(*bookkeeping.way(one.recorded.kind, entry))
    return whole


def test_an_event_from_before_the_end_that_comes_after_it_undoes_it() -> None:
    """Semantics L10: one event of the clock's, about the end that it undoes, before what brought it."""
    made = lapsed()
    end = made.posted[-1].recorded

    late = made.do(purchase("7.00"), at=on("2027-11-20"))

    assert kinds(late) == ["expiry_reversal", "purchase"]
    undone = first(late)
    assert (undone.source, undone.key, undone.about) == ("zegel", f"xrv:{end.id.hex()}", end.id)
    assert undone.effective_at == end_of("2027-11-21")
    (entry,) = undone.entries
    assert (entry.points, entry.balance_after, entry.expires_at) == (100, 100, None)
    assert [(draw.lot_sequence, draw.points) for draw in entry.draws] == [(2, -100)]
    assert balance(made) == 107
    assert until(made) == end_of("2028-11-20")
    assert made.state.accounts["points"].expired == 0
    assert told(late)[0][0] == "points.restored"
    assert told(late)[0][1]["points"] == {"points": 100}
    assert wrong(made) == []


def test_the_books_say_that_less_has_expired() -> None:
    """Semantics L10, L15: what an undone end took counts as never expired."""
    made = lapsed()

    made.do(purchase("7.00"), at=on("2027-11-20"))

    assert moved(made.posted) == Moved(issued=107)
    assert moved(made.posted).net == balance(made)


@pytest.mark.parametrize(
    ("facts", "at"),
    [
        (purchase("7.00"), "2027-11-22"),  # after the end
        (Adjustment(5, "points", "goodwill", "kim"), "2027-11-20"),  # of a kind that does not count
    ],
)
def test_what_does_not_count_or_comes_from_after_the_end_undoes_nothing(facts: Any, at: str) -> None:
    """Semantics L10."""
    made = lapsed()

    late = made.do(facts, at=on(at))

    assert kinds(late) == [facts.kind]
    assert wrong(made) == []


def test_an_end_is_undone_once() -> None:
    """Semantics E4, L10: the next late event finds the points where they are."""
    made = lapsed()
    made.do(purchase("7.00"), at=on("2027-11-20"))

    again = made.do(Activity("review"), at=on("2027-11-19"))

    assert kinds(again) == ["activity"]
    assert balance(made) == 107
    assert wrong(made) == []


def test_points_that_ended_again_are_undone_again() -> None:
    """Semantics L10: each end by itself."""
    made = lapsed()
    made.do(Activity("review"), at=on("2027-11-20"))
    made.now = on("2028-11-25")
    assert kinds(made.settle()) == ["expiry"]
    assert made.state.accounts["points"].balance == 0

    late = made.do(Activity("review"), at=on("2028-11-15"))

    assert kinds(late) == ["expiry_reversal", "activity"]
    assert balance(made) == 100
    assert until(made) == end_of("2029-11-15")
    assert wrong(made) == []


def test_an_end_that_nobody_has_written_down_yet_is_written_and_undone() -> None:
    """Semantics L7, L10: what comes of it does not depend on whether a job has run."""
    made = books()
    made.do(purchase("100.00"))
    made.now = end_of("2027-11-21") + timedelta(minutes=5)

    late = made.do(purchase("7.00"), at=end_of("2027-11-21") - timedelta(minutes=10))

    assert kinds(late) == ["expiry", "expiry_reversal", "purchase"]
    assert balance(made) == 107
    assert wrong(made) == []


def test_a_late_redemption_spends_what_it_brings_back() -> None:
    """Semantics L10: it was made while the points were there."""
    made = lapsed()

    late = made.do(Redemption(80), at=on("2027-11-20"))

    assert kinds(late) == ["expiry_reversal", "redemption"]
    assert balance(made) == 20
    assert wrong(made) == []


def test_what_is_refused_undoes_nothing() -> None:
    """Semantics E3, L10: it was never recorded."""
    made = lapsed()
    before = made.state

    late = made.do(Redemption(101), at=on("2027-11-20"))

    assert late.refusal is not None
    assert late.events == ()
    assert made.state == before


def test_what_would_have_ended_since_stays_ended() -> None:
    """Semantics L10: a late event whose own end has passed too changes nothing that could be spent today."""
    made = books(sliding("P7D"), now="2026-11-02")
    made.do(purchase("100.00"))
    made.now = on("2026-11-25")
    made.settle()

    late = made.do(Activity("review"), at=on("2026-11-05"))

    assert kinds(late) == ["activity"]
    assert balance(made) == 0
    assert wrong(made) == []


def test_what_has_happened_since_moves_the_end_on() -> None:
    """Semantics L10: had the late event come in time, the points would have been kept by what came after."""
    made = books(sliding("P7D"), now="2026-11-02")
    made.do(purchase("100.00"))
    made.now = on("2026-11-13")
    made.do(purchase("3.00"))
    made.now = on("2026-11-18")

    late = made.do(Activity("review"), at=on("2026-11-08"))

    assert [one.recorded.kind for one in made.posted][2:] == ["expiry", "purchase", "expiry_reversal", "activity"]
    assert kinds(late) == ["expiry_reversal", "activity"]
    assert balance(made) == 103
    assert until(made) == end_of("2026-11-20")
    assert wrong(made) == []


def test_what_came_after_a_gap_does_not_keep_them() -> None:
    """Semantics L10: they would have ended before it all the same."""
    made = books(sliding("P7D"), now="2026-11-02")
    made.do(purchase("100.00"))
    made.now = on("2026-11-15")
    made.do(purchase("3.00"))
    made.now = on("2026-11-18")

    late = made.do(Activity("review"), at=on("2026-11-05"))

    assert kinds(late) == ["activity"]
    assert balance(made) == 3
    assert wrong(made) == []


def test_several_ends_are_undone_each_by_its_event() -> None:
    """Semantics L10."""
    made = books(sliding("P7D"), now="2026-11-02")
    made.do(purchase("100.00"))
    made.now = on("2026-11-10")
    made.do(purchase("3.00"))
    made.now = on("2026-11-18")
    made.settle()
    assert [one.recorded.kind for one in made.posted].count("expiry") == 2
    made.rules = changed(make_rules(rate(), units=(sliding("P12M"),)), version=1)

    late = made.do(Activity("review"), at=on("2026-11-09"))

    assert kinds(late) == ["expiry_reversal", "expiry_reversal", "activity"]
    assert balance(made) == 103


def test_points_that_come_back_pay_what_is_owed_first() -> None:
    """Semantics L9, L10."""
    made = lapsed()
    made.do(Adjustment(-30, "points", "goodwill", "kim"))
    assert made.state.accounts["points"].deficit == 30

    late = made.do(Activity("review"), at=on("2027-11-20"))

    account = made.state.accounts["points"]
    assert kinds(late) == ["expiry_reversal", "activity"]
    assert (account.balance, account.available, account.deficit) == (70, 70, 0)
    assert wrong(made) == []


def test_what_a_hold_kept_and_gave_up_since_comes_back_too() -> None:
    """Semantics L10, L12: it had ended at once when it was freed."""
    made = books()
    made.do(purchase("100.00"))
    made.now = end_of("2027-11-21") - timedelta(hours=1)
    hold = accepted(made.do(Hold(40, lasts=4 * 3600))).recorded
    made.now = end_of("2027-11-21") + timedelta(hours=1)
    made.do(Release(Named(hold.id)))
    assert balance(made) == 0

    late = made.do(Activity("review"), at=on("2027-11-20"))

    assert kinds(late) == ["expiry_reversal", "expiry_reversal", "activity"]
    assert balance(made) == 100
    assert wrong(made) == []


def test_points_that_a_hold_still_keeps_are_joined_by_the_others() -> None:
    """Semantics L10, L12: in the lot that is still open."""
    made = books()
    made.do(purchase("100.00"))
    made.now = end_of("2027-11-21") - timedelta(hours=1)
    made.do(Hold(40, lasts=4 * 3600))
    made.now = end_of("2027-11-21") + timedelta(hours=1)
    made.settle()

    made.do(Activity("review"), at=on("2027-11-20"))

    assert [(lot.remaining, lot.reserved) for lot in made.state.lots] == [(100, 40)]
    assert made.state.accounts["points"].available == 60
    assert wrong(made) == []


def test_points_that_waited_when_they_ended_wait_again_or_begin_to_count() -> None:
    """Semantics L10, L11: their activation is written down at its own instant."""
    waiting = sliding("P12M", "purchase", pending=parse_span("P14M"))
    made = books(waiting)
    made.do(purchase("100.00"))
    made.now = on("2027-11-25")
    assert kinds(made.settle()) == ["expiry"]

    late = made.do(purchase("7.00"), at=on("2027-11-20"))

    account = made.state.accounts["points"]
    assert kinds(late) == ["expiry_reversal", "purchase"]
    assert (account.active, account.pending) == (0, 107)
    made.now = on("2028-01-25")
    assert kinds(made.settle()) == ["activation"]
    assert made.state.accounts["points"].active == 100
    assert wrong(made) == []


def test_what_would_have_begun_to_count_meanwhile_counts_before_the_event() -> None:
    """Semantics L7, L11: a late redemption finds it active."""
    made = books(sliding("P30D", "purchase", "redemption", pending=parse_span("P40D")), now="2026-10-01")
    made.do(purchase("100.00"))
    made.now = on("2026-11-15")
    assert kinds(made.settle()) == ["expiry"]

    late = made.do(Redemption(60), at=on("2026-10-30"))

    assert kinds(late) == ["expiry_reversal", "activation", "redemption"]
    assert balance(made) == 40
    assert wrong(made) == []


def test_what_bore_a_date_of_its_own_stays_ended() -> None:
    """Semantics E7, L10: an opening dated it."""
    made = books()
    made.do(opened(had(10, expires="2027-11-21"), had(20)), mode=Mode.HISTORY)
    made.now = on("2027-11-25")
    assert kinds(made.settle()) == ["expiry"]
    assert balance(made) == 0

    late = made.do(Activity("review"), at=on("2027-11-20"))

    assert kinds(late) == ["expiry_reversal", "activity"]
    assert balance(made) == 20
    assert wrong(made) == []


def test_where_only_what_bore_a_date_ended_nothing_is_undone() -> None:
    """Semantics E7, L10."""
    made = books()
    made.do(opened(had(10, expires="2027-06-30")), mode=Mode.HISTORY)
    made.now = on("2027-07-02")
    made.settle()

    assert kinds(made.do(Activity("review"), at=on("2027-06-20"))) == ["activity"]
    assert wrong(made) == []


def test_history_undoes_ends_silently() -> None:
    """Semantics E7, L10: nobody is told."""
    rules = make_rules(rate(), units=(sliding("P7D"),))
    made = Books(rules, now=on("2026-11-21"), state=MemberState(id=ANNA))
    made.do(Enrolment((card(),)), at=on("2026-01-01"), mode=Mode.HISTORY)
    made.do(purchase("100.00"), at=on("2026-01-01"), mode=Mode.HISTORY)
    made.do(purchase("3.00"), at=on("2026-01-09"), mode=Mode.HISTORY)

    late = made.do(purchase("5.00"), at=on("2026-01-05"), mode=Mode.HISTORY)

    assert kinds(late) == ["expiry_reversal", "purchase"]
    assert balance(made) == 108
    assert told(late) == []
    assert wrong(made) == []


def test_a_return_meanwhile_took_its_points_already() -> None:
    """Semantics R6, L9: what the goods gave pays what their return left owed."""
    made = lapsed()
    bought = made.posted[1].recorded
    made.do(Cancellation(Named(bought.id)))
    assert made.state.accounts["points"].deficit == 100

    made.do(Activity("review"), at=on("2027-11-20"))

    account = made.state.accounts["points"]
    assert (account.balance, account.available, account.deficit) == (0, 0, 0)
    assert wrong(made) == []


def test_what_a_return_forgave_stays_forgiven() -> None:
    """Semantics R3, R6: what clamp forgave is the one gain there may be."""
    made = lapsed(shortage=Shortage(forgive=True))
    made.do(Cancellation(Named(made.posted[1].recorded.id)))

    made.do(Activity("review"), at=on("2027-11-20"))

    assert balance(made) == 100
    assert wrong(made) == []


def test_what_was_recorded_before_ends_could_be_undone_still_proves() -> None:
    """Semantics L15: judged by the engine that wrote it; the same under today's would be found wrong."""
    made = lapsed()
    made.engine_number = 1
    assert kinds(made.do(purchase("7.00"), at=on("2027-11-20"))) == ["purchase"]
    assert made.posted[-1].recorded.engine == 1
    assert wrong(made) == []

    made.engine_number = 2
    assert kinds(made.do(Activity("review"), at=on("2027-11-19"))) == ["expiry_reversal", "activity"]
    assert balance(made) == 107
    assert wrong(made) == []


def test_an_end_undone_without_a_cause_is_found() -> None:
    """Semantics L15: the late event is decided again together with what it undid."""
    made = lapsed()
    made.do(purchase("7.00"), at=on("2027-11-20"))
    *before, undone, own = made.posted
    assert wrong(made) == []

    made.posted = [*before, undone]
    assert wrong(made) != []
    made.posted = [*before, own]
    assert wrong(made) != []


def test_only_events_out_of_order_of_members_with_ended_points_are_looked_at() -> None:
    """Semantics L10: no other event asks for what was written down before."""
    made = lapsed()
    versions = Versions((make_rules(rate(), units=(sliding(),)),))
    plain = Versions((make_rules(rate()),))

    def asks(kind: str, at: datetime, versions: Versions = versions, state: MemberState = made.state) -> bool:
        return reviving.concerns(state, kind, at, versions)

    assert asks("purchase", on("2027-11-20"))
    assert not asks("purchase", made.now)
    assert not asks("adjustment", on("2027-11-20"))
    assert not asks("purchase", on("2027-11-20"), plain)
    assert not asks("purchase", on("2027-11-20"), state=books().state)


deliveries = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30), st.integers(1, 300)), min_size=1, max_size=12)
"""Purchases: the day of each, how many days later it is sent, and its amount."""


@settings(max_examples=300)
@given(deliveries)
def test_late_purchases_lead_to_what_they_would_have_led_to_in_time(sent: list[tuple[int, int, int]]) -> None:
    """Semantics E4, L10: where no event is late by as much as the span, the order of arrival changes nothing."""
    start = on("2026-01-01")
    in_time, late = books(sliding("P40D"), now="2026-01-01"), books(sliding("P40D"), now="2026-01-01")
    for day, _, amount in sorted(sent):
        in_time.now = start + day * DAY
        in_time.do(purchase(f"{amount}.00"))
    for day, delay, amount in sorted(sent, key=lambda one: (one[0] + one[1], one[0])):
        late.now = start + (day + delay) * DAY
        assert late.do(purchase(f"{amount}.00"), at=start + day * DAY).refusal is None
    for made in (in_time, late):
        made.now = start + max(day + delay for day, delay, _ in sent) * DAY
        made.settle()

    assert balance(late) == balance(in_time)
    assert until(late) == until(in_time)
    assert moved(late.posted).net == balance(late)
    assert wrong(late) == []


def test_the_command_is_named_as_the_cause() -> None:
    """Semantics E2: the event keeps what it was judged by."""
    made = lapsed()
    asked = command(Activity("review"), at=on("2027-11-20"))

    late = made.do(asked)

    context = chain.context_of(first(late).content)
    assert context["cause"] == asked.id.hex()
    assert context["active_until"] == chain.micros(end_of("2028-11-20"))
