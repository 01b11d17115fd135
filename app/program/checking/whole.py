"""What the parts of a document say about each other: every name is known, every number fits its unit or currency."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal

from app.program import document
from app.program.checking import (
    circumstances,
    earning,
    ladders,
    milestones,
    names,
    new,
    referring,
    schedules,
    stacking,
    terms,
    torn,
)
from app.program.parsing import Path, Problem, Value
from app.program.parts import Parts, sound_parts, texts


def check(tree: Value, *, spoiled: Collection[Path]) -> Iterator[Problem]:
    """The problems between the parts of a document; `spoiled` are the places of which something is unreadable."""
    if isinstance(tree, dict):
        yield from _check(tree, sound_parts(tree, spoiled=spoiled))


def check_new(tree: Value, *, spoiled: Collection[Path], shops: Collection[str]) -> Iterator[Problem]:
    """The same of a text that is not published yet, with what only such a text is held to.

    `shops` are those of the program: one without any has not been set up yet, and may name those to come.
    """
    if isinstance(tree, dict):
        parts = sound_parts(tree, spoiled=spoiled)
        yield from _check(tree, parts)
        yield from new.check(parts, shops=shops)


def _check(tree: dict[str, Value], parts: Parts) -> Iterator[Problem]:
    yield from _program(tree, parts)
    for code, unit in parts.units.items():
        if unit is not None and unit.cost_per_point is not None:
            yield from _cost(("units", code, "cost_per_point"), unit, unit.cost_per_point, parts)
    yield from circumstances.check(parts)
    yield from _named_twice(parts.ids)
    yield from _named_twice(parts.level_ids)
    yield from _lists(parts)
    yield from torn.check(tree, parts)
    if parts.referrals is not None:
        yield from referring.check(parts.referrals, parts)
    if parts.returns is not None:
        yield from terms.owed(("returns", "deficit_floor"), parts.returns.deficit_floor, parts)
    if parts.redemptions is not None:
        yield from terms.owed(("redemptions", "offline_allowance"), parts.redemptions.offline_allowance, parts)
    if parts.adjustments is not None:
        yield from terms.adjustments(parts.adjustments, parts)
    if parts.transfers is not None:
        yield from terms.transfers(parts.transfers, parts)


def _lists(parts: Parts) -> Iterator[Problem]:
    for path, rule in parts.rules:
        yield from earning.check(path, rule, parts)
    yield from stacking.check(parts)
    for path, milestone in parts.milestones:
        yield from milestones.check(path, milestone, parts)
    yield from milestones.circles(parts.milestones)
    for path, schedule in parts.schedules:
        yield from schedules.check(path, schedule, parts)
    for path, ladder in parts.ladders:
        yield from ladders.check(path, ladder, parts)


def _program(tree: dict[str, Value], parts: Parts) -> Iterator[Problem]:
    zone = tree.get("time_zone")
    if isinstance(zone, str) and parts.zone is None:
        yield Problem(("time_zone",), "there is no such time zone", names.nearest_zone(zone))
    for index, code in enumerate(texts(tree.get("currencies"))):
        if parts.currencies[code] is None:
            yield Problem(("currencies", index), "ISO 4217 has no such currency, or no decimals for it")
    for code, amount in parts.cash_rounding.items():
        yield from names.amount(("cash_rounding", code), amount, code, parts)


def _cost(path: Path, unit: document.Unit, stated: Decimal | Mapping[str, Decimal], parts: Parts) -> Iterator[Problem]:
    if not unit.spendable:
        yield Problem(path, "what cannot be spent costs nothing")
    if isinstance(stated, Decimal):
        if len(parts.currencies) > 1:
            yield Problem(path, f"must name its currency, one of {', '.join(parts.currencies)}")
        return
    if len(stated) != 1:
        yield Problem(path, "must name one currency")
    for currency in stated:
        yield from names.listed((*path, currency), currency, parts)


def _named_twice(ids: tuple[tuple[Path, str], ...]) -> Iterator[Problem]:
    seen: set[tuple[str | int, str]] = set()
    for path, code in ids:
        if (path[0], code) in seen:
            yield Problem(path, "this id is taken by another one above")
        seen.add((path[0], code))
