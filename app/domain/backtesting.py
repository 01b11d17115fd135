"""A draft of the rules tried on what really happened to a member: decided again, nothing written.

What callers sent is taken as it was: purchases, activities, returns, redemptions and all else. What the clock brought
follows from the rules, so it is brought anew; but for days of the calendar and friends' bonuses, which no event of the
member's arms. Up to the period everything is decided as it was judged; in it, by the draft. An
event belongs to the period by the instant at which it was judged: late ones to that of their recording, past history to
its own. What the draft would refuse is left out, and counted.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from app.domain import books, chain, contributions, encoding, engine, gifts, tiers, verifying
from app.domain.bonuses import Side
from app.domain.commands import CLOCK, Enrolment, Occurrence, ReferralBonus, ReferralReversal
from app.domain.events import ENGINE, MILESTONES, Decision, Posted, Recorded
from app.domain.posting import REVIVAL, Ids, Moment
from app.domain.rules import After, Rules, Schedule, Versions
from app.domain.state import MemberState, Scheduled
from app.domain.verifying import StoredEvent

BONUSES = (ReferralBonus.kind, ReferralReversal.kind)
_SCHEDULED = (*BONUSES, Occurrence.kind)
_FOLLOWING = (*MILESTONES, REVIVAL)
"""What follows on events: the draft decides anew whether it does."""
_FIRST_ID = 1 << 127
"""Events that were not recorded so have ids from here on: those of recorded ones begin with their time."""
_GIFTS = gifts.GIFTS.encode()
"""Where the name of what an event gave besides points, or took back, stands in its content."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A period of a program, what was in force, and the draft to be tried on it: in force from its beginning on."""

    program_id: bytes
    published: Versions
    draft: Rules
    since: datetime
    until: datetime

    def versions(self) -> Versions:
        """What judges in the trial: the draft from the period's beginning on."""
        return replace(self.published, trial=self.draft)

    def judging(self, instant: datetime, version: int) -> Rules:
        """What judges something that was scheduled for an instant under a version."""
        return self.draft if instant >= self.since else self.versions().numbered(version)


@dataclass(slots=True)
class Sums:
    """What one side of a trial came to: points by unit and way, by rule and unit, and the member's tiers by ladder.

    What rules gave is counted in `contributions.SCALE`ths.
    """

    moved: dict[tuple[str, str], int] = field(default_factory=dict)
    given: dict[tuple[str, str], int] = field(default_factory=dict)
    rewards: Counter[str] = field(default_factory=Counter)
    """How many of each were given, less those taken back."""
    tiers: dict[str, str] = field(default_factory=dict)

    def add(self, event: Recorded) -> None:
        """Counts what an event moved, and which rules gave it."""
        for entry in event.entries:
            way, points = books.way(event.kind, entry)
            self.moved[entry.unit, way] = self.moved.get((entry.unit, way), 0) + points
        for name, part in contributions.of(event).items():
            self.given[name] = self.given.get(name, 0) + part
        if _GIFTS not in event.content:  # most events: reading what was judged is a tenth of a trial
            return
        context = chain.context_of(event.content)
        self.rewards.update(code for _, kind, code in context.get(gifts.GIFTS, ()) if kind == "reward")
        self.rewards.subtract(code for _, kind, code in context.get(gifts.TAKEN, ()) if kind == "reward")


