"""What the parts of a document say about each other: every name is known, every number fits its unit or currency."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches

from app.domain import money, points
from app.program import document, values
from app.program.document import Adjustments, Bonus, Ladder, Level, Referrals, Rule, Transfers
from app.program.parsing import Path, Problem, Value
from app.program.parts import Parts, sound_parts, texts

MAX_COMPARED = 100
"""Comparing costs about 0.1 ms a name, for each of up to a hundred mistakes."""

ONLY_ON = {
    "rate": "purchase",
    "per_item": "purchase",
    "multiply": "purchase",
    "include": "purchase",
    "exclude": "purchase",
    "activities": "activity",
}
"""What a rule may say only about one kind of event."""


def check(tree: Value, *, spoiled: Collection[Path]) -> Iterator[Problem]:
    """The problems between the parts of a document; `spoiled` are the places of which something is unreadable."""
    if not isinstance(tree, dict):
        return
    parts = sound_parts(tree, spoiled=spoiled)
    yield from _program(tree, parts)
    for code, unit in parts.units.items():
        if unit is not None and unit.cost_per_point is not None:
            yield from _cost(("units", code, "cost_per_point"), unit, unit.cost_per_point, parts)
    yield from _named_twice(parts.ids)
    yield from _named_twice(parts.level_ids)
    for path, rule in parts.rules:
        yield from _rule(path, rule, parts)
    for path, ladder in parts.ladders:
        yield from _ladder(path, ladder, parts)
    if parts.referrals is not None:
        yield from _referrals(parts.referrals, parts)
    if parts.returns is not None:
        yield from _owed(("returns", "deficit_floor"), parts.returns.deficit_floor, parts)
    if parts.redemptions is not None:
        yield from _owed(("redemptions", "offline_allowance"), parts.redemptions.offline_allowance, parts)
    if parts.adjustments is not None:
        yield from _adjustments(parts.adjustments, parts)
    if parts.transfers is not None:
        yield from _transfers(parts.transfers, parts)


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that a mistyped one most resembles, if any does; none among more than MAX_COMPARED names."""
    close = get_close_matches(name[:64], known, n=1) if len(known) <= MAX_COMPARED else []
    return next(iter(close), None)


def _program(tree: dict[str, Value], parts: Parts) -> Iterator[Problem]:
    zone = tree.get("time_zone")
    if isinstance(zone, str) and parts.zone is None:
        yield Problem(("time_zone",), "there is no such time zone", _nearest_zone(zone))
    for index, code in enumerate(texts(tree.get("currencies"))):
        if parts.currencies[code] is None:
            yield Problem(("currencies", index), "ISO 4217 has no such currency, or no decimals for it")
    for code, amount in parts.cash_rounding.items():
        yield from _amount(("cash_rounding", code), amount, code, parts)


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
        yield from _listed((*path, currency), currency, parts)


