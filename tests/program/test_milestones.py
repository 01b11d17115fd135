"""Milestones in a document: every mistake at once, each with its place (semantics A9)."""

import pytest

from app.program import reading
from tests.builders import PLAIN

CARD = PLAIN.replace("rules:", "  stamps: {name: Stamps}\nrules:") + "milestones:\n  - "


def mistakes(milestone: str) -> list[tuple[str, str]]:
    """The places and texts of what is wrong."""
    try:
        reading.read(CARD + milestone)
    except reading.MistakesInDocument as error:
        return [(one.pointer, one.message) for one in error.mistakes]
    return []


@pytest.mark.parametrize(
    ("milestone", "place", "text"),
    [
        ("{id: a, unit: stamp, every: 7, give: {unit: points, points: 1}}", "/unit", "there is no such unit"),
        ("{id: a, unit: stamps, give: {unit: points, points: 1}}", "", "must name either every or at"),
        (
            "{id: a, unit: stamps, every: 7, at: [1], give: {unit: points, points: 1}}",
            "",
            "must name either every or at",
        ),
        ("{id: a, unit: stamps, at: [5, 3], give: {unit: points, points: 1}}", "/at", "must go from low to high"),
        ("{id: a, unit: stamps, every: 0.5, give: {unit: points, points: 1}}", "/every", "has more decimals"),
        ("{id: a, unit: stamps, every: 7, give: {reward: tea}}", "/give/reward", "there is no such reward"),
        ("{id: a, unit: stamps, every: 7, give: {points: 1}}", "/give", "must name both a unit and points"),
        ("{id: a, unit: stamps, every: 7, give: {}}", "/give", "must name one thing"),
        ("{id: a, unit: stamps, every: 7, give: {tag: {name: x}, points: 1}}", "/give", "must name one thing"),
        ("{id: a, unit: stamps, every: 7, give: {tier: {tier: gold, for: P1Y}}}", "/give/tier/tier", "there is no"),
        ("{id: a, unit: stamps, at: [7], consume: true, give: {unit: points, points: 1}}", "/consume", "needs every"),
        (
            "{id: a, unit: stamps, every: 7, in: month, consume: true, give: {unit: points, points: 1}}",
            "/in",
            "must not stand beside consume",
        ),
        (
            "{id: a, unit: stamps, every: 7, consume: true, give: {unit: stamps, points: 7}}",
            "/give/unit",
            "must not lead back to the unit",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(milestone: str, place: str, text: str) -> None:
    found = mistakes(milestone)

    assert [(pointer, message.startswith(text)) for pointer, message in found] == [(f"/milestones/0{place}", True)]


def test_a_circle_over_two_units_is_told_at_both() -> None:
    found = mistakes(
        "{id: a, unit: stamps, every: 7, consume: true, give: {unit: points, points: 7}}\n"
        "  - {id: b, unit: points, every: 7, consume: true, give: {unit: stamps, points: 7}}"
    )

    assert [pointer for pointer, _ in found] == ["/milestones/0/give/unit", "/milestones/1/give/unit"]


def test_a_sound_one_is_read() -> None:
    assert mistakes("{id: a, unit: stamps, every: 7, consume: true, give: {unit: points, points: 50}}") == []
