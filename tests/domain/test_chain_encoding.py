"""The bytes that are hashed: facts and contents are read back, and JSON is written in one way only (semantics E1)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import chain, encoding
from app.domain.commands import (
    Activity,
    Command,
    Enrolment,
    Line,
    Mode,
    Payment,
    Purchase,
    Redemption,
    Reference,
    ReferralBonus,
)
from tests.domain.builders import NOW, card, changed, command, purchase

text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
maybe = st.none() | text
amounts = st.integers(-(10**15), 10**15)
instants = st.integers(-(2**51), 2**52).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)
places = dict.fromkeys(("channel", "location", "terminal", "operator"), maybe)

lines = st.builds(
    Line,
    id=text,
    amount=amounts,
    sku=maybe,
    quantity=st.sampled_from(["1", "0", "2", "0.455", "999999999.999999"]),
    tax=st.none() | amounts,
    discount=st.none() | amounts,
    cost=st.none() | amounts,
    categories=st.lists(text, max_size=3).map(tuple),
)
purchases = st.builds(
    Purchase,
    currency=st.sampled_from(["EUR", "JPY"]),
    total=amounts,
    lines=st.lists(lines, max_size=4).map(tuple),
    payments=st.lists(st.builds(Payment, kind=text, amount=amounts, hold=maybe), max_size=3).map(tuple),
    vouchers=st.lists(text, max_size=2).map(tuple),
    **places,
    revision=st.integers(0, 3),
)
activities = st.builds(Activity, activity=text, **places)
redemptions = st.builds(Redemption, points=st.integers(1, 2**53 - 1), unit=maybe, **places)
enrolments = st.builds(Enrolment, channel=maybe, location=maybe)
ids = st.binary(min_size=16, max_size=16)
bonuses = st.builds(ReferralBonus, side=text, referee=ids, unit=text, points=st.integers(1, 2**53 - 1))
facts = purchases | activities | redemptions | enrolments | bonuses


@given(facts)
def test_facts_of_every_kind_are_read_back(facts: Purchase | Activity | Redemption | Enrolment | ReferralBonus) -> None:
    encoded = encoding.encode_facts(facts)

    assert encoding.decode_facts(facts.kind, encoded) == facts
    assert encoding.encode_facts(encoding.decode_facts(facts.kind, encoded)) == encoded


@given(purchases, purchases)
def test_different_purchases_are_different_bytes(one: Purchase, other: Purchase) -> None:
    """Semantics E1: content is compared by its encoding."""
    assert (encoding.encode_facts(one) == encoding.encode_facts(other)) == (one == other)


def test_defaults_are_left_out() -> None:
    """Semantics E1: a till that names a default says no more than one that leaves it out."""
    assert encoding.encode_facts(purchase("12.50")) == (
        b'{"currency":"EUR","lines":[{"amount":1250,"id":"1"}],"total":1250}'
    )
    assert encoding.encode_facts(Activity("survey")) == b'{"activity":"survey"}'
    assert encoding.encode_facts(Redemption(50)) == b'{"points":50}'
    assert encoding.encode_facts(Enrolment((card(),))) == b"{}"


def test_what_may_be_erased_is_not_among_the_facts() -> None:
    """Semantics M4."""
    person = Enrolment((card("2740001234567"),), birthday=NOW.date(), attributes='{"pet":"Minoes"}')

    encoded = encoding.encode_facts(person)

    assert not any(private in encoded for private in (b"2740001234567", b"Minoes", b"2026"))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"currency":"EUR"}', b'{"surprise":1}', b"\xff"])
def test_bytes_that_are_no_facts_are_an_error(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        encoding.decode_facts("purchase", data)


def test_a_kind_without_facts_is_an_error() -> None:
    with pytest.raises(ValueError, match="expiry"):
        encoding.decode_facts("expiry", b"{}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_is_json_and_knows_one_way_to_write_it(value: object) -> None:
    """Whatever order the keys came in, and without white space outside of texts."""
    written = chain.canonical(value)

    assert json.loads(written) == value
    assert chain.canonical(_turned(value)) == written
    assert chain.canonical(json.loads(written)) == written


def _turned(value: object) -> object:
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(item) for item in value] if isinstance(value, list) else value


def test_canonical_json_has_exactly_these_bytes() -> None:
    """Frozen early: a stranger must be able to write the same."""
    value = {"b": [1, True, None], "a": {"é": '\u2028\n"', "Z": -3}, "B": "🙂"}

    assert chain.canonical(value) == '{"B":"🙂","a":{"Z":-3,"é":"\u2028\\n\\""},"b":[1,true,null]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": -float("inf")}])
def test_what_is_no_json_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        chain.canonical(value)


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_fields_are_split_where_they_were_joined(parts: list[bytes]) -> None:
    assert chain.split_fields(chain.fields(parts)) == parts


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=4), st.data())
def test_torn_fields_are_an_error(parts: list[bytes], data: st.DataObject) -> None:
    whole = chain.fields(parts)
    cut = data.draw(st.integers(1, len(whole) - 1))
    ends = {len(chain.fields(parts[:i])) for i in range(len(parts) + 1)}

    if cut in ends:
        assert chain.split_fields(whole[:cut]) != parts
    else:
        with pytest.raises(ValueError, match="torn"):
            chain.split_fields(whole[:cut])


@given(instants)
def test_instants_are_kept_to_the_microsecond(instant: datetime) -> None:
    assert chain.instant(chain.micros(instant)) == instant


contents = st.builds(
    chain.Content,
    program_id=ids,
    member_id=ids,
    event_id=ids,
    sequence=st.integers(1, 2**63 - 1),
    source=text,
    kind=text,
    key=text,
    occurred_at=instants,
    effective_at=instants,
    recorded_at=instants,
    judged_at=instants,
    rules_version=st.integers(1, 2**31 - 1),
    rules_digest=st.binary(min_size=32, max_size=32),
    engine=st.integers(1, 2**15 - 1),
    silent=st.booleans(),
    digest=st.binary(min_size=16, max_size=16),
    facts=st.binary(max_size=40),
    context=st.binary(max_size=40),
    particulars_hash=st.just(b"") | st.binary(min_size=32, max_size=32),
)


@given(contents)
def test_content_is_read_back(content: chain.Content) -> None:
    assert chain.decode_content(chain.encode_content(content)) == content


@pytest.mark.parametrize(
    "data", [b"", chain.fields([b"zegel-event/2", *[b""] * 12]), chain.fields([chain.CONTENT_VERSION, b"x"])]
)
def test_bytes_of_another_version_are_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="not the content"):
        chain.decode_content(data)


def digest(command: Command, *, member: bytes = b"A" * 16, key: bytes = b"k" * 32) -> bytes:
    return chain.command_digest(command, encoding.encode_facts(command.facts), member, key=key)


SAID = command(purchase("12.50"), key="p1")


@pytest.mark.parametrize(
    "other",
    [
        changed(SAID, facts=purchase("12.51")),
        changed(SAID, facts=purchase("12.50", channel="web")),
        changed(SAID, occurred_at=NOW + timedelta(microseconds=1)),
        changed(SAID, particulars=b'{"attributes":{"table":4}}'),
        changed(SAID, mode=Mode.HISTORY_WITH_MESSAGES),
        changed(SAID, not_after=NOW),
        changed(SAID, facts=Activity("survey")),
    ],
)
def test_other_content_has_another_digest(other: Command) -> None:
    """Semantics E1: kind, facts, times, particulars, `messages` and `not_after` are what was said."""
    assert digest(other) != digest(SAID)


@pytest.mark.parametrize(
    "same",
    [
        changed(SAID, id=b"another id......"),
        changed(SAID, member=Reference(identity=card(), enrol=True)),
        changed(SAID, occurred_at=NOW.astimezone()),
        changed(SAID, mode=Mode.HISTORY),
    ],
)
def test_what_does_not_count_leaves_the_digest_alone(same: Command) -> None:
    """Semantics E1: our ids, how the member was named, the zone a time was written in, the route."""
    assert digest(same) == digest(SAID)


def test_the_member_counts_as_resolved_and_the_digest_is_keyed() -> None:
    """Semantics E1."""
    assert len({digest(SAID), digest(SAID, member=b"B" * 16), digest(SAID, key=b"j" * 32)}) == 3
    assert len(digest(SAID)) == chain.DIGEST_BYTES


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_nothing_shifts_between_facts_and_particulars(facts: bytes, particulars: bytes) -> None:
    """Length-prefixed: the same bytes divided differently are other content."""
    said = changed(SAID, particulars=particulars)
    shifted = changed(SAID, particulars=b"x" + particulars)

    assert chain.command_digest(said, facts + b"x", b"A" * 16, key=b"k") != chain.command_digest(
        shifted, facts, b"A" * 16, key=b"k"
    )


def test_erasable_parts_are_kept_as_a_salted_hash() -> None:
    """Semantics M4: nothing where there is nothing; without the salt nobody can try names."""
    assert chain.particulars_hash(b"", salt=b"s") == b""
    one, other = (chain.particulars_hash(b"Sanne", salt=salt) for salt in (b"s" * 16, b"t" * 16))
    assert one != other
    assert len(one) == 32
