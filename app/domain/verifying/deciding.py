"""A recorded command decided again, on what lay beside it then."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.domain import (
    chain,
    commands,
    encoding,
    engine,
    milestones,
    opening,
    referral_code,
    referrals,
    reopening,
    reviving,
    seeing,
    transfers,
)
from app.domain.chain import Content
from app.domain.commands import (
    Command,
    Enrolment,
    Facts,
    Identity,
    Mode,
    Named,
    Opening,
    Reference,
    ReferralClaim,
    Transfer,
)
from app.domain.effects import Beside, Friends
from app.domain.events import MILESTONES, Decision, Earlier, Recorded
from app.domain.posting import Ids, Moment
from app.domain.rules import Versions
from app.domain.state import MemberState, Scheduled
from app.domain.verifying import grouping
from app.domain.verifying.history import StoredEvent


def decide_again(
    state: MemberState,
    group: Sequence[StoredEvent],
    versions: Versions,
    *,
    program_id: bytes,
    before: Sequence[StoredEvent],
    engine_number: int | None = None,
    unknown: Iterator[int] | None = None,
) -> Decision:
    """What the core decides for a recorded command, or for a run of clock events, on a state and what came `before`.

    As the engine that recorded it decided, unless another one is asked for. Events that it brings besides its own have
    ids by the numbers `unknown`; from 1 on, unless others are to be told from those of earlier decisions.
    """
    contents = [chain.decode_content(stored.recorded.content) for stored in group]
    content = contents[-1]
    context: Mapping[str, Any] = json.loads(content.context) if content.context else {}
    # What a command settles is not its own: the proof tells these ids from one another, and learns them afterwards.
    unknown = itertools.count(1) if unknown is None else unknown
    moment = Moment(
        program_id=program_id,
        versions=versions.as_judged(
            [(c.occurred_at, c.rules_version) for c in contents if c.kind not in grouping.SCHEDULED],
        ),
        recorded_at=content.recorded_at,
        judged_at=content.judged_at,
        silent=content.silent,
        ids=Ids(
            fresh=lambda: content.event_id if grouping.by_clock(group[0]) else next(unknown).to_bytes(16),
            random=_random(context),
        ),
        engine=content.engine if engine_number is None else engine_number,
    )
    if grouping.by_clock(group[0]):
        scheduled = tuple(_scheduled(c) for c in contents if c.kind in grouping.SCHEDULED)
        return engine.settle(state._replace(scheduled=scheduled), moment)
    facts, identities = _facts(content, context)
    command = _command(content, context, facts, member_id=state.id)
    return engine.decide(
        state,
        command,
        moment,
        digest=content.digest,
        facts=content.facts,
        identities=identities,
        beside=Beside(
            named=_named(command, before),
            milestones=_reached(command, before),
            recent=_recent(command, before),
            seen=seeing.again(context),
            since=_since(state, command, before, versions),
            friends=Friends(tuple(context.get(referrals.REVIEW, ()))),
        ),
    )


def _command(content: Content, context: Mapping[str, Any], facts: Facts, *, member_id: bytes) -> Command:
    return Command(
        id=content.event_id,
        source=content.source,
        key=content.key,
        member=Reference(member_id=member_id),
        occurred_at=content.occurred_at,
        facts=facts,
        mode=Mode.HISTORY,
        in_time=True,  # judged when it was recorded
        admitted_by=context.get("admitted_by", ""),
    )


def _facts(content: Content, context: Mapping[str, Any]) -> tuple[Facts, dict[bytes, bytes]]:
    """The facts, and whom their identities stand for; a friend's code lies outside the ledger, and any will do."""
    facts = encoding.decode_facts(content.kind, content.facts)
    if not isinstance(facts, Enrolment | ReferralClaim) or "referrer" not in context:
        return facts, {}
    friend = Identity("code", "", b"friend")
    return _naming(facts, friend), {friend.digest: bytes.fromhex(context["referrer"])}


def _naming(facts: Enrolment | ReferralClaim, friend: Identity) -> Enrolment | ReferralClaim:
    """What named a friend, with a code that stands for theirs."""
    return replace(facts, referral_code=friend) if isinstance(facts, Enrolment) else replace(facts, code=friend)


def _since(
    state: MemberState, command: Command, events: Sequence[StoredEvent], versions: Versions
) -> tuple[Recorded, ...]:
    """Of an event that may undo the end of an account, what was recorded before that tells it (semantics L10)."""
    if not reopening.looks_back(state, command, versions):
        return ()
    kinds = reviving.kinds(versions)
    return tuple(one.recorded for one in events if one.recorded.kind in kinds)


def _reached(command: Command, events: Sequence[StoredEvent]) -> tuple[Recorded, ...]:
    """Of what may undo milestones, those that were reached and taken back before (semantics A9)."""
    if not milestones.undone_by(command):
        return ()
    return tuple(one.recorded for one in events if one.recorded.kind in MILESTONES)


def _recent(command: Command, events: Sequence[StoredEvent]) -> tuple[Recorded, ...]:
    """Of a transfer, what its giver gave and received before, as far as it is looked at (semantics L13)."""
    if not isinstance(command.facts, Transfer):
        return ()
    return tuple(one.recorded for one in events if one.recorded.kind in transfers.RECENT)


def _named(command: Command, events: Sequence[StoredEvent]) -> tuple[Earlier | None, ...]:
    """The events that a command names among the `events` before; of an opening what stands in its way."""
    if isinstance(command.facts, Opening):
        first = next((one.recorded for one in events if one.recorded.kind not in opening.BEFORE), None)
        return (None if first is None else Earlier(first),)
    return tuple(_earlier(of, events) for of in commands.names(command))


def _earlier(of: Named, events: Sequence[StoredEvent]) -> Earlier | None:
    """The event that is named among the `events` before, with what had been recorded about it by then."""
    for stored in events:
        event = stored.recorded
        if event.id == of.event_id or (event.source, event.kind, event.key) == (of.source, of.kind, of.key):
            return Earlier(event, tuple(one.recorded for one in events if one.recorded.about == event.id))
    return None


def _random(context: Mapping[str, Any]) -> Callable[[int], bytes]:
    """The random bytes of the first time, as far as a result shows them: the referral code's."""
    code = context.get("code")
    return lambda count: referral_code.entropy(code) if code is not None and count == 8 else bytes(count)


def _scheduled(content: Content) -> Scheduled:
    context = json.loads(content.context)
    return Scheduled(
        member_id=content.member_id,
        due_at=content.occurred_at,
        key=content.key,
        kind=content.kind,
        facts=content.facts,
        rules_version=content.rules_version,
        cause=bytes.fromhex(context["cause"]),
        judged=context,
    )
