"""Ends that a late event undoes: of accounts that last so long after the last event that counts (semantics L10)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from app.domain import chain, lots, posting, taking, units
from app.domain.commands import CLOCK
from app.domain.effects import Case
from app.domain.events import Draw, Entry, Posted, Recorded
from app.domain.lots import Place, draw_order
from app.domain.posting import REVIVAL, Draft
from app.domain.rules import Rules, Versions
from app.domain.settling import EXPIRY
from app.domain.state import MemberState, OpenLot
from app.domain.units import Slides

_SINCE_ENGINE = 2


def kinds(versions: Versions) -> tuple[str, ...]:
    """The kinds of events by which it is told what a late event undoes: ends, what undid them, and what counts."""
    return (EXPIRY, REVIVAL, *sorted(versions.sliding))


def concerns(state: MemberState, kind: str, occurred_at: datetime, versions: Versions) -> bool:
    """Whether an event may undo what had been written down: it counts, comes after a later one, and something ended."""
    if kind not in versions.sliding or state.judged_at is None or occurred_at >= state.judged_at:
        return False
    rules = versions.at(occurred_at)
    return any(account.expired and _counts(unit, rules, kind) for unit, account in state.accounts.items())


def revive(state: MemberState, case: Case, settled: Sequence[Posted]) -> tuple[MemberState, tuple[Posted, ...]]:
    """Undoes the ends, each by an event of its own, of points that would be there yet had this event come in time.

    Such an end lies after the event and before the end that follows from it; what counted since, and lies before that,
    moves it on. Where even that has passed there is nothing to give back. `settled` is what has just been written down.
    Needs all open lots, and those that these ends have closed.
    """
    posted: list[Posted] = []
    if case.moment.engine < _SINCE_ENGINE or not (case.beside.since or settled):
        return state, ()
    known = (*case.beside.since, *(one.recorded for one in settled))
    for end in known:
        if end.kind == EXPIRY:
            until = _until(end, known, case)
            if until is not None and until > case.moment.judged_at:
                state, events = _undo(state, end, until, ended(state, end, known), case)
                posted += events
    return state, tuple(posted)


def ended(state: MemberState, end: Recorded, known: Iterable[Recorded]) -> list[tuple[Draw, OpenLot]]:
    """What an end took of each lot, less what has been put back of it since, with the lot as it is now."""
    lot_of = {**state.closed, **{(lot.sequence, lot.position): lot for lot in state.lots}}
    undone = (event for event in known if event.kind == REVIVAL and event.about == end.id)
    back: Counter[tuple[int, int]] = Counter()
    for draw in (draw for event in undone for entry in event.entries for draw in entry.draws if draw.points < 0):
        back[draw.lot_sequence, draw.lot_position] -= draw.points
    (gone,) = end.entries
    left = [draw._replace(points=draw.points - back[draw.lot_sequence, draw.lot_position]) for draw in gone.draws]
    return [(draw, lot_of[draw.lot_sequence, draw.lot_position]) for draw in left if draw.points]


def _until(end: Recorded, known: Sequence[Recorded], case: Case) -> datetime | None:
    """Until when the account would have lasted instead; None where the event changes nothing about this end."""
    (entry,) = end.entries
    until = _lasts(entry.unit, case.rules, kind=case.command.facts.kind, occurred_at=case.occurred_at)
    if until is None or not case.occurred_at < end.effective_at < until:
        return None
    later = (event for event in known if event.sequence > end.sequence)
    for event in sorted(later, key=lambda event: event.occurred_at):
        if event.occurred_at < until:
            rules = case.moment.versions.numbered(event.rules_version)
            longer = _lasts(entry.unit, rules, kind=event.kind, occurred_at=event.occurred_at)
            until = until if longer is None else max(until, longer)
    return until


def _lasts(unit: str, rules: Rules, *, kind: str, occurred_at: datetime) -> datetime | None:
    """Until when an event keeps the account, if it counts."""
    slides = _counts(unit, rules, kind)
    return None if slides is None else units.active_until(slides, occurred_at=occurred_at, zone=rules.zone)


def _counts(unit: str, rules: Rules, kind: str) -> Slides | None:
    """How the account ends, where events of this kind count for it."""
    expiry = rules.units[unit].expiry if unit in rules.units else None
    return expiry if isinstance(expiry, Slides) and kind in expiry.events else None


def _undo(
    state: MemberState, end: Recorded, until: datetime, gone: Sequence[tuple[Draw, OpenLot]], case: Case
) -> tuple[MemberState, tuple[Posted, ...]]:
    """One event that undoes one end, effective when that was; none where only lots with a date of their own ended."""
    back = [(draw, lot) for draw, lot in gone if lot.expires_at is None]
    if not back:
        return state, ()
    place = Place(state.sequence + 1, 0)
    state, entry = _put_back(state, end.entries[0].unit, back, ended_at=end.effective_at, until=until, at=place)
    draft = drafted(end, entry, case, key=f"xrv:{end.id.hex()}")
    draft = draft._replace(context={**draft.context, "active_until": chain.micros(until)})
    state, posted = posting.post(state, draft, case.moment)
    return state, (posted,)


def drafted(end: Recorded, entry: Entry, case: Case, *, key: str) -> Draft:
    """The event about an end that this entry undoes, wholly or in part."""
    return Draft(
        id=case.moment.ids.fresh(),
        source=CLOCK,
        kind=REVIVAL,
        key=key,
        occurred_at=end.effective_at,
        effective_at=end.effective_at,
        rules=case.rules,
        digest=bytes(chain.DIGEST_BYTES),
        facts=b"",
        context={"of": end.id.hex(), "cause": case.command.id.hex()},
        entries=(entry,),
        tells=taking.restored((entry,), end),
        about=end.id,
    )


def _put_back(
    state: MemberState,
    unit: str,
    back: Sequence[tuple[Draw, OpenLot]],
    *,
    ended_at: datetime,
    until: datetime,
    at: Place,
) -> tuple[MemberState, Entry]:
    """The points in their lots again, and the account with its new end; an open deficit is paid from them (L9).

    What waited when it ended waits again, so that its activation is written down.
    """
    opened = [
        lot._replace(remaining=lot.remaining + draw.points, waiting=lot.available_at >= ended_at) for draw, lot in back
    ]
    points = sum(draw.points for draw, _ in back)
    pending = sum(draw.points for draw, lot in back if lot.available_at >= ended_at)
    account = state.accounts[unit]
    ready = sorted((lot for lot in opened if not lot.waiting), key=draw_order)
    state, paid, owed = lots.drain(lots.with_lots(state, opened), ready, account.deficit)
    repaid = account.deficit - owed
    following = lots.sooner(account.next_due_at, until)
    for lot in opened:
        following = lots.sooner(following, lot.available_at if lot.waiting else None)
    after = account._replace(
        balance=account.balance + points,
        active=account.active + points - pending - repaid,
        pending=account.pending + pending,
        deficit=owed,
        expired=account.expired - points,
        active_until=until if account.active_until is None else max(account.active_until, until),
        next_due_at=following,
    )
    draws = tuple(Draw(draw.lot_sequence, draw.lot_position, -draw.points) for draw, _ in back)
    entry = Entry(at.position, unit, points, after.balance, draws=(*draws, *paid))
    return lots.with_account(state, after), entry
