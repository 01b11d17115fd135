"""What malformed parts name: a mistake in one keeps nobody from being told that it names what is not there."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import get_args

from app.program.checking import circumstances, names
from app.program.document import Rule
from app.program.parsing import Path, Problem, Value
from app.program.parts import Parts, items

_LISTS = ("rules", "milestones", "schedules", "tiers")
_KINDS: tuple[str, ...] = get_args(Rule.model_fields["on"].annotation)

_NAMED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("unit",), "unit"),
    (("units",), "unit"),
    (("give", "unit"), "unit"),
    (("reward",), "reward"),
    (("give", "reward"), "reward"),
    (("tier",), "tier"),
    (("tier", "tier"), "tier"),
    (("give", "tier", "tier"), "tier"),
    (("tiers",), "tier"),
    (("group",), "group"),
    (("segments",), "segment"),
    (("locations",), "location"),
    (("schedules",), "schedule"),
)
"""Where a part of a list names others, one or a list of them, and what they are."""

_TERMS: tuple[tuple[str, ...], ...] = (
    ("referrals", "referrer", "unit"),
    ("referrals", "referee", "unit"),
    ("returns", "deficit_floor"),
    ("redemptions", "offline_allowance"),
    ("adjustments", "approval_above"),
    ("adjustments", "daily_limit"),
    ("transfers", "units"),
    ("transfers", "daily_limit"),
)
"""Where the terms of a program name units, as names or as keys."""


def check(tree: dict[str, Value], parts: Parts) -> Iterator[Problem]:
    """The names that there are not in the parts of a tree which are no sound ones, and their conditions."""
    sound = {path for path, _ in (*parts.rules, *parts.milestones, *parts.schedules, *parts.ladders)}
    known = _known(parts)
    for name in _LISTS:
        for path, part in items((), tree, name):
            if path in sound or not isinstance(part, dict):
                continue
            yield from _names(path, part, known)
            if name == "rules":
                yield from _condition(path, part, parts)
    for place in _TERMS:
        if getattr(parts, place[0]) is None:
            value = _at(tree, place)
            found = _keys(place, value) if isinstance(value, dict) else _texts(place, value)
            yield from _unknown(found, "unit", known["unit"])


def _known(parts: Parts) -> dict[str, Collection[str] | None]:
    """All names of each kind; None where any name will do."""
    return {
        "unit": parts.units.keys(),
        "reward": parts.rewards,
        "tier": frozenset(code for _, code in parts.level_ids),
        "group": parts.group_ids,
        "segment": parts.segments.keys(),
        "location": parts.locations.keys() or None,
        "schedule": parts.schedule_ids,
    }


def _names(path: Path, part: dict[str, Value], known: Mapping[str, Collection[str] | None]) -> Iterator[Problem]:
    for place, kind in _NAMED:
        yield from _unknown(_texts((*path, *place), _at(part, place)), kind, known[kind])


def _unknown(found: Iterable[tuple[Path, str]], kind: str, known: Collection[str] | None) -> Iterator[Problem]:
    for place, code in found:
        if known is not None and code not in known:
            yield Problem(place, f"there is no such {kind}", names.nearest(code, known))


def _at(part: Value, place: tuple[str, ...]) -> Value:
    for step in place:
        part = part.get(step) if isinstance(part, dict) else None
    return part


def _texts(path: Path, value: Value) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, tuple):
        yield from (((*path, index), item) for index, item in enumerate(value) if isinstance(item, str))


def _keys(path: Path, value: Mapping[str, Value]) -> Iterator[tuple[Path, str]]:
    yield from (((*path, key), key) for key in value)


def _condition(path: Path, part: dict[str, Value], parts: Parts) -> Iterator[Problem]:
    on, text = part.get("on"), part.get("if")
    if isinstance(on, str) and on in _KINDS and isinstance(text, str):
        yield from circumstances.condition((*path, "if"), text, parts, on=on)
