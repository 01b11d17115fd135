"""One transaction of the corridor: load under lock, fold, save (architecture §3.3)."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import uuid_utils

from app.db import hot, loading, rows
from app.db.lanes import Lane
from app.db.loading import EventKey
from app.domain import books, chain, engine, limits, milestones, opening, reviving, settling, transfers
from app.domain import commands as commanding
from app.domain.commands import Command, Enrolment, Named, Opening, Reference, ReferralClaim, Transfer
from app.domain.events import Posted, Recorded
from app.domain.keys import Secrets
from app.domain.posting import Ids
from app.domain.rules import Audience, Versions
from app.domain.state import MemberState, OpenLot
from app.ledger import acquaintance
from app.ledger.folding import Settle, Work, member_of
from app.ledger.versions import CompiledRules
from app.ledger.working import Fold, Piece

IDS = Ids(fresh=lambda: uuid_utils.uuid7().bytes, random=os.urandom)


async def load(
    connection: Any,
    work: Sequence[Work],
    *,
    program_id: bytes,
    rules: CompiledRules,
    clock: Callable[[], datetime],
    secrets: Secrets,
    ids: Ids,
    locked: bool,
) -> Fold:
    """Everything the batch's decisions read. With `locked`, the members' rows are locked first, and read after."""
    commands = [item for item in work if isinstance(item, Command)]
    named = {c.member.member_id for c in commands if c.member.member_id is not None}
    named |= {item.member_id for item in work if isinstance(item, Settle)}
    cards = {c.member.identity.digest for c in commands if c.member.identity is not None}
    undone = await _undone(connection, commands, program_id=program_id)
    given = [c.facts.to for c in commands if isinstance(c.facts, Transfer)]
    named |= {to.member_id for to in given if to.member_id is not None} | {transfers.receiver(one) for one in undone}
    cards |= {to.identity.digest for to in given if to.identity is not None}
    cards |= {c.facts.code.digest for c in commands if isinstance(c.facts, ReferralClaim)}  # the friend is locked too
    states = await loading.members(connection, program_id=program_id, ids=named, digests=sorted(cards), locked=locked)
    now = clock()  # after the lock, for which it may have waited
    earlier = [of for command in commands for of in commanding.names(command)]
    keys = {(c.source, c.facts.kind, c.key) for c in commands}
    keys |= {(of.source, of.kind, of.key) for of in earlier if of.event_id is None}
    received = [transfers.received_as(transfer.id) for transfer in undone]
    keys |= {(of.source, of.kind, of.key) for of in received}
    digests = sorted(cards | _joining(commands))
    found = await loading.circumstances(connection, states, program_id=program_id, digests=digests, keys=keys, now=now)
    versions = await rules.of(connection, found.versions, program_id=program_id)
    states = found.states
    drawing = _drawing(commands, found, versions, now=now)
    drawing |= {transfers.receiver(one) for one in undone} | {_whom(to, found.identities) for to in given}
    until = max([now, *(command.occurred_at for command in commands)])
    late = _late(commands, found, versions)
    drawing |= late.keys()
    wanting = [state for state in states.values() if state.id in drawing or _due(state, now=until)]
    states |= await loading.with_lots(connection, wanting, program_id=program_id)
    if versions.profiles:
        states |= await loading.with_profiles(connection, states.values(), program_id=program_id)
    past = await _past(connection, earlier, found.recorded, program_id=program_id)
    undoing = {member_of(c, found.identities) for c in commands if versions.milestones and milestones.undone_by(c)}
    reached, consumed = await loading.milestones(connection, states.keys() & undoing, program_id=program_id)
    looked_at = reviving.kinds(versions)
    since = await loading.since(connection, late, program_id=program_id, kinds=looked_at, drawing=settling.EXPIRY)
    for closed in (past.closed, consumed, since.closed):
        states |= {id: _reopening(states[id], lots) for id, lots in closed.items() if id in states}
    opened = [id for id in _members_of(commands, Opening, found) if states[id].sequence > 1]
    givers, looked_back = _members_of(commands, Transfer, found), now - transfers.LOOKS_BACK
    states |= await acquaintance.with_bonuses(connection, states, program_id=program_id)
    friends = await acquaintance.of(
        connection, commands, states, found.identities, versions, program_id=program_id, now=now
    )
    counters = limits.shared_counters(versions, {kind for item in work for kind in _kinds(item)})
    shared = await loading.shared(connection, counters, program_id=program_id, locked=locked)
    return Fold(
        program_id,
        versions,
        now,
        secrets,
        ids,
        before=states,
        identities=found.identities,
        recorded=found.recorded,
        waiting=found.waiting,
        by_id=past.by_id,
        about=past.about,
        firsts=await loading.firsts(connection, opened, program_id=program_id, passed=opening.BEFORE),
        recent=await loading.recent(
            connection, givers, program_id=program_id, kinds=transfers.RECENT, since=looked_back
        ),
        friends=friends,
        shared=shared,
        shared_before=shared,
        milestones=reached,
        since=since.events,
    )


async def save(connection: Any, batch: Fold, lane: Lane, *, last: bool) -> Lane:
    """Writes what was decided since the last time; at last the block of the whole batch, as the next of the lane.

    Everything is read before this gives way for the first time, so the fold may go on meanwhile. Gives the lane as it
    stands after the commit.
    """
    number = lane.number + 1
    piece = batch.cut()
    audience = batch.versions.at(batch.clock).audience if batch.versions.all else Audience.ALL
    columns = rows.event_columns(piece.posted, lane=lane.lane, block=number, first=piece.first, audience=audience)
    for notice in piece.notices:
        whom = notice.source if audience is Audience.OWN else None
        rows.add_notice(columns, notice.member_id, notice.message, now=batch.clock, whom=whom)
    columns |= rows.feed_columns(columns["message"])
    columns |= rows.parking_columns(piece.parked, piece.unparked, piece.refused)
    columns |= rows.state_columns(piece.changes)
    columns |= rows.schedule_columns(piece.schedules)
    columns |= rows.columns("fingerprint", ("member_id", "digest"), piece.fingerprints)
    columns |= rows.shared_usage_columns(*piece.shared)
    columns |= _new_members(piece)
    if last and batch.posted:
        columns |= _block(batch, lane, number)
        lane = replace(lane, number=number, head=columns["block"]["hash"][0])
    if any(columns.values()):
        await hot.save(connection, program_id=rows.uuid(batch.program_id), columns=columns)
    return lane


def _kinds(item: Work) -> tuple[str, ...]:
    """The kinds of events whose caps deciding on it may read or move."""
    return limits.judged_as(item) if isinstance(item, Command) else limits.SETTLED_AS


async def _past(
    connection: Any, named: Sequence[Named], recorded: Mapping[EventKey, Recorded], *, program_id: bytes
) -> loading.Past:
    """The events that commands name, by id or key, with what has been recorded about them."""
    ids = [of.event_id for of in named if of.event_id is not None]
    keys = {(of.source, of.kind, of.key) for of in named if of.event_id is None}
    found = [recorded[key] for key in keys if key in recorded]
    return await loading.past(connection, program_id=program_id, ids=ids, found=found)


async def _undone(connection: Any, commands: Iterable[Command], *, program_id: bytes) -> Sequence[Recorded]:
    """The transfers that commands take back, read before the lock: whom they went to never changes."""
    named = [of for command in commands if (of := transfers.cancelled(command)) is not None]
    if not named:
        return ()
    found = await loading.named(connection, named, program_id=program_id)
    return [event for event in found if event.kind == Transfer.kind]


def _drawing(
    commands: Iterable[Command], found: loading.Circumstances, versions: Versions, *, now: datetime
) -> set[bytes | None]:
    """The members of commands that need their open lots."""
    members: set[bytes | None] = set()
    for command in commands:
        id = member_of(command, found.identities)
        joined = found.states[id].enrolled_at if id in found.states else None
        if id not in members and engine.needs_lots(command, versions, now=now, joined=joined):
            members.add(id)
    return members


def _whom(to: Reference, known: Mapping[bytes, bytes]) -> bytes | None:
    """Who is to receive points, as far as that is known."""
    return to.member_id if to.identity is None else known.get(to.identity.digest)


def _members_of(commands: Iterable[Command], facts: type, found: loading.Circumstances) -> set[bytes]:
    """The known members whom commands of a kind are about."""
    said = {member_of(command, found.identities) for command in commands if isinstance(command.facts, facts)}
    return {id for id in said if id is not None and id in found.states}


def _late(commands: Iterable[Command], found: loading.Circumstances, versions: Versions) -> dict[bytes, datetime]:
    """The members of whom an event may undo what had been written down, each with when the first of these occurred."""
    if not versions.sliding:
        return {}
    said = [(member_of(c, found.identities), c.facts.kind, c.occurred_at) for c in commands]
    said += [(one.member_id, one.kind, one.occurred_at) for one in found.waiting.values()]
    late: dict[bytes, datetime] = {}
    for id, kind, at in said:
        state = None if id is None else found.states.get(id)
        if state is not None and reviving.concerns(state, kind, at, versions):
            late[state.id] = min(at, late.get(state.id, at))
    return late


def _reopening(state: MemberState, closed: Mapping[tuple[int, int], OpenLot]) -> MemberState:
    """The state that knows these lots too, of which nothing remains."""
    return state._replace(closed={**state.closed, **closed})


def _joining(commands: Iterable[Command]) -> set[bytes]:
    """The digests that enrolments look up: of the identities they name, and of a friend's code; openings, of a code."""
    digests: set[bytes] = set()
    for command in commands:
        if isinstance(command.facts, Enrolment):
            digests.update(identity.digest for identity in command.facts.identities)
            if command.facts.referral_code is not None:
                digests.add(command.facts.referral_code.digest)
        if isinstance(command.facts, Opening) and command.facts.referral_code is not None:
            digests.add(command.facts.referral_code.digest)
    return digests