@dataclass(slots=True)
class Tried:
    """A member's part of a trial: as it was recorded, and as the draft would have it."""

    member_id: bytes
    events: int = 0
    before: Sums = field(default_factory=Sums)
    after: Sums = field(default_factory=Sums)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many events of a kind the draft would refuse, by the code of why."""


class _Course(NamedTuple):
    """What a trial on a member goes by, and what it has led to."""

    trial: Trial
    versions: Versions
    seen: Mapping[tuple[str, datetime], Mapping[str, Any]]
    """What was seen of the member when a schedule brought something: no event of theirs tells it (semantics M5)."""
    past: list[StoredEvent]
    tried: Tried
    joining: list[Scheduled]
    """What followed on joining by the event that comes next: it was armed after that event (semantics M1)."""
    ids: Iterator[int]
    """By which events are told apart that were not recorded so."""


def trying(member_id: bytes, events: Sequence[StoredEvent], trial: Trial, tried: Tried) -> Iterator[None]:
    """Tries the draft on a member, of whom `events` are all recorded ones up to the period's end, in order.

    What comes of it gathers in `tried`; a turn is given up after each event, as a member may have thousands.
    """
    judged: list[datetime] = []
    climbed: dict[str, str] = {}
    for stored in events:
        judged.append(_judged_at(stored))
        if _is_of(stored, judged[-1], trial):
            tried.events += 1
            tried.before.add(stored.recorded)
        if _moves(stored, judged[-1], trial):
            climbed |= {ladder: after for ladder, _, after in stored.recorded.tier_changes}
        yield
    state, at = MemberState(id=member_id), 0
    waiting: dict[str, Scheduled] = {}
    while at < len(events) and judged[at] < trial.since:
        group = verifying.group_at(events, at)
        state = state._replace(shared=verifying.recalled(group, events, trial.published))
        decision = verifying.decide_again(
            state, group, trial.published, program_id=trial.program_id, before=events[: group[0].recorded.sequence - 1]
        )
        state, at = decision.state, at + max(1, len(decision.events))
        waiting |= {row.key: row for row in _armed(decision)}
        yield
    tried.before.tiers = _held(state, trial.published.at(trial.since), trial.since) | climbed
    past = list(events[:at])
    come = {one.recorded.key for one in past}
    waits = (row for key, row in waiting.items() if key not in come)
    state = state._replace(scheduled=tuple(_following(waits, trial)))
    course = _Course(trial, trial.versions(), _seen(events[at:]), past, tried, [], itertools.count(_FIRST_ID))
    while at < len(events) and judged[at] < trial.until:
        group = verifying.group_at(events, at)
        # What other members left of caps over all of them is taken as it was: each is tried alone.
        state = state._replace(shared=verifying.recalled(group, events, trial.published))
        state = _try(state, group, course)
        at += len(group)
        yield
    if tried.events:
        late = [one for one in events[at:] if one.recorded.effective_at < trial.until]
        state = _settle(_awaiting(state, late, course), course, now=trial.until)
    tried.after.tiers = _held(state, course.versions.at(trial.since), trial.until)


def _is_of(stored: StoredEvent, judged_at: datetime, trial: Trial) -> bool:
    """Whether an event is of the period; what the clock brought by its instant, whenever it was written down."""
    at = stored.recorded.effective_at if verifying.by_clock(stored) else judged_at
    return trial.since <= at < trial.until


def _moves(stored: StoredEvent, judged_at: datetime, trial: Trial) -> bool:
    """Whether what it did to tiers is not known yet as the period begins, and is as it ends."""
    if verifying.by_clock(stored):
        return trial.since <= judged_at and stored.recorded.effective_at < trial.until
    return _is_of(stored, judged_at, trial)


def _count(events: Iterable[Posted], trial: Trial, tried: Tried) -> None:
    """Counts what the draft brings, without what fell due before the period."""
    for posted in events:
        if not verifying.by_clock(StoredEvent(posted.recorded)) or posted.recorded.effective_at >= trial.since:
            tried.after.add(posted.recorded)


def _try(state: MemberState, group: Sequence[StoredEvent], course: _Course) -> MemberState:
    """What was recorded together, as the draft would have it: by this engine, as the draft would be if published.

    All that was due in one settling is brought together, as the next may follow on what came before it.
    """
    own = group[-1]
    if own.recorded.kind in _FOLLOWING:
        return state
    state = _awaiting(state, group, course)
    if verifying.by_clock(own):
        content = chain.decode_content(own.recorded.content)
        return _settle(state, course, now=content.judged_at, silent=content.silent)
    decision = verifying.decide_again(
        state,
        [own],
        course.versions,
        program_id=course.trial.program_id,
        before=course.past,
        engine_number=ENGINE,
        unknown=course.ids,
    )
    if decision.refusal is not None:
        course.tried.refused[own.recorded.kind, decision.refusal.code] += 1
        return state._replace(scheduled=(*state.scheduled, *_joined(course)))
    return _kept(decision, course)


def _settle(state: MemberState, course: _Course, *, now: datetime, silent: bool = False) -> MemberState:
    moment = Moment(
        program_id=course.trial.program_id,
        versions=course.versions,
        recorded_at=max(now, state.recorded_at or now),
        judged_at=max(now, state.judged_at or now),
        silent=silent,
        ids=Ids(fresh=lambda: next(course.ids).to_bytes(16), random=bytes),
    )
    return _kept(engine.settle(state, moment), course)


def _kept(decision: Decision, course: _Course) -> MemberState:
    """The state that the draft led to, with what waits for its time; what it brought is counted."""
    course.past.extend(StoredEvent(posted.recorded) for posted in decision.events)
    _count(decision.events, course.trial, course.tried)
    if _joined_by_another(decision.own):
        course.joining.extend(row for row in decision.schedules if row.member_id == decision.state.id)
        waits = decision.state.scheduled
    else:
        waits = (*_armed(decision), *_joined(course))
    return decision.state._replace(scheduled=tuple(_following(waits, course.trial)))


def _joined(course: _Course) -> tuple[Scheduled, ...]:
    """What had followed on joining, as the event is over that brought it."""
    rows = tuple(course.joining)
    course.joining.clear()
    return rows


def _joined_by_another(event: Recorded | None) -> bool:
    return event is not None and event.kind == Enrolment.kind and event.source == CLOCK


def _armed(decision: Decision) -> tuple[Scheduled, ...]:
    """What waits for the member after a decision."""
    mine = (row for row in decision.schedules if row.member_id == decision.state.id)
    return (*decision.state.scheduled, *mine)


def _following(rows: Iterable[Scheduled], trial: Trial) -> Iterator[Scheduled]:
    """Of what waits what follows on events of the trial, by the rules that are to judge it then."""
    for row in rows:
        if row.kind != Occurrence.kind:
            if row.kind not in BONUSES:
                yield row
            continue
        rules = trial.judging(row.due_at, row.rules_version)
        schedule = _schedule(row.facts, rules)
        if schedule is not None and isinstance(schedule.when, After):
            yield row._replace(rules_version=rules.version)


def _awaiting(state: MemberState, group: Sequence[StoredEvent], course: _Course) -> MemberState:
    """The member with what was recorded of the calendar and of friends, and with what was seen of them when it came."""
    contents = (chain.decode_content(one.recorded.content) for one in group if one.recorded.kind in _SCHEDULED)
    brought = (row for content in contents if (row := _brought(content, course.trial)) is not None)
    rows = (*state.scheduled, *brought)
    return state._replace(scheduled=tuple(row._replace(judged=_judged(row, course)) for row in rows))


def _judged(row: Scheduled, course: _Course) -> Mapping[str, Any] | None:
    return course.seen.get((_code(row.facts), row.due_at)) if row.kind == Occurrence.kind else None


def _seen(events: Iterable[StoredEvent]) -> dict[tuple[str, datetime], Mapping[str, Any]]:
    recorded = [one.recorded for one in events if one.recorded.kind == Occurrence.kind]
    contents = [chain.decode_content(one.content) for one in recorded]
    return {(_code(content.facts), content.occurred_at): json.loads(content.context) for content in contents}


def _brought(content: chain.Content, trial: Trial) -> Scheduled | None:
    """A day of the calendar or a friend's bonus as it was brought, by the draft; None where that has no such thing."""
    if content.kind != Occurrence.kind:
        return _priced(content, trial)
    rules = trial.judging(content.occurred_at, content.rules_version)
    schedule = _schedule(content.facts, rules)
    if schedule is None or isinstance(schedule.when, After):
        return None
    return _row(content, facts=content.facts, version=rules.version)


