"""Reading what a batch's decisions need: the lock, then one look at everything else (architecture §3.3)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import Uuid, bindparam, select

from app.db import hot, rows
from app.db import tables as t
from app.db.statements import Statement
from app.domain import opening
from app.domain.commands import Named, Opening
from app.domain.events import Recorded
from app.domain.parking import Parked
from app.domain.periods import BEGINNING
from app.domain.state import HeldTag, MemberState, OpenLot, Usage

EventKey = tuple[str, str, str]
"""(source, kind, key): an event's natural key within its program (semantics E1)."""


async def members(
    connection: asyncpg.Connection,
    *,
    program_id: bytes,
    ids: Iterable[bytes],
    digests: Sequence[bytes],
    locked: bool,
) -> dict[bytes, MemberState]:
    """The own rows of members named by id, or by an identity's digest; locked in the order of their ids for writing."""
    wanted = [rows.uuid(id) for id in sorted(ids)]
    if not wanted and not digests:
        return {}
    statement = hot.LOCK if locked else hot.PEEK
    found = await statement.fetch(connection, program_id=rows.uuid(program_id), members=wanted, digests=digests)
    return {state.id: state for state in map(rows.member_state, found)}


class Circumstances(NamedTuple):
    """What a batch's decisions read besides the members' own rows and open lots."""

    versions: Mapping[int, datetime]
    """The numbers of the published versions, each with the instant it is in force from."""
    identities: dict[bytes, bytes]
    """Who the digests belong to; unknown ones are left out."""
    recorded: dict[EventKey, Recorded]
    """The events recorded under the keys."""
    states: dict[bytes, MemberState]
    """The members with their accounts, tiers, given ones, and the scheduled commands that are due."""
    waiting: dict[EventKey, Parked]
    """What is parked under the keys, or for members who have anything parked."""


async def circumstances(
    connection: asyncpg.Connection,
    states: Mapping[bytes, MemberState],
    *,
    program_id: bytes,
    digests: Sequence[bytes],
    keys: Iterable[EventKey],
    now: datetime,
) -> Circumstances:
    """All of it from one snapshot, which is later than the members' lock; what is due, as of `now`."""
    wanted = list(keys)
    sources, kinds, names = (list(column) for column in zip(*wanted, strict=True)) if wanted else ([], [], [])
    found = await hot.CIRCUMSTANCES.ask(
        connection,
        program_id=rows.uuid(program_id),
        digests=digests,
        sources=sources,
        kinds=kinds,
        keys=names,
        members=[rows.uuid(id) for id in sorted(states)],
        now=now,
        waiting=[rows.uuid(id) for id in sorted(states) if states[id].parked],
    )
    recorded = await _events(connection, found["recorded"], program_id=program_id)
    waiting = [rows.parked(row) for row in (*found["parked"], *found["waiting"])]
    return Circumstances(
        versions={row["version"]: row["in_force_from"] for row in found["versions"]},
        identities={row["digest"]: row["member_id"].bytes for row in found["identities"]},
        recorded={(event.source, event.kind, event.key): event for event in recorded},
        states=_standing(states, found),
        waiting={(one.source, one.kind, one.key): one for one in waiting},
    )


async def _events(connection: asyncpg.Connection, found: Sequence[rows.Row], *, program_id: bytes) -> list[Recorded]:
    """The events of these rows, with their entries and draws."""
    if not found:
        return []
    members, sequences = [row["member_id"] for row in found], [row["sequence"] for row in found]
    asked = {"program_id": rows.uuid(program_id), "member_ids": members, "sequences": sequences}
    entries_of = _by_event(await hot.ENTRIES.fetch(connection, **asked))
    draws_of = _by_event(await hot.DRAWS.fetch(connection, **asked))
    return [rows.recorded(row, entries_of.get(_event(row), ()), draws_of.get(_event(row), ())) for row in found]


