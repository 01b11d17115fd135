"""A program document as the core reads it: every number in smallest parts or minor units, every day an instant."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain import combining, rules, units
from app.program import reading, values
from app.program.compiling import (
    amounts,
    caps,
    circumstances,
    earning,
    ladders,
    milestones,
    referring,
    schedules,
    terms,
)
from app.program.compiling.units import compile_unit
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
    declared = circumstances.attributes(document.attributes)
    of_tier = {level.id: ladder.id for ladder in document.tiers for level in ladder.levels}
    shortage = terms.shortage(document.returns, known)
    enabled = (
        earning.rule(rule, known, currencies, zone, declared, of_tier) for rule in document.rules if rule.enabled
    )
    return rules.Rules(
        version=version,
        digest=digest,
        in_force_from=in_force_from,
        zone=zone,
        currencies=currencies,
        units=known,
        rules=(*enabled, *ladders.multipliers(document.tiers)),
        ladders=tuple(ladders.ladder(stated, known) for stated in document.tiers),
        referrals=referring.terms(document.referrals, known, currencies, shortage=shortage)
        if document.referrals
        else None,
        rewards=_rewards(document),
        groups=_groups(document, known),
        caps=caps.caps(document.caps, combining.PROGRAM, decimals=_spent_in(known)),
        locations=circumstances.locations(document),
        attributes=declared,
        segments=circumstances.segments(document),
        switched_off=_switched_off(document),
        milestones=tuple(milestones.milestone(one, known, zone, of_tier) for one in document.milestones),
        schedules=tuple(schedules.schedule(one) for one in document.schedules),
        late=timedelta(days=document.events.late.days),
        early=document.events.early,
        out_of_time=rules.OutOfTime(document.events.out_of_time),
        cash_rounding={
            code: values.minor_units(amount, decimals=currencies[code])
            for code, amount in (document.cash_rounding or {}).items()
        },
        unpaid_kinds=frozenset(document.payments_without_points),
        net=document.prices == "net",
        shortage=shortage,
        returns_lower_tiers=document.returns.lower_tiers,
        points_back=document.returns.points_back,
        loose_returns=document.returns.without_purchase == "allow",
        offline_allowance=amounts.by_unit(document.redemptions.offline_allowance, known),
        hold_lasts=document.holds.lasts,
        holds_may_owe=document.holds.uncaptured == "allow_deficit",
        costs=dict(terms.costs(document)),
        adjustments=terms.adjustments(document.adjustments, known) if document.adjustments else rules.NO_REASONS,
        audience=rules.Audience(document.webhooks.messages),
        transfers=terms.transfers(document.transfers, known) if document.transfers else None,
    )


def _rewards(document: Document) -> dict[str, rules.Reward]:
    return {code: rules.Reward(code, reward.name, reward.valid) for code, reward in sorted(document.rewards.items())}


def _switched_off(document: Document) -> tuple[rules.SwitchedOff, ...]:
    return tuple(rules.SwitchedOff(rule.id, rule.on, rule.unit or "") for rule in document.rules if not rule.enabled)


def compile_next(document: Document, earlier: rules.Versions, *, in_force_from: datetime) -> rules.Rules:
    """The rules of a document that is not published, numbered as if it were the version after the `earlier` ones."""
    return compile_rules(
        document,
        version=max((one.version for one in earlier.all), default=0) + 1,
        digest=reading.digest(reading.canonical(document)),
        in_force_from=in_force_from,
    )


def _groups(document: Document, known: Mapping[str, units.Unit]) -> dict[str, combining.Group]:
    """The groups in the order of the document, each counted in the unit of its rules."""
    unit = {rule.group: rule.unit for rule in document.rules if rule.group is not None and rule.unit is not None}
    return {
        group.id: caps.group(group, decimals=known[unit[group.id]].decimals if group.id in unit else 0)
        for group in document.groups
    }


def _spent_in(known: Mapping[str, units.Unit]) -> int:
    """The decimals of the units that can be spent, which are the same where the program has caps of points."""
    return next((unit.decimals for unit in known.values() if unit.spendable), 0)
