"""How routes read bodies and declare what they may answer: shared by every router.

The busiest routes are direct ones: they read their parameters from the request themselves, and name them in
`openapi_extra`. What the framework spends on finding arguments is a good part of what an event costs.
"""

from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from app.api import handlers, strict_json
from app.api.dependencies import authenticated
from app.api.problems import KINDS, MEDIA_TYPE, invalid, malformed_query, nearest
from app.api.schemas.common import In

BODIES = ("POST", "PUT", "PATCH")
_QUERY = ParamTypes.query


class StrictRequest(Request):
    """A request whose JSON body is read strictly (api C9), before the framework can word the error its own way."""

    async def read(self) -> None:
        """Reads and parses the body, if there is one. Raises Problem."""
        body = await self.body()
        if body:
            self._json = strict_json.loads(body)


class StrictRoute(APIRoute):
    """A route that hands the handler a StrictRequest."""

    json_bodies: tuple[str, ...] = BODIES

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        known = _known_query(self)
        takes_body = bool(self.dependant.body_params)

        async def strict(request: Request) -> Response:
            if request.scope["query_string"]:
                _check_query(request, known)
            mine = StrictRequest(request.scope, request.receive)
            if request.method in self.json_bodies:
                await mine.read()
                if not takes_body:
                    await _say_nothing(mine)
            return await handler(mine)

        return strict


class PrivateRoute(StrictRoute):
    """A route that knows the caller before it looks at anything else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def private(request: Request) -> Response:
            request.scope["caller"] = await authenticated(request)
            return await handler(request)

        return private


class DocumentRoute(PrivateRoute):
    """A private route whose body is a text that the endpoint reads itself, YAML or JSON."""

    json_bodies = ()


class DirectRoute(APIRoute):
    """A private route that calls its endpoint itself, with the parts of its path, the request and the validated `body`.

    It answers as a PrivateRoute does. Raises TypeError when it is made for an endpoint that takes anything else.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **named: Any) -> None:
        super().__init__(path, endpoint, **named)
        handler = self.get_route_handler()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            answer = await handler(Request(scope, receive, send))
            await answer(scope, receive, send)

        self.app = app

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = self.endpoint
        hints = get_type_hints(endpoint, include_extras=True)
        taken = set(hints) - {"return"}
        if not taken <= {"request", "body", *self.param_convertors}:
            raise TypeError(f"{self.path}: a direct route takes only `request`, `body` and parts of its path")
        known = _known_query(self)
        body = TypeAdapter(hints["body"]) if "body" in taken else None

        async def direct(request: Request) -> Response:
            scope = request.scope
            scope["caller"] = await authenticated(request)
            if scope["query_string"]:
                _check_query(request, known)
            answer: Response
            if body is None:
                answer = await endpoint(request=request, **request.path_params)
            else:  # the endpoint alone holds the body, and may let go of it
                answer = await endpoint(_validated(await request.body(), body), request, **request.path_params)
            return answer

        return direct


class _Nothing(In):
    """The body of a path that asks for none."""


async def _say_nothing(request: Request) -> None:
    """What is said where nothing is asked must not be lost silently (api C9)."""
    if await request.body():
        try:
            _Nothing.model_validate(await request.json())
        except ValidationError as error:
            raise handlers.invalid(error) from None


def _validated(body: bytes, model: TypeAdapter[Any]) -> Any:
    if not body:
        raise invalid("", "is missing")
    try:
        return model.validate_python(strict_json.loads(body))
    except ValidationError as error:
        raise handlers.invalid(error) from None


def _known_query(route: APIRoute) -> frozenset[str]:
    declared = get_flat_params(route.dependant)
    return frozenset(
        [p.alias for p in declared if getattr(p.field_info, "in_", None) is _QUERY]
        + [p["name"] for p in (route.openapi_extra or {}).get("parameters", ()) if p["in"] == "query"]
    )


def _check_query(request: Request, known: frozenset[str]) -> None:
    """A misspelt `dry_run` must not record for real, and of two limits neither is taken silently (api C9)."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            raise malformed_query(name[:64], "this parameter is not known here", nearest(name, known))
        if name in seen:
            raise malformed_query(name, "is there twice: say it once")
        seen.add(name)


NO_BODY = ("malformed_json", "unsupported_media_type", "body_too_large", "invalid")
"""What a path that asks for no body answers to one, if it is not `{}`."""

_ALWAYS = ("unauthenticated", "forbidden", "too_busy", "unavailable", "internal")


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: what may go wrong, by status, with the codes named."""
    by_status: dict[int | str, list[str]] = {}
    contended = ("contended",) if "unknown_outcome" in codes else ()  # whatever walks the corridor may end so
    for code in (*codes, *contended, *_ALWAYS):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        status: {
            "description": ", ".join(f"`{code}`: {KINDS[code].title.lower()}" for code in named),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, named in by_status.items()
    }