def _standing(states: Mapping[bytes, MemberState], found: Mapping[str, Sequence[rows.Row]]) -> dict[bytes, MemberState]:
    accounts: dict[bytes, dict[str, Any]] = {}
    for row in found["accounts"]:
        accounts.setdefault(row["member_id"].bytes, {})[row["unit"]] = rows.account(row)
    terms: dict[bytes, list[Any]] = {}
    for row in found["terms"]:
        terms.setdefault(row["member_id"].bytes, []).append(rows.tier_term(row))
    floors: dict[bytes, list[Any]] = {}
    for row in found["floors"]:
        floors.setdefault(row["member_id"].bytes, []).append(rows.floor(row))
    used: dict[bytes, dict[tuple[str, datetime], Any]] = {}
    for row in found["usage"]:
        used.setdefault(row["member_id"].bytes, {})[row["counter"], row["since"]] = rows.usage(row)
    due: dict[bytes, list[Any]] = {}
    for row in found["schedules"]:
        due.setdefault(row["member_id"].bytes, []).append(rows.scheduled(row))
    return {
        id: state._replace(
            accounts=accounts.get(id, {}),
            tiers=tuple(sorted(terms.get(id, ()), key=lambda term: term.sequence)),
            floors=tuple(sorted(floors.get(id, ()))),
            usage=used.get(id, {}),
            scheduled=tuple(due.get(id, ())),
        )
        for id, state in states.items()
    }


class Past(NamedTuple):
    """Events that commands name, and what has been recorded about them since."""

    by_id: dict[bytes, Recorded]
    about: dict[bytes, list[Recorded]]
    closed: dict[bytes, dict[tuple[int, int], OpenLot]]
    """Per member, the lots that redemptions among them drew from, as if nothing remained."""


async def past(
    connection: asyncpg.Connection, *, program_id: bytes, ids: Sequence[bytes], found: Iterable[Recorded]
) -> Past:
    """What commands that name earlier events need: those of these ids and those `found` by key, with their sequel."""
    program = rows.uuid(program_id)
    by_id = {event.id: event for event in found}
    if ids:
        asked = [rows.uuid(id) for id in ids if id not in by_id]
        named = await hot.EVENTS_BY_ID.fetch(connection, program_id=program, event_ids=asked)
        by_id |= {event.id: event for event in await _events(connection, named, program_id=program_id)}
    if not by_id:
        return Past({}, {}, {})
    named = await hot.EVENTS_ABOUT.fetch(connection, program_id=program, abouts=[rows.uuid(id) for id in by_id])
    about: dict[bytes, list[Recorded]] = {}
    for event in await _events(connection, named, program_id=program_id):
        assert event.about is not None
        about.setdefault(event.about, []).append(event)
    return Past(by_id, about, await _closed(connection, by_id.values(), program_id=program_id))


async def milestones(
    connection: asyncpg.Connection, members: Iterable[bytes], *, program_id: bytes
) -> tuple[dict[bytes, list[Recorded]], dict[bytes, dict[tuple[int, int], OpenLot]]]:
    """Per member the last milestones and those taken back, in order, and the lots that they drew from."""
    wanted = [rows.uuid(id) for id in sorted(members)]
    if not wanted:
        return {}, {}
    found = await hot.LAST_MILESTONES.fetch(connection, program_id=rows.uuid(program_id), member_ids=wanted)
    events: dict[bytes, list[Recorded]] = {}
    for event in await _events(connection, found, program_id=program_id):
        events.setdefault(event.member_id, []).append(event)
    every = (event for of_member in events.values() for event in of_member)
    return events, await _closed(connection, every, program_id=program_id)


async def behind(
    connection: asyncpg.Connection, events: Sequence[Recorded], *, program_id: bytes
) -> dict[bytes, dict[int, Recorded]]:
    """Per member, by number, the events right behind these that may have followed on them."""
    if not events:
        return {}
    found = await hot.BEHIND.fetch(
        connection,
        program_id=rows.uuid(program_id),
        member_ids=[rows.uuid(event.member_id) for event in events],
        sequences=[event.sequence for event in events],
        recorded_ats=[event.recorded_at for event in events],
    )
    later: dict[bytes, dict[int, Recorded]] = {}
    for event in await _events(connection, found, program_id=program_id):
        later.setdefault(event.member_id, {})[event.sequence] = event
    return later


