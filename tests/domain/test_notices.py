"""Telling ahead of time that points will end (semantics L16)."""

from datetime import datetime
from typing import Any

import pytest

from app.domain import engine
from app.domain.calendar import Every, Period, parse_span
from app.domain.commands import Activity, Cancellation, Enrolment, Hold, Mode, Named, Redemption, Release, Return
from app.domain.events import Decision
from app.domain.rules import AdjustmentTerms, Rules, Versions
from app.domain.state import MemberState
from app.domain.units import ExpiresWithPeriod, Slides, Unit
from tests.domain.builders import (
    ANNA,
    LONG_AGO,
    NOW,
    Books,
    accepted,
    card,
    cents,
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

YEAR = unit(expires="P12M", notice=parse_span("P14D"))
SLIDING = changed(YEAR, expiry=Slides(parse_span("P12M"), frozenset({"purchase", "redemption"})))


def books(*units: Unit, now: datetime = NOW, **more: Any) -> Books:
    """Anna's books from her enrolment on, in a program that tells of ends ahead of time."""
    rules = make_rules(*(rate(code=u.code, unit=u.code) for u in units), units=units, **more)
    made = Books(changed(rules, adjustments=AdjustmentTerms(("goodwill",))), now=now, state=MemberState(id=ANNA))
    assert made.do(Enrolment((card(),))).refusal is None
    return made


def notices(decision: Decision) -> list[tuple[Any, str]]:
    """The points and last days that the decision tells of."""
    return [(data["points"], data["valid_until"]) for type, data in told(decision) if type == "points.expiring"]


def settled(made: Books, now: datetime) -> Decision:
    made.now = now
    return made.settle()


@pytest.mark.parametrize(
    ("day", "notice", "last", "at"),
    [
        ("2026-11-21", "P14D", "2027-11-21", end_of("2027-11-07")),
        ("2027-02-28", "P1D", "2028-02-28", end_of("2028-02-27")),
        ("2026-03-30", "P3D", "2027-03-30", end_of("2027-03-27")),  # before the clocks go forward, at midnight too
        ("2026-02-28", "P2W", "2027-02-28", end_of("2027-02-14")),
    ],
)
def test_an_end_is_told_so_many_days_before(day: str, notice: str, last: str, at: datetime) -> None:
    """Semantics L16, K2: by an event at that instant, recorded when somebody looks."""
    made = books(changed(YEAR, notice=parse_span(notice)), now=on(day))
    made.do(purchase("10.00"))
    made.now = on(last, "12:00")

    decision = made.settle()

    assert kinds(decision) == ["expiry_notice"]
    (event,) = (posted.recorded for posted in decision.events)
    assert (event.effective_at, event.recorded_at, event.entries) == (at, made.now, ())
    assert notices(decision) == [({"points": 10}, last)]
    assert made.settle().events == ()
    assert wrong(made) == []


def test_there_is_one_message_for_each_unit_and_end() -> None:
    """Semantics L16: of one day together, of another apart; what was spent is not told."""
    made = books(YEAR, changed(YEAR, code="stamps", name="Stamps"), now=on("2026-11-21"))
    made.do(purchase("10.00"))
    made.do(purchase("5.00"))
    made.now = on("2026-11-23")
    made.do(purchase("3.00"))
    made.do(Redemption(12, unit="points"))

    decision = settled(made, on("2028-12-24"))

    assert [(one.recorded.kind, one.recorded.effective_at) for one in decision.events] == [
        ("expiry_notice", end_of("2027-11-07")),
        ("expiry_notice", end_of("2027-11-07")),
        ("expiry_notice", end_of("2027-11-09")),
        ("expiry_notice", end_of("2027-11-09")),
        ("expiry", end_of("2027-11-21")),
        ("expiry", end_of("2027-11-21")),
        ("expiry", end_of("2027-11-23")),
        ("expiry", end_of("2027-11-23")),
    ]
    assert notices(decision) == [
        ({"points": 3}, "2027-11-21"),
        ({"stamps": 15}, "2027-11-21"),
        ({"points": 3}, "2027-11-23"),
        ({"stamps": 3}, "2027-11-23"),
    ]
    assert wrong(made) == []


def test_what_is_spent_before_is_not_told() -> None:
    """Semantics L16: nothing would end then."""
    made = books(YEAR)
    made.do(purchase("10.00"))
    made.do(Redemption(10))

    assert settled(made, on("2028-01-01")).events == ()
    assert made.state.accounts["points"].notice_at is None


@pytest.mark.parametrize(("second", "expected"), [("50.00", [({"points": 20}, "2026-12-27")]), ("30.00", [])])
def test_what_will_pay_a_deficit_before_it_ends_is_not_told(second: str, expected: list[Any]) -> None:
    """Semantics L16, L9: 30 are owed beside points that wait and will be told of before their wait is over."""
    brief = unit(expires="P7D", notice=parse_span("P14D"), pending=parse_span("P20D"))
    made = books(brief, now=on("2026-11-10"))
    first = made.do(purchase("30.00"))
    made.now = on("2026-11-30", "10:00")
    made.do(purchase(second))
    made.do(Redemption(30))
    assert first.own is not None
    made.do(Return(Named(event_id=first.own.id)))
    assert (made.state.accounts["points"].deficit, made.state.accounts["points"].pending) == (30, cents(second) // 100)

    told_of = notices(settled(made, on("2026-12-19")))

    assert told_of == expected
    assert wrong(made) == []


def test_points_given_within_the_days_ahead_are_told_at_once() -> None:
    """Semantics L16: once for each end, so what is added to it later is not told again."""
    yearly = changed(YEAR, expiry=ExpiresWithPeriod(Period(Every.YEAR)))
    made = books(yearly, now=on("2026-12-20"))

    first, second = made.do(purchase("10.00")), made.do(purchase("5.00"))

    assert kinds(first) == ["purchase", "expiry_notice"]
    assert first.events[1].recorded.effective_at == on("2026-12-20")
    assert notices(first) == [({"points": 10}, "2026-12-31")]
    assert kinds(second) == ["purchase"]
    assert wrong(made) == []


def test_whether_lots_are_needed_is_known_beforehand() -> None:
    """Semantics L16: where an end has to be told at once."""
    yearly = changed(YEAR, expiry=ExpiresWithPeriod(Period(Every.YEAR)))
    versions = Versions((make_rules(rate(), units=(yearly,)),))

    for day, needed in (("2026-12-20", True), ("2026-12-10", False)):
        assert engine.needs_lots(command(purchase(), at=on(day)), versions, now=on(day)) is needed


def test_what_a_hold_keeps_is_told_once_it_is_freed() -> None:
    """Semantics L12, L16."""
    made = books(YEAR)
    made.do(purchase("10.00"))
    made.now = on("2027-11-05")
    hold = accepted(made.do(Hold(10, lasts=7 * 86_400))).recorded
    assert settled(made, on("2027-11-09")).events == ()

    freed = made.do(Release(Named(hold.id)))

    assert kinds(freed) == ["release", "expiry_notice"]
    assert notices(freed) == [({"points": 10}, "2027-11-21")]
    assert wrong(made) == []


def test_points_put_back_are_told_if_their_end_has_not_been() -> None:
    """Semantics L8, L16."""
    made = books(YEAR)
    made.do(purchase("10.00"))
    spent = accepted(made.do(Redemption(10))).recorded
    made.now = on("2027-11-10")

    undone = made.do(Cancellation(Named(spent.id)))

    assert kinds(undone) == ["cancellation", "expiry_notice"]
    assert notices(undone) == [({"points": 10}, "2027-11-21")]
    assert wrong(made) == []


def test_the_end_of_an_account_that_slides_is_told_and_told_again_when_it_has_moved() -> None:
    """Semantics L10, L16."""
    made = books(SLIDING)
    made.do(purchase("10.00"))
    made.now = on("2027-06-01")
    made.do(purchase("5.00"))

    assert settled(made, end_of("2027-11-07")).events == ()
    assert notices(settled(made, end_of("2028-05-18"))) == [({"points": 15}, "2028-06-01")]
    made.do(Activity("review"))
    made.do(Redemption(5))
    assert notices(settled(made, end_of("2029-05-05"))) == [({"points": 10}, "2029-05-19")]
    assert kinds(settled(made, end_of("2029-05-19"))) == ["expiry"]
    assert wrong(made) == []


def test_history_is_noted_and_not_told() -> None:
    """Semantics E7: what fell due before is past."""
    made = books(YEAR, now=on("2024-01-10"))
    made.do(purchase("10.00"), mode=Mode.HISTORY)
    made.now = on("2026-11-21")

    past = made.do(purchase("7.00"), at=on("2026-01-05"), mode=Mode.HISTORY)

    assert kinds(past) == ["expiry_notice", "expiry", "purchase"]
    assert told(past) == []
    assert wrong(made) == []


def test_an_opening_within_the_days_ahead_is_told() -> None:
    """Semantics E7, L16."""
    made = books(YEAR, now=on("2026-11-21"))

    made.do(opened(had(10, expires="2026-11-30"), had(20, expires="2027-11-30")), mode=Mode.HISTORY)

    assert notices(settled(made, on("2027-11-20"))) == [({"points": 20}, "2027-11-30")]
    assert wrong(made) == []


def versions(*notice: str | None) -> Versions:
    """Versions with other days of notice: from the beginning, and from 1 June 2027 on."""
    starts = (LONG_AGO, on("2027-06-01"))

    def made(number: int, span: str | None) -> Rules:
        known = changed(YEAR, notice=None if span is None else parse_span(span))
        return make_rules(rate(), units=(known,), version=number, in_force_from=starts[number - 1])

    return Versions(tuple(made(number, span) for number, span in enumerate(notice, start=1)))


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [("P14D", "P7D", "2027-11-07"), ("P7D", "P14D", "2027-11-14"), ("P14D", None, "2027-11-07")],
)
def test_other_rules_leave_the_next_notice_as_it_was(before: str, after: str | None, first: str) -> None:
    """Semantics L16: publishing changes no account; no end is told twice."""
    made = Books(versions(before, after), now=NOW, state=MemberState(id=ANNA))
    made.do(Enrolment((card(),)))
    made.do(purchase("10.00"))

    decision = settled(made, on("2028-01-01"))

    assert kinds(decision) == ["expiry_notice", "expiry"]
    assert decision.events[0].recorded.effective_at == end_of(first)
    assert wrong(made) == []


def test_more_days_ahead_are_taken_up_with_the_next_event() -> None:
    """Semantics L16: what should have been told by then is told at once, and once."""
    made = Books(versions("P7D", "P60D"), now=NOW, state=MemberState(id=ANNA))
    made.do(Enrolment((card(),)))
    made.do(purchase("10.00"))
    made.now = on("2027-06-15")
    made.do(purchase("5.00"))
    made.now = on("2027-11-01")

    assert notices(made.do(Redemption(1))) == [({"points": 9}, "2027-11-21")]
    assert notices(settled(made, on("2029-01-01"))) == [({"points": 5}, "2028-06-15")]
    assert wrong(made) == []


def test_what_gives_nothing_or_ends_later_leaves_the_next_notice_alone() -> None:
    """Semantics L16: the soonest end is told first."""
    made = books(YEAR)
    made.do(purchase("10.00"))
    made.now = on("2026-12-24")

    made.do(purchase("5.00"))
    made.do(Activity("review"))

    assert made.state.accounts["points"].notice_at == end_of("2027-11-07")
