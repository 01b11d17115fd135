"""Deciding a batch in memory: each command on the state that those before it left (architecture §3.3d)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from app.domain import chain, commands, engine, identities, opening
from app.domain.commands import Command, Enrolment, Identity, Named, Opening
from app.domain.events import Decision, Earlier, Posted, Recorded
from app.domain.keys import Secrets
from app.domain.posting import Ids, Moment
from app.domain.refusals import EventIdReused, NoRules, UnknownMember
from app.domain.rules import Versions
from app.domain.state import MemberState, Scheduled
from app.ledger.outcomes import Created, Outcome, Refused, Replayed, Settled

SLICE_SECONDS = 0.002
"""The fold gives the event loop a turn this often."""


class Overtaken(Exception):
    """Another process enrolled a member while this batch was being loaded; it must be loaded again."""


@dataclass(frozen=True, slots=True)
class Settle:
    """A request of the worker's: write down what is due to this member (semantics L7)."""

    member_id: bytes


Work = Command | Settle


class Piece(NamedTuple):
    """What has been decided and not yet been written. `first` is the place of its first event in the batch."""

    first: int
    posted: Sequence[Posted]
    changes: Sequence[tuple[MemberState, MemberState]]
    schedules: Sequence[Scheduled]
    named: Sequence[tuple[Identity, bytes]]
    profiles: Sequence[tuple[bytes, Enrolment]]


@dataclass(slots=True)
class Fold:
    """The working memory of one batch: loaded, then moved on command by command, and written piece by piece.

    `before` holds the members as the database has them, once what was cut off is written; `written` counts the events
    of `posted` that were cut off. `by_id` and `about` hold the events that commands name, and what is about them,
    `firsts` what happened first to members whose account is to be opened.
    """

    program_id: bytes
    versions: Versions
    clock: datetime
    secrets: Secrets
    ids: Ids
    before: dict[bytes, MemberState]
    identities: dict[bytes, bytes]
    recorded: dict[tuple[str, str, str], Recorded]
    by_id: dict[bytes, Recorded] = field(default_factory=dict)
    about: dict[bytes, list[Recorded]] = field(default_factory=dict)
    firsts: dict[bytes, Recorded] = field(default_factory=dict)
    states: dict[bytes, MemberState] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)
    schedules: list[Scheduled] = field(default_factory=list)
    named: list[tuple[Identity, bytes]] = field(default_factory=list)
    profiles: list[tuple[bytes, Enrolment]] = field(default_factory=list)
    written: int = 0

    def state(self, member_id: bytes) -> MemberState | None:
        return self.states.get(member_id) or self.before.get(member_id)

    def cut(self) -> Piece:
        """What was decided since the last cut, for writing."""
        changes = [(self.before.get(id) or MemberState(id=id), state) for id, state in self.states.items()]
        posted, schedules = self.posted[self.written :], self._open_schedules()
        piece = Piece(self.written, posted, changes, schedules, self.named, self.profiles)
        self.before |= self.states
        self.states, self.schedules, self.named, self.profiles = {}, [], [], []
        self.written = len(self.posted)
        return piece

    def _open_schedules(self) -> list[Scheduled]:
        """The new schedules, without those that were run at once."""
        left = {(id, waiting.key) for id, state in self.states.items() for waiting in state.scheduled}
        return [s for s in self.schedules if s.member_id not in self.states or (s.member_id, s.key) in left]


async def fold(work: Sequence[Work], batch: Fold, *, time: Callable[[], float]) -> list[Outcome]:
    """The outcome of each piece of work, in order; what is to be saved gathers in `batch`."""
    outcomes: list[Outcome] = []
    slice_ends = time() + SLICE_SECONDS
    for item in work:
        outcomes.append(_settle(item, batch) if isinstance(item, Settle) else _judge(item, batch))
        if time() > slice_ends:
            await asyncio.sleep(0)
            slice_ends = time() + SLICE_SECONDS
    return outcomes


def member_of(command: Command, known: Mapping[bytes, bytes]) -> bytes | None:
    """Whom a command is about, as far as the batch knows by now; None where nobody is (yet)."""
    if command.member.member_id is not None:
        return command.member.member_id
    if command.member.identity is not None:
        return known.get(command.member.identity.digest)
    return None


