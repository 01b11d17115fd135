"""Conditions, segments, places and hours: every name is known, every condition is one, every day comes."""

from collections.abc import Iterator, Mapping

from app.domain import conditions, reads, recurrences
from app.domain.conditions import BadCondition, Kind
from app.domain.recurrences import NoRecurrence
from app.program import values
from app.program.checking import names
from app.program.compiling import circumstances as compiling
from app.program.document import Rule, Times
from app.program.parsing import Path, Problem
from app.program.parts import Parts


def check(parts: Parts) -> Iterator[Problem]:
    """What is wrong with the attributes, segments and locations of a document."""
    if parts.attributes is not None:
        for name in parts.attributes.line:
            if f"line_{name}" in reads.LINE:
                yield Problem(("attributes", "line", name), f"line_{name} is known already: choose another name")
        variables = reads.of_member(compiling.attributes(parts.attributes))
        for code, text in parts.segments.items():
            yield from _condition(("segments", code), text, variables)
    for code, zone in parts.locations.items():
        if zone is not None and values.zone(zone) is None:
            place: Path = ("locations", code, "time_zone")
            yield Problem(place, "there is no such time zone", names.nearest_zone(zone))


def of_rule(path: Path, rule: Rule, parts: Parts) -> Iterator[Problem]:
    """What is wrong with the circumstances under which a rule applies."""
    for index, segment in enumerate(rule.segments or ()):
        if segment not in parts.segments:
            known = names.nearest(segment, parts.segments.keys())
            yield Problem((*path, "segments", index), "there is no such segment", known)
    for index, location in enumerate(rule.locations or ()):
        if parts.locations and location not in parts.locations:
            known = names.nearest(location, parts.locations.keys())
            yield Problem((*path, "locations", index), "there is no such location", known)
    for index, times in enumerate(rule.times or ()):
        yield from _times((*path, "times", index), times)
    if rule.if_ is not None:
        yield from condition((*path, "if"), rule.if_, parts, on=rule.on)


def condition(path: Path, text: str, parts: Parts, *, on: str) -> Iterator[Problem]:
    """What is wrong with a condition of a rule on a kind of event."""
    if parts.attributes is not None:
        yield from _condition(path, text, reads.of_event(on, compiling.attributes(parts.attributes)))


def _times(path: Path, times: Times) -> Iterator[Problem]:
    try:
        recurrences.parse(times.rule, start=times.from_)
    except NoRecurrence as why:
        yield Problem((*path, "rule"), str(why))
    if times.at is not None and times.lasts is None:
        yield Problem(path, "must say how long it lasts")
    if times.at is None and times.lasts is not None:
        yield Problem(path, "must say at which time it begins: at")


def _condition(path: Path, text: str, variables: Mapping[str, Kind]) -> Iterator[Problem]:
    try:
        conditions.parse(text, variables)
    except BadCondition as bad:
        for mistake in bad.mistakes:
            yield Problem(path, f"character {mistake.at}: {mistake.message}", mistake.suggestion)
