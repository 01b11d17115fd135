"""Tiers that are looked at again by the clock: renewed, lowered, kept for a grace, told ahead (semantics T1–T6, T8)."""

import json
from datetime import timedelta
from typing import Any

import pytest

from app.domain import tiers
from app.domain.calendar import Every, Period, Span
from app.domain.commands import Adjustment, OpenedTier, OpenedTotal, Opening
from app.domain.ladders import AT_ONCE, After, AtEndOf, Fall, Join, Ladder, Tier
from app.domain.rules import Rules, Versions
from app.domain.units import ExpiresAfter, Unit
from tests.domain.builders import (
    SPENT,
    Books,
    accepted,
    back,
    changed,
    command,
    fixed,
    kinds,
    ladder,
    make_rules,
    on,
    rate,
    told,
    unit,
    wrong,
)
from tests.domain.climbing import MARCH, MINE, YEAR, books, buy, held, later_version, program, settle, status, term


class TestReviews:
    """Semantics T3."""

    def test_a_tier_is_kept_to_the_end_of_the_period_and_falls_then_to_what_is_met(self) -> None:
        """Gold in 2026, nothing in 2027: the credits of 2026 decide on 1 January 2027, those of 2027 a year later."""
        made = books(program())
        buy(made, "600.00", "2026-05-10")

        renewed = settle(made, "2027-01-01")

        assert kinds(renewed) == ["tier_review", "expiry"]
        assert held(made) == "gold"
        assert told(renewed)[0][0] == "tier.renewed"
        assert told(renewed)[0][1]["review_at"] == "2027-12-31T23:00:00Z"

        fallen = settle(made, "2028-01-01")

        assert kinds(fallen) == ["tier_review"]
        assert [name for name, _ in told(fallen)] == ["tier.downgraded"]
        assert (held(made), made.state.tiers_due_at) == ("bronze", None)
        assert wrong(made) == []

    def test_what_qualifies_is_counted_before_what_ends_at_that_instant(self) -> None:
        """Semantics T3: exactly the credits that end with the period keep the tier for the next one."""
        made = books(program(("silver", 200)))
        buy(made, "200.00", "2026-12-31")

        settle(made, "2027-01-01")

        assert held(made) == "silver"
        assert made.state.accounts["credits"].active == 0

    def test_one_credit_less_is_a_fall(self) -> None:
        made = books(program(("silver", 200)))
        buy(made, "200.00", "2026-06-01")
        settle(made, "2027-01-01")
        buy(made, "199.00", "2027-06-01")

        settle(made, "2028-01-01")

        assert held(made) == "bronze"
        assert wrong(made) == []

    def test_down_one_step_only_where_the_program_says_so(self) -> None:
        made = books(program(("silver", 200), ("gold", 500), ("platinum", 900), fall=Fall.ONE_STEP))
        buy(made, "900.00", "2026-06-01")

        tiers_held = []
        for year in (2027, 2028, 2029, 2030, 2031):
            settle(made, f"{year}-01-01")
            tiers_held.append(held(made))

        assert tiers_held == ["platinum", "gold", "silver", "bronze", "bronze"]
        assert wrong(made) == []

    def test_one_step_down_is_never_below_what_is_met(self) -> None:
        made = books(program(("silver", 200), ("gold", 500), ("platinum", 900), fall=Fall.ONE_STEP))
        buy(made, "900.00", "2026-06-01")
        settle(made, "2027-01-01")
        buy(made, "300.00", "2027-06-01")

        settle(made, "2028-01-01")

        assert held(made) == "gold"

    def test_a_higher_tier_restarts_the_clock(self) -> None:
        """Twelve months from silver in March, then twelve from gold in June; the last day counts whole."""
        made = books(program(credits=Unit("credits", "C", spendable=False), review=After(Span(12))))
        buy(made, "200.00", "2026-03-10")
        assert term(made).review_at == on("2027-03-11", "00:00")

        buy(made, "300.00", "2026-06-20")

        assert term(made).review_at == on("2027-06-21", "00:00")
        settle(made, "2027-03-11")
        assert [one.tier for one in made.state.tiers] == ["silver", "gold"]

    def test_each_review_starts_a_new_term_without_drifting_by_a_day(self) -> None:
        """Twelve months after 29 February end on 28 February, for as often as they are renewed."""
        made = books(
            program(credits=Unit("credits", "C", spendable=False), review=After(Span(12))), joined="2027-12-01"
        )
        buy(made, "200.00", "2028-02-29")

        ends = []
        for _ in range(3):
            ends.append(term(made).review_at)
            assert ends[-1] is not None
            made.now = ends[-1]
            made.settle()

        assert ends == [on("2029-03-01", "00:00"), on("2030-03-01", "00:00"), on("2031-03-01", "00:00")]
        assert wrong(made) == []

    def test_a_tier_may_last_to_the_end_of_the_next_period(self) -> None:
        """Reached in May 2026, kept to the end of 2027, reviewed then by the credits of 2027 alone."""
        made = books(program(review=AtEndOf(YEAR, later=1)))
        buy(made, "250.00", "2026-05-10")

        assert term(made).review_at == on("2028-01-01", "00:00")
        settle(made, "2027-01-01")
        assert held(made) == "silver"
        buy(made, "220.00", "2027-05-10")
        settle(made, "2028-01-01")

        assert (held(made), term(made).review_at) == ("silver", on("2029-01-01", "00:00"))
        settle(made, "2029-01-01")
        assert held(made) == "bronze"

    def test_a_year_away_catches_up_in_order(self) -> None:
        """Semantics K2: four reviews of quarters, each with what was there then, however late the worker comes."""
        quarter = Period(Every.QUARTER)
        rules = program(credits=status(quarter, later=1), review=AtEndOf(quarter), fall=Fall.ONE_STEP)
        made, seen = books(rules), books(rules)
        for one in (made, seen):
            buy(one, "600.00", "2026-02-10")

        late = settle(made, "2027-02-01")
        for day in ("2026-04-01", "2026-07-01", "2026-10-01", "2027-01-01"):
            settle(seen, day)

        assert kinds(late) == ["tier_review", "tier_review", "expiry", "tier_review", "tier_review"]
        assert [one.recorded.effective_at for one in late.events] == [
            on(day, "00:00") for day in ("2026-04-01", "2026-07-01", "2026-07-01", "2026-10-01", "2027-01-01")
        ]
        assert [(one.tier, one.since) for one in made.state.tiers] == [
            (one.tier, one.since) for one in seen.state.tiers
        ]
        assert held(made) == "bronze"
        assert wrong(made) == [] == wrong(seen)

    def test_an_event_of_the_member_settles_first(self) -> None:
        """Semantics L7: a purchase after the period is judged as silver no longer."""
        made = books(program())
        buy(made, "200.00", "2026-06-01")
        settle(made, "2027-01-01")

        decision = buy(made, "10.00", "2028-01-05")

        assert kinds(decision) == ["tier_review", "purchase"]
        assert decision.own is not None
        assert b'"tiers":{"status":"bronze"}' in decision.own.content

    def test_a_late_event_still_counts_the_tier_of_its_time(self) -> None:
        """Semantics A6: it happened on 30 December, under gold; the fall of 1 January is later."""
        made = books(program())
        buy(made, "600.00", "2026-06-01")
        settle(made, "2027-01-01")
        settle(made, "2028-01-01")

        decision = buy(made, "10.00", "2027-12-30", recorded="2028-01-03")

        assert b'"tiers":{"status":"gold"}' in accepted(decision).recorded.content

    def test_at_once_follows_what_is_met_down_too(self) -> None:
        """Rolling twelve months: silver for as long as 200 were spent in them."""
        rolling = Unit("credits", "C", spendable=False, expiry=ExpiresAfter(Span(12)))
        made = books(program(credits=rolling, review=AT_ONCE))
        buy(made, "150.00", "2026-03-10")
        buy(made, "50.00", "2026-06-10")

        fallen = settle(made, "2027-03-11")

        assert kinds(fallen) == ["expiry"]
        assert (held(made), told(fallen)[-1][0]) == ("bronze", "tier.downgraded")
        assert wrong(made) == []

    def test_settling_again_writes_nothing(self) -> None:
        made = books(program())
        buy(made, "600.00", "2026-06-01")
        settle(made, "2028-01-01")

        assert made.settle().events == ()

    def test_the_key_is_derived_from_the_member_and_their_number(self) -> None:
        """Semantics E2: once, however often it is tried."""
        made = books(program())
        buy(made, "600.00", "2026-06-01")

        (review, _) = settle(made, "2027-01-01").events

        assert review.recorded.key == f"rev:{made.state.id.hex()}:{review.recorded.sequence}"
        assert review.recorded.source == "zegel"

    def test_changed_thresholds_push_nobody_down_before_the_review(self) -> None:
        """Semantics T6: 600 is gold by the rules of 2026, and silver by those of May 2027."""
        raised = program(("silver", 200), ("gold", 1000))
        versions = Versions((program(), later_version(raised, 2, "2026-10-01")))
        made = books(versions)
        buy(made, "600.00", "2026-05-10")

        buy(made, "1.00", "2026-11-10")
        assert held(made) == "gold"
        settle(made, "2027-01-01")

        assert held(made) == "silver"
        assert wrong(made) == []

    def test_a_ladder_that_gets_reviews_later_reviews_who_does_something_then(self) -> None:
        versions = Versions((program(review=None), later_version(program(), 2, "2026-10-01")))
        made = books(versions)
        buy(made, "600.00", "2026-05-10")
        assert made.state.tiers_due_at is None

        buy(made, "1.00", "2026-11-10")

        assert made.state.tiers_due_at == on("2027-01-01", "00:00")
        assert wrong(made) == []

    def test_a_ladder_that_is_gone_is_looked_at_once_more_and_let_be(self) -> None:
        gone = make_rules(rate("1", unit="credits"), units=(status(),))
        made = books(Versions((program(), later_version(gone, 2, "2026-10-01"))))
        buy(made, "600.00", "2026-05-10")

        settle(made, "2027-01-01")

        assert made.state.tiers_due_at is None
        assert wrong(made) == []

    def test_the_clock_of_summer_and_winter_moves_no_review(self) -> None:
        """Days of 23 and 25 hours: a month's tier ends as the month does, by the program's own clock."""
        month = Period(Every.MONTH)
        made = books(program(("silver", 100), credits=status(month), review=AtEndOf(month)), joined="2026-03-01")
        buy(made, "100.00", "2026-03-31")

        assert term(made).review_at == on("2026-04-01", "00:00")
        buy(made, "100.00", "2026-10-25")
        assert (term(made).tier, term(made).review_at) == ("silver", on("2026-11-01", "00:00"))


