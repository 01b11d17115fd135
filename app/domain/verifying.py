"""Proving a member's books from what is stored: the chain, the sums, and the decisions taken again (semantics L15)."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain import (
    chain,
    commands,
    engine,
    holds,
    limits,
    opening,
    referral_code,
    referrals,
    reviews,
    reviving,
    seeing,
    tags,
    transfers,
    typeid,
)
from app.domain.chain import Content
from app.domain.combining import Per
from app.domain.commands import (
    CLOCK,
    Cancellation,
    Capture,
    Command,
    Enrolment,
    Fulfilment,
    Identity,
    Mode,
    Named,
    Occurrence,
    Opening,
    Purchase,
    PurchaseChange,
    Reference,
    ReferralBonus,
    ReferralClaim,
    ReferralLapse,
    ReferralReversal,
    Release,
    Return,
    Transfer,
    TransferReversal,
)
from app.domain.effects import Beside, Friends
from app.domain.events import MILESTONES, UNREACHED, Decision, Earlier, Posted, Recorded
from app.domain.notices import NOTICE
from app.domain.posting import Ids, Moment
from app.domain.rules import Versions
from app.domain.settling import ACTIVATION, EXPIRY
from app.domain.state import GENESIS, MemberState, Scheduled, Usage
from app.domain.usage import Used


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree: the exact place, and what is wrong there."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it lies in the outbox."""

    number: int
    type: str
    body: bytes


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
    notices: tuple[int, ...] = ()
    """The numbers of messages that no event brought."""
    messages_from: datetime | None = None
    """Messages from before may have been removed; None where all must be there."""

    def may_lack(self, stored: StoredEvent) -> bool:
        """Whether messages of an event may have been removed."""
        return self.messages_from is not None and stored.recorded.recorded_at < self.messages_from


Totals = dict[tuple[str, datetime], Usage]
"""What members together used of caps over all of them, by counter and the start of its period."""


def findings(history: History, versions: Versions, *, shared: Totals | None = None) -> Iterator[Finding]:
    """Everything in a member's books that does not agree; nothing where all is well.

    What the member used of caps over all members is added to `shared`.
    """
    shared = {} if shared is None else shared
    yield from _chain(history)
    yield from _sums(history)
    yield from _messages(history)
    try:
        yield from _replay(history, versions, shared)
    except Exception as error:  # tampered rows may break any step of a replay; the place is what matters
        yield Finding(_member(history.state.id), f"replaying stops: {type(error).__name__}: {error}")


def shared_findings(totals: Totals, stored: Used, versions: Versions, *, newest: datetime) -> Iterator[Finding]:
    """Where what all members used is not what their events lead to, in periods that events can still be of.

    `newest` is when the last event was recorded: what was over long before it may be forgotten.
    """
    late = max((rules.late for rules in versions.all), default=timedelta(0))
    for key in sorted(totals.keys() | stored.keys()):
        again, found = totals.get(key), stored.get(key)
        until = (again or stored[key]).until
        current = until is None or until > newest - late + timedelta(days=1)
        if current and _amounts(again) != _amounts(found):
            place = f"usage of {key[0]} since {key[1].isoformat()}"
            yield Finding(place, f"is {_amounts(found)}, and the events lead to {_amounts(again)}")


def _amounts(row: Usage | None) -> tuple[int, int]:
    return (0, 0) if row is None else (row.points, row.times)


def _member(id: bytes) -> str:
    return f"member {typeid.encode(typeid.MEMBER, id)}"


def _place(event: Recorded) -> str:
    return f"{_member(event.member_id)} event {event.sequence} ({typeid.encode(typeid.EVENT, event.id)})"


def _chain(history: History) -> Iterator[Finding]:
    """Numbers without gaps, columns equal to the hashed content, each hash on the one before."""
    head = GENESIS
    for number, stored in enumerate(history.events, start=1):
        event = stored.recorded
        if event.sequence != number:
            yield Finding(_place(event), f"event {number} is missing")
            return
        if chain.event_hash(head, event.content, event.entries) != event.hash:
            yield Finding(
                _place(event), "its hash does not cover its content, entries and draws after the event before"
            )
        head = event.hash
        try:
            content = chain.decode_content(event.content)
        except ValueError as error:
            yield Finding(_place(event), f"its content cannot be read: {error}")
            continue
        yield from _columns(history, stored, content)
    if history.state.sequence != len(history.events):
        wanted, found = history.state.sequence, len(history.events)
        yield Finding(_member(history.state.id), f"has {found} events, and should have {wanted}")
    if history.state.head != head:
        yield Finding(_member(history.state.id), "the member's head is not the hash of the last event")


