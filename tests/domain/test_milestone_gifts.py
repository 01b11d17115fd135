"""Tags and tiers that totals bring, and that go with what brought them (semantics A9, A10, T7)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import Every, Period, Span
from app.domain.commands import Activity, Cancellation, Enrolment, Named
from app.domain.events import Recorded
from app.domain.ladders import AtEndOf, Ladder, Tier
from app.domain.periods import Within
from app.domain.rules import Gift, Milestone, Promoted, Rules, Tagged
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    NOW,
    Books,
    accepted,
    back,
    cents,
    end_of,
    fixed,
    ladder,
    make_rules,
    purchase,
    rate,
    unit,
    wrong,
)

SPENT = unit("spent", decimals=2, spendable=False)
CLUB = Ladder("club", (), (Tier("free", "Free", None), Tier("plus", "Plus", None)))
REGULAR = Tagged("regular", Span(days=30))
PLUS = Promoted("club", "plus", lasts=Span(months=1))


def every_hundred(gives: Gift | tuple[str, int], **more: Any) -> Milestone:
    """Something for every 100.00 spent."""
    return Milestone("hundred", "spent", gives, **({"every": 100_00} | more))


def member(milestone: Milestone, *ladders: Ladder, **more: Any) -> Books:
    """Somebody who has just joined, where what is spent counts."""
    counted = (rate(unit="spent", give="100"), fixed(100_00, unit="spent", kind="activity", code="visit"))
    units = (unit(), SPENT, unit("stars", spendable=False))
    rules: Rules = make_rules(*counted, units=units, milestones=(milestone,), ladders=ladders or (CLUB,), **more)
    made = Books(rules, state=MemberState(id=ANNA))
    made.do(Enrolment())
    return made


def tags(made: Books) -> list[str]:
    return [one.tag for one in made.state.tags]


def held(made: Books, of: str = "club", first: str = "free") -> str:
    mine = [term for term in made.state.tiers if term.ladder == of]
    return mine[-1].tier if mine else first


def test_a_total_brings_a_tag_which_goes_with_the_goods() -> None:
    """30 days from the day on which 100.00 was spent; 40.00 of it comes back."""
    made = member(every_hundred(REGULAR))
    made.do(purchase("70.00"))
    assert tags(made) == []

    bought = made.bought(purchase("50.00"))
    (tag,) = made.state.tags
    reached = made.posted[-1].recorded
    assert (tag.tag, tag.since, tag.until) == ("regular", NOW, end_of("2026-12-21"))
    assert reached.steps == (("hundred", "", "tag", "regular"),)

    made.do(back(bought, amount=cents("40.00"), currency="EUR"))

    assert tags(made) == []
    assert made.posted[-1].recorded.steps == (("hundred", "", "tag_taken", "regular"),)
    assert wrong(made) == []


def test_a_total_brings_a_tier_which_goes_with_the_goods() -> None:
    """A month of the club from 100.00 spent on."""
    made = member(every_hundred(PLUS))
    bought = made.bought(purchase("120.00"))
    reached = made.posted[-1].recorded

    assert reached.kind == "milestone"
    assert reached.tier_changes == (("club", "free", "plus"),)
    assert [floor.ends_at for floor in made.state.floors] == [end_of("2026-12-21")]

    made.do(back(bought, amount=cents("40.00"), currency="EUR"))

    assert made.state.floors == ()
    assert held(made) == "free"
    assert made.posted[-1].recorded.tier_changes == (("club", "plus", "free"),)
    assert wrong(made) == []


def test_a_tier_that_totals_bring_again_runs_on_and_back() -> None:
    """Semantics T7: 250.00 is two months; 60.00 less leaves one; nothing of it leaves none."""
    made = member(every_hundred(PLUS))
    bought = made.bought(purchase("250.00"))
    assert [floor.ends_at for floor in made.state.floors] == [end_of("2026-12-21"), end_of("2027-01-21")]

    made.do(back(bought, amount=cents("60.00"), currency="EUR"))
    assert [floor.ends_at for floor in made.state.floors] == [end_of("2026-12-21")]
    assert held(made) == "plus"

    made.do(back(bought))
    assert held(made) == "free"
    assert wrong(made) == []


def test_a_tier_that_a_total_brought_ends_by_the_clock() -> None:
    """Semantics T7, K2: at the end of its last day."""
    made = member(every_hundred(PLUS))
    made.do(purchase("120.00"))

    made.now = end_of("2026-12-21")
    made.settle()

    assert held(made) == "free"
    assert wrong(made) == []


def test_a_canceled_activity_takes_what_its_total_brought() -> None:
    """Semantics E6: as if it had not been."""
    made = member(every_hundred(PLUS))
    visited = accepted(made.do(Activity("visit"))).recorded
    assert held(made) == "plus"

    made.do(Cancellation(Named(visited.id)))

    assert held(made) == "free"
    assert made.state.floors == ()
    assert wrong(made) == []


def test_a_return_of_an_earlier_period_takes_what_that_brought() -> None:
    """Semantics A9: a total of each month; what November brought goes, what December did stays."""
    month = Within(Period(Every.MONTH))
    made = member(every_hundred(REGULAR, within=month))
    bought = made.bought(purchase("120.00"))
    made.now = end_of("2026-12-02")
    made.do(purchase("130.00"))
    assert len(made.state.tags) == 2

    made.do(back(bought))

    assert [one.since for one in made.state.tags] == [made.now]
    assert wrong(made) == []


def test_status_that_a_total_brought_costs_its_tier_when_it_goes() -> None:
    """Semantics T5: a star for every 100.00, silver from two on; after a return one star is left."""
    stars = ladder(("silver", 2), unit="stars", review=AtEndOf(Period(Every.YEAR)))
    made = member(every_hundred(("stars", 1)), stars)
    bought = made.bought(purchase("220.00"))
    assert held(made, "status", "bronze") == "silver"

    made.do(back(bought, amount=cents("40.00"), currency="EUR"))

    assert held(made, "status", "bronze") == "bronze"
    assert wrong(made) == []


def test_what_an_older_engine_took_back_cost_no_tier() -> None:
    """Until engine 2 a star that went left the tier that it had reached (architecture §4)."""
    stars = ladder(("silver", 2), unit="stars", review=AtEndOf(Period(Every.YEAR)))
    made = member(every_hundred(("stars", 1)), stars)
    made.engine_number = 2
    bought = made.bought(purchase("220.00"))

    made.do(back(bought, amount=cents("40.00"), currency="EUR"))

    assert held(made, "status", "bronze") == "silver"
    assert wrong(made) == []


@given(st.lists(st.tuples(st.integers(1, 350), st.integers(0, 5), st.booleans()), max_size=10))
def test_as_many_tags_and_months_stand_as_the_total_that_stands_asks_for(steps: Any) -> None:
    """Semantics A9, R5: after any purchases and returns, in part or whole."""
    for gives in (REGULAR, PLUS):
        made = member(every_hundred(gives))
        bought: list[tuple[Recorded, int]] = []
        for euros, which, returning in steps:
            if returning and bought:
                event, left = bought.pop(which % len(bought))
                made.do(back(event, amount=min(euros, left) * 100, currency="EUR"))
                if left > euros:
                    bought.append((event, left - euros))
            else:
                bought.append((made.bought(purchase(f"{euros}.00")), euros))
            standing = sum(left for _, left in bought) // 100
            assert len(made.state.tags) + len(made.state.floors) == standing
        assert wrong(made) == []
