"""What a decision starts from, and what a kind of event does to the state: between the engine and its kinds."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from app.domain.commands import Command, TransferIn, TransferReversal
from app.domain.events import Earlier, Entry, Recorded
from app.domain.posting import Moment, Tell
from app.domain.rules import Rules
from app.domain.seeing import Seen
from app.domain.state import Account, MemberState, Scheduled
from app.domain.steps import Step
from app.domain.tiers import Moved

Identities = Mapping[bytes, bytes]
"""Who an identity's digest belongs to, as far as the batch looked them up."""


class Friends(NamedTuple):
    """What is known of a referee and of who brought them, beyond the referee's own state (semantics F1, F4).

    `reasons` say why somebody should look at their referral; `refers` that the member has brought others.
    """

    reasons: tuple[str, ...] = ()
    refers: bool = False


NOBODY = Friends()
"""Nothing is known, or asked."""


class Beside(NamedTuple):
    """What a decision reads beside the member's own state: as far as the command asks for it.

    `named` are the events that it names, in the order of `commands.names`, None where there is no such event; of an
    opening what stands in its way.
    """

    named: tuple[Earlier | None, ...] = ()
    other: "Other | None" = None
    milestones: tuple[Recorded, ...] = ()
    """The member's last milestones, and those taken back, where the command may undo some (semantics A9)."""
    recent: tuple[Recorded, ...] = ()
    """Of a transfer what its giver gave and received lately, in order (semantics L13)."""
    seen: Seen | None = None
    """What rules saw the first time, where it is decided again; what they look at may have changed since (M5)."""
    since: tuple[Recorded, ...] = ()
    """What was recorded of the member since it occurred, in order, of the kinds of `reviving` (semantics L10)."""
    friends: Friends = NOBODY


NOTHING_BESIDE = Beside()


class Case(NamedTuple):
    """A caller's command with everything it is judged by. `facts` and `digest` are the command's as `chain` makes them.

    `occurred_at` is when it counts as having occurred, `rules` the version in force then (semantics E3).
    """

    command: Command
    moment: Moment
    occurred_at: datetime
    rules: Rules
    facts: bytes
    digest: bytes
    identities: Identities
    beside: Beside = NOTHING_BESIDE


class Other(NamedTuple):
    """The second member whom a command moves, locked like the first; `received` is what came by a transfer (L13)."""

    state: MemberState
    received: Recorded | None = None


class Effect(NamedTuple):
    """What a kind of event does to the state: entries in order, why, and whom to tell.

    `about` is the earlier event that it undoes; where that may cost a tier, `before` are the accounts before it.
    """

    state: MemberState
    entries: tuple[Entry, ...] = ()
    steps: tuple[Step, ...] = ()
    context: Mapping[str, Any] = MappingProxyType({})
    tells: tuple[Tell, ...] = ()
    schedules: tuple[Scheduled, ...] = ()
    about: bytes | None = None
    flags: tuple[str, ...] = ()
    before: Mapping[str, Account] | None = None
    given: tuple[Moved, ...] = ()
    """Tiers that it gives by itself, whatever the accounts meet."""
    elsewhere: tuple[str, TransferIn | TransferReversal] | None = None
    """What the other member's event says, under which derived key (semantics L13)."""