class TestGrace:
    """Semantics T3: `grace` days optional."""

    def graced(self) -> Books:
        made = books(program(("silver", 200), grace=Span(days=30)))
        buy(made, "200.00", "2026-06-01")
        settle(made, "2027-01-01")
        settle(made, "2028-01-01")
        return made

    def test_a_missed_tier_is_kept_for_so_many_days_and_falls_then(self) -> None:
        made = self.graced()

        assert (held(made), term(made).falls_at) == ("silver", on("2028-01-31", "00:00"))
        assert told_last(made) == ("tier.expiring", "2028-01-30T23:00:00Z")

        fallen = settle(made, "2028-01-31")

        assert (kinds(fallen), held(made)) == (["tier_review"], "bronze")
        assert wrong(made) == []

    def test_it_can_still_be_earned_until_then(self) -> None:
        made = self.graced()
        buy(made, "200.00", "2028-01-20")

        settle(made, "2028-01-31")

        assert (held(made), term(made).review_at) == ("silver", on("2029-01-01", "00:00"))
        assert wrong(made) == []


def told_last(made: Books) -> tuple[str, str]:
    body = json.loads(made.posted[-1].messages[-1].body)
    return body["type"], body["data"]["ends_at"]


class TestNotices:
    """Messages `tier.expiring` (semantics T3)."""

    def test_a_tier_that_will_be_lost_is_told_some_days_ahead(self) -> None:
        made = books(program(notice=Span(days=30)))
        buy(made, "600.00", "2026-06-01")
        settle(made, "2027-01-01")
        buy(made, "250.00", "2027-06-01")

        noticed = settle(made, "2027-12-02")

        assert kinds(noticed) == ["tier_notice"]
        ((name, said),) = told(noticed)
        assert (name, said["tier"], said["next"], said["ends_at"]) == (
            "tier.expiring",
            "gold",
            "silver",
            "2027-12-31T23:00:00Z",
        )
        settle(made, "2028-01-01")
        assert held(made) == "silver"
        assert wrong(made) == []

    def test_a_tier_that_will_be_renewed_is_not(self) -> None:
        made = books(program(notice=Span(days=30)))
        buy(made, "600.00", "2026-06-01")

        assert told(settle(made, "2026-12-02")) == []
        assert wrong(made) == []