async def firsts(
    connection: asyncpg.Connection, members: Iterable[bytes], *, program_id: bytes, passed: Sequence[str]
) -> dict[bytes, Recorded]:
    """Per member the first event that is of none of the kinds `passed`."""
    wanted = [rows.uuid(id) for id in sorted(members)]
    if not wanted:
        return {}
    found = await hot.FIRSTS.fetch(connection, program_id=rows.uuid(program_id), member_ids=wanted, passed=passed)
    return {event.member_id: event for event in await _events(connection, found, program_id=program_id)}


async def named(connection: asyncpg.Connection, wanted: Sequence[Named], *, program_id: bytes) -> list[Recorded]:
    """The events of these names, without what has been recorded about them."""
    program = rows.uuid(program_id)
    ids = [rows.uuid(of.event_id) for of in wanted if of.event_id is not None]
    by_key = [(of.source, of.kind, of.key) for of in wanted if of.event_id is None]
    found: list[Any] = []
    if ids:
        found += await hot.EVENTS_BY_ID.fetch(connection, program_id=program, event_ids=ids)
    if by_key:
        sources, kinds, keys = (list(column) for column in zip(*by_key, strict=True))
        found += await hot.EVENTS_BY_KEY.fetch(connection, program_id=program, sources=sources, kinds=kinds, keys=keys)
    return await _events(connection, found, program_id=program_id)


async def recent(
    connection: asyncpg.Connection,
    members: Iterable[bytes],
    *,
    program_id: bytes,
    kinds: Sequence[str],
    since: datetime,
) -> dict[bytes, list[Recorded]]:
    """Per member the events of these kinds recorded since an instant, in order."""
    wanted = [rows.uuid(id) for id in sorted(members)]
    if not wanted:
        return {}
    found = await hot.RECENT.fetch(
        connection, program_id=rows.uuid(program_id), member_ids=wanted, kinds=list(kinds), since=since
    )
    events: dict[bytes, list[Recorded]] = {}
    for event in await _events(connection, found, program_id=program_id):
        events.setdefault(event.member_id, []).append(event)
    return events


class Since(NamedTuple):
    """What was recorded of members since an instant, per member in order, and the lots that some of it drew from."""

    events: Mapping[bytes, Sequence[Recorded]]
    closed: Mapping[bytes, Mapping[tuple[int, int], OpenLot]]


async def since(
    connection: asyncpg.Connection,
    members: Mapping[bytes, datetime],
    *,
    program_id: bytes,
    kinds: Sequence[str],
    drawing: str,
) -> Since:
    """The kinds' events, each member's since an instant at least, and the lots that the `drawing` kind drew on."""
    if not members:
        return Since({}, {})
    found = await recent(connection, members, program_id=program_id, kinds=kinds, since=min(members.values()))
    drew = [event for mine in found.values() for event in mine if event.kind == drawing]
    return Since(found, await _closed(connection, drew, program_id=program_id))


async def _closed(
    connection: asyncpg.Connection, events: Iterable[Recorded], *, program_id: bytes
) -> dict[bytes, dict[tuple[int, int], OpenLot]]:
    drawn = sorted(
        {
            (e.member_id, draw.lot_sequence)
            for e in events
            for entry in e.entries
            for draw in entry.draws
            if draw.points > 0
        }
    )
    closed: dict[bytes, dict[tuple[int, int], OpenLot]] = {}
    if drawn:
        members, sequences = [rows.uuid(member) for member, _ in drawn], [sequence for _, sequence in drawn]
        found = await hot.CREDITS.fetch(
            connection, program_id=rows.uuid(program_id), member_ids=members, sequences=sequences
        )
        earned_at = await _earned_at(connection, found, program_id=program_id)
        for row in found:
            lot = rows.closed_lot(row)
            if row["kind"] == Opening.kind:
                lot = lot._replace(occurred_at=earned_at[_event(row)][lot.position])
            closed.setdefault(row["member_id"].bytes, {})[lot.sequence, lot.position] = lot
    return closed


async def _earned_at(
    connection: asyncpg.Connection, credits: Sequence[rows.Row], *, program_id: bytes
) -> dict[tuple[Any, int], tuple[datetime, ...]]:
    """When the lots of the openings among these credits were earned, by event: before it occurred (semantics E7)."""
    openings = sorted({_event(row) for row in credits if row["kind"] == Opening.kind})
    if not openings:
        return {}
    members, sequences = zip(*openings, strict=True)
    found = await hot.CONTENTS.fetch(
        connection, program_id=rows.uuid(program_id), member_ids=list(members), sequences=list(sequences)
    )
    return {_event(row): opening.earned_at(row["content"]) for row in found}


