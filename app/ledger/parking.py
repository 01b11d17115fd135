"""What is parked in a batch, released by what it waited for, or lapses; under the member's lock (semantics E4)."""

from collections.abc import Callable
from datetime import datetime

from app.db.loading import EventKey
from app.domain import messages, parking, typeid
from app.domain.commands import Command, Enrolment, Mode
from app.domain.events import Message, Recorded
from app.domain.parking import Parked, TurnedAway
from app.domain.refusals import IdentityTaken, OtherMembersEvent, Refusal, UnknownEvent
from app.domain.state import MemberState
from app.ledger import outcomes
from app.ledger.outcomes import Outcome
from app.ledger.working import Fold, Notice

Judge = Callable[[Command, Fold], Outcome]


def key_of(command: Command) -> EventKey:
    """The command's natural key."""
    return (command.source, command.facts.kind, command.key)


def park(command: Command, state: MemberState, batch: Fold, *, digest: bytes, facts: bytes) -> Outcome:
    """Lets a command wait for the event that it names."""
    now = max(batch.clock, state.recorded_at or batch.clock)
    limit = batch.versions.at(now).late
    parked = parking.park(command, member_id=state.id, digest=digest, facts=facts, now=now, limit=limit)
    batch.waiting[key_of(command)] = parked
    batch.parked.append(parked)
    batch.states[state.id] = state._replace(parked=state.parked + 1)
    _tell(messages.PARKED, parked, now, batch, {"awaits": _awaits(parked)})
    return outcomes.Parked(parked)


def release(own: Recorded, batch: Fold, judge: Judge) -> None:
    """Posts what waited for an event, right after it, or turns it away."""
    key = (own.source, own.kind, own.key)
    ready = [one for one in batch.waiting.values() if one.member_id == own.member_id and _key(one) == key]
    for parked in sorted(ready, key=lambda one: (one.occurred_at, one.parked_at, one.event_id)):
        _drop(parked, batch)
        outcome = judge(parking.resumed(parked), batch)
        said = {"outcome": "refused", "code": outcome.refusal.code} if isinstance(outcome, outcomes.Refused) else {}
        _tell(messages.UNPARKED, parked, batch.clock, batch, {"outcome": "recorded", **said})


def lapse(state: MemberState, batch: Fold, *, now: datetime) -> int:
    """Ends what has waited too long: it is turned away, and its id is free again. How many there were."""
    over = [one for one in batch.waiting.values() if one.member_id == state.id and one.lapses_at <= now]
    for parked in over:
        _drop(parked, batch)
        turn_away(parking.resumed(parked), UnknownEvent(), batch, member_id=state.id, facts=parked.facts)
        _tell(messages.LAPSED, parked, parked.lapses_at, batch, {"awaits": _awaits(parked)})
    return len(over)


def give_up(state: MemberState, batch: Fold) -> int:
    """Turns away what waited for an event that came for somebody else. How many there were, as far as the batch knows.

    That event was recorded under the other member's lock, so what waits here is looked at when this member is.
    """
    mine = [one for one in batch.waiting.values() if one.member_id == state.id]
    vain = [one for one in mine if (found := batch.recorded.get(_key(one))) and found.member_id != state.id]
    for parked in vain:
        _drop(parked, batch)
        refusal = OtherMembersEvent()
        turn_away(parking.resumed(parked), refusal, batch, member_id=state.id, facts=parked.facts)
        _tell(messages.UNPARKED, parked, batch.clock, batch, {"outcome": "refused", "code": refusal.code})
    return len(vain)


def turn_away(command: Command, refusal: Refusal, batch: Fold, *, member_id: bytes | None, facts: bytes) -> None:
    """Keeps a refused command for the list of those (semantics E3).

    A card that belongs to somebody is no event turned away, and what is said of a person who did not join is not kept.
    """
    if isinstance(refusal, IdentityTaken):
        return
    identity = command.member.identity
    batch.refused.append(
        TurnedAway(
            refused_id=batch.ids.fresh(),
            source=command.source,
            kind=command.facts.kind,
            key=command.key,
            member_id=member_id,
            identity=identity.digest if identity is not None else None,
            enrols=identity if member_id is None and command.member.enrol else None,
            occurred_at=command.occurred_at,
            time_said=command.time_said,
            not_after=command.not_after,
            refused_at=batch.clock,
            refusal=refusal,
            facts=facts,
            particulars=b"" if isinstance(command.facts, Enrolment) else command.particulars,
            mode=command.mode,
        )
    )


def _drop(parked: Parked, batch: Fold) -> None:
    del batch.waiting[parked.source, parked.kind, parked.key]
    if parked in batch.parked:
        batch.parked.remove(parked)
    else:
        batch.unparked.append(parked)
    state = batch.state(parked.member_id)
    assert state is not None
    batch.states[state.id] = state._replace(parked=state.parked - 1)


def _key(parked: Parked) -> EventKey:
    return (parked.awaits.source, parked.awaits.kind, parked.awaits.key)


def _awaits(parked: Parked) -> dict[str, str]:
    return {"source": parked.awaits.source, "kind": parked.awaits.kind, "id": parked.awaits.key}


def _tell(type: str, parked: Parked, now: datetime, batch: Fold, extra: dict[str, object]) -> None:
    """A message about something outside the chain, with the member's next message number (webhooks W3)."""
    state = batch.state(parked.member_id)
    assert state is not None
    if parked.mode is Mode.HISTORY:
        return
    number = state.messages + 1
    batch.states[state.id] = state._replace(messages=number)
    data = {
        "member": typeid.encode(typeid.MEMBER, state.id),
        "sequence": number,
        "event": typeid.encode(typeid.EVENT, parked.event_id),
        "source": parked.source,
        "kind": parked.kind,
        "id": parked.key,
        "occurred_at": messages.time_text(parked.occurred_at),
        **extra,
    }
    body = messages.notice(type, now=now, data=data)
    batch.notices.append(Notice(state.id, Message(batch.ids.fresh(), number, type, body), parked.source))
