"""What of a sale was paid in which ways, so that a rate can count just that part (semantics A1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.domain.commands import Payment


@dataclass(frozen=True, slots=True)
class PaidBy:
    """Only what was paid in one of these kinds counts; of what nobody says how it was paid, nothing does."""

    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class NotPaidBy:
    """All counts but what was paid in one of these kinds."""

    kinds: frozenset[str]


Paid = PaidBy | NotPaidBy
"""Which payments count."""


def share(counted: Paid, payments: Sequence[Payment], *, due: int) -> int | Fraction:
    """How much of what was `due`, in minor units, counts: from 0, for nothing, to 1, for all of it."""
    named = sum([max(0, payment.amount) for payment in payments if payment.kind in counted.kinds])
    if isinstance(counted, PaidBy):
        named = max(0, due - named)
    if not named:
        return 1
    return Fraction(due - named, due) if named < due else 0
