"""Reads that arrive while one is under way are answered together by the next: the corridor's idea, for reading."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LIMIT = 200
"""Keys of one look at the database."""


class Gathering(Generic[K, V]):
    """Answers single look-ups with set-based reads. A key that `read` does not return is answered with None."""

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._runner: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """The value as it stands after this call began."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await asyncio.shield(future)

    async def _run(self) -> None:
        try:
            while self._waiting:
                taken = {key: self._waiting.pop(key) for key in list(self._waiting)[:LIMIT]}
                try:
                    found = await self._read(list(taken))
                except Exception as error:  # each reader learns why
                    _fail(taken.values(), error)
                else:
                    for key, future in taken.items():
                        if not future.done():
                            future.set_result(found.get(key))
        finally:
            self._runner = None


def _fail(futures: Iterable["asyncio.Future[V | None]"], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
