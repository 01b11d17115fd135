"""What is outstanding, until when, what it is worth, and what may never be spent: worked by hand."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from app.domain import liability
from app.domain.liability import Ended, Lots
from app.domain.rules import Cost
from tests.domain.builders import AMSTERDAM, NOW

NEW_YEAR = datetime(2026, 12, 31, 23, tzinfo=UTC)
"""In Amsterdam."""


def lots(remaining: int, *, ends: datetime | None = None, pending: bool = False, reserved: int = 0) -> Lots:
    """Lots of points, active and for ever unless told otherwise."""
    return Lots("points", pending, ends, remaining, reserved)


def test_points_are_active_or_pending_until_they_have_ended() -> None:
    """Semantics L3: from `expires_at` on, that instant included."""
    found = liability.outstanding(
        [
            lots(1, ends=NOW),
            lots(20, ends=NOW + timedelta.resolution),
            lots(300, pending=True),
            lots(4000, reserved=500),
            lots(50_000, ends=NEW_YEAR, pending=True),
        ],
        balance=54_311,
        at=NOW,
        zone=AMSTERDAM,
    )

    assert (found.active, found.pending, found.held, found.ended, found.deficit) == (4020, 50_300, 500, 1, 10)
    assert (found.points, found.can_expire) == (54_320, 50_020)


def test_a_lot_belongs_to_the_month_of_its_last_day_and_never_comes_last() -> None:
    found = liability.outstanding(
        [
            lots(1),
            lots(20, ends=NEW_YEAR + timedelta.resolution),
            lots(300, ends=NEW_YEAR),
            lots(4000, ends=NEW_YEAR - timedelta(days=20)),
        ],
        balance=4321,
        at=NOW,
        zone=AMSTERDAM,
    )

    assert found.by_month == (((2026, 12), 4300), ((2027, 1), 20), (None, 1))


def test_nothing_held_is_nothing_owed() -> None:
    found = liability.outstanding([], balance=-5, at=NOW, zone=AMSTERDAM)

    assert (found.points, found.ended, found.deficit, found.by_month) == (0, 0, 5, ())


def test_a_value_is_exact() -> None:
    assert liability.value(7, Cost("EUR", Fraction(1, 80)), decimals=0) == Fraction(7, 80)
    assert liability.value(15, Cost("EUR", Fraction(3, 10)), decimals=1) == Fraction(9, 20)


@pytest.mark.parametrize(
    ("can_expire", "ended", "expected"),
    [
        (400, Ended(180, 300), 150),
        (250, Ended(180, 300), 94),
        (1, Ended(1, 1), 1),
        (100, Ended(0, 7), 0),
        (100, Ended(7, 0), 100),
        (0, Ended(1, 2), 0),
        (100, Ended(0, 0), None),
    ],
)
def test_breakage_is_the_exact_share_rounded_half_up(can_expire: int, ended: Ended, expected: int | None) -> None:
    assert liability.breakage(can_expire, ended) == expected
