"""A program document as the core reads it: every number in smallest parts or minor units, every day an instant."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from app.domain import calendar, rules, units
from app.domain.points import Rounding
from app.program import document as documents
from app.program import values
from app.program.document import Document


def compile_rules(document: Document, *, version: int, digest: bytes, in_force_from: datetime) -> rules.Rules:
    """The core's rules of a document that `reading` accepted.

    Rules stand in the order of the document, after them the multipliers of tiers, named `tier:<tier>:<unit>`, which
    no rule of a document can be named. What the document maps by name is ordered by name, so that a document and
    its canonical text compile to the same rules.
    """
    zone = ZoneInfo(document.time_zone)
    known = {code: compile_unit(code, document.units[code], zone) for code in sorted(document.units)}
    decimals = ((code, values.currency_decimals(code)) for code in document.currencies)
    currencies = {code: number for code, number in decimals if number is not None}
    enabled = (_rule(rule, known, currencies, zone) for rule in document.rules if rule.enabled)
    return rules.Rules(
        version=version,
        digest=digest,
        in_force_from=in_force_from,
        zone=zone,
        currencies=currencies,
        units=known,
        rules=(*enabled, *_tier_multipliers(document.tiers)),
        ladders=tuple(_ladder(ladder, known[ladder.unit]) for ladder in document.tiers),
        referrals=_referrals(document.referrals, known, currencies) if document.referrals else None,
        late=timedelta(days=document.events.late.days),
        early=document.events.early,
        out_of_time=rules.OutOfTime(document.events.out_of_time),
        cash_rounding={
            code: values.minor_units(amount, decimals=currencies[code])
            for code, amount in (document.cash_rounding or {}).items()
        },
        unpaid_kinds=frozenset(document.payments_without_points),
        shortage=_shortage(document.returns, known),
        returns_lower_tiers=document.returns.lower_tiers,
        points_back=document.returns.points_back,
        loose_returns=document.returns.without_purchase == "allow",
        offline_allowance=_by_unit(document.redemptions.offline_allowance, known),
        hold_lasts=document.holds.lasts,
        holds_may_owe=document.holds.uncaptured == "allow_deficit",
        costs=dict(_costs(document)),
        adjustments=_adjustments(document.adjustments, known) if document.adjustments else rules.NO_REASONS,
        audience=rules.Audience(document.webhooks.messages),
        transfers=_transfers(document.transfers, known) if document.transfers else None,
    )


def compile_unit(code: str, unit: documents.Unit, zone: ZoneInfo) -> units.Unit:
    """The core's unit of one of a document's, in the program's zone."""
    return units.Unit(
        code=code,
        name=unit.name,
        decimals=unit.decimals,
        spendable=unit.spendable,
        rounding=Rounding(unit.rounding),
        expiry=_expiry(unit, zone),
        pending=_pending(unit),
        notice=unit.expiring_notice,
    )


def _pending(unit: documents.Unit) -> calendar.Span | units.AwaitsFulfilment | None:
    if isinstance(unit.pending, documents.PendingFulfilment):
        return units.AwaitsFulfilment(unit.pending.lapses_after)
    return unit.pending


def _expiry(unit: documents.Unit, zone: ZoneInfo) -> units.Expiry | None:
    match unit.expires:
        case documents.Expires(after=after, round_up=round_up):
            return units.ExpiresAfter(after, calendar.Every(round_up) if round_up else None)
        case documents.ExpiresWithPeriod(at_end_of=every, starting=starting, later=later):
            return units.ExpiresWithPeriod(calendar.Period(calendar.Every(every), starting), later)
        case documents.ExpiresOn(on=moment):
            return units.ExpiresAt(values.ends_at(moment, zone=zone))
        case documents.ExpiresInactive(inactive=inactive, events=events):
            return units.Slides(inactive, frozenset(events))
        case "never":
            return None


def _rule(
    rule: documents.Rule, known: Mapping[str, units.Unit], currencies: Mapping[str, int], zone: ZoneInfo
) -> rules.Rule:
    return rules.Rule(
        code=rule.id,
        unit=rule.unit,
        gives=_gives(rule, known[rule.unit].decimals, currencies),
        applies=_applies(rule, zone),
        include=_cover(rule.include) if rule.include else rules.EVERYTHING,
        exclude=_cover(rule.exclude) if rule.exclude else rules.NOTHING,
    )


