"""What rules look at besides an event's facts: attributes, tags and segments (semantics A1, A3, M5)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from app.domain.conditions import Kind

NONE: Mapping[str, Kind] = MappingProxyType({})


class Attributes(NamedTuple):
    """The attributes that a program declares, of events, their lines and members; others are kept and ignored (A1)."""

    event: Mapping[str, Kind] = NONE
    line: Mapping[str, Kind] = NONE
    member: Mapping[str, Kind] = NONE


NOTHING_DECLARED = Attributes()


class Reads(NamedTuple):
    """What is read: variables of conditions, attributes of events and lines, tags, segments.

    `profile`: whether what lies with the member must be there, to judge segments or to give tags.
    """

    names: frozenset[str] = frozenset()
    event: frozenset[str] = frozenset()
    line: frozenset[str] = frozenset()
    tags: bool = False
    segments: bool = False
    profile: bool = False


_EVERY = {
    "kind": Kind.TEXT,
    "channel": Kind.TEXT,
    "location": Kind.TEXT,
    "shop": Kind.TEXT,
    "weekday": Kind.TEXT,
    "hour": Kind.NUMBER,
    "day": Kind.TEXT,
    "tiers": Kind.TEXTS,
    "tags": Kind.TEXTS,
    "segments": Kind.TEXTS,
}
_OF_KIND = {
    "purchase": {"total": Kind.NUMBER, "quantity": Kind.NUMBER, "currency": Kind.TEXT, "visits": Kind.NUMBER},
    "activity": {"activity": Kind.TEXT},
    "scheduled": {"schedule": Kind.TEXT},
}
LINE = {
    "line_amount": Kind.NUMBER,
    "line_quantity": Kind.NUMBER,
    "line_sku": Kind.TEXT,
    "line_categories": Kind.TEXTS,
}
"""The variables of each line of a purchase, besides its attributes."""


def of_event(kind: str, attributes: Attributes) -> dict[str, Kind]:
    """The variables of conditions of rules on a kind of event, by name (semantics A3)."""
    own = {f"event_{name}": of for name, of in attributes.event.items()}
    variables = _EVERY | _OF_KIND.get(kind, {}) | own
    if kind != "purchase":
        return variables
    return variables | {f"line_{name}": of for name, of in attributes.line.items()} | LINE


def of_member(attributes: Attributes) -> dict[str, Kind]:
    """The variables of segments, by name (semantics M5)."""
    return {f"member_{name}": of for name, of in attributes.member.items()} | {"tags": Kind.TEXTS}
