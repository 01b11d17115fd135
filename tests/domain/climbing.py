"""Members who climb ladders with reviews, in tests: programs, purchases on days, and the worker at midnight."""

import dataclasses
from datetime import date
from typing import Any

from app.domain import tiers
from app.domain.calendar import Every, Period
from app.domain.commands import Enrolment
from app.domain.events import Decision
from app.domain.ladders import AtEndOf
from app.domain.rules import AdjustmentTerms, Rules, Versions
from app.domain.state import MemberState, TierTerm
from app.domain.units import ExpiresWithPeriod, Unit
from tests.domain.builders import Books, command, ladder, make_rules, on, purchase, rate

YEAR = Period(Every.YEAR)
MARCH = Period(Every.YEAR, date(2026, 3, 1))
MINE = Period(Every.HALF_YEAR, from_joining=True)


def status(period: Period | None = YEAR, *, later: int = 0) -> Unit:
    """Status credits, a whole one for each euro; they end with their period."""
    return Unit(
        "credits",
        "Credits",
        spendable=False,
        expiry=None if period is None else ExpiresWithPeriod(period, later),
    )


def program(*levels: tuple[str, int], credits: Unit | None = None, **more: Any) -> Rules:
    """A credit for each euro, and tiers on the credits of the year."""
    named = levels or (("silver", 200), ("gold", 500))
    terms: dict[str, Any] = {"review": AtEndOf(YEAR)} | more
    return make_rules(
        rate("1", unit="credits"),
        units=(credits or status(),),
        ladders=(ladder(*named, unit="credits", **terms),),
        adjustments=AdjustmentTerms(reasons=("goodwill",)),
    )


def books(rules: Rules | Versions, *, joined: str = "2026-01-01") -> Books:
    """A member who joined on a day, and did nothing yet."""
    made = Books(rules, now=on(joined))
    made.state = MemberState(id=made.state.id)
    made.do(Enrolment())
    return made


def buy(made: Books, total: str, day: str, *, recorded: str | None = None, **more: Any) -> Decision:
    """A purchase on a day, recorded then unless it came late."""
    made.now = max(made.now, on(recorded or day))
    return made.do(command(purchase(total), at=on(day), **more))


def settle(made: Books, day: str) -> Decision:
    """What the worker writes down as a day begins."""
    made.now = on(day, "00:00")
    return made.settle()


def held(made: Books, place: int = 0) -> str:
    """The tier that a reader is shown."""
    rules = made.rules if isinstance(made.rules, Rules) else made.rules.at(made.now)
    only = rules.ladders[place]
    return tiers.standing(made.state.accounts, made.state.tiers, only, given=made.state.floors).tier.code


def term(made: Books) -> TierTerm:
    """What was last recorded of a tier."""
    return made.state.tiers[-1]


def later_version(rules: Rules, version: int, day: str) -> Rules:
    """The rules as a later version."""
    return dataclasses.replace(rules, version=version, in_force_from=on(day, "00:00"), digest=bytes([version]) * 32)
