"""The sample program loads and says what its comments say."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain import rules, units
from app.domain.rules import Multiply, Rate, ReferralGift
from app.program import compiling, reading

SAMPLE = Path(__file__).parents[2] / "programs" / "koffiehuis.yaml"
CANONICAL = reading.canonical(reading.read_new(SAMPLE.read_bytes()))


def koffiehuis() -> rules.Rules:
    document = reading.read_new(SAMPLE.read_bytes())
    digest = reading.digest(reading.canonical(document))
    return compiling.compile_rules(document, version=1, digest=digest, in_force_from=datetime(2026, 1, 1, tzinfo=UTC))


def test_it_has_the_rules_its_comments_announce() -> None:
    program = koffiehuis()

    assert [rule.code for rule in program.rules] == [
        "base",
        "spent",
        "extra-cake",
        "december-beans",
        "welcome",
        "survey",
        "tier:silver:points",
        "tier:gold:points",
    ]
    assert program.rules[0].gives == Rate(Fraction(1), {"EUR": 100})
    assert program.rules[1].gives == Rate(Fraction(100), {"EUR": 100})
    assert [rule.gives for rule in program.rules[-2:]] == [Multiply(Fraction(5, 4)), Multiply(Fraction(3, 2))]
    assert set(program.plans) == {"purchase", "enrolment", "activity"}


def test_a_point_costs_a_cent() -> None:
    assert koffiehuis().costs == {"points": rules.Cost("EUR", Fraction(1, 100))}


def test_tiers_begin_at_200_and_500_euros() -> None:
    (ladder,) = koffiehuis().ladders

    assert [(tier.code, tier.thresholds) for tier in ladder.tiers] == [
        ("bronze", (0,)),
        ("silver", (20_000,)),
        ("gold", (50_000,)),
    ]


def test_points_of_a_morning_in_may_end_with_the_may_after() -> None:
    program = koffiehuis()

    ends = units.expires_at(
        program.units["points"],
        available_from=datetime(2026, 5, 4, 8, tzinfo=UTC),
        zone=program.zone,
    )

    assert ends == datetime(2027, 5, 31, 22, tzinfo=UTC)


def test_a_friend_brings_100_points_and_gets_50() -> None:
    referrals = koffiehuis().referrals

    assert referrals is not None
    assert referrals.minimum == {"EUR": 1000}
    assert (referrals.referrer, referrals.referee) == (ReferralGift("points", 100), ReferralGift("points", 50))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list inside a value with each of its keys or positions."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield value, key
        yield from places(part)


amounts = st.sampled_from(
    ["0", "0.5", "1", "1.005", "9007199254740991", "9007199254740992", "-1", "9999999999999999.9"]
)
values = st.recursive(
    amounts
    | st.integers()
    | st.booleans()
    | st.none()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["points", "spent", "gold", "USD", "P30D", "P0D", "PT5M", "2026-05-01", "purchase", "activity", "never", "net"]
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["EUR", "USD", "points", "skus", "after"]), inner),
    max_leaves=5,
)


@given(st.data())
def test_whatever_is_changed_in_it_is_either_told_or_compiles(data: st.DataObject) -> None:
    content = json.loads(CANONICAL)
    for _ in range(data.draw(st.integers(1, 3))):
        part, key = data.draw(st.sampled_from(list(places(content))))
        if data.draw(st.booleans()):
            part[key] = data.draw(values)
        else:
            del part[key]
    text = json.dumps(content)

    try:
        document = reading.read_new(text)
    except reading.MistakesInDocument as mistakes:
        told = mistakes.mistakes
    else:
        told = ()
        compiling.compile_rules(document, version=1, digest=b"", in_force_from=datetime(2026, 1, 1, tzinfo=UTC))

    assert all(mistake.line == 1 and mistake.message for mistake in told)
