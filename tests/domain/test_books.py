"""Which way points go, and how time is cut for a report."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain import books
from app.domain.books import Cut, Moved
from app.domain.calendar import Every, Period
from app.domain.events import OWED, Draw, Entry
from tests.domain.builders import AMSTERDAM, NOW

FEBRUARY, MARCH, APRIL = [
    datetime(2027, 1, 31, 23, tzinfo=UTC),
    datetime(2027, 2, 28, 23, tzinfo=UTC),
    datetime(2027, 3, 31, 22, tzinfo=UTC),
]
"""Their beginnings in Amsterdam, where summer begins in March."""


def by_month(since: datetime | None, until: datetime | None, *, most: int = 10) -> Cut:
    """Cut by month, in a program that began in the middle of February and is asked in the middle of March."""
    began, now = FEBRUARY + timedelta(days=14), MARCH + timedelta(days=14)
    return books.cut_by(Period(Every.MONTH), since, until, beginning=began, now=now, zone=AMSTERDAM, most=most)


@pytest.mark.parametrize(
    ("kind", "points", "lot", "way", "counted"),
    [
        ("return", 5, True, "issued", 5),
        ("purchase_change", 5, False, "issued", 5),
        ("purchase", 5, True, "issued", 5),
        ("purchase", 5, False, "issued", 5),
        ("redemption", -5, False, "redeemed", 5),
        ("expiry", -5, False, "expired", 5),
        ("return", -5, False, "reversed", 5),
        ("referral_reversal", -5, False, "reversed", 5),
        ("cancellation", -5, False, "reversed", 5),
        ("cancellation", 5, False, "redeemed", -5),
        ("cancellation", 5, True, "issued", 5),
        ("transfer", -5, False, "redeemed", 5),
        ("transfer_in", 5, True, "redeemed", -5),
        ("transfer_reversal", -5, False, "redeemed", 5),
    ],
)
def test_each_entry_goes_one_way(kind: str, points: int, lot: bool, way: str, counted: int) -> None:
    entry = Entry(0, "points", points, 0, available_at=NOW if lot else None)

    assert books.way(kind, entry) == (way, counted)
    assert Moved().and_more(way, counted).net == points


@pytest.mark.parametrize("kind", ["return", "purchase_change", "cancellation"])
@pytest.mark.parametrize(
    ("lot", "draws"),
    [
        (False, (Draw(3, 0, -5),)),
        (False, (Draw(*OWED, -5),)),
        (True, (Draw(7, 0, 2), Draw(*OWED, -5))),
    ],
    ids=["into its lot", "owed", "owed, and paid since"],
)
def test_what_was_spent_and_is_back_lessens_what_was_redeemed(kind: str, lot: bool, draws: tuple[Draw, ...]) -> None:
    """Semantics L15, R4: whatever becomes of it, nothing has been issued."""
    entry = Entry(0, "points", 5, 0, available_at=NOW if lot else None, draws=draws)

    assert books.way(kind, entry) == ("redeemed", -5)


def test_a_credit_of_a_return_that_pays_what_is_owed_is_issued_all_the_same() -> None:
    """Semantics L9: a credit opens its lot in full."""
    assert books.way("return", Entry(0, "points", 5, 0, available_at=NOW, draws=(Draw(7, 0, 2),))) == ("issued", 5)


def test_sums_add_up() -> None:
    first, second = Moved(100, 20, 3, 4), Moved(1, 2, 3, 4)

    assert books.total([first, second]) == Moved(101, 22, 6, 8)
    assert (first.net, second.net, books.total([]).net) == (73, -8, 0)


@pytest.mark.parametrize(
    ("since", "until", "cut"),
    [
        (None, None, Cut((), 0, 0)),
        (FEBRUARY, None, Cut((FEBRUARY,), 1, 1)),
        (None, APRIL, Cut((APRIL,), 0, 0)),
        (FEBRUARY, APRIL, Cut((FEBRUARY, APRIL), 1, 1)),
    ],
)
def test_a_stretch_lies_between_its_edges(since: datetime | None, until: datetime | None, cut: Cut) -> None:
    assert books.cut(since, until) == cut


def test_without_bounds_periods_go_from_the_beginning_to_that_of_now() -> None:
    assert by_month(None, None) == Cut((MARCH,), 0, 1, ((FEBRUARY, MARCH), (MARCH, APRIL)))


def test_bounds_cut_the_first_and_the_last_period_short() -> None:
    hour = timedelta(hours=1)

    assert by_month(FEBRUARY + hour, MARCH + hour) == Cut(
        (FEBRUARY + hour, MARCH, MARCH + hour), 1, 2, ((FEBRUARY + hour, MARCH), (MARCH, MARCH + hour))
    )
    assert by_month(FEBRUARY, MARCH) == Cut((FEBRUARY, MARCH), 1, 1, ((FEBRUARY, MARCH),))


def test_before_the_beginning_and_after_now_there_are_periods_too() -> None:
    assert by_month(None, FEBRUARY).periods == ((datetime(2026, 12, 31, 23, tzinfo=UTC), FEBRUARY),)
    assert by_month(APRIL, None).periods == ((APRIL, datetime(2027, 4, 30, 22, tzinfo=UTC)),)


def test_of_too_many_periods_the_first_are_cut() -> None:
    assert len(by_month(None, datetime(2199, 1, 1, tzinfo=UTC), most=7).periods) == 7
