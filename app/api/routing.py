"""How routes read bodies and declare what they may answer: shared by every router."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.api import strict_json
from app.api.problems import KINDS, MEDIA_TYPE


class StrictRequest(Request):
    """A request whose JSON body is read strictly (api C9)."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = strict_json.loads(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that hands the handler a StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


_ALWAYS = ("unauthenticated", "forbidden", "too_busy", "unavailable", "internal")


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: what may go wrong, by status, with the codes named."""
    by_status: dict[int | str, list[str]] = {}
    for code in (*codes, *_ALWAYS):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        status: {
            "description": ", ".join(f"`{code}`: {KINDS[code].title.lower()}" for code in named),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, named in by_status.items()
    }
