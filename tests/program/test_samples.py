"""The sample programs give what is worked out by hand here, and take it back with the goods."""

import pytest

from app.domain.commands import Purchase, Redemption, ReturnedLine
from app.domain.events import Decision
from app.domain.rules import Rules
from app.program import reading
from tests.domain.builders import accepted, back, gave, line, purchase, wrong
from tests.program.samples import PROGRAMS, Member, compiled, member

NAMES = sorted(path.stem for path in PROGRAMS.glob("*.yaml"))


class TestAll:
    @pytest.mark.parametrize("name", NAMES)
    def test_it_compiles_and_survives_being_stored(self, name: str) -> None:
        document = reading.read((PROGRAMS / f"{name}.yaml").read_bytes())

        assert reading.read(reading.canonical(document)) == document
        assert isinstance(compiled(name), Rules)

    @pytest.mark.parametrize("name", NAMES)
    def test_its_comments_are_short(self, name: str) -> None:
        assert all(len(line) <= 80 for line in (PROGRAMS / f"{name}.yaml").read_text().splitlines())


class TestAppAndShop:
    """programs/app-and-shop.yaml: 1 point a euro, half as much more in the app, 100 for the first order there."""

    def order(self, *amounts: str, channel: str = "app") -> Purchase:
        return purchase(None, *(line(amount, "meal") for amount in amounts), line("3.95", "delivery"), channel=channel)

    def test_the_app_gives_half_as_much_more_than_the_shop(self) -> None:
        anna = member("app-and-shop", joined="2026-03-02")

        # 8.00 + 8.00 + 8.90 = 24.90, at 1 per 1.00: 24.9, rounded down; delivery earns nothing.
        assert gave(anna.do(self.order("8.00", "8.00", "8.90", channel="pos"))) == {"points": 24}
        # 24.9 × 1.5 = 37.35; with 100 for the first order in the app: 137.35.
        assert gave(anna.do(self.order("8.00", "8.00", "8.90"))) == {"points": 137}
        # The second one: 37.35 alone.
        assert gave(anna.do(self.order("8.00", "8.00", "8.90"))) == {"points": 37}

        assert anna.balances() == {"points": 24 + 137 + 37}
        assert wrong(anna) == []

    def test_a_return_takes_what_the_app_added_too(self) -> None:
        anna = member("app-and-shop", joined="2026-03-02")
        bought = anna.bought(self.order("8.00", "8.00", "8.90"))

        # 8.00 + 8.90 = 16.90 are left: 16.9 × 1.5 = 25.35, and 100 since more than 10.00 are: 125. 137 - 125 = 12.
        assert gave(anna.do(back(bought, ReturnedLine("1")))) == {"points": -12}
        # Another 8.00 back, and the delivery: 8.90 are left, below 10.00. 8.9 × 1.5 = 13.35: 13. 125 - 13 = 112.
        assert gave(anna.do(back(bought, ReturnedLine("2"), ReturnedLine("4")))) == {"points": -112}

        # The 100 were given back, so the next order is the first again: 10.00 × 1.5 + 100 = 115.
        assert gave(anna.do(self.order("10.00"))) == {"points": 115}
        assert wrong(anna) == []


class TestStarsAndStamps:
    """programs/stars-and-stamps.yaml: a star for every 10.00, a coffee for seven stamps."""

    def cups(self, number: int) -> Purchase:
        return purchase(None, line(f"{number * 3}.00", "coffee", quantity=str(number)))

    def test_small_purchases_come_to_stars_together(self) -> None:
        anna = member("stars-and-stamps", joined="2026-03-02")

        # 4.00 + 4.00 = 8.00 are none; with 4.00 more it is 12.00: 1 star; with 30.00 it is 42.00: 4 stars.
        stars = []
        for total in ("4.00", "4.00", "4.00", "30.00"):
            anna.do(purchase(total))
            stars.append(anna.balances().get("stars", 0))

        assert stars == [0, 0, 1, 4]
        assert anna.balances() == {"spent": 42_00, "stars": 4}
        assert wrong(anna) == []

    def test_a_return_takes_stars_also_when_they_are_spent(self) -> None:
        anna = member("stars-and-stamps", joined="2026-03-02")
        anna.do(purchase("12.00"))
        bought = anna.bought(purchase("30.00"))
        anna.do(Redemption(3, unit="stars"))

        anna.do(back(bought, amount=15_00))

        # 42.00 - 15.00 = 27.00 stand: 2 stars. Of 4 stars 3 were spent, so 1 - 2 = -1: one is owed.
        assert anna.balances() == {"spent": 27_00, "stars": -1}
        # 3.00 more make it 30.00: a third star, which pays for that one.
        anna.do(purchase("3.00"))
        assert anna.balances() == {"spent": 30_00}
        assert wrong(anna) == []

    def test_seven_stamps_are_a_coffee_which_brings_no_stamp(self) -> None:
        anna = member("stars-and-stamps", joined="2026-03-02")

        # 3 + 3 + 3 = 9 stamps: seven are handed in, two are left.
        for _ in range(3):
            anna.do(self.cups(3))
        assert anna.told("reward") == ["reward.issued"]
        # 9 cups of 3.00 are 27.00: two stars.
        assert anna.balances() == {"spent": 27_00, "stars": 2, "stamps": 2}

        # The free one costs nothing: no stamp, and no money spent.
        anna.do(purchase(None, line("0.00", "coffee")))
        assert anna.balances()["stamps"] == 2
        assert wrong(anna) == []

    def test_a_cup_that_comes_back_opens_the_card_again(self) -> None:
        anna = member("stars-and-stamps", joined="2026-03-02")
        anna.do(self.cups(6))
        bought = anna.bought(self.cups(1))
        # 7 × 3.00 = 21.00: two stars; the card is full and empty again.
        assert anna.balances() == {"spent": 21_00, "stars": 2}

        anna.do(back(bought))

        # 18.00: one star; the seven stamps are back, but for the one of the cup.
        assert anna.balances() == {"spent": 18_00, "stars": 1, "stamps": 6}
        assert anna.told("reward") == ["reward.issued", "reward.cancelled"]
        assert wrong(anna) == []


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