class TestReturns:
    """Semantics T5, with reviews."""

    def test_a_return_costs_a_tier_that_was_reached_since_its_last_review(self) -> None:
        made = books(program())
        bought = accepted(buy(made, "250.00", "2026-06-01")).recorded

        decision = made.do(back(bought))

        assert accepted(decision).recorded.tier_changes == (("status", "silver", "bronze"),)
        assert made.state.tiers_due_at is None
        assert wrong(made) == []

    def test_a_tier_that_a_review_renewed_stays_until_the_next(self) -> None:
        """Credits of a lifetime: 250 met silver in January, and only its next review asks again."""
        made = books(program(credits=Unit("credits", "C", spendable=False)))
        bought = accepted(buy(made, "250.00", "2026-06-01")).recorded
        settle(made, "2027-01-01")

        made.now = on("2027-02-01")
        made.do(back(bought))
        assert held(made) == "silver"
        settle(made, "2028-01-01")

        assert held(made) == "bronze"
        assert wrong(made) == []

    def test_it_falls_no_lower_than_what_the_last_review_left(self) -> None:
        made = books(program(credits=Unit("credits", "C", spendable=False)))
        first = accepted(buy(made, "250.00", "2026-06-01")).recorded
        settle(made, "2027-01-01")
        second = accepted(buy(made, "400.00", "2027-03-01")).recorded
        assert held(made) == "gold"

        made.do(back(first))
        made.do(back(second))

        assert held(made) == "silver"
        assert wrong(made) == []


