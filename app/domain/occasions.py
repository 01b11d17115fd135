"""The occasion of a recorded event: what its own rules looked at, as its context tells it (semantics R2, E6)."""

from collections.abc import Mapping
from typing import Any

from app.domain import limits, visits
from app.domain.applying import Occasion
from app.domain.combining import Room
from app.domain.commands import Activity, Purchase
from app.domain.events import Recorded
from app.domain.seeing import BLIND, Seen


def again(
    event: Recorded,
    facts: Purchase | Activity,
    context: Mapping[str, Any],
    *,
    seen: Seen = BLIND,
    room: Mapping[str, Room] | None = None,
) -> Occasion:
    """The occasion by its `context`, with the goods or the activity of `facts`; `room` if not what there was then."""
    return Occasion(
        kind=event.kind,
        occurred_at=event.occurred_at,
        tiers=frozenset(context.get("tiers", {}).values()),
        source=event.source,
        activity=facts.activity if isinstance(facts, Activity) else None,
        channel=facts.channel,
        location=facts.location,
        visits=context.get(visits.VISITS, {}),
        seen=seen,
        room=context.get(limits.ROOM, {}) if room is None else room,
        engine=event.engine,
    )
