"""The OpenAPI document: what FastAPI finds, and what it cannot know (api C12)."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.problems import KINDS
from app.api.schemas import messages as catalog
from app.api.schemas.events import EVENT
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
                    "line": {"type": "integer", "description": "The line of the text, of a program document."},
                    "message": {"type": "string"},
                    "suggestion": {"type": "string"},
                },
            },
        },
    },
    "additionalProperties": True,
}

_HEADERS = {
    "webhook-id": "The message's id, the same in every attempt.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "One or more signatures, parted by spaces.",
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
    document["webhooks"] = {type: _webhook(type, schemas) for type in catalog.CATALOG}
    return document


def _amend(operation: dict[str, Any], *, private: bool) -> None:
    """Names the key, and drops FastAPI's own 422, which we never send."""
    if private:
        operation["security"] = [{"key": []}]
    schema = operation["responses"].get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith("HTTPValidationError"):
        del operation["responses"]["422"]


def _webhook(type: str, schemas: dict[str, Any]) -> dict[str, Any]:
    body, named = catalog.schema(type)
    schemas.update(named)
    return {
        "post": {
            "summary": type,
            "operationId": "on_" + type.replace(".", "_"),
            "description": catalog.CATALOG[type].text + " Signed as Standard Webhooks 1.0 say.",
            "parameters": [
                {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
                for name, text in _HEADERS.items()
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": body, "example": catalog.example(type)}},
            },
            "responses": {"2XX": {"description": "Received. Anything else is sent again later."}},
        }
    }
