"""The whole ledger as a stream, from one snapshot: for whoever wants to prove it (semantics L15)."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import Text, Uuid, bindparam, cast, func, select
from sqlalchemy.sql import Select

from app.db import rows
from app.db import tables as t
from app.db.statements import Statement
from app.domain import chain
from app.domain.books import WAYS, Moved, Trial
from app.domain.commands import Cancellation, Transfer, TransferIn, TransferReversal
from app.domain.state import GENESIS, MemberState, Usage
from app.domain.verifying import Finding, History, StoredEvent, StoredMessage, places
from app.queries import books

FETCH = 2_000
"""Rows of one round trip."""

_PROGRAM = bindparam("program_id", type_=Uuid())


def _of_program(table: Any, columns: Iterable[Any]) -> Any:
    return select(*columns).where(table.c.program_id == _PROGRAM)


def _stream(table: Any, *order: str) -> Statement:
    columns = [column for column in table.c if column.name != "program_id"]
    return Statement(_of_program(table, columns).order_by(*[table.c[name] for name in order]))


_MEMBERS = _stream(t.member, "member_id")
_ACCOUNTS = _stream(t.account, "member_id", "unit")
_LOTS = _stream(t.open_lot, "member_id", "sequence", "position")
_RESERVATIONS = _stream(t.reservation, "member_id", "hold", "lot_sequence", "lot_position")
_USAGE = _stream(t.usage, "member_id", "counter", "since")
_SHARED = _stream(t.shared_usage, "counter", "since")
_TAGS = _stream(t.member_tag, "member_id", "tag", "sequence")
_TERMS = _stream(t.tier_term, "member_id", "sequence")
_FLOORS = _stream(t.tier_floor, "member_id", "sequence")
_EVENTS = _stream(t.event, "member_id", "sequence")
_ENTRIES = _stream(t.entry, "member_id", "sequence", "position")
_DRAWS = _stream(t.draw, "member_id", "sequence", "position", "ordinal")
_PARTICULARS = _stream(t.particulars, "member_id", "sequence")
_MESSAGES = Statement(
    _of_program(
        t.message, [t.message.c[name] for name in ("member_id", "sequence", "number", "type", "body", "created_at")]
    )
    .where(t.message.c.member_id.is_not(None))
    .order_by(t.message.c.member_id, t.message.c.sequence, t.message.c.number)
)
_OF_STATE = ("account", "lot", "reservation", "term", "floor", "usage", "tag")
_TORN = (LookupError, TypeError, ValueError, AttributeError)
"""What reading a row ends in that somebody has changed to what is never written."""
_RETENTION = Statement(_of_program(t.retention, [t.retention.c.messages_from]))
_BLOCKS = _stream(t.block, "lane", "number")
_LEAVES = Statement(
    _of_program(t.event, [t.event.c[name] for name in ("lane", "block", "leaf", "hash")]).order_by(
        t.event.c.lane, t.event.c.block, t.event.c.leaf
    )
)


class Feed:
    """A cursor read forward: the rows of one member or block after the other."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._rows: list[Any] = []
        self._at = 0

    async def peek(self) -> Any | None:
        if self._at == len(self._rows):
            self._rows, self._at = await self._cursor.fetch(FETCH), 0
        return self._rows[self._at] if self._rows else None

    async def run(self, *names: str, key: tuple[Any, ...]) -> list[Any]:
        """The rows whose columns `names` are `key`, if the feed stands at them."""
        taken = []
        while (row := await self.peek()) is not None and tuple(row[name] for name in names) == key:
            taken.append(row)
            self._at += 1
        return taken


async def feed(connection: asyncpg.Connection, statement: Statement, **asked: Any) -> Feed:
    """A statement's rows as a feed. Needs a transaction."""
    values = statement.constants | asked
    return Feed(await connection.cursor(statement.sql, *[values[name] for name in statement.order]))


async def _feed(connection: asyncpg.Connection, statement: Statement, program_id: bytes) -> Feed:
    return await feed(connection, statement, program_id=rows.uuid(program_id))


async def members(connection: asyncpg.Connection, *, program_id: bytes) -> int:
    """How many members there are to prove."""
    query = Statement(select(func.count()).select_from(t.member).where(t.member.c.program_id == _PROGRAM))
    ((count,),) = await query.fetch(connection, program_id=rows.uuid(program_id))
    return int(count)


