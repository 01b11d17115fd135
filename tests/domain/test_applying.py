"""When rules apply: each filter with its code, conditions of events and of lines, and what returns make of them."""

from datetime import time, timedelta
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import accrual, applying, chain, conditions, reads
from app.domain.calendar import Span
from app.domain.commands import Activity, Cancellation, Enrolment, Named, Purchase
from app.domain.conditions import Kind
from app.domain.periods import LIFETIME
from app.domain.reads import Attributes
from app.domain.recurrences import Window
from app.domain.recurrences import parse as recurrence
from app.domain.rules import Rule, Rules, Tagged, Visits
from app.domain.seeing import Seen
from app.domain.state import HeldTag, MemberState
from app.domain.steps import DOES_NOT_APPLY
from tests.domain.builders import (
    ANNA,
    NOW,
    Books,
    accepted,
    back,
    changed,
    fixed,
    gave,
    line,
    make_rules,
    make_state,
    multiply,
    occasion,
    on,
    per_item,
    purchase,
    rate,
    rule,
    wrong,
)

DECLARED = Attributes({"eco": Kind.BOOLEAN, "km": Kind.NUMBER}, {"organic": Kind.BOOLEAN}, {"city": Kind.TEXT})
FRIDAY = (Window(recurrence("FREQ=WEEKLY;BYDAY=FR")),)


def condition(text: str, kind: str = "purchase") -> conditions.Condition:
    """A condition over what rules on a kind of event know."""
    return conditions.parse(text, reads.of_event(kind, DECLARED))


def when(text: str, *rules: Rule, **more: Any) -> Rules:
    """A point a euro where a condition holds, and other rules."""
    return make_rules(rate(condition=condition(text)), *rules, attributes=DECLARED, **more)


def joined(rules: Rules, **more: Any) -> Books:
    """The books of somebody who has just joined."""
    made = Books(rules, state=MemberState(id=ANNA), **more)
    made.do(Enrolment())
    return made


def points(goods: Purchase, rules: Rules, **more: Any) -> int:
    """What the goods earn in points."""
    return dict(accrual.earned(goods, occasion(**more), rules).points).get("points", 0)


def why(goods: Purchase, rules: Rules, **more: Any) -> str:
    """What is said of the first rule."""
    return accrual.earned(goods, occasion(**more), rules).steps[0][2]


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({"starts_at": NOW + timedelta(days=1)}, "not_yet"),
        ({"ends_at": NOW}, "over"),
        ({"tiers": ["gold"]}, "other_tier"),
        ({"activities": ["survey"]}, "other_activity"),
        ({"channels": ["web"]}, "other_channel"),
        ({"locations": ["utrecht-12"]}, "other_location"),
        ({"sources": ["web"]}, "other_shop"),
        ({"tags": ["vip"]}, "other_tag"),
        ({"segments": ["locals"]}, "other_segment"),
        ({"times": FRIDAY}, "other_time"),
        ({"visits": Visits(LIFETIME, frozenset({2}))}, "other_visit"),
        ({"schedules": ["birthday"]}, "other_schedule"),
        ({"condition": condition("total > 50")}, "condition_not_met"),
        ({"condition": condition("total % (quantity - 1) == 0")}, "condition_failed"),
        ({"condition": condition("event_eco")}, "missing_attribute"),
        ({"condition": condition("line_organic")}, "missing_attribute"),
    ],
)
def test_each_filter_says_why_a_rule_gave_nothing(filters: dict[str, Any], code: str) -> None:
    """Semantics A3, E2: a code of why not."""
    filters = {name: list(v) if isinstance(v, list) else v for name, v in filters.items()}
    made = changed(make_rules(), attributes=DECLARED)
    one = changed(rate(), applies=rule_with(filters))

    assert why(purchase("10.00"), changed(made, rules=(one,))) == code
    assert code in DOES_NOT_APPLY


def rule_with(filters: dict[str, Any]) -> Any:
    """The filters of a rule on purchases; times stay in their order."""
    times = filters.pop("times", ())
    return changed(rate(**filters).applies, times=times)


