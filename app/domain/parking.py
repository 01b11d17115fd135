"""Events that wait for the event they name, and events that were turned away (semantics E3, E4)."""

from datetime import datetime, timedelta
from typing import NamedTuple

from app.domain import encoding
from app.domain.commands import (
    Cancellation,
    Command,
    Fulfilment,
    Identity,
    Mode,
    Named,
    PurchaseChange,
    Reference,
    Return,
)
from app.domain.refusals import Refusal, UnknownEvent

WAITING = Return | Cancellation | Fulfilment | PurchaseChange
"""What may arrive before the event that it names."""


REFUSED_KEPT_FOR = timedelta(days=90)
"""So long what was turned away can be read (semantics E3)."""


class Parked(NamedTuple):
    """An event outside the chain: it is posted right after the event it awaits, or lapses (semantics E4)."""

    event_id: bytes
    member_id: bytes
    source: str
    kind: str
    key: str
    awaits: Named
    digest: bytes
    occurred_at: datetime
    parked_at: datetime
    lapses_at: datetime
    facts: bytes
    particulars: bytes
    mode: Mode


class TurnedAway(NamedTuple):
    """A command that was refused, as it was sent; `identity` is the digest of who it was about (semantics E3).

    `enrols` is the identity itself where the command would have enrolled somebody by it (M1): personal, so it is kept
    for no other, and no longer than the command.
    """

    refused_id: bytes
    source: str
    kind: str
    key: str
    member_id: bytes | None
    identity: bytes | None
    enrols: Identity | None
    occurred_at: datetime
    time_said: bool
    not_after: datetime | None
    refused_at: datetime
    refusal: Refusal
    facts: bytes
    particulars: bytes
    mode: Mode


def may_wait(command: Command, refusal: Refusal) -> bool:
    """Whether a refused command waits for the event it names; ours by id can never come."""
    if not isinstance(refusal, UnknownEvent) or not isinstance(command.facts, WAITING):
        return False
    return command.facts.of.event_id is None


def park(command: Command, *, member_id: bytes, digest: bytes, facts: bytes, now: datetime, limit: timedelta) -> Parked:
    """The command as it waits, at most so long."""
    assert isinstance(command.facts, WAITING)
    return Parked(
        event_id=command.id,
        member_id=member_id,
        source=command.source,
        kind=command.facts.kind,
        key=command.key,
        awaits=command.facts.of,
        digest=digest,
        occurred_at=command.occurred_at,
        parked_at=now,
        lapses_at=now + limit,
        facts=facts,
        particulars=command.particulars,
        mode=command.mode,
    )


def resumed(parked: Parked) -> Command:
    """The command that waited; its times were judged when it came."""
    return Command(
        id=parked.event_id,
        source=parked.source,
        key=parked.key,
        member=Reference(member_id=parked.member_id),
        occurred_at=parked.occurred_at,
        facts=encoding.decode_facts(parked.kind, parked.facts),
        particulars=parked.particulars,
        mode=parked.mode,
        in_time=True,
    )
