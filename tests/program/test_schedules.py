"""Schedules in a document: every mistake at once, each with its place (semantics K3)."""

import pytest

from app.program import reading
from tests.builders import LADDER


def mistakes(schedule: str) -> list[tuple[str, str]]:
    """The places and texts of what is wrong."""
    try:
        reading.read(f"{LADDER}schedules:\n  - {schedule}\n")
    except reading.MistakesInDocument as error:
        return [(one.pointer, one.message) for one in error.mistakes]
    return []


@pytest.mark.parametrize(
    ("schedule", "place", "text"),
    [
        ("{id: a}", "", "must name exactly one of after, yearly and on"),
        ("{id: a, yearly: birthday, on: 2026-12-05}", "", "must name exactly one of after, yearly and on"),
        ("{id: a, after: enrolment}", "/wait", "is missing: how long after it"),
        ("{id: a, yearly: birthday, wait: P3D}", "/wait", "belongs to after"),
        ("{id: a, after: purchase, wait: P3D, each: P3D}", "/each", "belongs to after tier"),
        ("{id: a, after: tier, wait: P3D}", "/tier", "is missing: which tier"),
        ("{id: a, after: tier, wait: P3D, tier: slver}", "/tier", "there is no such tier"),
    ],
)
def test_a_mistake_is_told_with_its_place(schedule: str, place: str, text: str) -> None:
    assert mistakes(schedule) == [(f"/schedules/0{place}", text)]


@pytest.mark.parametrize(
    "schedule",
    [
        "{id: a, after: enrolment, wait: P3D}",
        "{id: a, after: tier, tier: silver, each: P1M}",
        "{id: a, yearly: anniversary}",
        "{id: a, on: 2026-12-05}",
    ],
)
def test_a_sound_one_is_read(schedule: str) -> None:
    assert mistakes(schedule) == []


def test_a_rule_that_names_no_schedule_there_is_is_refused() -> None:
    text = LADDER.replace(
        "tiers:", "  - {id: b, on: scheduled, schedules: [birthdya], unit: points, fixed: 1}\ntiers:", 1
    )

    with pytest.raises(reading.MistakesInDocument, match="there is no such schedule"):
        reading.read(text + "schedules: [{id: birthday, yearly: birthday}]\n")


def test_a_rule_that_names_a_malformed_schedule_is_no_mistake() -> None:
    rule = "  - {id: gift, on: scheduled, schedules: [a], unit: points, fixed: 5}\n"
    text = LADDER.replace("rules:\n", f"rules:\n{rule}")
    with pytest.raises(reading.MistakesInDocument) as caught:
        reading.read(text + "schedules: [{id: a, after: enrolment, wait: P0D}]\n")

    assert [one.pointer for one in caught.value.mistakes] == ["/schedules/0/wait"]
