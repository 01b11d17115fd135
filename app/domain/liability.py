"""What members could still spend, until when, what it is worth, and how much of it may never be spent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.domain import calendar, points
from app.domain.rules import Cost

Month = tuple[int, int]
"""A year and a month of it."""


class Lots(NamedTuple):
    """The lots of one unit that wait or do not and end at one instant, with what remains of them."""

    unit: str
    pending: bool
    expires_at: datetime | None
    remaining: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Outstanding:
    """One unit's points by the instant (semantics L3); `balance` is what the accounts hold.

    `held` is part of active and pending. `ended` is past its instant, and only the writing down is due. By month are
    the active and pending points, by the month of the last day on which they can be spent, None for never.
    """

    balance: int
    active: int
    pending: int
    held: int
    ended: int
    by_month: tuple[tuple[Month | None, int], ...]

    @property
    def points(self) -> int:
        """What members can spend, now or after its wait. What others owe does not lessen it."""
        return self.active + self.pending

    @property
    def can_expire(self) -> int:
        return sum(number for month, number in self.by_month if month is not None)

    @property
    def deficit(self) -> int:
        """What members owe: what lots hold beyond the balance (semantics L15)."""
        return self.points + self.ended - self.balance


class Ended(NamedTuple):
    """What became of the points of lots that ended in a stretch of time; what was taken back counts in neither."""

    expired: int
    redeemed: int

    @property
    def rate(self) -> Fraction | None:
        """The share that was never spent; None where nothing has come to its end."""
        whole = self.expired + self.redeemed
        return Fraction(self.expired, whole) if whole else None


NOTHING_ENDED = Ended(0, 0)


def outstanding(lots: Iterable[Lots], *, balance: int, at: datetime, zone: ZoneInfo) -> Outstanding:
    """One unit's lots summed up as they stand at an instant; what a hold keeps has not ended (semantics L12)."""
    mine = tuple(lots)
    left = [lot for lot in mine if lot.expires_at is None or lot.expires_at > at]
    kept = [lot._replace(remaining=lot.reserved) for lot in mine if lot not in left and lot.reserved]
    left += kept
    months: dict[Month | None, int] = {}
    for lot in left:
        month = _last_month(lot.expires_at, zone)
        months[month] = months.get(month, 0) + lot.remaining
    return Outstanding(
        balance=balance,
        active=sum(lot.remaining for lot in left if not lot.pending),
        pending=sum(lot.remaining for lot in left if lot.pending),
        held=sum(lot.reserved for lot in left),
        ended=sum(lot.remaining for lot in mine) - sum(lot.remaining for lot in left),
        by_month=tuple(sorted(months.items(), key=lambda one: (one[0] is None, one[0] or ()))),
    )


def value(number: int, cost: Cost, *, decimals: int) -> Fraction:
    """What points of a unit with so many decimals are worth, exactly."""
    return Fraction(number, 10**decimals) * cost.amount


def breakage(can_expire: int, ended: Ended) -> int | None:
    """How many points may be expected to expire, rounded half up; None where there is nothing to judge by."""
    return None if ended.rate is None else points.rounded(can_expire * ended.rate, points.Rounding.HALF_UP)


def _last_month(expires_at: datetime | None, zone: ZoneInfo) -> Month | None:
    if expires_at is None:
        return None
    day = calendar.local_day(expires_at - timedelta(microseconds=1), zone)
    return (day.year, day.month)
