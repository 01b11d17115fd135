"""Money and quantities of bodies: minor units, and plain decimal text (semantics A1)."""

from decimal import Decimal, InvalidOperation

from app.api.problems import invalid
from app.api.schemas.common import MINOR_UNITS
from app.domain import money


def decimals_of(currency: str) -> int:
    """The decimals of a currency. Raises Problem for one that ISO 4217 does not know."""
    decimals = MINOR_UNITS.get(currency)
    if decimals is None:
        raise invalid("/currency", "is not an ISO 4217 currency")
    return decimals


def minor_units(amount: str, pointer: str, decimals: int) -> int:
    """An amount in minor units. Raises Problem at its place."""
    try:
        return money.minor_units(amount, decimals=decimals)
    except money.BadAmount as error:
        reason = {
            "too_many_decimals": f"has more decimals than the currency's {decimals}",
            "too_large": "is too large",
        }.get(error.reason, "is not an amount of money")
        raise invalid(pointer, reason) from None


def plain_quantity(text: str, pointer: str) -> str:
    """Plain decimal text without superfluous zeros, so that "2" and "2.0" are the same content."""
    if "." not in text:
        return text
    try:
        plain = format(Decimal(text).normalize(), "f")
    except InvalidOperation:
        raise invalid(pointer, "is not a quantity") from None
    return plain