async def with_profiles(
    connection: asyncpg.Connection, states: Iterable[MemberState], *, program_id: bytes
) -> dict[bytes, MemberState]:
    """The states with the members' tags, and with what their profiles say."""
    by_id = {state.id: state for state in states}
    if not by_id:
        return {}
    asked = {"program_id": rows.uuid(program_id), "members": [rows.uuid(id) for id in sorted(by_id)]}
    tags: dict[bytes, list[HeldTag]] = {}
    for row in await hot.TAGS.fetch(connection, **asked):
        tags.setdefault(row["member_id"].bytes, []).append(rows.held_tag(row))
    said = {
        row["member_id"].bytes: rows.json_value(row["attributes"])
        for row in await hot.PROFILES.fetch(connection, **asked)
    }
    return {
        id: state._replace(tags=tuple(sorted(tags.get(id, ()))), attributes=said.get(id) or {})
        for id, state in by_id.items()
    }


async def with_lots(
    connection: asyncpg.Connection, states: Iterable[MemberState], *, program_id: bytes
) -> dict[bytes, MemberState]:
    """The states with all their open lots."""
    by_id = {state.id: state for state in states}
    if not by_id:
        return {}
    found = await hot.LOTS.fetch(
        connection, program_id=rows.uuid(program_id), members=[rows.uuid(id) for id in sorted(by_id)]
    )
    lots = {row["member_id"].bytes: tuple(rows.open_lots(row)) for row in found}
    reserved = [id for id, state in by_id.items() if any(a.held for a in state.accounts.values())]
    kept: dict[bytes, list[Any]] = {}
    if reserved:
        members = [rows.uuid(id) for id in sorted(reserved)]
        for row in await hot.RESERVATIONS.fetch(connection, program_id=rows.uuid(program_id), members=members):
            kept.setdefault(row["member_id"].bytes, []).append(row)
    return {
        id: state._replace(lots=rows.with_reserves(lots.get(id, ()), kept.get(id, ())), lots_loaded=True)
        for id, state in by_id.items()
    }


async def shared(
    connection: asyncpg.Connection, counters: Iterable[str], *, program_id: bytes, locked: bool
) -> dict[tuple[str, datetime], Usage]:
    """What all members have used of these counters; locked in the order of their names for writing, and read after.

    Members are locked before: whoever waits for a counter holds what he needs.
    """
    wanted = sorted(counters)
    if not wanted:
        return {}
    asked = {"program_id": rows.uuid(program_id), "counters": wanted}
    if locked:
        found = await hot.LOCK_COUNTERS.fetch(connection, **asked, beginning=BEGINNING)
        if len(found) < len(wanted):
            await hot.FIRST_USE.fetch(connection, **asked, beginning=BEGINNING)
            await hot.LOCK_COUNTERS.fetch(connection, **asked, beginning=BEGINNING)
    used = await hot.SHARED.fetch(connection, **asked)
    return {(row["counter"], row["since"]): rows.usage(row) for row in used}


_DOCUMENT = Statement(
    select(t.rules.c.document, t.rules.c.digest).where(
        t.rules.c.program_id == bindparam("program_id", type_=Uuid()),
        t.rules.c.version == bindparam("version"),
    )
)


async def document(connection: asyncpg.Connection, *, program_id: bytes, version: int) -> tuple[bytes, bytes]:
    """A published version's document and digest."""
    (row,) = await _DOCUMENT.fetch(connection, program_id=rows.uuid(program_id), version=version)
    return row["document"], row["digest"]


def _event(row: Any) -> tuple[Any, int]:
    return row["member_id"], row["sequence"]


def _by_event(found: Iterable[Any]) -> dict[tuple[Any, int], list[Any]]:
    grouped: dict[tuple[Any, int], list[Any]] = {}
    for row in found:
        grouped.setdefault(_event(row), []).append(row)
    return grouped
