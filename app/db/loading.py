"""Reading what a batch's decisions need: one statement a question, after the lock (architecture §3.3)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import Uuid, bindparam, select

from app.db import hot, rows
from app.db import tables as t
from app.domain.events import Recorded
from app.domain.state import MemberState

EventKey = tuple[str, str, str]
"""(source, kind, key): an event's natural key within its program (semantics E1)."""


async def resolve(connection: asyncpg.Connection, *, program_id: bytes, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Who the identities with these digests belong to; unknown ones are left out."""
    if not digests:
        return {}
    found = await hot.RESOLVE.fetch(connection, program_id=rows.uuid(program_id), digests=digests)
    return {row["digest"]: row["member_id"].bytes for row in found}


async def members(
    connection: asyncpg.Connection, *, program_id: bytes, ids: Iterable[bytes], locked: bool
) -> dict[bytes, MemberState]:
    """The members' own rows; locked in the order of their ids when this is for writing."""
    wanted = [rows.uuid(id) for id in sorted(ids)]
    if not wanted:
        return {}
    statement = hot.LOCK if locked else hot.PEEK
    found = await statement.fetch(connection, program_id=rows.uuid(program_id), members=wanted)
    return {state.id: state for state in map(rows.member_state, found)}


async def recorded(
    connection: asyncpg.Connection, *, program_id: bytes, keys: Iterable[EventKey]
) -> dict[EventKey, Recorded]:
    """The events recorded under these natural keys."""
    wanted = list(keys)
    if not wanted:
        return {}
    sources, kinds, names = (list(column) for column in zip(*wanted, strict=True))
    program = rows.uuid(program_id)
    found = await hot.RECORDED.fetch(connection, program_id=program, sources=sources, kinds=kinds, keys=names)
    if not found:
        return {}
    members, sequences = [row["member_id"] for row in found], [row["sequence"] for row in found]
    entries = await hot.ENTRIES.fetch(connection, program_id=program, members=members, sequences=sequences)
    draws = await hot.DRAWS.fetch(connection, program_id=program, members=members, sequences=sequences)
    entries_of, draws_of = _by_event(entries), _by_event(draws)
    events = (rows.recorded(row, entries_of.get(_event(row), ()), draws_of.get(_event(row), ())) for row in found)
    return {(event.source, event.kind, event.key): event for event in events}


async def standing(
    connection: asyncpg.Connection, states: Mapping[bytes, MemberState], *, program_id: bytes, now: datetime
) -> dict[bytes, MemberState]:
    """The states with their accounts, tiers and the scheduled commands that are due by `now`."""
    if not states:
        return {}
    asked: dict[str, Any] = {"program_id": rows.uuid(program_id), "members": [rows.uuid(id) for id in sorted(states)]}
    accounts: dict[bytes, dict[str, Any]] = {}
    for row in await hot.ACCOUNTS.fetch(connection, **asked):
        accounts.setdefault(row["member_id"].bytes, {})[row["unit"]] = rows.account(row)
    terms: dict[bytes, list[Any]] = {}
    for row in await hot.TERMS.fetch(connection, **asked):
        terms.setdefault(row["member_id"].bytes, []).append(rows.tier_term(row))
    due: dict[bytes, list[Any]] = {}
    for row in await hot.SCHEDULED.fetch(connection, now=now, **asked):
        due.setdefault(row["member_id"].bytes, []).append(rows.scheduled(row))
    return {
        id: state._replace(
            accounts=accounts.get(id, {}),
            tiers=tuple(sorted(terms.get(id, ()), key=lambda term: term.sequence)),
            scheduled=tuple(due.get(id, ())),
        )
        for id, state in states.items()
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
    lots: dict[bytes, list[Any]] = {}
    for row in found:
        lots.setdefault(row["member_id"].bytes, []).append(rows.open_lot(row))
    return {id: state._replace(lots=tuple(lots.get(id, ())), lots_loaded=True) for id, state in by_id.items()}


async def rules_versions(connection: asyncpg.Connection, *, program_id: bytes) -> dict[int, datetime]:
    """The numbers of the published versions, each with the instant it is in force from."""
    found = await hot.RULES_VERSIONS.fetch(connection, program_id=rows.uuid(program_id))
    return {row["version"]: row["in_force_from"] for row in found}


_DOCUMENT = hot.Statement(
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
