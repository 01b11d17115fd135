"""What totals bring: stars for so much spent, full stamp cards; taken back with the goods (semantics A9)."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.calendar import Every, Period, Span
from app.domain.commands import Activity, Cancellation, Enrolment, Named, Redemption
from app.domain.events import Recorded
from app.domain.periods import Within
from app.domain.rules import FORGIVEN, Milestone, Reward, Rewarded, Rules
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    Books,
    accepted,
    back,
    changed,
    fixed,
    gave,
    kinds,
    line,
    make_rules,
    on,
    per_item,
    purchase,
    rate,
    unit,
    wrong,
)
from tests.domain.test_pump import Pump, assert_nothing_gained, moves, pump
from tests.domain.test_pump import rules as pump_rules

SPENT = unit("spent", decimals=2, spendable=False)
STAR = Milestone("star", "spent", ("stars", 1), every=10_00)
CARD = Milestone("card", "stamps", Rewarded("coffee"), every=7, consume=True)
PAYING_CARD = CARD._replace(gives=("points", 70))
COFFEE = {"coffee": Reward("coffee", "A free coffee")}


def star_rules(milestone: Milestone = STAR) -> Rules:
    """Money spent is counted, and every 10.00 of it is a star."""
    return make_rules(rate(unit="spent", give="100"), units=(SPENT, unit("stars")), milestones=(milestone,))


def card_rules(milestone: Milestone = CARD, **more: Any) -> Rules:
    """A stamp for each coffee, and a full card of seven."""
    units = (unit(), unit("stamps", **more))
    return make_rules(per_item(unit="stamps"), units=units, rewards=COFFEE, milestones=(milestone,))


def member(rules: Rules, **more: Any) -> Books:
    """Somebody who has just joined."""
    made = Books(rules, state=MemberState(id=ANNA), **more)
    made.do(Enrolment())
    return made


def balances(made: Books) -> dict[str, int]:
    """What stands on each account."""
    return {code: account.balance for code, account in made.state.accounts.items()}


def rewards(made: Books) -> list[str]:
    """What was told of rewards, in order."""
    types = [message.type for one in made.posted for message in one.messages]
    return [type for type in types if type.startswith("reward.")]


def coffees(number: int) -> Any:
    """A sale of so many coffees."""
    return purchase(None, line(f"{number * 250 // 100}.{number * 250 % 100:02}", quantity=str(number)))


def test_stars_are_given_for_what_several_small_purchases_come_to() -> None:
    """Semantics A9: 10.00 spent over several coffees is a star."""
    made = member(star_rules())

    for total in ("4.00", "4.00", "4.00", "30.00"):
        made.do(purchase(total))

    assert balances(made) == {"spent": 42_00, "stars": 4}
    assert [one.recorded.kind for one in made.posted[1:]] == ["purchase"] * 3 + ["milestone", "purchase", "milestone"]
    assert wrong(made) == []


def test_a_return_takes_stars_back_newest_first() -> None:
    """Semantics A9, R5: what stands too much after a return."""
    made = member(star_rules())
    made.do(purchase("12.00"))
    bought = made.bought(purchase("30.00"))

    made.do(back(bought, amount=15_00))

    assert balances(made) == {"spent": 27_00, "stars": 2}
    made.do(purchase("3.00"))
    assert balances(made) == {"spent": 30_00, "stars": 3}
    assert wrong(made) == []


def test_certain_totals_bring_once_what_they_bring() -> None:
    """Semantics A9: at each of `at`, not again."""
    made = member(star_rules(Milestone("star", "spent", ("stars", 1), at=(10_00, 50_00))))

    for total in ("12.00", "12.00", "100.00"):
        made.do(purchase(total))

    assert balances(made)["stars"] == 2


def test_the_seventh_stamp_turns_into_a_coffee() -> None:
    """Semantics A9, A10: the card is drawn, the reward is told."""
    made = member(card_rules())

    decisions = [made.do(coffees(3)) for _ in range(3)]

    assert balances(made) == {"stamps": 2}
    assert rewards(made) == ["reward.issued"]
    reached = decisions[2].events[-1].recorded
    assert [(entry.unit, entry.points) for entry in reached.entries] == [("stamps", -7)]
    assert reached.steps == (("card", "stamps", "consumed", "7"), ("card", "", "reward", "coffee"))
    assert wrong(made) == []


def test_a_coffee_that_comes_back_opens_the_card_again() -> None:
    """Semantics A9, L8: the stamps are back in their lots but for the one that is taken, and the reward is taken."""
    made = member(card_rules())
    made.do(coffees(6))
    bought = made.bought(coffees(1))

    made.do(back(bought))

    assert balances(made) == {"stamps": 6}
    assert made.state.accounts["stamps"].deficit == 0
    assert rewards(made) == ["reward.issued", "reward.cancelled"]
    made.do(coffees(1))
    assert balances(made) == {"stamps": 0}
    assert rewards(made)[2:] == ["reward.issued"]
    assert wrong(made) == []


def test_stamps_that_cannot_be_owed_are_taken_from_the_card_that_opens_again() -> None:
    """Semantics R2, A9: what was forgiven counts as taken, and is taken once it is there."""
    made = member(changed(card_rules(), shortage=FORGIVEN))
    made.do(coffees(6))
    bought = made.bought(coffees(1))

    made.do(back(bought))

    assert balances(made) == {"stamps": 6}
    assert wrong(made) == []


def test_several_full_cards_are_rewards_of_their_own() -> None:
    """Semantics A9: each is known by its own event, and taken back by itself."""
    made = member(card_rules())
    bought = made.bought(coffees(15))

    made.do(back(bought, amount=2_50 * 5))

    assert [one.recorded.kind for one in made.posted].count("milestone") == 2
    assert rewards(made) == ["reward.issued", "reward.issued", "reward.cancelled"]
    assert balances(made) == {"stamps": 3}
    assert wrong(made) == []


def test_a_card_may_turn_into_points_which_are_taken_back_though_spent() -> None:
    """Semantics A9, R3: what is no longer there is owed."""
    made = member(card_rules(PAYING_CARD))
    bought = made.bought(coffees(7))
    made.do(Redemption(60, unit="points"))

    made.do(back(bought))

    account = made.state.accounts["points"]
    assert (account.balance, account.deficit) == (-60, 60)
    assert balances(made)["stamps"] == 0
    assert wrong(made) == []


def test_a_canceled_activity_takes_its_stamp_and_the_card_back() -> None:
    """Semantics A9, E6."""
    made = member(
        make_rules(fixed(1, unit="stamps", kind="activity"), units=(unit(), unit("stamps")), milestones=(PAYING_CARD,))
    )
    events = [accepted(made.do(Activity("survey"))).recorded for _ in range(7)]
    assert balances(made) == {"stamps": 0, "points": 70}

    made.do(Cancellation(Named(events[3].id)))

    assert balances(made) == {"stamps": 6, "points": 0}
    assert wrong(made) == []


def test_a_total_begins_at_nothing_with_each_period_and_a_return_belongs_to_its_own() -> None:
    """Semantics A9, Words: ten euros in one month are a star, nine in each of two are none."""
    monthly = Milestone("star", "spent", ("stars", 1), every=10_00, within=Within(Period(Every.MONTH)))
    made = member(star_rules(monthly), now=on("2026-11-28"))
    first = made.bought(purchase("10.00"))
    made.now = on("2026-12-02")
    made.do(purchase("9.00"))

    made.do(back(first))
    made.do(purchase("1.00"))

    assert balances(made) == {"spent": 10_00, "stars": 1}
    assert wrong(made) == []


def test_points_that_waited_fill_the_card_when_they_count() -> None:
    """Semantics A9, L11: a card is full when its stamps are available."""
    made = member(card_rules(pending=Span(days=7)), now=on("2026-11-01"))
    made.do(coffees(7))
    assert rewards(made) == []

    made.now = on("2026-11-10")
    made.settle()

    assert rewards(made) == ["reward.issued"]
    assert balances(made) == {"stamps": 0}
    assert wrong(made) == []


def test_members_who_have_stamps_already_begin_to_count_with_the_milestone() -> None:
    made = member(changed(card_rules(), milestones=()))
    made.do(coffees(9))
    made.rules = card_rules()

    made.do(coffees(1))

    assert rewards(made) == []
    assert gave(made.do(coffees(6))) == {"stamps": 6}
    assert rewards(made) == ["reward.issued"]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5), st.booleans()), max_size=12))
def test_cards_are_always_what_the_stamps_that_stand_come_to(steps: list[tuple[int, int, bool]]) -> None:
    """Semantics A9: after any purchases and returns, as many rewards stand as full cards."""
    made = member(card_rules())
    bought: list[tuple[Recorded, int]] = []
    stamps = 0
    for number, which, returning in steps:
        if returning and bought:
            event, many = bought.pop(which % len(bought))
            made.do(back(event))
            stamps -= many
        else:
            bought.append((made.bought(coffees(number)), number))
            stamps += number
        said = rewards(made)
        assert said.count("reward.issued") - said.count("reward.cancelled") == stamps // 7
        assert balances(made).get("stamps", 0) == stamps % 7
    assert wrong(made) == []


@settings(max_examples=200)
@given(moves)
def test_no_sequence_gains_by_milestones(todo: Any) -> None:
    """Semantics R6: the pump with stars for what is spent, and points for every three items."""
    made = pump_rules()
    rules = changed(
        made,
        rules=(*made.rules, per_item(unit="stamps", code="stamps")),
        units={**made.units, "stamps": unit("stamps"), "stars": unit("stars")},
        milestones=(STAR, CARD._replace(gives=("points", 10), every=3)),
    )

    tried: Pump = pump(rules, todo)

    assert_nothing_gained(tried)
    assert all(balances(tried.books).get(code, 0) == 0 for code in ("stamps", "stars"))


def test_points_that_waited_fill_the_card_before_the_command_that_they_are_settled_for() -> None:
    """Semantics A9, K2: as if the worker had come first; and the proof finds the same."""
    made = member(card_rules(pending=Span(days=7)), now=on("2026-11-01"))
    made.do(coffees(7))
    made.now = on("2026-11-10")

    decision = made.do(coffees(1))

    assert kinds(decision) == ["activation", "milestone", "purchase"]
    assert wrong(made) == []


def test_a_card_that_the_stamps_are_still_enough_for_is_not_taken_back() -> None:
    """Semantics A9, engine 3: seven that count filled one, seven more wait and come back."""
    made = member(card_rules(pending=Span(days=7)), now=on("2026-11-01"))
    made.do(coffees(7))
    made.now = on("2026-11-10")
    made.settle()
    waiting = made.bought(coffees(7))

    decision = made.do(back(waiting))

    assert kinds(decision) == ["return"]
    assert rewards(made) == ["reward.issued"]
    assert wrong(made) == []


def test_stamps_that_have_ended_when_they_are_given_fill_no_card() -> None:
    """Semantics A9, L10: a lot may be born expired."""
    made = member(card_rules(expires="P1D"), now=on("2026-11-10"))

    made.do(coffees(7), at=on("2026-11-01"))

    assert rewards(made) == []
    assert balances(made) == {"stamps": 0}
    assert wrong(made) == []
