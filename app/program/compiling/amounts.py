"""What a document states in whole points and money, in smallest parts and minor units."""

from collections.abc import Mapping
from decimal import Decimal

from app.domain import units
from app.program import values


def by_unit(stated: Mapping[str, Decimal], known: Mapping[str, units.Unit]) -> dict[str, int]:
    """Amounts of points by unit, in smallest parts."""
    return {code: whole_parts(value, known[code].decimals) for code, value in sorted(stated.items())}


def minor_units(stated: Decimal | Mapping[str, Decimal], currencies: Mapping[str, int]) -> dict[str, int]:
    """Money by currency, in minor units."""
    stated_each = values.amounts(stated, currencies=tuple(currencies))
    return {code: values.minor_units(amount, decimals=currencies[code]) for code, amount in stated_each.items()}


def whole_parts(value: Decimal, decimals: int) -> int:
    """An amount of points in smallest parts."""
    parts = values.smallest_parts(value, decimals=decimals)
    assert parts.denominator == 1, "a value has no more decimals than its unit: reading refuses others"
    return parts.numerator
