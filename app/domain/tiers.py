"""Tiers follow from the active balances of a ladder's units; up at once, in the event that reached it (semantics T)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.domain import floors, ladders, units
from app.domain.events import Entry
from app.domain.floors import Floors
from app.domain.ladders import AT_ONCE, Ladder, Tier
from app.domain.rules import Rules
from app.domain.state import Account, MemberState, Missed, TierTerm
from app.domain.units import AwaitsFulfilment


@dataclass(frozen=True, slots=True)
class TierChange:
    """A member moved on a ladder."""

    ladder: str
    before: str
    after: str
    up: bool = True


Moved = tuple[TierTerm, TierChange | None]
"""A new term, and the step that it is; None where the tier stays and only what is known of it changes."""


class Happened(NamedTuple):
    """The event that may move its member: when, under which rules, as the member's which; with the accounts after it.

    `before` are the accounts before it, where it may cost a tier; `now` is when it is judged. `entries` are those that
    may add to what a review found: not the end of points, which it found there unless they came later (semantics T8).
    """

    rules: Rules
    occurred_at: datetime
    now: datetime
    sequence: int
    accounts: Mapping[str, Account]
    before: Mapping[str, Account] | None = None
    entries: tuple[Entry, ...] = ()


def held_at(instant: datetime, terms: Iterable[TierTerm], ladder: Ladder) -> str:
    """The tier held at an instant by what was recorded so far: what counts for an event that occurred then (A6).

    Of the terms that had begun, the one recorded last: a late event may have reached a tier before an earlier one.
    """
    begun = [term for term in terms if term.ladder == ladder.code and term.begins <= instant]
    return max(begun, key=lambda term: term.sequence).tier if begun else ladder.tiers[0].code


def current(terms: Iterable[TierTerm], ladder: Ladder) -> TierTerm | None:
    """The latest recorded term on a ladder; None means the first tier, from the start."""
    mine = [term for term in terms if term.ladder == ladder.code]
    return max(mine, key=lambda term: term.sequence) if mine else None


def latest(terms: Iterable[TierTerm]) -> dict[str, TierTerm]:
    """The latest recorded term on each ladder."""
    return {term.ladder: term for term in sorted(terms, key=lambda term: term.sequence)}


def active(accounts: Mapping[str, Account], ladder: Ladder) -> dict[str, int]:
    """What counts toward a ladder, by unit (semantics T1)."""
    return {unit: accounts[unit].active if unit in accounts else 0 for unit in ladder.units}


def earned(term: TierTerm | None, ladder: Ladder) -> int:
    """The rank that a member holds by what they did, whatever they were given."""
    return 0 if term is None else ladder.rank(term.earned or term.tier)


def moved(state: MemberState, event: Happened, *, passed: Iterable[str] = ()) -> tuple[Moved, ...]:
    """The new terms of an event that moved its member: at once, from its occurred_at on (semantics T2, A6).

    Down only by what takes points back, by a floor that is there no longer, or where the ladder follows at once what is
    met (T4, T5, T7). The ladders `passed` have been seen to.
    """
    known, found = latest(state.tiers), []
    for ladder in event.rules.ladders:
        term = known.get(ladder.code)
        if ladder.code in passed or (term is None and not state.floors and not _counted(event.accounts, ladder)):
            continue
        one = _moved(state, term, ladder, event)
        if one is not None:
            found.append(one)
    return tuple(found)


def _counted(accounts: Mapping[str, Account], ladder: Ladder) -> bool:
    return any(unit in accounts for unit in ladder.units)


def _moved(state: MemberState, term: TierTerm | None, ladder: Ladder, event: Happened) -> Moved | None:
    was = earned(term, ladder)
    goal = _goal(was, term, ladder, event)
    held = max(goal, floors.rank(state.floors, ladder)) if state.floors else goal
    if term is None:
        if not held:
            return None
        before = ladder.tiers[0].code
        term = TierTerm(ladder.code, before, since=event.occurred_at, sequence=0)
    elif goal == was and held == ladder.rank(term.tier) and _settled(term, ladder, state.floors):
        return None
    after = _lifted(term, goal, ladder, state, event) if goal > was else _kept(term, goal, ladder, state, event)
    change, rank = None, ladder.rank(term.tier)
    if held != rank:
        change = TierChange(ladder.code, before=term.tier, after=ladder.tiers[held].code, up=held > rank)
        since = event.occurred_at if held > rank else max(event.occurred_at, term.begins)
        after = after._replace(tier=change.after, since=since, began_at=None)
    after = with_notice(_bare(after, goal, held, ladder), ladder, state.floors, rules=event.rules, now=event.now)
    return None if after == term else (after._replace(sequence=event.sequence), change)


def _settled(term: TierTerm, ladder: Ladder, given: Floors) -> bool:
    """Whether nothing about the tier is to be looked at again, as on a ladder without reviews."""
    plain = ladder.notice is None and (ladder.review is None or ladder.review is AT_ONCE)
    return plain and term.review_at is None and term.missed is None and term.notice_at is None and not given


def _goal(was: int, term: TierTerm | None, ladder: Ladder, event: Happened) -> int:
    """The rank that is earned after the event."""
    enough = ladders.met(active(event.accounts, ladder), ladder)
    if enough >= was or ladder.review is AT_ONCE:
        return enough
    if event.before is None or not ladders.meets(active(event.before, ladder), ladder.tiers[was], ladder):
        return was
    confirmed = 0 if term is None or term.confirmed is None else ladder.rank(term.confirmed)
    return min(was, max(enough, confirmed))


def _lifted(term: TierTerm, goal: int, ladder: Ladder, state: MemberState, event: Happened) -> TierTerm:
    """A higher tier restarts the clock (semantics T3)."""
    missed = _missed(term.missed, event)
    regained = missed is None or goal >= ladder.rank(missed.tier)
    return term._replace(
        review_at=first_review(ladder, state, event), falls_at=None, falls_to=None, missed=None if regained else missed
    )


def _kept(term: TierTerm, goal: int, ladder: Ladder, state: MemberState, event: Happened) -> TierTerm:
    """What is known of a tier that is not left upwards: its review, and what a late event adds to the last one."""
    as_of_now = event._replace(occurred_at=event.now)  # the program has reviews since it was reached
    review_at = None if not goal else term.review_at or first_review(ladder, state, as_of_now)
    graced = term.falls_to is not None and ladder.rank(term.falls_to) < goal
    return term._replace(
        review_at=review_at,
        falls_at=term.falls_at if graced else None,
        falls_to=term.falls_to if graced else None,
        missed=_missed(term.missed, event),
    )


def first_review(ladder: Ladder, state: MemberState, event: Happened) -> datetime | None:
    """When what was reached is reviewed first; what was reached too long ago, after now (semantics E4)."""
    zone, joined = event.rules.zone, state.enrolled_at
    at = ladders.first_review(ladder, reached_at=event.occurred_at, joined=joined, zone=zone)
    if at is None or at > event.now:
        return at
    return ladders.first_review(ladder, reached_at=event.now, joined=joined, zone=zone)


def _missed(missed: Missed | None, event: Happened) -> Missed | None:
    """What a review found too little, with what this event would have added, had it been there (semantics T8)."""
    if missed is None or event.occurred_at >= missed.at:
        return missed
    had, before = dict(missed.had), _missed(missed.before, event)
    for entry in event.entries:
        if entry.unit in had and _would_count(entry, missed.at, event):
            had[entry.unit] += entry.points
    return missed._replace(had=tuple(had.items()), before=before)


def _would_count(entry: Entry, at: datetime, event: Happened) -> bool:
    """Whether points that came late would have been active then, before what ended at that instant."""
    unit = event.rules.units.get(entry.unit)
    if entry.points <= 0 or unit is None:
        return True
    ready = units.available_from(unit, occurred_at=event.occurred_at, zone=event.rules.zone) <= at
    waits = isinstance(unit.pending, AwaitsFulfilment)
    return ready and not waits and (entry.expires_at is None or entry.expires_at >= at)


def _bare(term: TierTerm, goal: int, held: int, ladder: Ladder) -> TierTerm:
    return term._replace(earned=None if goal == held else ladder.tiers[goal].code)


def with_notice(term: TierTerm, ladder: Ladder, given: Floors, *, rules: Rules, now: datetime) -> TierTerm:
    """The term with when its end is to be told, as far as that lies ahead."""
    if ladder.notice is None:
        return term if term.notice_at is None else term._replace(notice_at=None)
    ends_at = may_end_at(term, ladder, given)
    return term._replace(notice_at=ladders.notice_at(ladder, ends_at=ends_at, now=now, zone=rules.zone))


def may_end_at(term: TierTerm, ladder: Ladder, given: Floors) -> datetime | None:
    """When it is decided next whether the tier that is held ends; None for never."""
    held = ladder.rank(term.tier)
    given_until, end = floors.holds_until(given, ladder, held)
    if given_until and end is None:
        return None
    earned_until = (term.falls_at or term.review_at) if earned(term, ladder) >= held else None
    if given_until and earned_until is not None and end is not None:
        return max(end, earned_until)
    return end if given_until else earned_until


def due_at(state: MemberState) -> datetime | None:
    """The next instant at which time alone asks something of the member's tiers."""
    terms = latest(state.tiers).values()
    dues = [at for term in terms for at in (term.review_at, term.falls_at, term.notice_at) if at is not None]
    end = floors.next_end(state.floors)
    return min(dues if end is None else [*dues, end], default=None)


