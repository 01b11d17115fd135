"""Tiers that are given: by a person, a rule, a plan that is bought (semantics T4, T7, A10)."""

from typing import Any

import pytest

from app.domain import tiers
from app.domain.calendar import Span
from app.domain.commands import Activity, Cancellation, Line, Named, Purchase, ReturnedLine, TierFloor
from app.domain.events import Decision
from app.domain.ladders import AtEndOf, Ladder, Tier
from app.domain.refusals import NoTierFloor, UnknownTier, UntilPassed
from app.domain.rules import Promoted, Rules
from tests.domain.builders import (
    Books,
    accepted,
    back,
    command,
    cover,
    fixed,
    kinds,
    ladder,
    make_rules,
    on,
    purchase,
    rate,
    rule,
    told,
    unit,
    wrong,
)
from tests.domain.climbing import YEAR, books, buy, held, settle, status, term

CLUB = Ladder("club", (), (Tier("free", "Free", None), Tier("plus", "Plus", None)))


def plan(lasts: Span | None = Span(12), **more: Any) -> Any:
    """A rule by which a bought line gives a tier."""
    gives = Promoted(more.pop("on", "club"), more.pop("tier", "plus"), lasts=lasts, until=more.pop("until", None))
    return rule(gives, code="plan", unit="", include=cover("plan"), **more)


def rules(*more: Any, **terms: Any) -> Rules:
    """A point a euro, a club that is bought for a year, silver and gold on the credits of a year."""
    return make_rules(
        rate(),
        rate("1", code="credits", unit="credits"),
        *(more or (plan(),)),
        units=(unit(), status()),
        ladders=(CLUB, ladder(("silver", 200), ("gold", 500), unit="credits", **({"review": AtEndOf(YEAR)} | terms))),
    )


def buy_plan(made: Books, day: str, *, recorded: str | None = None) -> Decision:
    """The plan for 30.00, and a coffee."""
    made.now = max(made.now, on(recorded or day))
    lines = ({"id": "plan", "amount": 30_00, "categories": ("plan",)}, {"id": "coffee", "amount": 4_00})
    return made.do(command(basket(*lines), at=on(day)))


def basket(*lines: Any) -> Purchase:
    """A purchase of these lines."""
    made = tuple(Line(**line) for line in lines)
    return Purchase("EUR", sum(line.amount for line in made), made)


def give(made: Books, tier: str | None, *, until: str | None = None, **more: Any) -> Decision:
    """What a person sets by hand."""
    ends = None if until is None else on(until, "00:00")
    return made.do(TierFloor(tier, "status_match", "ada", until=ends, **more))


