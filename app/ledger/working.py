"""The working memory of one batch: loaded, moved on command by command, and cut off piece by piece for writing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from app.db.loading import EventKey
from app.db.referrals import Known
from app.domain.commands import Enrolment, Identity, Named
from app.domain.events import MILESTONES, Earlier, Message, Posted, Recorded
from app.domain.keys import Secrets
from app.domain.parking import Parked, TurnedAway
from app.domain.posting import Ids
from app.domain.rules import Versions
from app.domain.state import MemberState, Scheduled
from app.domain.usage import Used


class Notice(NamedTuple):
    """A message about a member that no event of the chain brings; `source` sent what it tells of."""

    member_id: bytes
    message: Message
    source: str


class Piece(NamedTuple):
    """What has been decided and not yet been written. `first` is the place of its first event in the batch."""

    first: int
    posted: Sequence[Posted]
    changes: Sequence[tuple[MemberState, MemberState]]
    schedules: Sequence[Scheduled]
    named: Sequence[tuple[Identity, bytes]]
    profiles: Sequence[tuple[bytes, Enrolment]]
    parked: Sequence[Parked]
    unparked: Sequence[Parked]
    refused: Sequence[TurnedAway]
    notices: Sequence[Notice]
    fingerprints: Sequence[tuple[bytes, bytes]]
    shared: tuple[Used, Used]
    """What all members have used, before and after."""


@dataclass(slots=True)
class Fold:
    """`before` holds the members as the database has them, once what was cut off is written.

    `written` counts the events of `posted` that were cut off. `by_id` and `about` hold the events that commands name,
    and what is about them; `waiting` what is parked.
    """

    program_id: bytes
    versions: Versions
    clock: datetime
    secrets: Secrets
    ids: Ids
    before: dict[bytes, MemberState]
    identities: dict[bytes, bytes]
    recorded: dict[EventKey, Recorded]
    heads: Mapping[bytes, bytes] = field(default_factory=dict)
    """The heads of the members' chains as they were loaded."""
    waiting: dict[EventKey, Parked] = field(default_factory=dict)
    by_id: dict[bytes, Recorded] = field(default_factory=dict)
    about: dict[bytes, list[Recorded]] = field(default_factory=dict)
    firsts: dict[bytes, Recorded] = field(default_factory=dict)
    """What happened first to members whose accounts are to be opened."""
    recent: dict[bytes, list[Recorded]] = field(default_factory=dict)
    """What members who pass points on gave and received lately, in order."""
    friends: Known = field(default_factory=Known)
    """What is known of those who name a friend, of those who named one and buy, and of their friends."""
    shared: Used = field(default_factory=dict)
    """What all members have used of counters that the batch has locked."""
    shared_before: Used = field(default_factory=dict)
    """The same as the database has it, once what was cut off is written."""
    milestones: dict[bytes, list[Recorded]] = field(default_factory=dict)
    """The last milestones of members of whom some may have to be taken back, in order."""
    followed: dict[bytes, tuple[Recorded, ...]] = field(default_factory=dict)
    """What followed on events that are sent again, as far as anything did."""
    since: Mapping[bytes, Sequence[Recorded]] = field(default_factory=dict)
    """Of members whose events come late, what `reviving` looks at, in order."""
    states: dict[bytes, MemberState] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)
    schedules: list[Scheduled] = field(default_factory=list)
    named: list[tuple[Identity, bytes]] = field(default_factory=list)
    profiles: list[tuple[bytes, Enrolment]] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    unparked: list[Parked] = field(default_factory=list)
    refused: list[TurnedAway] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    fingerprints: set[tuple[bytes, bytes]] = field(default_factory=set)
    """What is to be kept of what shops sent along: member and digest."""
    postponed: set[tuple[bytes, str]] = field(default_factory=set)
    """Scheduled commands that need more than was loaded of their member: the next batch runs them."""
    written: int = 0
    provisional: bool = False
    """Nothing of it will be saved, so somebody whom nobody knows may be judged too (semantics M2)."""

    def state(self, member_id: bytes) -> MemberState | None:
        return self.states.get(member_id) or self.before.get(member_id)

    def earlier(self, of: Named) -> Earlier | None:
        """The event that is named, with what has been recorded about it so far."""
        event = (
            self.by_id.get(of.event_id) if of.event_id is not None else self.recorded.get((of.source, of.kind, of.key))
        )
        return None if event is None else Earlier(event, tuple(self.about.get(event.id, ())))

    def remember(self, event: Recorded) -> None:
        """Lets the commands that follow in the batch find the event."""
        self.recorded[event.source, event.kind, event.key] = event
        self.by_id[event.id] = event
        if event.kind in MILESTONES:
            self.milestones.setdefault(event.member_id, []).append(event)
        if event.about is not None:
            self.about.setdefault(event.about, []).append(event)

    def cut(self) -> Piece:
        """What was decided since the last cut, for writing."""
        changes = [(self.before.get(id) or MemberState(id=id), state) for id, state in self.states.items()]
        piece = Piece(
            self.written,
            self.posted[self.written :],
            changes,
            self._open_schedules(),
            self.named,
            self.profiles,
            self.parked,
            self.unparked,
            self.refused,
            self.notices,
            sorted(self.fingerprints),
            (self.shared_before, self.shared),
        )
        self.shared_before = self.shared
        self.before |= self.states
        self.states, self.schedules, self.named, self.profiles = {}, [], [], []
        self.parked, self.unparked, self.refused, self.notices = [], [], [], []
        self.fingerprints, self.postponed = set(), set()
        self.written = len(self.posted)
        return piece

    def _open_schedules(self) -> list[Scheduled]:
        """The new schedules, without those that were run at once, and what those that ran have brought."""
        waiting = {(id, one.key): one for id, state in self.states.items() for one in state.scheduled}
        left = waiting.keys() | self.postponed
        new = [s for s in self.schedules if s.member_id not in self.states or (s.member_id, s.key) in left]
        before = {(id, one.key) for id in self.states if id in self.before for one in self.before[id].scheduled}
        known = before | {(s.member_id, s.key) for s in self.schedules}
        return new + [one for key, one in waiting.items() if key not in known]
