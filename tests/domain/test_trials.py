"""Drafts of the rules tried on what happened: what the clock brought follows anew (semantics K2, K3)."""

from datetime import datetime, timedelta

from app.domain import books
from app.domain.backtesting import Trial, Tried, trying
from app.domain.calendar import Every, Period, Span
from app.domain.combining import Cap, Per
from app.domain.commands import Cancellation, Enrolment, Named, Reference
from app.domain.ladders import AtEndOf
from app.domain.periods import Within
from app.domain.rules import After, Follows, Rules, Schedule, Versions
from app.domain.state import MemberState
from app.domain.verifying import StoredEvent
from tests.domain.builders import (
    ANNA,
    PROGRAM,
    Books,
    cap,
    card,
    changed,
    command,
    ladder,
    ladder_rules,
    line,
    make_rules,
    on,
    purchase,
    rate,
    unit,
    wrong,
)
from tests.domain.climbing import YEAR, status
from tests.domain.test_milestones import card_rules, member
from tests.domain.test_schedules import MONTHLY, WELCOME, Diary, diary, gift
from tests.domain.test_schedules_by_clock import climbing


def test_a_draft_is_tried_with_the_gifts_that_came_and_not_twice() -> None:
    """Semantics K3: whether the worker wrote each month down in its time, or three together."""
    made = ladder_rules()
    rules = changed(made, rules=(*made.rules, gift("monthly")), schedules=(MONTHLY,))
    for days in (["2027-02-01"], ["2026-11-30", "2026-12-31", "2027-01-31"]):
        book = diary(MONTHLY, rules=rules, joined="2026-10-30")
        book.bought_at(on("2026-10-31"), "250.00")
        for day in days:
            book.until(on(day))

        tried = tried_on(book, rules)

        assert len(book.gifts()) == 3
        assert tried.before.moved == tried.after.moved
        assert tried.after.moved["points", books.ISSUED] == 250 + 60


def test_a_draft_is_tried_without_following_twice_on_what_the_clock_brought() -> None:
    """Semantics K3: the tier came with an activation that the next purchase wrote down."""
    rules = climbing(changed(status(), pending=Span(days=14)))
    book = diary(MONTHLY, rules=rules, joined="2026-03-01")
    book.bought_at(on("2026-03-10"), "250.00")
    book.now = on("2026-03-30")
    book.keep(book.do(purchase("1.00")).schedules)
    for day in ("2026-04-24", "2026-05-24"):
        book.until(on(day))

    tried = tried_on(book, rules)

    assert len(book.gifts()) == 2
    assert tried.before.moved == tried.after.moved


def test_a_draft_is_tried_with_all_that_one_settling_brought() -> None:
    """Semantics K2, K3: two gifts of April come before what follows on the fall of June, written down with them."""
    fell = Schedule("fell", After(Follows.TIER, Span(days=27), "bronze"))
    missed = Schedule("missed", After(Follows.PURCHASE, Span(days=20)))
    month = Period(Every.MONTH)
    rules = make_rules(
        rate(unit="credits"),
        gift("fell", points=3),
        gift("missed", points=5),
        units=(unit(), status(month)),
        ladders=(ladder(("silver", 200), unit="credits", review=AtEndOf(month)),),
        schedules=(fell, missed),
    )
    book = diary(fell, rules=rules, joined="2026-01-20")
    book.bought_at(on("2026-02-10"), "250.00")
    book.bought_at(on("2026-04-05"), "250.00")
    book.until(on("2026-07-01"))

    tried = tried_on(book, rules)

    assert [(one.month, one.day) for one in book.gifts()] == [(3, 2), (4, 25), (4, 27), (6, 27)]
    assert tried.before.given == tried.after.given
    assert tried.before.moved == tried.after.moved
    assert wrong(book) == []


def test_a_draft_is_tried_with_what_follows_on_tiers_that_only_it_brings() -> None:
    """Semantics K3: with silver from 100 on, the months of it are what the draft would cost."""
    rules = climbing()
    book = diary(MONTHLY, rules=rules, joined="2026-03-01")
    book.bought_at(on("2026-03-10"), "150.00")
    book.until(on("2026-06-01"))
    lower = ladder(("silver", 100), ("gold", 500), unit="credits", review=AtEndOf(YEAR))

    tried = tried_on(book, changed(rules, ladders=(lower,)), under=rules)

    assert ("points", books.ISSUED) not in tried.before.moved
    assert tried.after.moved["points", books.ISSUED] == 2 * 20


