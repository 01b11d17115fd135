"""The feed: every committed message of a program at one position, without holes (webhooks W10).

A batch leaves a row that names its messages. Whoever holds the row of the program's head takes these rows away and
gives their messages the next positions. No position below another is ever seen later, because heads move one commit
after another; and no message is missed however late it was committed, because what is not sequenced is still there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, bindparam, delete, func, literal_column, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from app.db import tables as t

_u, _f, _h = t.unsequenced.c, t.feed.c, t.feed_head.c


@dataclass(frozen=True, slots=True)
class Head:
    """How far the feed of a program goes; what lies at or below `removed` is gone."""

    position: int
    removed: int
    sequenced_at: datetime


async def waiting(connection: AsyncConnection) -> tuple[bytes, ...]:
    """The programs with messages that have no position yet."""
    return tuple((await connection.execute(select(_u.program_id).distinct())).scalars())


async def lock(connection: AsyncConnection, *, program_id: bytes, now: datetime) -> Head:
    """The head of the program's feed, which is this transaction's from now on."""
    start = {"program_id": program_id, "position": 0, "removed": 0, "sequenced_at": now}
    await connection.execute(insert(t.feed_head).values(start).on_conflict_do_nothing())
    query = select(_h.position, _h.removed, _h.sequenced_at).where(_h.program_id == program_id).with_for_update()
    row = (await connection.execute(query)).one()
    return Head(row.position, row.removed, row.sequenced_at)


async def append(connection: AsyncConnection, head: Head, *, program_id: bytes, now: datetime, limit: int) -> int:
    """Gives the messages of so many rows that wait the positions after the head; how many messages.

    Has to be a statement of its own after `lock`, so that it sees what others sequenced while this one waited.
    """
    at = max(now, head.sequenced_at)
    values = {"program": program_id, "head": head.position, "at": at, "most": limit}
    result = await connection.execute(_APPEND, values)
    appended = int(result.scalar_one())
    if appended:
        moved = {"position": head.position + appended, "sequenced_at": at}
        await connection.execute(update(t.feed_head).where(_h.program_id == program_id).values(moved))
    return appended


async def trim(connection: AsyncConnection, head: Head, *, program_id: bytes, before: datetime, limit: int) -> int:
    """Removes so many positions at most, the lowest, of before an instant; how many."""
    lowest = select(_f.position, _f.sequenced_at).where(_f.program_id == program_id, _f.position > head.removed)
    page = lowest.order_by(_f.position).limit(limit).subquery()
    upto = (await connection.execute(select(func.max(page.c.position)).where(page.c.sequenced_at < before))).scalar()
    if upto is None:
        return 0
    await connection.execute(delete(t.feed).where(_f.program_id == program_id, _f.position <= upto))
    await connection.execute(update(t.feed_head).where(_h.program_id == program_id).values(removed=upto))
    return int(upto - head.removed)


async def heads(connection: AsyncConnection, programs: Sequence[bytes]) -> dict[bytes, int]:
    """How far the feeds of programs go; of those that have none yet nothing."""
    query = select(_h.program_id, _h.position).where(_h.program_id.in_(programs))
    return {bytes(row.program_id): int(row.position) for row in await connection.execute(query)}


def _append() -> Any:
    program: ColumnElement[Any] = bindparam("program", type_=t.Id())
    order = (_u.written_at, _u.first_id)
    oldest = select(*order).where(_u.program_id == program).order_by(*order).limit(bindparam("most", type_=Integer))
    taken = (
        delete(t.unsequenced)
        .where(_u.program_id == program, tuple_(*order).in_(oldest))
        .returning(*order, _u.messages)
        .cte("taken")
    )
    each = func.unnest(taken.c.messages).table_valued("message_id", with_ordinality="place").render_derived(name="each")
    place = func.row_number().over(order_by=(taken.c.written_at, taken.c.first_id, each.c.place))
    position: ColumnElement[int] = bindparam("head", type_=BigInteger) + place
    rows = select(program, position, each.c.message_id, bindparam("at", type_=t.INSTANT)).select_from(
        taken.join(each, literal_column("true"))
    )
    names = ["program_id", "position", "message_id", "sequenced_at"]
    appended = insert(t.feed).from_select(names, rows).returning(_f.position).cte("appended")
    return select(func.count()).select_from(appended)


_APPEND = _append()
