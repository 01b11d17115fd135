"""The sample programs give what is worked out by hand here, and take it back with the goods."""

import pytest

from app.domain.commands import Purchase, Redemption, ReturnedLine
from app.program import reading
from tests.domain.builders import back, gave, line, purchase, wrong
from tests.program.samples import PROGRAMS, compiled, member

NAMES = sorted(path.stem for path in PROGRAMS.glob("*.yaml"))


class TestAll:
    @pytest.mark.parametrize("name", NAMES)
    def test_it_survives_being_stored(self, name: str) -> None:
        document = reading.read_new((PROGRAMS / f"{name}.yaml").read_bytes())

        assert reading.read(reading.canonical(document)) == document

    @pytest.mark.parametrize("name", NAMES)
    def test_each_rule_that_it_shows_counts(self, name: str) -> None:
        document = reading.read_new((PROGRAMS / f"{name}.yaml").read_bytes())

        codes = [rule.code for rule in compiled(name).rules]

        assert codes[: len(document.rules)] == [rule.id for rule in document.rules]

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


class TestGrocer:
    """programs/grocer.yaml: a stamp per full 10.00 and per half kilo of cheese, stamps bought, a pan for thirty."""

    def test_shopping_gives_stamps_for_full_tens_and_cheese_by_weight(self) -> None:
        anna = member("grocer", joined="2026-10-05")
        basket = purchase(
            None,
            line("26.00", "bread"),
            line("13.45", "cheese", quantity="1.345"),
            line("0.75", "deposit", quantity="3"),
            line("9.00", "tobacco"),
            line("2.00", sku="SAVING-STAMP", quantity="10"),
        )

        # 26.00 + 13.45 = 39.45: three full tens, which neither 0.75 of deposits nor 2.00 of stamps make four.
        # 1.345 kg: two half kilos. Ten are bought. 3 + 2 + 10 = 15.
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
