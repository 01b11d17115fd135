"""Rules: one way to give, for the events it is meant for, in units and tiers that there are."""

from collections.abc import Iterator

from app.program import document, values
from app.program.checking import circumstances, names
from app.program.document import Rule
from app.program.parsing import Path, Problem
from app.program.parts import Parts

ONLY_ON = {
    "rate": "purchase",
    "per_item": "purchase",
    "multiply": "purchase",
    "include": "purchase",
    "exclude": "purchase",
    "activities": "activity",
    "visits": "purchase",
    "schedules": "scheduled",
}
"""What a rule may say only about one kind of event."""


def check(path: Path, rule: Rule, parts: Parts) -> Iterator[Problem]:
    """What is wrong with one rule."""
    yield from _one_way(path, rule)
    for name, kind in ONLY_ON.items():
        if getattr(rule, name) is not None and rule.on != kind and not (name == "rate" and _counts_a_number(rule)):
            yield Problem((*path, name), f"is only for rules on {kind}")
    for name in ("include", "exclude"):
        cover: document.Cover | None = getattr(rule, name)
        if cover is not None and cover.categories is None and cover.skus is None:
            yield Problem((*path, name), "must name categories, skus or both")
    yield from _gives(path, rule, parts)
    if rule.visits is not None and (rule.visits.number is None) == (rule.visits.every is None):
        yield Problem((*path, "visits"), "must name either number or every")
    tiers = frozenset(code for _, code in parts.level_ids)
    for index, tier in enumerate(rule.tiers or ()):
        if tier not in tiers:
            yield Problem((*path, "tiers", index), "there is no such tier", names.nearest(tier, tiers))
    yield from circumstances.of_rule(path, rule, parts)
    known = parts.schedule_ids
    for index, code in enumerate(rule.schedules or ()):
        if code not in known:
            yield Problem((*path, "schedules", index), "there is no such schedule", names.nearest(code, known))
    yield from _from_until(path, rule, parts)


def _one_way(path: Path, rule: Rule) -> Iterator[Problem]:
    given = [way for way in document.WAYS if getattr(rule, way) is not None]
    if not given:
        yield Problem(path, "must say what it gives: one of rate, per_item, fixed, multiply, reward, tag and tier")
    for way in given[1:]:
        yield Problem((*path, way), f"must not stand beside {given[0]}: a rule gives in one way only")


def _from_until(path: Path, rule: Rule, parts: Parts) -> Iterator[Problem]:
    if rule.from_ is None or rule.until is None or parts.zone is None:
        return
    if values.starts_at(rule.from_, zone=parts.zone) >= values.ends_at(rule.until, zone=parts.zone):
        yield Problem((*path, "until"), "must come after from")


def _counts_a_number(rule: Rule) -> bool:
    """Whether it gives for a number that activities may tell, too."""
    return rule.on == "activity" and rule.rate is not None and rule.rate.number is not None


def _rate(path: Path, rate: document.Rate, parts: Parts) -> Iterator[Problem]:
    if rate.per is not None:
        yield from names.each_currency((*path, "per"), rate.per, parts)
    counted = [name for name in ("per", "quantity", "number") if getattr(rate, name) is not None]
    if not counted:
        yield Problem(path, "must say for how much: per for money, quantity or number")
    for name in counted[1:]:
        yield Problem((*path, counted[0]), f"must not stand beside {name}: a rate counts money, goods or a number")
    if rate.number is not None:
        declared = {} if parts.attributes is None else parts.attributes.event
        if declared.get(rate.number) != "number":
            known = [name for name, kind in declared.items() if kind == "number"]
            text = "attributes.event declares no such number"
            yield Problem((*path, "number"), text, names.nearest(rate.number, known))
    if rate.per is None and rate.basis != "charged":
        yield Problem((*path, "basis"), "is for rates on money")
    for name in ("paid_by", "not_paid_by"):
        if rate.per is None and getattr(rate, name) is not None:
            yield Problem((*path, name), "is for rates on money")
    if rate.paid_by is not None and rate.not_paid_by is not None:
        yield Problem((*path, "not_paid_by"), "must not stand beside paid_by: say what counts, or what does not")


def _gives(path: Path, rule: Rule, parts: Parts) -> Iterator[Problem]:
    if rule.reward is not None or rule.tag is not None:
        if rule.unit is not None:
            way = "tag" if rule.reward is None else "reward"
            yield Problem((*path, "unit"), f"must not stand beside {way}: a {way} is of no unit")
        if rule.reward is not None and rule.reward not in parts.rewards:
            yield Problem((*path, "reward"), "there is no such reward", names.nearest(rule.reward, parts.rewards))
        return
    if rule.tier is not None:
        yield from tier((*path, "tier"), rule.tier, parts)
        if rule.unit is not None:
            yield Problem((*path, "unit"), "must not stand beside tier: a tier is of no unit")
        return
    if rule.unit is None:
        yield Problem(path, "must name the unit that it gives or multiplies")
        return
    yield from names.known_unit((*path, "unit"), rule.unit, parts)
    if rule.rate is not None:
        yield from names.within_limit((*path, "rate", "give"), rule.rate.give, rule.unit, parts)
        yield from _rate((*path, "rate"), rule.rate, parts)
    if rule.per_item is not None:
        yield from names.within_limit((*path, "per_item"), rule.per_item, rule.unit, parts)
    if rule.fixed is not None:
        yield from names.whole_parts((*path, "fixed"), rule.fixed, rule.unit, parts)


def tier(path: Path, gift: document.TierGift, parts: Parts) -> Iterator[Problem]:
    """What is wrong with a tier that is given."""
    known = {code: place for place, code in parts.level_ids}
    if gift.tier not in known:
        yield Problem((*path, "tier"), "there is no such tier", names.nearest(gift.tier, known))
    elif known[gift.tier][-2:] == (0, "id"):
        yield Problem((*path, "tier"), "is everybody's: give one above the first")
    if (gift.for_ is None) == (gift.until is None):
        yield Problem(path, "must say either for how long (for) or until when")