def _judge(command: Command, batch: Fold) -> Outcome:
    facts = chain.encode_facts(command.facts)
    enrolling = isinstance(command.facts, Enrolment)
    member_id = member_of(command, batch.identities)
    state = batch.state(member_id) if member_id is not None else None
    natural = (command.source, command.facts.kind, command.key)
    known = batch.recorded.get(natural)
    if known is not None:
        return _again(known, _digest(command, facts, member_id, batch), command)
    if not batch.versions.all:
        return Refused(NoRules())
    if state is None:
        if member_id is not None and command.member.identity is not None:
            raise Overtaken
        if not enrolling and not (command.member.enrol and command.member.identity is not None):
            return Refused(UnknownMember())
        state = MemberState(id=batch.ids.fresh())
    moment = engine.moment_of(
        command, state, program_id=batch.program_id, versions=batch.versions, clock=batch.clock, ids=batch.ids
    )
    digest = _digest(command, facts, state.id, batch)
    decision = engine.decide(
        state,
        command,
        moment,
        digest=digest,
        facts=facts,
        identities=batch.identities,
        named=_named(command, state, batch),
    )
    if decision.refusal is not None or decision.own is None:
        assert decision.refusal is not None
        return Refused(decision.refusal)
    _keep(decision, batch)
    if state.enrolled_at is None:
        _name(decision.state, command, batch)
    if isinstance(command.facts, Opening) and command.facts.referral_code is not None:
        _know(state.id, command.facts.referral_code, batch)
    _remember(natural, decision.own, batch)
    return Created(decision.own)


def _named(command: Command, state: MemberState, batch: Fold) -> tuple[Earlier | None, ...]:
    """The events that a command names; of an opening what stands in its way."""
    if isinstance(command.facts, Opening):
        return (_first(state, batch),)
    return tuple(_earlier(of, batch) for of in commands.names(command))


def _earlier(of: Named, batch: Fold) -> Earlier | None:
    """The event that is named, with what has been recorded about it so far."""
    event = (
        batch.by_id.get(of.event_id) if of.event_id is not None else batch.recorded.get((of.source, of.kind, of.key))
    )
    return None if event is None else Earlier(event, tuple(batch.about.get(event.id, ())))


def _first(state: MemberState, batch: Fold) -> Earlier | None:
    """What first happened to a member after joining: before this batch, or in it."""
    first = batch.firsts.get(state.id)
    if first is None and state.sequence > 1:
        mine = (posted.recorded for posted in batch.posted if posted.recorded.member_id == state.id)
        first = next((event for event in mine if event.kind not in opening.BEFORE), None)
    return None if first is None else Earlier(first)


def _remember(natural: tuple[str, str, str], own: Recorded, batch: Fold) -> None:
    """Lets the commands that follow in the batch find the event."""
    batch.recorded[natural] = own
    batch.by_id[own.id] = own
    if own.about is not None:
        batch.about.setdefault(own.about, []).append(own)


def _digest(command: Command, facts: bytes, member_id: bytes | None, batch: Fold) -> bytes:
    """The member counts as resolved; an enrolment makes its member, so it names none (semantics E1)."""
    said_of = bytes(16) if member_id is None or isinstance(command.facts, Enrolment) else member_id
    return chain.command_digest(command, facts, said_of, key=batch.secrets.commands)


def _again(known: Recorded, digest: bytes, command: Command) -> Outcome:
    """Found under its key: ours from an attempt whose answer was lost, a replay, or a reuse (semantics E1)."""
    if known.digest != digest:
        return Refused(EventIdReused(known.id))
    return Created(known) if known.id == command.id else Replayed(known)


def _settle(item: Settle, batch: Fold) -> Outcome:
    state = batch.state(item.member_id)
    if state is None or not batch.versions.all:
        return Settled(0)
    now = max(batch.clock, state.recorded_at or batch.clock, state.judged_at or batch.clock)
    moment = Moment(
        program_id=batch.program_id,
        versions=batch.versions,
        recorded_at=max(batch.clock, state.recorded_at or batch.clock),
        judged_at=now,
        silent=False,
        ids=batch.ids,
    )
    decision = engine.settle(state, moment)
    _keep(decision, batch)
    return Settled(len(decision.events))


def _keep(decision: Decision, batch: Fold) -> None:
    batch.states[decision.state.id] = decision.state
    batch.posted.extend(decision.events)
    batch.schedules.extend(decision.schedules)
    for scheduled in decision.schedules:  # what is due already is settled by the batch's next command of that member
        state = batch.state(scheduled.member_id)
        if state is not None:
            batch.states[state.id] = state._replace(scheduled=(*state.scheduled, scheduled))


def _name(state: MemberState, command: Command, batch: Fold) -> None:
    """What a new member is known by: the identities named, and their own referral code."""
    facts = command.facts
    named = facts.identities if isinstance(facts, Enrolment) else (command.member.identity,)
    assert state.referral_code is not None
    code = identities.identity(identities.REFERRAL_CODE, state.referral_code, key=batch.secrets.identities)
    for identity in (*named, code):
        if identity is not None:
            _know(state.id, identity, batch)
    if isinstance(facts, Enrolment) and (facts.birthday is not None or facts.attributes is not None):
        batch.profiles.append((state.id, facts))


def _know(member_id: bytes, identity: Identity, batch: Fold) -> None:
    batch.identities[identity.digest] = member_id
    batch.named.append((identity, member_id))
