"""Holds as resources, for tills: the bodies, and how one stands (semantics L12)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.api.schemas import answers
from app.api.schemas.common import Code, Id, In, Instant, Name, NotAfter, Out, Points, example, time
from app.api.schemas.events import Duration, MemberName
from app.domain import chain, holds, typeid
from app.domain.events import Recorded

OccurredAt = Annotated[Instant | None, Field(description="When it happened, by the sender's clock; now if left out.")]


class PlaceHoldIn(In):
    """Points to be kept aside for a member."""

    id: Id
    member: MemberName
    points: Points
    unit: Code | None = Field(default=None, description="Needed only where there are several units to spend.")
    lasts: Duration | None = Field(
        default=None, description="How long, from now; at most 7 days. If left out, as the program says."
    )
    occurred_at: OccurredAt = None
    not_after: NotAfter = None
    channel: Name | None = None
    location: Name | None = None
    terminal: Name | None = None
    operator: Name | None = None

    model_config = ConfigDict(
        json_schema_extra=example({"id": "till7-h10", "member": "card:2740001234567", "points": 25, "lasts": "PT10M"})
    )


class CaptureHoldIn(In):
    """Points of the hold that are spent."""

    id: Id
    points: Points | None = Field(default=None, description="So many of it; all that is held if left out.")
    final: bool = Field(default=True, description="Free the rest; `false` keeps it for a further capture.")
    occurred_at: OccurredAt = None
    channel: Name | None = None
    location: Name | None = None
    terminal: Name | None = None
    operator: Name | None = None

    model_config = ConfigDict(json_schema_extra=example({"id": "till7-h10-c1", "points": 20, "final": False}))


class ReleaseHoldIn(In):
    """The hold is given up."""

    id: Id
    occurred_at: OccurredAt = None
    channel: Name | None = None
    location: Name | None = None
    terminal: Name | None = None
    operator: Name | None = None

    model_config = ConfigDict(json_schema_extra=example({"id": "till7-h10-r1"}))


class HoldOut(Out):
    """A hold, as it stands."""

    id: str = Field(examples=["evt_01jcr8m4kdf0v8y5h3q2z7x9wb"])
    source: str = Field(description="The shop that placed it.")
    source_id: str = Field(description="The shop's own id.")
    member: str
    unit: str
    points: int = Field(description="So many were kept aside.")
    held: int = Field(description="So many still are.")
    captured: int = Field(description="So many were spent.")
    state: str = Field(description="`open`, `captured`, `released` or `expired`.")
    lapses_at: str
    event: answers.EventOut | None = Field(default=None, description="What was recorded by this call.")


def hold(
    placed: Recorded, followers: Sequence[Recorded], purchases: Sequence[Recorded], *, now: datetime
) -> dict[str, Any]:
    """A hold's answer."""
    made, standing = holds.placed(placed), holds.standing(placed, followers, purchases, now=now)
    return {
        "id": typeid.encode(typeid.EVENT, placed.id),
        "source": placed.source,
        "source_id": placed.key,
        "member": typeid.encode(typeid.MEMBER, placed.member_id),
        "unit": made.unit,
        "points": made.points,
        "held": standing.held,
        "captured": standing.captured,
        "state": standing.state,
        "lapses_at": time(chain.instant(made.lapses_at)),
    }
