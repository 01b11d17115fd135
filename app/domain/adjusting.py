"""Points named outright by a person (semantics E5): what that does to a member, and when a second person must agree."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from app.domain import dating, lots, messages
from app.domain.commands import Adjustment
from app.domain.dating import Dates
from app.domain.effects import Case, Effect
from app.domain.lots import Place
from app.domain.posting import Tell
from app.domain.refusals import (
    AdjustmentLapsed,
    AlreadyDecided,
    DailyLimit,
    ExpiryNotPossible,
    Refused,
    SelfApproval,
    UnknownReason,
    UnknownUnit,
)
from app.domain.rules import AdjustmentTerms
from app.domain.state import Account, MemberState
from app.domain.steps import Step
from app.domain.units import Unit

WAITS = timedelta(hours=72)
"""How long an adjustment waits for a second person."""


class Standing(StrEnum):
    """What has become of an adjustment that was asked for; `LAPSED` by the clock, it is written nowhere."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An adjustment as a person asked for it under their own `key`, and what has become of it.

    `decided_by` is the second person; None where none was needed. `event_id` is None until it is recorded. `digest` is
    that of the command as it was asked for.
    """

    id: bytes
    key: str
    member_id: bytes
    facts: Adjustment
    particulars: bytes
    digest: bytes
    requested_at: datetime
    state: Standing
    lapses_at: datetime | None
    decided_by: str | None = None
    decided_at: datetime | None = None
    event_id: bytes | None = None

    @property
    def requested_by(self) -> str:
        return self.facts.actor


class Day(NamedTuple):
    """What a person has asked for in one unit on one day, without signs: in all, and without what was rejected."""

    asked: int = 0
    standing: int = 0


def adjust(state: MemberState, facts: Adjustment, case: Case) -> Effect:
    """Gives points, with the unit's dates or the end named; or takes them as a return does (semantics E5, R3)."""
    if facts.reason not in case.rules.adjustments.reasons:
        raise Refused(UnknownReason(case.rules.adjustments.reasons))
    unit = case.rules.units.get(facts.unit)
    if unit is None:
        raise Refused(UnknownUnit(tuple(case.rules.units)))
    return _given(state, unit, facts, case) if facts.points > 0 else _taken(state, unit, facts, case)


def waits(facts: Adjustment, terms: AdjustmentTerms, day: Day) -> bool:
    """Whether it needs a second person, after what its person has asked for on that day; raises Refused beyond a limit.

    A rejected one counts toward what may be asked for in a day, and not toward what needs a second person.
    """
    points, limit = abs(facts.points), terms.daily_limit.get(facts.unit)
    if limit is not None and day.asked + points > limit:
        raise Refused(DailyLimit(facts.unit, limit, max(0, limit - day.asked)))
    threshold = terms.approval_above.get(facts.unit)
    return threshold is not None and day.standing + points > threshold


def standing(proposal: Proposal, *, now: datetime) -> Standing:
    """What has become of it by now: it lapses by the clock, whether or not anybody looks."""
    waiting = proposal.state is Standing.WAITING
    over = proposal.lapses_at is not None and proposal.lapses_at <= now
    return Standing.LAPSED if waiting and over else proposal.state


def check_decision(proposal: Proposal, verdict: Standing, *, by: str, now: datetime) -> None:
    """Raises Refused unless this person may decide so now; the same person may say the same again."""
    if by == proposal.requested_by:
        raise Refused(SelfApproval())
    found = standing(proposal, now=now)
    if found is Standing.LAPSED:
        raise Refused(AdjustmentLapsed(proposal.lapses_at))
    if found is not Standing.WAITING and (found is not verdict or by != proposal.decided_by):
        raise Refused(AlreadyDecided(found.value, proposal.decided_at))


def _given(state: MemberState, unit: Unit, facts: Adjustment, case: Case) -> Effect:
    now = case.moment.judged_at
    dates = dating.dates(unit, occurred_at=case.occurred_at, now=now, zone=case.rules.zone, joined=state.enrolled_at)
    if facts.expires_at is not None:
        dates = _ending(dates, unit, facts.expires_at, now=now)
    state, entries = lots.credit_state(state, [(unit, facts.points, dates)], now=now)
    return Effect(state, entries, _steps(unit, facts.points), tells=_tells(unit, facts.points, facts.reason))


def _ending(dates: Dates, unit: Unit, expires_at: datetime, *, now: datetime) -> Dates:
    """The unit's dates with another end, which leaves a time to spend the points in."""
    if not unit.has_lots:
        raise Refused(ExpiryNotPossible(unit.code, None))
    if expires_at <= max(dates.available_at, now):
        raise Refused(ExpiryNotPossible(unit.code, max(dates.available_at, now)))
    return dates._replace(expires_at=expires_at)


def _taken(state: MemberState, unit: Unit, facts: Adjustment, case: Case) -> Effect:
    """From active lots in draw order, then as the program says of returns; what is forgiven is reported."""
    before, wanted, now = state.accounts, -facts.points, case.moment.judged_at
    # In a unit that cannot be spent only the lots named are drawn from: here any that is active, but none that waits.
    own = {lot.sequence for lot in state.lots if lot.unit == unit.code and lots.is_active(lot, now=now)}
    known = state._replace(accounts={unit.code: Account(unit.code), **state.accounts})
    place = Place(state.sequence + 1, 0)
    after, entry = lots.take(known, unit, wanted, own=own, shortage=case.rules.shortage, at=place, now=now)
    taken = -entry.points if entry is not None else 0
    steps, forgiven = _steps(unit, -taken), wanted - taken
    if forgiven:
        steps += (("", unit.code, "forgiven", str(forgiven)),)
    return Effect(
        state if entry is None else after,
        () if entry is None else (entry,),
        steps,
        {"forgiven": {unit.code: forgiven}} if forgiven else {},
        _tells(unit, -taken, facts.reason),
        before=before,
    )


def _steps(unit: Unit, points: int) -> tuple[Step, ...]:
    return (("", unit.code, "adjusted", str(points)),)


def _tells(unit: Unit, points: int, reason: str) -> tuple[Tell, ...]:
    return ((messages.ADJUSTED, {"points": {unit.code: points}, "reason": reason}),)
