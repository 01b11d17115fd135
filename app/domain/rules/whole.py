"""One published version of a program's rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.combining import Cap, Group, Per
from app.domain.conditions import Condition
from app.domain.ladders import Ladder
from app.domain.periods import LIFETIME, Within
from app.domain.reads import NOTHING_DECLARED, Attributes, Reads
from app.domain.rules.earning import Fixed, Gift, Measured, Multiply, PerItem, Rate, Reward, Rule, SwitchedOff, Tagged
from app.domain.rules.milestones import Milestone
from app.domain.rules.plans import UnitPlan
from app.domain.rules.referring import ReferralTerms
from app.domain.rules.schedules import Schedule
from app.domain.rules.terms import NO_REASONS, OWED, AdjustmentTerms, Audience, Cost, OutOfTime, Shortage, TransferTerms
from app.domain.units import Unit


@dataclass(frozen=True, slots=True)
class Rules:
    """One published version. `currencies` maps each listed currency to its number of decimals."""

    version: int
    digest: bytes
    in_force_from: datetime
    zone: ZoneInfo
    currencies: Mapping[str, int]
    units: Mapping[str, Unit]
    rules: tuple[Rule, ...]
    ladders: tuple[Ladder, ...] = ()
    referrals: ReferralTerms | None = None
    late: timedelta = timedelta(days=30)
    early: timedelta = timedelta(minutes=5)
    out_of_time: OutOfTime = OutOfTime.REFUSE
    cash_rounding: Mapping[str, int] = field(default_factory=dict)
    unpaid_kinds: frozenset[str] = frozenset({"points"})
    """Kinds of payment that are left out of every basis whose rate does not say itself what counts (semantics A1)."""
    net: bool = False
    """Whether prices are without tax, which comes on top of them (semantics A1)."""
    shortage: Shortage = OWED
    """What becomes of points that a return should take and that are spent (semantics R3)."""
    points_back: bool = True
    """Whether points spent on a purchase come back with its goods (semantics R4)."""
    loose_returns: bool = False
    """Whether goods may come back without their purchase (semantics R7)."""
    offline_allowance: Mapping[str, int] = field(default_factory=dict)
    """By unit, how much a member may owe for redemptions made offline (semantics L6)."""
    hold_lasts: timedelta = timedelta(minutes=15)
    """How long a hold keeps points where its sender does not say (semantics L12)."""
    holds_may_owe: bool = False
    """Whether a purchase takes the points of a hold that has lapsed, into a deficit if need be (semantics A1)."""
    returns_lower_tiers: bool = True
    """Whether a return costs a tier that what is left would not have reached (semantics T5)."""
    costs: Mapping[str, Cost] = field(default_factory=dict)
    """What a point costs, of the units that say so. No decision reads it: it is for reports."""
    adjustments: AdjustmentTerms = NO_REASONS
    audience: Audience = Audience.ALL
    """Which messages a shop gets (webhooks W10). No decision reads it."""
    transfers: TransferTerms | None = None
    """None where members cannot pass points on (semantics L13)."""
    rewards: Mapping[str, Reward] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    caps: tuple[Cap, ...] = ()
    """The most that all rules give together (semantics A5)."""
    limits: Mapping[str, tuple[Cap, ...]] = field(init=False)
    """By kind of event, the caps whose usage is kept (semantics A5)."""
    locations: Mapping[str, ZoneInfo] = field(default_factory=dict)
    """The zones of locations that have one of their own (semantics A3)."""
    attributes: Attributes = NOTHING_DECLARED
    segments: Mapping[str, Condition] = field(default_factory=dict)
    """Conditions over what a member is, by name (semantics M5)."""
    switched_off: tuple[SwitchedOff, ...] = ()
    """The rules that the document leaves out for now. No decision reads them: they are for explanations."""
    milestones: tuple[Milestone, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    plans: Mapping[str, tuple[UnitPlan, ...]] = field(init=False)
    gifts: Mapping[str, tuple[Rule, ...]] = field(init=False)
    """By kind of event, the rules that give something besides points (semantics A10)."""
    visits: tuple[Within, ...] = field(init=False)
    """The periods in which rules count purchases (semantics A11)."""
    reads: Reads = field(init=False)
    """What rules look at that is not among an event's facts."""

    def __post_init__(self) -> None:
        kinds = {rule.applies.kind for rule in self.rules}
        object.__setattr__(self, "plans", {kind: _plans(kind, self) for kind in kinds})
        gifts = {kind: _gifts(kind, self.rules) for kind in kinds}
        object.__setattr__(self, "gifts", {kind: rules for kind, rules in gifts.items() if rules})
        limits = {kind: tuple(_limits(kind, self)) for kind in kinds}
        object.__setattr__(self, "limits", {kind: caps for kind, caps in limits.items() if caps})
        object.__setattr__(self, "reads", _reads(self))
        asked = {rule.applies.visits.within for rule in self.rules if rule.applies.visits is not None}
        if "visits" in self.reads.names:
            asked.add(LIFETIME)
        object.__setattr__(self, "visits", tuple(sorted(asked, key=lambda within: within.code)))


