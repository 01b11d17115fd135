"""Groups, priorities and caps in a document: read, compiled, and every mistake at once with its place (A4, A5)."""

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial

import pytest

from app.domain.calendar import Every, Period
from app.domain.combining import PROGRAM, Cap, Combine, Group, Multipliers, Per
from app.domain.periods import Within
from app.domain.rules import Measured, Rules
from app.program import compiling, reading
from app.program.document import Document
from tests.builders import PLAIN

WHOLE = """
zegel: 1
name: Coffee
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points, decimals: 1, multipliers: sum, caps: [{points: "50.5", in: day}]}
groups:
  - {id: happy, combine: best, caps: [{points: 20, times: 2, in: {every: year, from: joining}}]}
caps:
  - {points: 100000, per: program, in: month}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, quantity: "0.5"}, group: happy, priority: 2, stop: true}
  - {id: gift, on: purchase, unit: points, fixed: 5, exclusive: true, caps: [{points: 5, per: event}]}
"""


TIERED = PLAIN.replace(
    "rules:",
    """  spent: {name: Money spent, spendable: false}
groups: [{id: happy}]
tiers: [{id: status, unit: spent, levels: [{id: base, name: Base, from: 0}, {id: gold, name: Gold, from: 500}]}]
rules:""",
)
"""With a tier to give, and a group."""


