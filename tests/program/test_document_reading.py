"""A program document reads the same from YAML, from JSON and from its canonical form, and nothing passes a float."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import Span
from app.domain.points import Rounding
from app.domain.rules import Basis, OutOfTime
from app.program import document, reading
from app.program.document import Document, Expires


def program(**parts: object) -> dict[str, Any]:
    base: dict[str, Any] = {
        "zegel": 1,
        "name": "Test",
        "time_zone": "Europe/Amsterdam",
        "currencies": ["EUR"],
        "units": {"points": {"name": "Points"}, "spent": {"name": "Spent", "decimals": 2, "spendable": False}},
    }
    return base | parts


def read(**parts: object) -> Document:
    return reading.read(json.dumps(program(**parts)))


def rule(**parts: object) -> dict[str, Any]:
    return {"id": "base", "on": "purchase", "unit": "points"} | parts


def texts_of_number(places: int = 9) -> st.SearchStrategy[str]:
    whole = st.integers(1, 10**10).map(str)
    part = st.integers(0, 10**places - 1).map(lambda digits: f".{digits:0{places}d}")
    return st.tuples(whole, st.just("") | part).map("".join)


offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
days = st.dates(date(2000, 1, 2), date(2999, 12, 30))
instants = st.builds(datetime.combine, days, st.times().map(lambda time: time.replace(microsecond=0)), offsets)
moments = (days | instants).map(lambda moment: moment.isoformat())
# The dumper of YAML 1.1 leaves some words bare that are numbers in YAML 1.2, such as 0E0: not these.
words = st.lists(
    st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=20).map(lambda rest: f"w{rest}"),
    min_size=1,
    unique=True,
)
ways = st.one_of(
    st.fixed_dictionaries(
        {"give": texts_of_number(), "per": texts_of_number(2)},
        optional={"basis": st.sampled_from(list(Basis)), "whole_steps": st.booleans()},
    ).map(lambda rate: {"rate": rate}),
    texts_of_number().map(lambda number: {"per_item": number}),
    texts_of_number().map(lambda number: {"multiply": number}),
    st.integers(1, 2**53 - 1).map(lambda number: {"fixed": number}),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "channels": words,
        "from": moments,
    },
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    given = draw(st.lists(st.tuples(ways, filters), max_size=5))
    thresholds = sorted(draw(st.sets(st.integers(1, 10**9), max_size=4)))
    levels = [{"id": f"t{n}", "name": "T", "from": f"{n}.50" if n else "0"} for n in (0, *thresholds)]
    return program(
        rules=[
            {"id": f"r{n}", "on": "purchase", "unit": "points", **way, **filter_}
            for n, (way, filter_) in enumerate(given)
        ],
        tiers=draw(st.sampled_from([[], [{"id": "status", "unit": "spent", "levels": levels}]])),
        events=draw(st.sampled_from([{}, {"late": "P2W"}, {"early": "PT0M", "out_of_time": "record_now"}])),
    )


@given(documents())
def test_yaml_json_and_the_canonical_form_read_as_the_same_document(content: dict[str, Any]) -> None:
    from_json = reading.read(json.dumps(content))
    from_yaml = reading.read("# a comment\n" + yaml.safe_dump(json.loads(json.dumps(content)), allow_unicode=True))

    stored = reading.canonical(from_json)

    assert from_yaml == from_json == reading.read(stored)
    assert reading.canonical(from_yaml) == reading.canonical(reading.read(stored)) == stored


def test_the_canonical_form_is_compact_sorted_json_without_defaults() -> None:
    document = read(
        name="Café",
        rules=[rule(rate={"per": "1.00", "give": 1, "basis": "charged"}, enabled=True)],
        payments_without_points=["points"],
        events={"late": "P30D"},
    )

    assert reading.canonical(document).decode() == (
        '{"currencies":["EUR"],"name":"Café",'
        '"rules":[{"id":"base","on":"purchase","rate":{"give":"1","per":"1"},"unit":"points"}],'
        '"time_zone":"Europe/Amsterdam",'
        '"units":{"points":{"name":"Points"},"spent":{"decimals":2,"name":"Spent","spendable":false}},"zegel":1}'
    )


def test_the_digest_is_that_of_the_canonical_form() -> None:
    assert reading.digest(b"").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_documents_that_say_the_same_have_the_same_digest() -> None:
    one = read(rules=[rule(rate={"give": "1.0", "per": 1})], units={"points": {"name": "P", "expires": "never"}})
    other = read(rules=[rule(rate={"give": 1, "per": "1.00"})], units={"points": {"name": "P"}})

    assert reading.canonical(one) == reading.canonical(other)


@given(texts_of_number())
def test_a_number_is_exact_in_quotes_bare_in_yaml_and_bare_in_json(number: str) -> None:
    head = yaml.safe_dump(program())
    forms = [
        reading.read(f'{head}rules: [{{id: a, on: purchase, unit: points, multiply: "{number}"}}]\n'),
        reading.read(f"{head}rules: [{{id: a, on: purchase, unit: points, multiply: {number}}}]\n"),
        reading.read(
            json.dumps(program(rules=[rule(id="a", multiply=0)])).replace('"multiply": 0', f'"multiply":{number}')
        ),
    ]

    for form in forms:
        assert form.rules[0].multiply == Decimal(number)
        assert isinstance(form.rules[0].multiply, Decimal)


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    text = (
        yaml.safe_dump(program())
        + "rules:\n"
        + "".join(
            f"- {{id: r{n}, on: purchase, unit: points, per_item: {number}}}\n"
            for n, number in enumerate((0.1, 0.2, 0.3))
        )
    )

    tenth, two, three = (Fraction(rule.per_item or 0) for rule in reading.read(text).rules)

    assert tenth + two == three


def test_no_float_is_anywhere_in_a_document() -> None:
    text = yaml.safe_dump(program()) + (
        "cash_rounding: {EUR: 0.05}\n"
        "rules: [{id: a, on: purchase, unit: points, rate: {give: 0.1, per: {EUR: 1.10}}}]\n"
        "referrals: {minimum: 10.10, referee: {unit: spent, points: 0.1}}\n"
    )

    def kinds(value: object) -> set[type]:
        if isinstance(value, dict):
            return set().union(*(kinds(part) for part in value.values()))
        if isinstance(value, tuple | list):
            return set().union(*(kinds(part) for part in value))
        return {type(value)}

    assert float not in kinds(reading.read(text).model_dump())


def test_words_that_old_yaml_took_for_yes_and_no_are_text() -> None:
    text = yaml.safe_dump(program()) + (
        "rules:\n"
        "  - id: on\n"
        "    on: purchase\n"
        "    unit: points\n"
        "    fixed: 1\n"
        "    channels: [no, off, y, 12:30, 1_000, 2026-05-01]\n"
    )

    rule = reading.read(text).rules[0]

    assert rule.id == "on"
    assert rule.channels == ("no", "off", "y", "12:30", "1_000", "2026-05-01")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_text_and_bytes_with_or_without_a_byte_order_mark_read_alike(mark: str) -> None:
    for text in (json.dumps(program(name="Café")), yaml.safe_dump(program(name="Café"), allow_unicode=True)):
        assert reading.read(mark + text) == reading.read((mark + text).encode()) == read(name="Café")


def test_json_may_begin_with_white_space_and_use_every_escape() -> None:
    text = "\r\n\t " + json.dumps(program(name="a/b 😀")).replace("/", "\\/")

    assert reading.read(text).name == "a/b 😀"


def test_what_is_left_out_has_its_default() -> None:
    document = read()

    assert document.events.late == Span(days=30)
    assert document.events.early == timedelta(minutes=5)
    assert document.events.out_of_time == "refuse"
    assert document.payments_without_points == ("points",)
    assert document.units["points"].expires == "never"
    assert (document.rules, document.tiers, document.referrals) == ((), (), None)


def test_durations_read_as_months_and_days() -> None:
    document = read(
        events={"late": "P2W3D", "early": "PT60M"},
        units={"points": {"name": "P", "expires": {"after": "P1Y6M", "round_up": "quarter"}}},
    )

    assert document.events.late == Span(days=17)
    assert document.events.early == timedelta(hours=1)
    expires = document.units["points"].expires
    assert isinstance(expires, Expires)
    assert (expires.after, expires.round_up) == (Span(months=18), "quarter")


def test_a_moment_is_a_day_or_an_instant() -> None:
    document = read(rules=[rule(fixed=1, **{"from": "2026-05-01", "until": "2026-06-01T08:00:00Z"})])

    assert document.rules[0].from_ == date(2026, 5, 1)
    assert document.rules[0].until == datetime(2026, 6, 1, 8, tzinfo=UTC)


def test_the_words_of_a_document_are_those_of_the_core() -> None:
    def words(part: type[document.Part], name: str) -> set[str]:
        return set(part.model_json_schema()["properties"][name]["enum"])

    assert words(document.Rate, "basis") == set(Basis)
    assert words(document.Unit, "rounding") == set(Rounding)
    assert words(document.Events, "out_of_time") == set(OutOfTime)