async def histories(connection: asyncpg.Connection, *, program_id: bytes) -> AsyncIterator[History]:
    """Each member with everything stored of them, one after the other. Needs a transaction with one snapshot."""
    feeds = {
        name: await _feed(connection, statement, program_id)
        for name, statement in (
            ("account", _ACCOUNTS),
            ("lot", _LOTS),
            ("reservation", _RESERVATIONS),
            ("term", _TERMS),
            ("floor", _FLOORS),
            ("usage", _USAGE),
            ("tag", _TAGS),
            ("event", _EVENTS),
            ("entry", _ENTRIES),
            ("draw", _DRAWS),
            ("particulars", _PARTICULARS),
            ("message", _MESSAGES),
        )
    }
    owners = await _feed(connection, _MEMBERS, program_id)
    kept = await _RETENTION.fetch(connection, program_id=rows.uuid(program_id))
    messages_from = kept[0]["messages_from"] if kept else None
    while (row := await owners.peek()) is not None:
        (row,) = await owners.run("member_id", key=(row["member_id"],))
        id, key = row["member_id"].bytes, (row["member_id"],)
        parts = {name: await feeds[name].run("member_id", key=key) for name in _OF_STATE}
        stored = {
            found["sequence"]: await _event(found, feeds) for found in await feeds["event"].run("member_id", key=key)
        }
        notices = tuple(map(_message, await feeds["message"].run("member_id", key=key)))
        state, place = _state(row, parts), places.of_member(id)
        torn = [f"{place} event {number}" for number, event in stored.items() if event is None]
        torn += [place] if state is None else []
        yield History(
            program_id,
            state or MemberState(id=id),
            [event for event in stored.values() if event is not None],
            notices,
            messages_from,
            tuple(
                Finding(where, "cannot be read: something in its rows is nothing that is written there")
                for where in torn
            ),
        )


def _state(row: Any, parts: Mapping[str, Sequence[Any]]) -> MemberState | None:
    """The member as the rows say; None where they cannot be read."""
    try:
        return rows.member_state(row)._replace(
            accounts={a["unit"]: rows.account(a) for a in parts["account"]},
            lots=rows.with_reserves([rows.open_lot(lot) for lot in parts["lot"]], parts["reservation"]),
            tiers=tuple(rows.tier_term(term) for term in parts["term"]),
            floors=tuple(rows.floor(floor) for floor in parts["floor"]),
            usage={(u["counter"], u["since"]): rows.usage(u) for u in parts["usage"]},
            tags=tuple(rows.held_tag(tag) for tag in parts["tag"]),
            lots_loaded=True,
        )
    except _TORN:
        return None


async def _event(row: Any, feeds: dict[str, Feed]) -> StoredEvent | None:
    """An event with its rows; None where they cannot be read."""
    key = (row["member_id"], row["sequence"])
    names = ("member_id", "sequence")
    entries = await feeds["entry"].run(*names, key=key)
    draws = await feeds["draw"].run(*names, key=key)
    particulars = await feeds["particulars"].run(*names, key=key)
    messages = await feeds["message"].run(*names, key=key)
    try:
        recorded = rows.recorded(row, entries, draws)
    except _TORN:
        return None
    return StoredEvent(
        recorded,
        (particulars[0]["salt"], particulars[0]["body"]) if particulars else None,
        tuple(map(_message, messages)),
    )


def _message(row: Any) -> StoredMessage:
    return StoredMessage(row["number"], row["type"], row["body"], row["created_at"])


@dataclass(frozen=True, slots=True)
class BlockProof:
    """What a block's chain was checked to be: the points it says it moved, and what does not agree."""

    blocks: int
    sums: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]


async def blocks(connection: asyncpg.Connection, *, program_id: bytes) -> AsyncIterator[BlockProof]:
    """Every block of every lane: its link, its root over its events' hashes, its count."""
    chains = await _feed(connection, _BLOCKS, program_id)
    leaves = await _feed(connection, _LEAVES, program_id)
    lane, number, head = None, 0, GENESIS
    while (row := await chains.peek()) is not None:
        (row,) = await chains.run("lane", "number", key=(row["lane"], row["number"]))
        if row["lane"] != lane:
            lane, number, head = row["lane"], 0, GENESIS
        mine = await leaves.run("lane", "block", key=(row["lane"], row["number"]))
        found = tuple(_block(row, mine, program_id=program_id, number=number + 1, head=head))
        yield BlockProof(1, {} if found else rows.json_value(row["sums"]), found)
        number, head = row["number"], row["hash"]
    if (left := await leaves.peek()) is not None:
        place = f"lane {left['lane']} block {left['block']} leaf {left['leaf']}"
        yield BlockProof(0, {}, (Finding(place, "the event's block is not there"),))


