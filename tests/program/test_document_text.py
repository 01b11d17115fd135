"""Text that is no YAML or JSON, or says what readers disagree on, is refused with its line."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.program import reading
from app.program.reading import Mistake, MistakesInDocument

HEAD = """\
zegel: 1
name: Test
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points}
  spent: {name: Money spent, decimals: 2, spendable: false}
"""
AFTER_HEAD = HEAD.count("\n")


def mistakes(text: str | bytes) -> list[Mistake]:
    with pytest.raises(MistakesInDocument) as caught:
        reading.read(text)
    return list(caught.value.mistakes)


def told(text: str | bytes) -> list[tuple[str, int | None, str]]:
    return [(mistake.pointer, mistake.line, mistake.message) for mistake in mistakes(text)]


def only(text: str | bytes) -> Mistake:
    (mistake,) = mistakes(text)
    return mistake


def rule(rest: str, *, on: str = "purchase") -> str:
    """A document with one rule, all of it on RULE_LINE."""
    return f"{HEAD}rules:\n  - {{id: base, on: {on}, unit: points, {rest}}}\n"


RULE_LINE = AFTER_HEAD + 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD + "rules: [\n", AFTER_HEAD + 2),
        (HEAD + "\trules: []\n", AFTER_HEAD + 1),
        (HEAD + 'rules: "never closed\n', AFTER_HEAD + 2),
        ('{"zegel": 1,\n "name" 2}', 2),
        ('{"zegel": 1}\n{"zegel": 1}', 2),
        (HEAD + "---\n" + HEAD, AFTER_HEAD + 2),
        (HEAD + "rules: \x07\n", AFTER_HEAD + 1),
        ("", None),
        ("# only a comment\n", None),
        (HEAD.encode() + b"prices: \xff\n", AFTER_HEAD + 1),
        ('rules: "\\U00110000"', None),
    ],
)
def test_text_that_is_no_yaml_or_json_is_one_mistake_with_its_line(text: str | bytes, line: int | None) -> None:
    mistake = only(text)

    assert (mistake.pointer, mistake.line) == ("", line)


@pytest.mark.parametrize("text", ["just text", "[1, 2]", "5", '"text"'])
def test_a_document_is_a_mapping(text: str) -> None:
    assert told(text) == [("", 1, "must be a mapping of names to values")]


def test_more_than_256_kib_are_refused_as_text_and_as_bytes() -> None:
    text = HEAD + "#" * reading.MAX_BYTES

    assert told(text) == told(text.encode()) == [("", None, "is larger than 256 KiB")]


def test_a_document_whose_canonical_form_would_be_too_large_to_read_again_is_refused() -> None:
    words = ",".join(f"s{number:06}" for number in range(29_000))
    text = rule(f"per_item: 1, include: {{skus: [{words}]}}")
    assert len(text) < reading.MAX_BYTES

    assert told(text) == [("", None, "is larger than 256 KiB")]


@pytest.mark.parametrize(
    "text",
    [HEAD + "rules: " + "[" * 16 + "]" * 16 + "\n", json.dumps({"rules": json.loads("[" * 16 + "]" * 16)})],
    ids=["yaml", "json"],
)
def test_deeper_than_16_levels_is_refused_where_the_seventeenth_begins(text: str) -> None:
    mistake = only(text)

    assert mistake.pointer == "/rules" + "/0" * 15
    assert mistake.message == "is nested deeper than 16 levels"


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 50_000, '{"a":' + "[" * 200_000, "- " * 100_000])
def test_bottomless_nesting_is_refused_at_the_same_depth(text: str) -> None:
    assert only(text).message == "is nested deeper than 16 levels"


@pytest.mark.parametrize(
    ("text", "line"),
    [(f"{HEAD}rules: [{'1,' * 40_000}]\n", 8), (json.dumps({"rules": [1] * 40_000}, indent=0), 30_000)],
    ids=["yaml", "json"],
)
def test_more_values_than_any_program_needs_are_not_read(text: str, line: int) -> None:
    """Within 256 KiB there may be 130,000, which take seconds."""
    assert told(text)[-1] == ("", line, "more than 30,000 names and values cannot be read")


def test_a_name_written_twice_is_refused_with_both_lines() -> None:
    yaml = HEAD + "name: Again\nunits: {}\n"
    in_json = '{"zegel": 1, "name": "A",\n "time_zone": "UTC",\n "name": "B", "currencies": ["EUR"],\n "units": {}}'

    assert told(yaml) == [
        ("/name", 8, "is written twice, first on line 2"),
        ("/units", 9, "is written twice, first on line 5"),
    ]
    assert told(in_json)[0] == ("/name", 3, "is written twice, first on line 1")


def test_anchors_aliases_and_tags_are_refused_each_at_its_place() -> None:
    text = HEAD + "prices: &price gross\nname2: *price\nrules: !!python/object:os.system []\n"

    assert told(text) == [
        ("/prices", 8, "anchors (&) are not read: leave it out"),
        ("/name2", 9, "aliases (*) are not read: write it out"),
        ("/rules", 10, "tags (!) are not read: leave it out"),
    ]


def test_an_alias_bomb_is_refused_unexploded() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60))]

    assert len(mistakes("\n".join(lines))) == reading.MAX_MISTAKES


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e3", "0x1F", "0o17", "007", "+5", "1.", ".5", "9" * 41])
def test_numbers_that_readers_of_yaml_disagree_on_are_refused(number: str) -> None:
    mistake = only(rule(f"per_item: {number}"))

    assert (mistake.pointer, mistake.line) == ("/rules/0/per_item", RULE_LINE)
    assert mistake.message.startswith("is a number that can be read in several ways")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e3", "1E400", "9" * 41])
def test_numbers_that_json_does_not_promise_are_refused(number: str) -> None:
    text = f'{{"zegel": 1,\n "cash_rounding": {{"EUR": {number}}}}}'

    assert ("/cash_rounding/EUR", 2) in [(pointer, line) for pointer, line, _ in told(text)]


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_a_name_without_a_value_is_refused(nothing: str) -> None:
    text = HEAD + f"prices: {nothing}\nrules: {nothing}\n"

    assert told(text) == [
        ("/prices", 8, "nothing is written here; leave the name out"),
        ("/rules", 9, "nothing is written here; leave the name out"),
    ]


@pytest.mark.parametrize("bad", ["\\u0000", "\\n", "\\ud800", "\\u2028"])
def test_control_characters_and_halves_of_characters_are_refused_in_texts_and_names(bad: str) -> None:
    text = f'{{"name": "a{bad}",\n "b{bad}": 1}}'

    first, second = [mistake for mistake in mistakes(text) if "control character" in mistake.message]

    assert (first.pointer, first.line) == ("/name", 1)
    assert (second.pointer, second.line) == ("/b\ufffd", 2)


def test_a_condition_may_go_on_over_lines() -> None:
    """Folded it is one line; what keeps its lines holds line breaks, and is told where."""
    rule = "rules:\n  - id: big\n    on: purchase\n    unit: points\n    fixed: 5\n    if: "
    condition = "\n      total >= 20 &&\n      visits == 1\n"

    assert reading.read(f"{HEAD}{rule}>{condition}").rules[0].if_ == "total >= 20 && visits == 1"
    assert [one.line for one in mistakes(f"{HEAD}{rule}|{condition}")] == [AFTER_HEAD + 6]


def test_pointers_escape_slashes_and_tildes() -> None:
    assert only(HEAD + '"a/b~c": 1\n').pointer == "/a~1b~0c"


def test_names_that_are_no_text_are_refused() -> None:
    assert (only(HEAD + "? [a, b]\n: 1\n").message, only(HEAD + "? [a, b]\n: 1\n").line) == (
        "names must be plain text",
        8,
    )


def test_lines_are_those_of_json_too() -> None:
    document = {"zegel": 1, "name": "A", "time_zone": "UTC", "currencies": ["EUR"], "units": {"p": {"name": 5}}}

    mistake = only(json.dumps(document, indent=1))

    assert (mistake.pointer, mistake.line) == ("/units/p/name", 10)


@given(st.text() | st.text(alphabet="{}[]:,-&*!|>'\"%@`#?~ \n\tab01.e\\\ufeff") | st.binary())
@example("%YAML 9" + "9" * 5_000 + ".1\n---\na")
@example('{"a": ' + "[" * 3_000)
@example("? ")
@example('"\\UFFFFFFFF"')
def test_no_text_brings_anything_but_mistakes(text: str | bytes) -> None:
    with pytest.raises(MistakesInDocument) as caught:
        reading.read(text)

    assert str(caught.value).encode()
