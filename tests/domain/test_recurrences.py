"""Days and hours that come back: RFC 5545, by the clocks of a zone, with bounded work (semantics A3)."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from app.domain import recurrences
from app.domain.recurrences import NoRecurrence, Window, parse
from tests.domain.builders import AMSTERDAM, on

FRIDAYS = parse("FREQ=WEEKLY;BYDAY=FR")


def window(rule: str = "FREQ=WEEKLY;BYDAY=FR", at: str = "17:00", hours: float = 2) -> Window:
    """Hours of days that come back."""
    return Window(parse(rule), time.fromisoformat(at), timedelta(hours=hours))


def _rules() -> st.SearchStrategy[str]:
    """Rules that name their days, so that their first day does not."""
    weekdays = st.lists(st.sampled_from(recurrences.WEEKDAYS), min_size=1, max_size=3, unique=True)
    plain = weekdays.map(",".join)
    nth = st.tuples(st.sampled_from([1, 2, 5, -1, -2]), st.sampled_from(recurrences.WEEKDAYS)).map(
        lambda pair: f"{pair[0]}{pair[1]}"
    )
    month_days = st.lists(st.sampled_from([1, 13, 28, 31, -1, -5]), min_size=1, max_size=3, unique=True).map(
        lambda days: "BYMONTHDAY=" + ",".join(map(str, days))
    )
    months = st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True).map(
        lambda found: ";BYMONTH=" + ",".join(map(str, found))
    )
    position = st.sampled_from(["", ";BYSETPOS=1", ";BYSETPOS=-1", ";BYSETPOS=2"])
    days = plain.map("BYDAY={}".format)
    return st.one_of(
        st.just("FREQ=DAILY"),
        st.builds("FREQ=DAILY{}".format, months),
        st.builds("FREQ=WEEKLY;{}{}".format, days, position),
        st.builds("FREQ=MONTHLY;{}{}".format, days, position),
        st.builds("FREQ=MONTHLY;BYDAY={}".format, nth),
        st.builds("FREQ=MONTHLY;{}{}".format, month_days, position),
        st.builds("FREQ=MONTHLY;{};{}".format, month_days, days),
        st.builds("FREQ=YEARLY;{}{}{}".format, days, months, position),
        st.builds("FREQ=YEARLY;BYDAY={}{}".format, nth, months),
        st.builds("FREQ=YEARLY;BYDAY={}".format, nth),
        st.builds("FREQ=YEARLY;{}{}{}".format, month_days, months, position),
        st.builds("FREQ=YEARLY;BYYEARDAY={}".format, st.sampled_from(["1", "60", "-1", "100,200,-10"])),
    )


@given(rule=_rules(), first=st.dates(date(2019, 12, 20), date(2029, 1, 10)))
def test_the_days_are_those_of_the_standard(rule: str, first: date) -> None:
    """RFC 5545: the same days as a library finds that counts them from a beginning."""
    try:
        recurrence = parse(rule)
    except NoRecurrence:
        return
    start = datetime(first.year - 1, 1, 1)  # noqa: DTZ001 - the library counts in days without a zone
    if "WEEKLY" in rule:
        start -= timedelta(days=start.weekday())
    span = [first + timedelta(days=n) for n in range(40)]

    found = [day for day in span if recurrence.has(day)]

    ends = datetime.combine(span[-1], time(0))
    wanted = {
        one.date() for one in rrulestr(rule, dtstart=start).between(datetime.combine(first, time(0)), ends, inc=True)
    }
    assert found == sorted(wanted)


@pytest.mark.parametrize("rule", ["FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=DAILY", "FREQ=MONTHLY;BYMONTHDAY=1"])
@given(interval=st.integers(2, 9), start=st.dates(date(2024, 1, 1), date(2026, 1, 1)))
def test_intervals_count_from_their_first_day(rule: str, interval: int, start: date) -> None:
    recurrence = parse(f"{rule};INTERVAL={interval}", start=start)

    found = [day for n in range(500) if recurrence.has(day := start + timedelta(days=n))]

    begin = datetime.combine(start, time(0))
    made = rrulestr(f"{rule};INTERVAL={interval}", dtstart=begin)
    assert found == [one.date() for one in made.between(begin, begin + timedelta(days=499), inc=True)]


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("2026-11-20", "16:59", False),
        ("2026-11-20", "17:00", True),
        ("2026-11-20", "18:59", True),
        ("2026-11-20", "19:00", False),
        ("2026-11-21", "17:30", False),
    ],
)
def test_a_happy_hour_begins_with_its_hour_and_ends_before_its_end(day: str, clock: str, *, expected: bool) -> None:
    """Semantics A3: half-open."""
    assert window().holds(on(day, clock), AMSTERDAM) is expected


@pytest.mark.parametrize("day", ["2026-03-27", "2026-04-03", "2026-10-23", "2026-10-30"])
def test_a_happy_hour_stays_at_its_hour_across_changes_of_the_clocks(day: str) -> None:
    """Semantics A3: clocks in Amsterdam change on 29 March and 25 October 2026."""
    assert [window().holds(on(day, clock), AMSTERDAM) for clock in ("16:59", "17:00", "19:00")] == [False, True, False]


def test_a_window_may_cross_midnight() -> None:
    late = window(at="23:00", hours=3)

    held = [late.holds(on(day, clock), AMSTERDAM) for day, clock in (("2026-11-21", "01:59"), ("2026-11-21", "02:00"))]

    assert held == [True, False]
    assert not late.holds(on("2026-11-20", "01:00"), AMSTERDAM)


def test_a_window_lasts_as_long_as_it_says_when_clocks_go_forward() -> None:
    """On 29 March 2026 there is no 02:00 to 03:00: two hours from 01:00 end at 04:00 by the clock."""
    night = window("FREQ=WEEKLY;BYDAY=SU", at="01:00")

    assert [night.holds(on("2026-03-29", clock), AMSTERDAM) for clock in ("00:59", "03:59", "04:00")] == [
        False,
        True,
        False,
    ]


def test_a_window_lasts_as_long_as_it_says_when_clocks_go_back() -> None:
    """On 25 October 2026 the hour from 02:00 comes twice: two hours from 01:00 end at the second 02:00."""
    night = window("FREQ=WEEKLY;BYDAY=SU", at="01:00")
    first_two = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)

    held = [night.holds(first_two + timedelta(minutes=m), AMSTERDAM) for m in (-61, -60, 0, 59, 60)]

    assert held == [False, True, True, True, False]


def test_a_beginning_that_the_clocks_leave_out_opens_as_if_they_had_not_changed() -> None:
    gap = window("FREQ=WEEKLY;BYDAY=SU", at="02:30", hours=1)

    assert [
        gap.holds(on("2026-03-29", clock), AMSTERDAM) for clock in ("01:59", "03:29", "03:30", "04:29", "04:30")
    ] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_without_hours_the_whole_day_is_meant_whatever_its_length() -> None:
    days = Window(parse("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=29"))

    inside = [on("2026-03-29", "00:00"), on("2026-03-30", "00:00") - timedelta(microseconds=1)]

    assert all(days.holds(instant, AMSTERDAM) for instant in inside)
    assert not days.holds(on("2026-03-30", "00:00"), AMSTERDAM)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("FREQ=SECONDLY", "FREQ="),
        ("FREQ=MINUTELY;BYDAY=FR", "FREQ="),
        ("FREQ=HOURLY", "FREQ="),
        ("BYDAY=FR", "FREQ="),
        ("FREQ=DAILY;COUNT=3", "COUNT"),
        ("FREQ=DAILY;UNTIL=20261231", "until"),
        ("FREQ=WEEKLY;BYDAY=FR;BYHOUR=17", "`at`"),
        ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO"),
        ("FREQ=YEARLY;BYEASTER=1", "BYEASTER"),
        ("FREQ=WEEKLY", "on which days"),
        ("FREQ=MONTHLY", "on which days"),
        ("FREQ=YEARLY;BYMONTH=12", "on which days"),
        ("FREQ=WEEKLY;BYDAY=1FR", "numbered"),
        ("FREQ=WEEKLY;BYDAY=FRI", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=FR;INTERVAL=2", "`from`"),
        ("FREQ=WEEKLY;BYDAY=FR;INTERVAL=0", "INTERVAL"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=YEARLY;BYMONTH=13;BYMONTHDAY=1", "BYMONTH"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never"),
        ("FREQ=WEEKLY;BYDAY=FR;BYDAY=SA", "each once"),
        ("FREQ=WEEKLY;BYDAY=FR;WKST=XX", "WKST"),
        ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS"),
        ("FREQ=WEEKLY;BYDAY=FR;BYMONTHDAY=1", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYDAY=FR;BYYEARDAY=1", "BYYEARDAY"),
        ("FREQ=DAILY" + ";" * 300, "longer"),
        ("", "each once"),
    ],
)
def test_what_cannot_be_tested_at_once_is_refused_with_a_reason(rule: str, said: str) -> None:
    with pytest.raises(NoRecurrence, match=said):
        parse(rule)


def test_a_leap_day_comes_every_fourth_year() -> None:
    leap = parse("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29")

    assert leap.has(date(2028, 2, 29))
    assert not leap.has(date(2027, 2, 28))
