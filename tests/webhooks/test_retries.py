from datetime import UTC, datetime, timedelta

import pytest

from app.webhooks import retries

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def delay(
    attempts: int = 1,
    *,
    status: int | None = 500,
    timed_out: bool = False,
    retry_after: timedelta | None = None,
    draw: float = 0.5,
) -> timedelta | None:
    return retries.next_delay(
        retries.SCHEDULE, attempts=attempts, status=status, timed_out=timed_out, retry_after=retry_after, draw=draw
    )


def test_ten_attempts_are_made_in_75_hours_and_35_minutes() -> None:
    delays = [delay(attempts) for attempts in range(1, 11)]

    assert delays[:4] == [timedelta(seconds=5), *[timedelta(minutes=m) for m in (5, 30, 120)]]
    assert sum([d for d in delays if d is not None], timedelta()) == timedelta(hours=75, minutes=35, seconds=5)
    assert delays[9] is None


def test_the_schedule_is_a_setting() -> None:
    short = (timedelta(seconds=1),)

    delays = [
        retries.next_delay(short, attempts=n, status=500, timed_out=False, retry_after=None, draw=0.5) for n in (1, 2)
    ]

    assert delays == [timedelta(seconds=1), None]


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 240), (0.5, 300), (1.0, 360)])
def test_jitter_takes_a_delay_from_four_to_six_fifths(draw: float, seconds: float) -> None:
    assert delay(2, draw=draw) == timedelta(seconds=seconds)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_shop_is_left_alone_for_a_minute(status: int) -> None:
    assert delay(1, status=status) == timedelta(seconds=60)
    assert delay(2, status=status) == timedelta(minutes=5)


def test_so_is_one_that_times_out() -> None:
    assert delay(1, status=None, timed_out=True) == timedelta(seconds=60)


@pytest.mark.parametrize("status", [None, 302, 400, 404, 500, 501])
def test_any_other_failure_is_tried_again_after_five_seconds(status: int | None) -> None:
    assert delay(1, status=status) == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(minutes=10), timedelta(minutes=10)),
        (timedelta(days=9), timedelta(hours=1)),
    ],
)
def test_retry_after_lengthens_a_delay_up_to_an_hour(asked: timedelta, waited: timedelta) -> None:
    assert delay(1, retry_after=asked) == waited


def test_retry_after_never_shortens_a_longer_delay() -> None:
    assert delay(4, retry_after=timedelta(minutes=1)) == timedelta(hours=2)


def test_exhausted_is_exhausted_whatever_the_shop_asks() -> None:
    assert delay(10, status=503, retry_after=timedelta(minutes=1)) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Mon, 01 Mar 2027 12:01:00 GMT", 60),
        ("Monday, 01-Mar-27 12:01:00 GMT", 60),
        ("Mon, 01 Mar 2027 11:00:00 GMT", 0),
        ("Mon, 01 Mar 2027 12:01:00", 60),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 40, None),
        ("Mon, 99 Mar 2027 12:01:00 GMT", None),
        ("Mon, 01 Mar 99999 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)

    assert retries.parse_retry_after(text, now=NOW) == expected