def test_a_draft_is_tried_with_what_was_armed_before_its_period() -> None:
    """Semantics K3: of five months of silver the last three lie in the period."""
    rules = climbing()
    book = diary(MONTHLY, rules=rules, joined="2026-03-01")
    book.bought_at(on("2026-03-10"), "250.00")
    for day in ("2026-04-11", "2026-08-20"):
        book.until(on(day))

    tried = tried_on(book, rules, since=on("2026-06-01"))

    assert len(book.gifts()) == 5
    assert tried.before.moved == tried.after.moved
    assert tried.after.moved["points", books.ISSUED] == 3 * 20


def test_a_draft_is_tried_with_what_follows_on_joining_after_the_purchase_that_brought_it() -> None:
    """Semantics M1, A5: of 25 points a month the late purchase took its 20 first, and the welcome what was left."""
    room = Cap("unit:points", Per.MEMBER, points=25, within=Within(Period(Every.MONTH)))
    rules = make_rules(rate(), gift("welcome-3"), units=(unit(caps=(room,)),), schedules=(WELCOME,))
    book = Diary(rules, now=on("2026-03-26"), state=MemberState(id=ANNA))
    bought = command(purchase("20.00"), member=Reference(None, card()), at=on("2026-03-16"))
    book.keep(book.do(bought).schedules)
    book.until(on("2026-04-10"))

    tried = tried_on(book, rules)

    assert tried.before.given["base", "points"] == 20_000_000
    assert tried.before.given == tried.after.given


def test_a_draft_is_tried_with_each_milestone_that_was_taken_back() -> None:
    """Semantics A9, R5: of two full cards the second is opened again with its coffees."""
    book = member(card_rules())
    for _ in range(2):
        bought = book.bought(purchase(None, line("7.00", quantity="7")))
    book.do(Cancellation(Named(bought.id)))

    tried = tried_on(book, card_rules())

    assert tried.before.rewards == {"coffee": 1}
    assert tried.before.rewards == tried.after.rewards
    assert tried.before.moved == tried.after.moved


def test_a_draft_is_tried_with_what_others_left_under_caps_over_all_members() -> None:
    """Semantics A5: of 25 points for everybody others had 15, so that 10 were left."""
    rules = make_rules(rate(caps=(cap("rule:base", 25, per=Per.PROGRAM),)))
    other = member(rules)
    other.do(purchase("15.00"))
    book = Books(rules, state=MemberState(id=ANNA, shared=other.state.shared))
    book.do(Enrolment())
    book.do(purchase("20.00"))

    tried = tried_on(book, rules)

    assert tried.before.moved["points", books.ISSUED] == 10
    assert tried.before.moved == tried.after.moved


def test_a_fall_that_was_written_down_in_the_period_is_known_at_its_end() -> None:
    """Semantics T3: silver ended with 2027, which the worker wrote down on 20 January; tried from the 10th on."""
    book = diary(MONTHLY, rules=climbing(), joined="2026-03-01")
    book.bought_at(on("2026-03-10"), "250.00")
    book.until(on("2027-12-20"))
    book.until(on("2028-01-20"))

    tried = tried_on(book, climbing(), since=on("2028-01-10"))

    assert tried.before.tiers == tried.after.tiers == {"status": "bronze"}


def tried_on(book: Books, rules: Rules, *, under: Rules | None = None, since: datetime | None = None) -> Tried:
    """The rules tried on what happened under them, or `under` others."""
    day = timedelta(days=1)
    first = since or min(one.recorded.effective_at for one in book.posted) - day
    draft = changed(rules, version=2, in_force_from=first)
    trial = Trial(PROGRAM, Versions((under or rules,)), draft, first, book.now + day)
    tried = Tried(ANNA)
    for _ in trying(ANNA, [StoredEvent(one.recorded) for one in book.posted], trial, tried):
        pass
    return tried
