"""What every event says, and the words that several kinds share (semantics E2)."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from app.api.schemas.common import Attributes, Id, In, Instant, Name

LINES = 1000
_QUANTITY = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$"


class MemberRef(In):
    """A member named by an identity, enrolled first if nobody is known by it."""

    identity: Annotated[str, StringConstraints(min_length=3, max_length=360)] = Field(examples=["customer:00004"])
    enrol: bool = Field(default=False, description="Enrol an unknown identity: two events, one transaction.")


MemberName = Annotated[
    Annotated[str, StringConstraints(min_length=3, max_length=360)] | MemberRef,
    Field(description="A member id, an identity such as `card:2740001234567`, or an identity to enrol."),
]


Quantity = Annotated[
    str,
    StringConstraints(pattern=_QUANTITY),
    Field(description="Decimal text, so that weighed goods fit.", examples=["2", "0.455"]),
]


NOBODY = ""
"""Stands for a member who is not named: in dry runs anybody."""


def anybody() -> Any:
    """A member who may be left out in a dry run."""
    return Field(
        default_factory=lambda: NOBODY,
        description="A member id, an identity such as `card:2740001234567`, or an identity to enrol. "
        "Only a dry run may leave it out: then it is judged for somebody new, on the lowest tier.",
    )


class EventIn(In):
    """What every event says."""

    id: Id
    member: MemberName
    occurred_at: Instant = Field(description="When it happened, by the sender's clock.")
    channel: Name | None = None
    location: Name | None = None
    terminal: Name | None = None
    operator: Name | None = None
    attributes: Attributes = Field(default_factory=dict)
    history: bool = Field(default=False, description="An event of the past; needs the scope `events:history`.")
    messages: bool = Field(default=False, description="With `history`: send webhooks as well.")
