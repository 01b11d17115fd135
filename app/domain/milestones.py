"""What totals bring: every so many of a unit, or at certain totals, points, a reward, a tag or a tier (semantics A9).

A total is what events gave of the unit in a period, less what was taken back; a milestone that stands too much after
goods came back is taken back, newest first. Each is an event of its own, right after the one that reached it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.domain import books, chain, dating, gifts, lots, messages, periods, posting, restoring, taking, usage
from app.domain.commands import CLOCK, Cancellation, Command, LooseReturn, PurchaseChange, Return, names
from app.domain.effects import Case
from app.domain.events import REACHED, UNREACHED, Earlier, Entry, Posted, Recorded
from app.domain.gifts import Given
from app.domain.lots import Place
from app.domain.posting import Draft, Moment, Tell
from app.domain.rules import Gift, Milestone, Rules
from app.domain.state import MemberState, Usage
from app.domain.steps import TAKEN, Step

MOST_AT_ONCE = 100
"""How many gifts one event may bring at most: each is an event of its own."""
_COSTS_TIERS_SINCE = 3
"""The engine since which what is taken back with a milestone may cost a tier (semantics T5)."""

_ONLY_TOO_MANY = 3
"""The engine since which a total that falls costs no milestone that it is still enough for."""

_UNDOING = (Return.kind, PurchaseChange.kind, Cancellation.kind)
_COUNTED = (books.ISSUED, books.REVERSED)


class _Stand(NamedTuple):
    """Where a milestone stands: its total and how often it was given, in the period from `since` until `until`."""

    milestone: Milestone
    since: datetime
    until: datetime | None
    total: int
    given: int


def follow(state: MemberState, own: Recorded, case: Case) -> tuple[MemberState, list[Posted]]:
    """What an event's points bring, or cost, by the totals that they leave: counted, and written down."""
    rules = _rules(case)
    posted: list[Posted] = []
    for milestone in rules.milestones:
        change = _change(own, milestone.unit)
        if not change:
            continue
        stand = _stand(state, milestone, rules, at=_belongs_to(case))
        state = _counted(state, stand, case.moment, rules, points=change)
        due = _due(milestone, stand.total + change) - _due(milestone, stand.total)
        if due < 0 and own.kind in _UNDOING:
            too_many = stand.given - _due(milestone, stand.total + change)
            if case.moment.engine < _ONLY_TOO_MANY:
                too_many = stand.given
            state, events = _undo(state, stand, max(0, min(-due, too_many)), own, case)
            posted += events
        elif due > 0 and not milestone.consume:
            state, events = _give(state, stand, due, rules, case.moment, cause=own.id, at=case.occurred_at)
            posted += events
    state, events = collect(state, case.moment, rules, cause=own.id, at=case.occurred_at)
    return state, [*posted, *events]


def undone_by(command: Command) -> bool:
    """Whether milestones may be taken back by it: goods may come back without naming their purchase (semantics R7)."""
    return bool(names(command)) or isinstance(command.facts, LooseReturn)