def _block(row: Any, leaves: Sequence[Any], *, program_id: bytes, number: int, head: bytes) -> list[Finding]:
    place = f"lane {row['lane']} block {row['number']}"
    found = []
    if row["number"] != number:
        found.append(Finding(place, f"block {number} is missing"))
    if row["previous"] != head:
        found.append(Finding(place, "does not link to the block before"))
    if [leaf["leaf"] for leaf in leaves] != list(range(row["events"])):
        found.append(Finding(place, f"has {len(leaves)} events, and should have {row['events']}"))
    if chain.merkle_root([leaf["hash"] for leaf in leaves]) != row["root"]:
        found.append(Finding(place, "its root is not that of its events' hashes"))
    hash = chain.block_hash(
        program_id=program_id,
        lane=row["lane"],
        number=row["number"],
        previous=row["previous"],
        root=row["root"],
        events=row["events"],
        sums=chain.canonical(rows.json_value(row["sums"])),
    )
    if hash != row["hash"]:
        found.append(Finding(place, "its hash does not cover what it says"))
    return found


def _without(table: Any, other: Any, *names: str, **renamed: str) -> Select[Any]:
    """How many rows of a table lack the row they belong to in another, whose columns may be named otherwise."""
    pairs = {name: name for name in names} | renamed
    same = [table.c[mine] == other.c[its] for mine, its in pairs.items()]
    joined = table.outerjoin(other, (table.c.program_id == other.c.program_id) & _all(*same))
    query = select(func.count()).select_from(joined).where(table.c.program_id == _PROGRAM)
    return query.where(other.c[names[0]].is_(None))


def _all(first: Any, *others: Any) -> Any:
    for other in others:
        first = first & other
    return first


def _uncounted() -> Select[Any]:
    """How many members have another number of events waiting than their row says."""
    m, p = t.member.c, t.parked.c
    waiting = select(func.count()).where(p.program_id == m.program_id, p.member_id == m.member_id).scalar_subquery()
    said = func.coalesce(m.parked, 0)
    return select(func.count()).select_from(t.member).where(m.program_id == _PROGRAM, said != waiting)


def _miscounted() -> Select[Any]:
    """How many lots have another sum reserved than their reservations have."""
    o, r = t.open_lot.c, t.reservation.c
    kept = (
        select(func.coalesce(func.sum(r.points), 0))
        .where(r.program_id == o.program_id, r.member_id == o.member_id)
        .where(r.lot_sequence == o.sequence, r.lot_position == o.position)
        .scalar_subquery()
    )
    return select(func.count()).select_from(t.open_lot).where(o.program_id == _PROGRAM, o.reserved != kept)


def _one_sided(kind: str, other: str) -> Select[Any]:
    """How many sides of a transfer lack the other one, which is known by the key that follows from the transfer."""
    mine, its = t.event.alias("mine"), t.event.alias("its")
    transfer, received = (mine, its) if kind == Transfer.kind else (its, mine)
    key = received.c.key == _key_after("tin:", transfer)
    same = (its.c.program_id == mine.c.program_id) & (its.c.kind == other) & key
    query = select(func.count()).select_from(mine.outerjoin(its, same))
    return query.where(mine.c.program_id == _PROGRAM, mine.c.kind == kind, its.c.event_id.is_(None))


def _unreversed() -> Select[Any]:
    """How many cancellations of transfers did not reach the receiver."""
    mine, transfer, its = t.event.alias("mine"), t.event.alias("transfer"), t.event.alias("its")
    undone = (transfer.c.program_id == mine.c.program_id) & (transfer.c.event_id == mine.c.about)
    same = (its.c.program_id == mine.c.program_id) & (its.c.kind == TransferReversal.kind)
    joined = mine.join(transfer, undone).outerjoin(its, same & (its.c.key == _key_after("trv:", mine)))
    query = select(func.count()).select_from(joined).where(mine.c.program_id == _PROGRAM, its.c.event_id.is_(None))
    return query.where(mine.c.kind == Cancellation.kind, transfer.c.kind == Transfer.kind)


def _uncancelled() -> Select[Any]:
    """How many receivers gave points back of a transfer that its giver did not cancel."""
    mine, its = t.event.alias("mine"), t.event.alias("its")
    same = (its.c.program_id == mine.c.program_id) & (its.c.kind == Cancellation.kind)
    joined = mine.outerjoin(its, same & (mine.c.key == _key_after("trv:", its)))
    query = select(func.count()).select_from(joined).where(mine.c.program_id == _PROGRAM, its.c.event_id.is_(None))
    return query.where(mine.c.kind == TransferReversal.kind)


