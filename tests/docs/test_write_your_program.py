"""The tutorial is true: every step of it can be published after the one before, and gives what it says."""

import re
from datetime import UTC, datetime, time
from typing import Any

import pytest

from app.domain import accrual, money
from app.domain.applying import Occasion
from app.domain.commands import Line, Purchase
from app.domain.rules import Rules
from app.program import compiling, reading, reference, succession
from app.program.reading import MistakesInDocument
from tests.docs.reading import blocks, page

PAGE = "docs/write-your-program.md"
STEPS = [block for block in blocks(PAGE, "yaml") if "zegel: 1" in block.text]
_BOUGHT = re.compile(
    r"(?P<category>[a-z-]+) (?P<amount>[0-9.]+)(?: as (?P<tier>\w+))?(?: on (?P<day>[0-9-]+))?(?P<app> in the app)?"
)


def rules_of(text: str) -> Rules:
    return compiling.compile_rules(
        reading.read_new(text), version=1, digest=bytes(32), in_force_from=datetime(2026, 1, 1, tzinfo=UTC)
    )


def gives(bought: str, rules: Rules) -> str:
    """What a purchase gives, as the tutorial writes it."""
    said = _BOUGHT.fullmatch(bought)
    assert said is not None, bought
    amount = money.minor_units(said["amount"], decimals=2)
    day = datetime.fromisoformat(said["day"] or "2026-11-21").date()
    lowest = {ladder.tiers[0].code for ladder in rules.ladders}
    occasion = Occasion(
        kind="purchase",
        occurred_at=datetime.combine(day, time(9), tzinfo=UTC),
        tiers=frozenset({said["tier"]} if said["tier"] else lowest),
        source="till",
        channel="app" if said["app"] else None,
    )
    line = Line("1", amount, categories=(said["category"],))
    earned = accrual.earned(Purchase("EUR", amount, (line,)), occasion, rules)
    decimals = {code: unit.decimals for code, unit in rules.units.items()}
    shown = [f"{money.decimal_text(points, decimals=decimals[unit])} {unit}" for unit, points in earned.points]
    return " and ".join(shown) or "nothing"


def promised(heading: str) -> list[tuple[str, str]]:
    """The rows under a heading: a purchase, and what it gives."""
    section = page(PAGE).split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", section, re.MULTILINE)
    return [row for row in found if row[0] not in ("a purchase", "---")]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.heading)
def test_every_step_gives_what_it_says(step: Any) -> None:
    rules, rows = rules_of(step.text), promised(step.heading)

    assert rows
    assert [(bought, gives(bought, rules)) for bought, _ in rows] == rows


def test_each_step_can_be_published_after_those_before() -> None:
    documents = [reading.read_new(step.text) for step in STEPS]

    assert len(documents) == 5
    for number, document in enumerate(documents):
        succession.check(document, list(enumerate(documents[:number], start=1)))


def test_the_mistakes_of_a_beginning_are_those_that_are_shown() -> None:
    (shown,) = blocks(PAGE, "text")

    with pytest.raises(MistakesInDocument) as empty:
        reading.read("")
    with pytest.raises(MistakesInDocument) as begun:
        reading.read("zegel: 1\n")

    assert len(empty.value.mistakes) == 1
    assert str(begun.value) == shown.text.strip()


def test_the_reference_is_that_of_the_schema() -> None:
    assert page("docs/program-reference.md") == reference.markdown(), (
        "the document has changed: renew the page with `zegel program reference > docs/program-reference.md`"
    )
