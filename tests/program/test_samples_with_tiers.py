"""The sample programs with tiers give what is worked out by hand here, and take it back with the goods."""

from app.domain.commands import Purchase
from app.domain.events import Decision
from tests.domain.builders import accepted, back, gave, line, paid, purchase, wrong
from tests.program.samples import Member, member


class TestRides:
    """programs/rides.yaml: 1, 2 or 3 points a euro, 5.00 for every 500; tiers from 500, 2500 and 7500."""

    def ride(self, total: str, kind: str = "standard") -> Purchase:
        return purchase(None, line(total, kind))

    def test_better_cars_give_more_points_and_500_of_them_5_euros(self) -> None:
        anna = member("rides", joined="2026-01-31")

        # 20.00 × 1 = 20; 20.50 × 2 = 41; 20.50 × 3 = 61.5, rounded down; a tip earns nothing.
        basket = purchase(
            None, line("20.00", "shared"), line("20.50", "standard"), line("20.50", "premium"), line("5.00", "tip")
        )
        # 20 + 41 + 61.5 = 122.5, rounded once.
        assert gave(anna.do(basket)) == {"points": 122}
        # 600.00 × 3 = 1800; 122 + 1800 = 1922: three times 500, so 3 × 5.00.
        anna.do(self.ride("600.00", "premium"))

        assert anna.balances() == {"points": 1922, "credit": 15_00}
        assert wrong(anna) == []

    def test_a_tier_lasts_through_the_next_half_year_and_is_lost_or_kept_by_that(self) -> None:
        """Who joined on 31 January has half-years to 30 July and to 30 January."""
        anna = member("rides", joined="2026-01-31")
        anna.until("2026-03-10").do(self.ride("1250.00"))
        # 1250.00 × 2 = 2500: platinum; five times 500: 25.00 to ride with.
        assert (anna.tier(), anna.balances()) == ("platinum", {"points": 2500, "credit": 25_00})

        # The first half-year ends with 30 July, and the points with it; the tier is for one more.
        assert anna.until("2026-07-30", "23:59").balances()["points"] == 2500
        assert (anna.until("2026-07-31", "00:00").tier(), anna.balances()) == ("platinum", {})
        # 200.00 × 3 = 600 in the second half-year: gold is met, platinum is not.
        anna.until("2026-11-02").do(self.ride("200.00", "premium"))
        assert anna.until("2027-01-30", "23:59").tier() == "platinum"
        assert anna.until("2027-01-31", "00:00").tier() == "gold"
        # Nothing in the third: gold is lost where it ends.
        assert anna.until("2027-07-30", "23:59").tier() == "gold"
        assert anna.until("2027-07-31", "00:00").tier() == "blue"

        assert anna.told("tier") == ["tier.upgraded"] + ["tier.expiring", "tier.downgraded"] * 2
        assert wrong(anna) == []

    def test_a_new_half_year_counts_anew_towards_credit(self) -> None:
        anna = member("rides", joined="2026-01-31")
        anna.until("2026-07-29").do(self.ride("225.00"))  # 450 points
        anna.until("2026-08-03").do(self.ride("225.00"))  # 450 of the next half-year
        assert anna.balances() == {"points": 450}

        anna.do(self.ride("25.00"))  # 450 + 50 = 500

        assert anna.balances() == {"points": 500, "credit": 5_00}
        assert anna.tier() == "gold"
        assert wrong(anna) == []

    def test_a_ride_that_is_paid_back_takes_tier_and_credit_along(self) -> None:
        anna = member("rides", joined="2026-01-31")
        anna.do(self.ride("225.00"))
        bought = anna.bought(self.ride("30.00"))
        assert (anna.tier(), anna.balances()) == ("gold", {"points": 510, "credit": 5_00})

        # Half of 30.00 is 30 points: 510 - 30 = 480, below 500.
        assert gave(anna.do(back(bought, amount=15_00))) == {"points": -30}

        assert (anna.tier(), anna.balances()) == ("blue", {"points": 480})
        assert wrong(anna) == []


