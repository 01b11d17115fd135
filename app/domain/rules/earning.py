"""Earning rules: what each gives, for what it covers, and when it applies (semantics A1-A3, A10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import ClassVar

from app.domain.calendar import Span
from app.domain.combining import Cap
from app.domain.conditions import Condition
from app.domain.paying import Paid
from app.domain.periods import Within
from app.domain.recurrences import Window

ANY: frozenset[str] = frozenset()
"""An empty set in a filter: no restriction."""


class Basis(StrEnum):
    """Which part of a line a rate counts (semantics A1)."""

    CHARGED = "charged"
    WITHOUT_TAX = "without_tax"
    WITH_TAX = "with_tax"
    BEFORE_DISCOUNT = "before_discount"


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
class SwitchedOff:
    """A rule of the document that is not asked for now: about which kind of events, and for which unit, if any."""

    rule: str
    kind: str
    unit: str


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