def _columns(history: History, stored: StoredEvent, content: Content) -> Iterator[Finding]:
    event = stored.recorded
    pairs: dict[str, tuple[Any, Any]] = {
        "program": (history.program_id, content.program_id),
        "member": (event.member_id, content.member_id),
        "event_id": (event.id, content.event_id),
        "sequence": (event.sequence, content.sequence),
        "source": (event.source, content.source),
        "kind": (event.kind, content.kind),
        "key": (event.key, content.key),
        "occurred_at": (event.occurred_at, content.occurred_at),
        "effective_at": (event.effective_at, content.effective_at),
        "recorded_at": (event.recorded_at, content.recorded_at),
        "rules_version": (event.rules_version, content.rules_version),
        "engine": (event.engine, content.engine),
        "digest": (event.digest, content.digest),
        "about": (event.about, _about(content)),
    }
    for name, (column, hashed) in pairs.items():
        if column != hashed:
            yield Finding(_place(event), f"column {name} differs from the hashed content")
    salt, body = stored.particulars or (b"", b"")
    if chain.particulars_hash(body, salt=salt) != content.particulars_hash:
        yield Finding(_place(event), "its particulars are not those that were hashed")


def _about(content: Content) -> bytes | None:
    """The earlier event that the content says this one is about."""
    context = json.loads(content.context) if content.kind in _ABOUT and content.context else {}
    return bytes.fromhex(context["of"]) if "of" in context else None


_ABOUT = (
    Purchase.kind,
    Return.kind,
    PurchaseChange.kind,
    Fulfilment.kind,
    Cancellation.kind,
    Capture.kind,
    Release.kind,
    holds.TIMEOUT,
    TransferReversal.kind,
    UNREACHED,
    reviving.REVIVAL,
)


def _sums(history: History) -> Iterator[Finding]:
    """Entries run on and sum to the account; what is left of each lot is what was credited less what was drawn."""
    balances: dict[str, int] = {}
    for stored in history.events:
        for entry in stored.recorded.entries:
            balances[entry.unit] = balances.get(entry.unit, 0) + entry.points
            if entry.balance_after != balances[entry.unit]:
                place = f"{_place(stored.recorded)} entry {entry.position}"
                yield Finding(
                    place, f"balance_after is {entry.balance_after}, the entries sum to {balances[entry.unit]}"
                )
                balances[entry.unit] = entry.balance_after
    for unit, account in history.state.accounts.items():
        place = f"{_member(history.state.id)} account {unit}"
        if account.balance != balances.get(unit, 0):
            yield Finding(place, f"balance is {account.balance}, the entries sum to {balances.get(unit, 0)}")
        if account.balance != account.active + account.pending - account.deficit:
            yield Finding(place, "balance is not active and pending less deficit")
        lots = [lot for lot in history.state.lots if lot.unit == unit]
        if min(account.active, account.pending, account.held, account.deficit) < 0:
            yield Finding(place, "holds less than nothing of something")
        if lots and account.active + account.pending != sum(lot.remaining for lot in lots):
            yield Finding(place, "active and pending are not what its lots have left")
        for lot in lots:
            if not 0 <= lot.reserved <= lot.remaining <= lot.credited:
                yield Finding(f"{_member(history.state.id)} lot {lot.sequence}.{lot.position}", "is out of its bounds")
        if sum(lot.reserved for lot in lots) != account.held:
            yield Finding(place, "held is not what the lots have reserved")
    yield from (
        Finding(f"{_member(history.state.id)} account {unit}", "is missing, though it has entries")
        for unit in balances.keys() - history.state.accounts.keys()
    )
    yield from _lots(history)


