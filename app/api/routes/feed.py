"""Messages for those who pull: the feed, and one message by its id (webhooks W10)."""

import time
from enum import StrEnum
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.api import cursors, ids
from app.api.dependencies import Caller, Parts, PartsHere, allowed
from app.api.paging import PAGE, Limit
from app.api.problems import Problem
from app.api.routing import PrivateRoute, problems
from app.api.schemas import feed as bodies
from app.api.schemas.common import Count
from app.domain import typeid
from app.domain.scopes import Scope
from app.queries import feeds, messages
from app.queries.feeds import FeedPage

WAIT_MOST = 30

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=PrivateRoute)

Puller = Annotated[Caller, Depends(allowed(Scope.FEED_READ))]


class Begin(StrEnum):
    """Where a reader without a position begins."""

    OLDEST = "oldest"
    LATEST = "latest"


After = Annotated[str | None, Query(max_length=512, description="`next` of the answer before.")]
Wait = Annotated[
    Count, Query(ge=0, le=WAIT_MOST, description="So many seconds the answer may wait for the first message.")
]
From = Annotated[
    Begin, Query(description="Without `after`: from the oldest message that is kept, or from the next one.")
]


@router.get(
    "/feed",
    operation_id="read_feed",
    summary="Pull messages",
    response_model=bodies.FeedOut,
    responses=problems("malformed_cursor", "malformed_query", "feed_gone", "too_many_wait"),
)
async def read_feed(
    mine: PartsHere,
    caller: Puller,
    after: After = None,
    begin: From = Begin.OLDEST,
    limit: Limit = PAGE,
    wait: Wait = 0,
) -> Response:
    """Every message your shop may see, in one order, each once: what webhooks would bring, for those who pull.

    Keep `next` together with what you did, and ask on from there: nothing is left out and nothing comes twice.
    """
    bound = _bound(caller)
    if after is not None:
        position = _position(cursors.decode(after, bound_to=bound, key=mine.secrets.cursors, given_as="next"))
    else:
        oldest, newest = await feeds.ends(mine.engine, program_id=caller.program_id)
        position = oldest if begin is Begin.OLDEST else newest
    try:
        page = await _awaited(mine, caller, after=position, limit=limit, seconds=wait)
    except feeds.Gone as gone:
        raise Problem("feed_gone", oldest=_cursor(gone.oldest, bound, mine)) from None
    except feeds.TooManyWait:
        raise Problem("too_many_wait") from None
    body = {
        "messages": [bodies.message(one) for one in page.messages],
        "next": _cursor(page.after, bound, mine),
        "more": page.more,
    }
    return Response(orjson.dumps(body), media_type="application/json")


@router.get(
    "/messages/{message_id}",
    operation_id="get_message",
    summary="Read a message",
    responses={
        200: {
            "description": "The body as it is signed and sent, to the byte.",
            "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
        },
        **problems("not_found"),
    },
)
async def get_message(message_id: str, mine: PartsHere, caller: Puller) -> Response:
    """The exact body of a message, while it is kept."""
    id = ids.in_path(typeid.MESSAGE, message_id)
    found = await messages.find(mine.engine, id, program_id=caller.program_id, source=caller.source)
    if found is None:
        raise Problem("not_found")
    return Response(found.body, headers={"Zegel-Event-Type": found.type}, media_type="application/json")


async def _awaited(mine: Parts, caller: Caller, *, after: int, limit: int, seconds: int) -> FeedPage:
    """The page after a position; an empty one only when so long nothing came that the caller may see."""
    ends_at = time.monotonic() + seconds
    while True:
        page = await feeds.page(
            mine.engine, program_id=caller.program_id, source=caller.source, after=after, limit=limit
        )
        left = ends_at - time.monotonic()
        if page.messages or left <= 0 or mine.draining:
            return page
        after = page.after
        if not page.more:
            await mine.awaiting.beyond(after, program_id=caller.program_id, seconds=left)


def _bound(caller: Caller) -> str:
    return f"feed:{caller.program_id.hex()}:{caller.source}"


def _cursor(position: int, bound: str, mine: Parts) -> str:
    return cursors.encode(str(position), bound_to=bound, key=mine.secrets.cursors)


def _position(text: str) -> int:
    return int(text)
