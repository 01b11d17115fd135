"""Spans, months and the program's own days (semantics L10)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import (
    Every,
    Period,
    Span,
    add,
    end_of_day,
    end_of_period,
    later,
    local_day,
    parse_span,
    period_end,
    period_starts,
    start_of_day,
    start_of_period,
)
from tests.domain.builders import AMSTERDAM

days = st.dates(date(1970, 1, 1), date(2199, 12, 31))
instants = st.integers(0, 4 * 10**9).map(lambda second: datetime.fromtimestamp(second, UTC))
zones = st.sampled_from(
    ["Europe/Amsterdam", "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana"]
).map(ZoneInfo)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("P12M", Span(months=12)),
        ("P1Y", Span(months=12)),
        ("P1Y6M", Span(months=18)),
        ("P30D", Span(days=30)),
        ("P2W", Span(days=14)),
        ("P1Y2M3W4D", Span(months=14, days=25)),
        ("P0D", Span()),
    ],
)
def test_a_duration_is_read_as_months_and_days(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "P", "12M", "P1H", "PT1H", "P1.5M", "P-1M", "p1m", "P1M2Y", "P1M ", "P١M"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_span(text)


@pytest.mark.parametrize(
    ("day", "span", "later"),
    [
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2028-01-31", "P1M", "2028-02-29"),
        ("2024-02-29", "P1Y", "2025-02-28"),
        ("2024-02-29", "P4Y", "2028-02-29"),
        ("2026-03-31", "P1M", "2026-04-30"),
        ("2026-11-30", "P3M", "2027-02-28"),
        ("2026-12-31", "P1D", "2027-01-01"),
        ("2026-01-31", "P1M1D", "2026-03-01"),
        ("2026-11-21", "P12M", "2027-11-21"),
    ],
)
def test_months_are_clamped_to_their_last_day(day: str, span: str, later: str) -> None:
    """Semantics L10: 31 January + 1 month is the end of 28 or 29 February."""
    assert add(date.fromisoformat(day), parse_span(span)) == date.fromisoformat(later)


@given(days, st.integers(0, 240))
def test_adding_months_keeps_the_day_or_takes_the_last_of_the_month(day: date, months: int) -> None:
    """Semantics L10."""
    later = add(day, Span(months=months))

    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


@given(days, days, st.integers(0, 240), st.integers(0, 400))
def test_what_was_earned_later_never_ends_earlier(one: date, other: date, months: int, extra: int) -> None:
    """Semantics L10: the span keeps the order of days."""
    first, second = sorted((one, other))
    span = Span(months, extra)

    assert add(first, span) <= add(second, span)


@pytest.mark.parametrize(
    ("day", "period", "last"),
    [
        ("2026-02-10", Every.MONTH, "2026-02-28"),
        ("2028-02-29", Every.MONTH, "2028-02-29"),
        ("2026-05-01", Every.QUARTER, "2026-06-30"),
        ("2026-07-01", Every.HALF_YEAR, "2026-12-31"),
        ("2026-06-30", Every.HALF_YEAR, "2026-06-30"),
        ("2026-01-01", Every.YEAR, "2026-12-31"),
        ("2026-12-31", Every.YEAR, "2026-12-31"),
    ],
)
def test_a_period_ends_with_its_last_day(day: str, period: Every, last: str) -> None:
    """Semantics L10, round-up."""
    assert period_end(date.fromisoformat(day), Period(period)) == date.fromisoformat(last)


@given(days, st.sampled_from(Every))
def test_rounding_up_stays_in_the_period_and_stops_at_its_end(day: date, period: Every) -> None:
    """Semantics L10, round-up."""
    last = period_end(day, Period(period))

    assert day <= last < day + timedelta(days=366)
    assert period_end(last, Period(period)) == last
    assert period_end(last + timedelta(days=1), Period(period)) > last


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24), ("2026-12-31", 24)],
)
def test_a_day_is_as_long_as_the_zone_makes_it(day: str, hours: int) -> None:
    """Semantics L10: days of the program's zone, also when the clocks change."""
    that = date.fromisoformat(day)

    assert end_of_day(that, AMSTERDAM) - start_of_day(that, AMSTERDAM) == timedelta(hours=hours)


