"""What a batch's work names before anything is known of it: members, identities and events (architecture §3.3a)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.db.loading import EventKey
from app.domain import commands as commanding
from app.domain import transfers
from app.domain.commands import Command, Enrolment, Named, Opening, Reference, ReferralClaim, Transfer
from app.domain.events import Recorded
from app.ledger.folding import Settle, Work


class Mentions(NamedTuple):
    """Whom and what a batch names."""

    commands: Sequence[Command]
    members: set[bytes]
    """Who is to be locked, by our ids."""
    digests: set[bytes]
    """Who is to be locked, by an identity or by a friend's code."""
    joining: set[bytes]
    """The digests that are only looked up, because somebody joins with them."""
    receivers: Sequence[Reference]
    """Who is to get points of another member's."""
    returning: set[bytes]
    """Who is to give such points back."""
    events: Sequence[Named]
    """The earlier events, by id or key."""
    keys: set[EventKey]
    """The keys under which something may be recorded or parked: the commands' own, and those of earlier events."""


def of(work: Sequence[Work], *, undone: Sequence[Recorded]) -> Mentions:
    """What this work names, the transfers that it takes back being known."""
    commands = [item for item in work if isinstance(item, Command)]
    receivers = [command.facts.to for command in commands if isinstance(command.facts, Transfer)]
    returning = {transfers.receiver(transfer) for transfer in undone}
    addressed = [*(command.member for command in commands), *receivers]
    members = {one.member_id for one in addressed if one.member_id is not None}
    members |= {item.member_id for item in work if isinstance(item, Settle)} | returning
    digests = {one.identity.digest for one in addressed if one.identity is not None}
    digests |= {c.facts.code.digest for c in commands if isinstance(c.facts, ReferralClaim)}  # the friend is locked too
    events = [named for command in commands for named in commanding.names(command)]
    received = [transfers.received_as(transfer.id) for transfer in undone]
    keys = {(command.source, command.facts.kind, command.key) for command in commands}
    keys |= {(named.source, named.kind, named.key) for named in (*events, *received) if named.event_id is None}
    return Mentions(commands, members, digests, _joining(commands), receivers, returning, events, keys)


def cancelled(work: Iterable[Work]) -> list[Named]:
    """The names of the transfers that are to be taken back."""
    named = (transfers.cancelled(item) for item in work if isinstance(item, Command))
    return [transfer for transfer in named if transfer is not None]


def _joining(commands: Iterable[Command]) -> set[bytes]:
    """Of the identities that enrolments name, and of a friend's code; of openings, of a code."""
    digests: set[bytes] = set()
    for command in commands:
        if isinstance(command.facts, Enrolment):
            digests.update(identity.digest for identity in command.facts.identities)
        if isinstance(command.facts, Enrolment | Opening) and command.facts.referral_code is not None:
            digests.add(command.facts.referral_code.digest)
    return digests
