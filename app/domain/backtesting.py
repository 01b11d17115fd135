"""A draft of the rules tried on what really happened to a member: decided again, nothing written.

What callers sent is taken as it was: purchases, activities, returns, redemptions and all else. What the clock brought
follows from the rules, so it is brought anew. Up to the period everything is decided as it was judged; in it, by the
draft. An event belongs to the period by the instant at which it was judged: late ones to that of their recording, past
history to its own. What the draft would refuse is left out, and counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile

from app.domain import books, chain, contributions, encoding, engine, gifts, tiers, verifying
from app.domain.bonuses import Side
from app.domain.commands import Occurrence, ReferralBonus, ReferralReversal
from app.domain.events import ENGINE, MILESTONES, Posted, Recorded
from app.domain.posting import REVIVAL, Ids, Moment
from app.domain.rules import Rules, Versions
from app.domain.state import MemberState, Scheduled
from app.domain.verifying import StoredEvent

BONUSES = (ReferralBonus.kind, ReferralReversal.kind)
_SCHEDULED = (*BONUSES, Occurrence.kind)
_FOLLOWING = (*MILESTONES, REVIVAL)
"""What follows on events: the draft decides anew whether it does."""
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
            climbed |= {ladder: after for ladder, _, after in stored.recorded.tier_changes}
        yield
    state, past, at = MemberState(id=member_id), list[StoredEvent](), 0
    while at < len(events) and judged[at] < trial.since:
        group = verifying.group_at(events, at)
        decision = verifying.decide_again(
            state, group, trial.published, program_id=trial.program_id, before=events[: group[0].recorded.sequence - 1]
        )
        state, at = decision.state, at + max(1, len(decision.events))
        past.extend(StoredEvent(posted.recorded) for posted in decision.events)
        yield
    tried.before.tiers = _held(state, trial.published.at(trial.since), trial.since) | climbed
    versions = trial.versions()
    while at < len(events) and judged[at] < trial.until:
        state = _try(state, events[at], versions, trial, past, tried)
        at += 1
        yield
    if tried.events:
        settled = engine.settle(state, _moment(trial, versions, now=trial.until, state=state))
        state = settled.state
        _count(settled.events, trial, tried)
    tried.after.tiers = _held(state, versions.at(trial.since), trial.until)


def _is_of(stored: StoredEvent, judged_at: datetime, trial: Trial) -> bool:
    """Whether an event is of the period; what the clock brought by its instant, whenever it was written down."""
    at = stored.recorded.effective_at if verifying.by_clock(stored) else judged_at
    return trial.since <= at < trial.until


def _count(events: Iterable[Posted], trial: Trial, tried: Tried) -> None:
    """Counts what the draft brings, without what fell due before the period."""
    for posted in events:
        if not verifying.by_clock(StoredEvent(posted.recorded)) or posted.recorded.effective_at >= trial.since:
            tried.after.add(posted.recorded)


def _try(
    state: MemberState, stored: StoredEvent, versions: Versions, trial: Trial, past: list[StoredEvent], tried: Tried
) -> MemberState:
    """One recorded event as the draft would have it: what the clock brought is brought anew, but for friends' bonuses,
    which follow what was recorded of the friend. By this engine, as the draft would be if it were published."""
    kind = stored.recorded.kind
    if kind in _FOLLOWING or (verifying.by_clock(stored) and kind not in _SCHEDULED):
        return state
    if kind in _SCHEDULED:
        content = chain.decode_content(stored.recorded.content)
        bonus = _occurring(content, trial) if kind == Occurrence.kind else _priced(content, versions, trial)
        if bonus is None or _has_come(content, past):
            return state
        moment = _moment(trial, versions, now=content.judged_at, state=state)
        decision = engine.settle(state._replace(scheduled=(*state.scheduled, bonus)), moment)
    else:
        decision = verifying.decide_again(
            state, [stored], versions, program_id=trial.program_id, before=past, engine_number=ENGINE
        )
    if decision.refusal is not None:
        tried.refused[stored.recorded.kind, decision.refusal.code] += 1
        return state
    past.extend(StoredEvent(posted.recorded) for posted in decision.events)
    _count(decision.events, trial, tried)
    mine = (one for one in decision.schedules if one.member_id == state.id)
    waiting = tuple(one for one in (*decision.state.scheduled, *mine) if _is_new(one, trial))
    return decision.state._replace(scheduled=waiting)


def _has_come(content: chain.Content, past: Sequence[StoredEvent]) -> bool:
    """Whether what fell due with it has brought it already: periods of a tier, or what the clock armed (semantics K3).

    The key of what the clock armed has a number that the trial may count otherwise; its facts and instant are the same.
    """
    settled = takewhile(lambda one: one.recorded.recorded_at >= content.judged_at, reversed(past))
    return any(one.recorded.key == content.key or _is_same(content, one.recorded) for one in settled)


def _is_same(content: chain.Content, event: Recorded) -> bool:
    if (event.kind, event.occurred_at) != (content.kind, content.occurred_at) or event.kind != Occurrence.kind:
        return False
    return chain.decode_content(event.content).facts == content.facts


def _is_new(scheduled: Scheduled, trial: Trial) -> bool:
    """Whether only the draft brings it: what was recorded brings the rest."""
    if scheduled.kind != Occurrence.kind:
        return scheduled.kind not in BONUSES
    facts = encoding.decode_facts(scheduled.kind, scheduled.facts)
    assert isinstance(facts, Occurrence)
    return all(schedule.code != facts.schedule for rules in trial.published.all for schedule in rules.schedules)


def _occurring(content: chain.Content, trial: Trial) -> Scheduled | None:
    """What a schedule brought, as the draft has it; None where the draft has no such schedule."""
    facts = encoding.decode_facts(content.kind, content.facts)
    assert isinstance(facts, Occurrence)
    version = content.rules_version
    if content.occurred_at >= trial.since:
        if all(schedule.code != facts.schedule for schedule in trial.draft.schedules):
            return None
        version = trial.draft.version
    return Scheduled(
        content.member_id, content.occurred_at, content.key, content.kind, content.facts, version, content.event_id
    )


def _priced(content: chain.Content, versions: Versions, trial: Trial) -> Scheduled | None:
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
    return Scheduled(
        member_id=content.member_id,
        due_at=content.occurred_at,
        key=content.key,
        kind=content.kind,
        facts=encoding.encode_facts(facts),
        rules_version=version,
        cause=content.event_id,
    )


def _moment(trial: Trial, versions: Versions, *, now: datetime, state: MemberState) -> Moment:
    return Moment(
        program_id=trial.program_id,
        versions=versions,
        recorded_at=max(now, state.recorded_at or now),
        judged_at=max(now, state.judged_at or now),
        silent=False,
        ids=Ids(fresh=lambda: bytes(16), random=bytes),
    )


def _judged_at(stored: StoredEvent) -> datetime:
    return chain.judged_at(stored.recorded.content)


def _held(state: MemberState, rules: Rules, instant: datetime) -> dict[str, str]:
    return {ladder.code: tiers.held_at(instant, state.tiers, ladder) for ladder in rules.ladders}
