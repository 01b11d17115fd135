"""Replays: jobs that make an endpoint's messages of a stretch of the feed pending again (webhooks W10).

A page moves the job's position in the transaction that makes its messages pending. Whatever is killed, the job goes on
behind the last page that was committed; a page that is worked on twice would find its position moved, and stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnCollection, Select, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from app.db import pending, resending
from app.db import tables as t

_r, _f, _m, _e = t.replay.c, t.feed.c, t.message.c, t.endpoint.c
_p, _d = t.pending_delivery.c, t.delivery.c


class Which(StrEnum):
    """Which messages a replay sends: those that failed, those that were never sent there, or all."""

    FAILED = "failed"
    MISSING = "missing"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Replay:
    """A job: it works from behind position `first` to `last`, and has come to `position`."""

    id: bytes
    endpoint_id: bytes
    which: Which
    since: datetime
    until: datetime
    first: int
    last: int
    position: int
    queued: int
    state: str
    created_at: datetime
    finished_at: datetime | None


async def behind(connection: AsyncConnection, instant: datetime | None, *, program_id: bytes) -> int:
    """The position behind which the feed tells of an instant and later: by halving, as times never go back.

    None is after all there is.
    """
    h = t.feed_head.c
    head = (await connection.execute(select(h.removed, h.position).where(h.program_id == program_id))).first()
    if head is None:
        return 0
    low, high = int(head.removed), int(head.position)
    if instant is None:
        return high
    while low < high:  # at most 63 times
        middle = (low + high) // 2 + 1
        at = select(_f.sequenced_at).where(_f.program_id == program_id, _f.position == middle)
        found = (await connection.execute(at)).scalar()
        if found is None or found < instant:  # None: removed meanwhile, so older
            low = middle
        else:
            high = middle - 1
    return low


async def add(connection: AsyncConnection, new: Replay, *, program_id: bytes, by: str) -> None:
    """Keeps a new job."""
    values = {name: getattr(new, name) for name in Replay.__dataclass_fields__ if name != "id"}
    await connection.execute(
        insert(t.replay).values(
            {**values, "program_id": program_id, "replay_id": new.id, "which": new.which.value, "requested_by": by}
        )
    )


async def running(connection: AsyncConnection) -> tuple[tuple[bytes, bytes, bytes], ...]:
    """The jobs that are not done, oldest first: program, endpoint and job."""
    query = select(_r.program_id, _r.endpoint_id, _r.replay_id).where(_r.state == "running").order_by(_r.replay_id)
    return tuple((row[0], row[1], row[2]) for row in await connection.execute(query))


async def lock(
    connection: AsyncConnection, replay_id: bytes, *, program_id: bytes, endpoint_id: bytes
) -> Replay | None:
    """The job, if it runs and no other process works on it at this moment; this transaction's from now on."""
    query = (
        select(*columns())
        .where(_r.program_id == program_id, _r.endpoint_id == endpoint_id, _r.replay_id == replay_id)
        .where(_r.state == "running")
        .with_for_update(skip_locked=True)
    )
    row = (await connection.execute(query)).first()
    return None if row is None else of(row)


async def state_of(connection: AsyncConnection, endpoint_id: bytes, *, program_id: bytes) -> str | None:
    """The endpoint's state."""
    query = select(_e.state).where(_e.program_id == program_id, _e.endpoint_id == endpoint_id)
    return (await connection.execute(query)).scalar()


async def backlog(connection: AsyncConnection, endpoint_id: bytes, *, program_id: bytes, most: int) -> int:
    """How many deliveries of the endpoint are pending; counted no further than `most`."""
    rows = select(_p.message_id).where(_p.program_id == program_id, _p.endpoint_id == endpoint_id).limit(most)
    return int((await connection.execute(select(func.count()).select_from(rows.subquery()))).scalar_one())