def _lots(history: History) -> Iterator[Finding]:
    """What is left of each lot, and what is owed, follow from the draws: a debit owes what it did not draw (L9)."""
    left: dict[tuple[int, int], int] = {}
    owed: dict[str, int] = {}
    with_lots = {e.unit for s in history.events for e in s.recorded.entries if e.available_at is not None}
    with_lots |= {unit for unit, account in history.state.accounts.items() if account.deficit}  # taken, never given
    for stored in history.events:
        event = stored.recorded
        for entry in event.entries:
            if entry.points > 0 and entry.available_at is not None:
                left[event.sequence, entry.position] = entry.points
            for draw in entry.draws:
                name = (draw.lot_sequence, draw.lot_position)
                if name not in left:
                    yield Finding(_place(event), f"draws from lot {name[0]}.{name[1]}, which is not there")
                left[name] = left.get(name, 0) - draw.points
            drawn = sum(draw.points for draw in entry.draws)
            short = -entry.points - drawn if entry.available_at is None else -drawn
            if entry.unit in with_lots and short:
                owed[entry.unit] = owed.get(entry.unit, 0) + short
            if entry.points < 0 and short < 0:
                yield Finding(f"{_place(event)} entry {entry.position}", f"takes {-entry.points}, its draws {drawn}")
    opened = {(lot.sequence, lot.position): lot for lot in history.state.lots}
    for name in sorted(opened.keys() | {name for name, points in left.items() if points}):
        found = opened[name].remaining if name in opened else 0
        if found != left.get(name, 0):
            place = f"{_member(history.state.id)} lot {name[0]}.{name[1]}"
            yield Finding(place, f"has {found} remaining, and should have {left.get(name, 0)}")
    for unit, account in history.state.accounts.items():
        if account.deficit != owed.get(unit, 0):
            place = f"{_member(history.state.id)} account {unit}"
            yield Finding(place, f"owes {account.deficit}, and should owe {owed.get(unit, 0)}")


def _messages(history: History) -> Iterator[Finding]:
    """Numbered without gaps, from the first one on that must still be there."""
    number, others = 0, set(history.notices)
    sure = history.messages_from is None
    for stored in history.events:
        for message in stored.messages:
            number = _past(number, others) + 1
            if sure and message.number != number:
                yield Finding(_place(stored.recorded), f"message {number} is missing")
            number = message.number
            sure = sure or not history.may_lack(stored)
    number = _past(number, others)
    if sure and number != history.state.messages:
        place = _member(history.state.id)
        yield Finding(place, f"has {number} messages, and should have {history.state.messages}")


def _past(number: int, others: set[int]) -> int:
    """The number of the last message before the next one of an event."""
    while number + 1 in others:
        number += 1
    return number


def _replay(history: History, versions: Versions, shared: Totals) -> Iterator[Finding]:
    """Every recorded command through the core again, under the version that judged it; the results must be the same."""
    state = MemberState(id=history.state.id)
    at = 0
    while at < len(history.events):
        group = group_at(history.events, at)
        told = [message.number for stored in group for message in stored.messages]
        if told:  # what waited outside the chain may have been told in between
            state = state._replace(messages=told[0] - 1)
        before = history.events[: group[0].recorded.sequence - 1]
        state = state._replace(shared=_recalled_usage(group, history, versions))
        decision = decide_again(state, group, versions, program_id=history.program_id, before=before)
        _add(shared, state.shared, decision.state.shared)
        if decision.refusal is not None:
            yield Finding(_place(group[0].recorded), f"the rules refuse it: {decision.refusal.code}")
            return
        again = decision.events
        stored = history.events[at : at + len(again)]
        differing = [
            (one, two)
            for one, two in zip(stored, again, strict=False)
            if not _same(one, two) or not _same_told(one, two, history)
        ]
        if len(stored) < len(again) or not again or differing:
            place = _place(differing[0][0].recorded if differing else group[0].recorded)
            yield Finding(place, "the rules give something else for it")
            return
        at += len(again)
        state = decision.state._replace(head=stored[-1].recorded.hash)
    yield from _end(state, history.state)


def _recalled_usage(group: Sequence[StoredEvent], history: History, versions: Versions) -> Used:
    """What all members had used when these events were judged, as far as they say."""
    if all(cap.per is not Per.PROGRAM for rules in versions.all for caps in rules.limits.values() for cap in caps):
        return {}
    found: dict[tuple[str, datetime], Usage] = {}
    for stored in group:
        found = {**_said_of_usage(stored.recorded, history, versions), **found}
    return found


def _said_of_usage(event: Recorded, history: History, versions: Versions) -> Used:
    """What an event says of it: of its own caps, or of those of its purchase."""
    about = None if event.about is None else next((e for e in history.events if e.recorded.id == event.about), None)
    judged = event if about is None or event.kind == Purchase.kind else about.recorded
    rules = versions.numbered(judged.rules_version)
    return limits.recalled(chain.context_of(event.content), rules, judged.kind, judged.occurred_at)


def _add(totals: Totals, before: Used, after: Used) -> None:
    for key in before.keys() | after.keys():
        was, now = before.get(key), after.get(key)
        known = totals.get(key) or (now or before[key])._replace(points=0, times=0)
        (points, times), (had, often) = _amounts(now), _amounts(was)
        totals[key] = known._replace(points=known.points + points - had, times=known.times + times - often)