THREE_TIERS = changed(
    program(("silver", 200), ("gold", 500), ("platinum", 900), fall=Fall.ONE_STEP), late=timedelta(days=800)
)


class TestLate:
    """Semantics T8."""

    def fallen(self) -> Books:
        """Gold from 2026, 450 of the 500 needed in 2027: silver from January 2028."""
        made = books(program())
        buy(made, "600.00", "2026-06-01")
        settle(made, "2027-01-01")
        buy(made, "450.00", "2027-06-01")
        settle(made, "2028-01-01")
        assert held(made) == "silver"
        return made

    def test_a_late_event_that_would_have_met_what_was_missed_undoes_the_fall(self) -> None:
        made = self.fallen()

        decision = buy(made, "60.00", "2027-12-28", recorded="2028-01-10")

        assert kinds(decision) == ["purchase", "tier_review", "expiry"]
        assert (held(made), term(made).since) == ("gold", on("2026-06-01"))
        assert term(made).review_at == on("2029-01-01", "00:00")
        assert decision.events[1].recorded.tier_changes == (("status", "silver", "gold"),)
        assert wrong(made) == []

    def test_several_late_events_count_together(self) -> None:
        made = self.fallen()

        first = buy(made, "30.00", "2027-12-28", recorded="2028-01-10")
        second = buy(made, "20.00", "2027-12-29", recorded="2028-01-11")

        assert [kinds(one) for one in (first, second)] == [
            ["purchase", "expiry"],
            ["purchase", "tier_review", "expiry"],
        ]
        assert held(made) == "gold"
        assert wrong(made) == []

    def test_what_happened_after_the_review_undoes_nothing(self) -> None:
        made = self.fallen()

        buy(made, "60.00", "2028-01-02")

        assert held(made) == "silver"

    def test_a_fall_before_the_last_one_is_undone_and_the_last_one_starts_from_there(self) -> None:
        """850 of the 900 of platinum in 2027, nothing in 2028: gold, then silver. 60 more in 2027: a step higher."""
        made = books(THREE_TIERS)
        buy(made, "950.00", "2026-06-01")
        buy(made, "850.00", "2027-06-01")
        settle(made, "2029-01-01")
        assert held(made) == "silver"

        decision = buy(made, "60.00", "2027-12-20", recorded="2029-01-10")

        assert held(made) == "gold"
        assert decision.events[1].recorded.tier_changes == (("status", "silver", "gold"),)
        assert wrong(made) == []

    def test_of_falls_in_a_row_each_may_be_undone_by_a_late_event_of_its_own(self) -> None:
        """Then 905 more in 2028, late too: platinum, of which neither review took anything."""
        made = books(THREE_TIERS)
        buy(made, "950.00", "2026-06-01")
        buy(made, "850.00", "2027-06-01")
        settle(made, "2029-01-01")
        buy(made, "60.00", "2027-12-20", recorded="2029-01-10")

        decision = buy(made, "905.00", "2028-12-20", recorded="2029-01-11")

        assert held(made) == "platinum"
        assert decision.events[1].recorded.tier_changes == (("status", "gold", "platinum"),)
        assert term(made).missed is None
        assert wrong(made) == []

    def test_an_older_engine_looked_at_the_last_review_alone(self) -> None:
        """Architecture §4: what it left stays as it was."""
        made = books(THREE_TIERS)
        made.engine_number = 2
        buy(made, "950.00", "2026-06-01")
        buy(made, "850.00", "2027-06-01")
        buy(made, "1.00", "2029-01-02")
        buy(made, "60.00", "2027-12-20", recorded="2029-01-10")

        assert held(made) == "silver"
        assert wrong(made) == []

    def test_never_downward(self) -> None:
        """A return that came late takes nothing that a review renewed."""
        made = books(program())
        bought = accepted(buy(made, "600.00", "2026-06-01")).recorded
        settle(made, "2027-01-01")

        made.now = on("2027-01-05")
        made.do(command(back(bought), at=on("2026-12-30")))

        assert held(made) == "gold"
        assert wrong(made) == []

    def test_the_event_after_it_counts_the_tier_again_also_for_the_days_between(self) -> None:
        made = self.fallen()
        buy(made, "60.00", "2027-12-28", recorded="2028-01-10")

        decision = buy(made, "10.00", "2028-01-05", recorded="2028-01-11")

        assert b'"tiers":{"status":"gold"}' in accepted(decision).recorded.content

    def test_in_the_grace_it_ends_the_grace(self) -> None:
        made = books(program(("silver", 200), grace=Span(days=30)))
        buy(made, "200.00", "2026-06-01")
        settle(made, "2027-01-01")
        buy(made, "150.00", "2027-06-01")
        settle(made, "2028-01-01")

        buy(made, "50.00", "2027-12-31", recorded="2028-01-10")

        assert (held(made), term(made).falls_at) == ("silver", None)
        settle(made, "2028-02-01")
        assert held(made) == "silver"
        assert wrong(made) == []