async def queue(connection: AsyncConnection, job: Replay, *, program_id: bytes, upto: int, now: datetime) -> int:
    """Makes pending what the job asks for behind its position, up to another; how many messages."""
    message, found = chosen(job, program_id=program_id, upto=upto)
    rows = resending.pending(message, endpoint_id=job.endpoint_id, now=now)
    result = await connection.execute(resending.add(found.with_only_columns(*rows)))
    return int(result.rowcount)


async def move(
    connection: AsyncConnection, job: Replay, *, program_id: bytes, position: int, queued: int, now: datetime
) -> None:
    """Where the job has come to; at its end it is done."""
    done = position >= job.last
    await _change(
        connection,
        job,
        program_id=program_id,
        position=position,
        queued=job.queued + queued,
        state="done" if done else "running",
        finished_at=now if done else None,
    )


async def end(connection: AsyncConnection, job: Replay, *, program_id: bytes, now: datetime) -> None:
    """Ends a job whose endpoint is gone."""
    await _change(connection, job, program_id=program_id, state="ended", finished_at=now)


async def counted(connection: AsyncConnection, job: Replay, *, program_id: bytes, upto: int) -> int:
    """How many messages the job would make pending behind its position, up to another."""
    _, found = chosen(job, program_id=program_id, upto=upto)
    return int((await connection.execute(select(func.count()).select_from(found.subquery("found")))).scalar_one())


def columns() -> Sequence[ColumnElement[Any]]:
    """What `of` reads."""
    return [_r.replay_id.label("id"), *[_r[name] for name in Replay.__dataclass_fields__ if name != "id"]]


def of(row: Any) -> Replay:
    """The job of a row."""
    values = {name: getattr(row, name) for name in Replay.__dataclass_fields__}
    return Replay(**{**values, "which": Which(row.which)})


def chosen(job: Replay, *, program_id: bytes, upto: int) -> tuple[ColumnCollection[str, Any], Select[Any]]:
    """Of a stretch of the feed, the messages that the endpoint takes and that are not pending there already.

    Each message is looked up by itself, and so is what became of it: whatever the planner believes about how many
    there are, it never walks all deliveries of the endpoint.
    """
    stretch = (
        select(_f.message_id)
        .where(_f.program_id == program_id, _f.position > job.position, _f.position <= upto)
        .order_by(_f.position)
        .subquery("stretch")
    )
    message = (
        select(_m.program_id, _m.message_id, _m.member_id, _m.type, _m.audience)
        .where(_m.program_id == program_id, _m.message_id == stretch.c.message_id)
        .limit(1)
        .lateral("told")
    )
    endpoint = select(_e.types, _e.source).where(_e.program_id == program_id, _e.endpoint_id == job.endpoint_id)
    mine = endpoint.limit(1).subquery("mine")
    joined = stretch.join(message, true()).join(mine, true())
    asked = _asked(job, message.c.message_id, program_id=program_id)
    gets = (pending.takes(message.c.type, mine.c), pending.may_see(message.c.audience, mine.c))
    query = select(message.c.message_id).select_from(joined).where(*gets, *asked)
    return message.c, query


def _asked(job: Replay, message_id: ColumnElement[Any], *, program_id: bytes) -> list[ColumnElement[bool]]:
    def found(d: Any) -> Any:
        here = [d.program_id == program_id, d.endpoint_id == job.endpoint_id, d.message_id == message_id]
        return select(d.message_id).where(*here).limit(1)

    not_pending = found(_p).scalar_subquery().is_(None)
    match job.which:
        case Which.FAILED:
            return [not_pending, found(_d).where(_d.state != "delivered").scalar_subquery().is_not(None)]
        case Which.MISSING:
            return [not_pending, found(_d).scalar_subquery().is_(None)]
        case Which.ALL:
            return [not_pending]


async def _change(connection: AsyncConnection, job: Replay, *, program_id: bytes, **values: Any) -> None:
    mine = [_r.program_id == program_id, _r.endpoint_id == job.endpoint_id, _r.replay_id == job.id]
    await connection.execute(update(t.replay).where(*mine).values(values))
