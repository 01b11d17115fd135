"""Adjustments, as persons ask for them and read them (semantics E5)."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from app.api import identities
from app.api.problems import invalid
from app.api.schemas.common import Code, Id, In, Instant, Note, Out, Page, example, maybe_time, time
from app.domain import adjusting, chain, typeid
from app.domain.adjusting import Proposal
from app.domain.commands import Adjustment, Reference
from app.domain.points import LIMIT


def _not_zero(points: int) -> int:
    if not points:
        raise ValueError("must not be 0")
    return points


SignedPoints = Annotated[
    int,
    Field(ge=-LIMIT, le=LIMIT, description="Whole points, in the unit's smallest part: above 0 given, below 0 taken."),
    AfterValidator(_not_zero),
]


class AdjustmentIn(In):
    """Points that a person gives or takes by hand."""

    id: Id = Field(description="Your own id of it: 1 to 128 printable ASCII characters.", examples=["ticket-4711"])
    member: Annotated[str, StringConstraints(min_length=3, max_length=360)] = Field(
        description="A member id, or an identity such as `card:2740001234567`."
    )
    points: SignedPoints
    unit: Code = Field(examples=["points"])
    reason: Code = Field(description="One of the reasons that the program lists.", examples=["goodwill"])
    note: Note = None
    expires_at: Instant | None = Field(
        default=None, description="When points that are given end; without it, when the unit's points end."
    )

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "id": "ticket-4711",
                "member": "card:2740001234567",
                "points": 50,
                "unit": "points",
                "reason": "goodwill",
                "note": "Waited an hour for a cold coffee.",
            }
        )
    )


class AdjustmentOut(Out):
    """An adjustment that was asked for, and what has become of it."""

    id: str = Field(examples=["adj_01jcr8m4kdf0v8y5h3q2z7x9wb"])
    source_id: str = Field(description="The id it was asked for under.")
    state: str = Field(
        description="`waiting` for a second person, `approved`, `rejected`, or `lapsed`: nobody decided in time."
    )
    member: str
    points: int
    unit: str
    reason: str
    note: str | None
    expires_at: str | None = Field(description="The end that was asked for; null for the unit's own.")
    requested_by: str = Field(description="The owner of the key that asked.")
    requested_at: str
    lapses_at: str | None = Field(description="Until when a second person may decide; null where none is needed.")
    decided_by: str | None = Field(description="The second person; null where none was needed.")
    decided_at: str | None
    event: str | None = Field(description="What was recorded of it.")


class AdjustmentPage(Page):
    """Adjustments, in the order in which they were asked for."""

    adjustments: list[AdjustmentOut]


def facts(body: AdjustmentIn, *, actor: str) -> Adjustment:
    """What a person asks for. Raises Problem with the field that is wrong."""
    if body.expires_at is not None and body.points < 0:
        raise invalid("/expires_at", "goes with points that are given")
    return Adjustment(body.points, body.unit, body.reason, actor, expires_at=body.expires_at)


def member(body: AdjustmentIn, *, key: bytes) -> Reference:
    """Whom it is about. Raises Problem."""
    return identities.reference(body.member, at="/member", key=key)


def particulars(body: AdjustmentIn) -> bytes:
    """The note, which lies apart from the ledger (semantics M4)."""
    return chain.canonical({"note": body.note}) if body.note is not None else b""


def adjustment(asked: Proposal, *, now: datetime) -> dict[str, Any]:
    """The adjustment as an answer shows it."""
    said = orjson.loads(asked.particulars) if asked.particulars else {}
    return {
        "id": typeid.encode(typeid.ADJUSTMENT, asked.id),
        "source_id": asked.key,
        "state": adjusting.standing(asked, now=now).value,
        "member": typeid.encode(typeid.MEMBER, asked.member_id),
        "points": asked.facts.points,
        "unit": asked.facts.unit,
        "reason": asked.facts.reason,
        "note": said.get("note"),
        "expires_at": maybe_time(asked.facts.expires_at),
        "requested_by": asked.requested_by,
        "requested_at": time(asked.requested_at),
        "lapses_at": maybe_time(asked.lapses_at),
        "decided_by": asked.decided_by,
        "decided_at": maybe_time(asked.decided_at),
        "event": None if asked.event_id is None else typeid.encode(typeid.EVENT, asked.event_id),
    }