class TestSeveralUnits:
    """Semantics T1: enough of all, or of any."""

    def rules(self, join: Join) -> Rules:
        levels = (Tier("bronze", "B", (0, 0)), Tier("silver", "S", (200_00, 3)), Tier("gold", "G", (500_00, 9)))
        return make_rules(
            rate("100", code="spent", unit="spent"),
            fixed(1, unit="visits"),
            units=(SPENT, unit("visits", spendable=False)),
            ladders=(Ladder("status", ("spent", "visits"), levels, join=join),),
        )

    @pytest.mark.parametrize(
        ("join", "sales", "reached"),
        [
            (Join.ALL, ["600.00"], "bronze"),
            (Join.ALL, ["10.00"] * 9, "bronze"),
            (Join.ALL, ["100.00"] * 3, "silver"),
            (Join.ALL, ["100.00"] * 9, "gold"),
            (Join.ANY, ["600.00"], "gold"),
            (Join.ANY, ["10.00"] * 3, "silver"),
            (Join.ANY, ["10.00"] * 9, "gold"),
        ],
    )
    def test_a_tier_asks_for_enough_of_all_or_of_any(self, join: Join, sales: list[str], reached: str) -> None:
        made = books(self.rules(join))
        for total in sales:
            buy(made, total, "2026-05-10")

        assert held(made) == reached

    def test_a_reader_sees_what_is_missing_of_each(self) -> None:
        made = books(self.rules(Join.ALL))
        for _ in range(4):
            buy(made, "60.00", "2026-05-10")

        standing = tiers.standing(made.state.accounts, made.state.tiers, self.rules(Join.ALL).ladders[0])

        assert [(need.unit, need.qualifying, need.to_next) for need in standing.needs] == [
            ("spent", 240_00, 260_00),
            ("visits", 4, 5),
        ]