class TestPlans:
    """Semantics T7: a bought line gives a tier until an instant."""

    def test_a_plan_lasts_for_its_year_and_its_last_day_counts_whole(self) -> None:
        made = books(rules())

        decision = buy_plan(made, "2026-03-10")

        assert accepted(decision).recorded.tier_changes == (("club", "free", "plus"),)
        assert made.state.tiers_due_at == on("2027-03-11", "00:00")
        settle(made, "2027-03-10")
        ended = settle(made, "2027-03-11")
        assert (kinds(ended), told(ended)[0][0]) == (["tier_review"], "tier.downgraded")
        assert (held(made), made.state.floors) == ("free", ())
        assert wrong(made) == []

    def test_bought_again_it_runs_on_from_its_end(self) -> None:
        made = books(rules())
        buy_plan(made, "2026-03-10")

        buy_plan(made, "2026-06-01")

        assert made.state.tiers_due_at == on("2028-03-11", "00:00")
        settle(made, "2027-03-11")
        assert held(made) == "plus"
        settle(made, "2028-03-11")
        assert held(made) == "free"
        assert wrong(made) == []

    def test_bought_again_after_its_end_it_begins_anew(self) -> None:
        made = books(rules())
        buy_plan(made, "2026-03-10")

        decision = buy_plan(made, "2027-05-01")

        assert kinds(decision)[-1] == "purchase"
        assert [change for one in decision.events for change in one.recorded.tier_changes] == [
            ("club", "plus", "free"),
            ("club", "free", "plus"),
        ]
        assert made.state.tiers_due_at == on("2028-05-02", "00:00")

    def test_its_return_ends_it(self) -> None:
        made = books(rules())
        bought = accepted(buy_plan(made, "2026-03-10")).recorded

        made.now = on("2026-03-20")
        decision = made.do(back(bought))

        assert accepted(decision).recorded.tier_changes == (("club", "plus", "free"),)
        assert (made.state.floors, made.state.tiers_due_at) == ((), None)
        assert wrong(made) == []

    def test_a_return_of_something_else_leaves_it(self) -> None:
        made = books(rules())
        bought = accepted(buy_plan(made, "2026-03-10")).recorded

        made.do(back(bought, ReturnedLine("coffee")))
        assert held(made) == "plus"
        made.do(back(bought, ReturnedLine("plan")))

        assert held(made) == "free"
        assert wrong(made) == []

    @pytest.mark.parametrize(("which", "ends"), [(0, "2027-06-02"), (1, "2027-03-11")])
    def test_returning_one_of_two_leaves_the_year_of_the_other(self, which: int, ends: str) -> None:
        """As if that one had never been bought: the other counts from its own day."""
        made = books(rules())
        bought = [accepted(buy_plan(made, day)).recorded for day in ("2026-03-10", "2026-06-01")]

        made.do(back(bought[which]))

        assert (held(made), made.state.tiers_due_at) == ("plus", on(ends, "00:00"))
        assert wrong(made) == []

    def test_returning_the_first_after_the_second_year_is_over_ends_it_at_once(self) -> None:
        made = books(rules())
        bought = accepted(buy_plan(made, "2026-03-10")).recorded
        buy_plan(made, "2026-06-01")
        settle(made, "2027-09-01")

        decision = made.do(back(bought))

        assert accepted(decision).recorded.tier_changes == (("club", "plus", "free"),)
        assert wrong(made) == []

    def test_a_trial_until_a_date_gives_nothing_once_it_is_over(self) -> None:
        made = books(rules(plan(None, until=on("2026-07-01", "00:00"))))
        buy_plan(made, "2026-06-01")
        assert (held(made), made.state.tiers_due_at) == ("plus", on("2026-07-01", "00:00"))

        settle(made, "2026-07-01")
        buy_plan(made, "2026-07-02")

        assert (held(made), made.state.floors) == ("free", ())
        assert wrong(made) == []

    def test_an_activity_gives_one_too_and_its_cancellation_ends_it(self) -> None:
        """Semantics A10, E6."""
        survey = rule(Promoted("club", "plus", lasts=Span(1)), code="survey", unit="", kind="activity")
        made = books(rules(survey))
        done = accepted(made.do(Activity("survey"))).recorded
        assert held(made) == "plus"

        made.do(Cancellation(Named(done.id)))

        assert (held(made), made.state.floors) == ("free", ())
        assert wrong(made) == []

    def test_a_month_from_31_january_ends_with_february(self) -> None:
        """Months are clamped, also in a leap year; what runs on counts from there."""
        made = books(rules(plan(Span(1))), joined="2027-12-01")
        buy_plan(made, "2028-01-31")
        assert made.state.tiers_due_at == on("2028-03-01", "00:00")

        buy_plan(made, "2028-02-10")

        assert made.state.tiers_due_at == on("2028-03-30", "00:00")

    def test_what_it_gives_is_a_floor_and_what_is_earned_goes_on_beneath_it(self) -> None:
        """Gold given for three months: silver earned meanwhile is what is left, with its own review."""
        made = books(rules(plan(Span(3), on="status", tier="gold")))
        buy_plan(made, "2026-03-10")
        buy(made, "200.00", "2026-04-10")
        assert (held(made, 1), term(made).earned) == ("gold", "silver")

        settle(made, "2026-06-11")

        assert (held(made, 1), term(made).since) == ("silver", on("2026-06-11", "00:00"))
        assert term(made).review_at == on("2027-01-01", "00:00")
        settle(made, "2028-01-01")
        assert held(made, 1) == "bronze"
        assert wrong(made) == []

    def test_a_review_beneath_a_floor_costs_nothing_that_is_seen(self) -> None:
        made = books(rules(plan(Span(36), on="status", tier="gold")))
        buy(made, "200.00", "2026-03-01")
        buy_plan(made, "2026-03-10")

        seen = [name for year in (2027, 2028) for name, _ in told(settle(made, f"{year}-01-01"))]

        assert seen == ["points.expired"]
        assert (held(made, 1), term(made).earned) == ("gold", "bronze")
        settle(made, "2029-03-11")
        assert held(made, 1) == "bronze"
        assert wrong(made) == []