def group_at(events: Sequence[StoredEvent], at: int) -> Sequence[StoredEvent]:
    """One command's event, with the ends that it undid before it; or the run of clock events of one settling."""
    if not by_clock(events[at]):
        own = next((n for n in range(at, len(events)) if not _brought(events[n])), at)
        return events[at : own + 1] if _revives(events[at]) else events[at : at + 1]
    end, last = at + 1, _settled_in(events[at])
    while end < len(events) and by_clock(events[end]):
        following = _settled_in(events[end])
        if following[0] != last[0] or following[1] < last[1]:
            break
        end, last = end + 1, following
    return events[at:end]


def _settled_in(stored: StoredEvent) -> tuple[Any, Any]:
    """When a clock event was written, and its place in the order of one settling (semantics T3)."""
    content = chain.decode_content(stored.recorded.content)
    rank = min(_CLOCK_KINDS.index(content.kind), _CLOCK_KINDS.index(ReferralBonus.kind))
    order = (content.effective_at, rank, content.key if content.kind in _SCHEDULED else "")
    return (content.recorded_at, content.judged_at), order


def by_clock(stored: StoredEvent) -> bool:
    """Whether it is the clock's, so that settling writes it, and no command."""
    return stored.recorded.source == CLOCK and stored.recorded.kind in _CLOCK_KINDS


def _revives(stored: StoredEvent) -> bool:
    return stored.recorded.source == CLOCK and stored.recorded.kind == reviving.REVIVAL


def _brought(stored: StoredEvent) -> bool:
    """Whether it stands before the command's own event that brought it, or that it was settled for."""
    return _revives(stored) or by_clock(stored)


def decide_again(
    state: MemberState,
    group: Sequence[StoredEvent],
    versions: Versions,
    *,
    program_id: bytes,
    before: Sequence[StoredEvent],
    engine_number: int | None = None,
) -> Decision:
    """What the core decides for a recorded command, or for a run of clock events, on a state and what came `before`.

    As the engine that recorded it decided, unless another one is asked for.
    """
    contents = [chain.decode_content(stored.recorded.content) for stored in group]
    content = contents[-1]
    context: Mapping[str, Any] = json.loads(content.context) if content.context else {}
    settled_id = content.event_id if by_clock(group[0]) else bytes(16)  # what a command settles first is not its own
    moment = Moment(
        program_id=program_id,
        versions=versions.as_judged(
            [(c.occurred_at, c.rules_version) for c in contents if c.kind not in _SCHEDULED],
        ),
        recorded_at=content.recorded_at,
        judged_at=content.judged_at,
        silent=content.silent,
        ids=Ids(fresh=lambda: settled_id, random=_recalled(context)),
        engine=content.engine if engine_number is None else engine_number,
    )
    if by_clock(group[0]):
        scheduled = tuple(_scheduled(c) for c in contents if c.kind in _SCHEDULED)
        return engine.settle(state._replace(scheduled=scheduled), moment)
    facts = chain.decode_facts(content.kind, content.facts)
    identities: dict[bytes, bytes] = {}
    if isinstance(facts, Enrolment | ReferralClaim) and "referrer" in context:
        friend = Identity("code", "", b"friend")
        identities[friend.digest] = bytes.fromhex(context["referrer"])
        facts = _naming(facts, friend)
    command = Command(
        id=content.event_id,
        source=content.source,
        key=content.key,
        member=Reference(member_id=state.id),
        occurred_at=content.occurred_at,
        facts=facts,
        mode=Mode.HISTORY,
        in_time=True,  # judged when it was recorded
        admitted_by=context.get("admitted_by", ""),
    )
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


def _naming(facts: Enrolment | ReferralClaim, friend: Identity) -> Enrolment | ReferralClaim:
    """What named a friend, with a code that stands for theirs: it lies outside the ledger."""
    return replace(facts, referral_code=friend) if isinstance(facts, Enrolment) else replace(facts, code=friend)


def _since(
    state: MemberState, command: Command, events: Sequence[StoredEvent], versions: Versions
) -> tuple[Recorded, ...]:
    """Of an event that may undo the end of an account, what was recorded before that tells it (semantics L10)."""
    if not reviving.concerns(state, command.facts.kind, command.occurred_at, versions):
        return ()
    kinds = reviving.kinds(versions)
    return tuple(one.recorded for one in events if one.recorded.kind in kinds)


