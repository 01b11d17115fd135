"""What the clock does to tiers: reviews, ends of what was given, and telling ahead (semantics T3, T4, T7, T8)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeGuard

from app.domain import floors, ladders, lots, messages, posting, tiers
from app.domain.events import Posted, Recorded
from app.domain.ladders import AT_ONCE, Ladder
from app.domain.posting import Moment, Tell
from app.domain.rules import Rules
from app.domain.state import MemberState, Missed, TierTerm
from app.domain.steps import Step
from app.domain.tiers import TierChange

REVIEW, NOTICE = "tier_review", "tier_notice"
_NUMBERED = 3
"""The engine since which the keys of both go by the member's numbers."""
_IN_A_ROW_SINCE = 3
"""The engine since which a late event may undo also what an earlier review of several in a row missed."""


class Outcome(StrEnum):
    """What a review came to."""

    RENEWED = "renewed"
    FELL = "fell"
    GRACE = "grace"
    ENDED = "ended"
    """A tier that was given is so no longer."""
    RESTORED = "restored"
    """A late event undid what a review took."""
    NONE = "none"


class _Reviewed(NamedTuple):
    term: TierTerm
    rank: int
    outcome: Outcome


def review(state: MemberState, instant: datetime, moment: Moment) -> tuple[MemberState, list[Posted]]:
    """Everything about tiers that is due at an instant, a ladder an event; before what ends then has ended (T3)."""
    if state.tiers_due_at is None or state.tiers_due_at > instant:
        return state, []
    rules, events = moment.versions.at(instant), []
    left = floors.running(state.floors, instant)
    over = {floor.ladder for floor in state.floors} if len(left) < len(state.floors) else set()
    over = {code for code in over if _of(state.floors, code) != _of(left, code)}
    terms = tiers.latest(state.tiers)
    due = over | {code for code, term in terms.items() if _due(term, instant)}
    for code in sorted(due):
        ladder = next((ladder for ladder in rules.ladders if ladder.code == code), None)
        term = terms.get(code)
        kept = (*_of(left, code), *(floor for floor in state.floors if floor.ladder != code))
        state = state._replace(floors=tuple(sorted(kept, key=lambda floor: (floor.sequence, floor.rule))))
        if ladder is not None and term is not None:
            state, posted = _review(state, ladder, term, rules, instant=instant, moment=moment)
        elif term is not None:
            state, posted = _forget(state, term, rules, instant=instant, moment=moment)
        else:
            continue
        events.append(posted)
    return state, events


def notify(state: MemberState, instant: datetime, moment: Moment) -> tuple[MemberState, list[Posted]]:
    """Tells of tiers that will end soon as things stand; of one that will be renewed only that it was looked at."""
    if state.tiers_due_at is None or state.tiers_due_at > instant:
        return state, []
    rules, events = moment.versions.at(instant), []
    for code, term in sorted(tiers.latest(state.tiers).items()):
        if term.notice_at is not None and term.notice_at <= instant:
            ladder = next((ladder for ladder in rules.ladders if ladder.code == code), None)
            state, posted = _notice(state, ladder, term, rules, instant=instant, moment=moment)
            events.append(posted)
    return state, events


def undo(state: MemberState, own: Recorded, moment: Moment) -> tuple[MemberState, list[Posted]]:
    """Undoes what reviews took that an event, with what came of it, would have kept, had it come in time (T8)."""
    events: list[Posted] = []
    if all(term.missed is None for term in state.tiers):
        return state, events
    for term in tiers.latest(state.tiers).values():
        missed = term.missed
        if missed is None or term.sequence < own.sequence or own.occurred_at >= missed.at:
            continue
        then = moment.versions.at(missed.at)
        ladder = next((ladder for ladder in then.ladders if ladder.code == term.ladder), None)
        if ladder is None or ladder.units != tuple(unit for unit, _ in missed.had):
            continue
        would = _left(missed, ladder)
        falls_to = None if term.falls_to is None else ladder.rank(term.falls_to)
        if would > (tiers.earned(term, ladder) if falls_to is None else falls_to):
            state, posted = _restore(state, ladder, term, missed, would, then, moment=moment)
            events.append(posted)
    return state, events


def _left(missed: Missed, ladder: Ladder) -> int:
    """The rank that reviews in a row leave, by what each is known by now to have found (semantics T8)."""
    held = ladder.rank(missed.tier)
    if _follows(missed.before, ladder):
        held = max(held, _left(missed.before, ladder))
    return ladders.decided(held, dict(missed.had), ladder)


def _highest_missed(missed: Missed, ladder: Ladder) -> int:
    """The highest rank that one of reviews in a row took."""
    rank = ladder.rank(missed.tier)
    return max(rank, _highest_missed(missed.before, ladder)) if _follows(missed.before, ladder) else rank


