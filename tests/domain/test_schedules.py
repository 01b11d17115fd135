"""What schedules bring: welcome journeys, win-backs, monthly gifts of a plan (semantics K3)."""

from datetime import date, datetime

import pytest

from app.domain import schedules
from app.domain.calendar import Every, Period, Span
from app.domain.combining import Cap, Per
from app.domain.commands import Enrolment
from app.domain.periods import Within
from app.domain.rules import After, Follows, Rule, Rules, Schedule
from app.domain.state import MemberState, Scheduled
from tests.domain.builders import (
    AMSTERDAM,
    ANNA,
    Books,
    back,
    changed,
    fixed,
    kinds,
    ladder_rules,
    make_rules,
    on,
    purchase,
    rate,
    settle,
    wrong,
)

WELCOME = Schedule("welcome-3", After(Follows.ENROLMENT, Span(days=3)))
MISSED = Schedule("missed", After(Follows.PURCHASE, Span(days=60)))
MONTHLY = Schedule("monthly", After(Follows.TIER, Span(months=1), "silver", each=Span(months=1)))


def gift(schedule: str, points: int = 20) -> Rule:
    """Points for what a schedule brings."""
    return fixed(points, code=f"for-{schedule}", kind="scheduled", schedules=[schedule])


def rules_with(schedule: Schedule) -> Rules:
    """A point a euro, and a gift for one schedule."""
    return make_rules(rate(), gift(schedule.code), schedules=(schedule,))


class Diary(Books):
    """Books whose schedules are kept as the ledger keeps them: rows that fall due."""

    def joined(self) -> "Diary":
        """With somebody who joins now."""
        self.keep(self.do(Enrolment()).schedules)
        return self

    def bought_at(self, when: datetime, total: str = "10.00") -> None:
        """A purchase on a day, after what was due by then."""
        self.until(when)
        self.keep(self.do(purchase(total)).schedules)

    def keep(self, rows: tuple[Scheduled, ...]) -> None:
        """Rows that an event armed."""
        self.state = self.state._replace(scheduled=(*self.state.scheduled, *rows))

    def until(self, when: datetime) -> None:
        """The worker settles everything up to an instant."""
        self.now = when
        self.settle()

    def gifts(self) -> list[datetime]:
        """When schedules brought something."""
        return [one.recorded.effective_at for one in self.posted if one.recorded.kind == "scheduled"]


def diary(schedule: Schedule, *, rules: Rules | None = None, joined: str = "2026-03-26") -> Diary:
    """Somebody who joins at nine in the morning."""
    return Diary(rules or rules_with(schedule), now=on(joined), state=MemberState(id=ANNA)).joined()


def test_a_welcome_journey_takes_its_steps_by_the_calendar() -> None:
    """Semantics K3, K2: three days later at the same time of the day, across the change of the clocks."""
    made = diary(WELCOME)

    made.until(on("2026-03-29", "08:59"))
    assert made.gifts() == []
    made.until(on("2027-03-29"))

    assert made.gifts() == [on("2026-03-29", "09:00")]
    assert made.state.accounts["points"].balance == 20
    made.until(on("2028-03-29"))
    assert len(made.gifts()) == 1
    assert wrong(made) == []


def test_a_win_back_comes_so_long_after_the_latest_purchase() -> None:
    """Semantics K3: one row, which moves on; and again after the next purchase."""
    made = diary(MISSED)
    made.bought_at(on("2026-04-01"))
    made.bought_at(on("2026-05-15"))
    made.until(on("2026-06-20"))
    assert made.gifts() == []

    made.until(on("2026-12-01"))
    assert made.gifts() == [on("2026-07-14")]
    made.bought_at(on("2026-12-02"))
    made.until(on("2027-12-02"))

    assert made.gifts() == [on("2026-07-14"), on("2027-01-31")]
    assert wrong(made) == []