def _due(state: MemberState, *, now: datetime) -> bool:
    """Whether settling, paying off a deficit, or what waits for an event of theirs will need the member's lots."""
    return (
        bool(state.scheduled)
        or state.parked > 0
        or (state.tiers_due_at is not None and state.tiers_due_at <= now)
        or any(
            account.deficit > 0 or (account.next_due_at is not None and account.next_due_at <= now)
            for account in state.accounts.values()
        )
    )


def _new_members(piece: Piece) -> rows.Columns:
    named = sorted((identity.digest, identity.kind, member, identity.value) for identity, member in piece.named)
    profiles = [
        (member, facts.birthday, facts.attributes) for member, facts in sorted(piece.profiles, key=lambda p: p[0])
    ]
    return rows.columns("member_identity", ("digest", "kind", "member_id", "value"), named) | rows.columns(
        "profile", ("member_id", "birthday", "attributes"), profiles
    )


def _block(batch: Fold, lane: Lane, number: int) -> rows.Columns:
    """The batch's Merkle root, linked to the lane's last block, with the sums that the batch moved."""
    root = chain.merkle_root([posted.recorded.hash for posted in batch.posted])
    sums = chain.canonical(_sums(batch.posted))
    count = len(batch.posted)
    hash = chain.block_hash(
        program_id=batch.program_id,
        lane=lane.lane,
        number=number,
        previous=lane.head,
        root=root,
        events=count,
        sums=sums,
    )
    row = (lane.lane, number, lane.head, root, hash, count, sums.decode(), batch.clock)
    return rows.columns("block", ("lane", "number", "previous", "root", "hash", "events", "sums", "recorded_at"), [row])


def _sums(posted: Iterable[Posted]) -> dict[str, dict[str, int]]:
    """Points per unit that the batch issued, redeemed (less what was restored), let expire and took back."""
    sums: dict[str, dict[str, int]] = {}
    for one in posted:
        for entry in one.recorded.entries:
            unit = sums.setdefault(entry.unit, {})
            way, points = books.way(one.recorded.kind, entry)
            unit[way] = unit.get(way, 0) + points
    return sums
