"""Caps: what they trim, what is left under them, and what returns give back (semantics A5)."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.accrual import Earned, earned
from app.domain.calendar import Every
from app.domain.combining import PROGRAM, Combine, Per
from app.domain.commands import Activity, Cancellation, Enrolment, Named, PurchaseChange, ReturnedLine
from app.domain.rules import Reward, Rewarded, Rule, Rules, Tagged
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    Books,
    accepted,
    back,
    cap,
    changed,
    cover,
    fixed,
    gave,
    group,
    line,
    make_rules,
    make_state,
    multiply,
    occasion,
    purchase,
    rate,
    rule,
    unit,
    wrong,
)

DAILY = cap("rule:base", 100, every=Every.DAY)


def trimmed(result: Earned) -> list[tuple[str, str, str]]:
    """What caps took of which rule."""
    return [(code, what, less) for code, _, what, less in result.steps if what.endswith("_cap")]


def by_event(points: int, *rules: Rule, **more: Any) -> Earned:
    """What an event of 100.00 gives where its unit may give so much."""
    capped = unit(caps=(cap("unit:points", points, per=Per.EVENT),))
    return earned(purchase("100.00"), occasion(), make_rules(*rules, units=(capped,), **more))


def joined(rules: Rules) -> Books:
    """The books of a member from the start."""
    made = Books(rules, state=MemberState(id=ANNA))
    made.do(Enrolment())
    return made


def used(state: MemberState) -> dict[str, tuple[int, int]]:
    """What a member has used, by counter."""
    return {counter: (row.points, row.times) for (counter, _), row in state.usage.items()}


# What is trimmed.


def test_what_is_beyond_a_cap_is_trimmed_and_told() -> None:
    """Semantics A5: never silently."""
    result = by_event(60, rate())

    assert result.points == (("points", 60),)
    assert trimmed(result) == [("base", "unit_cap", "40")]


def test_caps_trim_from_the_last_rule_backwards() -> None:
    """Semantics A5: 100 by amount, 50 by the multiplier, 30 at once; of 180 the grant goes first, then 20 of the 50."""
    result = by_event(130, rate(), multiply("1.5"), fixed(30))

    assert result.points == (("points", 130),)
    assert trimmed(result) == [("fixed", "unit_cap", "30"), ("times", "unit_cap", "20")]


def test_what_a_multiplier_adds_is_its_own_to_be_capped() -> None:
    """Semantics A5: ×3 adds 200, and may add 50."""
    rules = make_rules(rate(), multiply("3", caps=(cap("rule:times", 50),)))

    result = earned(purchase("100.00"), occasion(), rules)

    assert result.points == (("points", 150),)
    assert trimmed(result) == [("times", "rule_cap", "150")]
    assert result.used == (("cap:rule:times:lifetime", 50, 1),)


def test_each_rule_has_whole_points_that_sum_to_the_rounded_sum() -> None:
    """Semantics A2, A5: 9.5 and 9.5 are 9 and 10, so that without the second there are 9."""
    rules = make_rules(rate(), multiply("2", caps=(cap("rule:times", times=1),)))

    first = earned(purchase("9.50"), occasion(), rules)
    second = earned(purchase("9.50"), occasion(room={"cap:rule:times:lifetime": (None, 0)}), rules)

    assert (first.points, second.points) == ((("points", 19),), (("points", 9),))
    assert second.steps[1] == ("times", "points", "no_room", "0")


def test_a_group_has_caps_over_all_its_rules() -> None:
    """Semantics A4, A5: its rules give 80 and 30; what is beyond 90 is taken from the last."""
    rules = (rate("0.8", group="g"), fixed(30, group="g"), fixed(5, code="other"))
    groups = group("g", Combine.SUM, cap("group:g", 90, per=Per.EVENT))

    result = earned(purchase("100.00"), occasion(), make_rules(*rules, groups=groups))

    assert result.points == (("points", 95),)
    assert trimmed(result) == [("fixed", "group_cap", "20")]


def test_narrow_caps_come_before_wide_ones() -> None:
    """Semantics A5: 40 of the rule's 100 are left by its own cap, 35 by the unit's, 30 by the program's."""
    rules = make_rules(
        rate(caps=(cap("rule:base", 40, per=Per.EVENT),)),
        units=(unit(caps=(cap("unit:points", 35, per=Per.EVENT),)),),
        caps=(cap(PROGRAM, 30, per=Per.EVENT),),
    )

    result = earned(purchase("100.00"), occasion(), rules)

    assert trimmed(result) == [("base", "rule_cap", "60"), ("base", "unit_cap", "5"), ("base", "program_cap", "5")]
    assert result.points == (("points", 30),)


