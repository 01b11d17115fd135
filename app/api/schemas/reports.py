"""The reports on a whole program, as answers carry them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from typing import Any

from pydantic import Field

from app.api.schemas.common import Out, maybe_time, time
from app.domain import books, liability, money
from app.domain.books import Cut, Moved
from app.domain.liability import NOTHING_ENDED, Ended, Month, Outstanding
from app.domain.rules import Rules
from app.queries.reports import Holdings, Shops, UnitBooks

METHOD = "can_expire times expired / (expired + redeemed), of the lots that ended in the window"
RATE_DECIMALS = 4


class MovedOut(Out):
    """Points that went each way."""

    issued: int
    redeemed: int = Field(description="Less what was restored.")
    expired: int
    reversed: int = Field(description="Taken back, because what gave them came back.")


class PeriodOut(MovedOut):
    """One period of the calendar in the program's zone; `from` and `until` may cut the first and the last short."""

    from_: str = Field(alias="from")
    until: str = Field(description="The first instant that is no longer part of it.")
    opening: int
    closing: int
    shops: dict[str, MovedOut]


class UnitBooksOut(MovedOut):
    """The books of one unit: opening + issued − redeemed − expired − reversed = closing."""

    name: str
    decimals: int = Field(description="Shift the point this far for display.")
    opening: int = Field(description="What was outstanding before `from`.")
    closing: int = Field(description="What was outstanding at `until`.")
    outstanding: int = Field(description="What the members' accounts hold now.")
    balanced: bool = Field(description="Whether all entries that were ever recorded sum to what the accounts hold.")
    shops: dict[str, MovedOut] = Field(description="By the source of the events; `zegel` is the clock.")
    periods: list[PeriodOut] = Field(description="By period, if `every` was asked for.")


class TrialBalanceOut(Out):
    """What was issued, redeemed, expired and reversed, by the time of recording, beside what the accounts hold."""

    from_: str | None = Field(alias="from", description="As asked; null for the beginning.")
    until: str | None = Field(description="As asked; null for now.")
    balanced: bool = Field(description="Whether the books of every unit balance.")
    units: dict[str, UnitBooksOut]


class MoneyOut(Out):
    """An amount of money."""

    amount: str
    currency: str


class MonthOut(Out):
    """Points that can be spent until some day of a month."""

    month: str = Field(description="Such as 2027-06, in the program's zone, or `never`.")
    points: int
    value: MoneyOut | None


class WindowOut(Out):
    """A stretch of time: lots that ended after its beginning, and by its end."""

    from_: str = Field(alias="from")
    until: str


class BreakageOut(Out):
    """An estimate of the points that will never be spent, with all that it was made of."""

    method: str
    window: WindowOut
    expired: int = Field(description="Points of the lots that ended in the window, which expired.")
    redeemed: int = Field(description="Points of the same lots, which were spent.")
    rate: str | None = Field(description="Rounded for reading; null where nothing has ended yet.")
    can_expire: int = Field(description="Of `points`, those that do not live for ever.")
    points: int | None = Field(description="`can_expire` times the exact rate, rounded half up.")
    value: MoneyOut | None


class LiableUnitOut(Out):
    """What members can still spend of one unit, and what it is worth."""

    name: str
    decimals: int = Field(description="Shift the point this far for display.")
    spendable: bool
    points: int = Field(description="What members can spend, now or once it has waited: `active` and `pending`.")
    active: int
    pending: int
    held: int = Field(description="Set aside for something that is not settled; part of the others.")
    deficit: int = Field(description="What members owe. It does not lessen what others can spend.")
    ended: int = Field(description="Points past their end, of which the expiry has yet to be written down.")
    outstanding: int = Field(
        description="What the accounts hold, as in the trial balance: `points` + `ended` − `deficit`."
    )
    cost_per_point: MoneyOut | None = Field(description="What the program's document says one point costs.")
    value: MoneyOut | None = Field(description="`points` times the cost, rounded half up.")
    by_month: list[MonthOut] = Field(description="`points` by the month of the last day on which they can be spent.")
    breakage: BreakageOut


class LiabilityOut(Out):
    """What the points outstanding are worth at an instant."""

    at: str
    value: list[MoneyOut] = Field(description="The whole of it, by currency.")
    units: dict[str, LiableUnitOut]


def trial_balance(
    found: Mapping[str, UnitBooks], cut: Cut, rules: Rules, *, since: datetime | None, until: datetime | None
) -> dict[str, Any]:
    """Every unit's books, those of the rules first, of the stretches that the cut tells."""
    codes = [*(code for code in rules.units if code in found), *(code for code in found if code not in rules.units)]
    return {
        "from": maybe_time(since),
        "until": maybe_time(until),
        "balanced": all(one.trial.balanced for one in found.values()),
        "units": {code: _named(code, rules) | _books(found[code], cut) for code in codes},
    }


