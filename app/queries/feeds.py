"""The feed as a shop reads it: its messages in one order, from any position on (webhooks W10)."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select, true
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.elements import ColumnElement

from app.db import feeds
from app.db import tables as t
from app.db.transactions import DatabaseError, reading

EXAMINED = 1_000
"""Positions that one page looks at; of messages that others alone may see, a page may show few."""
WAITERS = 500
LOOK_EVERY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class FeedMessage:
    """A message at its position."""

    position: int
    id: bytes
    type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class FeedPage:
    """What was found after a position, `after` to go on from, and whether there is more by now."""

    messages: tuple[FeedMessage, ...]
    after: int
    more: bool


class Gone(Exception):
    """What follows the position is kept no longer; `oldest` is the lowest position from which one can go on."""

    def __init__(self, oldest: int) -> None:
        super().__init__(oldest)
        self.oldest = oldest


class TooManyWait(Exception):
    """So many callers wait for messages already that one more is not let in."""


def visible_to(source: str | None) -> ColumnElement[bool]:
    """Which messages of its program a caller may see: a shop what is for all or for it, the program's own key all."""
    if source is None:
        return t.message.c.message_id.is_not(None)
    return or_(t.message.c.audience.is_(None), t.message.c.audience == source)


async def ends(engine: AsyncEngine, *, program_id: bytes) -> tuple[int, int]:
    """The positions after which the oldest and the next message stand."""
    h = t.feed_head.c
    async with reading(engine) as connection:
        row = (await connection.execute(select(h.removed, h.position).where(h.program_id == program_id))).first()
    return (0, 0) if row is None else (row.removed, row.position)


async def page(engine: AsyncEngine, *, program_id: bytes, source: str | None, after: int, limit: int) -> FeedPage:
    """The messages after a position that the caller may see, in order, `limit` at most. Raises Gone."""
    query = following(program_id=program_id, source=source, after=after, limit=limit)
    async with reading(engine) as connection:
        found = (await connection.execute(query)).all()
    if not found:
        return await _nothing(engine, program_id=program_id, after=after)
    if found[0].position != after + 1 or any(row.message_id is None for row in found):
        raise Gone(await _oldest(engine, found, program_id=program_id))
    shown = [row for row in found if row.visible]
    last = shown[limit - 1].position if len(shown) > limit else found[-1].position
    return FeedPage(
        tuple(FeedMessage(row.position, row.message_id, row.type, row.body) for row in shown[:limit]),
        last,
        last < found[-1].position or len(found) == EXAMINED,
    )


def following(*, program_id: bytes, source: str | None, after: int, limit: int) -> Select[Any]:
    """What stands after a position, and of each message whether the caller may see it."""
    f, m = t.feed.c, t.message.c
    examined = (
        select(f.position, f.message_id)
        .where(f.program_id == program_id, f.position > after)
        .order_by(f.position)
        .limit(min(EXAMINED, limit + 1) if source is None else EXAMINED)
        .subquery("examined")
    )
    content = (
        select(m.message_id, m.type, m.body, visible_to(source).label("visible"))
        .where(m.program_id == program_id, m.message_id == examined.c.message_id)
        .limit(1)  # so that each is looked up by itself, whatever the planner believes about how many there are
        .lateral("content")
    )
    return (
        select(examined.c.position, *content.c)
        .select_from(examined.outerjoin(content, true()))
        .order_by(examined.c.position)
    )


async def _nothing(engine: AsyncEngine, *, program_id: bytes, after: int) -> FeedPage:
    removed, position = await ends(engine, program_id=program_id)
    if after < removed or after > position:  # the latter where an older state of the database was restored
        raise Gone(removed)
    return FeedPage((), after, more=False)


async def _oldest(engine: AsyncEngine, found: Sequence[Any], *, program_id: bytes) -> int:
    """Behind what was removed, and behind the last message that was removed while its position was still there."""
    removed, _ = await ends(engine, program_id=program_id)
    lost = [int(row.position) for row in found if row.message_id is None]
    return max([removed, *lost])


class Awaiting:
    """Callers who wait for the feeds of their programs to grow: one look at the database for all of them.

    While they wait, none holds a connection.
    """

    def __init__(self, engine: AsyncEngine, *, draining: Callable[[], bool]) -> None:
        self._engine = engine
        self._draining = draining
        self._waiting: dict[asyncio.Future[None], tuple[bytes, int]] = {}
        self._runner: asyncio.Task[None] | None = None

    async def beyond(self, position: int, *, program_id: bytes, seconds: float) -> bool:
        """Whether the program's feed grew beyond a position in time. Raises TooManyWait."""
        if len(self._waiting) >= WAITERS:
            raise TooManyWait
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = (program_id, position)
        if self._runner is None:
            self._runner = asyncio.create_task(self._look())
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(future, None)
        return True

    async def _look(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                known: Mapping[bytes, int] = {}
                if not self._draining():
                    programs = list({program_id for program_id, _ in self._waiting.values()})
                    with contextlib.suppress(DatabaseError):  # the next look, or the caller's own reading, will tell
                        async with reading(self._engine) as connection:
                            known = await feeds.heads(connection, programs)
                self._wake(known)
        finally:
            self._runner = None

    def _wake(self, known: Mapping[bytes, int]) -> None:
        for future, (program_id, position) in list(self._waiting.items()):
            if (self._draining() or known.get(program_id, 0) > position) and not future.done():
                future.set_result(None)