class TestGrocer:
    """programs/grocer.yaml: a stamp per full 10.00 and per half kilo of cheese, stamps bought, a pan for thirty."""

    def test_shopping_gives_stamps_for_full_tens_and_cheese_by_weight(self) -> None:
        anna = member("grocer", joined="2026-10-05")
        basket = purchase(
            None,
            line("24.50", "bread"),
            line("13.45", "cheese", quantity="1.345"),
            line("0.75", "deposit", quantity="3"),
            line("9.00", "tobacco"),
            line("2.00", sku="SAVING-STAMP", quantity="10"),
        )

        # 24.50 + 13.45 = 37.95: three full tens. 1.345 kg: two half kilos. Ten are bought. 3 + 2 + 10 = 15.
        assert gave(anna.do(basket)) == {"stamps": 15}
        assert wrong(anna) == []

    def test_empty_bottles_take_their_part_off(self) -> None:
        anna = member("grocer", joined="2026-10-05")

        # 40.50 of 45.00 earn by price. Bottles for 1.00: 40.50 × 44.00 / 45.00 = 39.60: three full tens, not four.
        # The weight is what it is: 0.5 kg is one half kilo. 3 + 1 = 4.
        with_bottles = purchase(
            None,
            line("34.50", "bread"),
            line("6.00", "cheese", quantity="0.500"),
            line("4.50", "tobacco"),
            line("-1.00", "deposit"),
        )
        assert gave(anna.do(with_bottles)) == {"stamps": 4}
        # Bottles alone: nothing is bought, nothing is given.
        assert gave(anna.do(purchase(None, line("-3.00", "deposit")))) == {}
        assert wrong(anna) == []

    def test_thirty_stamps_are_a_pan_and_a_return_opens_the_card_again(self) -> None:
        anna = member("grocer", joined="2026-10-05")
        anna.do(purchase(None, line("5.00", sku="SAVING-STAMP", quantity="25")))
        bought = anna.bought(purchase(None, line("40.00", "bread"), line("25.00", "cheese", quantity="2.4")))

        # 65.00: six tens; 2.4 kg: four half kilos. 25 + 10 = 35: thirty are a pan, five are left.
        assert (anna.told("reward"), anna.balances()) == (["reward.issued"], {"stamps": 5})

        # 1.5 kg of cheese back, so 25.00 × 1.5 / 2.4 = 15.625, 15.63: 49.37 and 0.9 kg are left: 4 + 1 of 10 stamps.
        assert gave(anna.do(back(bought, ReturnedLine("2", "1.5")))) == {"stamps": -5}
        # 25 + 5 = 30: the pan stands, and nothing besides.
        assert (anna.told("reward"), anna.balances()) == (["reward.issued"], {})
        # The rest of the cheese: 40.00, four tens. 25 + 4 = 29: the pan goes, the stamps are back.
        assert gave(anna.do(back(bought, ReturnedLine("2")))) == {"stamps": -1}
        assert (anna.told("reward"), anna.balances()) == (["reward.issued", "reward.cancelled"], {"stamps": 29})
        assert wrong(anna) == []

    def test_the_action_ends_and_a_month_later_its_stamps(self) -> None:
        anna = member("grocer", joined="2026-10-05")

        # The last day still counts: 100.00 are ten stamps; a day later the same is none, and none can be bought.
        assert gave(anna.until("2026-12-31", "21:59").do(purchase("100.00"))) == {"stamps": 10}
        more = purchase(None, line("100.00"), line("4.00", sku="SAVING-STAMP", quantity="20"))
        assert gave(anna.until("2027-01-01", "00:00").do(more)) == {}

        assert anna.until("2027-01-31", "23:59").balances() == {"stamps": 10}
        assert anna.until("2027-02-01", "00:00").balances() == {}
        assert anna.told("points")[-2:] == ["points.expiring", "points.expired"]
        assert wrong(anna) == []
