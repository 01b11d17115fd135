"""Tiers follow from the active balance of a ladder's unit; up at once, in the event that reached it (semantics T)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.rules import Ladder, Rules, Tier
from app.domain.state import Account, TierTerm


@dataclass(frozen=True, slots=True)
class TierChange:
    """A member moved on a ladder."""

    ladder: str
    before: str
    after: str
    up: bool = True


Moved = tuple[TierTerm, TierChange]
"""A new term, and the step that it is."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member stands on a ladder: `to_next` smallest parts are missing for `next` (semantics T6)."""

    ladder: Ladder
    tier: Tier
    since: datetime | None
    qualifying: int
    next: Tier | None
    to_next: int | None


def held_at(instant: datetime, terms: Iterable[TierTerm], ladder: Ladder) -> str:
    """The tier held at an instant by what was recorded so far: what counts for an event that occurred then (A6).

    Of the terms that had begun, the one recorded last: a late event may have reached a tier before an earlier one.
    """
    begun = [term for term in terms if term.ladder == ladder.code and term.since <= instant]
    return max(begun, key=lambda term: term.sequence).tier if begun else ladder.tiers[0].code


def current(terms: Iterable[TierTerm], ladder: Ladder) -> TierTerm | None:
    """The latest recorded term on a ladder; None means the first tier, from the start."""
    mine = [term for term in terms if term.ladder == ladder.code]
    return max(mine, key=lambda term: term.sequence) if mine else None


def met(qualifying: int, ladder: Ladder) -> Tier:
    """The highest tier whose threshold is met."""
    for tier in reversed(ladder.tiers):
        if qualifying >= tier.threshold:
            return tier
    return ladder.tiers[0]


def moved(
    accounts: Mapping[str, Account],
    terms: tuple[TierTerm, ...],
    rules: Rules,
    *,
    occurred_at: datetime,
    sequence: int,
    before: Mapping[str, Account] | None,
) -> tuple[Moved, ...]:
    """The new terms of an event that moved its member: at once, from its occurred_at on (semantics T2, A6).

    Down only by what takes points back, which tells the accounts `before` it: where they met the tier that is held, and
    what is left does not (semantics T5); not from an instant before that tier was held.
    """
    changes = []
    for ladder in rules.ladders:
        account = accounts.get(ladder.unit)
        if account is None:
            continue
        now_met = met(account.active, ladder)
        if now_met is ladder.tiers[0] and before is None:
            continue
        term = current(terms, ladder)
        held = ladder.tiers[_rank(term.tier, ladder) if term is not None else 0]
        up = _rank(now_met.code, ladder) - _rank(held.code, ladder)
        was = before.get(ladder.unit) if before is not None else None
        fell = up < 0 and was is not None and was.active >= held.threshold
        if up > 0 or fell:
            change = TierChange(
                ladder.code, before=term.tier if term is not None else held.code, after=now_met.code, up=up > 0
            )
            since = max(occurred_at, term.since) if fell and term is not None else occurred_at
            changes.append((TierTerm(ladder.code, now_met.code, since=since, sequence=sequence), change))
    return tuple(changes)


def standing(accounts: Mapping[str, Account], terms: Iterable[TierTerm], ladder: Ladder) -> Standing:
    """The tier as it is read: held now, and what is needed for the next (semantics T6)."""
    term = current(terms, ladder)
    rank = _rank(term.tier, ladder) if term is not None else 0
    account = accounts.get(ladder.unit)
    qualifying = account.active if account is not None else 0
    following = ladder.tiers[rank + 1] if rank + 1 < len(ladder.tiers) else None
    return Standing(
        ladder=ladder,
        tier=ladder.tiers[rank],
        since=term.since if term is not None else None,
        qualifying=qualifying,
        next=following,
        to_next=max(0, following.threshold - qualifying) if following is not None else None,
    )


def _rank(code: str, ladder: Ladder) -> int:
    """A tier's place on its ladder; a tier that a later version dropped counts as the first."""
    return next((rank for rank, tier in enumerate(ladder.tiers) if tier.code == code), 0)
