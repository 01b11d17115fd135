"""What rules see of an event and its member that may be erased or changed later (semantics A1, E2, M5).

It is kept in the event's context as it was judged: the declared attributes that rules read, tags, and the names of
segments; never what a member's own attributes say. So a return, and a proof, see the same again.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from app.domain import conditions, tags
from app.domain.commands import Line
from app.domain.conditions import Kind
from app.domain.rules import Rules
from app.domain.state import MemberState

MAX_TEXT = 200
"""A longer text is of another kind than rules read."""

ATTRIBUTES, TAGS, SEGMENTS = "attributes", "tags", "segments"
"""Where an event's context tells what was seen."""

Told = str | bool | None
"""An attribute as the context keeps it: numbers as plain text, None where it was of another kind than declared."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,6})?\Z", re.ASCII)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Seen(NamedTuple):
    """What was seen: attributes of the event, and of lines by the line's id; the member's tags and segments."""

    event: Mapping[str, Told] = _NOTHING
    lines: Mapping[str, Mapping[str, Told]] = _NOTHING
    tags: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()


BLIND = Seen()
"""Nothing was seen, or the rules do not look."""


def now(state: MemberState, particulars: bytes, lines: Iterable[Line], rules: Rules, *, occurred_at: datetime) -> Seen:
    """What the rules look at, of what was sent and of the member as they are now."""
    reads = rules.reads
    if not (reads.event or reads.line or reads.tags or reads.segments):
        return BLIND
    event, of_lines = told(particulars, lines, rules) if reads.event or reads.line else (_NOTHING, _NOTHING)
    held = tags.held(state.tags, occurred_at) if reads.tags or reads.segments else frozenset()
    segments = _segments(state, held, rules) if reads.segments else frozenset()
    return Seen(event, of_lines, held if reads.tags else frozenset(), segments)


def context(seen: Seen, rules: Rules) -> dict[str, Any]:
    """What an event's context keeps of it: nothing where the rules do not look."""
    kept: dict[str, Any] = {}
    if seen.event or seen.lines:
        kept[ATTRIBUTES] = attributes(seen)
    if rules.reads.tags:
        kept[TAGS] = sorted(seen.tags)
    if rules.reads.segments:
        kept[SEGMENTS] = sorted(seen.segments)
    return kept


def attributes(seen: Seen) -> dict[str, Any]:
    """The attributes seen, as a context keeps them."""
    event = {"event": dict(seen.event)} if seen.event else {}
    return event | ({"lines": {id: dict(of) for id, of in seen.lines.items()}} if seen.lines else {})


def again(context: Mapping[str, Any]) -> Seen:
    """What had been seen, from the context that kept it."""
    return Seen(tags=frozenset(context.get(TAGS, ())), segments=frozenset(context.get(SEGMENTS, ())))._replace(
        **context.get(ATTRIBUTES, {})
    )


def told(
    particulars: bytes, lines: Iterable[Line], rules: Rules
) -> tuple[Mapping[str, Told], Mapping[str, Mapping[str, Told]]]:
    """The attributes that rules read, of the event and of its lines by their ids, from what was sent."""
    said = json.loads(particulars) if particulars else {}
    declared, reads = rules.attributes, rules.reads
    event = _declared(said.get("attributes", {}), declared.event, reads.event)
    sent = said.get("lines", {})
    of_lines = {
        line.id: mine
        for place, line in enumerate(lines, start=1)
        if (mine := _declared(sent.get(str(place), {}), declared.line, reads.line))
    }
    return event, of_lines


def _declared(said: Mapping[str, Any], kinds: Mapping[str, Kind], read: frozenset[str]) -> dict[str, Told]:
    return {name: _told(said[name], kinds[name]) for name in sorted(read) if name in said}


def _told(value: object, kind: Kind) -> Told:
    if kind is Kind.BOOLEAN:
        return value if isinstance(value, bool) else None
    if kind is Kind.TEXT:
        return value if isinstance(value, str) and len(value) <= MAX_TEXT else None
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if _NUMBER.match(text) else None


def value(told: Told, kind: Kind) -> object:
    """An attribute as conditions read it."""
    return conditions.number(Decimal(told)) if kind is Kind.NUMBER and isinstance(told, str) else told


def _segments(state: MemberState, held: frozenset[str], rules: Rules) -> frozenset[str]:
    """The segments that the member is in; where a condition cannot be judged they are in none of it (M5)."""
    said = _declared(state.attributes, rules.attributes.member, frozenset(rules.attributes.member))
    values = bound(said, rules.attributes.member, prefix="member_") | {TAGS: sorted(held)}
    facts = conditions.bind(values)
    return frozenset(name for name, condition in rules.segments.items() if conditions.holds(condition, facts))


def bound(said: Mapping[str, Told], kinds: Mapping[str, Kind], *, prefix: str) -> dict[str, object]:
    """Attributes by the names of their variables; those of another kind than declared are left out."""
    return {
        f"{prefix}{name}": found
        for name, one in said.items()
        if one is not None and (found := value(one, kinds[name])) is not None
    }


def wrong(seen: Mapping[str, Told], *, prefix: str) -> frozenset[str]:
    """The variables of attributes that were sent, and are of another kind than declared."""
    return frozenset(f"{prefix}{name}" for name, one in seen.items() if one is None)
