"""Tiers that persons set by hand (semantics T4)."""

from pydantic import ConfigDict, Field

from app.api.schemas.common import Code, Id, In, Instant, Note, example
from app.domain import chain
from app.domain.commands import TierFloor


class TierFloorIn(In):
    """A tier below which a member does not stand, whatever they do, until it is removed or its date passes."""

    id: Id = Field(description="Your own id of it: 1 to 128 printable ASCII characters.", examples=["match-2026-118"])
    tier: Code = Field(examples=["gold"])
    until: Instant | None = Field(default=None, description="When it ends; without it, when it is removed.")
    reason: Code = Field(description="A code for why, such as status_match.", examples=["status_match"])
    note: Note = None

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "id": "match-2026-118",
                "tier": "gold",
                "until": "2027-06-30T22:00:00Z",
                "reason": "status_match",
                "note": "Gold elsewhere; card shown at the desk.",
            }
        )
    )


def facts(body: TierFloorIn, *, actor: str) -> TierFloor:
    """What a person sets."""
    return TierFloor(body.tier, body.reason, actor, until=body.until)


def particulars(body: TierFloorIn) -> bytes:
    """The note, which lies apart from the ledger (semantics M4)."""
    return chain.canonical({"note": body.note}) if body.note is not None else b""