def compiled(text: str) -> Rules:
    """The rules of a document."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return compiling.compile_rules(reading.read(text), version=1, digest=bytes(32), in_force_from=now)


def mistakes(text: str, read: Callable[[str], Document] = reading.read) -> list[tuple[str, str, str | None]]:
    """The places and texts of what is wrong, and what is suggested."""
    try:
        read(text)
    except reading.MistakesInDocument as error:
        return [(one.pointer, one.message, one.suggestion) for one in error.mistakes]
    return []


mistakes_of_new = partial(mistakes, read=reading.read_new)


def test_what_a_document_says_of_stacking_is_what_the_core_gets() -> None:
    """Semantics A2, A4, A5: points in smallest parts."""
    rules = compiled(WHOLE)
    base, gift = rules.rules
    joined = Within(Period(Every.YEAR), joining=True)

    assert base.gives == Measured(Fraction(10), Fraction(1, 2))
    assert (base.group, base.priority, base.stop, gift.exclusive) == ("happy", 2, True, True)
    assert rules.groups["happy"] == Group("happy", Combine.BEST, (Cap("group:happy", Per.MEMBER, 200, 2, joined),))
    assert gift.caps == (Cap("rule:gift", Per.EVENT, 50),)
    assert rules.units["points"].multipliers is Multipliers.SUM
    assert [cap.points for cap in (*rules.units["points"].caps, *rules.caps)] == [505, 1_000_000]
    assert [cap.counter for cap in rules.limits["purchase"]] == [
        "cap:group:happy:year@joining",
        "cap:unit:points:day",
        f"all:{PROGRAM}:month",
    ]


def test_what_is_not_said_leaves_the_stored_text_as_it_was() -> None:
    """A document that uses none of it keeps its digest."""
    text = reading.canonical(reading.read(PLAIN))

    assert not any(word in text for word in (b"caps", b"group", b"priority", b"multipliers", b"stop", b"quantity"))


@pytest.mark.parametrize(
    ("rest", "place", "text", "suggestion"),
    [
        ("fixed: 1, group: hapy", "/group", "there is no such group", "happy"),
        ("fixed: 1, priority: 1001", "/priority", "must be at most 1000", None),
        ("multiply: 2, exclusive: true", "/exclusive", "must not stand beside multiply", None),
        ("multiply: 2, group: happy", "/group", "holds both rules that give and rules that multiply", None),
        ("multiply: 1, caps: [{points: 1}]", "/caps", "limits nothing", None),
        ("fixed: 1, caps: [{}]", "/caps/0", "must limit points, times or both", None),
        ("fixed: 1, caps: [{points: 0}]", "/caps/0/points", "must be above zero", None),
        ("fixed: 1, caps: [{points: 0.5}]", "/caps/0/points", "has more decimals", None),
        ("fixed: 1, caps: [{times: 0}]", "/caps/0/times", "must be at least 1", None),
        ("fixed: 1, caps: [{points: 1, in: dag}]", "/caps/0/in", "must be", "day"),
        ("fixed: 1, caps: [{points: 1, per: shop}]", "/caps/0/per", "must be", None),
        ("fixed: 1, caps: [{times: 1, per: event}]", "/caps/0/times", "an event counts once", None),
        ("fixed: 1, caps: [{points: 1, per: event, in: day}]", "/caps/0/in", "must not stand beside", None),
        (
            "fixed: 1, caps: [{points: 1, per: program, in: {every: year, from: joining}}]",
            "/caps/0/in",
            "all members together have no day of joining",
            None,
        ),
        ("rate: {give: 1}", "/rate", "must say for how much", None),
        ("rate: {give: 1, per: 1, quantity: 1}", "/rate/per", "must not stand beside quantity", None),
        ("rate: {give: 1, quantity: 1, basis: without_tax}", "/rate/basis", "is for rates on money", None),
        ("rate: {give: 1, quantity: 1, paid_by: [card]}", "/rate/paid_by", "is for rates on money", None),
        ("rate: {give: 1, quantity: 1, not_paid_by: []}", "/rate/not_paid_by", "is for rates on money", None),
        ("rate: {give: 1, per: 1, paid_by: []}", "/rate/paid_by", "must not be empty", None),
        (
            "rate: {give: 1, per: 1, paid_by: [card], not_paid_by: [points]}",
            "/rate/not_paid_by",
            "must not stand beside paid_by",
            None,
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(rest: str, place: str, text: str, suggestion: str | None) -> None:
    head = PLAIN.replace("rules:", "groups: [{id: happy}]\nrules:")
    grouped = "  - {id: first, on: purchase, unit: points, fixed: 1, group: happy}\n"

    found = mistakes(f"{head}{grouped}  - {{id: x, on: purchase, unit: points, {rest}}}\n")

    assert [(pointer, message.startswith(text)) for pointer, message, _ in found] == [(f"/rules/2{place}", True)]
    assert found[0][2] == suggestion


def test_mistakes_of_all_holders_are_told_at_once() -> None:
    """A group over two units, caps of a group, a unit and the program, and a reward that stands in a group."""
    text = PLAIN.replace("{name: Points}", "{name: Points, caps: [{}]}\n  money: {name: Money, decimals: 2}").replace(
        "rules:",
        "groups: [{id: g, caps: [{points: 0.5}]}, {id: g}]\ncaps: [{points: 5}]\nrewards: {tea: {name: Tea}}\nrules:",
    )
    rules = (
        "  - {id: a, on: purchase, unit: points, fixed: 1, group: g}\n"
        "  - {id: b, on: purchase, unit: money, fixed: 1, group: g}\n"
        "  - {id: c, on: purchase, reward: tea, group: g, stop: true, exclusive: true, caps: [{points: 1}]}\n"
    )

    found = {pointer for pointer, _, _ in mistakes(text + rules)}

    assert found == {
        "/units/points/caps/0",
        "/groups/0/caps/0/points",
        "/groups/1/id",
        "/caps/0/points",
        "/rules/2/group",
        "/rules/3/group",
        "/rules/3/stop",
        "/rules/3/exclusive",
        "/rules/3/caps/0/points",
    }


@pytest.mark.parametrize(("way", "what"), [("tag: {name: vip}", "tag"), ("tier: {tier: gold, for: P1Y}", "tier")])
def test_what_would_do_nothing_beside_a_tag_or_a_tier_is_a_mistake(way: str, what: str) -> None:
    """A tag and a tier are of no unit and no points, as a reward is (semantics A4, A5)."""
    idle = "group: happy, exclusive: true, stop: true, caps: [{times: 1}, {points: 5, times: 2}]"

    found = mistakes_of_new(f"{TIERED}  - {{id: given, on: purchase, {way}, {idle}}}\n")

    points = f"is for rules that give points: a {what} is of no unit"
    assert found == [
        ("/rules/1/group", points, None),
        ("/rules/1/exclusive", points, None),
        ("/rules/1/stop", points, None),
        ("/rules/1/caps/1/points", f"a {what} is no points: limit its times", "times"),
    ]


@pytest.mark.parametrize("way", ["tag: {name: vip}", "tier: {tier: gold, for: P1Y}"])
def test_times_limit_a_tag_and_a_tier(way: str) -> None:
    """Semantics A5: so many events in which it is given."""
    assert mistakes_of_new(f"{TIERED}  - {{id: given, on: purchase, {way}, caps: [{{times: 1}}]}}\n") == []


def test_a_version_that_was_published_with_words_that_do_nothing_stays_readable() -> None:
    text = f"{TIERED}  - {{id: given, on: purchase, tag: {{name: vip}}, stop: true, caps: [{{points: 5}}]}}\n"

    assert mistakes(text) == []
    assert [place for place, _, _ in mistakes_of_new(text)] == ["/rules/1/stop", "/rules/1/caps/0/points"]
