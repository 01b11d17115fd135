"""Whether the state that a replay ends in is the stored one."""

from collections.abc import Iterable, Iterator
from typing import Any

from app.domain import tags
from app.domain.state import MemberState
from app.domain.verifying import places
from app.domain.verifying.places import Finding


def findings(again: MemberState, stored: MemberState) -> Iterator[Finding]:
    """The state that the replay ends in is the stored one."""
    place = places.of_member(stored.id)
    for unit in sorted(again.accounts.keys() | stored.accounts.keys()):
        yield from _differing(f"{place} account {unit}", again.accounts.get(unit), stored.accounts.get(unit))
    one, two = _by_name(again), _by_name(stored)
    for sequence, position in sorted(one.keys() | two.keys()):
        lot = (sequence, position)
        yield from _differing(f"{place} lot {sequence}.{position}", one.get(lot), two.get(lot))
    if again.usage != stored.usage:
        yield Finding(place, "what it has used of its limits and counts is not what its events lead to")
    given = {tag for tag in stored.tags if tag.sequence != tags.BY_HAND}
    if not given <= set(again.tags):  # a person may have taken one off: that is no event
        yield Finding(place, "has tags that none of its events gave")
    if _by_ladder(again) != _by_ladder(stored):
        yield Finding(place, "its tiers are not those that its events reached")
    if sorted(again.floors) != sorted(stored.floors):
        yield Finding(place, "what it is given of tiers is not what its events gave")
    names = ("enrolled_at", "referral_code", "referrer", "referral", "referral_lapses_at", "recorded_at", "judged_at")
    more = ("quiet_before", "referral_purchase", "referral_rounds", "referral_claimed_at", "referral_review")
    others = ("referral_due_at", "referral_version", "purchases", "bought_at", "tiers_due_at")
    for name in (*names, *more, *others):
        if getattr(again, name) != getattr(stored, name):
            yield Finding(place, f"{name} is not what its events lead to")


def _by_ladder(state: MemberState) -> list[Any]:
    """The tiers in one order: an event may move its member on several ladders."""
    return sorted(state.tiers, key=lambda term: (term.sequence, term.ladder))


def _by_name(state: MemberState) -> dict[tuple[int, int], Any]:
    return {(lot.sequence, lot.position): lot for lot in state.lots}


def _differing(place: str, again: Any, stored: Any) -> Iterable[Finding]:
    if again is None or stored is None:
        return [] if again is stored else [Finding(place, "should not be there" if again is None else "is missing")]
    return [
        Finding(place, f"{name} is {getattr(stored, name)}, and its events lead to {getattr(again, name)}")
        for name in again._fields
        if getattr(again, name) != getattr(stored, name)
    ]
