"""Units: which have lots, and how long those live (semantics L3, L10)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import Every, Span, add, local_day
from app.domain.units import ExpiresAfter, Unit, expires_at
from tests.domain.builders import AMSTERDAM, NOW, end_of, on, unit


@pytest.mark.parametrize(
    ("spendable", "expires", "has_lots"),
    [(True, None, True), (True, "P12M", True), (False, "P12M", True), (False, None, False)],
)
def test_a_unit_that_is_spent_or_expires_has_lots(spendable: bool, expires: str | None, has_lots: bool) -> None:
    """Semantics L3."""
    assert unit(spendable=spendable, expires=expires).has_lots is has_lots


def test_points_that_never_expire_have_no_end() -> None:
    """Semantics L10, never."""
    assert expires_at(unit(), available_from=NOW, zone=AMSTERDAM) is None


@pytest.mark.parametrize(
    ("earned", "span", "last_day"),
    [
        ("2026-11-21", "P12M", "2027-11-21"),
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2028-01-31", "P1M", "2028-02-29"),
        ("2026-11-21", "P30D", "2026-12-21"),
        ("2026-11-21", "P0D", "2026-11-21"),
    ],
)
def test_a_lot_lives_to_the_end_of_its_last_day(earned: str, span: str, last_day: str) -> None:
    """Semantics L10."""
    assert expires_at(unit(expires=span), available_from=on(earned), zone=AMSTERDAM) == end_of(last_day)


@pytest.mark.parametrize(
    ("round_up", "last_day"),
    [
        (Every.MONTH, "2027-02-28"),
        (Every.QUARTER, "2027-03-31"),
        (Every.HALF_YEAR, "2027-06-30"),
        (Every.YEAR, "2027-12-31"),
    ],
)
def test_the_last_day_is_rounded_up_to_the_end_of_its_period(round_up: Every, last_day: str) -> None:
    """Semantics L10: round-up of the end, not of the beginning."""
    points = unit(expires="P3M", round_up=round_up)

    assert expires_at(points, available_from=on("2026-11-10"), zone=AMSTERDAM) == end_of(last_day)


def test_the_day_is_that_of_the_programs_zone() -> None:
    """Semantics L10: 23:30 in Amsterdam is the same day there, but not in Auckland."""
    late = on("2026-11-21", "23:30")

    assert expires_at(unit(expires="P1D"), available_from=late, zone=AMSTERDAM) == end_of("2026-11-22")
    auckland = ZoneInfo("Pacific/Auckland")
    assert expires_at(unit(expires="P1D"), available_from=late, zone=auckland) == end_of("2026-11-23", zone=auckland)


def test_the_last_day_keeps_its_length_when_the_clocks_change() -> None:
    """Semantics L10: the last day may have 23 or 25 hours."""
    spring = expires_at(unit(expires="P1D"), available_from=on("2026-03-28"), zone=AMSTERDAM)
    autumn = expires_at(unit(expires="P1D"), available_from=on("2026-10-24"), zone=AMSTERDAM)

    assert spring == on("2026-03-29", "00:00") + timedelta(hours=23)
    assert autumn == on("2026-10-25", "00:00") + timedelta(hours=25)


@given(
    st.integers(946_684_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.builds(Span, months=st.integers(0, 36), days=st.integers(0, 60)),
    st.sampled_from([None, *Every]),
)
def test_a_lot_outlives_the_day_it_becomes_available(earned: datetime, span: Span, round_up: Every | None) -> None:
    """Semantics L10: never shorter than its span, and always to a day's end."""
    points = Unit("points", "Points", expiry=ExpiresAfter(span, round_up))

    end = expires_at(points, available_from=earned, zone=AMSTERDAM)

    assert end is not None
    assert end > earned
    last_day = local_day(end - timedelta(microseconds=1), AMSTERDAM)
    assert last_day >= add(local_day(earned, AMSTERDAM), span)
    assert end.astimezone(AMSTERDAM).strftime("%H:%M:%S.%f") == "00:00:00.000000"
