"""What follows on tiers that members reach without doing anything, and on joining by buying (semantics K3, K2)."""

from datetime import timedelta

from app.domain.calendar import Span
from app.domain.commands import Mode, Reference
from app.domain.ladders import AtEndOf, Ladder, Tier
from app.domain.rules import After, Follows, Milestone, Promoted, Rules, Schedule
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    NOW,
    card,
    changed,
    command,
    decide,
    kinds,
    ladder,
    make_rules,
    on,
    purchase,
    rate,
    rule,
    unit,
    wrong,
)
from tests.domain.climbing import YEAR, status
from tests.domain.test_schedules import MONTHLY, WELCOME, Diary, diary, gift, rules_with

CLUB = Ladder("club", (), (Tier("free", "Free", None), Tier("plus", "Plus", None)))


def climbing(credits: object = None) -> Rules:
    """A credit a euro, silver from 200 and gold from 500 of a year, and a gift for each month of silver."""
    return make_rules(
        rate(unit="credits"),
        gift("monthly"),
        units=(unit(), credits or status()),  # type: ignore[arg-type]
        ladders=(ladder(("silver", 200), ("gold", 500), unit="credits", review=AtEndOf(YEAR)),),
        schedules=(MONTHLY,),
    )


def late(made: Diary, total: str, day: str, *, recorded: str) -> None:
    """A purchase of a day that is told of later."""
    made.until(on(recorded))
    made.keep(made.do(command(purchase(total), at=on(day))).schedules)


def test_who_joins_by_buying_is_welcomed_as_well() -> None:
    """Semantics M1, K3: two events, and what follows on each."""
    asked = command(purchase("10.00"), member=Reference(None, card()))

    decision = decide(MemberState(id=ANNA), asked, rules=rules_with(WELCOME))

    assert kinds(decision) == ["enrolment", "purchase"]
    assert [row.due_at for row in decision.schedules] == [NOW + timedelta(days=3)]


def test_points_that_become_active_bring_a_tier_and_what_follows_on_it() -> None:
    """Semantics L11, K2: credits of 10 March count from the 24th; the worker comes back in July."""
    made = diary(MONTHLY, rules=climbing(changed(status(), pending=Span(days=14))), joined="2026-03-01")
    made.bought_at(on("2026-03-10"), "250.00")

    made.until(on("2026-07-01"))

    began = next(one.recorded for one in made.posted if one.recorded.kind == "activation")
    assert began.tier_changes == (("status", "bronze", "silver"),)
    assert [(one.month, one.day) for one in made.gifts()] == [(4, 24), (5, 24), (6, 24)]
    assert wrong(made) == []


def test_a_tier_that_a_review_lowers_to_is_followed() -> None:
    """Semantics T3: gold in 2026, silver from January 2028 on, a gift each month of it."""
    made = diary(MONTHLY, rules=climbing(), joined="2026-01-01")
    made.bought_at(on("2026-06-01"), "600.00")
    made.bought_at(on("2027-06-01"), "250.00")

    made.until(on("2028-03-15"))

    assert [one.isoformat()[:10] for one in made.gifts()] == ["2028-01-31", "2028-02-29"]  # the midnights of the 1st
    assert wrong(made) == []


def test_a_tier_that_a_late_event_gives_back_goes_on_where_it_was() -> None:
    """Semantics T8: silver since 10 March, lost with 2027 and given back on 20 January: also what was due since."""
    made = diary(MONTHLY, rules=climbing(), joined="2026-01-01")
    made.bought_at(on("2026-03-10"), "250.00")
    made.bought_at(on("2027-03-10"), "150.00")
    made.until(on("2028-01-15"))
    before = len(made.gifts())

    late(made, "60.00", "2027-12-28", recorded="2028-01-20")
    made.until(on("2028-04-01"))

    assert [one.isoformat()[:10] for one in made.gifts()[before:]] == ["2028-01-10", "2028-02-10", "2028-03-10"]
    assert made.gifts()[before - 1] == on("2027-12-10")
    assert wrong(made) == []


def test_a_tier_that_a_schedule_gave_is_followed() -> None:
    """Semantics T7: three days after joining a month of the club, and a gift three days into it."""
    into = Schedule("into", After(Follows.TIER, Span(days=3), "plus"))
    gives = rule(Promoted("club", "plus", lasts=Span(months=1)), code="trial", unit="", kind="scheduled",
                 schedules=["welcome-3"])  # fmt: skip
    rules = make_rules(rate(), gives, gift("into"), schedules=(WELCOME, into), ladders=(CLUB,))
    made = diary(WELCOME, rules=rules, joined="2026-03-01")

    made.until(on("2026-06-01"))

    assert made.gifts() == [on("2026-03-04"), on("2026-03-07")]
    assert made.state.accounts["points"].balance == 20
    assert wrong(made) == []


def test_a_tier_that_a_total_gave_is_followed() -> None:
    """Semantics A9: ten euros spent are a month of the club."""
    into = Schedule("into", After(Follows.TIER, Span(days=3), "plus"))
    ten = Milestone("ten", "points", Promoted("club", "plus", lasts=Span(months=1)), at=(10,))
    rules = make_rules(rate(), gift("into"), schedules=(into,), ladders=(CLUB,), milestones=(ten,))
    made = diary(into, rules=rules, joined="2026-03-01")
    made.bought_at(on("2026-03-02"))

    made.until(on("2026-06-01"))

    assert made.gifts() == [on("2026-03-05")]
    assert wrong(made) == []


def test_what_an_older_engine_settled_followed_on_nothing() -> None:
    """Until engine 2 only events of the member's own armed what follows (architecture §4)."""
    made = diary(MONTHLY, rules=climbing(changed(status(), pending=Span(days=14))), joined="2026-03-01")
    made.engine_number = 2
    made.bought_at(on("2026-03-10"), "250.00")
    made.now = on("2026-04-01")
    made.do(purchase("1.00"))  # settles, as the engine before

    made.until(on("2026-07-01"))

    assert made.gifts() == []
    assert wrong(made) == []


def test_nothing_follows_on_what_the_clock_brought_before_the_end_of_past_history() -> None:
    """Semantics E7: a tier of a past activation is not followed; one of after it is."""
    made = diary(MONTHLY, rules=climbing(changed(status(), pending=Span(days=14))), joined="2026-03-01")
    made.now = on("2026-09-01")
    made.do(command(purchase("250.00"), at=on("2026-03-10"), mode=Mode.HISTORY))

    made.until(on("2026-12-01"))

    assert [one.recorded.kind for one in made.posted][-1] == "activation"
    assert made.gifts() == []
    assert wrong(made) == []