def collect(
    state: MemberState, moment: Moment, rules: Rules, *, cause: bytes, at: datetime
) -> tuple[MemberState, list[Posted]]:
    """Turns in what milestones consume, as often as the total allows and is available: a full card (semantics A9)."""
    posted: list[Posted] = []
    for milestone in rules.milestones:
        account = state.accounts.get(milestone.unit)
        if not milestone.consume or account is None:
            continue
        stand = _stand(state, milestone, rules, at=at)
        account = lots.folded(account, state.lots, now=moment.judged_at)  # what was just given may have ended already
        times = min(_due(milestone, stand.total) - stand.given, account.available // milestone.every)
        if times > 0:
            state, events = _give(state, stand, times, rules, moment, cause=cause, at=at)
            posted += events
    return state, posted


def _rules(case: Case) -> Rules:
    """The version that judged what is undone, or the event's own (semantics E3)."""
    if case.command.facts.kind in _UNDOING and case.beside.named and case.beside.named[0] is not None:
        return case.moment.versions.numbered(case.beside.named[0].event.rules_version)
    return case.rules


def _belongs_to(case: Case) -> datetime:
    """An event belongs to the period of its occurred_at, a reversal to that of what it reverses (semantics, Words)."""
    if case.command.facts.kind in _UNDOING and case.beside.named and case.beside.named[0] is not None:
        return case.beside.named[0].event.occurred_at
    return case.occurred_at


def _change(own: Recorded, unit: str) -> int:
    """What an event gave of a unit, less what it took back; what was forgiven counts as taken (semantics R2)."""
    change = 0
    for entry in own.entries:
        if entry.unit == unit:
            way, points = books.way(own.kind, entry)
            change += (points if way == books.ISSUED else -points) if way in _COUNTED else 0
    return change - _forgiven(own, unit)


def _forgiven(own: Recorded, unit: str) -> int:
    if own.kind not in _UNDOING:
        return 0
    return int(chain.context_of(own.content).get("forgiven", {}).get(unit, 0))


def _due(milestone: Milestone, total: int) -> int:
    """How often a milestone is due at a total."""
    if milestone.every:
        return max(0, total) // milestone.every
    return sum(total >= at for at in milestone.at)


def _stand(state: MemberState, milestone: Milestone, rules: Rules, *, at: datetime) -> _Stand:
    since, until = periods.bounds(milestone.within, at, zone=rules.zone, enrolled_at=state.enrolled_at)
    used = usage.used(state, _counter(milestone), since)
    return _Stand(milestone, since, until, used.points, used.times)


def _counter(milestone: Milestone) -> str:
    return f"milestone:{milestone.code}"


def _counted(
    state: MemberState, stand: _Stand, moment: Moment, rules: Rules, *, points: int = 0, times: int = 0
) -> MemberState:
    counted = Usage(_counter(stand.milestone), stand.since, stand.until, points=points, times=times)
    return usage.added(state, [counted], now=moment.judged_at, kept=rules.late)


def _give(
    state: MemberState, stand: _Stand, times: int, rules: Rules, moment: Moment, *, cause: bytes, at: datetime
) -> tuple[MemberState, list[Posted]]:
    """Points of several milestones reached at once come in one event, gifts in one each: so each has a name."""
    gifted = isinstance(stand.milestone.gives, Gift)
    times = min(times, MOST_AT_ONCE) if gifted else times
    state = _counted(state, stand, moment, rules, times=times)
    if not gifted:
        state, posted = _reach(state, stand, times, rules, moment, cause=cause, at=at)
        return state, [posted]
    events = []
    for _ in range(times):
        state, posted = _reach(state, stand, 1, rules, moment, cause=cause, at=at)
        events.append(posted)
    return state, events


def _reach(
    state: MemberState, stand: _Stand, times: int, rules: Rules, moment: Moment, *, cause: bytes, at: datetime
) -> tuple[MemberState, Posted]:
    milestone, entries, tells, now = stand.milestone, list[Entry](), list[Tell](), moment.judged_at
    steps: list[Step] = []
    if milestone.consume:
        unit, used = rules.units[milestone.unit], times * milestone.every
        order = lots.active(state.lots, unit.code, now=now)
        state, entry = lots.redeem(state, unit, used, order=order, at=Place(state.sequence + 1, 0))
        entries.append(entry)
        tells.append((messages.REDEEMED, {"points": {unit.code: used}}))
        steps.append((milestone.code, unit.code, "consumed", str(used)))
    given = Given({})
    if isinstance(milestone.gives, Gift):
        gained, number = [(milestone.code, milestone.gives)], state.sequence + 1
        given = gifts.give(gained, rules, occurred_at=at, sequence=number)
        state = gifts.promoted(state, gained, rules, occurred_at=at, sequence=number, now=now)
        state = gifts.into(state, given, rules, occurred_at=at, sequence=number, now=now)
        steps.append((milestone.code, "", milestone.gives.kind, milestone.gives.code))
    else:
        unit, points = rules.units[milestone.gives[0]], times * milestone.gives[1]
        dates = dating.dates(unit, occurred_at=at, now=now, zone=rules.zone, joined=state.enrolled_at)
        state, credited = lots.credit_state(state, [(unit, points, dates)], now=now, first=len(entries))
        entries += credited
        tells.append((messages.EARNED, {"points": {unit.code: points}}))
        steps.append((milestone.code, unit.code, "milestone", str(points)))
    context: dict[str, Any] = {
        "cause": cause.hex(),
        "milestone": milestone.code,
        "since": chain.micros(stand.since),
        "times": times,
        **given.context,
    }
    draft = _draft(state, REACHED, rules, moment, at=at, key="mil", entries=entries, steps=steps)
    return posting.post(state, draft._replace(context=context, tells=(*tells, *given.tells)), moment)


def _undo(state: MemberState, stand: _Stand, times: int, own: Recorded, case: Case) -> tuple[MemberState, list[Posted]]:
    """Takes milestones back that stand too much, newest first (semantics A9)."""
    posted: list[Posted] = []
    short = _forgiven(own, stand.milestone.unit)
    for event, left, done in _standing(stand, case.beside.milestones):
        taken = min(left, times)
        if not taken:
            continue
        times -= taken
        state, one = _take_back(state, stand, event, taken, done, case, short=short)
        posted.append(one)
        short = 0
        state = _counted(state, stand, case.moment, _rules(case), times=-taken)
    return state, posted


def _standing(stand: _Stand, events: Iterable[Recorded]) -> list[tuple[Recorded, int, int]]:
    """The events of a milestone in its period, newest first: how often each still stands, and how often no more."""
    given: dict[bytes, tuple[Recorded, int]] = {}
    undone: dict[bytes, int] = {}
    for event in events:
        said = chain.context_of(event.content)
        if said["milestone"] == stand.milestone.code and said["since"] == chain.micros(stand.since):
            if event.kind == REACHED:
                given[event.id] = event, said["times"]
            elif event.about is not None:
                undone[event.about] = undone.get(event.about, 0) + said["times"]
    newest = sorted(given.values(), key=lambda one: -one[0].sequence)
    return [(event, times - undone.get(event.id, 0), undone.get(event.id, 0)) for event, times in newest]


def _take_back(
    state: MemberState, stand: _Stand, event: Recorded, times: int, done: int, case: Case, *, short: int
) -> tuple[MemberState, Posted]:
    """What was consumed goes back into its lots (L8), and what was given is taken, from its own lot first (R3).

    Of what goes back, so much is taken at once as its goods fell `short` of.
    """
    milestone, earlier, before = stand.milestone, Earlier(event), state.accounts
    rules = case.moment.versions.numbered(event.rules_version)
    entries: tuple[Entry, ...] = ()
    tells: tuple[Tell, ...] = ()
    if milestone.consume:
        spent, points = event.entries[0], times * milestone.every
        state, entries = restoring.give_back(
            state, spent, points, rules, case, skip=done * milestone.every, earlier=earlier
        )
        tells = taking.restored(entries, event)
        own = {draw.lot_sequence for draw in spent.draws}
        state, again, _ = taking.take(state, {milestone.unit: short}, rules, case, own=own, first=len(entries))
        entries = (*entries, *again)
    steps: tuple[Step, ...] = ()
    forgiven: dict[str, int] = {}
    given = Given({})
    if isinstance(milestone.gives, Gift):
        lost = [(milestone.code, milestone.gives)]
        given = gifts.moved(lost, (), rules, occurred_at=event.occurred_at, sequence=event.sequence)
        state = gifts.withdrawn(state, rules, sequence=event.sequence, now=case.moment.judged_at)
        steps = ((milestone.code, "", TAKEN[milestone.gives.kind], milestone.gives.code),)
    else:
        code, points = milestone.gives[0], times * milestone.gives[1]
        state, taken, forgiven = taking.take(
            state, {code: points}, rules, case, own={event.sequence}, first=len(entries)
        )
        entries, tells = (*entries, *taken), (*tells, *taking.told(taken, event))
        steps = ((milestone.code, code, "taken", str(points)), *taking.forgiven_steps(forgiven))
    said = {"milestone": milestone.code, "since": chain.micros(stand.since), "times": times}
    context = {**taking.context(earlier, forgiven), **said, **given.context}
    draft = _draft(state, UNREACHED, rules, case.moment, at=case.occurred_at, key="mrv", entries=entries, steps=steps)
    costs = before if case.moment.engine >= _COSTS_TIERS_SINCE else None
    draft = draft._replace(context=context, tells=(*tells, *given.tells), about=event.id, before=costs)
    return posting.post(state, draft, case.moment)


def _draft(
    state: MemberState,
    kind: str,
    rules: Rules,
    moment: Moment,
    *,
    at: datetime,
    key: str,
    entries: Sequence[Entry],
    steps: Sequence[Step],
) -> Draft:
    return Draft(
        id=moment.ids.fresh(),
        source=CLOCK,
        kind=kind,
        key=f"{key}:{state.id.hex()}:{state.sequence + 1}",
        occurred_at=at,
        effective_at=at,
        rules=rules,
        digest=bytes(chain.DIGEST_BYTES),
        facts=b"",
        context={},
        entries=tuple(entries),
        steps=tuple(steps),
    )
