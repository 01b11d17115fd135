"""Money is a whole number of a currency's minor units; decimals exist only in text (api C2)."""

import re
from fractions import Fraction

from app.domain import points

LIMIT = 10**15
"""The largest amount in minor units that an event may name, either sign."""

EXACT_DECIMALS = 9
"""So many decimals a program may give to an amount of less than a minor unit."""

_AMOUNT = re.compile(r"(-?)(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,4}))?\Z", re.ASCII)


class BadAmount(Exception):
    """A text that is no amount of money in this currency; `decimals` says how many the currency has."""

    def __init__(self, reason: str, decimals: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.decimals = decimals


def minor_units(amount: str, *, decimals: int) -> int:
    """Minor units of a decimal text such as "12.50". Raises BadAmount."""
    match = _AMOUNT.match(amount)
    if match is None:
        raise BadAmount("not_an_amount", decimals)
    sign, whole, part = match.groups()
    part = part or ""
    if len(part) > decimals:
        raise BadAmount("too_many_decimals", decimals)
    value = int(whole + part.ljust(decimals, "0"))
    if value > LIMIT:
        raise BadAmount("too_large", decimals)
    return -value if sign else value


def decimal_text(minor: int, *, decimals: int) -> str:
    """The decimal text of an amount in minor units: 1250 with two decimals is "12.50"."""
    if decimals == 0:
        return str(minor)
    sign = "-" if minor < 0 else ""
    whole, part = divmod(abs(minor), 10**decimals)
    return f"{sign}{whole}.{part:0{decimals}d}"


def rounded_text(amount: Fraction, *, decimals: int) -> str:
    """The decimal text of an exact amount, rounded half up to minor units, once."""
    return decimal_text(points.rounded(amount * 10**decimals, points.Rounding.HALF_UP), decimals=decimals)


def exact_text(amount: Fraction) -> str:
    """The shortest decimal text of an amount that has one. Raises ValueError for any other."""
    for decimals in range(EXACT_DECIMALS + 1):
        if 10**decimals % amount.denominator == 0:
            return decimal_text(int(amount * 10**decimals), decimals=decimals)
    raise ValueError(f"{amount} has more than {EXACT_DECIMALS} decimals")