def _gifts(kind: str, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    found = (rule for rule in rules if rule.applies.kind == kind and isinstance(rule.gives, Gift))
    return tuple(sorted(found, key=_by_priority))


def _by_priority(rule: Rule) -> int:
    return -rule.priority


def _reads(rules: Rules) -> Reads:
    conditions = [rule.applies.condition for rule in rules.rules if rule.applies.condition is not None]
    names = frozenset(name for condition in conditions for name in condition.names)
    segments = "segments" in names or any(rule.applies.segments for rule in rules.rules)
    given = [*(rule.gives for rule in rules.rules), *(milestone.gives for milestone in rules.milestones)]
    numbers = {rule.gives.number for rule in rules.rules if isinstance(rule.gives, Measured)}
    return Reads(
        names=names,
        event=frozenset(name for name in rules.attributes.event if f"event_{name}" in names or name in numbers),
        line=frozenset(name for name in rules.attributes.line if f"line_{name}" in names),
        tags="tags" in names or any(rule.applies.tags for rule in rules.rules),
        segments=segments,
        profile=segments or any(isinstance(gives, Tagged) for gives in given),
    )


def _plans(kind: str, rules: Rules) -> tuple[UnitPlan, ...]:
    def stage(unit: Unit, *types: type) -> tuple[Rule, ...]:
        mine = (
            rule
            for rule in rules.rules
            if rule.applies.kind == kind and rule.unit == unit.code and isinstance(rule.gives, types)
        )
        return tuple(sorted(mine, key=_by_priority))

    def plan(unit: Unit) -> UnitPlan:
        sums, multipliers, fixed = stage(unit, Rate, Measured, PerItem), stage(unit, Multiply), stage(unit, Fixed)
        named = {rule.group for rule in (*sums, *multipliers, *fixed)}
        groups = tuple(group for code, group in rules.groups.items() if code in named)
        return UnitPlan(unit, sums, multipliers, fixed, groups, bool(rules.caps))

    plans = map(plan, rules.units.values())
    return tuple(plan for plan in plans if plan.sums or plan.multipliers or plan.fixed)


def _limits(kind: str, rules: Rules) -> Iterable[Cap]:
    """The caps that an event of a kind reads and counts: those of its rules, of their groups and units, and of all."""
    mine = [rule for rule in rules.rules if rule.applies.kind == kind]
    holders = [rule.caps for rule in mine]
    holders += [group.caps for code, group in rules.groups.items() if any(rule.group == code for rule in mine)]
    holders += [unit.caps for code, unit in rules.units.items() if any(rule.unit == code for rule in mine)]
    return (cap for caps in (*holders, rules.caps) for cap in caps if cap.per is not Per.EVENT)
