"""Cancellations: what is named is to be as if it had not been (semantics E6, L8)."""

from app.domain import (
    accrual,
    chain,
    encoding,
    gifts,
    holds,
    limits,
    occasions,
    restoring,
    returning,
    seeing,
    taking,
    transfers,
)
from app.domain.commands import Activity, Adjustment, Cancellation, Capture, Hold, Purchase, Redemption, Transfer
from app.domain.effects import Case, Effect
from app.domain.events import Earlier, Recorded
from app.domain.refusals import MorePointsThanLeft, NothingLeft, NotReversible, Refused
from app.domain.rules import Rules
from app.domain.seeing import BLIND
from app.domain.state import MemberState

_SINCE_ENGINE = 3
"""What an activity used is told by what was seen of it from then on."""
_SPENT = (Redemption.kind, Capture.kind)
_CANCELLABLE = (Purchase.kind, Activity.kind, Hold.kind, *_SPENT)


def cancel(state: MemberState, facts: Cancellation, case: Case) -> Effect:
    """A cancellation: what it names is to be as if it had not been (semantics E6)."""
    meant = _CANCELLABLE if facts.points is None else _SPENT
    kinds = tuple(kind for kind in meant if facts.of.kind in ("", kind))
    if facts.of.kind == Adjustment.kind:  # only where it is named as what it is: tills do not undo what persons did
        kinds = (Adjustment.kind,)
    if facts.of.kind == Transfer.kind:  # likewise: its receiver has to be known before anybody is locked
        kinds = (Transfer.kind,)
    earlier = taking.named(state, case, kinds=kinds)
    if earlier.event.kind in _SPENT:
        return _points_back(state, earlier, facts.points, case)
    if earlier.event.kind == Transfer.kind:
        return transfers.give_back(state, earlier, case)
    if earlier.event.kind == Hold.kind:
        return holds.release(state, facts, case)
    if earlier.event.kind == Activity.kind:
        return _activity_back(state, earlier, case)
    if earlier.event.kind == Adjustment.kind:
        return _adjustment_back(state, earlier, case)
    return returning.bring_all_back(state, earlier, case)


def _activity_back(state: MemberState, earlier: Earlier, case: Case) -> Effect:
    if earlier.followers:
        raise Refused(NothingLeft())
    rules, before = case.moment.versions.numbered(earlier.event.rules_version), state.accounts
    given = {entry.unit: entry.points for entry in earlier.event.entries if entry.points > 0}
    state, entries, forgiven = taking.take_back(state, earlier, given, rules, case)
    state = gifts.withdrawn(state, rules, sequence=earlier.event.sequence, now=case.moment.judged_at)
    if Activity.kind in rules.limits and earlier.event.kind == Activity.kind:
        state = _room_back(state, earlier.event, rules, case)
    steps, tells = tuple(taking.forgiven_steps(forgiven)), taking.told(entries, earlier.event)
    return Effect(
        state, entries, steps, taking.context(earlier, forgiven), tells, about=earlier.event.id, before=before
    )


def _room_back(state: MemberState, event: Recorded, rules: Rules, case: Case) -> MemberState:
    """What an activity used under caps can be given again (semantics A5)."""
    facts = encoding.decode_facts(event.kind, chain.decode_content(event.content).facts)
    assert isinstance(facts, Activity)
    context = chain.context_of(event.content)
    seen = seeing.again(context) if case.moment.engine >= _SINCE_ENGINE else BLIND
    occasion = occasions.again(event, facts, context, seen=seen)
    used = accrual.earned(None, occasion, rules).used
    return limits.counted(
        state,
        rules,
        event.kind,
        at=event.occurred_at,
        now=case.moment.judged_at,
        kept=case.rules.late,
        used=(),
        before=used,
    )


def _adjustment_back(state: MemberState, earlier: Earlier, case: Case) -> Effect:
    """Takes back what it gave; for what it took there is another adjustment, since that may be paid by now (E6)."""
    if not any(entry.points > 0 for entry in earlier.event.entries):
        raise Refused(NotReversible(earlier.event.kind, _CANCELLABLE))
    return _activity_back(state, earlier, case)


def _points_back(state: MemberState, earlier: Earlier, points: int | None, case: Case) -> Effect:
    """Undoes a redemption, wholly or in part: into the lots the points came from, with their dates (semantics L8)."""
    spent = earlier.event.entries[0]
    back = sum(entry.points for event in earlier.followers for entry in event.entries)
    left = -spent.points - back
    if not left:
        raise Refused(NothingLeft())
    points = left if points is None else points
    if points > left:
        raise Refused(MorePointsThanLeft(spent.unit, asked=points, left=left))
    rules = case.moment.versions.numbered(earlier.event.rules_version)
    state, entries = restoring.give_back(state, spent, points, rules, case, skip=back, earlier=earlier)
    tells = taking.restored(entries, earlier.event)
    return Effect(state, entries, context=taking.context(earlier, {}), tells=tells, about=earlier.event.id)
