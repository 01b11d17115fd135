"""Whatever rules choose, multiply and limit: the steps say what was given, caps hold, and nothing is gained (A, R)."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.accrual import earned
from app.domain.basket import Left
from app.domain.calendar import Every
from app.domain.combining import PROGRAM, Combine, Group, Multipliers, Per
from app.domain.commands import Cancellation, Enrolment, Named, Purchase, PurchaseChange
from app.domain.points import Rounding
from app.domain.rules import EVERYTHING, Measured, Multiply, Rule, Rules
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    Books,
    back,
    cap,
    changed,
    cover,
    fixed,
    line,
    make_rules,
    multiply,
    occasion,
    per_item,
    purchase,
    rate,
    rule,
    unit,
    wrong,
)

GONE = Left(Fraction(0), Fraction(0))
covers = st.sampled_from([EVERYTHING, cover("cake"), cover("coffee")])
amounts = st.sampled_from(["0", "0.5", "1", "1.5", "3", "10"])
goods = st.lists(
    st.tuples(st.integers(0, 30_00), st.sampled_from(["cake", "coffee", "tea"]), st.sampled_from(["1", "2", "0.75"])),
    min_size=1,
    max_size=3,
)


@st.composite
def plain_rules(draw: Any, many: int = 6) -> list[Rule]:
    """Rules that simply add and multiply."""
    makers = [
        lambda give, **more: rate(give, **more),
        lambda give, **more: rate(give, "3.00", whole_steps=True, **more),
        lambda give, **more: rule(Measured(Fraction(give), Fraction("0.5")), **more),
        lambda give, **more: per_item(give, **more),
        lambda give, **more: fixed(int(Fraction(give)), **more),
        lambda give, **more: multiply(give, **more),
    ]
    picked = draw(st.lists(st.tuples(st.sampled_from(makers), amounts, covers), min_size=1, max_size=many))
    return [make(give, code=f"r{n}", include=include) for n, (make, give, include) in enumerate(picked)]


@st.composite
def caps_of(draw: Any, holder: str) -> tuple[Any, ...]:
    """None or one cap of a holder."""
    most = draw(st.one_of(st.none(), st.integers(1, 60)))
    if most is None or draw(st.booleans()):
        return ()
    per = draw(st.sampled_from(Per))
    if per is Per.EVENT:
        return (cap(holder, most, per=per),)
    every = draw(st.sampled_from([Every.DAY, Every.MONTH, None]))
    return (
        cap(holder, times=most % 3 + 1, per=per, every=every)
        if draw(st.booleans())
        else cap(holder, most, per=per, every=every),
    )


@st.composite
def stacked_rules(draw: Any) -> Rules:
    """Rules that choose and limit in all ways there are."""
    rules = []
    for one in draw(plain_rules()):
        multiplies = isinstance(one.gives, Multiply)
        more = {
            "priority": draw(st.integers(-1, 1)),
            "stop": draw(st.booleans()),
            "exclusive": not multiplies and draw(st.sampled_from([False, False, True])),
            "group": draw(st.sampled_from([None, "m" if multiplies else "g"])),
            "caps": draw(caps_of(f"rule:{one.code}")),
        }
        rules.append(changed(one, **more))
    groups = {code: Group(code, draw(st.sampled_from(Combine)), draw(caps_of(f"group:{code}"))) for code in ("g", "m")}
    points = unit(
        rounding=draw(st.sampled_from(Rounding)),
        multipliers=draw(st.sampled_from(Multipliers)),
        caps=draw(caps_of("unit:points")),
    )
    return make_rules(*rules, groups=groups, units=(points,), caps=draw(caps_of(PROGRAM)))


def sale(lines: Sequence[tuple[int, str, str]]) -> Purchase:
    """A purchase of lines."""
    return purchase(None, *(line(f"{a // 100}.{a % 100:02d}", kind, quantity=many) for a, kind, many in lines))


@settings(max_examples=200)
@given(plain_rules(), goods, st.sampled_from(Rounding), st.data())
def test_rules_that_choose_nothing_give_the_same_by_either_way(
    rules: list[Rule], lines: Any, rounding: Rounding, data: Any
) -> None:
    """Semantics A2, A4: a cap that nothing reaches changes nothing; nor does the order of the document."""
    units = (unit(rounding=rounding),)
    plain = earned(sale(lines), occasion(), make_rules(*rules, units=units))
    wide = earned(sale(lines), occasion(), make_rules(*rules, units=units, caps=(cap(PROGRAM, 10**12),)))
    shuffled = data.draw(st.permutations(rules))

    assert (wide.points, wide.steps) == (plain.points, plain.steps)
    assert earned(sale(lines), occasion(), make_rules(*shuffled, units=units)).points == plain.points


@settings(max_examples=200)
@given(stacked_rules(), goods)
def test_the_steps_sum_to_what_was_given(rules: Rules, lines: Any) -> None:
    """Semantics E2, A5: what rules gave, rounded, less what caps took; in each unit at least nothing."""
    result = earned(sale(lines), occasion(), rules)

    total = Fraction(0)
    for _, _, what, number in result.steps:
        if what in ("multiply", "round"):
            total = Fraction(number)
        elif what.endswith("_cap"):
            total -= Fraction(number)
        else:
            total += Fraction(number)
    assert total == sum(points for _, points in result.points)
    assert all(points > 0 for _, points in result.points)
    assert earned(sale(lines), occasion(), rules) == result


@settings(max_examples=200)
@given(stacked_rules(), goods)
def test_no_goods_give_nothing_in_any_unit(rules: Rules, lines: Any) -> None:
    """Semantics R2: f(nothing) = 0, grants included."""
    nothing = earned(sale(lines), occasion(), rules, left=[GONE] * len(lines))

    assert (nothing.points, nothing.used) == ((), ())


todo = st.lists(
    st.tuples(st.sampled_from(["buy", "buy", "return", "change", "cancel", "wait"]), st.integers(0, 9), goods),
    max_size=10,
)


def limits_hold(rules: Rules, state: MemberState) -> bool:
    """Whether nothing that is used is more than any cap allows."""
    rows = [*state.usage.values(), *state.shared.values()]
    caps = rules.limits.get("purchase", ())
    return all(
        (one.points is None or 0 <= row.points <= one.points) and (one.times is None or 0 <= row.times <= one.times)
        for one in caps
        for row in rows
        if row.counter == one.counter
    )


def tried(rules: Rules, steps: Any) -> Books:
    """A member who buys, returns and changes; at each step no cap is exceeded."""
    made = Books(rules, state=MemberState(id=ANNA))
    made.do(Enrolment())
    bought = []
    for what, which, lines in steps:
        if what == "wait":
            made.now += timedelta(hours=7 * which)
        elif what == "buy":
            bought.append(made.bought(sale(lines)))
        elif bought:
            event = bought[which % len(bought)]
            if what == "change":
                made.do(PurchaseChange(Named(event.id), which, sale(lines)))
            elif what == "cancel":
                made.do(Cancellation(Named(event.id)))
            else:
                made.do(back(event, amount=lines[0][0], currency="EUR"))
        assert limits_hold(rules, made.state)
    for event in bought:
        made.do(Cancellation(Named(event.id)))
    return made


def assert_all_is_back(made: Books) -> None:
    """No points, no room used, and the books are proven."""
    assert all(account.balance == 0 for account in made.state.accounts.values())
    assert (made.state.usage, made.state.shared) == ({}, {})
    assert wrong(made) == []


@settings(max_examples=150)
@given(stacked_rules(), todo)
def test_caps_are_never_exceeded_and_all_goods_back_leave_nothing_used(rules: Rules, steps: Any) -> None:
    """Semantics A5, R2, R6, R8: in any steps, under any rules."""
    assert_all_is_back(tried(rules, steps))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=10_000)
@given(stacked_rules(), todo)
def test_caps_hold_in_ten_thousand_sequences(rules: Rules, steps: Any) -> None:
    """Semantics A5, R6, at full size."""
    assert_all_is_back(tried(rules, steps))
