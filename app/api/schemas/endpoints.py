"""Webhook endpoints, as they are made and read."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from app.api.schemas.common import In, Out, Page, example, time
from app.domain import messages, typeid
from app.queries.endpoints import EndpointRow


class EndpointIn(In):
    """Where to send what."""

    url: Annotated[str, StringConstraints(min_length=8, max_length=2048)] = Field(
        examples=["https://shop.example/zegel"]
    )
    description: Annotated[str, StringConstraints(max_length=200)] = ""
    types: list[Annotated[str, StringConstraints(max_length=64)]] | None = Field(
        default=None, max_length=64, description="Types of messages to send; every type if left out.",
        examples=[["points.earned", "tier.upgraded"]],
    )  # fmt: skip

    model_config = ConfigDict(
        json_schema_extra=example({"url": "https://shop.example/zegel", "types": ["points.earned", "tier.upgraded"]})
    )


class EndpointOut(Out):
    """A webhook endpoint."""

    id: str
    url: str
    description: str
    types: list[str] | None
    state: str = Field(description="`enabled` or `disabled`.")
    created_at: str
    secret: str | None = Field(default=None, description="For verifying signatures; shown once, when it is made.")
    secret_shown: bool | None = Field(default=None, description="True in a replay, where the secret is left out.")


class EndpointPage(Page):
    """Endpoints, oldest first."""

    endpoints: list[EndpointOut]


def endpoint(row: EndpointRow) -> dict[str, Any]:
    """The endpoint as an answer shows it."""
    return {
        "id": typeid.encode(typeid.ENDPOINT, row.id),
        "url": row.url,
        "description": row.description,
        "types": None if row.types is None else list(row.types),
        "state": row.state,
        "created_at": time(row.created_at),
    }


def unknown_types(types: list[str]) -> list[int]:
    """The positions of types that no message has."""
    return [i for i, type in enumerate(types) if type not in messages.TYPES]
