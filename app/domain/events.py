"""What a decision leaves behind: events with their entries and draws, messages, scheduled commands."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from app.domain.refusals import Refusal
from app.domain.state import MemberState, Scheduled
from app.domain.steps import Step

ENGINE = 3
"""The number of this core's behavior. A change that alters a result is a new number; old ones stay callable.

Since 2 a late event undoes the end of an account that it would have kept (semantics L10), and referrals are told of at
every step, and counted for those who bring friends (semantics F2, F3). Since 3 an entry that undoes what was owed says
so by a draw from `OWED`, a change of a purchase says that it captures no hold (semantics R8), and a notice of an end
leaves out what will pay a deficit until then (semantics L16). What waited fills a card before the command for which it
was settled, as it does for the worker, only what stands too much of a milestone is taken back (A9, K2), and a cancelled
activity gives back the room under caps that it used by what was seen of it (semantics A5, E6). Prices without tax are
told from those with it (A1), points taken back with a milestone may cost a tier (T5), tiers that the clock brings arm
schedules (K3), a late event undoes each of several reviews in a row, whose counts the end of late points leaves alone
(T8), points that had ended before they came lift to no tier while others of them end (T2), and the keys of reviews and
their notices go by the member's numbers (E2). A redemption made offline is judged by what the member had when it
occurred (L6). An event keeps until when it leaves the accounts that slide (L10, L14).
"""


REACHED, UNREACHED = MILESTONES = ("milestone", "milestone_reversal")
"""The kinds of events that a total brings, and takes back (semantics A9)."""


OWED = (0, 0)
"""Stands for a lot in draws that undo what was owed, and so drawn from none: events are numbered from 1 on."""


class Draw(NamedTuple):
    """Points a debit took from a lot; negative when an undo put them back. The lot is named by its credit entry.

    What was owed for a debit is put back to `OWED`.
    """

    lot_sequence: int
    lot_position: int
    points: int


class Entry(NamedTuple):
    """One signed line on an account. A credit that opened a lot carries the lot's dates (semantics L3).

    One that puts points back into lots which had ended carries the new end of these lots alone (semantics L8).
    """

    position: int
    unit: str
    points: int
    balance_after: int
    available_at: datetime | None = None
    expires_at: datetime | None = None
    draws: tuple[Draw, ...] = ()


class Message(NamedTuple):
    """What shops are told: the exact bytes to be signed, numbered densely per member (webhooks W3)."""

    id: bytes
    number: int
    type: str
    body: bytes


class Balances(NamedTuple):
    """An account as it stood after an event, at its recording.

    `active_until` is when what bears no date of its own would end, in a unit whose expiry slides (semantics L10).
    """

    balance: int
    available: int
    pending: int
    held: int
    deficit: int
    active_until: datetime | None = None


class Recorded(NamedTuple):
    """One recorded event: a function of stored rows, and all that an answer is made of (architecture §3.5)."""

    id: bytes
    member_id: bytes
    sequence: int
    source: str
    kind: str
    key: str
    occurred_at: datetime
    effective_at: datetime
    recorded_at: datetime
    rules_version: int
    engine: int
    digest: bytes
    content: bytes
    hash: bytes
    entries: tuple[Entry, ...]
    steps: tuple[Step, ...]
    accounts: Mapping[str, Balances]
    tier_changes: tuple[tuple[str, str, str], ...] = ()
    """(ladder, before, after) of each tier this event moved."""
    flags: tuple[str, ...] = ()
    about: bytes | None = None
    """The earlier event that this one undoes, wholly or in part."""


class Earlier(NamedTuple):
    """An event that a command names, with what has been recorded about it since, in order."""

    event: Recorded
    followers: tuple[Recorded, ...] = ()


class Posted(NamedTuple):
    """A new event with what it brings along: nothing of it is saved yet."""

    recorded: Recorded
    messages: tuple[Message, ...] = ()
    salt: bytes = b""
    particulars: bytes = b""
    schedules: tuple[Scheduled, ...] = ()


class Decision(NamedTuple):
    """The new state of the member and the events that led there, in order; the command's own event comes last.

    `own` is None where the command records nothing by itself (settling), or is refused: then `refusal` says why,
    and what was settled before it still stands. `others` is what happened to a second member by it (semantics L13).
    """

    state: MemberState
    events: tuple[Posted, ...] = ()
    own: Recorded | None = None
    schedules: tuple[Scheduled, ...] = ()
    refusal: Refusal | None = None
    others: tuple["Decision", ...] = ()