class TestWorked:
    """Programs worked out by hand."""

    def test_four_tiers_of_a_ride_service_over_half_years_from_joining(self) -> None:
        """Joined on 31 August 2026: half-years from 31 August and 28 February (29 in 2028), to their last day.

        A point a euro; blue, gold from 300, platinum from 600, diamond from 1200 points in a half-year. A tier that is
        reached lasts to the end of the next half-year.
        """
        levels = (("gold", 300), ("platinum", 600), ("diamond", 1200))
        rules = make_rules(
            rate("1", unit="credits"),
            units=(status(MINE),),
            ladders=(ladder(*levels, unit="credits", first="blue", review=AtEndOf(MINE, later=1)),),
        )
        made = books(rules, joined="2026-08-31")
        buy(made, "350.00", "2026-10-01")  # gold, to 30 August 2027
        assert term(made).review_at == on("2027-08-31", "00:00")
        assert made.state.lots[0].expires_at == on("2027-02-28", "00:00")
        buy(made, "900.00", "2027-02-27")  # 1250: diamond, in the last hours of the half-year
        assert (held(made), term(made).review_at) == ("diamond", on("2027-08-31", "00:00"))
        buy(made, "650.00", "2027-03-15")
        settle(made, "2027-08-31")  # 650 in the half-year: platinum
        assert (held(made), term(made).review_at) == ("platinum", on("2028-02-29", "00:00"))
        buy(made, "600.00", "2028-02-28")
        settle(made, "2028-02-29")
        assert (held(made), term(made).review_at) == ("platinum", on("2028-08-31", "00:00"))
        settle(made, "2028-08-31")
        assert held(made) == "blue"
        assert wrong(made) == []

    def test_an_airline_with_a_status_year_from_1_march(self) -> None:
        """Silver from 30, gold from 70 credits in a year from 1 March; held to the end of the year after."""
        rules = make_rules(
            rate("1", "10.00", unit="credits"),
            units=(status(MARCH),),
            ladders=(
                ladder(
                    ("silver", 30),
                    ("gold", 70),
                    unit="credits",
                    review=AtEndOf(MARCH, later=1),
                    fall=Fall.ONE_STEP,
                ),
            ),
        )
        made = books(rules, joined="2026-01-10")
        buy(made, "290.00", "2026-02-28")  # 29 in the year that ends today
        buy(made, "300.00", "2026-03-01")  # 30 in the new one: silver to the end of February 2028
        assert (held(made), term(made).review_at) == ("silver", on("2028-03-01", "00:00"))
        buy(made, "400.00", "2027-02-28")  # 70: gold, its clock is that of the same year
        assert (held(made), term(made).review_at) == ("gold", on("2028-03-01", "00:00"))
        settle(made, "2027-03-01")
        assert held(made) == "gold"
        settle(made, "2028-03-01")  # nothing in the year to February 2028: one step
        assert held(made) == "silver"
        buy(made, "300.00", "2029-02-28")
        settle(made, "2029-03-01")
        assert held(made) == "silver"
        settle(made, "2030-03-01")
        assert held(made) == "bronze"
        assert wrong(made) == []


