"""The feed and messages, as they are read."""

from typing import Any

import orjson
from pydantic import Field

from app.api.schemas.common import Out
from app.domain import typeid
from app.queries.feeds import FeedMessage


class FeedMessageOut(Out):
    """A message of the feed."""

    id: str = Field(description="The same as `webhook-id` where it is sent.")
    type: str
    message: dict[str, Any] = Field(description="The body, as a webhook carries it.")


class FeedOut(Out):
    """What follows a position, in order."""

    messages: list[FeedMessageOut]
    next: str = Field(description="Send it back as `after`: what follows is what was not shown yet, without holes.")
    more: bool = Field(description="Whether there is more by now; if not, ask with `wait`.")


def message(one: FeedMessage) -> dict[str, Any]:
    """A message of the feed as an answer shows it, with its exact body."""
    return {"id": typeid.encode(typeid.MESSAGE, one.id), "type": one.type, "message": orjson.Fragment(one.body)}
