"""Points that end together, so long after the last event that counts (semantics L10)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain import engine, lots
from app.domain.calendar import parse_span
from app.domain.commands import Activity, Adjustment, Cancellation, Enrolment, Hold, Mode, Named, Redemption, Release
from app.domain.events import Recorded
from app.domain.rules import AdjustmentTerms, Versions
from app.domain.state import MemberState
from app.domain.units import Slides, Unit
from tests.domain.builders import (
    ANNA,
    NOW,
    Books,
    accepted,
    card,
    changed,
    command,
    end_of,
    entries,
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

MICROSECOND = timedelta(microseconds=1)


def sliding(span: str = "P12M", *events: str, **more: Any) -> Unit:
    """A unit whose accounts end so long after the last event that counts."""
    slides = Slides(parse_span(span), frozenset(events or ("purchase", "activity", "redemption")))
    return changed(unit(), expiry=slides, **more)


def books(span: str = "P12M", *events: str, now: str = "2026-11-21", **more: Any) -> Books:
    """Anna's books from her enrolment on, in a program whose only unit slides."""
    at, unit = on(now), sliding(span, *events, **more)
    rules = make_rules(rate(), units=(unit,), adjustments=AdjustmentTerms(("goodwill",)))
    made = Books(rules, now=at, state=MemberState(id=ANNA))
    assert made.do(Enrolment((card(),))).refusal is None
    return made


def until(made: Books) -> datetime | None:
    return made.state.accounts["points"].active_until


def buy(made: Books, amount: str = "10.00", *, at: str | None = None) -> Recorded:
    when = made.now if at is None else on(at)
    return accepted(made.do(purchase(amount), at=when)).recorded


@pytest.mark.parametrize(
    ("day", "span", "last"),
    [
        ("2026-11-21", "P12M", "2027-11-21"),
        ("2028-02-29", "P12M", "2029-02-28"),  # a year without that day
        ("2026-08-31", "P6M", "2027-02-28"),
        ("2026-03-28", "P1D", "2026-03-29"),  # the day on which the clocks go forward
        ("2026-10-24", "P1D", "2026-10-25"),  # and back
    ],
)
def test_an_account_lasts_to_the_end_of_a_day_of_the_program(day: str, span: str, last: str) -> None:
    """Semantics L10: months are clamped, and the day counts whole."""
    made = books(span, now=day)

    event = buy(made)

    assert until(made) == end_of(last)
    (entry,) = event.entries
    assert entry.expires_at is None
    assert [lot.expires_at for lot in made.state.lots] == [None]


def test_each_event_that_counts_moves_the_end_of_all_points() -> None:
    """Semantics L10: also of those that were earned long before."""
    made = books()
    buy(made, "100.00")
    made.now = on("2027-10-01")

    made.do(Redemption(30))

    assert until(made) == end_of("2028-10-01")
    made.now = end_of("2028-10-01") - MICROSECOND
    assert made.settle().events == ()
    made.now = end_of("2028-10-01")
    assert [(e.points, e.balance_after) for e in entries(made.settle())] == [(-70, 0)]
    assert made.settle().events == ()


def test_an_event_that_does_not_count_moves_nothing() -> None:
    """Semantics L10: by the list of the program."""
    made = books("P12M", "purchase")
    buy(made, "100.00")
    made.now = on("2027-10-01")

    made.do(Redemption(30))
    made.do(Activity("review"))
    made.do(Adjustment(5, "points", "goodwill", "kim"))

    assert until(made) == end_of("2027-11-21")


def test_no_account_ends_sooner_than_before() -> None:
    """Semantics L10: what is reported late may have been followed by something."""
    made = books()
    buy(made)

    buy(made, at="2026-11-01")

    assert until(made) == end_of("2027-11-21")


def test_points_without_an_event_that_counts_begin_it() -> None:
    """Semantics L10: by what gave them, where nothing is left that lives."""
    made = books()

    made.do(Adjustment(50, "points", "goodwill", "kim"))

    assert until(made) == end_of("2027-11-21")


def test_what_has_ended_is_over_and_later_points_begin_anew() -> None:
    """Semantics L7, L10, K2: the end is written at its own instant, before what comes after it."""
    made = books()
    buy(made, "100.00")
    made.now = on("2029-01-15")

    decision = made.do(purchase("7.00"))

    assert kinds(decision) == ["expiry", "purchase"]
    assert decision.events[0].recorded.effective_at == end_of("2027-11-21")
    assert made.state.accounts["points"].balance == 7
    assert until(made) == end_of("2030-01-15")
    assert wrong(made) == []