def test_a_day_without_a_midnight_begins_when_the_clocks_went_forward() -> None:
    """Sao Paulo had no 00:00 on 4 November 2018: the day began at 01:00, which is 03:00 UTC."""
    zone = ZoneInfo("America/Sao_Paulo")

    assert start_of_day(date(2018, 11, 4), zone) == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_a_day_with_two_midnights_begins_at_the_first() -> None:
    """Havana reached 00:00 twice on 6 November 2022: first by summer time, which is 04:00 UTC."""
    zone = ZoneInfo("America/Havana")

    assert start_of_day(date(2022, 11, 6), zone) == datetime(2022, 11, 6, 4, tzinfo=UTC)
    assert end_of_day(date(2022, 11, 6), zone) == datetime(2022, 11, 7, 5, tzinfo=UTC)


@given(days, zones)
def test_days_follow_each_other_without_gap_or_overlap(day: date, zone: ZoneInfo) -> None:
    """Semantics, Words: periods are half-open."""
    begin, end = start_of_day(day, zone), end_of_day(day, zone)

    assert begin.tzinfo is UTC
    assert begin < end == start_of_day(day + timedelta(days=1), zone)
    assert local_day(begin, zone) == day
    assert local_day(end - timedelta(microseconds=1), zone) == day
    assert local_day(end, zone) == day + timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "period", "periods_later", "last"),
    [
        ("2026-11-22", Period(Every.WEEK), 0, "2026-11-22"),  # a Sunday
        ("2026-11-23", Period(Every.WEEK), 0, "2026-11-29"),
        ("2026-11-23", Period(Every.WEEK, date(2026, 11, 18)), 0, "2026-11-24"),
        ("2026-11-22", Period(Every.DAY), 2, "2026-11-24"),
        ("2026-11-22", Period(Every.YEAR), 1, "2027-12-31"),
        ("2026-02-28", Period(Every.YEAR, date(2020, 3, 1)), 0, "2026-02-28"),
        ("2026-03-01", Period(Every.YEAR, date(2020, 3, 1)), 0, "2027-02-28"),
        ("2027-06-01", Period(Every.YEAR, date(2030, 3, 1)), 0, "2028-02-29"),
        ("2026-02-27", Period(Every.MONTH, date(2026, 1, 31)), 0, "2026-02-27"),
        ("2026-02-28", Period(Every.MONTH, date(2026, 1, 31)), 0, "2026-03-30"),
        ("2026-05-15", Period(Every.QUARTER, date(2026, 2, 15)), 0, "2026-08-14"),
    ],
)
def test_periods_may_begin_on_any_day(day: str, period: Period, periods_later: int, last: str) -> None:
    """Semantics L10: a year from 1 March, months from the 31st, clamped."""
    assert period_end(date.fromisoformat(day), period, later=periods_later) == date.fromisoformat(last)


@given(days, st.sampled_from(Every), st.dates(date(1990, 1, 1), date(2060, 12, 31)))
def test_periods_join_without_a_gap(day: date, every: Every, start: date) -> None:
    """Semantics, Words: half-open, one after the other."""
    period = Period(every, start)
    last = period_end(day, period)

    assert day <= last
    assert period_end(last, period) == last
    assert period_end(last + timedelta(days=1), period) == period_end(day, period, later=1)


@pytest.mark.parametrize(
    ("at", "span", "then"),
    [
        ("2026-11-21T09:30+01:00", "P14D", "2026-12-05T09:30+01:00"),
        ("2026-03-28T02:30+01:00", "P1D", "2026-03-29T03:30+02:00"),  # there is no 02:30 that day
        ("2026-03-28T09:30+01:00", "P1D", "2026-03-29T09:30+02:00"),
        ("2026-01-31T09:30+01:00", "P1M", "2026-02-28T09:30+01:00"),
    ],
)
def test_a_wait_ends_at_the_same_time_of_the_day(at: str, span: str, then: str) -> None:
    """Semantics L11: in the program's zone, also when the clocks change."""
    assert later(datetime.fromisoformat(at), parse_span(span), AMSTERDAM) == datetime.fromisoformat(then)


@given(instants, st.sampled_from(Every), zones)
def test_an_instant_lies_in_its_period_and_periods_follow_each_other(
    instant: datetime, every: Every, zone: ZoneInfo
) -> None:
    period = Period(every)
    begins, ends = start_of_period(instant, period, zone), end_of_period(instant, period, zone)

    assert begins <= instant < ends
    assert start_of_period(begins, period, zone) == begins
    assert end_of_period(begins, period, zone) == ends
    assert start_of_period(ends, period, zone) == ends
    assert period_starts(begins, ends, period, zone, most=5) == ()
    assert period_starts(begins, ends + timedelta.resolution, period, zone, most=5) == (ends,)
