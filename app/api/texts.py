"""Documents as they are written, for who asks for YAML: what a person keeps beside other files (api C9)."""

from typing import Any

from fastapi import Request

YAML = "application/yaml"

ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {YAML: {"schema": {"type": "string", "description": "The text, byte for byte."}}}}
}
"""What a route that can answer a text adds to its `responses`."""


def wanted(request: Request) -> bool:
    """Whether the caller asks for the text alone, and not for what is known of it."""
    return YAML in request.headers.get("accept", "")
