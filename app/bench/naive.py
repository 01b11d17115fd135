"""The same work as a service is ordinarily written: one SQLAlchemy transaction a request. For comparison only.

It judges with the same pure core and writes the same rows as the corridor, but for the block that a batch shares.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
import uuid_utils
from fastapi import Depends
from sqlalchemy import ColumnElement, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from app.api.dependencies import Caller, Parts, PartsHere, allowed
from app.api.problems import Problem
from app.api.schemas import answers
from app.api.schemas.commands import to_command
from app.api.schemas.events import AnyEventIn
from app.db import arrays, hot, rows, transactions
from app.db import tables as t
from app.domain import chain, encoding, engine, typeid
from app.domain.commands import Command
from app.domain.events import Message, Posted, Recorded
from app.domain.posting import Ids
from app.domain.scopes import Scope
from app.domain.state import Account, MemberState, OpenLot

Writer = Annotated[Caller, Depends(allowed(Scope.EVENTS_WRITE))]

_MEMBER = [column for column in t.member.c if column.name != "program_id"]
_ACCOUNT = [c.name for c in t.account.c if c.name not in ("program_id", "member_id")]
_LOT = [c.name for c in t.open_lot.c if c.name not in ("program_id", "member_id")]
_IDS = Ids(fresh=lambda: uuid_utils.uuid7().bytes, random=os.urandom)


async def naive(body: AnyEventIn, mine: PartsHere, caller: Writer) -> Response:
    """Records an event of a known member."""
    command = to_command(body, id=mine.fresh_id(), source=caller.shop, key=mine.secrets.identities)
    event = await _record(command, mine, caller)
    headers = {"Location": "/v1/events/" + typeid.encode(typeid.EVENT, event.id)}
    return Response(orjson.dumps(answers.event(event)), 201, headers, "application/json")


async def _record(command: Command, mine: Parts, caller: Caller) -> Recorded:
    program_id = caller.program_id
    versions = await mine.rulebook.of(program_id)
    async with transactions.operation(mine.engine) as connection:
        before = await _locked(connection, program_id, command, now=mine.clock())
        if await _known(connection, program_id, command):
            raise Problem("event_id_reused")
        facts = encoding.encode_facts(command.facts)
        decision = engine.decide(
            before,
            command,
            engine.moment_of(command, before, program_id=program_id, versions=versions, clock=mine.clock(), ids=_IDS),
            digest=chain.command_digest(command, facts, before.id, key=mine.secrets.commands),
            facts=facts,
            identities={},
        )
        if decision.own is None:
            raise Problem("invalid")
        for posted in decision.events:
            await _write_event(connection, program_id, posted)
        await _write_state(connection, program_id, before, decision.state)
    return decision.own


async def _locked(connection: AsyncConnection, program_id: bytes, command: Command, *, now: datetime) -> MemberState:
    identity = command.member.identity
    assert identity is not None
    i, m, a, n, s = t.member_identity.c, t.member.c, t.account.c, t.tier_term.c, t.schedule.c
    found = await connection.execute(
        select(*_MEMBER)
        .join(t.member_identity, and_(i.program_id == m.program_id, i.member_id == m.member_id))
        .where(i.program_id == program_id, i.digest == identity.digest)
        .with_for_update(of=t.member)
    )
    row = found.one_or_none()
    if row is None:
        raise Problem("unknown_member")
    state, member_id = rows.member_state(row._mapping), row.member_id
    accounts = await connection.execute(select(t.account).where(a.program_id == program_id, a.member_id == member_id))
    terms = await connection.execute(
        select(*hot.TERM_COLUMNS).where(n.program_id == program_id, n.member_id == member_id).order_by(n.sequence)
    )
    due = await connection.execute(
        select(s.key).where(s.program_id == program_id, s.member_id == member_id, s.due_at <= now)
    )
    assert due.first() is None
    return state._replace(
        accounts={row.unit: rows.account(row._mapping) for row in accounts},
        tiers=tuple(rows.tier_term(row._mapping) for row in terms),
    )


async def _known(connection: AsyncConnection, program_id: bytes, command: Command) -> bool:
    e = t.event.c
    same: list[ColumnElement[bool]] = [e.program_id == program_id, e.source == command.source]
    found = await connection.execute(select(e.digest).where(*same, e.kind == command.facts.kind, e.key == command.key))
    return found.first() is not None


async def _write_event(connection: AsyncConnection, program_id: bytes, posted: Posted) -> None:
    event = posted.recorded
    mine = {"program_id": program_id, "member_id": event.member_id, "sequence": event.sequence}
    await connection.execute(insert(t.event), {**mine, **_event(event)})
    if event.entries:
        await connection.execute(
            insert(t.entry),
            [
                {
                    **mine,
                    "position": entry.position,
                    "unit": entry.unit,
                    "points": entry.points,
                    "balance_after": entry.balance_after,
                    "available_at": entry.available_at,
                    "expires_at": entry.expires_at,
                }
                for entry in event.entries
            ],
        )
    if posted.messages:
        await _write_messages(connection, posted.messages, mine, at=event.recorded_at)


async def _write_messages(
    connection: AsyncConnection, messages: Sequence[Message], mine: dict[str, Any], *, at: datetime
) -> None:
    e = t.endpoint.c
    await connection.execute(
        insert(t.message),
        [
            {**mine, "message_id": m.id, "number": m.number, "type": m.type, "body": m.body, "created_at": at}
            for m in messages
        ],
    )
    endpoints = await connection.execute(
        select(e.endpoint_id, e.types).where(e.program_id == mine["program_id"], e.state == "enabled")
    )
    pending = [
        {
            "program_id": mine["program_id"],
            "endpoint_id": endpoint.endpoint_id,
            "message_id": message.id,
            "due_at": at,
            "ordering_key": mine["member_id"],
            "attempts": 0,
        }
        for endpoint in endpoints
        for message in messages
        if endpoint.types is None or message.type in endpoint.types
    ]
    if pending:
        await connection.execute(insert(t.pending_delivery), pending)


async def _write_state(connection: AsyncConnection, program_id: bytes, before: MemberState, after: MemberState) -> None:
    mine, a, m = {"program_id": program_id, "member_id": after.id}, t.account.c, t.member.c
    for unit, account in after.accounts.items():
        if unit not in before.accounts:
            await connection.execute(insert(t.account), {**mine, **_account(account)})
        elif account is not before.accounts[unit]:
            changed = update(t.account).where(a.program_id == program_id, a.member_id == after.id, a.unit == unit)
            await connection.execute(changed.values(_account(account)))
    if after.lots:
        await connection.execute(insert(t.open_lot), [{**mine, **_lot(lot)} for lot in after.lots])
    for term in after.tiers[len(before.tiers) :]:
        row = dict(zip(arrays.TERM, arrays.term_row(after.id, term), strict=True))
        await connection.execute(insert(t.tier_term), {**mine, **row})
    await connection.execute(
        update(t.member)
        .where(m.program_id == program_id, m.member_id == after.id)
        .values(
            sequence=after.sequence,
            messages=after.messages,
            head=after.head,
            recorded_at=after.recorded_at,
            judged_at=after.judged_at,
        )
    )


def _event(event: Recorded) -> dict[str, Any]:
    explanation: dict[str, Any] = {"steps": event.steps}
    if event.tier_changes:
        explanation["tiers"] = event.tier_changes
    return {
        "event_id": event.id,
        "source": event.source,
        "kind": event.kind,
        "key": event.key,
        "occurred_at": event.occurred_at,
        "effective_at": event.effective_at,
        "recorded_at": event.recorded_at,
        "rules_version": event.rules_version,
        "engine": event.engine,
        "lane": 0,
        "leaf": 0,
        "block": 0,
        "digest": event.digest,
        "hash": event.hash,
        "content": event.content,
        "explanation": explanation,
        "accounts": {u: (b.balance, b.available, b.pending, b.held, b.deficit) for u, b in event.accounts.items()},
    }


def _account(account: Account) -> dict[str, Any]:
    return {name: getattr(account, name) for name in _ACCOUNT}


def _lot(lot: OpenLot) -> dict[str, Any]:
    return {name: getattr(lot, name) for name in _LOT}