def _nearest_zone(name: str) -> str | None:
    by_lower = {zone.lower(): zone for zone in sorted(values.zones())}
    close = get_close_matches(name[:64].lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def _named_twice(ids: tuple[tuple[Path, str], ...]) -> Iterator[Problem]:
    seen: set[tuple[str | int, str]] = set()
    for path, code in ids:
        if (path[0], code) in seen:
            yield Problem(path, "this id is taken by another one above")
        seen.add((path[0], code))


def _rule(path: Path, rule: Rule, parts: Parts) -> Iterator[Problem]:
    yield from _one_way(path, rule)
    for name, kind in ONLY_ON.items():
        if getattr(rule, name) is not None and rule.on != kind:
            yield Problem((*path, name), f"is only for rules on {kind}")
    for name in ("include", "exclude"):
        cover: document.Cover | None = getattr(rule, name)
        if cover is not None and cover.categories is None and cover.skus is None:
            yield Problem((*path, name), "must name categories, skus or both")
    yield from _known_unit((*path, "unit"), rule.unit, parts)
    yield from _gives(path, rule, parts)
    tiers = frozenset(code for _, code in parts.level_ids)
    for index, tier in enumerate(rule.tiers or ()):
        if tier not in tiers:
            yield Problem((*path, "tiers", index), "there is no such tier", nearest(tier, tiers))
    yield from _from_until(path, rule, parts)


def _one_way(path: Path, rule: Rule) -> Iterator[Problem]:
    given = [way for way in document.WAYS if getattr(rule, way) is not None]
    if not given:
        yield Problem(path, "must say what it gives: one of rate, per_item, fixed and multiply")
    for way in given[1:]:
        yield Problem((*path, way), f"must not stand beside {given[0]}: a rule gives in one way only")


def _from_until(path: Path, rule: Rule, parts: Parts) -> Iterator[Problem]:
    if rule.from_ is None or rule.until is None or parts.zone is None:
        return
    if values.starts_at(rule.from_, zone=parts.zone) >= values.ends_at(rule.until, zone=parts.zone):
        yield Problem((*path, "until"), "must come after from")


def _gives(path: Path, rule: Rule, parts: Parts) -> Iterator[Problem]:
    if rule.rate is not None:
        yield from _within_limit((*path, "rate", "give"), rule.rate.give, rule.unit, parts)
        yield from _each_currency((*path, "rate", "per"), rule.rate.per, parts)
    if rule.per_item is not None:
        yield from _within_limit((*path, "per_item"), rule.per_item, rule.unit, parts)
    if rule.fixed is not None:
        yield from _whole_parts((*path, "fixed"), rule.fixed, rule.unit, parts)


def _ladder(path: Path, ladder: Ladder, parts: Parts) -> Iterator[Problem]:
    yield from _known_unit((*path, "unit"), ladder.unit, parts)
    unit = parts.units.get(ladder.unit)
    if unit is not None and unit.spendable:
        text = "tiers never stand on a unit that can be spent: give the unit spendable: false, or count another"
        yield Problem((*path, "unit"), text)
    lower: Level | None = None
    for index, level in enumerate(ladder.levels):
        place: Path = (*path, "levels", index)
        yield from _whole_parts((*place, "from"), level.from_, ladder.unit, parts)
        if lower is None and level.from_ != 0:
            yield Problem((*place, "from"), "must be 0: the first tier is everybody's")
        if lower is not None and level.from_ <= lower.from_:
            yield Problem((*place, "from"), "must be more than the tier above it asks: tiers go from low to high")
        for code in level.multiply or ():
            yield from _known_unit((*place, "multiply", code), code, parts)
        lower = level


def _referrals(referrals: Referrals, parts: Parts) -> Iterator[Problem]:
    sides: tuple[tuple[str, Bonus | None], ...] = (("referrer", referrals.referrer), ("referee", referrals.referee))
    if all(bonus is None for _, bonus in sides):
        yield Problem(("referrals",), "must say what the referrer, the referee or both get")
    for side, bonus in sides:
        if bonus is not None:
            yield from _known_unit(("referrals", side, "unit"), bonus.unit, parts)
            yield from _whole_parts(("referrals", side, "points"), bonus.points, bonus.unit, parts)
    if referrals.minimum is not None:
        yield from _each_currency(("referrals", "minimum"), referrals.minimum, parts)


def _owed(place: Path, stated: Mapping[str, Decimal], parts: Parts) -> Iterator[Problem]:
    for code, floor in stated.items():
        path: Path = (*place, code)
        yield from _known_unit(path, code, parts)
        yield from _whole_parts(path, floor, code, parts)
        unit = parts.units.get(code)
        if unit is not None and not unit.spendable:
            yield Problem(path, "nobody owes what cannot be spent")


def _adjustments(adjustments: Adjustments, parts: Parts) -> Iterator[Problem]:
    named = (("approval_above", adjustments.approval_above), ("daily_limit", adjustments.daily_limit))
    for name, stated in named:
        for code, most in stated.items():
            path: Path = ("adjustments", name, code)
            yield from _known_unit(path, code, parts)
            yield from _whole_parts(path, most, code, parts)


def _transfers(transfers: Transfers, parts: Parts) -> Iterator[Problem]:
    for index, code in enumerate(transfers.units):
        path: Path = ("transfers", "units", index)
        yield from _known_unit(path, code, parts)
        unit = parts.units.get(code)
        if unit is not None and not unit.spendable:
            yield Problem(path, "what cannot be spent is not passed on")
    for code, most in transfers.daily_limit.items():
        path = ("transfers", "daily_limit", code)
        yield from _known_unit(path, code, parts)
        yield from _whole_parts(path, most, code, parts)
        if code in parts.units and code not in transfers.units:
            yield Problem(path, "members cannot pass this unit on: list it in units")


def _known_unit(path: Path, code: str, parts: Parts) -> Iterator[Problem]:
    if code not in parts.units:
        yield Problem(path, "there is no such unit", nearest(code, parts.units.keys()))


def _within_limit(path: Path, value: Decimal, code: str, parts: Parts) -> Iterator[Problem]:
    unit = parts.units.get(code)
    if unit is not None and values.smallest_parts(value, decimals=unit.decimals) > points.LIMIT:
        yield Problem(path, "is too large")


def _whole_parts(path: Path, value: Decimal, code: str, parts: Parts) -> Iterator[Problem]:
    unit = parts.units.get(code)
    if unit is not None and values.smallest_parts(value, decimals=unit.decimals).denominator != 1:
        yield Problem(path, f"has more decimals than the unit has, which is {unit.decimals}")
    yield from _within_limit(path, value, code, parts)


def _each_currency(path: Path, stated: Decimal | Mapping[str, Decimal], parts: Parts) -> Iterator[Problem]:
    if not parts.currencies:
        return
    if isinstance(stated, Decimal) and len(parts.currencies) > 1:
        yield Problem(path, f"must name an amount for each currency: {', '.join(parts.currencies)}")
    elif isinstance(stated, Decimal):
        yield from _amount(path, stated, next(iter(parts.currencies)), parts)
    else:
        if missing := [code for code in parts.currencies if code not in stated]:
            yield Problem(path, f"must also name an amount for {', '.join(missing)}")
        for code, amount in stated.items():
            yield from _amount((*path, code), amount, code, parts)


def _amount(path: Path, amount: Decimal, currency: str, parts: Parts) -> Iterator[Problem]:
    yield from _listed(path, currency, parts)
    decimals = parts.currencies.get(currency)
    if decimals is None:
        return
    try:
        values.minor_units(amount, decimals=decimals)
    except money.BadAmount as bad:
        many = f"has more decimals than the currency has, which is {decimals}"
        yield Problem(path, many if bad.reason == "too_many_decimals" else "is too large")


def _listed(path: Path, currency: str, parts: Parts) -> Iterator[Problem]:
    if parts.currencies and currency not in parts.currencies:
        yield Problem(path, "the program does not list this currency", nearest(currency, parts.currencies.keys()))