class TestAirline:
    """programs/airline.yaml: 5 miles a euro without tax, bonuses that add up, a year of status from 1 March."""

    ECONOMY = ("600.00", "100.00", "flight", "long-haul")
    BUSINESS = ("1000.00", "200.00", "flight", "long-haul", "business")

    def fly(self, made: Member, *flights: tuple[str, ...]) -> Decision:
        lines = [line(amount, *categories, tax=tax) for amount, tax, *categories in flights]
        return made.do(purchase(None, *lines), source="airline")

    def gold(self) -> Member:
        """Gold from 20 May 2026, by flights on three days."""
        anna = member("airline", joined="2026-04-01")
        for day, flight in (("04-10", self.ECONOMY), ("05-10", self.BUSINESS), ("05-20", self.BUSINESS)):
            anna.until(f"2026-{day}")
            self.fly(anna, flight)
        return anna

    def test_bonuses_of_status_and_class_add_up(self) -> None:
        anna = member("airline", joined="2026-04-01")

        # 600.00 - 100.00 of tax = 500.00, × 5 = 2500. Long-haul: 30 credits.
        assert gave(self.fly(anna, self.ECONOMY)) == {"miles": 2500, "credits": 30}
        # 800.00 × 5 = 4000, × 1.5 = 6000. 30 × 2 = 60 credits: 90 in all, silver from here on.
        assert gave(self.fly(anna, self.BUSINESS)) == {"miles": 6000, "credits": 60}
        assert anna.tier() == "silver"
        # 4000 × (1 + 0.5 + 0.25) = 7000, where ×1.5 ×1.25 would be 7500. 90 + 60 = 150 credits: gold.
        assert gave(self.fly(anna, self.BUSINESS)) == {"miles": 7000, "credits": 60}
        assert anna.tier() == "gold"
        # Both in one: 2500 × 1.75 = 4375, and 4000 × (1 + 0.5 + 0.75) = 9000.
        assert gave(self.fly(anna, self.ECONOMY, self.BUSINESS)) == {"miles": 13_375, "credits": 90}

        assert anna.balances() == {"miles": 2500 + 6000 + 7000 + 13_375, "credits": 240}
        assert wrong(anna) == []

    def test_partners_give_miles_alone_and_cannot_report_flights(self) -> None:
        anna = self.gold()

        # 200.00 × 2 = 400: no bonus for gold, and no credits, whatever the partner calls it.
        stay = purchase(None, line("200.00", "flight", "long-haul", "business", tax="0.00"))

        assert gave(anna.do(stay, source="hotels")) == {"miles": 400}
        assert anna.tier() == "gold"
        assert wrong(anna) == []

    def test_a_ticket_that_is_paid_back_takes_miles_credits_and_status(self) -> None:
        anna = member("airline", joined="2026-04-01")
        self.fly(anna, self.ECONOMY)
        bought = accepted(self.fly(anna, self.BUSINESS)).recorded
        assert anna.tier() == "silver"

        # What 4000 × 1.5 gave; 90 - 60 = 30 credits do not make silver.
        assert gave(anna.do(back(bought), source="airline")) == {"miles": -6000, "credits": -60}

        assert (anna.tier(), anna.balances()) == ("explorer", {"miles": 2500, "credits": 30})
        assert wrong(anna) == []

    def test_a_status_lasts_through_the_next_year_from_march_and_falls_by_steps(self) -> None:
        anna = self.gold()
        assert anna.balances()["credits"] == 30 + 60 + 60

        # The credits end with 28 February 2027, the status a year later: 2028 has a 29 February.
        assert "credits" in anna.until("2027-02-28", "23:59").balances()
        assert "credits" not in anna.until("2027-03-01", "00:00").balances()
        assert anna.until("2028-02-29", "23:59").tier() == "gold"
        # No flight in the year from 1 March 2027: one step down, then another.
        assert anna.until("2028-03-01", "00:00").tier() == "silver"
        assert anna.until("2029-02-28", "23:59").tier() == "silver"
        assert anna.until("2029-03-01", "00:00").tier() == "explorer"
        # Each step down is told 60 days ahead; a year that was promised from the start is no renewal.
        assert anna.told("tier") == ["tier.upgraded"] * 2 + ["tier.expiring", "tier.downgraded"] * 2
        assert wrong(anna) == []

    def test_miles_end_together_after_18_months_without_activity(self) -> None:
        anna = self.gold()
        assert anna.balances()["miles"] == 2500 + 6000 + 7000

        # The last flight was on 20 May 2026, a night in a hotel on 10 November 2026 is later: 10 May 2028.
        anna.until("2026-11-10").do(purchase("50.00"), source="hotels")

        assert anna.until("2028-05-10", "23:59").balances() == {"miles": 15_500 + 100}
        assert anna.until("2028-05-11", "00:00").balances() == {}
        assert anna.told("points")[-2:] == ["points.expiring", "points.expired"]
        assert wrong(anna) == []


