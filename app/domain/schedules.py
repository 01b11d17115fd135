"""What the program's schedules bring: a `scheduled` event at an instant, judged by the rules for it (semantics K3).

What follows on an event, or on a tier that the clock brought, is armed with it, as a row that falls due. A schedule on
the latest purchase has one row, which moves on when it falls due and there was a later purchase. What comes by the
calendar is armed by the day, outside.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain import (
    accrual,
    calendar,
    chain,
    dating,
    encoding,
    gifts,
    limits,
    lots,
    messages,
    posting,
    seeing,
    tiers,
    usage,
)
from app.domain.applying import Occasion
from app.domain.calendar import Span
from app.domain.commands import CLOCK, Enrolment, Occurrence, Purchase
from app.domain.events import Posted, Recorded
from app.domain.periods import BEGINNING
from app.domain.posting import Draft, Moment, Tell
from app.domain.rules import After, Follows, Rules, Schedule
from app.domain.state import MemberState, Scheduled, Usage

_ARMED_BY_CLOCK_SINCE = 3
"""The engine since which tiers that the clock brings are followed, too."""
_MOST_STEPS = 10_000
"""How many periods a tier is followed back, to where one that was given back had come: 27 years of days."""


def armed(state: MemberState, events: Iterable[Recorded], moment: Moment) -> tuple[MemberState, tuple[Scheduled, ...]]:
    """What events arm: by the schedules of the versions that judged them; history arms nothing (semantics E7)."""
    rows: list[Scheduled] = []
    for event in events:
        if event.kind == Purchase.kind:
            state = state._replace(bought_at=max(event.occurred_at, state.bought_at or event.occurred_at))
        if moment.silent:
            continue
        rules = moment.versions.numbered(event.rules_version)
        for schedule in rules.schedules:
            state, row = _armed(state, schedule, event, rules, moment)
            rows += row
    return state, tuple(rows)


def armed_by_clock(state: MemberState, events: Iterable[Posted], moment: Moment) -> MemberState:
    """The member with what follows on tiers that the clock moved them to: it may be due before the clock stops (K2).

    Nothing follows on what lies before past history that was sent (semantics E7). A proof knows these rows already.
    """
    if moment.silent:
        return state
    for event in (posted.recorded for posted in events if posted.recorded.tier_changes):
        if state.quiet_before is not None and event.effective_at < state.quiet_before:
            continue
        rules = moment.versions.numbered(event.rules_version)
        for schedule in rules.schedules:
            state, rows = _armed(state, schedule, event, rules, moment)
            state = state._replace(scheduled=(*state.scheduled, *_new(rows, state)))
    return state


def _armed(
    state: MemberState, schedule: Schedule, event: Recorded, rules: Rules, moment: Moment
) -> tuple[MemberState, list[Scheduled]]:
    when = schedule.when
    if not isinstance(when, After):
        return state, []
    if when.what is Follows.PURCHASE:
        return _on_purchase(state, schedule, event, rules, moment)
    if when.what is Follows.TIER:
        return _on_tier(state, schedule, when, event, rules, moment)
    return state, [_row(state, schedule, rules, event)] if event.kind == Enrolment.kind else []


def _new(rows: Iterable[Scheduled], state: MemberState) -> Iterator[Scheduled]:
    known = {row.key for row in state.scheduled}
    return (row for row in rows if row.key not in known)


def moved_on(state: MemberState, scheduled: Scheduled, rules: Rules) -> Scheduled | None:
    """The row as it falls due later, where a purchase came since it was armed; None where it is due now."""
    when = _schedule(rules, _facts(scheduled).schedule).when
    if not isinstance(when, After) or when.what is not Follows.PURCHASE or state.bought_at is None:
        return None
    due_at = calendar.later(state.bought_at, when.wait, rules.zone)
    return scheduled._replace(due_at=due_at) if due_at > scheduled.due_at else None


def is_over(state: MemberState, scheduled: Scheduled, rules: Rules) -> bool:
    """Whether what it follows on has passed: a tier reached anew meanwhile, or lost where it is to last."""
    facts = _facts(scheduled)
    when = _schedule(rules, facts.schedule).when
    if not isinstance(when, After) or when.what is not Follows.TIER:
        return False
    if facts.round != usage.used(state, _counter(facts.schedule), BEGINNING).times:
        return True
    return when.each is not None and when.tier not in _held(state, scheduled.due_at, rules)


def occur(state: MemberState, scheduled: Scheduled, rules: Rules, moment: Moment) -> tuple[MemberState, Draft]:
    """The event that a schedule brings, and what the rules give on it; its derived key makes it happen once."""
    facts, at = _facts(scheduled), scheduled.due_at
    held = {ladder.code: tiers.held_at(at, state.tiers, ladder) for ladder in rules.ladders}
    room = limits.room(state, rules, facts.kind, at)
    if scheduled.judged is None:
        seen = seeing.now(state, b"", (), rules, occurred_at=at)
    else:
        seen = seeing.again(scheduled.judged)
    occasion = Occasion(
        kind=facts.kind,
        occurred_at=at,
        tiers=frozenset(held.values()),
        source=CLOCK,
        schedule=facts.schedule,
        room=room,
        seen=seen,
    )
    gained = accrual.earned(None, occasion, rules)
    units = [(rules.units[code], points) for code, points in gained.points]
    credits = [
        (unit, points, dating.dates(unit, occurred_at=at, now=at, zone=rules.zone, joined=state.enrolled_at))
        for unit, points in units
    ]
    state, entries = lots.credit_state(state, credits, now=at)
    state = limits.counted(state, rules, facts.kind, at=at, now=at, kept=rules.late, used=gained.used)
    number = state.sequence + 1
    given = gifts.give(gained.gifts, rules, occurred_at=at, sequence=number)
    state = gifts.promoted(state, gained.gifts, rules, occurred_at=at, sequence=number, now=at)
    state = gifts.into(state, given, rules, occurred_at=at, sequence=number, now=moment.judged_at)
    earned: tuple[Tell, ...] = ((messages.EARNED, {"points": posting.by_unit(entries)}),) if entries else ()
    judged = {name: found for name, found in {"tiers": held, limits.ROOM: room}.items() if found}
    judged |= seeing.context(seen, rules)
    context = {"cause": scheduled.cause.hex(), **judged, **given.context}
    draft = Draft(
        id=moment.ids.fresh(),
        source=CLOCK,
        kind=facts.kind,
        key=scheduled.key,
        occurred_at=at,
        effective_at=at,
        rules=rules,
        digest=bytes(chain.DIGEST_BYTES),
        facts=scheduled.facts,
        context=context,
        entries=entries,
        steps=gained.steps,
        tells=(*earned, *given.tells),
        as_of=at,
    )
    return _disarmed(state, facts.schedule, rules, moment), draft


def again(scheduled: Scheduled, rules: Rules) -> Scheduled | None:
    """The next row of a schedule that goes on while a tier is held; None where there is none."""
    facts = _facts(scheduled)
    when = _schedule(rules, facts.schedule).when
    if not isinstance(when, After) or when.each is None:
        return None
    return _at_step(scheduled, replace(facts, step=facts.step + 1), when, rules)


def days(first: date, last: date, *, most: int) -> Iterator[date]:
    """The days from one to another, both counted; of more than `most` the first."""
    for number in range(min(most, (last - first).days + 1)):
        yield first + timedelta(days=number)


def falls_on(day: date) -> tuple[tuple[int, int], ...]:
    """The days of birth, by month and day, that are kept on a day: 29 February on the 28th, in years without one."""
    dates = [(day.month, day.day)]
    if dates == [(2, 28)] and (day + timedelta(days=1)).day == 1:
        dates.append((2, 29))
    return tuple(dates)


def due_on(day: date, zone: ZoneInfo) -> datetime:
    """When what a day brings is due: as it begins."""
    return calendar.start_of_day(day, zone)


def _on_purchase(
    state: MemberState, schedule: Schedule, own: Recorded, rules: Rules, moment: Moment
) -> tuple[MemberState, list[Scheduled]]:
    """One row for a member, armed by a purchase while there is none; how many there were is kept (`usage`)."""
    used = usage.used(state, _counter(schedule.code), BEGINNING)
    if used.points or own.kind != Purchase.kind:
        return state, []
    row = _row(state, schedule, rules, own)
    key = f"sch:{schedule.code}:{state.id.hex()}:{used.times}"
    counted = Usage(_counter(schedule.code), BEGINNING, None, points=1, times=1)
    state = usage.added(state, [counted], now=moment.judged_at, kept=rules.late)
    return state, [row._replace(key=key)]


def _on_tier(
    state: MemberState, schedule: Schedule, when: After, event: Recorded, rules: Rules, moment: Moment
) -> tuple[MemberState, list[Scheduled]]:
    """A row each time the tier is reached, of which only the last counts: rows of before cannot be taken away.

    One that a late event gave back goes on from where it was first reached, with what is due since it was lost (T8).
    """
    if all(after != when.tier for *_, after in event.tier_changes):
        return state, []
    if event.source == CLOCK and moment.engine < _ARMED_BY_CLOCK_SINCE:
        return state, []
    counted = Usage(_counter(schedule.code), BEGINNING, None, times=1)
    state = usage.added(state, [counted], now=moment.judged_at, kept=rules.late)
    round = usage.used(state, _counter(schedule.code), BEGINNING).times
    row = _row(state, schedule, rules, event)
    if event.source != CLOCK:
        facts = Occurrence(schedule.code, round=round, since=chain.micros(event.occurred_at))
        return state, [row._replace(facts=encoding.encode_facts(facts))]
    row = row._replace(key=f"sch:{schedule.code}:{state.id.hex()}-{event.sequence}:0")  # a proof does not know its id
    mine = (term for term in state.tiers if (term.sequence, term.tier) == (event.sequence, when.tier))
    since = max((term.since for term in mine), default=event.occurred_at)
    for step in range(_MOST_STEPS if when.each is not None else 1):
        facts = Occurrence(schedule.code, step=step, round=round, since=chain.micros(since))
        row = _at_step(row, facts, when, rules)
        if row.due_at > event.effective_at or since == event.occurred_at:
            return state, [row]
    return state, []


def _at_step(row: Scheduled, facts: Occurrence, when: After, rules: Rules) -> Scheduled:
    """The row of a step: since the tier was reached, so that no day drifts."""
    each = when.each or Span()
    passed = Span(when.wait.months + each.months * facts.step, when.wait.days + each.days * facts.step)
    key = f"{row.key.rpartition(':')[0]}:{facts.step}"
    due_at = calendar.later(chain.instant(facts.since), passed, rules.zone)
    return row._replace(due_at=due_at, key=key, facts=encoding.encode_facts(facts))


def _held(state: MemberState, at: datetime, rules: Rules) -> set[str]:
    return {tiers.held_at(at, state.tiers, ladder) for ladder in rules.ladders}


def _disarmed(state: MemberState, schedule: str, rules: Rules, moment: Moment) -> MemberState:
    """The next purchase arms a schedule on purchases again."""
    if not usage.used(state, _counter(schedule), BEGINNING).points:
        return state
    counted = Usage(_counter(schedule), BEGINNING, None, points=-1)
    return usage.added(state, [counted], now=moment.judged_at, kept=rules.late)


def _row(state: MemberState, schedule: Schedule, rules: Rules, own: Recorded) -> Scheduled:
    assert isinstance(schedule.when, After)
    facts = Occurrence(schedule.code)
    due_at = calendar.later(own.occurred_at, schedule.when.wait, rules.zone)
    key = f"sch:{schedule.code}:{own.id.hex()}:0"
    return Scheduled(state.id, due_at, key, facts.kind, encoding.encode_facts(facts), rules.version, own.id)


def _facts(scheduled: Scheduled) -> Occurrence:
    facts = encoding.decode_facts(scheduled.kind, scheduled.facts)
    assert isinstance(facts, Occurrence)
    return facts


def _schedule(rules: Rules, code: str) -> Schedule:
    return next(schedule for schedule in rules.schedules if schedule.code == code)


def _counter(schedule: str) -> str:
    return f"schedule:{schedule}"