@dataclass(frozen=True, slots=True)
class Need:
    """What counts of one unit, and how much of it is missing for the next tier and to stay (semantics T6)."""

    unit: str
    qualifying: int
    next_at: int | None
    to_next: int | None
    to_stay: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member stands on a ladder: what is missing for `next`, and what a review would leave (semantics T6)."""

    ladder: Ladder
    tier: Tier
    since: datetime | None
    needs: tuple[Need, ...]
    next: Tier | None
    review_at: datetime | None = None
    grace_until: datetime | None = None
    given_until: datetime | None = None
    given: bool = False
    projected: Tier | None = None

    @property
    def qualifying(self) -> int:
        return self.needs[0].qualifying if self.needs else 0

    @property
    def to_next(self) -> int | None:
        return self.needs[0].to_next if self.needs else None


def standing(
    accounts: Mapping[str, Account],
    terms: Iterable[TierTerm],
    ladder: Ladder,
    *,
    given: Floors = (),
    then: Mapping[str, Account] | None = None,
) -> Standing:
    """The tier as it is read: held now, what is needed for the next and to stay (semantics T6).

    `then` are the accounts as they will be just before the review if nothing happens.
    """
    term = current(terms, ladder)
    rank = ladder.rank(term.tier) if term is not None else 0
    following = next((tier for tier in ladder.tiers[rank + 1 :] if tier.thresholds is not None), None)
    held_up, until = floors.holds_until(given, ladder, rank) if rank else (False, None)
    reviewed = term is not None and term.review_at is not None
    decided_at = None if term is None else term.falls_at or term.review_at
    return Standing(
        ladder=ladder,
        tier=ladder.tiers[rank],
        since=term.since if term is not None else None,
        needs=_needs(accounts, then, ladder, following, ladder.tiers[earned(term, ladder)] if reviewed else None),
        next=following,
        review_at=term.review_at if term is not None else None,
        grace_until=term.falls_at if term is not None else None,
        given=held_up,
        given_until=until,
        projected=None
        if term is None or decided_at is None
        else ladder.tiers[left_at(term, ladder, given, then or accounts, decided_at)],
    )


def _needs(
    accounts: Mapping[str, Account],
    then: Mapping[str, Account] | None,
    ladder: Ladder,
    following: Tier | None,
    staying: Tier | None,
) -> tuple[Need, ...]:
    now, later = active(accounts, ladder), active(then or accounts, ladder)
    needs = []
    for place, unit in enumerate(ladder.units):
        next_at = following.thresholds[place] if following is not None and following.thresholds is not None else None
        keeps = staying.thresholds[place] if staying is not None and staying.thresholds is not None else None
        to_next = None if next_at is None else max(0, next_at - now[unit])
        to_stay = None if keeps is None else max(0, keeps - later[unit])
        needs.append(Need(unit, now[unit], next_at, to_next, to_stay))
    return tuple(needs)


def left_at(term: TierTerm, ladder: Ladder, given: Floors, then: Mapping[str, Account], at: datetime) -> int:
    """The rank that is left from an instant on, of a member with these accounts just before it."""
    rank, counted = earned(term, ladder), active(then, ladder)
    if term.falls_at is not None and term.falls_at <= at:
        rank = min(rank, max(ladder.rank(term.falls_to or ""), ladders.met(counted, ladder)))
    elif term.review_at is not None and term.review_at <= at:
        rank = ladders.decided(rank, counted, ladder)
    return max(rank, floors.rank(floors.running(given, at), ladder))
