"""The OpenAPI document: what FastAPI finds, and what it cannot know (api C12)."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.problems import KINDS
from app.api.schemas.events import EVENT
from app.domain import messages
from app.domain.scopes import DESCRIPTIONS

DESCRIPTION = """Zegel records what customers do in an append-only ledger, and derives points, tiers and bonuses from it
by the program's own rules.

**Start here:** enrol a member (`POST /v1/members`), send a purchase (`POST /v1/events`), read the balance
(`GET /v1/members/{id}/balance`). Every event carries *your* id: send it as often as you like, it is recorded once.

Errors are RFC 9457 problems: branch on `code`, never on a text; `/problems` lists every code."""

_PROBLEM = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "retryable", "outcome"],
    "properties": {
        "type": {"type": "string", "description": "A page about the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "enum": sorted(KINDS)},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean", "description": "Sending the same again may succeed."},
        "outcome": {"type": "string", "enum": ["not_applied", "unknown"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer into the body."},
                    "message": {"type": "string"},
                    "suggestion": {"type": "string"},
                },
            },
        },
    },
    "additionalProperties": True,
}

_MESSAGE_TEXTS = {
    messages.ENROLLED: "A person joined.",
    messages.ACTIVITY: "Something that is no sale was recorded.",
    messages.EARNED: "An event gave points; `points` has them by unit.",
    messages.AVAILABLE: "Points that waited can be spent now.",
    messages.REDEEMED: "Points were spent.",
    messages.RESTORED: "Points are where they came from: what spent them was taken back, or their end undone.",
    messages.REVERSED: "Points were taken back, because what gave them came back.",
    messages.EXPIRING: "Points will end soon: so many days ahead as the program says.",
    messages.EXPIRED: "Points ended at their date.",
    messages.PARKED: "An event waits for the one that it names.",
    messages.UNPARKED: "What an event waited for has come: it was recorded, or refused; `outcome` says which.",
    messages.LAPSED: "An event waited too long; its id is free again.",
    messages.HELD: "Points were kept aside for a purchase to come.",
    messages.CAPTURED: "Points of a hold were spent.",
    messages.RELEASED: "A hold was given up; its points are free again.",
    messages.HOLD_EXPIRED: "A hold lapsed; its points are free again.",
    messages.ADJUSTED: "A person gave or took points by hand.",
    messages.TRANSFERRED: "Points went from one member to another; each side is told.",
    messages.UPGRADED: "A member reached a tier.",
    messages.DOWNGRADED: "A member lost a tier.",
    messages.TIER_RENEWED: "A member keeps a tier after its review.",
    messages.TIER_EXPIRING: "A member will lose a tier at `ends_at`, as things stand; `next` is what is left.",
    messages.CLAIMED: "A member named the friend who brought them.",
    messages.QUALIFIED: "A friend made a first purchase that counts; the bonuses follow.",
    messages.REFERRAL_HELD: "A referral waits for a person to look at it; `reasons` says why.",
    messages.REFERRAL_LAPSED: "No purchase that counts came in time; nobody gets a bonus.",
    messages.REWARDED: "A bonus was given for bringing a friend.",
    messages.REFERRAL_REVERSED: "A bonus for bringing a friend was taken back.",
    messages.ISSUED: "A member was given a reward, such as a free coffee: hand it out.",
    messages.REWARD_CANCELLED: "A reward was taken back with the goods that it was given for.",
}


def install(app: FastAPI) -> None:
    """Makes `/openapi.json` answer the completed document."""

    def completed() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(app)
        return app.openapi_schema

    app.openapi = completed  # type: ignore[method-assign]  # the documented way to extend it


def _complete(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="Zegel", version=app.version, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
    )
    schemas = document["components"]["schemas"]
    schemas["Problem"] = _PROBLEM
    any_event = EVENT.json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(any_event.pop("$defs", {}))
    schemas["AnyEventIn"] = any_event
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key: `zgl_…`. Scopes: "
            + "; ".join(f"`{scope.value}` {text}" for scope, text in DESCRIPTIONS.items()),
        }
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _amend(operation, private=path.startswith("/v1/"))
    document["webhooks"] = {type: _webhook(type) for type in messages.TYPES}
    return document


def _amend(operation: dict[str, Any], *, private: bool) -> None:
    """Names the key, and drops FastAPI's own 422, which we never send."""
    if private:
        operation["security"] = [{"key": []}]
    schema = operation["responses"].get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith("HTTPValidationError"):
        del operation["responses"]["422"]


def _webhook(type: str) -> dict[str, Any]:
    return {
        "post": {
            "summary": type,
            "operationId": "on_" + type.replace(".", "_"),
            "description": _MESSAGE_TEXTS[type] + " Signed as Standard Webhooks 1.0 say.",
            "requestBody": {
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["type", "timestamp", "data"],
                            "properties": {
                                "type": {"const": type},
                                "timestamp": {"type": "string", "format": "date-time"},
                                "data": {"type": "object", "additionalProperties": True},
                            },
                        }
                    }
                }
            },
            "responses": {"2XX": {"description": "Received. Anything else is sent again later."}},
        }
    }