class TestFreeAndPlus:
    """programs/free-and-plus.yaml: 2 % back for all; with a plan 4 %, and 2.50 each month."""

    PLAN = line("39.00", sku="PLUS-YEAR")

    def test_two_percent_back_and_four_with_the_plan(self) -> None:
        anna = member("free-and-plus", joined="2026-03-01")

        # 24.95 × 0.02 = 0.499, rounded down to a cent.
        assert gave(anna.do(purchase("24.95"))) == {"credit": 49}
        # The plan itself gives nothing back, and counts from the next purchase on: 10.00 × 0.02 = 0.20.
        assert gave(anna.do(purchase(None, self.PLAN, line("10.00")))) == {"credit": 20}
        assert anna.tier() == "plus"
        # 24.95 × 0.02 × 2 = 0.998.
        assert gave(anna.do(purchase("24.95"))) == {"credit": 99}
        # 5.00 of 20.00 are paid with credit: 15.00 × 0.04 = 0.60.
        assert gave(anna.do(purchase("20.00", payments=(paid("credit", "5.00"), paid("card", "15.00"))))) == {
            "credit": 60
        }
        assert wrong(anna) == []

    def test_the_plan_brings_a_gift_each_month_and_ends_with_its_year(self) -> None:
        anna = member("free-and-plus", joined="2026-03-01")
        anna.until("2026-03-15").do(purchase(None, self.PLAN))

        anna.until("2027-03-15", "23:59")

        # The first a month after 15 March 2026, the twelfth on the last day of the year: 12 × 2.50 = 30.00.
        gifts = anna.days("scheduled")
        assert (len(gifts), gifts[0], gifts[-1]) == (12, "2026-04-15", "2027-03-15")
        assert (anna.tier(), anna.balances()) == ("plus", {"credit": 30_00})
        # It is over: no thirteenth. Of the credit only the gift of 15 March 2027 is not twelve months old a year later.
        assert anna.until("2027-03-16", "00:00").tier() == "free"
        assert anna.until("2028-03-15", "23:59").balances() == {"credit": 2_50}
        assert len(anna.days("scheduled")) == 12
        assert anna.told("tier") == ["tier.upgraded", "tier.expiring", "tier.downgraded"]
        assert wrong(anna) == []

    def test_bought_again_it_runs_on_and_the_gifts_with_it(self) -> None:
        anna = member("free-and-plus", joined="2026-03-01")
        anna.until("2026-03-10").do(purchase(None, self.PLAN))
        anna.until("2027-02-20").do(purchase(None, self.PLAN))

        # Two years from 10 March 2026: the last day counts whole.
        assert anna.until("2028-03-10", "23:59").tier() == "plus"
        assert anna.until("2028-03-11", "00:00").tier() == "free"

        # One gift a month, on the tenth of each.
        assert len(anna.days("scheduled")) == 24
        assert {day[-2:] for day in anna.days("scheduled")} == {"10"}
        # Gifts live for twelve months: those up to 10 March 2027 have ended, and those of a year are left: 12 × 2.50.
        assert anna.balances() == {"credit": 30_00}
        assert wrong(anna) == []

    def test_a_plan_that_is_given_back_is_over_and_its_gifts_with_it(self) -> None:
        anna = member("free-and-plus", joined="2026-03-01")
        bought = anna.until("2026-03-10").bought(purchase(None, self.PLAN))
        anna.until("2026-04-20")
        assert anna.balances() == {"credit": 2_50}

        anna.do(back(bought))

        # 10.00 × 0.02 again, and no gift on 10 May; the one of April was an event of its own, and stays.
        assert anna.tier() == "free"
        assert gave(anna.do(purchase("10.00"))) == {"credit": 20}
        assert anna.until("2026-08-01").balances() == {"credit": 2_70}
        assert wrong(anna) == []

    def test_buying_it_twice_brings_no_second_gift_in_a_month(self) -> None:
        anna = member("free-and-plus", joined="2026-03-01")
        bought = anna.until("2026-03-10").bought(purchase(None, self.PLAN))
        anna.until("2026-03-12").do(back(bought))
        anna.until("2026-03-20").do(purchase(None, self.PLAN))

        gifts = [anna.until(day).balances().get("credit", 0) for day in ("2026-04-30", "2026-05-31", "2026-06-30")]

        # One for April, one for May, one for June, however often the plan was bought before.
        assert gifts == [2_50, 5_00, 7_50]
        assert wrong(anna) == []
