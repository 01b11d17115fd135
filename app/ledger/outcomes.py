"""What became of a command."""

from dataclasses import dataclass

from app.domain import parking
from app.domain.events import Recorded
from app.domain.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Created:
    """Recorded now, with what followed on it in the same commit."""

    event: Recorded
    followed: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """Recorded before with the same content; nothing was written (semantics E1)."""

    event: Recorded
    followed: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True)
class Parked:
    """It waits for the event that it names (semantics E4)."""

    waiting: parking.Parked


@dataclass(frozen=True, slots=True)
class Refused:
    """Against a rule; nothing was written."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Settled:
    """What was due to the member has been written down: that many events."""

    events: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Not applied, through no fault of the command's; the same may succeed later."""


@dataclass(frozen=True, slots=True)
class Contended:
    """Not applied: each time it was tried, somebody else had just written what it was to write."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The database went away in the middle: applied or not, nobody can say yet. Send the same id again."""


Outcome = Created | Replayed | Parked | Refused | Settled | Failed | Contended | Unknown


class Full(Exception):
    """Too many commands wait already; the request was not admitted."""


class Closed(Exception):
    """The service is shutting down; the request was not admitted."""
