"""A program's rules as the core reads them: what `program.compile` makes of one published document version."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from math import lcm, prod
from types import MappingProxyType
from typing import ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from app.domain.calendar import Span
from app.domain.combining import Cap, Group, Multipliers, Per
from app.domain.conditions import Condition
from app.domain.ladders import Ladder
from app.domain.paying import Paid
from app.domain.periods import LIFETIME, Within
from app.domain.reads import NOTHING_DECLARED, Attributes, Reads
from app.domain.recurrences import Window
from app.domain.units import Slides, Unit

ANY: frozenset[str] = frozenset()
"""An empty set in a filter: no restriction."""


class Basis(StrEnum):
    """Which part of a line a rate counts (semantics A1)."""

    CHARGED = "charged"
    WITHOUT_TAX = "without_tax"
    WITH_TAX = "with_tax"
    BEFORE_DISCOUNT = "before_discount"


class Audience(StrEnum):
    """Which messages of the program a shop gets: all, or those of the events that it sent itself (webhooks W10)."""

    ALL = "all"
    OWN = "own"


class OutOfTime(StrEnum):
    """What becomes of an event beyond the late or early limit (semantics E3)."""

    REFUSE = "refuse"
    RECORD_NOW = "record_now"


@dataclass(frozen=True, slots=True)
class Cover:
    """Lines named by category or sku; `everything` covers all (semantics A3)."""

    categories: frozenset[str] = ANY
    skus: frozenset[str] = ANY
    everything: bool = False


EVERYTHING = Cover(everything=True)
NOTHING = Cover()


@dataclass(frozen=True, slots=True)
class Visits:
    """Only some of a member's purchases in a period: those of these numbers, or every so many-th (semantics A11)."""

    within: Within
    numbers: frozenset[int] = frozenset()
    every: int | None = None

    def has(self, number: int) -> bool:
        """Whether a purchase of this number is one of them."""
        return number in self.numbers or (self.every is not None and number % self.every == 0)


@dataclass(frozen=True, slots=True)
class Applies:
    """When a rule applies: an empty filter does not restrict (semantics A3); `always` where none does."""

    kind: str
    activities: frozenset[str] = ANY
    channels: frozenset[str] = ANY
    locations: frozenset[str] = ANY
    sources: frozenset[str] = ANY
    tiers: frozenset[str] = ANY
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    visits: Visits | None = None
    tags: frozenset[str] = ANY
    segments: frozenset[str] = ANY
    times: tuple[Window, ...] = ()
    schedules: frozenset[str] = ANY
    condition: Condition | None = None
    """Of an event; one that reads a variable of lines decides for each line whether the rule covers it."""
    always: bool = field(init=False)
    named: bool = field(init=False)
    """Whether any of the sets restricts."""

    def __post_init__(self) -> None:
        sets = (self.activities, self.channels, self.locations, self.sources, self.tiers, self.tags, self.segments)
        object.__setattr__(self, "named", any(sets))
        free = not any(sets) and self.starts_at is None and self.ends_at is None and self.visits is None
        object.__setattr__(self, "always", free and not (self.times or self.schedules or self.condition))


@dataclass(frozen=True, slots=True)
class Rate:
    """`give` smallest parts for each `per` minor units, a rate a currency; whole steps only, if so said (A2)."""

    give: Fraction
    per: Mapping[str, int]
    basis: Basis = Basis.CHARGED
    whole_steps: bool = False
    counted: Paid | None = None
    """Which payments count, where the rate says it instead of the program (semantics A1)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`give` smallest parts for each `per` of the lines' quantity, or of a declared `number` of the event (A2)."""

    give: Fraction
    per: Fraction = Fraction(1)
    number: str | None = None
    whole_steps: bool = False


@dataclass(frozen=True, slots=True)
class PerItem:
    """`give` smallest parts for each item: times the line's quantity (A2)."""

    give: Fraction


@dataclass(frozen=True, slots=True)
class Fixed:
    """`give` smallest parts once per event, never multiplied (A2)."""

    give: int


@dataclass(frozen=True, slots=True)
class Multiply:
    """Each covered line's sum times `factor` (A2, A4)."""

    factor: Fraction


