"""The rules of one unit for one kind of event, as accrual walks them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm, prod

from app.domain.combining import Group, Multipliers
from app.domain.rules.earning import Gives, Measured, Multiply, Rate, Rule
from app.domain.units import Unit


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
