"""Replays, as they are asked for and read."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.common import In, Instant, Out, Page, example, maybe_time, time
from app.domain import typeid
from app.queries.replays import Replay


class ReplayIn(In):
    """Which messages to send to an endpoint again."""

    since: Instant = Field(description="What was committed at this instant or later.")
    until: Instant | None = Field(default=None, description="Only what was committed before this instant.")
    which: Literal["failed", "missing", "all"] = Field(
        description="`failed`: what was given up; `missing`: what was never sent there, such as what is older than "
        "the endpoint; `all`: also what arrived."
    )

    model_config = ConfigDict(json_schema_extra=example({"since": "2026-11-21T08:00:00+01:00", "which": "missing"}))


class ReplayOut(Out):
    """A replay, and how far it has come."""

    id: str
    endpoint: str
    which: str
    since: str
    until: str
    state: str = Field(description="`running`, `done`, or `ended` where the endpoint was deleted meanwhile.")
    examined: int = Field(description="Messages of the feed that were looked at so far.")
    to_examine: int = Field(description="Messages of the feed in that stretch of time.")
    queued: int = Field(description="Messages that were made pending so far; one that was pending anyway is not.")
    created_at: str
    finished_at: str | None


class ReplayCountOut(Out):
    """What a replay would send now."""

    messages: int
    complete: bool = Field(description="False where there are more: counting ended after a few seconds.")
    provisional: bool


class ReplayPage(Page):
    """Replays, newest first."""

    replays: list[ReplayOut]


def replay(one: Replay) -> dict[str, Any]:
    """The replay as an answer shows it."""
    return {
        "id": typeid.encode(typeid.REPLAY, one.id),
        "endpoint": typeid.encode(typeid.ENDPOINT, one.endpoint_id),
        "which": one.which.value,
        "since": time(one.since),
        "until": time(one.until),
        "state": one.state,
        "examined": one.position - one.first,
        "to_examine": one.last - one.first,
        "queued": one.queued,
        "created_at": time(one.created_at),
        "finished_at": maybe_time(one.finished_at),
    }