def _follows(before: Missed | None, ladder: Ladder) -> TypeGuard[Missed]:
    """Whether there is an earlier review in the row, of a ladder on the same units."""
    return before is not None and ladder.units == tuple(unit for unit, _ in before.had)


def _of(given: floors.Floors, code: str) -> floors.Floors:
    return tuple(floor for floor in given if floor.ladder == code)


def _due(term: TierTerm, instant: datetime) -> bool:
    return any(at is not None and at <= instant for at in (term.review_at, term.falls_at))


def _review(
    state: MemberState, ladder: Ladder, term: TierTerm, rules: Rules, *, instant: datetime, moment: Moment
) -> tuple[MemberState, Posted]:
    # As stored: settled up to this instant, with what ends at it still there.
    active = tiers.active(state.accounts, ladder)
    before = term.missed if moment.engine >= _IN_A_ROW_SINCE else None
    found = _decided(term, active, ladder, instant, rules, state.enrolled_at, before=before)
    return _post(state, ladder, term, found, active, rules, instant=instant, moment=moment)


def _decided(
    term: TierTerm,
    active: Mapping[str, int],
    ladder: Ladder,
    instant: datetime,
    rules: Rules,
    joined: datetime | None,
    *,
    before: Missed | None,
) -> _Reviewed:
    rank, outcome = tiers.earned(term, ladder), Outcome.NONE
    if term.falls_at is not None and term.falls_at <= instant:
        left = max(ladder.rank(term.falls_to or ""), ladders.met(active, ladder))
        outcome, rank = Outcome.FELL if left < rank else Outcome.RENEWED, left
        term = term._replace(falls_at=None, falls_to=None, confirmed=ladder.tiers[rank].code)
        if not rank:
            term = term._replace(review_at=None)
    if term.review_at is None or term.review_at > instant:
        return _Reviewed(term, rank, outcome)
    if ladder.review is None or ladder.review is AT_ONCE:
        return _Reviewed(term._replace(review_at=None), rank, outcome)
    following = ladders.next_review(ladder, reviewed_at=instant, joined=joined, zone=rules.zone)
    left = ladders.decided(rank, active, ladder)
    if left >= rank:
        kept_term = term._replace(confirmed=ladder.tiers[left].code, review_at=following, missed=None)
        return _Reviewed(kept_term._replace(falls_at=None, falls_to=None), left, Outcome.RENEWED)
    missed = Missed(instant, ladder.tiers[rank].code, tuple(active.items()), before)
    grace = ladders.grace_ends(ladder, reviewed_at=instant, zone=rules.zone)
    if grace is None:
        after = term._replace(confirmed=ladder.tiers[left].code, review_at=following if left else None, missed=missed)
        return _Reviewed(after, left, Outcome.FELL)
    after = term._replace(
        confirmed=ladder.tiers[rank].code,
        review_at=following,
        falls_at=grace,
        falls_to=ladder.tiers[left].code,
        missed=missed,
    )
    return _Reviewed(after, rank, Outcome.GRACE)


def _post(
    state: MemberState,
    ladder: Ladder,
    term: TierTerm,
    found: _Reviewed,
    active: Mapping[str, int],
    rules: Rules,
    *,
    instant: datetime,
    moment: Moment,
) -> tuple[MemberState, Posted]:
    was, held = ladder.rank(term.tier), max(found.rank, floors.rank(state.floors, ladder))
    change, outcome = None, found.outcome
    after = found.term._replace(sequence=state.sequence + 1, began_at=instant)
    after = after._replace(earned=None if found.rank == held else ladder.tiers[found.rank].code)
    if held != was:
        change = TierChange(ladder.code, before=term.tier, after=ladder.tiers[held].code, up=held > was)
        since = _held_before(state, change, instant) if outcome is Outcome.RESTORED else instant
        after = after._replace(tier=change.after, since=since, began_at=None if since == instant else instant)
        outcome = Outcome.ENDED if outcome is Outcome.NONE else outcome
    late = outcome is Outcome.RESTORED
    now = moment.judged_at if late else instant
    after = tiers.with_notice(after, ladder, state.floors, rules=rules, now=now)
    said = {"ladder": ladder.code, "outcome": outcome.value, "active": dict(active)}
    steps: tuple[Step, ...] = tuple((ladder.code, unit, "qualified", str(n)) for unit, n in active.items())
    draft = posting.by_clock(
        REVIEW,
        _key("rev", state, ladder.code, instant, moment, late=late),
        instant,
        rules,
        moment,
        tells=_tells(after, change, outcome, ladder),
    )
    draft = draft._replace(context=said, steps=steps, flags=(outcome.value,), given=((after, change),))
    return posting.post(state, draft._replace(as_of=None) if late else draft, moment)


