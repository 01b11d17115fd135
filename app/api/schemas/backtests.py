"""What a trial of the draft came to, as its last line tells it."""

from fractions import Fraction
from typing import Any

from pydantic import ConfigDict, Field

from app.api.schemas.common import MINOR_UNITS, In, Instant, Out, example, time
from app.domain import money, points, tallying, typeid
from app.domain.backtesting import Trial
from app.domain.books import WAYS, Moved
from app.domain.tallying import Difference, Tally
from app.queries.backtests import Progress

TOP, TOP_MOST = 10, 100


class BacktestIn(In):
    """Which period the draft is tried on."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra=example({"from": "2026-10-01T00:00:00+02:00", "to": "2026-11-01T00:00:00+01:00"}),
    )

    since: Instant = Field(alias="from", description="The beginning of the period.")
    until: Instant | None = Field(default=None, alias="to", description="Its end, which is outside; now if left out.")
    top: int = Field(default=TOP, ge=1, le=TOP_MOST, description="How many of those who gain and lose most to name.")


class ProgressOut(Out):
    """How far it has come."""

    members: int
    of: int
    events: int


class MovedOut(Out):
    """Points of one unit by the way they went, in smallest parts."""

    issued: int
    redeemed: int
    expired: int
    reversed: int
    cost: str | None = Field(description="What those issued, less those reversed, cost when they are spent.")
    currency: str | None


class UnitOut(Out):
    """One unit, as it was recorded and as the draft would have it."""

    before: MovedOut
    after: MovedOut


class RuleOut(Out):
    """What one rule gave of a unit: exact decimal text, in smallest parts."""

    rule: str | None = Field(
        description="A rule's id, or `tier:…` for a tier's multiplier; null is the rounding. "
        "What no rule gave is in the name of the event's type."
    )
    unit: str
    before: str
    after: str


class TierOut(Out):
    """How many of the members stood on a tier at the period's end."""

    ladder: str
    tier: str
    before: int
    after: int


class RewardOut(Out):
    """How many of a reward were given, less those taken back."""

    reward: str
    before: int
    after: int


class RefusalOut(Out):
    """Events that were recorded and that the draft would have refused."""

    type: str
    code: str
    events: int


class MemberDifferenceOut(Out):
    """Points that a member would have more, or less: issued less reversed."""

    member: str
    points: int


class MostOut(Out):
    """Who would gain and lose most of a unit."""

    gain: list[MemberDifferenceOut]
    lose: list[MemberDifferenceOut]


class ReportOut(Out):
    """What the draft would have made of the period."""

    since: str = Field(alias="from")
    until: str = Field(alias="to")
    members: int = Field(description="Those of whom something was recorded in the period.")
    events: int
    units: dict[str, UnitOut]
    rules: list[RuleOut]
    tiers: list[TierOut]
    rewards: list[RewardOut]
    refused: list[RefusalOut]
    most: dict[str, MostOut]


class BacktestLineOut(Out):
    """One line of the answer: progress, and at last the report, or the problem that ended it."""

    progress: ProgressOut | None = None
    report: ReportOut | None = None
    problem: dict[str, Any] | None = None


def progress(found: Progress) -> dict[str, Any]:
    """The line that tells how far it has come."""
    return {"progress": {"members": found.members, "of": found.of, "events": found.events}}


def report(tally: Tally, trial: Trial) -> dict[str, Any]:
    """The last line."""
    return {
        "report": {
            "from": time(trial.since),
            "to": time(trial.until),
            "members": tally.members,
            "events": tally.events,
            "units": _units(tally, trial),
            "rules": _rules(tally),
            "tiers": _tiers(tally),
            "rewards": [
                {"reward": code, "before": tally.before.rewards[code], "after": tally.after.rewards[code]}
                for code in sorted(tally.before.rewards.keys() | tally.after.rewards.keys())
            ],
            "refused": [
                {"type": kind, "code": code, "events": count} for (kind, code), count in sorted(tally.refused.items())
            ],
            "most": {
                unit: {"gain": _members(tally.gaining(unit)), "lose": _members(tally.losing(unit))}
                for unit in tally.units()
            },
        }
    }


def _units(tally: Tally, trial: Trial) -> dict[str, Any]:
    in_force = trial.published.at(trial.until)
    sides = []
    for side, rules in ((tally.before, in_force), (tally.after, trial.draft)):
        decimals = {code: unit.decimals for code, unit in rules.units.items()}
        costs = {unit: (currency, cost) for unit, currency, cost in tallying.costs(side, rules.costs, decimals)}
        sides.append({unit: _moved(side.moved(unit), costs.get(unit)) for unit in tally.units()})
    return {unit: {"before": sides[0][unit], "after": sides[1][unit]} for unit in tally.units()}


def _moved(moved: Moved, cost: tuple[str, Fraction] | None) -> dict[str, Any]:
    sums = {way: getattr(moved, way) for way in WAYS}
    if cost is None:
        return sums | {"cost": None, "currency": None}
    currency, amount = cost
    return sums | {"cost": money.rounded_text(amount, decimals=MINOR_UNITS[currency]), "currency": currency}


def _rules(tally: Tally) -> list[dict[str, Any]]:
    names = sorted(tally.before.rules() | tally.after.rules())
    return [
        {
            "rule": rule or None,
            "unit": unit,
            "before": points.text(tally.before.given(rule, unit)),
            "after": points.text(tally.after.given(rule, unit)),
        }
        for rule, unit in names
    ]


def _tiers(tally: Tally) -> list[dict[str, Any]]:
    names = sorted(tally.before.tiers.keys() | tally.after.tiers.keys())
    return [
        {
            "ladder": ladder,
            "tier": tier,
            "before": tally.before.tiers[ladder, tier],
            "after": tally.after.tiers[ladder, tier],
        }
        for ladder, tier in names
    ]


def _members(found: tuple[Difference, ...]) -> list[dict[str, Any]]:
    return [{"member": typeid.encode(typeid.MEMBER, id), "points": points} for points, id in found]