def test_a_cap_of_the_program_counts_what_can_be_spent_of_all_units_together() -> None:
    """Semantics A5, A7: points and stamps come to 120, of which 100 are given; status credits do not count."""
    rules = make_rules(
        rate(),
        fixed(20, unit="stamps", code="stamp"),
        rate("2", unit="status", code="credits"),
        units=(unit(), unit("stamps"), unit("status", spendable=False)),
        caps=(cap(PROGRAM, 100),),
    )

    result = earned(purchase("100.00"), occasion(), rules)

    assert result.points == (("points", 100), ("status", 200))
    assert result.used == (("cap:program:lifetime", 100, 1),)


def test_a_rule_whose_own_cap_is_used_up_yields_to_others() -> None:
    """Semantics A4, A5: it gives nothing, so it neither stands alone, stops, nor is the best."""
    gone = occasion(room={"cap:rule:app:lifetime": (None, 0)})
    app = rate("5", code="app", caps=(cap("rule:app", times=1),), priority=1)

    for best in (changed(app, exclusive=True), changed(app, stop=True)):
        assert earned(purchase("10.00"), gone, make_rules(rate(), best)).points == (("points", 10),)
    grouped = make_rules(rate(group="g"), changed(app, group="g"), groups=group("g", Combine.BEST))
    assert earned(purchase("10.00"), gone, grouped).points == (("points", 10),)


# What is used, and given back.


def test_a_members_day_is_used_up_and_begins_anew() -> None:
    """Semantics A5: by the day in the program's zone."""
    made = joined(make_rules(rate(caps=(DAILY,))))

    same_day = [gave(made.do(purchase("60.00"))) for _ in range(3)]
    made.now += timedelta(days=1)

    assert same_day == [{"points": 60}, {"points": 40}, {}]
    assert gave(made.do(purchase("60.00"))) == {"points": 60}
    assert wrong(made) == []


def test_a_return_gives_room_back_for_later_events_and_nothing_is_judged_again() -> None:
    """Semantics A5: the second purchase keeps its 40, of which it would have had 60."""
    made = joined(make_rules(rate(caps=(DAILY,))))
    first, second = made.bought(purchase("60.00")), made.bought(purchase("60.00"))

    taken = gave(made.do(back(first)))

    assert taken == {"points": -60}
    assert [entry.points for entry in second.entries] == [40]
    assert gave(made.do(purchase("80.00"))) == {"points": 60}
    assert used(made.state) == {"cap:rule:base:day": (100, 2)}
    assert wrong(made) == []


def test_goods_that_come_back_are_asked_with_the_room_of_their_purchase() -> None:
    """Semantics R2, E2: of 150.00 that gave 100, the first 50.00 back cost nothing."""
    made = joined(make_rules(rate(caps=(DAILY,))))
    bought = made.bought(purchase("150.00"))

    assert gave(made.do(back(bought, amount=50_00))) == {}
    assert gave(made.do(back(bought, amount=30_00))) == {"points": -30}
    assert gave(made.do(back(bought))) == {"points": -70}
    assert (used(made.state), wrong(made)) == ({}, [])


def test_a_purchase_that_grows_takes_no_more_room_than_is_left() -> None:
    """Semantics A5, R8: 60 and 30 are used, so it grows by 10 and not by 40."""
    made = joined(make_rules(rate(caps=(DAILY,))))
    first, second = made.bought(purchase("60.00")), made.bought(purchase("30.00"))

    grown = gave(made.do(PurchaseChange(Named(first.id), 1, purchase("100.00"))))

    assert grown == {"points": 10}
    assert used(made.state) == {"cap:rule:base:day": (100, 2)}
    assert gave(made.do(back(second))) == {"points": -30}
    assert gave(made.do(back(first))) == {"points": -70}
    assert (used(made.state), wrong(made)) == ({}, [])