def _schedule(facts: bytes, rules: Rules) -> Schedule | None:
    code = _code(facts)
    return next((schedule for schedule in rules.schedules if schedule.code == code), None)


def _code(facts: bytes) -> str:
    occurrence = encoding.decode_facts(Occurrence.kind, facts)
    assert isinstance(occurrence, Occurrence)
    return occurrence.schedule


def _priced(content: chain.Content, trial: Trial) -> Scheduled | None:
    """A bonus for a friend as the draft has it, or its reversal; None where the draft gives none.

    One that was due before the period is as it was.
    """
    facts = encoding.decode_facts(content.kind, content.facts)
    assert isinstance(facts, ReferralBonus | ReferralReversal)
    paid_at = chain.instant(facts.given_at) if isinstance(facts, ReferralReversal) else content.occurred_at
    version = content.rules_version
    if paid_at >= trial.since:
        terms = trial.draft.referrals
        side = None if terms is None else terms.referrer if facts.side == Side.REFERRER else terms.referee
        if side is None:
            return None
        facts, version = replace(facts, unit=side[0], points=side[1]), trial.draft.version
    return _row(content, facts=encoding.encode_facts(facts), version=version)


def _row(content: chain.Content, *, facts: bytes, version: int) -> Scheduled:
    """What was recorded as it fell due, to fall due again."""
    return Scheduled(
        member_id=content.member_id,
        due_at=content.occurred_at,
        key=content.key,
        kind=content.kind,
        facts=facts,
        rules_version=version,
        cause=content.event_id,
    )


def _judged_at(stored: StoredEvent) -> datetime:
    return chain.judged_at(stored.recorded.content)


def _held(state: MemberState, rules: Rules, instant: datetime) -> dict[str, str]:
    return {ladder.code: tiers.held_at(instant, state.tiers, ladder) for ladder in rules.ladders}
