"""Ladders in a document: several units, reviews, given tiers; and every mistake at its place (semantics T1, T3, T7)."""

from typing import Any

import pytest

from app.domain.calendar import Every, Period, Span
from app.domain.ladders import AT_ONCE, After, AtEndOf, Benefit, Fall, Join
from app.domain.rules import Promoted, Rules
from app.program import compiling, reading
from tests.domain.builders import LONG_AGO

HEAD = """
zegel: 1
name: Rides
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points}
  spent: {name: Spent, decimals: 2, spendable: false}
  visits: {name: Visits, spendable: false}
"""
LEVELS = "[{id: a, name: A, from: 0}, {id: b, name: B, from: 10}]"


def compiled(text: str) -> Rules:
    return compiling.compile_rules(reading.read(HEAD + text), version=1, digest=bytes(32), in_force_from=LONG_AGO)


def ladder(more: str, levels: str = LEVELS) -> Any:
    (found,) = compiled(f"tiers:\n  - {{id: status, {more}, levels: {levels}}}\n").ladders
    return found


@pytest.mark.parametrize(
    ("stated", "review"),
    [
        ("never", None),
        ("at_once", AT_ONCE),
        ("{after: P12M}", After(Span(12))),
        ("{at_end_of: year}", AtEndOf(Period(Every.YEAR))),
        ("{at_end_of: half_year, starting: joining, later: 1}", AtEndOf(Period(Every.HALF_YEAR, None, True), 1)),
    ],
)
def test_reviews_are_read(stated: str, review: Any) -> None:
    assert ladder(f"unit: visits, review: {stated}").review == review


def test_thresholds_are_in_the_order_of_the_units_and_in_their_smallest_parts() -> None:
    levels = '[{id: a, name: A, from: 0}, {id: b, name: B, from: {visits: 10, spent: "200.50"}}]'

    found = ladder("units: [visits, spent], join: any, review: {after: P1Y}, fall: one_step, grace: P10D", levels)

    assert (found.units, found.join, found.fall, found.grace) == (
        ("spent", "visits"),
        Join.ANY,
        Fall.ONE_STEP,
        Span(days=10),
    )
    assert [tier.thresholds for tier in found.tiers] == [(0, 0), (200_50, 10)]


def test_a_tier_may_be_given_only_and_bring_benefits() -> None:
    levels = (
        "[{id: a, name: A, from: 0}, {id: b, name: B, from: given, "
        "benefits: [{id: lounge, kind: access, text: Lounge, value: 2}]}]"
    )

    top = ladder("unit: visits", levels).tiers[1]

    assert (top.thresholds, top.benefits) == (None, (Benefit("lounge", "access", "Lounge", "2"),))


def test_a_rule_gives_a_tier_of_its_ladder() -> None:
    rules = compiled(
        "rules:\n  - {id: plan, on: purchase, include: {skus: [P]}, tier: {tier: b, for: P1Y}}\n"
        "tiers:\n  - {id: club, levels: [{id: a, name: A}, {id: b, name: B}]}\n"
    )

    assert rules.gifts["purchase"][0].gives == Promoted("club", "b", lasts=Span(12))
    assert rules.ladders[0].units == ()


@pytest.mark.parametrize(
    ("more", "levels", "pointer"),
    [
        ("unit: points", LEVELS, "/tiers/0/unit"),
        ("units: [visits, points]", "[{id: a, name: A, from: 0}]", "/tiers/0/units/1"),
        ("unit: visits, units: [spent]", LEVELS, "/tiers/0/units"),
        ("units: [visits, spent]", LEVELS, "/tiers/0/levels/1/from"),
        ("unit: visits", "[{id: a, name: A, from: 0}, {id: b, name: B}]", "/tiers/0/levels/1"),
        ("unit: visits", "[{id: a, name: A, from: given}]", "/tiers/0/levels/0/from"),
        ("unit: visits", "[{id: a, name: A, from: 0}, {id: b, name: B, from: {spent: 1}}]", "/tiers/0/levels/1/from"),
        ("join: all", LEVELS, "/tiers/0/levels/1/from"),
        ("unit: visits, grace: P10D", LEVELS, "/tiers/0/grace"),
        ("unit: visits, fall: one_step, review: at_once", LEVELS, "/tiers/0/fall"),
        ("unit: visits, grace: P28D, review: {at_end_of: month}", LEVELS, "/tiers/0/grace"),
        ("unit: visits, expiring_notice: P7D, review: {at_end_of: week}", LEVELS, "/tiers/0/expiring_notice"),
        ("unit: visits, review: {at_end_of: year, later: 2}", LEVELS, "/tiers/0/review/later"),
    ],
)
def test_mistakes_are_told_at_their_place(more: str, levels: str, pointer: str) -> None:
    with pytest.raises(reading.MistakesInDocument) as found:
        ladder(more, levels)

    assert pointer in [mistake.pointer for mistake in found.value.mistakes]


def test_with_any_each_step_asks_for_more_of_each() -> None:
    levels = (
        "[{id: a, name: A, from: 0}, {id: b, name: B, from: {spent: 1, visits: 5}}, "
        "{id: c, name: C, from: {spent: 2, visits: 5}}]"
    )

    assert len(ladder("units: [spent, visits], join: all", levels).tiers) == 3
    with pytest.raises(reading.MistakesInDocument):
        ladder("units: [spent, visits], join: any", levels)


@pytest.mark.parametrize(
    ("gift", "pointer"),
    [
        ("{tier: c, for: P1Y}", "/rules/0/tier/tier"),
        ("{tier: a, for: P1Y}", "/rules/0/tier/tier"),
        ("{tier: b}", "/rules/0/tier"),
        ("{tier: b, for: P1Y, until: 2027-01-01}", "/rules/0/tier"),
    ],
)
def test_mistakes_in_a_gift_are_told_at_their_place(gift: str, pointer: str) -> None:
    text = (
        f"rules:\n  - {{id: plan, on: purchase, tier: {gift}}}\ntiers:\n  - {{id: s, unit: visits, levels: {LEVELS}}}\n"
    )

    with pytest.raises(reading.MistakesInDocument) as found:
        compiled(text)

    assert pointer in [mistake.pointer for mistake in found.value.mistakes]
