"""Deciding a batch in memory: each command on the state that those before it left (architecture §3.3d)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.domain import chain, commands, encoding, engine, following, identities, opening, reopening, transfers
from app.domain.commands import Command, Enrolment, Identity, Opening, Reference, Transfer
from app.domain.effects import Beside, Other
from app.domain.events import Decision, Earlier, Recorded
from app.domain.parking import may_wait
from app.domain.posting import Moment
from app.domain.refusals import EventIdReused, NoRules, Refusal, UnknownMember, UnknownReceiver
from app.domain.state import MemberState
from app.ledger import acquaintance, parking
from app.ledger.outcomes import Created, Outcome, Parked, Refused, Replayed, Settled
from app.ledger.working import Fold

SLICE_SECONDS = 0.002
"""The fold gives the event loop a turn this often."""


class Overtaken(Exception):
    """Another process enrolled a member while this batch was being loaded; it must be loaded again."""


@dataclass(frozen=True, slots=True)
class Settle:
    """A request of the worker's: write down what is due to this member (semantics L7)."""

    member_id: bytes


Work = Command | Settle


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
    command = _addressed(command, batch)
    facts = encoding.encode_facts(command.facts)
    member_id = member_of(command, batch.identities)
    state = batch.state(member_id) if member_id is not None else None
    known = batch.recorded.get(parking.key_of(command))
    if known is not None:
        return _again(known, _digest(command, facts, member_id, batch), command, batch)
    if not batch.versions.all:
        return Refused(NoRules())
    if state is not None and state.parked:
        parking.lapse(state, batch, now=batch.clock)
        parking.give_up(state, batch)
        state = batch.state(state.id)
    waiting = batch.waiting.get(parking.key_of(command))
    if waiting is not None:
        same = waiting.digest == _digest(command, facts, member_id, batch)
        return Parked(waiting) if same else Refused(EventIdReused(waiting.event_id))
    if state is None and batch.provisional and command.member == Reference() and not _enrols(command):
        state = MemberState(id=batch.ids.fresh(), enrolled_at=min(command.occurred_at, batch.clock))
    if state is None:
        if member_id is not None and command.member.identity is not None:
            raise Overtaken
        if not _enrols(command) and not (command.member.enrol and command.member.identity):
            return _refused(command, UnknownMember(), batch, member_id=None, facts=facts)
        state = MemberState(id=batch.ids.fresh())
    return _decide(command, state, batch, facts=facts)


def _enrols(command: Command) -> bool:
    return isinstance(command.facts, Enrolment)


def _decide(command: Command, state: MemberState, batch: Fold, *, facts: bytes) -> Outcome:
    moment = engine.moment_of(
        command, state, program_id=batch.program_id, versions=batch.versions, clock=batch.clock, ids=batch.ids
    )
    digest = _digest(command, facts, state.id, batch)
    other = _other(command, batch)
    if other is not None:
        moment = engine.later_of(moment, other.state)
    elif isinstance(command.facts, Transfer):
        member_id = None if state.enrolled_at is None else state.id
        return _refused(command, UnknownReceiver(), batch, member_id=member_id, facts=facts)
    decision = engine.decide(
        state._replace(shared=batch.shared) if batch.shared else state,
        command,
        moment,
        digest=digest,
        facts=facts,
        identities=batch.identities,
        beside=Beside(
            named=_named(command, state, batch),
            other=other,
            milestones=tuple(batch.milestones.get(state.id, ())),
            recent=tuple(batch.recent.get(state.id, ())),
            since=_since(command, state, batch),
            friends=acquaintance.friends(command, state, batch),
        ),
    )
    if decision.refusal is not None:
        if state.enrolled_at is not None and may_wait(command, decision.refusal):
            return parking.park(command, state, batch, digest=digest, facts=facts)
        member_id = None if state.enrolled_at is None else state.id
        return _refused(command, decision.refusal, batch, member_id=member_id, facts=facts)
    assert decision.own is not None
    _keep(_apart(decision, batch), batch)
    if state.enrolled_at is None:
        _name(decision.state, command, batch)
    if isinstance(command.facts, Opening) and command.facts.referral_code is not None:
        _know(state.id, command.facts.referral_code, batch)
    acquaintance.remember(command, decision.state, batch)
    for elsewhere in decision.others:
        _keep_other(elsewhere, decision.own, batch)
    followed = _followed(decision, batch)
    if state.parked:
        parking.release(decision.own, batch, _judge)
    return Created(decision.own, followed)


def _followed(decision: Decision, batch: Fold) -> tuple[Recorded, ...]:
    """What the command's event brought with it; copies of it later in the batch tell the same."""
    own = decision.own
    if own is None or decision.events[-1].recorded is own:
        return ()
    followed = following.of(own, {posted.recorded.sequence: posted.recorded for posted in decision.events})
    batch.followed[own.id] = followed
    return followed


