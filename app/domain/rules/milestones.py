"""What members' totals bring (semantics A9)."""

from typing import NamedTuple

from app.domain.periods import LIFETIME, Within
from app.domain.rules.earning import Gift


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
