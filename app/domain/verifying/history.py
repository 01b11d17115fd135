"""All that is stored of a member, as a proof reads it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.events import Recorded
from app.domain.state import MemberState
from app.domain.verifying.places import Finding


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it lies in the outbox."""

    number: int
    type: str
    body: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event's rows: its own, and those that belong to it. `particulars` is (salt, body) where there are any."""

    recorded: Recorded
    particulars: tuple[bytes, bytes] | None = None
    messages: tuple[StoredMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """All that is stored of a member: the state with accounts, all open lots and tiers, and the events in order."""

    program_id: bytes
    state: MemberState
    events: Sequence[StoredEvent] = field(default=())
    notices: tuple[StoredMessage, ...] = ()
    """The messages that no event brought."""
    messages_from: datetime | None = None
    """Messages from before may have been removed; None where all must be there."""
    torn: tuple[Finding, ...] = ()
    """What could not be read, and so is not among the rest."""

    def may_lack(self, stored: StoredEvent) -> bool:
        """Whether messages of an event may have been removed."""
        return self.messages_from is not None and stored.recorded.recorded_at < self.messages_from