def test_every_code_is_in_one_list() -> None:
    assert len(set(DOES_NOT_APPLY)) == len(DOES_NOT_APPLY)
    assert {applying.NOT_MET, applying.FAILED, applying.MISSING, applying.WRONG} <= set(DOES_NOT_APPLY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("total >= 10", 10),
        ("total > 10", 0),
        ("quantity == 1", 10),
        ("currency == 'EUR'", 10),
        ("channel == '' && location == ''", 10),
        ("shop == 'till'", 10),
        ("kind == 'purchase'", 10),
        ("weekday in ['SA', 'SU'] && hour == 10", 10),
        ("day >= '2026-11-21' && day < '2026-11-22'", 10),
        ("visits == 1", 10),
        ("'gold' in tiers", 10),
        ("size(tags) == 0 && !('locals' in segments)", 10),
        ("line_amount == 10 && line_sku == ''", 10),
        ("size(line_categories) > 0", 0),
    ],
)
def test_conditions_know_the_event(text: str, expected: int) -> None:
    """Semantics A3: on Saturday 21 November 2026, at 10:00 in Amsterdam."""
    assert points(purchase("10.00"), when(text), tiers=["gold"]) == expected


def test_a_condition_of_lines_decides_what_is_covered() -> None:
    """Semantics A3: per line, beside what else the rule covers."""
    goods = purchase(None, line("10.00", "coffee"), line("4.00", "cake"), line("3.00", "coffee"))
    rules = when("line_amount >= 4 && 'coffee' in line_categories")

    assert points(goods, rules) == 10


def test_a_line_that_does_not_say_it_is_not_covered_and_told_of() -> None:
    """Semantics A3: it gives nothing for that line, and says so."""
    goods = purchase(None, line("10.00"), line("4.00"), line("3.00"))
    seen = Seen(lines={"1": {"organic": True}, "2": {"organic": False}})

    earned = accrual.earned(goods, occasion(seen=seen), when("line_organic"))

    assert [step[2] for step in earned.steps] == ["missing_attribute", "rate"]
    assert dict(earned.points) == {"points": 10}


def test_an_attribute_of_another_kind_makes_the_rule_give_nothing() -> None:
    """Semantics A1."""
    seen = Seen({"km": None})

    assert why(purchase("10.00"), when("event_km > 5"), seen=seen) == "wrong_attribute"


def test_a_condition_is_judged_for_what_is_left() -> None:
    """Semantics R2, R5: less than the minimum takes the bonus back; the same again gives it again."""
    made = joined(make_rules(rate(), fixed(5, condition=condition("total >= 20")), attributes=DECLARED))
    bought = made.bought(purchase(None, line("15.00"), line("5.00")))

    first = made.do(back(bought, amount=100))
    rest = made.do(back(bought, amount=1900))

    assert (gave(first), gave(rest)) == ({"points": -6}, {"points": -19})
    assert made.state.accounts["points"].balance == 0
    assert wrong(made) == []


def test_quantities_of_lines_count_what_is_left() -> None:
    """Semantics R2."""
    made = Books(make_rules(per_item("1", condition=condition("line_quantity >= 3")), attributes=DECLARED))
    bought = made.bought(purchase(None, line("9.00", quantity="3")))

    returned = made.do(back(bought, amount=300))

    assert gave(returned) == {"points": -3}


@given(
    amounts=st.lists(st.integers(1, 5000), min_size=1, max_size=4),
    minimum=st.integers(0, 60),
    parts=st.lists(st.integers(1, 2000), max_size=5),
)
def test_any_returns_under_a_condition_end_with_nothing(amounts: list[int], minimum: int, parts: list[int]) -> None:
    """Semantics R2, R6: whatever the condition says in between."""
    made = joined(
        make_rules(
            rate(condition=condition(f"line_amount >= {minimum}")),
            fixed(9, condition=condition(f"total >= {minimum}.5")),
            attributes=DECLARED,
        )
    )
    bought = made.bought(purchase(None, *[line(f"{a // 100}.{a % 100:02}") for a in amounts]))

    left = sum(amounts)
    for part in parts:
        if part < left:
            accepted(made.do(back(bought, amount=part)))
            left -= part
    accepted(made.do(back(bought, amount=left)))

    assert all(account.balance == 0 for account in made.state.accounts.values())
    assert wrong(made) == []


FILTERS: dict[str, Any] = {
    "channels": ["app"],
    "locations": ["utrecht-12"],
    "tags": ["vip"],
    "segments": ["locals"],
    "condition": condition("total >= 5 && event_km > 1"),
}


