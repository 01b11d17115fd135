"""Ends undone in part: the member had spent the points before, at a till without a network (semantics L6)."""

from collections.abc import Sequence

from app.domain import lots, posting, redemption, reviving
from app.domain.commands import Command, Redemption
from app.domain.effects import Case
from app.domain.events import Draw, Entry, Posted
from app.domain.rules import Versions
from app.domain.settling import EXPIRY
from app.domain.state import MemberState, OpenLot


def is_offline(command: Command) -> bool:
    """Whether it tells of points that a till gave goods for without a network."""
    return isinstance(command.facts, Redemption) and command.facts.offline


def looks_back(state: MemberState, command: Command, versions: Versions) -> bool:
    """Whether a command may undo ends that had been written down, as here or as `reviving` does (semantics L10)."""
    return _concerns(state, command) or reviving.concerns(state, command.facts.kind, command.occurred_at, versions)


def _concerns(state: MemberState, command: Command) -> bool:
    late = state.judged_at is not None and command.occurred_at < state.judged_at
    return late and is_offline(command) and any(account.expired for account in state.accounts.values())


def reopen(state: MemberState, case: Case, settled: Sequence[Posted]) -> tuple[MemberState, tuple[Posted, ...]]:
    """Puts back what a redemption made offline draws of lots that were active then and have ended since.

    An event for each such end, the earliest first: so the lots are drawn in the order of L5, as if it had come in time.
    `settled` is what has just been written down. Needs all open lots, and those that these ends have closed.
    """
    facts, posted = case.command.facts, list[Posted]()
    if not isinstance(facts, Redemption) or not facts.offline or case.moment.engine < redemption.AS_OF_THEN:
        return state, ()
    unit, then = redemption.spendable(facts.unit, case.rules), redemption.spent_at(case)
    known, missing = (*case.beside.since, *(one.recorded for one in settled)), facts.points
    ends = [e for e in known if e.kind == EXPIRY and e.effective_at > then and e.entries[0].unit == unit.code]
    for end in sorted(ends, key=lambda event: (event.effective_at, event.sequence)):
        gone = [(d, lot) for d, lot in reviving.ended(state, end, known) if redemption.was_active(lot, then=then)]
        back, missing = _first(gone, missing)
        if back:
            state, entry = _put_back(state, unit.code, back)
            draft = reviving.drafted(end, entry, case, key=f"xrv:{end.id.hex()}:{case.command.id.hex()}")
            state, event = posting.post(state, draft, case.moment)
            posted.append(event)
    return state, tuple(posted)


def _first(gone: Sequence[tuple[Draw, OpenLot]], most: int) -> tuple[list[tuple[Draw, OpenLot]], int]:
    """So much of what ended, in the order in which it did; with what is still missing."""
    back = []
    for draw, lot in gone:
        points = min(draw.points, most)
        if points:
            back.append((draw._replace(points=points), lot))
            most -= points
    return back, most


def _put_back(state: MemberState, unit: str, back: Sequence[tuple[Draw, OpenLot]]) -> tuple[MemberState, Entry]:
    """The points in their lots again, with the old ends: the redemption that follows takes them all, and pays nothing.

    So an open deficit stays: these points were spent before anything could be paid from them.
    """
    points, account = sum(draw.points for draw, _ in back), state.accounts[unit]
    opened = [lot._replace(remaining=lot.remaining + draw.points, waiting=False) for draw, lot in back]
    following = account.next_due_at
    for lot in opened:
        following = lots.sooner(following, lot.expires_at)
    after = account._replace(
        balance=account.balance + points,
        active=account.active + points,
        expired=account.expired - points,
        next_due_at=following,
    )
    draws = tuple(Draw(draw.lot_sequence, draw.lot_position, -draw.points) for draw, _ in back)
    entry = Entry(0, unit, points, after.balance, draws=draws)
    return lots.with_account(lots.with_lots(state, opened), after), entry
