"""What happened in a period, member by member, and the trial of a draft on it; from one snapshot, nothing written."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Uuid, bindparam, exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import rows
from app.db import tables as t
from app.db.statements import Statement
from app.db.transactions import preview
from app.domain import backtesting
from app.domain.backtesting import Trial, Tried
from app.domain.tallying import Tally
from app.domain.verifying import StoredEvent
from app.queries.verification import Feed, feed

SLICE_SECONDS = 0.002
"""The trial gives the event loop a turn this often."""
PROGRESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a trial has come."""

    members: int
    of: int
    events: int


_PROGRAM = bindparam("program_id", type_=Uuid())
_SINCE, _UNTIL = bindparam("since", type_=t.INSTANT), bindparam("until", type_=t.INSTANT)


def _concerned(member: Any) -> Any:
    """That the member has an event that may belong to the period: recorded since, if perhaps of an earlier time."""
    e = t.event.alias("in_period").c
    return exists().where(
        e.program_id == _PROGRAM, e.member_id == member, e.recorded_at >= _SINCE, e.occurred_at < _UNTIL
    )


def _stream(table: Any, *order: str) -> Statement:
    """Rows of the members concerned, in order."""
    columns = [column for column in table.c if column.name != "program_id"]
    query = select(*columns).where(table.c.program_id == _PROGRAM, _concerned(table.c.member_id))
    return Statement(query.order_by(*[table.c[name] for name in order]))


_COUNT = Statement(
    select(func.count())
    .select_from(t.member)
    .where(t.member.c.program_id == _PROGRAM, _concerned(t.member.c.member_id))
)
_EVENTS = _stream(t.event, "member_id", "sequence")
_ENTRIES = _stream(t.entry, "member_id", "sequence", "position")
_DRAWS = _stream(t.draw, "member_id", "sequence", "position", "ordinal")


async def run(
    engine: AsyncEngine, trial: Trial, *, top: int, monotonic: Callable[[], float]
) -> AsyncGenerator[Progress | Tally, None]:
    """Tries a draft on a period: tells about every second how far it has come, and the tally at last."""
    tally, members, events = Tally(top), 0, 0
    tell_at = monotonic()
    async with preview(engine) as connection:
        asked = {"program_id": rows.uuid(trial.program_id), "since": trial.since, "until": trial.until}
        ((count,),) = await _COUNT.fetch(connection, **asked)
        slice_ends = monotonic() + SLICE_SECONDS
        async for member_id, recorded in _histories(connection, asked):
            tried = Tried(member_id)
            for _ in backtesting.trying(member_id, recorded, trial, tried):
                if monotonic() > slice_ends:
                    await asyncio.sleep(0)
                    slice_ends = monotonic() + SLICE_SECONDS
            tally.add(tried)
            members, events = members + 1, events + tried.events
            if monotonic() >= tell_at:
                tell_at = monotonic() + PROGRESS_SECONDS
                yield Progress(members, count, events)
    yield tally


async def _histories(connection: Any, asked: dict[str, Any]) -> AsyncIterator[tuple[bytes, Sequence[StoredEvent]]]:
    events, entries, draws = [await feed(connection, one, **asked) for one in (_EVENTS, _ENTRIES, _DRAWS)]
    while (row := await events.peek()) is not None:
        found = await events.run("member_id", key=(row["member_id"],))
        yield row["member_id"].bytes, [await _stored(one, entries, draws) for one in found]


async def _stored(row: Any, entries: Feed, draws: Feed) -> StoredEvent:
    key, names = (row["member_id"], row["sequence"]), ("member_id", "sequence")
    return StoredEvent(
        rows.recorded(row, await entries.run(*names, key=key), await draws.run(*names, key=key)),
    )
