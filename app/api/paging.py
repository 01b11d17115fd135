"""Lists, a page at a time: how many rows, where one begins, and the cursor to where the next does (api C7)."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Query
from starlette.responses import Response

from app.api import cursors
from app.api.schemas.common import Count

PAGE, PAGE_MOST = 50, 200

Limit = Annotated[Count, Query(ge=1, le=PAGE_MOST, description="Rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")]

T = TypeVar("T")


def begin(cursor: str | None, *, bound_to: str, key: bytes) -> str | None:
    """The position after which a page begins; None for the first one. Raises Problem for a cursor of another list."""
    return None if cursor is None else cursors.decode(cursor, bound_to=bound_to, key=key)


def begin_after(cursor: str | None, *, bound_to: str, key: bytes) -> bytes | None:
    """The same in a list that is ordered by ids."""
    position = begin(cursor, bound_to=bound_to, key=key)
    return None if position is None else bytes.fromhex(position)


def page(
    name: str,
    found: Sequence[T],
    *,
    limit: int,
    show: Callable[[T], Any],
    position: Callable[[T], str],
    bound_to: str,
    key: bytes,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """The rows of a page as an answer, of a list in which one row more than `limit` was looked for; `more` beside."""
    shown = found[:limit]
    following = cursors.encode(position(shown[-1]), bound_to=bound_to, key=key) if len(found) > limit else None
    body = {name: [show(one) for one in shown], "next_cursor": following, **more}
    return Response(orjson.dumps(body), media_type="application/json")
