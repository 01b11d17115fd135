"""Holds in the core: what is reserved, captured, freed and lapses (semantics L12), and worked example 11."""

from datetime import timedelta

from app.domain.commands import Cancellation, Capture, Hold, Named, Payment, Redemption, Release
from app.domain.events import Recorded
from app.domain.refusals import HoldSettled, InsufficientPoints, MoreThanHeld, UnknownHold
from app.domain.settling import EXPIRY
from tests.domain.builders import (
    Books,
    accepted,
    back,
    end_of,
    entries,
    kinds,
    lot,
    make_rules,
    make_state,
    purchase,
    remaining,
    told,
)

MINUTE = timedelta(minutes=1)


def books(*lots: object, **more: object) -> Books:
    """A member with these lots, under a point a euro."""
    return Books(make_rules(**more), state=make_state(*lots))  # type: ignore[arg-type]


def hold(made: Books, points: int, *, lasts: int | None = None) -> Recorded:
    """The event of a hold."""
    return accepted(made.do(Hold(points, lasts=lasts))).recorded


def sums(made: Books) -> tuple[int, int, int, int]:
    """Balance, available, held, deficit."""
    account = made.state.accounts["points"]
    return account.balance, account.available, account.held, account.deficit


def test_worked_example_11() -> None:
    """Lot of 100 expiring tonight, hold of 60 at 23:50, capture of 50 at 00:05: 40 expire at midnight, 50 are drawn,
    10 are freed and expire."""
    midnight = end_of("2026-11-21")
    made = books(lot(100, expires="2026-11-21", sequence=1))
    made.now = midnight - 10 * MINUTE
    placed = hold(made, 60, lasts=1800)
    made.now = midnight + 5 * MINUTE

    decision = made.do(Capture(Named(placed.id), points=50))

    assert kinds(decision) == [EXPIRY, Capture.kind, EXPIRY]
    assert [entry.points for entry in entries(decision)] == [-40, -50, -10]
    assert [posted.recorded.effective_at for posted in decision.events] == [midnight, made.now, made.now]
    assert sums(made) == (0, 0, 0, 0)
    assert made.state.lots == ()


def test_a_hold_reserves_in_draw_order_and_posts_nothing() -> None:
    """Semantics L12, L5: of named lots, soonest expiry first; the balance stays."""
    made = books(lot(50, sequence=1), lot(30, expires="2026-12-01", sequence=2))

    decision = made.do(Hold(40))

    assert entries(decision) == []
    assert [(one.sequence, one.reserved) for one in made.state.lots] == [(1, 10), (2, 30)]
    assert sums(made) == (80, 40, 40, 0)
    assert told(decision)[0][0] == "hold.placed"
    refused = made.do(Redemption(41)).refusal
    assert refused == InsufficientPoints("points", asked=41, available=40)


def test_captures_draw_from_the_hold_until_one_is_final() -> None:
    """Semantics L12."""
    made = books(lot(50, sequence=1), lot(30, expires="2026-12-01", sequence=2))
    placed = Named(hold(made, 60).id)

    first = made.do(Capture(placed, points=35, final=False))
    made.do(Redemption(20))
    last = made.do(Capture(placed, points=5))

    assert [draw.points for entry in entries(first) for draw in entry.draws] == [30, 5]
    assert [draw.points for entry in entries(last) for draw in entry.draws] == [5]
    assert sums(made) == (20, 20, 0, 0)
    assert made.do(Capture(placed)).refusal == HoldSettled("captured")


def test_a_capture_beyond_the_hold_is_refused() -> None:
    """Semantics L12."""
    made = books(lot(50))
    placed = Named(hold(made, 20).id)

    assert made.do(Capture(placed, points=21)).refusal == MoreThanHeld("points", asked=21, held=20)
    assert made.do(Capture(Named(b"nothing"))).refusal == UnknownHold()


def test_a_hold_lapses_at_its_instant_before_anything_expires() -> None:
    """Semantics L12, T3: time-outs come before expiries of the same instant."""
    midnight = end_of("2026-11-21")
    made = books(lot(100, expires="2026-11-21", sequence=1))
    made.now = midnight - 15 * MINUTE
    hold(made, 60)
    made.now = midnight + MINUTE

    decision = made.settle()

    assert kinds(decision) == ["hold_timeout", EXPIRY]
    assert [posted.recorded.effective_at for posted in decision.events] == [midnight, midnight]
    assert [entry.points for entry in entries(decision)] == [-100]
    assert made.settle().events == ()


def test_what_is_freed_pays_what_is_owed() -> None:
    """Semantics L9: no deficit stands beside active points that are not reserved; a draw, but no points."""
    made = books()
    bought = made.bought(purchase("100.00"))
    placed = hold(made, 70)
    made.do(back(bought))
    assert sums(made) == (0, 0, 70, 70)

    decision = made.do(Release(Named(placed.id)))

    (paying,) = entries(decision)
    assert (paying.points, [draw.points for draw in paying.draws]) == (0, [70])
    assert sums(made) == (0, 0, 0, 0)


def test_a_purchase_captures_in_its_own_event_after_it_has_earned() -> None:
    """Semantics A1."""
    made = books(lot(100, sequence=1))
    made.state = made.state._replace(sequence=1)
    hold(made, 40)
    key = made.posted[-1].recorded.key

    decision = made.do(purchase("20.00", payments=(Payment("points", 5_00, key),)))

    assert [entry.points for entry in entries(decision)] == [15, -40]
    assert [type for type, _ in told(decision)] == ["points.earned", "points.redeemed", "hold.captured"]
    assert remaining(made.state) == [(60, None), (15, None)]


def test_a_capture_is_undone_into_its_lots() -> None:
    """Semantics E6, L8: with their dates, last draw first."""
    made = books(lot(50, sequence=1), lot(30, expires="2026-12-01", sequence=2))
    placed = Named(hold(made, 60).id)
    captured = accepted(made.do(Capture(placed, points=40))).recorded

    made.do(Cancellation(Named(captured.id), points=15))

    assert remaining(made.state) == [(5, end_of("2026-12-01")), (50, None)]
    assert sums(made) == (55, 55, 0, 0)
