"""Webhook endpoints, as they are made, changed and read."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator

from app.api.problems import FieldError, nearest
from app.api.schemas.common import In, Out, Page, example, maybe_time, time
from app.domain import messages, typeid
from app.operations.endpoints import Settings
from app.queries.endpoints import EndpointRow

IN_FLIGHT, MOST_IN_FLIGHT = 64, 256
MOST_PER_SECOND = 1_000
OVERLAP_HOURS, MOST_OVERLAP_HOURS = 24, 7 * 24

Url = Annotated[str, StringConstraints(min_length=8, max_length=2048)]
Description = Annotated[str, StringConstraints(max_length=200)]
Types = Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(min_length=1, max_length=64)]
Order = Literal["none", "member", "strict"]
Exhausted = Literal["skip", "hold"]
InFlight = Annotated[int, Field(ge=1, le=MOST_IN_FLIGHT)]
PerSecond = Annotated[int, Field(ge=1, le=MOST_PER_SECOND)]

_URL = Field(examples=["https://shop.example/zegel"])
_TYPES = Field(
    default=None, description="Types of messages to send, or `points.*` for all of a kind; every type if left out.",
    examples=[["points.*", "tier.upgraded"]],
)  # fmt: skip
_ORDER = "`member`: each member's messages one after another; `strict`: all of them so; `none`: as fast as they come."
_EXHAUSTED = "What follows on a message whose attempts have all failed: `skip` it, or `hold` those behind it."
_IN_FLIGHT = "So many requests at once at most."
_PER_SECOND = "So many requests a second at most; no limit if left out."


def _never_null(schema: dict[str, Any]) -> None:
    """What may be left out, and is no `null`."""
    del schema["default"]
    schema |= schema.pop("anyOf")[0]


class EndpointIn(In):
    """Where to send what, and how."""

    url: Url = _URL
    description: Description = ""
    types: Types | None = _TYPES
    order: Order = Field(default="none", description=_ORDER)
    exhausted: Exhausted = Field(default="skip", description=_EXHAUSTED)
    in_flight: InFlight = Field(default=IN_FLIGHT, description=_IN_FLIGHT)
    per_second: PerSecond | None = Field(default=None, description=_PER_SECOND)

    model_config = ConfigDict(
        json_schema_extra=example({"url": "https://shop.example/zegel", "types": ["points.*", "tier.upgraded"]})
    )

    def settings(self) -> Settings:
        """What is asked for."""
        types = None if self.types is None else tuple(self.types)
        asked = (self.order, self.exhausted, self.in_flight, self.per_second)
        return Settings(self.url, self.description, types, *asked)

    def digested(self) -> dict[str, Any]:
        """What a retry must say again; what has its default is left out, but for the fields of the first version."""
        first = {"url", "description", "types"}
        return self.model_dump(include=first) | self.model_dump(exclude=first, exclude_defaults=True)


class EndpointChangeIn(In):
    """What is to be otherwise; what is left out stays. `null` takes `types` to every type, `per_second` to no limit."""

    url: Url | None = Field(default=None, examples=["https://shop.example/zegel"], json_schema_extra=_never_null)
    description: Description | None = Field(default=None, json_schema_extra=_never_null)
    types: Types | None = _TYPES
    order: Order | None = Field(default=None, description=_ORDER, json_schema_extra=_never_null)
    exhausted: Exhausted | None = Field(default=None, description=_EXHAUSTED, json_schema_extra=_never_null)
    in_flight: InFlight | None = Field(default=None, description=_IN_FLIGHT, json_schema_extra=_never_null)
    per_second: PerSecond | None = Field(default=None, description=_PER_SECOND)

    model_config = ConfigDict(json_schema_extra=example({"types": ["points.*"], "order": "member"}))

    @field_validator("url", "description", "order", "exhausted", "in_flight", mode="before")
    @classmethod
    def _is_no_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("null says nothing here; leave it out")
        return value

    def applied(self, settings: Settings) -> Settings:
        """The settings with what is said here."""
        said = {_NAMES.get(name, name): value for name, value in self.model_dump(exclude_unset=True).items()}
        if said.get("types") is not None:
            said["types"] = tuple(said["types"])
        return replace(settings, **said)


class RotateIn(In):
    """How long the secrets before the new one go on signing."""

    overlap_hours: int = Field(
        default=OVERLAP_HOURS, ge=0, le=MOST_OVERLAP_HOURS, description="0 ends them at once.", examples=[24]
    )

    model_config = ConfigDict(json_schema_extra=example({"overlap_hours": 24}))


USUAL_OVERLAP = RotateIn()


class EndpointOut(Out):
    """A webhook endpoint."""

    id: str
    url: str
    description: str
    types: list[str] | None
    order: str
    exhausted: str
    in_flight: int
    per_second: int | None
    state: str = Field(description="`enabled`, `paused` or `disabled`.")
    reason: str | None = Field(
        description="Why it is disabled: `gone` (410), `asked` (by a header of an answer), `failing` (for five days)."
    )
    since: str | None = Field(description="Since when it is paused or disabled.")
    failing_since: str | None = Field(description="The first failure since the last success; null if all is well.")
    resting_until: str | None = Field(description="After many failures in a row nothing is sent until then.")
    old_secrets_until: str | None = Field(description="Until then messages are signed with former secrets as well.")
    created_at: str
    secret: str | None = Field(default=None, description="For verifying signatures; shown once, when it is made.")
    secret_shown: bool | None = Field(default=None, description="True in a replay, where the secret is left out.")


class SecretOut(Out):
    """A new secret."""

    id: str
    old_secrets_until: str = Field(description="Until then messages are signed with former secrets as well.")
    secret: str | None = Field(default=None, description="Shown in this answer only.")
    secret_shown: bool | None = Field(default=None, description="True in a replay, where the secret is left out.")


class TestOut(Out):
    """A test message on its way."""

    message: str = Field(description="Its id, the `webhook-id` of its delivery.")


class EndpointPage(Page):
    """Endpoints, oldest first."""

    endpoints: list[EndpointOut]


def endpoint(row: EndpointRow) -> dict[str, Any]:
    """The endpoint as an answer shows it."""
    of = row.settings
    return {
        "id": typeid.encode(typeid.ENDPOINT, row.id),
        "url": of.url,
        "description": of.description,
        "types": None if of.types is None else list(of.types),
        "order": of.ordering,
        "exhausted": of.exhausted,
        "in_flight": of.in_flight,
        "per_second": of.per_second,
        "state": row.state,
        "reason": row.reason,
        "since": maybe_time(row.since),
        "failing_since": maybe_time(row.failing_since),
        "resting_until": maybe_time(row.resting_until),
        "old_secrets_until": maybe_time(row.old_secrets_until),
        "created_at": time(row.created_at),
    }


def secret(endpoint_id: bytes, *, until: datetime) -> dict[str, Any]:
    """A rotation as an answer shows it, without the secret."""
    return {"id": typeid.encode(typeid.ENDPOINT, endpoint_id), "old_secrets_until": time(until)}


def wrong(settings: Settings) -> list[FieldError]:
    """What cannot be, though each field has its form."""
    types = settings.types or ()
    found = [
        FieldError(f"/types/{i}", "is no type of message", nearest(type, _TAKEN))
        for i, type in enumerate(types)
        if type not in _TAKEN
    ]
    if settings.exhausted == "hold" and settings.ordering == "none":
        found.append(FieldError("/exhausted", "nothing waits for a message in no order: ask for an `order` to hold"))
    return found


_TAKEN = sorted({*messages.TYPES, *(type.partition(".")[0] + ".*" for type in messages.TYPES if "." in type)})
_NAMES = {"order": "ordering"}
