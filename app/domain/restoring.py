"""Points spent that come back: of a redemption undone, and of a purchase whose goods come back (semantics L8, R4)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from app.domain import chain, dating, lots, units
from app.domain.effects import Case
from app.domain.events import OWED, Draw, Earlier, Entry
from app.domain.exact import Exact
from app.domain.lots import Place, draw_order
from app.domain.rules import Rules
from app.domain.state import MemberState, OpenLot

_OWED_SINCE = 3
"""The engine since which entries say what they undo of what was owed."""

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
    state, entries = restore(
        state, spent.unit, spent.draws, points - owed, case, skip=max(0, skip - never_drawn), debt=debt, at=place
    )
    if owed == debt:
        return state, entries
    unit, now = rules.units[spent.unit], case.moment.judged_at
    dates = dating.dates(
        unit, occurred_at=earlier.event.occurred_at, now=now, zone=rules.zone, joined=state.enrolled_at
    )
    dates = dates._replace(available_at=min(dates.available_at, now))  # they were spent, so they had waited
    if dates.expires_at is not None and dates.expires_at <= now:
        dates = dates._replace(expires_at=_grace(spent.unit, case) or dates.expires_at)
    state, credited = lots.credit_state(state, [(unit, owed - debt, dates)], now=now, first=first + len(entries))
    if case.moment.engine >= _OWED_SINCE:
        state, credited = _unspent(state, credited)
    return state, (*entries, *credited)


def _unspent(state: MemberState, credited: tuple[Entry, ...]) -> tuple[MemberState, tuple[Entry, ...]]:
    """The credit of what was owed and has been paid since: by it so much less was spent, and nothing earned."""
    (entry,) = credited
    account = state.accounts[entry.unit]
    account = account._replace(earned=account.earned - entry.points, redeemed=account.redeemed - entry.points)
    entry = entry._replace(draws=(*entry.draws, Draw(*OWED, -entry.points)))
    return lots.with_account(state, account), (entry,)


def restore(
    state: MemberState,
    unit: str,
    spent: Iterable[Draw],
    points: int,
    case: Case,
    *,
    skip: int,
    at: Place,
    debt: int = 0,
) -> tuple[MemberState, tuple[Entry, ...]]:
    """Puts spent points back where they were drawn, last draw first, past the first `skip` points (semantics L8).

    An open deficit is paid from them first (L9). What has ended meanwhile is there to expire again at once, or where
    the program grants days of grace, in an entry of its own that says until when it lives on. Besides them, so much of
    a `debt` that was made then is forgiven, which no lot was drawn for.
    """
    now, until = case.moment.judged_at, _grace(unit, case)
    back = _put_back(state, unit, spent, points, skip=skip)
    over = [lot for lot in back if until is not None and lots.ended(lot.now, now=now)]
    owed = (Draw(*OWED, -debt),) if debt and case.moment.engine >= _OWED_SINCE else ()
    state, first = _posted(state, unit, [lot for lot in back if lot not in over], at=at, debt=debt, owed=owed)
    at = at._replace(position=at.position + len(first))
    state, second = _posted(state, unit, over, at=at, until=until)
    return state, (*first, *second)


class _Put(NamedTuple):
    """Points on their way back into a lot, and the lot with them in it."""

    points: int
    now: OpenLot


def _put_back(state: MemberState, unit: str, spent: Iterable[Draw], points: int, *, skip: int) -> list[_Put]:
    known = {**state.closed, **{(lot.sequence, lot.position): lot for lot in state.lots}}
    back: list[_Put] = []
    missing = points
    for draw in reversed(tuple(spent)):
        passed = min(skip, draw.points)
        skip -= passed
        put = min(draw.points - passed, missing)
        if put:
            missing -= put
            lot = known[draw.lot_sequence, draw.lot_position]
            back.append(_Put(put, lot._replace(remaining=lot.remaining + put)))
    if missing:
        raise ValueError(f"{missing} of {points} {unit} were not drawn")
    return back


def _posted(
    state: MemberState,
    unit: str,
    back: Sequence[_Put],
    *,
    at: Place,
    debt: int = 0,
    owed: tuple[Draw, ...] = (),
    until: datetime | None = None,
) -> tuple[MemberState, tuple[Entry, ...]]:
    """The entry about points that are back, in lots that end `until` then from now on; none where nothing is back."""
    points = sum(lot.points for lot in back)
    if not points + debt:
        return state, ()
    opened = [lot.now if until is None else lot.now._replace(expires_at=until) for lot in back]
    draws = tuple(Draw(lot.now.sequence, lot.now.position, -lot.points) for lot in back)
    account = state.accounts[unit]
    account = account._replace(deficit=account.deficit - debt)
    state = lots.with_lots(state, opened)
    paid: tuple[Draw, ...] = ()
    if account.deficit:
        state, paid, _ = lots.drain(state, sorted(opened, key=draw_order), account.deficit)
    repaid = sum(draw.points for draw in paid)
    following = account.next_due_at
    for lot in opened:
        following = lots.sooner(following, lot.expires_at)
    after = account._replace(
        balance=account.balance + points + debt,
        active=account.active + points - repaid,
        deficit=account.deficit - repaid,
        redeemed=account.redeemed - points - debt,
        next_due_at=following,
    )
    entry = Entry(at.position, unit, points + debt, after.balance, expires_at=until, draws=(*owed, *draws, *paid))
    return lots.with_account(state, after), (entry,)


def _grace(unit: str, case: Case) -> datetime | None:
    """Until when points live on that are put back into a lot that has ended, by the rules in force (semantics E3)."""
    known = case.rules.units.get(unit)
    return None if known is None else units.grace_until(known, now=case.moment.judged_at, zone=case.rules.zone)


def of_goods(state: MemberState, earlier: Earlier, share: Exact, rules: Rules, case: Case) -> tuple[MemberState, Back]:
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