def test_a_gift_comes_each_month_while_a_tier_is_held() -> None:
    """Semantics K3: each period of a tier; months are clamped where a day is missing."""
    made = ladder_rules()
    rules = changed(made, rules=(*made.rules, gift("monthly")), schedules=(MONTHLY,))
    book = diary(MONTHLY, rules=rules, joined="2026-10-30")

    book.bought_at(on("2026-10-31"), "250.00")
    book.until(on("2027-02-01"))

    assert book.gifts() == [on("2026-11-30"), on("2026-12-31"), on("2027-01-31")]
    assert wrong(book) == []


def test_a_tier_reached_anew_brings_one_gift_a_month() -> None:
    """Semantics K3: what the first time armed is over, and nothing comes while the tier is not held."""
    made = ladder_rules()
    rules = changed(made, rules=(*made.rules, gift("monthly")), schedules=(MONTHLY,))
    book = diary(MONTHLY, rules=rules, joined="2026-10-01")
    book.bought_at(on("2026-10-05"), "250.00")
    bought = next(one.recorded for one in book.posted if one.recorded.kind == "purchase")
    book.now = on("2026-10-10")
    book.do(back(bought))
    book.bought_at(on("2026-10-20"), "250.00")

    book.until(on("2026-12-25"))

    assert book.gifts() == [on("2026-11-20"), on("2026-12-20")]
    assert wrong(book) == []


def test_a_cap_on_what_a_schedule_brings_holds_where_the_worker_was_away() -> None:
    """Semantics K2, A5: each instant is counted in its own period."""
    weekly = Schedule("weekly", After(Follows.TIER, Span(days=7), "silver", each=Span(days=7)))
    made = ladder_rules()
    capped = changed(
        gift("weekly"), caps=(Cap("rule:for-weekly", Per.MEMBER, times=1, within=Within(Period(Every.MONTH))),)
    )
    rules = changed(made, rules=(*made.rules, capped), schedules=(weekly,))
    book = diary(weekly, rules=rules, joined="2026-03-01")
    book.bought_at(on("2026-03-02"), "250.00")

    book.until(on("2026-06-30"))

    given = [one.recorded for one in book.posted if one.recorded.kind == "scheduled" and one.recorded.entries]
    assert [event.effective_at for event in given] == [
        on("2026-03-09"), on("2026-04-06"), on("2026-05-04"), on("2026-06-01"),
    ]  # fmt: skip
    assert wrong(book) == []


def test_who_is_not_entitled_at_the_instant_gets_nothing_and_is_told_why() -> None:
    """Semantics K3: judged by the rules like any kind."""
    made = ladder_rules()
    only_gold = fixed(20, code="for-gold", kind="scheduled", schedules=["welcome-3"], tiers=["gold"])
    book = diary(WELCOME, rules=changed(made, rules=(*made.rules, only_gold), schedules=(WELCOME,)))

    book.until(on("2026-04-01"))

    assert book.posted[-1].recorded.steps == (("for-gold", "points", "other_tier", "0"),)
    assert book.posted[-1].recorded.entries == ()


def test_settling_again_writes_nothing() -> None:
    """Semantics L7, K1."""
    made = diary(MISSED)
    made.bought_at(on("2026-04-01"))
    made.until(on("2026-12-01"))

    assert kinds(settle(made.state, now=made.now, rules=made.rules)) == []


@pytest.mark.parametrize(
    ("day", "born"),
    [
        (date(2027, 2, 28), ((2, 28), (2, 29))),
        (date(2028, 2, 28), ((2, 28),)),
        (date(2028, 2, 29), ((2, 29),)),
        (date(2027, 3, 1), ((3, 1),)),
    ],
)
def test_who_was_born_on_a_leap_day_is_not_forgotten(day: date, born: tuple[tuple[int, int], ...]) -> None:
    """Semantics K3."""
    assert schedules.falls_on(day) == born


def test_a_day_is_due_as_it_begins_in_the_zone() -> None:
    assert schedules.due_on(date(2026, 7, 1), AMSTERDAM) == on("2026-07-01", "00:00")
