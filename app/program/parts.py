"""The parts of a tree that are sound by themselves, so that they can be checked against each other.

One malformed rule must not hide what is wrong elsewhere: malformed parts are left out here (`reading` tells about
them, `checking.torn` about what they name), but the names they bear still count as known.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from app.program import document, fields, values
from app.program.parsing import Path, Value

T = TypeVar("T")

_ATTRIBUTES = TypeAdapter(document.Attributes)
_UNIT = TypeAdapter(document.Unit)
_GROUP = TypeAdapter(document.Group)
_CAP = TypeAdapter(document.Cap)
_RULE = TypeAdapter(document.Rule)
_MILESTONE = TypeAdapter(document.Milestone)
_SCHEDULE = TypeAdapter(document.Schedule)
_LADDER = TypeAdapter(document.Ladder)
_REFERRALS = TypeAdapter(document.Referrals)
_RETURNS = TypeAdapter(document.Returns)
_REDEMPTIONS = TypeAdapter(document.Redemptions)
_ADJUSTMENTS = TypeAdapter(document.Adjustments)
_TRANSFERS = TypeAdapter(document.Transfers)
_CASH_ROUNDING = TypeAdapter(dict[fields.CurrencyCode, fields.AboveZero])


@dataclass(frozen=True, slots=True)
class Parts:
    """What a document consists of, as far as it is sound; with the place of each part in a list.

    `currencies` are those listed, with their decimals, None for an unknown one; a malformed unit is None;
    `segments` are their conditions as written, `locations` the names of their zones; `ids` are
    those of rules, groups and ladders, `level_ids` those of tiers, each with its place, repeated ones too.
    """

    zone: ZoneInfo | None
    currencies: Mapping[str, int | None]
    cash_rounding: dict[str, Decimal]
    units: Mapping[str, document.Unit | None]
    rewards: frozenset[str]
    attributes: document.Attributes | None
    segments: Mapping[str, str]
    locations: Mapping[str, str | None]
    rules: tuple[tuple[Path, document.Rule], ...]
    groups: tuple[tuple[Path, document.Group], ...]
    group_ids: frozenset[str]
    caps: tuple[tuple[Path, document.Cap], ...]
    milestones: tuple[tuple[Path, document.Milestone], ...]
    schedules: tuple[tuple[Path, document.Schedule], ...]
    schedule_ids: frozenset[str]
    ladders: tuple[tuple[Path, document.Ladder], ...]
    referrals: document.Referrals | None
    returns: document.Returns | None
    redemptions: document.Redemptions | None
    adjustments: document.Adjustments | None
    transfers: document.Transfers | None
    ids: tuple[tuple[Path, str], ...]
    level_ids: tuple[tuple[Path, str], ...]


def sound_parts(tree: dict[str, Value], *, spoiled: Collection[Path]) -> Parts:
    """The sound parts of a tree; `spoiled` are the places of which something could not be read."""

    def sound(adapter: TypeAdapter[T], path: Path, value: Value) -> T | None:
        try:
            return None if path in spoiled else adapter.validate_python(value)
        except ValidationError:
            return None

    def each(adapter: TypeAdapter[T], listed: Iterable[tuple[Path, Value]]) -> tuple[tuple[Path, T], ...]:
        parts = ((path, sound(adapter, path, value)) for path, value in listed)
        return tuple((path, part) for path, part in parts if part is not None)

    rules, ladders = items((), tree, "rules"), items((), tree, "tiers")
    groups = items((), tree, "groups")
    schedules = items((), tree, "schedules")
    milestones = items((), tree, "milestones")
    levels = [level for path, ladder in ladders for level in items(path, ladder, "levels")]
    units, rewards = tree.get("units"), tree.get("rewards")
    segments, locations = tree.get("segments"), tree.get("locations")
    return Parts(
        zone=values.zone(tree.get("time_zone")),
        currencies={code: values.currency_decimals(code) for code in texts(tree.get("currencies"))},
        cash_rounding=sound(_CASH_ROUNDING, ("cash_rounding",), tree.get("cash_rounding")) or {},
        units={
            code: sound(_UNIT, ("units", code), unit)
            for code, unit in (units.items() if isinstance(units, dict) else ())
        },
        rewards=frozenset(rewards if isinstance(rewards, dict) else ()),
        attributes=sound(_ATTRIBUTES, ("attributes",), tree.get("attributes", {})),
        segments={code: text for code, text in _named(segments) if isinstance(text, str)},
        locations={code: _zone_name(place) for code, place in _named(locations)},
        rules=each(_RULE, rules),
        groups=each(_GROUP, groups),
        group_ids=frozenset(code for _, code in _ids(groups)),
        caps=each(_CAP, items((), tree, "caps")),
        milestones=each(_MILESTONE, milestones),
        schedules=each(_SCHEDULE, schedules),
        schedule_ids=frozenset(code for _, code in _ids(schedules)),
        ladders=each(_LADDER, ladders),
        referrals=sound(_REFERRALS, ("referrals",), tree.get("referrals")),
        returns=sound(_RETURNS, ("returns",), tree.get("returns")),
        redemptions=sound(_REDEMPTIONS, ("redemptions",), tree.get("redemptions")),
        adjustments=sound(_ADJUSTMENTS, ("adjustments",), tree.get("adjustments")),
        transfers=sound(_TRANSFERS, ("transfers",), tree.get("transfers")),
        ids=_ids([*rules, *groups, *milestones, *schedules, *ladders]),
        level_ids=_ids(levels),
    )


def _named(value: Value) -> Iterable[tuple[str, Value]]:
    return value.items() if isinstance(value, dict) else ()


def _zone_name(place: Value) -> str | None:
    zone = place.get("time_zone") if isinstance(place, dict) else None
    return zone if isinstance(zone, str) else None


def texts(value: Value) -> tuple[str, ...]:
    """The texts of a list; none if it is no list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, tuple) else ()


def items(path: Path, part: Value, name: str) -> list[tuple[Path, Value]]:
    """The items of a named list of a part, each with its place; none if it is no list."""
    found = part.get(name) if isinstance(part, dict) else None
    return [((*path, name, i), item) for i, item in enumerate(found)] if isinstance(found, tuple) else []


def _ids(parts: Iterable[tuple[Path, Value]]) -> tuple[tuple[Path, str], ...]:
    ids = (((*path, "id"), part.get("id")) for path, part in parts if isinstance(part, dict))
    return tuple((path, code) for path, code in ids if isinstance(code, str))
