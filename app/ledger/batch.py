"""One transaction of the corridor: load under lock, fold, save (architecture §3.3)."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import uuid_utils

from app.db import arrays, loading, rows, writing
from app.db.lanes import Lane
from app.domain import books, chain, engine, limits
from app.domain.commands import Command, Reference, Transfer
from app.domain.events import Posted, Recorded
from app.domain.keys import Secrets
from app.domain.posting import Ids
from app.domain.rules import Audience, Versions
from app.domain.state import MemberState
from app.ledger import acquaintance, history, mentions
from app.ledger.folding import Settle, Work, member_of
from app.ledger.known_lots import KnownLots
from app.ledger.mentions import Mentions
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
    lots: KnownLots,
    locked: bool,
) -> Fold:
    """Everything the batch's decisions read. With `locked`, the members' rows are locked first, and read after."""
    undone = await _undone(connection, work, program_id=program_id)
    said = mentions.of(work, undone=undone)
    states = await loading.members(
        connection, program_id=program_id, ids=said.members, digests=sorted(said.digests), locked=locked
    )
    now = clock()  # after the lock, for which it may have waited
    digests = sorted(said.digests | said.joining)
    found = await loading.circumstances(
        connection, states, program_id=program_id, digests=digests, keys=said.keys, now=now
    )
    versions = await rules.of(connection, found.versions, program_id=program_id)
    late = history.late(said.commands, found, versions)
    wanting = _wanting_lots(said, found, versions, late=late, now=now)
    states = found.states | await _with_lots(connection, wanting, lots, program_id=program_id)
    if versions.profiles:
        states |= await loading.with_profiles(connection, states.values(), program_id=program_id)
    earlier = await history.of(connection, said, found, versions, program_id=program_id, late=late, now=now)
    states = earlier.reopened(states)
    states |= await acquaintance.with_bonuses(connection, states, program_id=program_id)
    friends = await acquaintance.of(
        connection, said.commands, states, found.identities, versions, program_id=program_id, now=now
    )
    followed = await history.followed(connection, said, found, program_id=program_id)
    counters = limits.shared_counters(versions, {kind for item in work for kind in _kinds(item)})
    shared = await loading.shared(connection, counters, program_id=program_id, locked=locked)
    return Fold(
        program_id,
        versions,
        now,
        secrets,
        ids,
        before=states,
        heads={state.id: state.head for state in states.values()},
        identities=found.identities,
        recorded=found.recorded | await _awaited(connection, work, found, program_id=program_id),
        waiting=found.waiting,
        by_id=earlier.by_id,
        about=earlier.about,
        firsts=earlier.firsts,
        recent=earlier.recent,
        friends=friends,
        shared=shared,
        shared_before=shared,
        milestones=earlier.milestones,
        since=earlier.since,
        followed=followed,
    )


async def save(connection: Any, batch: Fold, lane: Lane, *, last: bool) -> Lane:
    """Writes what was decided since the last time; at last the block of the whole batch, as the next of the lane.

    Everything is read before this gives way for the first time, so the fold may go on meanwhile. Gives the lane as it
    stands after the commit.
    """
    number = lane.number + 1
    piece = batch.cut()
    audience = batch.versions.at(batch.clock).audience if batch.versions.all else Audience.ALL
    columns = arrays.event_columns(piece.posted, lane=lane.lane, block=number, first=piece.first, audience=audience)
    for notice in piece.notices:
        whom = notice.source if audience is Audience.OWN else None
        arrays.add_notice(columns, notice.member_id, notice.message, now=batch.clock, whom=whom)
    columns |= arrays.feed_columns(columns["message"])
    columns |= arrays.parking_columns(piece.parked, piece.unparked, piece.refused)
    columns |= arrays.state_columns(piece.changes)
    columns |= arrays.schedule_columns(piece.schedules)
    columns |= arrays.columns("fingerprint", ("member_id", "digest"), piece.fingerprints)
    columns |= arrays.shared_usage_columns(*piece.shared)
    columns |= _new_members(piece)
    if last and batch.posted:
        columns |= _block(batch, lane, number)
        lane = replace(lane, number=number, head=columns["block"]["hash"][0])
    if any(columns.values()):
        await writing.save(connection, program_id=rows.uuid(batch.program_id), columns=columns)
    return lane


def _kinds(item: Work) -> tuple[str, ...]:
    """The kinds of events whose caps deciding on it may read or move."""
    return limits.judged_as(item) if isinstance(item, Command) else limits.SETTLED_AS


async def _undone(connection: Any, work: Iterable[Work], *, program_id: bytes) -> Sequence[Recorded]:
    """The transfers that commands take back, read before the lock: whom they went to never changes."""
    named = mentions.cancelled(work)
    if not named:
        return ()
    found = await loading.named(connection, named, program_id=program_id)
    return [event for event in found if event.kind == Transfer.kind]


async def _awaited(
    connection: Any, work: Iterable[Work], found: loading.Circumstances, *, program_id: bytes
) -> dict[loading.EventKey, Recorded]:
    """What members to be settled wait for, as far as it has come: for somebody else, or it had been released."""
    settled = {item.member_id for item in work if isinstance(item, Settle)}
    awaits = [one.awaits for one in found.waiting.values() if one.member_id in settled]
    come = await loading.named(connection, awaits, program_id=program_id) if awaits else ()
    return {(event.source, event.kind, event.key): event for event in come}


def _wanting_lots(
    said: Mentions,
    found: loading.Circumstances,
    versions: Versions,
    *,
    late: Mapping[bytes, datetime],
    now: datetime,
) -> list[MemberState]:
    """The members who need their open lots: for what a command does to them, or for what is due by its time."""
    drawing = _drawing(said.commands, found, versions, now=now) | said.returning | late.keys()
    drawing |= {_whom(to, found.identities) for to in said.receivers}
    until = max([now, *(command.occurred_at for command in said.commands)])
    return [state for state in found.states.values() if state.id in drawing or _due(state, now=until)]


async def _with_lots(
    connection: Any, wanting: Sequence[MemberState], lots: KnownLots, *, program_id: bytes
) -> dict[bytes, MemberState]:
    """The states with all their open lots: those that are remembered, and the others as they are read."""
    known = lots.of(wanting)
    unknown = [state for state in wanting if state.id not in known]
    return known | await loading.with_lots(connection, unknown, program_id=program_id)


def _drawing(
    commands: Iterable[Command], found: loading.Circumstances, versions: Versions, *, now: datetime
) -> set[bytes | None]:
    """The members of commands that draw on lots."""
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


def _new_members(piece: Piece) -> arrays.Columns:
    named = sorted((identity.digest, identity.kind, member, identity.value) for identity, member in piece.named)
    profiles = [
        (member, facts.birthday, facts.attributes) for member, facts in sorted(piece.profiles, key=lambda p: p[0])
    ]
    return arrays.columns("member_identity", ("digest", "kind", "member_id", "value"), named) | arrays.columns(
        "profile", ("member_id", "birthday", "attributes"), profiles
    )


def _block(batch: Fold, lane: Lane, number: int) -> arrays.Columns:
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
    return arrays.columns(
        "block", ("lane", "number", "previous", "root", "hash", "events", "sums", "recorded_at"), [row]
    )


def _sums(posted: Iterable[Posted]) -> dict[str, dict[str, int]]:
    """Points per unit that the batch issued, redeemed (less what was restored), let expire and took back."""
    sums: dict[str, dict[str, int]] = {}
    for one in posted:
        for entry in one.recorded.entries:
            unit = sums.setdefault(entry.unit, {})
            way, points = books.way(one.recorded.kind, entry)
            unit[way] = unit.get(way, 0) + points
    return sums