def liabilities(found: Holdings, rules: Rules, *, at: datetime, since: datetime) -> dict[str, Any]:
    """Every unit that has lots, with what it is worth; `since` is where the window of the estimate begins."""
    codes = [code for code, unit in rules.units.items() if unit.has_lots]
    codes += sorted({lots.unit for lots in found.lots} - set(codes))
    standing = {
        code: liability.outstanding(
            (lots for lots in found.lots if lots.unit == code),
            balance=found.balances.get(code, 0),
            at=at,
            zone=rules.zone,
        )
        for code in codes
    }
    window = {"from": time(since), "until": time(at)}
    return {
        "at": time(at),
        "value": _whole_value(standing, rules),
        "units": {
            code: _named(code, rules) | _liable(code, one, found.ended.get(code, NOTHING_ENDED), window, rules)
            for code, one in standing.items()
        },
    }


def _named(code: str, rules: Rules) -> dict[str, Any]:
    unit = rules.units.get(code)
    return {"name": unit.name if unit else code, "decimals": unit.decimals if unit else 0}


def _books(found: UnitBooks, cut: Cut) -> dict[str, Any]:
    told = found.stretches[cut.first : cut.last + 1]
    opening = _net(found.stretches[: cut.first])
    return {
        **_stretch(opening, _together(told)),
        "outstanding": found.trial.outstanding,
        "balanced": found.trial.balanced,
        "periods": [
            {
                "from": time(starts),
                "until": time(ends),
                **_stretch(opening + _net(told[:number]), told[number]),
            }
            for number, (starts, ends) in enumerate(cut.periods)
        ],
    }


def _stretch(opening: int, shops: Shops) -> dict[str, Any]:
    moved = books.total(shops.values())
    return {
        "opening": opening,
        **asdict(moved),
        "closing": opening + moved.net,
        "shops": {source: asdict(shops[source]) for source in sorted(shops)},
    }


def _together(stretches: Iterable[Shops]) -> dict[str, Moved]:
    told = tuple(stretches)
    sources = {source for shops in told for source in shops}
    return {source: books.total(shops[source] for shops in told if source in shops) for source in sources}


def _net(stretches: Sequence[Shops]) -> int:
    return sum(moved.net for shops in stretches for moved in shops.values())


def _liable(code: str, one: Outstanding, ended: Ended, window: dict[str, str], rules: Rules) -> dict[str, Any]:
    unit, cost = rules.units.get(code), rules.costs.get(code)
    expected = liability.breakage(one.can_expire, ended)
    return {
        "spendable": unit.spendable if unit else False,
        "points": one.points,
        "active": one.active,
        "pending": one.pending,
        "held": one.held,
        "deficit": one.deficit,
        "ended": one.ended,
        "outstanding": one.balance,
        "cost_per_point": None
        if cost is None
        else {"amount": money.exact_text(cost.amount), "currency": cost.currency},
        "value": _value(code, one.points, rules),
        "by_month": [
            {"month": _month(month), "points": points, "value": _value(code, points, rules)}
            for month, points in one.by_month
        ],
        "breakage": {
            "method": METHOD,
            "window": window,
            "expired": ended.expired,
            "redeemed": ended.redeemed,
            "rate": None if ended.rate is None else money.rounded_text(ended.rate, decimals=RATE_DECIMALS),
            "can_expire": one.can_expire,
            "points": expected,
            "value": None if expected is None else _value(code, expected, rules),
        },
    }


def _month(month: Month | None) -> str:
    return "never" if month is None else f"{month[0]}-{month[1]:02d}"


def _exact(code: str, points: int, rules: Rules) -> Fraction:
    unit = rules.units[code]
    return liability.value(points, rules.costs[code], decimals=unit.decimals)


def _value(code: str, points: int, rules: Rules) -> dict[str, str] | None:
    if code not in rules.costs:
        return None
    return _money(_exact(code, points, rules), rules.costs[code].currency, rules)


def _whole_value(standing: Mapping[str, Outstanding], rules: Rules) -> list[dict[str, str]]:
    """The sum of the exact values by currency, each rounded once."""
    sums: dict[str, Fraction] = {}
    for code, cost in rules.costs.items():
        sums[cost.currency] = sums.get(cost.currency, Fraction()) + _exact(code, standing[code].points, rules)
    return [_money(amount, currency, rules) for currency, amount in sorted(sums.items())]


def _money(amount: Fraction, currency: str, rules: Rules) -> dict[str, str]:
    return {"amount": money.rounded_text(amount, decimals=rules.currencies[currency]), "currency": currency}