@given(
    channel=st.sampled_from(["app", "web"]),
    location=st.sampled_from(["utrecht-12", "lisbon-1"]),
    tags=st.frozensets(st.sampled_from(["vip", "new"])),
    segments=st.frozensets(st.just("locals")),
    km=st.sampled_from([{}, {"km": "2"}, {"km": "1"}, {"km": None}]),
    total=st.sampled_from(["4.00", "5.00"]),
)
def test_filters_commute(
    channel: str, location: str, tags: frozenset[str], segments: frozenset[str], km: Any, total: str
) -> None:
    """Semantics A3: all of them at once say what each says by itself, in whatever order."""
    where = {"channel": channel, "location": location, "seen": Seen(km, {}, tags, segments)}
    goods = purchase(total)

    def applies(*names: str) -> bool:
        one = rate(**{name: FILTERS[name] for name in names})
        return points(goods, make_rules(one, attributes=DECLARED), **where) > 0

    alone = {name: applies(name) for name in FILTERS}
    for pair in permutations(FILTERS, 2):
        assert applies(*pair) is (alone[pair[0]] and alone[pair[1]])
    assert applies(*FILTERS) is all(alone.values())


@given(km=st.sampled_from([{}, {"km": None}, {"km": "5"}]), cents=st.integers(0, 10_000))
def test_a_rule_whose_condition_fails_is_as_if_it_were_not_there(km: Any, cents: int) -> None:
    """Semantics A3: it gives nothing and never fails the event."""
    goods = purchase(f"{cents // 100}.{cents % 100:02}")
    failing = condition("event_km % 0 == 1")
    others = (rate(), multiply("1.5"))

    with_it = make_rules(
        *others, fixed(9, condition=failing), multiply("3", code="x", condition=failing), attributes=DECLARED
    )

    at = occasion(seen=Seen(km))
    assert accrual.earned(goods, at, with_it).points == accrual.earned(goods, at, make_rules(*others)).points


def test_each_condition_is_judged_once_for_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rules state it."""
    asked: list[str] = []
    judge = conditions.holds

    def counting(one: conditions.Condition, bound: Any) -> bool | None:
        asked.append(one.text)
        return judge(one, bound)

    monkeypatch.setattr(conditions, "holds", counting)
    rules = make_rules(*[fixed(1, code=f"f{n}", condition=condition("total > 5")) for n in range(9)])

    assert points(purchase("10.00"), rules) == 9
    assert asked == ["total > 5"]


def test_the_hour_of_a_place_is_its_own() -> None:
    """Semantics A3: in the location's zone, else the program's."""
    hour = (Window(recurrence("FREQ=WEEKLY;BYDAY=SA"), time(10), timedelta(hours=1)),)
    rules = make_rules(
        changed(rate(), applies=changed(rate().applies, times=hour)), locations={"lisbon-1": ZoneInfo("Europe/Lisbon")}
    )

    assert [points(purchase("1.00"), rules, location=place) for place in (None, "lisbon-1", "elsewhere")] == [1, 0, 1]


def test_a_tag_counts_from_the_next_event_on_until_its_end() -> None:
    """Semantics A10, A6: given by the event, judged at occurred_at, half-open, undone with the goods."""
    regular = rule(Tagged("regular", Span(days=2)), code="tag", unit="")
    made = joined(make_rules(regular, fixed(7, tags=["regular"])))

    first = made.do(purchase("1.00"))
    inside = made.do(purchase("1.00"))
    event = accepted(first).recorded
    assert chain.context_of(event.content)["gifts"] == [["tag", "tag", "regular"]]
    assert chain.context_of(event.content)["tags"] == []
    assert gave(inside) == {"points": 7}
    assert made.state.tags[0] == HeldTag("regular", event.sequence, NOW, on("2026-11-24", "00:00"))

    made.do(back(event))

    assert [tag.sequence for tag in made.state.tags] == [event.sequence + 1]
    assert wrong(made) == []


def test_a_tag_goes_with_the_activity_that_gave_it() -> None:
    """Semantics A10, E6."""
    made = joined(make_rules(rule(Tagged("keen"), code="tag", unit="", kind="activity")))
    event = accepted(made.do(Activity("survey"))).recorded
    assert [tag.tag for tag in made.state.tags] == ["keen"]

    accepted(made.do(Cancellation(Named(event.id))))

    assert made.state.tags == ()
    assert wrong(made) == []


def test_a_late_event_knows_nothing_of_tags_that_began_after_it() -> None:
    """Semantics A6, M5."""
    state = make_state(tags=(HeldTag("vip", 0, NOW),))
    made = Books(make_rules(rate(), fixed(7, tags=["vip"])), state=state)

    late, now = made.do(purchase("1.00"), at=NOW - timedelta(hours=1)), made.do(purchase("1.00"))

    assert (gave(late), gave(now)) == ({"points": 1}, {"points": 8})


def test_documents_without_it_keep_the_bytes_they_had() -> None:
    """What is hashed is frozen: nothing is added where rules do not look."""
    made = Books(make_rules())

    event = made.bought(purchase("1.00"))

    assert chain.decode_content(event.content).context == b""