class TestByHand:
    """Semantics T4."""

    def test_a_status_match_holds_until_its_date_and_no_longer(self) -> None:
        made = books(rules())

        given = give(made, "gold", until="2026-07-01")

        assert told(given) == [
            ("tier.upgraded", told(given)[0][1] | {"ladder": "status", "before": "bronze", "tier": "gold"})
        ]
        settle(made, "2026-06-30")
        assert held(made, 1) == "gold"
        settle(made, "2026-07-01")
        assert held(made, 1) == "bronze"
        assert wrong(made) == []

    def test_without_a_date_it_holds_until_it_is_removed(self) -> None:
        made = books(rules())
        give(made, "gold")
        settle(made, "2031-01-01")
        assert (held(made, 1), made.state.tiers_due_at) == ("gold", None)

        removed = give(made, None, ladder="status")

        assert accepted(removed).recorded.tier_changes == (("status", "gold", "bronze"),)
        assert made.state.floors == ()
        assert wrong(made) == []

    def test_another_one_stands_in_its_place(self) -> None:
        made = books(rules())
        give(made, "gold", until="2027-01-01")

        lowered = give(made, "silver", until="2026-07-01")

        assert accepted(lowered).recorded.tier_changes == (("status", "gold", "silver"),)
        assert [one.tier for one in made.state.floors] == ["silver"]
        assert wrong(made) == []

    def test_no_return_goes_below_it(self) -> None:
        """Semantics T5: what is earned falls beneath the floor."""
        made = books(rules())
        bought = accepted(buy(made, "600.00", "2026-03-01")).recorded
        give(made, "silver")

        made.do(back(bought))

        assert held(made, 1) == "silver"
        give(made, None, ladder="status")
        assert held(made, 1) == "bronze"
        assert wrong(made) == []

    def test_it_counts_from_the_next_event(self) -> None:
        """Semantics A6."""
        made = books(rules())
        give(made, "gold")

        decision = made.do(purchase("10.00"))

        assert b'"status":"gold"' in accepted(decision).recorded.content

    def test_its_end_is_told_ahead(self) -> None:
        made = books(rules(notice=Span(days=14)))
        give(made, "gold", until="2026-07-01")

        noticed = settle(made, "2026-06-17")

        ((name, said),) = told(noticed)
        assert (name, said["tier"], said["next"]) == ("tier.expiring", "gold", "bronze")
        assert wrong(made) == []

    @pytest.mark.parametrize(
        ("asked", "refusal"),
        [
            (TierFloor("platinum", "x", "ada"), UnknownTier),
            (TierFloor("bronze", "x", "ada"), UnknownTier),
            (TierFloor("gold", "x", "ada", ladder="club"), UnknownTier),
            (TierFloor(None, "x", "ada"), UnknownTier),
            (TierFloor(None, "x", "ada", ladder="status"), NoTierFloor),
            (TierFloor("gold", "x", "ada", until=on("2026-01-01")), UntilPassed),
        ],
    )
    def test_what_cannot_be_set_is_refused(self, asked: TierFloor, refusal: type) -> None:
        made = books(rules())
        made.now = on("2026-02-01")

        assert isinstance(made.do(asked).refusal, refusal)

    def test_a_reader_sees_that_it_was_given_and_until_when(self) -> None:
        """Semantics T6."""
        made = books(rules())
        give(made, "gold", until="2026-07-01")

        standing = tiers.standing(made.state.accounts, made.state.tiers, rules().ladders[1], given=made.state.floors)

        assert (standing.given, standing.given_until) == (True, on("2026-07-01", "00:00"))


def test_two_rules_may_give_tiers_of_one_ladder_in_one_event() -> None:
    """Semantics T7: the higher one holds until its end, then the other."""
    high = rule(Promoted("status", "gold", lasts=Span(1)), code="high", unit="", include=cover("plan"))
    low = rule(Promoted("status", "silver", lasts=Span(3)), code="low", unit="", include=cover("plan"))
    made = books(rules(high, low, fixed(1, code="x")))
    buy_plan(made, "2026-03-10")
    assert held(made, 1) == "gold"

    settle(made, "2026-04-11")
    assert held(made, 1) == "silver"
    settle(made, "2026-06-11")

    assert held(made, 1) == "bronze"
    assert wrong(made) == []
