"""Points passed on from one member to another, and taken back while they are all there (semantics L13, E6)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain import calendar, chain, encoding, lots, messages, restoring, typeid
from app.domain.commands import (
    CLOCK,
    Cancellation,
    Command,
    Named,
    PassedLot,
    Reference,
    Transfer,
    TransferIn,
    TransferReversal,
)
from app.domain.dating import Dates
from app.domain.effects import Case, Effect
from app.domain.events import Draw, Earlier, Recorded
from app.domain.lots import Place
from app.domain.refusals import (
    InsufficientPoints,
    NothingLeft,
    OwnTransfer,
    RecentlyReceived,
    Refused,
    TransferLimit,
    TransfersOff,
    TransferSpent,
    UnknownEvent,
    UnknownUnit,
)
from app.domain.rules import FORGIVEN, TransferTerms
from app.domain.state import MemberState, OpenLot
from app.domain.units import Unit

RESTS = timedelta(hours=24)
"""How long points that were received are not passed on."""

LOOKS_BACK = timedelta(hours=26)
"""How far back a transfer reads what its giver gave and received: over any day, and what still rests."""

RECENT = (Transfer.kind, TransferIn.kind)
"""The kinds of what is read so."""

GIVEN, RECEIVED = "given", "received"
"""The side of a message about a transfer."""


def received_as(transfer: bytes) -> Named:
    """The receiver's event of the transfer that this event is."""
    return Named(None, CLOCK, TransferIn.kind, f"tin:{transfer.hex()}")


def to_member(command: Command, member_id: bytes) -> Command:
    """The transfer with its receiver by our id, whatever they were named by (semantics E1)."""
    assert isinstance(command.facts, Transfer)
    return command._replace(facts=replace(command.facts, to=Reference(member_id)))


def receiver(transfer: Recorded) -> bytes:
    """Whom a recorded transfer went to."""
    facts = encoding.decode_facts(Transfer.kind, chain.decode_content(transfer.content).facts)
    assert isinstance(facts, Transfer)
    assert facts.to.member_id is not None
    return facts.to.member_id


def given_by(received: Recorded) -> tuple[bytes, bytes]:
    """Who gave what a member received, and the event by which."""
    facts = encoding.decode_facts(TransferIn.kind, chain.decode_content(received.content).facts)
    assert isinstance(facts, TransferIn)
    return facts.giver, facts.transfer


def cancelled(command: Command) -> Named | None:
    """The transfer that a command takes back, if that is what it does."""
    facts = command.facts
    return facts.of if isinstance(facts, Cancellation) and facts.of.kind == Transfer.kind else None


def give(state: MemberState, facts: Transfer, case: Case) -> Effect:
    """The giver's side: draws in draw order, but nothing that was itself received in the last 24 hours."""
    if facts.to.member_id == state.id:
        raise Refused(OwnTransfer())
    terms = _terms(case)
    unit = _unit(facts.unit, terms, case)
    _check_limit(unit, facts.points, terms, case)
    resting = {event.sequence for event in case.beside.recent if _rests(event, now=case.moment.recorded_at)}
    _check_enough(state, unit, facts.points, resting, now=case.moment.judged_at)
    place, before = Place(state.sequence + 1, 0), state.lots
    order = lots.active((lot for lot in before if lot.sequence not in resting), unit.code, now=case.moment.judged_at)
    state, entry = lots.redeem(state, unit, facts.points, order=order, at=place)
    assert facts.to.member_id is not None
    key = received_as(case.command.id).key
    said = {"points": {unit.code: facts.points}, "side": GIVEN, "other": _member(facts.to.member_id)}
    passed = _passed(before, entry.draws, occurred_at=min(case.occurred_at, case.moment.judged_at))
    return Effect(
        state,
        (entry,),
        (("", unit.code, "given", str(facts.points)),),
        {"to": facts.to.member_id.hex(), "received": key},
        ((messages.TRANSFERRED, said),),
        elsewhere=(key, TransferIn(state.id, case.command.id, unit.code, passed)),
    )


def receive(state: MemberState, facts: TransferIn, case: Case) -> Effect:
    """The receiver's side: a lot for each date on which points that were passed on end; an open deficit is paid (L9).

    No tier can stand on what is received: ladders stand on units that cannot be spent, and those are not passed on.
    """
    unit, at = case.rules.units[facts.unit], case.occurred_at
    credits = [(unit, lot.points, Dates(at, lot.available_at, lot.expires_at)) for lot in facts.lots]
    state, entries = lots.credit_state(state, credits, now=case.moment.judged_at)
    points = sum(lot.points for lot in facts.lots)
    said = {"points": {unit.code: points}, "side": RECEIVED, "other": _member(facts.giver)}
    steps = (("", unit.code, "received", str(points)),)
    return Effect(state, entries, steps, {"transfer": facts.transfer.hex()}, ((messages.TRANSFERRED, said),))