@dataclass(frozen=True, slots=True)
class Rewarded:
    """A reward, once per event, as a fixed grant is given (A10)."""

    kind: ClassVar[str] = "reward"
    reward: str

    @property
    def code(self) -> str:
        return self.reward


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag on the member, once per event, until the end of a day (A10); for good where it does not end."""

    kind: ClassVar[str] = "tag"
    tag: str
    lasts: Span | None = None

    @property
    def code(self) -> str:
        return self.tag


@dataclass(frozen=True, slots=True)
class Promoted:
    """A tier for so long from the event on, or until an instant, once per event (A10, T7)."""

    kind: ClassVar[str] = "tier"
    ladder: str
    tier: str
    lasts: Span | None = None
    until: datetime | None = None

    @property
    def code(self) -> str:
        return self.tier


Gift = Rewarded | Tagged | Promoted
"""What rules give besides points."""

Gives = Rate | Measured | PerItem | Fixed | Multiply | Gift


@dataclass(frozen=True, slots=True)
class Rule:
    """One earning rule: what it gives in one unit, for what it covers, when it applies; gifts are of no unit ("")."""

    code: str
    unit: str
    gives: Gives
    applies: Applies
    include: Cover = EVERYTHING
    exclude: Cover = NOTHING
    priority: int = 0
    group: str | None = None
    exclusive: bool = False
    stop: bool = False
    caps: tuple[Cap, ...] = ()
    plain: bool = field(init=False)
    """Whether it simply adds to what others give, or multiplies it (semantics A4, A5)."""

    def __post_init__(self) -> None:
        stacked = self.priority or self.group is not None or self.exclusive or self.stop or self.caps
        object.__setattr__(self, "plain", not stacked)


@dataclass(frozen=True, slots=True)
class Reward:
    """What members can be given besides points, and for how long it can be used (semantics A10)."""

    code: str
    name: str
    valid: Span | None = None


class Milestone(NamedTuple):
    """What a member's total of a unit brings in a period: at each multiple of `every`, or at each of `at` (A9).

    With `consume`, so many of the unit are drawn each time. It gives points of a unit, or a gift.
    """

    code: str
    unit: str
    gives: tuple[str, int] | Gift
    every: int = 0
    at: tuple[int, ...] = ()
    within: Within = LIFETIME
    consume: bool = False


class Follows(StrEnum):
    """What a schedule follows on: somebody joining, their latest purchase, a tier that they reached (semantics K3)."""

    ENROLMENT = "enrolment"
    PURCHASE = "purchase"
    TIER = "tier"


class After(NamedTuple):
    """So long after something, at the same time of the day; of a tier, and then each so long again while it is held."""

    what: Follows
    wait: Span
    tier: str = ""
    each: Span | None = None


class Yearly(StrEnum):
    """Once a year: on the day on which a member was born, or joined."""

    BIRTHDAY = "birthday"
    ANNIVERSARY = "anniversary"


class Schedule(NamedTuple):
    """When the clock brings a member a `scheduled` event: after something, once a year, or on one day for all (K3)."""

    code: str
    when: After | Yearly | date


class Shortage(NamedTuple):
    """What becomes of points that are to be taken and are no longer there (semantics R3).

    They are owed, unless `forgive`; where `floors` names the unit, until the member owes so many in all.
    """

    forgive: bool = False
    floors: Mapping[str, int] = MappingProxyType({})


OWED = Shortage()
FORGIVEN = Shortage(forgive=True)


class ClaimLimit(NamedTuple):
    """How many may name the same friend within a span before somebody has to look (semantics F4)."""

    claims: int
    within: Span


class ReferralGift(NamedTuple):
    """What a side gets for a friend: points of a unit, a reward, or neither where friends are only counted (F3)."""

    unit: str = ""
    points: int = 0
    reward: str | None = None


class ReferralCap(NamedTuple):
    """For how many friends a member is rewarded in a period (semantics F3)."""

    rewards: int
    within: Within


class ReferralMilestone(NamedTuple):
    """Points for so many friends who were rewarded, or for every so many (semantics F3)."""

    unit: str
    points: int
    at: int | None = None
    every: int | None = None

    def has(self, number: int) -> bool:
        """Whether the friend of this number brings it."""
        return number == self.at or (self.every is not None and number % self.every == 0)


@dataclass(frozen=True, slots=True)
class ReferralTerms:
    """What bringing a friend gives, from which first purchase on, and after which wait (semantics F2, F3, F4)."""

    minimum: Mapping[str, int]
    lapse: Span
    referrer: ReferralGift | None = None
    referee: ReferralGift | None = None
    wait: Span | None = None
    """The return window after which the reward falls due; None for at once."""
    shortage: Shortage = FORGIVEN
    """What becomes of points that are to be taken back and are spent."""
    review: ClaimLimit | None = None
    cap: ReferralCap | None = None
    milestones: tuple[ReferralMilestone, ...] = ()


class Cost(NamedTuple):
    """What one point, as members see it, costs the program when it is spent: exact money of one currency."""

    currency: str
    amount: Fraction


class AdjustmentTerms(NamedTuple):
    """What persons may adjust, and when a second one must agree (semantics E5); by unit, no entry is no limit.

    An adjustment waits where its person's day would come to more than `approval_above`, without regard to signs.
    """

    reasons: tuple[str, ...] = ()
    approval_above: Mapping[str, int] = MappingProxyType({})
    daily_limit: Mapping[str, int] = MappingProxyType({})


NO_REASONS = AdjustmentTerms()
"""Nothing can be adjusted."""


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """The rules of one unit for one kind of event, by stage, by priority and in document order (semantics A2, A4).

    Sums are counted in `scale`ths of a smallest part: every rate of whole minor units is whole in it, and stays so
    through every multiplier. `plain` where rules simply add and multiply, and nothing limits them.
    """

    unit: Unit
    sums: tuple[Rule, ...]
    multipliers: tuple[Rule, ...]
    fixed: tuple[Rule, ...]
    groups: tuple[Group, ...] = ()
    capped: bool = False
    """Whether the whole program has caps."""
    scale: int = field(init=False)
    plain: bool = field(init=False)

    def __post_init__(self) -> None:
        rules = (*self.sums, *self.multipliers, *self.fixed)
        stacked = self.capped or self.unit.caps or self.unit.multipliers is not Multipliers.PRODUCT
        object.__setattr__(self, "plain", not stacked and all(rule.plain for rule in rules))
        shares = (share for rule in self.sums for share in _shares(rule.gives))
        factors = (rule.gives.factor.denominator for rule in self.multipliers if isinstance(rule.gives, Multiply))
        object.__setattr__(self, "scale", lcm(*(share.denominator for share in shares)) * prod(factors))


def _shares(gives: Gives) -> Iterable[Fraction]:
    """What one minor unit, or one of what is measured, gives."""
    if isinstance(gives, Rate):
        return [gives.give / per for per in gives.per.values()]
    return [gives.give / gives.per] if isinstance(gives, Measured) else []


@dataclass(frozen=True, slots=True)
class TransferTerms:
    """The units that members may pass on, and the most of each that one may give in a day (semantics L13)."""

    units: tuple[str, ...]
    daily_limit: Mapping[str, int] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class Versions:
    """All published versions of a program, by number.

    With a `trial`, which is not published, that one judges from its time on, whatever else is in force then.
    `brief` if a lot may end within hours of being earned, `milestones` if any has some, `consuming` if one draws lots;
    `sliding` are the kinds of events that keep accounts which end together, in any version (semantics L10).
    """

    all: tuple[Rules, ...]
    trial: Rules | None = None
    brief: bool = field(init=False)
    profiles: bool = field(init=False)
    """Whether any of them looks at what members are, or tags them (semantics M5)."""
    _latest_first: tuple[Rules, ...] = field(init=False)
    milestones: bool = field(init=False)
    consuming: bool = field(init=False)
    sliding: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        units = [unit for rules in self._each() for unit in rules.units.values()]
        slides = (unit.expiry.events for unit in units if isinstance(unit.expiry, Slides))
        object.__setattr__(self, "profiles", any(one.reads.tags or one.reads.profile for one in self._each()))
        milestones = [milestone for rules in self._each() for milestone in rules.milestones]
        object.__setattr__(self, "brief", any(unit.brief for unit in units))
        object.__setattr__(self, "_latest_first", tuple(sorted(self.all, key=_coming, reverse=True)))
        object.__setattr__(self, "milestones", bool(milestones))
        object.__setattr__(self, "consuming", any(milestone.consume for milestone in milestones))
        object.__setattr__(self, "sliding", ANY.union(*slides))

    def at(self, instant: datetime) -> Rules:
        """The version in force at an instant: the one whose time came last; before the first, the first (semantics E3).

        Of versions with the same time the later published one counts: so a version that waits can be replaced.
        """
        if self.trial is not None and self.trial.in_force_from <= instant:
            return self.trial
        for rules in self._latest_first:
            if rules.in_force_from <= instant:
                return rules
        return self._latest_first[-1]

    def numbered(self, version: int) -> Rules:
        """The version of this number. Raises KeyError if none is."""
        for rules in self._each():
            if rules.version == version:
                return rules
        raise KeyError(version)

    def as_judged(self, judged: Iterable[tuple[datetime, int]]) -> "Versions":
        """The versions as they were known when at each instant the version of that number judged.

        While a version is being published, events are still judged by the one before it: its time is a little before
        anybody knows of it.
        """
        unknown = {
            rules.version
            for instant, number in judged
            for rules in self.all
            if rules.in_force_from <= instant and _coming(rules) > _coming(self.numbered(number))
        }
        if not unknown:
            return self
        return replace(self, all=tuple(rules for rules in self.all if rules.version not in unknown))

    def _each(self) -> Iterator[Rules]:
        yield from self.all
        if self.trial is not None:
            yield self.trial


def _coming(rules: Rules) -> tuple[datetime, int]:
    return rules.in_force_from, rules.version