class TestOpening:
    """Semantics E7: tiers of another system, with their review."""

    def opened(self, *held: OpenedTier, **more: Any) -> Books:
        made = books(program(credits=Unit("credits", "C", spendable=False), **more), joined="2026-06-01")
        made.do(command(Opening(totals=(OpenedTotal("credits", 100),), tiers=held), at=made.now))
        return made

    def test_a_tier_is_reviewed_when_the_other_system_said(self) -> None:
        made = self.opened(OpenedTier("status", "gold", since=on("2025-03-01"), review_at=on("2026-09-01", "00:00")))
        assert held(made) == "gold"

        settle(made, "2026-09-01")

        assert held(made) == "bronze"
        assert wrong(made) == []

    @pytest.mark.parametrize(
        ("review", "review_at"),
        [(AtEndOf(YEAR), "2027-01-01"), (After(Span(24)), "2027-03-02"), (After(Span(12)), "2027-06-02")],
    )
    def test_or_when_the_program_says_after_the_day_of_the_books(self, review: Any, review_at: str) -> None:
        made = self.opened(OpenedTier("status", "gold", since=on("2025-03-01")), review=review)

        assert made.state.tiers_due_at == on(review_at, "00:00")
        assert wrong(made) == []

    def test_no_return_costs_it_before(self) -> None:
        made = self.opened(OpenedTier("status", "gold", since=on("2025-03-01")))
        bought = accepted(buy(made, "450.00", "2026-07-01")).recorded

        made.do(back(bought))

        assert held(made) == "gold"


def test_an_adjustment_below_the_threshold_costs_the_tier_at_once() -> None:
    """Semantics T5."""
    made = books(program(("silver", 200)))
    buy(made, "200.00", "2026-06-01")

    made.do(Adjustment(-50, "credits", "goodwill", "ada"))

    assert held(made) == "bronze"
    assert wrong(made) == []


def test_what_is_needed_to_stay_and_the_projected_tier_look_at_the_review() -> None:
    """Semantics T6: of the 250 of this year none will count in the next."""
    rules = program(review=AtEndOf(YEAR, later=1))
    made = books(rules)
    buy(made, "250.00", "2026-06-01")
    (only,) = rules.ladders
    then = {"credits": made.state.accounts["credits"]._replace(active=0)}

    standing = tiers.standing(made.state.accounts, made.state.tiers, only, then=then)

    assert standing.projected is not None
    assert (standing.projected.code, standing.needs[0].to_stay, standing.review_at) == (
        "bronze",
        200,
        on("2028-01-01", "00:00"),
    )
