"""What rules give besides points (semantics A10): given by the event that earned it, taken back with its goods."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.domain import calendar, floors, messages, tags
from app.domain.posting import Tell
from app.domain.rules import Gift, Promoted, Reward, Rewarded, Rules, Tagged
from app.domain.state import Floor, MemberState

GIFTS, TAKEN = "gifts", "gifts_taken"
"""Where an event's context tells what it gave besides points, and took back: of each its rule, its kind, its code."""

Gained = tuple[str, Gift]
"""A rule, and what it gave."""


class Given(NamedTuple):
    """What an event says about what it gave or took back besides points: for its context, and to the shops."""

    context: dict[str, Any]
    tells: tuple[Tell, ...] = ()
    tags: tuple[Tagged, ...] = ()
    untagged: tuple[Tagged, ...] = ()
    """Tags that were taken back."""


def give(gained: Iterable[Gained], rules: Rules, *, occurred_at: datetime, sequence: int) -> Given:
    """What an event gives: rewards are told to the shops, named by the number of the event and their rule."""
    given = list(gained)
    if not given:
        return Given({})
    tells = [
        (messages.ISSUED, _told(rule, rules.rewards[gift.reward], rules.zone, occurred_at=occurred_at, by=sequence))
        for rule, gift in given
        if isinstance(gift, Rewarded)
    ]
    return Given({GIFTS: _said(given)}, tuple(tells), tuple(gift for _, gift in given if isinstance(gift, Tagged)))


def moved(
    before: Sequence[Gained], after: Sequence[Gained], rules: Rules, *, occurred_at: datetime, sequence: int
) -> Given:
    """What a purchase's goods cost or bring when they change: taken is what is not given for what is left (R2, A10).

    `sequence` is the number of the purchase.
    """
    new = give((one for one in after if one not in before), rules, occurred_at=occurred_at, sequence=sequence)
    lost = [gained for gained in before if gained not in after]
    if not lost:
        return new
    tells = [
        (messages.REWARD_CANCELLED, _named(rule, rules.rewards[gift.reward], by=sequence))
        for rule, gift in lost
        if isinstance(gift, Rewarded)
    ]
    kept = {gift.tag for _, gift in after if isinstance(gift, Tagged)}
    untagged = tuple(gift for _, gift in lost if isinstance(gift, Tagged) and gift.tag not in kept)
    return Given({**new.context, TAKEN: _said(lost)}, (*tells, *new.tells), new.tags, untagged)


def into(
    state: MemberState, given: Given, rules: Rules, *, occurred_at: datetime, sequence: int, now: datetime
) -> MemberState:
    """The state with what lies with the member: tags, given by the event of that number, or taken back with it."""
    if given.untagged:
        state = tags.taken(state, given.untagged, sequence=sequence)
    if given.tags:
        state = tags.given(
            state, given.tags, zone=rules.zone, occurred_at=occurred_at, sequence=sequence, now=now, kept=rules.late
        )
    return state


def promoted(
    state: MemberState, gained: Iterable[Gained], rules: Rules, *, occurred_at: datetime, sequence: int, now: datetime
) -> MemberState:
    """The state with the tiers that an event gives, each a floor (semantics T7); what is over by now is none."""
    more = [
        Floor(gift.ladder, gift.tier, sequence, rule, occurred_at, gift.until, gift.lasts)
        for rule, gift in gained
        if isinstance(gift, Promoted)
    ]
    if not more:
        return state
    return state._replace(floors=floors.running(floors.added(state.floors, more, zone=rules.zone), now))


def demoted(
    state: MemberState, before: Sequence[Gained], after: Sequence[Gained], rules: Rules, *, sequence: int, now: datetime
) -> MemberState:
    """The state without the tiers that a purchase no longer gives: what ran on from them moves up, or is over (T7)."""
    lost = {rule for rule, gift in before if isinstance(gift, Promoted) and (rule, gift) not in after}
    return _without(state, [one for one in state.floors if one.sequence == sequence and one.rule in lost], rules, now)


def withdrawn(state: MemberState, rules: Rules, *, sequence: int, now: datetime) -> MemberState:
    """The state without the tiers and tags of an event that is to be as if it had not been (semantics E6)."""
    if any(tag.sequence == sequence for tag in state.tags):
        state = state._replace(tags=tuple(tag for tag in state.tags if tag.sequence != sequence))
    return _without(state, [one for one in state.floors if one.sequence == sequence], rules, now)


def _without(state: MemberState, gone: Sequence[Floor], rules: Rules, now: datetime) -> MemberState:
    if not gone:
        return state
    return state._replace(floors=floors.running(floors.without(state.floors, gone, zone=rules.zone), now))


def _said(gained: Iterable[Gained]) -> list[list[str]]:
    return [[rule, gift.kind, gift.code] for rule, gift in gained]


def _named(rule: str, reward: Reward, *, by: int) -> dict[str, Any]:
    return {"reward": reward.code, "name": reward.name, "rule": rule, "issued_by": by}


def _told(rule: str, reward: Reward, zone: ZoneInfo, *, occurred_at: datetime, by: int) -> dict[str, Any]:
    said: Mapping[str, Any] = _named(rule, reward, by=by)
    if reward.valid is None:
        return {**said}
    last = calendar.add(calendar.local_day(occurred_at, zone), reward.valid)
    ends = messages.time_text(calendar.end_of_day(last, zone))
    return {**said, "valid_until": last.isoformat(), "expires_at": ends}
