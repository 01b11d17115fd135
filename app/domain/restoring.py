"""Points spent that come back: of a redemption undone, and of a purchase whose goods come back (semantics L8, R4)."""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from app.domain import chain, lots
from app.domain.effects import Case
from app.domain.events import Earlier, Entry
from app.domain.lots import Place
from app.domain.rules import Rules
from app.domain.state import MemberState

SO_FAR = "spent_back"
"""Where an event's context tells how much of what was spent on a purchase has come back, by the entry's position."""


class Back(NamedTuple):
    """What came back of the points spent on a purchase, and how much of each entry has in all."""

    entries: tuple[Entry, ...] = ()
    so_far: Mapping[str, int] = {}


def give_back(
    state: MemberState,
    spent: Entry,
    points: int,
    rules: Rules,
    case: Case,
    *,
    skip: int,
    earlier: Earlier,
    first: int = 0,
) -> tuple[MemberState, tuple[Entry, ...]]:
    """Puts points that were spent back, past the first `skip` of them; last draw first, before them what was owed.

    What was owed then and has been paid meanwhile comes back as points earned when they were spent.
    """
    never_drawn = -spent.points - sum(draw.points for draw in spent.draws)
    owed = max(0, min(points, never_drawn - skip))
    debt = min(owed, state.accounts[spent.unit].deficit)
    place = Place(state.sequence + 1, first)
    state, entry = lots.restore(
        state, spent.unit, spent.draws, points - owed, skip=max(0, skip - never_drawn), debt=debt, at=place
    )
    entries = (entry,) if entry.points else ()
    if owed == debt:
        return state, entries
    unit, now = rules.units[spent.unit], case.moment.judged_at
    dates = lots.dates(unit, occurred_at=earlier.event.occurred_at, now=now, zone=rules.zone, joined=state.enrolled_at)
    dates = dates._replace(available_at=min(dates.available_at, now))  # they were spent, so they had waited
    state, credited = lots.credit_state(state, [(unit, owed - debt, dates)], now=now, first=first + len(entries))
    return state, (*entries, *credited)


def of_goods(
    state: MemberState, earlier: Earlier, share: Fraction, rules: Rules, case: Case
) -> tuple[MemberState, Back]:
    """Gives back what holds paid of a purchase of whose goods this share has come back, rounded down in all (R4)."""
    so_far: dict[str, int] = {}
    for follower in earlier.followers:
        so_far |= chain.context_of(follower.content).get(SO_FAR, {})
    entries: tuple[Entry, ...] = ()
    if not rules.points_back:
        return state, Back(entries, so_far)
    for spent in earlier.event.entries:
        if spent.points < 0:
            before = so_far.get(str(spent.position), 0)
            points = int(-spent.points * share) - before
            if points > 0:
                state, back = give_back(
                    state, spent, points, rules, case, skip=before, earlier=earlier, first=len(entries)
                )
                entries = (*entries, *back)
                so_far[str(spent.position)] = before + points
    return state, Back(entries, so_far)
