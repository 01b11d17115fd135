"""What the driver asks each new connection about PostgreSQL's own types, asked once for all tests.

It asks with a query of 7,000 characters, three times before the first event is recorded, and a test opens connections
by the dozen. Types that come with PostgreSQL are the same in every database; others are asked for as ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

FIRST_OWN_TYPE = 16_384
"""Smaller numbers are PostgreSQL's own (FirstNormalObjectId)."""

_NOTHING_ASKED = SimpleNamespace(name="nothing was asked, so no unnamed statement was lost")


@contextmanager
def remembered() -> Iterator[None]:
    """The driver asks for each set of types once in a process."""
    ask = asyncpg.Connection._introspect_types
    known: dict[frozenset[int], Any] = {}

    async def introspect(self: asyncpg.Connection, types: Any, timeout: float | None) -> tuple[Any, Any]:
        wanted = frozenset(types)
        if wanted in known:
            return known[wanted], _NOTHING_ASKED
        found, statement = await ask(self, types, timeout)
        if max(wanted) < FIRST_OWN_TYPE:
            known[wanted] = found
        return found, statement

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "_introspect_types", introspect)
        yield
