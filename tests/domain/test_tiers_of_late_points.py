"""Points that had ended before anybody told of them count toward no tier (semantics T1, T2, L10)."""

import pytest

from app.domain.calendar import Span
from app.domain.ladders import AT_ONCE, After, Review
from app.domain.rules import Rules
from app.domain.units import ExpiresAfter, Unit
from tests.domain.builders import Books, kinds, ladder, make_rules, rate, unit, wrong
from tests.domain.climbing import books, buy, held, settle

TEN = ExpiresAfter(Span(days=10))
REVIEWS = [AT_ONCE, None, After(Span(months=6))]


def brief(review: Review | None) -> Rules:
    """A point and a credit a euro: points last five days, credits ten, and 200 of them are silver."""
    return make_rules(
        rate(),
        rate(code="credits", unit="credits"),
        units=(unit(expires="P5D"), Unit("credits", "Credits", spendable=False, expiry=TEN)),
        ladders=(ladder(("silver", 200), unit="credits", review=review),),
    )


def told_late(review: Review | None, *, engine: int | None = None) -> Books:
    """A purchase of 1 June that is told on the 20th."""
    made = books(brief(review), joined="2026-05-01")
    made.engine_number = engine or made.engine_number
    buy(made, "250.00", "2026-06-01", recorded="2026-06-20")
    return made


@pytest.mark.parametrize("review", REVIEWS)
def test_points_that_ended_before_they_came_lift_to_no_tier_between_their_ends(review: Review | None) -> None:
    """Semantics T2: the points ended on 6 June, and the credits on the 11th; neither was ever active."""
    made = told_late(review)

    assert [one.recorded.kind for one in made.posted] == ["enrolment", "purchase", "expiry", "expiry"]
    assert [one.recorded.tier_changes for one in made.posted] == [()] * 4
    assert held(made) == "bronze"
    assert wrong(made) == []


def test_points_that_ended_before_they_came_keep_nobody_on_a_tier() -> None:
    """Semantics T3: silver by the credits of 25 May until 5 June, whatever is told on the 20th."""
    made = books(brief(AT_ONCE), joined="2026-05-01")
    buy(made, "250.00", "2026-05-25")
    settle(made, "2026-06-10")

    decision = buy(made, "250.00", "2026-06-01", recorded="2026-06-20")

    assert kinds(decision) == ["purchase", "expiry", "expiry"]
    assert all(not one.recorded.tier_changes for one in decision.events)
    assert held(made) == "bronze"
    assert wrong(made) == []


def test_what_an_older_engine_lifted_between_the_ends_still_proves_itself() -> None:
    """Until engine 2 the end of points looked at what had been active by its instant (architecture §4)."""
    made = told_late(AT_ONCE, engine=2)

    assert [one.recorded.tier_changes for one in made.posted][-2:] == [
        (("status", "bronze", "silver"),),
        (("status", "silver", "bronze"),),
    ]
    assert wrong(made) == []
