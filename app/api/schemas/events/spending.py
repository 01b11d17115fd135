"""Points that members spend, have kept aside, or pass on (semantics L6, L12, L13)."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema

from app.api.schemas.common import Code, Id, Name, NotAfter, Points, example
from app.api.schemas.events.common import EventIn
from app.domain import calendar, holds


class RedemptionIn(EventIn):
    """Points a member spends; needs the scope `redemptions:write`."""

    type: Literal["redemption"]
    points: Points
    unit: Code | None = Field(default=None, description="Needed only where the program has several units to spend.")
    offline: bool = Field(
        default=False,
        description="Given out without a network: judged by what the member had at `occurred_at`; may leave a "
        "deficit, up to the program's allowance; needs the scope `redemptions:offline`.",
    )
    not_after: NotAfter = None

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "redemption",
                "id": "till7-000124",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:42:00+01:00",
                "points": 50,
            }
        )
    )


def _duration(value: object) -> timedelta:
    found = calendar.parse_duration(value) if isinstance(value, str) else timedelta(0)
    if not timedelta(0) < found <= holds.LONGEST:
        raise ValueError("must be an ISO 8601 duration of at most 7 days, such as PT15M")
    return found


Duration = Annotated[
    timedelta,
    PlainValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": calendar.DURATION, "examples": ["PT15M", "P7D"]}),
]


class HoldIn(EventIn):
    """Points kept aside for a purchase to come; needs the scope `redemptions:write`."""

    type: Literal["hold"]
    points: Points
    unit: Code | None = Field(default=None, description="Needed only where there are several units to spend.")
    lasts: Duration | None = Field(
        default=None, description="How long, from now; at most 7 days. If left out, as the program says."
    )
    not_after: NotAfter = None

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "hold",
                "id": "till7-h9",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:40:00+01:00",
                "points": 40,
                "lasts": "PT10M",
            }
        )
    )


class CaptureIn(EventIn):
    """Points of a hold that are spent; needs the scope `redemptions:write`."""

    type: Literal["capture"]
    hold: Id = Field(description="The hold: the shop's id of it, or ours (`evt_…`).", examples=["till7-h9"])
    shop: Name | None = Field(default=None, description="The shop that placed it, if it is not the sender.")
    points: Points | None = Field(default=None, description="So many of it; all that is held if left out.")
    final: bool = Field(default=True, description="Free the rest; `false` keeps it for a further capture.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "capture",
                "id": "till7-h9-c1",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:42:00+01:00",
                "hold": "till7-h9",
                "points": 10,
                "final": False,
            }
        )
    )


class ReleaseIn(EventIn):
    """A hold that is given up; needs the scope `redemptions:write`."""

    type: Literal["release"]
    hold: Id = Field(description="The hold: the shop's id of it, or ours (`evt_…`).", examples=["till7-h9"])
    shop: Name | None = Field(default=None, description="The shop that placed it, if it is not the sender.")

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "release",
                "id": "till7-h9-r1",
                "member": "card:2740001234567",
                "occurred_at": "2026-11-21T09:43:00+01:00",
                "hold": "till7-h9",
            }
        )
    )


class TransferIn(EventIn):
    """Points that a member passes on to another; needs the scope `transfers:write`, and a program that lets them."""

    type: Literal["transfer"]
    to: Annotated[str, StringConstraints(min_length=3, max_length=360)] = Field(
        description="Who gets them: a member id, or an identity; nobody is enrolled by it.",
        examples=["card:2740009999999"],
    )
    points: Points
    unit: Code | None = Field(default=None, description="Which points, if the program lets several be passed on.")
    not_after: NotAfter = None

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "type": "transfer",
                "id": "app-000017",
                "member": "card:2740001234567",
                "to": "card:2740009999999",
                "occurred_at": "2026-11-21T10:01:00+01:00",
                "points": 25,
            }
        )
    )
