"""Conditions: what may be written, what is wrong and where, what they cost, and what they say (semantics A3)."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import conditions
from app.domain.conditions import BadCondition, Kind, Mistake

VARIABLES = {
    "total": Kind.NUMBER,
    "quantity": Kind.NUMBER,
    "channel": Kind.TEXT,
    "first": Kind.BOOLEAN,
    "tags": Kind.TEXTS,
}
VALUES = {
    "total": conditions.number(Decimal("19.99")),
    "quantity": conditions.number(3),
    "channel": "app",
    "first": True,
    "tags": ["vip", "local"],
}


def says(text: str, **values: object) -> bool | None:
    """What a condition says; values replace those of `VALUES`, and None leaves one out."""
    bound = {name: value for name, value in (VALUES | values).items() if value is not None}
    return conditions.holds(conditions.parse(text, VARIABLES), conditions.bind(bound))


def mistakes(text: str) -> tuple[Mistake, ...]:
    """What is wrong with a condition."""
    with pytest.raises(BadCondition) as bad:
        conditions.parse(text, VARIABLES)
    return bad.value.mistakes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("total >= 19.99", True),
        ("total > 19.99", False),
        ("total < 20", True),
        ("total - 0.99 == 19", True),
        ("quantity % 2 == 1", True),
        ("-total < -19.98", True),
        ("channel == 'app' && first", True),
        ('channel in ["web", "pos"]', False),
        ("!first || 'vip' in tags", True),
        ("first ? total > 5 : total > 50", True),
        ("size(tags) == 2", True),
        ("1 - size(tags) == -1", True),
        ("size(channel) < 4", True),
        ("tags.exists(tag, tag.startsWith('lo'))", True),
        ("tags.all(tag, tag.contains('i'))", False),
        ("tags.exists_one(t, t.endsWith('p'))", True),
        ("tags == ['vip', 'local']", True),
        ('channel == "\\u0061pp"', True),
        ("true", True),
    ],
)
def test_a_condition_says_what_it_reads_like(text: str, *, expected: bool) -> None:
    """Semantics A3."""
    assert says(text) is expected


@given(a=st.decimals(-999, 999, places=2), b=st.decimals(-999, 999, places=2), c=st.decimals(0, 999, places=4))
def test_numbers_are_exact(a: Decimal, b: Decimal, c: Decimal) -> None:
    """No float decides: sums of decimals compare as they do on paper."""
    values = {"total": conditions.number(a), "quantity": conditions.number(b)}

    assert says(f"total + quantity > {c:f}", **values) is (a + b > c)
    assert says(f"total - quantity == {c:f}", **values) is (a - b == c)


def test_numbers_are_counted_in_millionths_rounded_down() -> None:
    assert conditions.number(Fraction(1, 3)) == 333_333
    assert conditions.number(Fraction(-1, 3)) == -333_334
    assert conditions.number(10**12) is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("total > 5", {"total": None}),
        ("total % (quantity - 3) == 1", {}),
        ("'vip' in tags && total > 5", {"total": None}),
    ],
)
def test_what_cannot_be_told_says_so_and_raises_nothing(text: str, values: dict[str, object]) -> None:
    """Semantics A3."""
    assert says(text, **values) is None


def test_what_does_not_depend_on_a_missing_value_is_told() -> None:
    assert says("first || total > 5", total=None) is True
    assert says("!first && total > 5", total=None) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("totl > 5", [(1, "there is no variable totl", "total")]),
        ("first && chanel == 'app'", [(10, "there is no variable chanel", "channel")]),
        ("'é' == channel && totl > 5", [(19, "there is no variable totl", "total")]),
        ("total > '5'", [(7, "> does not go with number and text", None)]),
        ("channel == 5", [(9, "== does not go with text and number", None)]),
        ("first ? total : channel", [(7, "?: does not go with true or false and number and text", None)]),
        ("total", [(1, "is neither true nor false: a condition compares something", None)]),
        ("channel = 'app'", [(9, "= is not read here", "==")]),
        ("first and first", [(7, "there is no variable and", "&&")]),
        ("total * 2 > 5", [(7, "* is not read: conditions compare, add and subtract", None)]),
        ("tags[0] == 'vip'", [(5, "nothing is taken out of a list by its number: ask with `in`", None)]),
        ("channel.startWith('a')", [(9, "there is no function startWith", "startsWith")]),
        ("len(tags) > 1", [(1, "there is no function len", None)]),
        ("(first", [(7, ") is missing", None)]),
        ("first)", [(6, ") closes nothing", None)]),
        ("first &&", [(7, "cannot be read from here on", None)]),
        ("channel == 'app", [(12, "the quote that begins here never ends", None)]),
        ("total > 1e5", [(9, "is no plain number, such as 20 or 19.99", None)]),
        ("total > 1.2345678", [(9, "has more than 12 digits, or more than 6 decimals", None)]),
        ("channel == r'x'", [(12, "there is no variable r", None)]),
        ("channel == 'a''b'", [(15, "something is missing before this", None)]),
        ("tags.exists(total, total == 'a')", [(13, "total is a variable already: choose another name", None)]),
        ("null == channel", [(1, "there is no variable null", None)]),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_suggestion(
    text: str, expected: list[tuple[int, str, str | None]]
) -> None:
    """Semantics A3: type-checked when saved, with the position of the mistake."""
    assert mistakes(text)[:1] == tuple(Mistake(*one) for one in expected)


def test_all_mistakes_are_told_at_once() -> None:
    assert [mistake.at for mistake in mistakes("totl > 5 && chanel == 'a' && quantty == 1")] == [1, 13, 30]


HOSTILE = {
    "deep": "(" * 900 + "first" + ")" * 900,
    "lists in lists": "[" * 900 + "]" * 900,
    "a long chain": "1" + "+1" * 900 + " > 0",
    "a regular expression": "channel.matches('(a+)+$')",
    "a macro in a macro": "tags.exists(a, tags.exists(b, tags.exists(c, a == b && b == c)))",
    "a huge list": "[" + ",".join(["'a'"] * 480) + "].exists(a, a in tags)",
    "lists that grow": "(" + "+".join(["tags"] * 90) + ").all(a, a in (" + "+".join(["tags"] * 90) + "))",
    "mapped": "tags.map(a, tags.map(b, tags)) == tags.map(a, tags)",
    "a dynamic value": "dyn(tags) == dyn(total)",
    "a time": "timestamp('2026-01-01T00:00:00Z') < timestamp('x')",
    "a message": "google.protobuf.Struct{fields: {}} == null",
    "a comment": "first // (",
    "quotes": "'" * 1999,
    "three quotes": "'''" + "a" * 100 + "''' == channel",
    "backslashes": "'" + "\\" * 1500,
    "a backtick": "`first`",
    "an index": "tags[9223372036854775807] == 'a'",
    "a long name": "a" * 1900,
    "a long number": "9" * 1900 + " > total",
    "zero bytes": "first\x00",
    "halves of characters": "'\ud800' == channel",
    "brackets that cross": "([)]" * 400,
    "nothing": "",
    "too long": "first" + " " * 2000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_hostile_is_refused_before_it_runs(text: str) -> None:
    assert 1 <= len(mistakes(text)) <= conditions.MAX_MISTAKES


def test_the_work_of_a_condition_is_known_before_it_runs() -> None:
    """A macro counts what it repeats once for each text that a list may have."""
    plain = conditions.parse("channel == 'app'", VARIABLES).work
    through = conditions.parse("tags.exists(t, t == channel)", VARIABLES).work
    within = conditions.parse("tags.exists(t, t in tags)", VARIABLES).work

    assert plain == 3
    assert through == 64 + 9 + 64 * 5
    assert within == 64 + 64 + 8 + 64 * (4 + 64)
    with pytest.raises(BadCondition, match="too much work"):
        conditions.parse(" || ".join(["tags.exists(t, t in tags)"] * 5), VARIABLES)


@given(st.text(alphabet="totalchnegs.()[]'\"\\!&|=<>+-% 0123456789,?:in", max_size=60))
def test_any_text_is_a_condition_or_told_what_is_wrong(text: str) -> None:
    found: tuple[Mistake, ...] = ()
    try:
        condition = conditions.parse(text, VARIABLES)
    except BadCondition as bad:
        found = bad.mistakes

    if found:
        assert all(1 <= mistake.at <= len(text) + 1 for mistake in found)
    else:
        assert condition.work <= conditions.MAX_WORK
        assert conditions.holds(condition, conditions.bind(VALUES)) in (True, False, None)