def _named(command: Command, state: MemberState, batch: Fold) -> tuple[Earlier | None, ...]:
    """The events that a command names; of an opening what stands in its way."""
    if isinstance(command.facts, Opening):
        return (_first(state, batch),)
    return tuple(batch.earlier(of) for of in commands.names(command))


def _since(command: Command, state: MemberState, batch: Fold) -> tuple[Recorded, ...]:
    """Of an event that may undo the end of an account, what was recorded before and in this batch that tells it."""
    if not reopening.looks_back(state, command, batch.versions):
        return ()
    mine = (posted.recorded for posted in batch.posted if posted.recorded.member_id == state.id)
    return (*batch.since.get(state.id, ()), *mine)


def _first(state: MemberState, batch: Fold) -> Earlier | None:
    """What first happened to a member after joining: before this batch, or in it."""
    first = batch.firsts.get(state.id)
    if first is None and state.sequence > 1:
        mine = (posted.recorded for posted in batch.posted if posted.recorded.member_id == state.id)
        first = next((event for event in mine if event.kind not in opening.BEFORE), None)
    return None if first is None else Earlier(first)


def _addressed(command: Command, batch: Fold) -> Command:
    """A transfer with its receiver by our id, as far as the batch knows by now who that is."""
    if not isinstance(command.facts, Transfer) or command.facts.to.identity is None:
        return command
    member_id = batch.identities.get(command.facts.to.identity.digest)
    if member_id is None:
        return command
    if batch.state(member_id) is None:
        raise Overtaken
    return transfers.to_member(command, member_id)


def _other(command: Command, batch: Fold) -> Other | None:
    """The second member whom a command moves: who receives points, or gives them back (semantics L13, E6)."""
    if isinstance(command.facts, Transfer):
        state = None if command.facts.to.member_id is None else batch.state(command.facts.to.member_id)
        return None if state is None else Other(state)
    of = transfers.cancelled(command)
    transfer = None if of is None else batch.earlier(of)
    if transfer is None or transfer.event.kind != Transfer.kind:
        return None
    received = batch.earlier(transfers.received_as(transfer.event.id))
    state = batch.state(transfers.receiver(transfer.event))
    if state is None or received is None:  # recorded since the batch looked whom to lock
        raise Overtaken
    return Other(state, received.event)


def _refused(command: Command, refusal: Refusal, batch: Fold, *, member_id: bytes | None, facts: bytes) -> Refused:
    parking.turn_away(command, refusal, batch, member_id=member_id, facts=facts)
    return Refused(refusal)


def _digest(command: Command, facts: bytes, member_id: bytes | None, batch: Fold) -> bytes:
    """The member counts as resolved; an enrolment makes its member, so it names none (semantics E1)."""
    said_of = bytes(16) if member_id is None or isinstance(command.facts, Enrolment) else member_id
    return chain.command_digest(command, facts, said_of, key=batch.secrets.commands)


def _again(known: Recorded, digest: bytes, command: Command, batch: Fold) -> Outcome:
    """Found under its key: ours from an attempt whose answer was lost, a replay, or a reuse (semantics E1)."""
    if known.digest != digest:
        return Refused(EventIdReused(known.id))
    followed = batch.followed.get(known.id, ())
    return Created(known, followed) if known.id == command.id else Replayed(known, followed)


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
    decision = engine.settle(state._replace(shared=batch.shared) if batch.shared else state, moment)
    _keep(_apart(decision, batch), batch)
    ended = 0
    if state.parked:
        ended = parking.lapse(decision.state, batch, now=moment.recorded_at) + parking.give_up(decision.state, batch)
    return Settled(len(decision.events) + ended)


def _apart(decision: Decision, batch: Fold) -> Decision:
    """The decision, once what all members have used by it is kept for the next one, whoever that is about."""
    if not batch.shared and not decision.state.shared:
        return decision
    batch.shared = decision.state.shared
    return decision._replace(state=decision.state._replace(shared={}))


def _keep(decision: Decision, batch: Fold) -> None:
    batch.states[decision.state.id] = decision.state
    batch.posted.extend(decision.events)
    for posted in decision.events:
        batch.remember(posted.recorded)
    batch.schedules.extend(decision.schedules)
    for scheduled in decision.schedules:  # what is due already is settled by the batch's next command of that member
        state = batch.state(scheduled.member_id)
        if state is not None and acquaintance.can_run(scheduled, state):
            batch.states[state.id] = state._replace(scheduled=(*state.scheduled, scheduled))
        else:
            batch.postponed.add((scheduled.member_id, scheduled.key))


def _keep_other(decision: Decision, own: Recorded, batch: Fold) -> None:
    """What a second member got by the command whose event is `own`, after it."""
    assert decision.own is not None
    _keep(decision, batch)
    for event in (own, decision.own):
        if event.kind in transfers.RECENT:
            batch.recent.setdefault(event.member_id, []).append(event)


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
