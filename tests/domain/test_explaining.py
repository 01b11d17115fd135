"""Explanations that a cashier reads, in English and Dutch, of nothing but steps, rules and facts (semantics E2)."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter

import pytest

import app.domain
from app.domain import accrual, chain, encoding, explaining, steps, texts
from app.domain.applying import Occasion
from app.domain.commands import Line, Payment, Purchase
from app.domain.events import Balances, Entry, Recorded
from app.domain.rules import Rules
from app.domain.texts import Language
from app.program import compiling, reading

DOCUMENT = """
zegel: 1
name: Koffiehuis
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points}
  spent: {name: Money spent, decimals: 2, spendable: false}
  stars: {name: Stars, rounding: half_up}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
  - {id: cake, on: purchase, unit: points, per_item: 5, include: {categories: [cake]}}
  - {id: december, on: purchase, unit: points, multiply: 2, from: 2026-12-01}
  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
  - {id: steps, on: purchase, unit: stars, rate: {give: 1, per: "10.00", whole_steps: true}}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: 200, multiply: {points: "1.25"}}
"""
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return compiling.compile_rules(reading.read(DOCUMENT), version=1, digest=bytes(32), in_force_from=NOON)


def bought(rules: Rules, *lines: Line, tier: str = "silver", payments: tuple[Payment, ...] = ()) -> Recorded:
    """A purchase as the rules judged it."""
    goods = Purchase("EUR", sum(line.amount for line in lines), lines, payments)
    earned = accrual.earned(goods, Occasion("purchase", NOON, frozenset({tier}), "till"), rules)
    content = chain.Content(
        bytes(16), bytes(16), bytes(16), 1, "till", "purchase", "p1", NOON, NOON, NOON, NOON, 1, bytes(32), 1, False,
        bytes(16), encoding.encode_facts(goods), b"", b"",
    )  # fmt: skip
    entries = tuple(Entry(i, unit, points, points) for i, (unit, points) in enumerate(earned.points))
    return Recorded(
        bytes(16), bytes(16), 1, "till", "purchase", "p1", NOON, NOON, NOON, 1, 1, bytes(16),
        chain.encode_content(content), bytes(32), entries, earned.steps,
        {unit: Balances(points, points, 0, 0, 0) for unit, points in earned.points},
    )  # fmt: skip


COFFEE = Line("1", 850, quantity="2", categories=("coffee",))
CAKE = Line("2", 400, sku="77", categories=("cake",))


def test_a_cashier_reads_how_the_points_came_about(rules: Rules) -> None:
    english = explaining.explained(bought(rules, COFFEE), rules, Language.ENGLISH)
    dutch = explaining.explained(bought(rules, COFFEE), rules, Language.DUTCH)

    assert english.summary["points"] == "2 × 4.25 coffee at 1 per 1.00 = 8.5; silver ×1.25 = 10.6; rounded down: 10"
    assert dutch.summary["points"] == (
        "2 × 4,25 coffee, 1 per 1,00 = 8,5; silver ×1,25 = 10,6; naar beneden afgerond: 10"
    )


def texts_of(event: Recorded, rules: Rules) -> tuple[str, ...]:
    return explaining.explained(event, rules, Language.ENGLISH).steps


def test_why_a_rule_gave_nothing_is_told_too(rules: Rules) -> None:
    event = bought(rules, COFFEE, tier="bronze")

    told = {step[0]: text for step, text in zip(event.steps, texts_of(event, rules), strict=True)}

    assert told["december"] == "december: has not begun"
    assert told["cake"] == "cake: not for these goods"
    assert told["tier:silver:points"] == "silver: not for this tier"


def test_items_whole_steps_and_units_with_decimals_read_as_they_were_counted(rules: Rules) -> None:
    summary = explaining.explained(bought(rules, COFFEE, CAKE, tier="bronze"), rules, Language.ENGLISH).summary

    assert summary["points"] == "12.50 at 1 per 1.00 = 12.5; 1 × cake at 5 each = 5; rounded down: 17"
    assert summary["spent"] == "12.50 at 1.00 per 1.00 = 12.50"
    assert summary["stars"] == "12.50 at 1 per whole 10.00 = 1"


def test_what_was_paid_with_points_is_not_counted_and_seen_not_to_be(rules: Rules) -> None:
    event = bought(rules, CAKE, tier="bronze", payments=(Payment("points", 100),))

    summary = explaining.explained(event, rules, Language.DUTCH).summary

    assert summary["points"] == "3,00 van 4,00, 1 per 1,00 = 3; 1 × cake, 5 per stuk = 5"


def test_a_receipt_has_lines_of_forty_characters(rules: Rules) -> None:
    told = explaining.explained(bought(rules, COFFEE, CAKE), rules, Language.DUTCH)

    assert told.receipt[:2] == ("12,50, 1 per 1,00 = 12,5", "1 × cake, 5 per stuk = 5")
    assert "Points: +21" in told.receipt
    assert "Money spent te besteden: 12,50" in told.receipt
    assert max(len(line) for line in told.receipt) <= explaining.WIDTH


def test_without_the_rules_the_steps_are_told_all_the_same(rules: Rules) -> None:
    event = bought(rules, COFFEE)

    told = explaining.explained(event, None, Language.ENGLISH)

    assert told.summary["points"] == "base: 8.5; silver: 10.6; rounded: 10"
    later = event._replace(steps=(("r", "points", "from_the_future", "0"),))
    assert explaining.explained(later, rules, Language.ENGLISH).steps == ("r: from the future",)


def codes() -> Iterator[str]:
    """The codes of steps and reasons that the core gives: the third of every step it writes, and what the functions
    answer that say why a rule gives nothing."""
    for path in Path(app.domain.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Tuple) and len(node.elts) == 4 and _is_step(node):
                yield from _texts(node.elts[2])
            if isinstance(node, ast.FunctionDef) and re.fullmatch(r"str \| None", ast.unparse(node.returns or node)):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        yield from _texts(inner.value)
                    if isinstance(inner, ast.Assign) and ast.unparse(inner.targets[0]) == "what":
                        yield from _texts(inner.value)


def _is_step(node: ast.Tuple) -> bool:
    """Whether a tuple of four is a step: a rule, a unit, what happened, and a number as text."""
    last = ast.unparse(node.elts[3])
    return last.startswith(("str(", "points.text(", "'0'")) or "give" in last


def _texts(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and re.fullmatch("[a-z_]+", inner.value):
            yield inner.value


def test_every_code_that_the_core_gives_has_a_text_in_every_language() -> None:
    found = {*codes(), *steps.CODES} - {"points"}
    known = texts.STEPS.keys() | texts.REASONS.keys()

    assert {"rate", "round", "held", "not_captured", "not_covered", "other_visit", "reward"} <= found
    assert found - known == set(), "say in app/domain/texts.py what these mean"


@pytest.mark.parametrize("table", [texts.STEPS, texts.REASONS, texts.ROUNDED])
def test_every_text_says_the_same_in_both_languages(table: dict[str, dict[Language, str]]) -> None:
    for code, said in table.items():
        assert set(said) == set(Language), code
        named = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in said.values()]
        assert named[0] == named[1], code
        assert len(said[Language.ENGLISH].replace("{rule}", "r" * 16)) <= explaining.WIDTH + 12, code


def test_the_same_steps_read_the_same_later(rules: Rules) -> None:
    event = bought(rules, COFFEE)
    late = event._replace(recorded_at=NOON + timedelta(days=900))

    assert explaining.explained(event, rules, Language.DUTCH) == explaining.explained(late, rules, Language.DUTCH)