def test_where_nothing_is_left_nothing_slides() -> None:
    """Semantics L10: an account that was emptied has no end, and points that come back begin it anew."""
    made = books()
    buy(made, "100.00")
    made.now = on("2027-06-01")
    spent = accepted(made.do(Redemption(100))).recorded
    assert until(made) is None
    made.now = on("2028-06-01")
    assert made.settle().events == ()

    made.do(Cancellation(Named(spent.id)))

    assert made.state.accounts["points"].available == 100
    assert until(made) == end_of("2029-06-01")
    assert wrong(made) == []


def test_by_the_instant_points_past_their_end_count_nowhere() -> None:
    """Semantics L4: whether or not the expiry is written down."""
    made = books()
    buy(made, "100.00")
    account, late = made.state.accounts["points"], end_of("2027-11-21")

    before = lots.folded(account, made.state.lots, now=late - MICROSECOND)
    after = lots.folded(account, made.state.lots, now=late)

    assert (before.available, before.next_due_at) == (100, late)
    assert (after.balance, after.available, after.next_due_at) == (0, 0, None)


def test_what_a_hold_keeps_stays_until_it_is_freed() -> None:
    """Semantics L12."""
    made = books("P12M", now="2026-11-21")
    buy(made, "100.00")
    made.now = end_of("2027-11-21") - timedelta(hours=1)
    hold = accepted(made.do(Hold(40, lasts=4 * 3600))).recorded
    made.now = end_of("2027-11-21") + timedelta(hours=1)

    assert [entry.points for entry in entries(made.settle())] == [-60]
    assert made.settle().events == ()
    folded = lots.folded(made.state.accounts["points"], made.state.lots, now=made.now)
    assert (folded.balance, folded.available, folded.held) == (40, 0, 40)

    freed = made.do(Release(Named(hold.id)))

    assert kinds(freed) == ["release", "expiry"]
    assert made.state.accounts["points"].balance == 0
    assert until(made) is None
    assert wrong(made) == []


def test_a_late_purchase_may_bring_points_that_have_ended() -> None:
    """Semantics L10: credited, and ended at once."""
    made = books("P7D")

    decision = made.do(purchase("9.00"), at=on("2026-11-10"))

    assert kinds(decision) == ["purchase", "expiry"]
    assert decision.events[1].recorded.effective_at == end_of("2026-11-17")
    assert [told_type for told_type, _ in told(decision)] == ["points.earned", "points.expired"]
    assert wrong(made) == []


def test_points_that_wait_end_with_the_account() -> None:
    """Semantics L10: an adjustment does not count, so its points may end before they were active."""
    made = books("P30D", pending=parse_span("P14D"))
    buy(made, "100.00")
    made.now = on("2026-12-15")
    made.do(Adjustment(5, "points", "goodwill", "kim"))
    made.now = on("2027-06-01")

    made.settle()

    assert [one.recorded.kind for one in made.posted] == ["enrolment", "purchase", "activation", "adjustment", "expiry"]
    assert made.posted[-1].recorded.effective_at == end_of("2026-12-21")
    assert made.state.accounts["points"].balance == 0
    assert wrong(made) == []


def test_whether_lots_are_needed_is_known_beforehand() -> None:
    """Semantics L10: points of a late purchase may have ended, and then all lots are asked for."""
    versions = Versions((make_rules(rate(), units=(sliding("P7D"),)),))
    late, fresh = command(purchase(), at=on("2026-11-10")), command(purchase(), at=on("2026-11-15"))

    assert engine.needs_lots(late, versions, now=NOW)
    assert not engine.needs_lots(fresh, versions, now=NOW)


def test_points_given_where_only_a_hold_has_outlived_the_end_begin_it_anew() -> None:
    """Semantics L10, L12: else they would end as they came."""
    made = books()
    buy(made, "100.00")
    made.now = end_of("2027-11-21") - timedelta(hours=1)
    made.do(Hold(40, lasts=4 * 3600))
    made.now = end_of("2027-11-21") + timedelta(hours=1)

    decision = made.do(Adjustment(5, "points", "goodwill", "kim"))

    assert kinds(decision) == ["expiry", "adjustment"]
    assert until(made) == end_of("2028-11-22")
    assert wrong(made) == []


def test_what_an_opening_dated_keeps_its_date() -> None:
    """Semantics E7, L10: the account ends before it, and has no end then."""
    made = books(now="2026-11-21")
    made.do(opened(had(10, expires="2029-01-31"), had(20)), mode=Mode.HISTORY)
    assert until(made) == end_of("2027-11-21")
    made.now = on("2028-01-01")

    decision = made.settle()

    assert [(one.recorded.effective_at, one.recorded.entries[0].points) for one in decision.events] == [
        (end_of("2027-11-21"), -20)
    ]
    assert until(made) is None
    made.now = on("2029-02-01")
    assert [entry.points for entry in entries(made.settle())] == [-10]
    assert wrong(made) == []
