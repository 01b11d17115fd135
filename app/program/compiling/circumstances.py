"""Attributes, segments, places and hours as the core reads them."""

from collections.abc import Mapping
from datetime import time
from zoneinfo import ZoneInfo

from app.domain import conditions, reads, recurrences
from app.domain.conditions import Condition, Kind
from app.domain.recurrences import Window
from app.program import document as documents


def attributes(stated: documents.Attributes) -> reads.Attributes:
    """The declared attributes; what a document maps by name is ordered by name."""

    def kinds(declared: Mapping[str, documents.AttributeKind]) -> dict[str, Kind]:
        return {name: Kind(kind) for name, kind in sorted(declared.items())}

    return reads.Attributes(kinds(stated.event), kinds(stated.line), kinds(stated.member))


def segments(document: documents.Document) -> dict[str, Condition]:
    """The conditions of segments, by name."""
    variables = reads.of_member(attributes(document.attributes))
    return {code: conditions.parse(text, variables) for code, text in sorted(document.segments.items())}


def locations(document: documents.Document) -> dict[str, ZoneInfo]:
    """The zones of the locations that have one of their own."""
    stated = sorted(document.locations.items())
    return {code: ZoneInfo(place.time_zone) for code, place in stated if place.time_zone is not None}


def condition(rule: documents.Rule, declared: reads.Attributes) -> Condition | None:
    """What must hold for a rule to apply, besides its filters."""
    return None if rule.if_ is None else conditions.parse(rule.if_, reads.of_event(rule.on, declared))


def window(times: documents.Times) -> Window:
    """Hours of days that come back."""
    return Window(recurrences.parse(times.rule, start=times.from_), times.at or time(0), times.lasts)