def give_back(state: MemberState, earlier: Earlier, case: Case) -> Effect:
    """The giver's side of a cancellation: all of it, into the lots it came from (semantics E6, L8)."""
    if earlier.followers:
        raise Refused(NothingLeft())
    transfer = earlier.event
    (given,) = transfer.entries
    place = Place(state.sequence + 1, 0)
    state, entries = restoring.restore(state, given.unit, given.draws, -given.points, case, skip=0, at=place)
    said = {"points": {given.unit: -given.points}, "of": _event(transfer)}
    return Effect(
        state,
        entries,
        context={"of": transfer.id.hex()},
        tells=((messages.RESTORED, said),),
        about=transfer.id,
        elsewhere=(f"trv:{case.command.id.hex()}", TransferReversal(received_as(transfer.id))),
    )


def take_back(state: MemberState, facts: TransferReversal, case: Case) -> Effect:
    """The receiver's side of a cancellation: from the lots that came by it, while they are whole (semantics E6)."""
    (earlier,) = case.beside.named
    if earlier is None:
        raise Refused(UnknownEvent())
    event = earlier.event
    code, points = event.entries[0].unit, sum(entry.points for entry in event.entries)
    mine = [lot for lot in state.lots if lot.sequence == event.sequence]
    left = sum(lot.remaining - lot.reserved for lot in mine)
    if left < points:
        raise Refused(TransferSpent(code, given=points, left=left))
    unit = case.moment.versions.numbered(event.rules_version).units[code]
    place, now = Place(state.sequence + 1, 0), case.moment.judged_at
    state, entry = lots.take(state, unit, points, own={event.sequence}, shortage=FORGIVEN, at=place, now=now)
    assert entry is not None
    said = {"points": {code: points}, "of": _event(event)}
    tells = ((messages.REVERSED, said),)
    return Effect(state, (entry,), context={"of": event.id.hex()}, tells=tells, about=event.id)


def _terms(case: Case) -> TransferTerms:
    if case.rules.transfers is None:
        raise Refused(TransfersOff(()))
    return case.rules.transfers


def _unit(named: str | None, terms: TransferTerms, case: Case) -> Unit:
    """The unit that is named, or the only one that may be passed on."""
    code = named if named is not None else terms.units[0] if len(terms.units) == 1 else None
    if code is None or code not in case.rules.units:
        raise Refused(UnknownUnit(terms.units))
    if code not in terms.units:
        raise Refused(TransfersOff(terms.units))
    return case.rules.units[code]


def _check_limit(unit: Unit, points: int, terms: TransferTerms, case: Case) -> None:
    """What was given counts on the day of its recording, also where it was taken back since."""
    limit, zone = terms.daily_limit.get(unit.code), case.rules.zone
    if limit is None:
        return
    today = calendar.local_day(case.moment.recorded_at, zone)
    given_lately = (event for event in case.beside.recent if event.kind == Transfer.kind)
    days = [event for event in given_lately if calendar.local_day(event.recorded_at, zone) == today]
    given = -sum(entry.points for event in days for entry in event.entries if entry.unit == unit.code)
    if given + points > limit:
        raise Refused(TransferLimit(unit.code, limit, max(0, limit - given)))


def _rests(event: Recorded, *, now: datetime) -> bool:
    return event.kind == TransferIn.kind and now < event.recorded_at + RESTS


def _check_enough(state: MemberState, unit: Unit, points: int, resting: set[int], *, now: datetime) -> None:
    account = state.accounts.get(unit.code)
    available = account.available if account is not None else 0
    if points > available:
        raise Refused(InsufficientPoints(unit.code, asked=points, available=available))
    mine = [lot for lot in state.lots if lot.unit == unit.code and lots.is_active(lot, now=now)]
    free = sum(lot.remaining - lot.reserved for lot in mine if lot.sequence not in resting)
    if points > free:
        raise Refused(RecentlyReceived(unit.code, asked=points, free=free))


def _passed(before: Sequence[OpenLot], draws: Sequence[Draw], *, occurred_at: datetime) -> tuple[PassedLot, ...]:
    """What was drawn, put together by the date on which it ends; nothing counts before it did with its giver."""
    by_name = {(lot.sequence, lot.position): lot for lot in before}
    groups: dict[datetime | None, PassedLot] = {}
    for draw in draws:
        lot = by_name[draw.lot_sequence, draw.lot_position]
        group = groups.get(lot.expires_at, PassedLot(0, occurred_at, lot.expires_at))
        since = max(group.available_at, lot.available_at)
        groups[lot.expires_at] = PassedLot(group.points + draw.points, since, lot.expires_at)
    return tuple(groups.values())


def _member(id: bytes) -> str:
    return typeid.encode(typeid.MEMBER, id)


def _event(event: Recorded) -> str:
    return typeid.encode(typeid.EVENT, event.id)
