"""How many friends a member was rewarded for: the cap in a period, and milestones (semantics F3).

The counts are what stands: a friend whose purchase came back counts no longer, and gives back the room under the cap in
the period of the reward.
"""

from datetime import datetime

from app.domain import dating, lots, messages, periods, posting, usage
from app.domain.lots import Place
from app.domain.periods import BEGINNING
from app.domain.posting import Moment, Tell
from app.domain.rules import Rules
from app.domain.runs import Run
from app.domain.state import MemberState, Scheduled, Usage
from app.domain.steps import Step

REWARDED = "referrals"
"""The counter of friends for whom a member was rewarded, of all time."""


def is_capped(state: MemberState, rules: Rules, *, at: datetime) -> bool:
    """Whether the member has been rewarded often enough in the period of an instant."""
    cap = None if rules.referrals is None else rules.referrals.cap
    if cap is None:
        return False
    capped = _in_period(state, rules, at, times=1)[0]
    return usage.used(state, capped.counter, capped.since).times >= cap.rewards


def one_more(run: Run, rules: Rules, due: Scheduled, moment: Moment) -> Run:
    """A friend more: what they bring besides is given by the same event."""
    assert rules.referrals is not None
    state, now = run.state, due.due_at
    number = usage.used(state, REWARDED, BEGINNING).times + 1
    reached = [m for m in rules.referrals.milestones if m.has(number)]
    credits = []
    for milestone in reached:
        unit = rules.units[milestone.unit]
        dates = dating.dates(unit, occurred_at=now, now=now, zone=rules.zone, joined=state.enrolled_at)
        credits.append((unit, milestone.points, dates))
    state, entries = lots.credit_state(state, credits, now=now, first=len(run.entries))
    counts = [
        Usage(REWARDED, BEGINNING, None, times=1),
        *_in_period(state, rules, now, times=1),
        *(Usage(_milestone(number, m.unit), BEGINNING, None, points=m.points) for m in reached),
    ]
    state = usage.added(state, counts, now=moment.judged_at, kept=rules.late)
    steps = tuple(("milestone", m.unit, "fixed", str(m.points)) for m in reached)
    tells: tuple[Tell, ...] = ()
    if reached:
        tells = ((messages.EARNED, {"points": posting.by_unit(entries), "friends": number}),)
    return run._replace(
        state=state, entries=(*run.entries, *entries), steps=(*run.steps, *steps), tells=(*run.tells, *tells)
    )


def one_less(run: Run, rules: Rules, given_at: datetime, due: Scheduled, moment: Moment) -> Run:
    """A friend less: what the last one brought besides goes with them, as it was given, newest first."""
    assert rules.referrals is not None
    state, entries = run.state, list(run.entries)
    number = usage.used(state, REWARDED, BEGINNING).times
    steps: list[Step] = []
    counts = [Usage(REWARDED, BEGINNING, None, times=-1), *_in_period(state, rules, given_at, times=-1)]
    for code in sorted(state.accounts):
        points = usage.used(state, _milestone(number, code), BEGINNING).points
        if not points:
            continue
        place = Place(state.sequence + 1, len(entries))
        own = {lot.sequence for lot in state.lots if lot.unit == code} if not rules.units[code].spendable else ()
        shortage = rules.referrals.shortage
        state, entry = lots.take(state, rules.units[code], points, own=own, shortage=shortage, at=place, now=due.due_at)
        taken = 0 if entry is None else -entry.points
        steps.append(("milestone", code, "taken", str(taken)))
        if taken < points:
            steps.append(("milestone", code, "forgiven", str(points - taken)))
        entries += [] if entry is None else [entry]
        counts.append(Usage(_milestone(number, code), BEGINNING, None, points=-points))
    state = usage.added(state, counts, now=moment.judged_at, kept=rules.late)
    tells: tuple[Tell, ...] = ()
    if len(entries) > len(run.entries):
        lost = posting.by_unit(tuple(entries[len(run.entries) :]))
        tells = ((messages.REVERSED, {"points": lost, "friends": number}),)
    return run._replace(state=state, entries=tuple(entries), steps=(*run.steps, *steps), tells=(*run.tells, *tells))


def _in_period(state: MemberState, rules: Rules, at: datetime, *, times: int) -> tuple[Usage, ...]:
    """What counts toward the cap, where there is one."""
    cap = None if rules.referrals is None else rules.referrals.cap
    if cap is None:
        return ()
    since, until = periods.bounds(cap.within, at, zone=rules.zone, enrolled_at=state.enrolled_at)
    return (Usage(f"{REWARDED}:{cap.within.code}", since, until, times=times),)


def _milestone(number: int, unit: str) -> str:
    """The counter of what the friend of this number brought besides."""
    return f"{REWARDED}:{number}:{unit}"