def test_what_is_left_never_uses_room_that_others_have_used_meanwhile() -> None:
    """Semantics A5, R2: without the cake the coffee would count, 50 of it, where 20 are left by now."""
    rules = make_rules(
        fixed(1, code="cake", group="g", include=cover("cake"), priority=1),
        rate(code="coffee", group="g", caps=(cap("rule:coffee", 50, every=Every.DAY),)),
        groups=group("g", Combine.FIRST),
    )
    made = joined(rules)
    both = made.bought(purchase(None, line("5.00", "cake"), line("80.00")))
    made.do(purchase("30.00"))

    less_the_cake = gave(made.do(back(both, ReturnedLine("1"))))

    assert less_the_cake == {"points": 19}  # 20 for the coffee instead of 1 for the cake
    assert used(made.state) == {"cap:rule:coffee:day": (50, 2)}
    assert gave(made.do(back(both))) == {"points": -20}
    assert used(made.state) == {"cap:rule:coffee:day": (30, 1)}
    assert wrong(made) == []


def test_a_canceled_activity_gives_room_back() -> None:
    """Semantics A5, E6."""
    survey = fixed(20, code="survey", kind="activity", caps=(cap("rule:survey", times=1, every=Every.MONTH),))
    made = joined(make_rules(survey))
    first, second = accepted(made.do(Activity("survey"))).recorded, made.do(Activity("survey"))

    made.do(Cancellation(Named(first.id)))

    assert gave(second) == {}
    assert gave(made.do(Activity("survey"))) == {"points": 20}
    assert wrong(made) == []


def test_a_canceled_activity_gives_back_the_room_it_used_as_it_was_judged() -> None:
    """Semantics A5, E6: by the tags that were held then, or it would seem to have used nothing."""
    caps = (cap("rule:survey", times=1, every=Every.MONTH),)
    survey = fixed(20, code="survey", kind="activity", tags=["vip"], caps=caps)
    made = joined(make_rules(rule(Tagged("vip"), code="vip", unit="", kind="enrolment"), survey))
    first = accepted(made.do(Activity("survey"))).recorded

    made.do(Cancellation(Named(first.id)))

    assert used(made.state) == {}
    assert gave(made.do(Activity("survey"))) == {"points": 20}
    assert wrong(made) == []


def test_a_reward_may_be_capped_in_times() -> None:
    """Semantics A5, A10: one a day; its return lets it be given again."""
    coffee = rule(Rewarded("coffee"), code="coffee", unit="", caps=(cap("rule:coffee", times=1, every=Every.DAY),))
    made = joined(make_rules(coffee, rewards={"coffee": Reward("coffee", "A free coffee")}))
    first, second = made.bought(purchase("5.00")), made.bought(purchase("5.00"))

    made.do(back(first))
    third = made.bought(purchase("5.00"))

    assert [event.steps for event in (first, second, third)] == [
        (("coffee", "", "reward", "coffee"),),
        (("coffee", "", "no_room", "0"),),
        (("coffee", "", "reward", "coffee"),),
    ]
    assert wrong(made) == []


def test_times_of_the_program_count_events_that_give_anything() -> None:
    """Semantics A5, A8: a purchase of nothing uses none."""
    made = joined(make_rules(rate(), caps=(cap(PROGRAM, times=2, every=Every.DAY),)))

    given = [gave(made.do(purchase(total))) for total in ("0.00", "1.00", "2.00", "3.00")]

    assert given == [{}, {"points": 1}, {"points": 2}, {}]
    assert wrong(made) == []


@pytest.mark.parametrize("per", [Per.MEMBER, Per.PROGRAM])
def test_a_cap_over_all_members_goes_on_from_what_they_have_used(per: Per) -> None:
    """Semantics A5: what members share is a part of the state that each starts from."""
    made = joined(make_rules(rate(caps=(cap("rule:base", 100, per=per),))))
    made.do(purchase("70.00"))

    other = Books(made.rules, state=make_state(id=b"B" * 16)._replace(shared=made.state.shared))
    given = gave(other.do(purchase("70.00")))

    assert given == ({"points": 30} if per is Per.PROGRAM else {"points": 70})
    assert [row.points for row in other.state.shared.values()] == ([100] if per is Per.PROGRAM else [])


def test_what_has_no_caps_keeps_its_bytes() -> None:
    """Architecture 5.6: the context of an event without caps says nothing of room."""
    assert b"room" not in Books(make_rules(rate())).bought(purchase("1.00")).content
