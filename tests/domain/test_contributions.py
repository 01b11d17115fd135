"""Which rule gave how much of what an event issued: the parts sum to the whole."""

from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.domain import accrual, contributions
from app.domain.applying import Occasion
from app.domain.commands import Line, Purchase
from app.domain.events import Entry, Recorded
from app.domain.steps import Step
from app.program import compiling, reading
from tests.builders import LADDER

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = compiling.compile_rules(
    reading.read(
        LADDER.replace("tiers:", "  - {id: extra, on: purchase, unit: points, per_item: '0.5'}\n"
        "  - {id: half, on: purchase, unit: points, multiply: '0.3', include: {categories: [cake]}}\n"
        "  - {id: hello, on: purchase, unit: points, fixed: 7}\ntiers:")
    ),
    version=1,
    digest=bytes(32),
    in_force_from=NOON,
)  # fmt: skip


def event(entries: tuple[Entry, ...], steps: tuple[Step, ...], *, kind: str = "purchase") -> Recorded:
    ids, digest = (bytes(16), bytes(16)), bytes(16)
    return Recorded(
        *ids, 1, "till", kind, "p1", NOON, NOON, NOON, 1, 1, digest, b"", bytes(32), entries, steps, {}
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 100_000), st.sampled_from(["cake", "bread"])), min_size=1, max_size=4))
def test_the_parts_of_a_unit_sum_to_what_was_issued_of_it(lines: list[tuple[int, str]]) -> None:
    goods = tuple(Line(str(i), amount, categories=(category,)) for i, (amount, category) in enumerate(lines))
    total = sum(amount for amount, _ in lines)
    earned = accrual.earned(
        Purchase("EUR", total, goods), Occasion("purchase", NOON, frozenset({"silver"}), "till"), RULES
    )
    entries = tuple(Entry(i, unit, points, points, NOON) for i, (unit, points) in enumerate(earned.points))

    parts = contributions.of(event(entries, earned.steps))

    for unit, points in earned.points:
        assert sum(part for (_, of), part in parts.items() if of == unit) == points * contributions.SCALE


CAPPED = compiling.compile_rules(
    reading.read(
        LADDER.replace("{name: Points}", "{name: Points, caps: [{points: 90, per: event}]}").replace(
            "tiers:",
            "  - {id: extra, on: purchase, unit: points, per_item: '0.5', group: offers, caps: [{points: 40}]}\n"
            "  - {id: much, on: purchase, unit: points, rate: {give: 3, per: '1.00'}, group: offers}\n"
            "  - {id: half, on: purchase, unit: points, multiply: '0.3', include: {categories: [cake]}}\n"
            "  - {id: hello, on: purchase, unit: points, fixed: 7}\n"
            "groups: [{id: offers, caps: [{points: 60, per: event}]}]\n"
            "caps: [{points: 200, in: day}]\ntiers:",
        )
    ),
    version=1,
    digest=bytes(32),
    in_force_from=NOON,
)


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(["cake", "bread"])), min_size=1, max_size=4),
    st.sampled_from([None, 0, 1, 35, 80]),
)
def test_the_parts_sum_to_what_was_issued_where_caps_trimmed_it(lines: list[tuple[int, str]], left: int | None) -> None:
    """Semantics A5: caps of a rule, a group, the unit and the program, with more or less room."""
    goods = tuple(Line(str(i), amount, categories=(category,)) for i, (amount, category) in enumerate(lines))
    total = sum(amount for amount, _ in lines)
    room = {} if left is None else {cap.counter: (left, None) for cap in CAPPED.caps}
    occasion = Occasion("purchase", NOON, frozenset({"silver"}), "till", room=room)
    earned = accrual.earned(Purchase("EUR", total, goods), occasion, CAPPED)
    entries = tuple(Entry(i, unit, points, points, NOON) for i, (unit, points) in enumerate(earned.points))

    parts = contributions.of(event(entries, earned.steps))

    for unit, points in earned.points:
        of_unit = {rule: part for (rule, of), part in parts.items() if of == unit}
        assert sum(of_unit.values()) == points * contributions.SCALE
        assert "purchase" not in of_unit
        assert abs(of_unit.get("", 0)) < contributions.SCALE  # the rounding, and nothing else


def test_what_a_cap_took_counts_off_its_rule() -> None:
    steps = (
        ("base", "points", "rate", "8.5"), ("extra", "points", "per_item", "5"), ("", "points", "round", "13"),
        ("extra", "points", "rule_cap", "2"), ("base", "points", "unit_cap", "1"),
    )  # fmt: skip

    parts = contributions.of(event((Entry(0, "points", 10, 10, NOON),), steps))

    assert {name: Fraction(part, contributions.SCALE) for (name, _), part in parts.items()} == {
        "base": Fraction("7.5"), "extra": Fraction(3), "": Fraction("-0.5"),
    }  # fmt: skip


def test_a_multiplier_gave_what_it_added_and_the_rounding_took_the_rest() -> None:
    steps = (
        ("base", "points", "rate", "8.5"), ("tier:silver:points", "points", "multiply", "10.625"),
        ("cake", "points", "not_covered", "0"), ("", "points", "round", "10"),
    )  # fmt: skip

    parts = contributions.of(event((Entry(0, "points", 10, 10, NOON),), steps))

    assert {name: Fraction(part, contributions.SCALE) for (name, _), part in parts.items()} == {
        "base": Fraction("8.5"), "tier:silver:points": Fraction("2.125"), "": Fraction("-0.625"),
    }  # fmt: skip


def test_what_no_rule_gave_is_in_the_name_of_its_kind() -> None:
    given = event((Entry(0, "points", 50, 50, NOON),), (("", "points", "adjusted", "50"),), kind="adjustment")

    assert contributions.of(given) == {("adjustment", "points"): 50 * contributions.SCALE}


def test_what_is_taken_back_is_nobodys_gift() -> None:
    taken = event((Entry(0, "points", -10, 0),), (("", "points", "given_before", "10"),), kind="return")

    assert contributions.of(taken) == {}
    assert contributions.of(taken._replace(entries=())) == {}