def _key_after(prefix: str, event: Any) -> Any:
    """The key that follows from an event's id."""
    return func.concat(prefix, func.replace(cast(event.c.event_id, Text()), "-", ""))


_ORPHANS = {
    "member rows that count other events as parked than there are": Statement(_uncounted()),
    "open_lot rows with other points reserved than holds keep": Statement(_miscounted()),
    "event rows without their member": Statement(_without(t.event, t.member, "member_id")),
    "entry rows without their event": Statement(_without(t.entry, t.event, "member_id", "sequence")),
    "draw rows without their entry": Statement(_without(t.draw, t.entry, "member_id", "sequence", "position")),
    "particulars rows without their event": Statement(_without(t.particulars, t.event, "member_id", "sequence")),
    "account rows without their member": Statement(_without(t.account, t.member, "member_id")),
    "open_lot rows without their entry": Statement(_without(t.open_lot, t.entry, "member_id", "sequence", "position")),
    "reservation rows without their lot": Statement(
        _without(t.reservation, t.open_lot, "member_id", lot_sequence="sequence", lot_position="position")
    ),
    "usage rows without their member": Statement(_without(t.usage, t.member, "member_id")),
    "member_tag rows without their member": Statement(_without(t.member_tag, t.member, "member_id")),
    "tier_term rows without their event": Statement(_without(t.tier_term, t.event, "member_id", "sequence")),
    "tier_floor rows without their event": Statement(_without(t.tier_floor, t.event, "member_id", "sequence")),
    "pending_delivery rows without their message": Statement(_without(t.pending_delivery, t.message, "message_id")),
    "message rows without their event": Statement(
        _without(t.message, t.event, "member_id", "sequence").where(t.message.c.sequence.is_not(None))
    ),
    "adjustment rows without their event": Statement(
        _without(t.adjustment, t.event, "event_id").where(t.adjustment.c.event_id.is_not(None))
    ),
    "transfer events without their transfer_in": Statement(_one_sided(Transfer.kind, TransferIn.kind)),
    "transfer_in events without their transfer": Statement(_one_sided(TransferIn.kind, Transfer.kind)),
    "cancellations of transfers without their transfer_reversal": Statement(_unreversed()),
    "transfer_reversal events without their cancellation": Statement(_uncancelled()),
    "fingerprint rows without their member": Statement(_without(t.fingerprint, t.member, "member_id")),
    "member_identity rows without their member": Statement(_without(t.member_identity, t.member, "member_id")),
}


async def shared_usage(connection: asyncpg.Connection, *, program_id: bytes) -> dict[tuple[str, datetime], Usage]:
    """What all members together have used of caps, by counter and the start of its period."""
    found = await _SHARED.fetch(connection, program_id=rows.uuid(program_id))
    return {(row["counter"], row["since"]): rows.usage(row) for row in found}


async def orphans(connection: asyncpg.Connection, *, program_id: bytes) -> tuple[Finding, ...]:
    """Rows that belong to nothing: what foreign keys would forbid, if the hot tables had any."""
    found = []
    for what, statement in _ORPHANS.items():
        ((count,),) = await statement.fetch(connection, program_id=rows.uuid(program_id))
        if count:
            found.append(Finding(what, f"{count} of them"))
    return tuple(found)


async def trial_balance(
    connection: asyncpg.Connection, told: Mapping[tuple[str, str], int], *, program_id: bytes
) -> tuple[tuple[Trial, ...], tuple[Finding, ...]]:
    """The books of every unit, and where they do not agree, or not with `told`, the blocks' sums (L15)."""
    asked = {"program_id": rows.uuid(program_id)}
    moved = {(r["unit"], r["way"]): int(r["points"]) for r in await books.MOVED.fetch(connection, **asked)}
    held = {r["unit"]: int(r["points"]) for r in await books.HELD.fetch(connection, **asked)}
    units = sorted({unit for unit, _ in moved} | held.keys())
    trials = tuple(
        Trial(unit, Moved(**{way: moved.get((unit, way), 0) for way in WAYS}), held.get(unit, 0)) for unit in units
    )
    found = [Finding(f"unit {t.unit}", "the books do not balance") for t in trials if not t.balanced]
    found += [
        Finding(
            f"unit {unit}", f"the blocks say {told.get((unit, way), 0)} {way}, the entries {moved.get((unit, way), 0)}"
        )
        for unit, way in sorted(moved.keys() | told.keys())
        if moved.get((unit, way), 0) != told.get((unit, way), 0)
    ]
    return trials, tuple(found)