def _gives(rule: documents.Rule, decimals: int, currencies: Mapping[str, int]) -> rules.Gives:
    if rule.rate is not None:
        return rules.Rate(
            give=values.smallest_parts(rule.rate.give, decimals=decimals),
            per=_minor_units(rule.rate.per, currencies),
            basis=rules.Basis(rule.rate.basis),
            whole_steps=rule.rate.whole_steps,
        )
    if rule.per_item is not None:
        return rules.PerItem(values.smallest_parts(rule.per_item, decimals=decimals))
    if rule.fixed is not None:
        return rules.Fixed(_whole_parts(rule.fixed, decimals))
    assert rule.multiply is not None, "a rule gives in one way: reading refuses others"
    return rules.Multiply(Fraction(rule.multiply))


def _applies(rule: documents.Rule, zone: ZoneInfo) -> rules.Applies:
    return rules.Applies(
        kind=rule.on,
        activities=frozenset(rule.activities or ()),
        channels=frozenset(rule.channels or ()),
        locations=frozenset(rule.locations or ()),
        sources=frozenset(rule.shops or ()),
        tiers=frozenset(rule.tiers or ()),
        starts_at=None if rule.from_ is None else values.starts_at(rule.from_, zone=zone),
        ends_at=None if rule.until is None else values.ends_at(rule.until, zone=zone),
    )


def _cover(cover: documents.Cover) -> rules.Cover:
    return rules.Cover(categories=frozenset(cover.categories or ()), skus=frozenset(cover.skus or ()))


def _tier_multipliers(ladders: tuple[documents.Ladder, ...]) -> Iterator[rules.Rule]:
    for level in (level for ladder in ladders for level in ladder.levels):
        for unit, factor in sorted((level.multiply or {}).items()):
            yield rules.Rule(
                code=f"tier:{level.id}:{unit}",
                unit=unit,
                gives=rules.Multiply(Fraction(factor)),
                applies=rules.Applies(kind="purchase", tiers=frozenset({level.id})),
            )


def _ladder(ladder: documents.Ladder, unit: units.Unit) -> rules.Ladder:
    tiers = (rules.Tier(level.id, level.name, _whole_parts(level.from_, unit.decimals)) for level in ladder.levels)
    return rules.Ladder(ladder.id, ladder.unit, tuple(tiers))


def _referrals(
    referrals: documents.Referrals, known: Mapping[str, units.Unit], currencies: Mapping[str, int]
) -> rules.ReferralTerms:
    def bonus(side: documents.Bonus | None) -> tuple[str, int] | None:
        return None if side is None else (side.unit, _whole_parts(side.points, known[side.unit].decimals))

    minimum = {} if referrals.minimum is None else _minor_units(referrals.minimum, currencies)
    return rules.ReferralTerms(
        minimum=dict.fromkeys(currencies, 0) | minimum,
        lapse=referrals.lapse,
        referrer=bonus(referrals.referrer),
        referee=bonus(referrals.referee),
    )


def _shortage(returns: documents.Returns, known: Mapping[str, units.Unit]) -> rules.Shortage:
    return rules.Shortage(
        forgive=returns.shortage == "clamp",
        floors=_by_unit(returns.deficit_floor, known),
    )


def _costs(document: Document) -> Iterator[tuple[str, rules.Cost]]:
    for code, unit in sorted(document.units.items()):
        if unit.cost_per_point is not None:
            amounts = values.amounts(unit.cost_per_point, currencies=document.currencies)
            ((currency, amount),) = amounts.items()
            yield code, rules.Cost(currency, Fraction(amount))


def _adjustments(adjustments: documents.Adjustments, known: Mapping[str, units.Unit]) -> rules.AdjustmentTerms:
    return rules.AdjustmentTerms(
        reasons=adjustments.reasons,
        approval_above=_by_unit(adjustments.approval_above, known),
        daily_limit=_by_unit(adjustments.daily_limit, known),
    )


def _transfers(transfers: documents.Transfers, known: Mapping[str, units.Unit]) -> rules.TransferTerms:
    return rules.TransferTerms(units=transfers.units, daily_limit=_by_unit(transfers.daily_limit, known))


def _by_unit(stated: Mapping[str, Decimal], known: Mapping[str, units.Unit]) -> dict[str, int]:
    return {code: _whole_parts(value, known[code].decimals) for code, value in sorted(stated.items())}


def _minor_units(stated: Decimal | Mapping[str, Decimal], currencies: Mapping[str, int]) -> dict[str, int]:
    amounts = values.amounts(stated, currencies=tuple(currencies))
    return {code: values.minor_units(amount, decimals=currencies[code]) for code, amount in amounts.items()}


def _whole_parts(value: Decimal, decimals: int) -> int:
    parts = values.smallest_parts(value, decimals=decimals)
    assert parts.denominator == 1, "a value has no more decimals than its unit: reading refuses others"
    return parts.numerator