def _key(prefix: str, state: MemberState, ladder: str, instant: datetime, moment: Moment, *, late: bool = False) -> str:
    """By the member's next number: what came late may bring the same instant of a ladder once more."""
    if moment.engine >= _NUMBERED:
        return f"{prefix}:{state.id.hex()}:{state.sequence + 1}"
    return f"{prefix}:{state.id.hex()}:{ladder}:{messages.time_text(instant)}" + (f":{state.sequence}" if late else "")


def _held_before(state: MemberState, change: TierChange, instant: datetime) -> datetime:
    """Since when the tier had been held that a review took at this instant."""
    mine = (term for term in state.tiers if (term.ladder, term.tier) == (change.ladder, change.after))
    return next((term.since for term in reversed(tuple(mine)) if term.since < instant), instant)


def _tells(term: TierTerm, change: TierChange | None, outcome: Outcome, ladder: Ladder) -> tuple[Tell, ...]:
    """What is told besides a step up or down, which every event tells."""
    said: dict[str, Any] = {"ladder": ladder.code, "tier": term.tier}
    if outcome is Outcome.GRACE and change is None and term.falls_at is not None and term.earned is None:
        return ((messages.TIER_EXPIRING, said | {"ends_at": messages.time_text(term.falls_at), "next": term.falls_to}),)
    if outcome in (Outcome.RENEWED, Outcome.RESTORED) and change is None and term.earned is None:
        again = None if term.review_at is None else messages.time_text(term.review_at)
        return ((messages.TIER_RENEWED, said | {"review_at": again}),)
    return ()


def _forget(
    state: MemberState, term: TierTerm, rules: Rules, *, instant: datetime, moment: Moment
) -> tuple[MemberState, Posted]:
    """The rules have no such ladder any more: what was held on it stands as it is, and is looked at no more."""
    after = term._replace(
        sequence=state.sequence + 1, began_at=instant, review_at=None, falls_at=None, falls_to=None, notice_at=None
    )
    draft = posting.by_clock(REVIEW, _key("rev", state, term.ladder, instant, moment), instant, rules, moment, tells=())
    said = {"ladder": term.ladder, "outcome": Outcome.NONE.value}
    return posting.post(state, draft._replace(context=said, given=((after, None),)), moment)


def _notice(
    state: MemberState, ladder: Ladder | None, term: TierTerm, rules: Rules, *, instant: datetime, moment: Moment
) -> tuple[MemberState, Posted]:
    after = term._replace(sequence=state.sequence + 1, notice_at=None)
    ends_at = None if ladder is None else tiers.may_end_at(term, ladder, state.floors)
    tells: tuple[Tell, ...] = ()
    if ladder is not None and ends_at is not None:
        then = lots.by_the_instant(state.accounts, state.lots, now=ends_at - timedelta.resolution)
        left = tiers.left_at(term, ladder, state.floors, then, ends_at)
        if left < ladder.rank(term.tier):
            graced = ladders.grace_ends(ladder, reviewed_at=ends_at, zone=rules.zone)
            end = graced if graced is not None and ends_at == term.review_at else ends_at
            said = {"ladder": ladder.code, "tier": term.tier, "next": ladder.tiers[left].code}
            tells = ((messages.TIER_EXPIRING, said | {"ends_at": messages.time_text(end)}),)
    key = _key("tnt", state, term.ladder, instant, moment)
    draft = posting.by_clock(NOTICE, key, instant, rules, moment, tells=tells)
    return posting.post(state, draft._replace(context={"ladder": term.ladder}, given=((after, None),)), moment)


def _restore(
    state: MemberState,
    ladder: Ladder,
    term: TierTerm,
    missed: Missed,
    would: int,
    then: Rules,
    *,
    moment: Moment,
) -> tuple[MemberState, Posted]:
    """As if the review had found so much: the tier from that instant on, with the review that follows it."""
    zone, joined = then.zone, state.enrolled_at
    again = ladders.next_review(ladder, reviewed_at=missed.at, joined=joined, zone=zone)
    if again is not None and again <= moment.judged_at:
        again = ladders.first_review(ladder, reached_at=moment.judged_at, joined=joined, zone=zone)
    whole = would >= _highest_missed(missed, ladder)
    after = term._replace(
        confirmed=ladder.tiers[would].code,
        review_at=again,
        missed=None if whole else missed,
        falls_at=None if whole else term.falls_at,
        falls_to=None if whole or term.falls_at is None else ladder.tiers[would].code,
    )
    graced = after.falls_at is not None
    rank = max(tiers.earned(term, ladder), would) if graced else would
    found = _Reviewed(after, rank, Outcome.RESTORED)
    return _post(state, ladder, term, found, dict(missed.had), then, instant=missed.at, moment=moment)