def _reached(command: Command, events: Sequence[StoredEvent]) -> tuple[Recorded, ...]:
    """Of what may undo milestones, those that were reached and taken back before (semantics A9)."""
    if not commands.names(command):
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


_SCHEDULED = (ReferralBonus.kind, ReferralReversal.kind, ReferralLapse.kind, Occurrence.kind)
_CLOCK_KINDS = (NOTICE, reviews.NOTICE, holds.TIMEOUT, ACTIVATION, reviews.REVIEW, EXPIRY, *_SCHEDULED)
"""In the order in which one instant brings them (semantics T3); what is scheduled, by its key."""


def _recalled(context: Mapping[str, Any]) -> Callable[[int], bytes]:
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


def _same(stored: StoredEvent, again: Posted) -> bool:
    """Whether a replayed event is the stored one in all that follows from the rules."""
    one, two = stored.recorded, again.recorded
    facts = ("sequence", "kind", "key", "occurred_at", "effective_at", "entries", "steps", "accounts", "tier_changes")
    if any(getattr(one, name) != getattr(two, name) for name in facts):
        return False
    return chain.decode_content(one.content).context == chain.decode_content(two.content).context


def _same_told(stored: StoredEvent, again: Posted, history: History) -> bool:
    """Whether what was told is what would be told; of an old event, as far as it is still there."""
    told = [_told(m.number, m.type, m.body) for m in stored.messages]
    would = [_told(m.number, m.type, m.body) for m in again.messages]
    if not history.may_lack(stored):
        return told == would
    return all(_unnumbered(one) in map(_unnumbered, would) for one in told)


def _told(number: int, type: str, body: bytes) -> tuple[int, str, Any]:
    said = json.loads(body)
    said["data"].pop("event", None)
    return number, type, said


def _unnumbered(told: tuple[int, str, Any]) -> tuple[str, Any]:
    """Without the number, which nobody can tell once those before it are gone."""
    _, type, said = told
    return type, {**said, "data": {name: value for name, value in said["data"].items() if name != "sequence"}}


def _end(again: MemberState, stored: MemberState) -> Iterator[Finding]:
    """The state that the replay ends in is the stored one."""
    place = _member(stored.id)
    for unit in sorted(again.accounts.keys() | stored.accounts.keys()):
        yield from _differing(f"{place} account {unit}", again.accounts.get(unit), stored.accounts.get(unit))
    one, two = _by_name(again), _by_name(stored)
    for sequence, position in sorted(one.keys() | two.keys()):
        lot = (sequence, position)
        yield from _differing(f"{place} lot {sequence}.{position}", one.get(lot), two.get(lot))
    if again.usage != stored.usage:
        yield Finding(place, "what it has used of its limits and counts is not what its events lead to")
    given = {tag for tag in stored.tags if tag.sequence != tags.BY_HAND}
    if not given <= set(again.tags):  # a person may have taken one off: that is no event
        yield Finding(place, "has tags that none of its events gave")
    if _by_ladder(again) != _by_ladder(stored):
        yield Finding(place, "its tiers are not those that its events reached")
    if sorted(again.floors) != sorted(stored.floors):
        yield Finding(place, "what it is given of tiers is not what its events gave")
    names = ("enrolled_at", "referral_code", "referrer", "referral", "referral_lapses_at", "recorded_at", "judged_at")
    more = ("quiet_before", "referral_purchase", "referral_rounds", "referral_claimed_at", "referral_review")
    others = ("referral_due_at", "referral_version", "purchases", "bought_at", "tiers_due_at")
    for name in (*names, *more, *others):
        if getattr(again, name) != getattr(stored, name):
            yield Finding(place, f"{name} is not what its events lead to")


def _by_ladder(state: MemberState) -> list[Any]:
    """The tiers in one order: an event may move its member on several ladders."""
    return sorted(state.tiers, key=lambda term: (term.sequence, term.ladder))


def _by_name(state: MemberState) -> dict[tuple[int, int], Any]:
    return {(lot.sequence, lot.position): lot for lot in state.lots}


def _differing(place: str, again: Any, stored: Any) -> Iterable[Finding]:
    if again is None or stored is None:
        return [] if again is stored else [Finding(place, "should not be there" if again is None else "is missing")]
    return [
        Finding(place, f"{name} is {getattr(stored, name)}, and its events lead to {getattr(again, name)}")
        for name in again._fields
        if getattr(again, name) != getattr(stored, name)
    ]
