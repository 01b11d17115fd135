"""Earning rules as the core applies them."""

from collections.abc import Mapping
from fractions import Fraction
from zoneinfo import ZoneInfo

from app.domain import rules, units
from app.domain.paying import NotPaidBy, Paid, PaidBy
from app.domain.reads import Attributes
from app.program import document as documents
from app.program import values
from app.program.compiling import amounts, caps, circumstances, periods


def rule(
    stated: documents.Rule,
    known: Mapping[str, units.Unit],
    currencies: Mapping[str, int],
    zone: ZoneInfo,
    attributes: Attributes,
    ladders: Mapping[str, str],
) -> rules.Rule:
    """One rule of a document; `ladders` are those of its tiers."""
    if stated.tier is not None:
        gives: rules.Gives = promoted(stated.tier, ladders, zone)
    else:
        gives = _gives(stated, 0 if stated.unit is None else known[stated.unit].decimals, currencies)
    return rules.Rule(
        code=stated.id,
        unit=stated.unit or "",
        gives=gives,
        applies=_applies(stated, zone, attributes),
        include=_cover(stated.include) if stated.include else rules.EVERYTHING,
        exclude=_cover(stated.exclude) if stated.exclude else rules.NOTHING,
        priority=stated.priority,
        group=stated.group,
        exclusive=stated.exclusive,
        stop=stated.stop,
        caps=caps.caps(stated.caps, f"rule:{stated.id}", decimals=_decimals(stated, known)),
    )


def promoted(gift: documents.TierGift, ladders: Mapping[str, str], zone: ZoneInfo) -> rules.Promoted:
    """A tier that is given; `ladders` are those of the program's tiers."""
    until = None if gift.until is None else values.ends_at(gift.until, zone=zone)
    return rules.Promoted(ladders[gift.tier], gift.tier, lasts=gift.for_, until=until)


def _decimals(rule: documents.Rule, known: Mapping[str, units.Unit]) -> int:
    return 0 if rule.unit is None else known[rule.unit].decimals


def _gives(rule: documents.Rule, decimals: int, currencies: Mapping[str, int]) -> rules.Gives:
    if rule.rate is not None:
        give = values.smallest_parts(rule.rate.give, decimals=decimals)
        if rule.rate.number is not None:
            return rules.Measured(give, number=rule.rate.number, whole_steps=rule.rate.whole_steps)
        if rule.rate.quantity is not None:
            return rules.Measured(give, Fraction(rule.rate.quantity), whole_steps=rule.rate.whole_steps)
        assert rule.rate.per is not None, "a rate says for how much: reading refuses others"
        return rules.Rate(
            give=give,
            per=amounts.minor_units(rule.rate.per, currencies),
            basis=rules.Basis(rule.rate.basis),
            whole_steps=rule.rate.whole_steps,
            counted=_counted(rule.rate),
        )
    if rule.per_item is not None:
        return rules.PerItem(values.smallest_parts(rule.per_item, decimals=decimals))
    if rule.fixed is not None:
        return rules.Fixed(amounts.whole_parts(rule.fixed, decimals))
    if rule.reward is not None:
        return rules.Rewarded(rule.reward)
    if rule.tag is not None:
        return rules.Tagged(rule.tag.name, rule.tag.for_)
    assert rule.multiply is not None, "a rule gives in one way: reading refuses others"
    return rules.Multiply(Fraction(rule.multiply))


def _counted(rate: documents.Rate) -> Paid | None:
    if rate.paid_by is not None:
        return PaidBy(frozenset(rate.paid_by))
    return None if rate.not_paid_by is None else NotPaidBy(frozenset(rate.not_paid_by))


def _applies(rule: documents.Rule, zone: ZoneInfo, attributes: Attributes) -> rules.Applies:
    return rules.Applies(
        kind=rule.on,
        activities=frozenset(rule.activities or ()),
        channels=frozenset(rule.channels or ()),
        locations=frozenset(rule.locations or ()),
        sources=frozenset(rule.shops or ()),
        tiers=frozenset(rule.tiers or ()),
        schedules=frozenset(rule.schedules or ()),
        visits=_visits(rule.visits) if rule.visits else None,
        tags=frozenset(rule.tags or ()),
        segments=frozenset(rule.segments or ()),
        times=tuple(map(circumstances.window, rule.times or ())),
        condition=circumstances.condition(rule, attributes),
        starts_at=None if rule.from_ is None else values.starts_at(rule.from_, zone=zone),
        ends_at=None if rule.until is None else values.ends_at(rule.until, zone=zone),
    )


def _visits(visits: documents.Visits) -> rules.Visits:
    return rules.Visits(within=periods.within(visits.in_), numbers=frozenset(visits.number or ()), every=visits.every)


def _cover(cover: documents.Cover) -> rules.Cover:
    return rules.Cover(categories=frozenset(cover.categories or ()), skus=frozenset(cover.skus or ()))
