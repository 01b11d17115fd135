"""When rules count, as a document says it: read, told what is wrong with it and where, and compiled."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from app.domain.calendar import Span
from app.domain.conditions import Kind
from app.domain.rules import Tagged
from app.program import compiling, reading
from app.program.reading import MistakesInDocument

HEAD = """zegel: 1
name: Coffee
time_zone: Europe/Amsterdam
currencies: [EUR]
units: {points: {name: Points}}
attributes: {event: {km: number}, line: {organic: boolean}, member: {city: text}}
segments: {locals: 'member_city == "Utrecht" && "vip" in tags'}
locations: {utrecht-12: {}, lisbon-1: {time_zone: Europe/Lisbon}}
rules:
"""


def told(rule: str) -> list[tuple[str, int | None, str, str | None]]:
    """What is wrong with a document that has one more rule."""
    with pytest.raises(MistakesInDocument) as wrong:
        reading.read(f"{HEAD}  - {{id: one, unit: points, fixed: 5, {rule}}}\n")
    return [(one.pointer, one.line, one.message, one.suggestion) for one in wrong.value.mistakes]


@pytest.mark.parametrize(
    ("rule", "place", "message", "suggestion"),
    [
        ("on: purchase, if: chanel == 'app'", "/if", "character 1: there is no variable chanel", "channel"),
        ("on: purchase, if: total > 'x'", "/if", "character 7: > does not go with number and text", None),
        ("on: activity, if: total > 5", "/if", "character 1: there is no variable total", None),
        ("on: purchase, if: event_kn > 5", "/if", "character 1: there is no variable event_kn", "event_km"),
        ("on: purchase, if: member_city == 'x'", "/if", "character 1: there is no variable member_city", None),
        ("on: purchase, segments: [local]", "/segments/0", "there is no such segment", "locals"),
        ("on: purchase, locations: [utrecht-21]", "/locations/0", "there is no such location", "utrecht-12"),
        ("on: purchase, times: [{rule: FREQ=DAILY, at: '17:00'}]", "/times/0", "must say how long it lasts", None),
        (
            "on: purchase, times: [{rule: FREQ=DAILY, lasts: PT2H}]",
            "/times/0",
            "must say at which time it begins: at",
            None,
        ),
        (
            "on: purchase, times: [{rule: FREQ=DAILY, at: '25:00', lasts: PT2H}]",
            "/times/0/at",
            'must be a time of the day in quotes, such as "17:00"',
            None,
        ),
        (
            "on: purchase, times: [{rule: FREQ=DAILY, at: '23:00', lasts: PT25H}]",
            "/times/0/lasts",
            "must be a duration of hours or minutes up to 24 hours, such as PT2H",
            None,
        ),
        (
            "on: purchase, times: [{rule: FREQ=MINUTELY}]",
            "/times/0/rule",
            "must begin with FREQ= and one of DAILY, WEEKLY, MONTHLY and YEARLY",
            None,
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_line_and_character(
    rule: str, place: str, message: str, suggestion: str | None
) -> None:
    """Semantics A3."""
    assert told(rule) == [(f"/rules/0{place}", 10, message, suggestion)]


def test_all_mistakes_of_all_conditions_are_told_at_once() -> None:
    text = HEAD.replace("member_city", "member_town").replace("organic", "amount")

    with pytest.raises(MistakesInDocument) as wrong:
        reading.read(text + "  - {id: one, on: purchase, unit: points, fixed: 5, if: totl > 5 && chanel == 'a'}\n")

    assert [(one.pointer, one.line) for one in wrong.value.mistakes] == [
        ("/attributes/line/amount", 6),
        ("/segments/locals", 7),
        ("/rules/0/if", 10),
        ("/rules/0/if", 10),
    ]


def test_a_tag_is_of_no_unit() -> None:
    with pytest.raises(MistakesInDocument) as wrong:
        reading.read(HEAD + "  - {id: one, on: purchase, unit: points, tag: {name: vip}}\n")

    assert [one.pointer for one in wrong.value.mistakes] == ["/rules/0/unit"]


def test_what_is_written_is_what_the_core_reads_also_from_its_canonical_text() -> None:
    """Semantics A1, A3, M5."""
    document = reading.read(
        HEAD
        + "  - {id: a, on: purchase, unit: points, fixed: 5, if: total >= 20, segments: [locals], tags: [vip],"
        + " times: [{rule: FREQ=WEEKLY;BYDAY=FR;INTERVAL=2, at: '17:00', lasts: PT2H, from: 2026-01-02}]}\n"
        + "  - {id: b, on: purchase, tag: {name: vip, for: P30D}, if: line_organic}\n"
    )
    again = reading.read(reading.canonical(document))
    one, two = (
        compiling.compile_rules(d, version=1, digest=b"", in_force_from=datetime(2026, 1, 1, tzinfo=UTC))
        for d in (document, again)
    )

    assert one == two
    first, second = one.rules
    assert (sorted(first.applies.tags), sorted(first.applies.segments)) == (["vip"], ["locals"])
    (window,) = first.applies.times
    assert (window.at, window.lasts) == (time(17), timedelta(hours=2))
    assert window.recurrence.start == date(2026, 1, 2)
    assert second.gives == Tagged("vip", Span(days=30))
    assert one.attributes.event == {"km": Kind.NUMBER}
    assert [str(zone) for zone in one.locations.values()] == ["Europe/Lisbon"]
    assert (sorted(one.reads.line), sorted(one.reads.event)) == (["organic"], [])
    assert (one.reads.tags, one.reads.segments) == (True, True)
