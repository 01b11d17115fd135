"""Errors of the framework, answered as problems like all others (api C5)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, get_args

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from app.api.middleware import request_id
from app.api.problems import FieldError, Problem, nearest, respond
from app.api.schemas.common import In
from app.api.schemas.events import TYPES, EventBody

ERRORS_SHOWN = 50

_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "this field is not known here",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "union_tag_invalid": "is no type of event that can be sent here",
    "union_tag_not_found": "is missing: the type of the event",
    "json_invalid": "the body is not JSON",
}
_BOUNDS = {
    "string_too_short": "is too short: {min_length} characters at least",
    "string_too_long": "is too long: {max_length} characters at most",
    "too_short": "has too few entries: {min_length} at least",
    "too_long": "has too many entries: {max_length} at most",
    "greater_than_equal": "must be {ge} at least",
    "less_than_equal": "must be {le} at most",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}

"""What pydantic words in its own way, in ours, with the facts that it gives along."""
_JSON = {"True": "true", "False": "false", "None": "null"}
"""What Python calls the values of JSON, and what they are."""


def install(app: FastAPI) -> None:
    """Gives the app its error handlers."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


def field_errors(errors: Iterable[Mapping[str, Any]], *, skip: int = 0) -> tuple[FieldError, ...]:
    """Pydantic's errors as pointers into the body, never with the input itself. `skip` leading parts are ours."""
    found: dict[str, FieldError] = {}
    for error in list(errors)[:ERRORS_SHOWN]:
        pointer = _pointer(error, skip=skip)
        if pointer not in found:
            found[pointer] = FieldError(pointer, _message(error), _suggestion(error, skip=skip))
    return tuple(found.values())


def invalid(error: ValidationError) -> Problem:
    """The problem of a body that is not as its model says."""
    return Problem("invalid", errors=field_errors(error.errors(include_url=False, include_input=False)))


def unknown_fields(error: Mapping[str, Any], known: Sequence[str]) -> str | None:
    """The known name nearest to a misspelt one."""
    said = str(error["loc"][-1])
    found = nearest(said, known)
    return found if found != said else None


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return respond(error, request_id=request_id(request), instance=request.url.path)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    in_body = [e for e in errors if e["loc"][:1] == ("body",)]
    in_header = any(e["loc"][:1] == ("header",) for e in errors)
    code = "invalid" if in_body else "malformed_header" if in_header else "malformed_query"
    problem = Problem(code, errors=field_errors(in_body or errors, skip=1))
    return respond(problem, request_id=request_id(request), instance=request.url.path)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed", 400: "malformed_json"}.get(error.status_code, "internal")
    headers = {"Allow": _methods(request)} if error.status_code == 405 else error.headers
    problem = Problem(code, headers=headers)
    return respond(problem, request_id=request_id(request), instance=request.url.path)


_EVENTS: Mapping[str, type[BaseModel]] = {
    get_args(body.model_fields["type"].annotation)[0]: body for body in get_args(EventBody)
}
"""The branches of the union of events."""


def _methods(request: Request) -> str:
    """What the path takes, over all of its routes: the framework knows the first one's alone."""
    path, routes = request.url.path, [route for route in request.app.routes if isinstance(route, Route)]
    mine = [route.methods or () for route in routes if route.path_regex.match(path)]
    return ", ".join(sorted({method for methods in mine for method in methods}))


_BRANCHES = frozenset({"[key]", "MemberRef", "constrained-str", "constrained-int", "str", "int", "bool"})


def _pointer(error: Mapping[str, Any], *, skip: int) -> str:
    """A JSON Pointer from pydantic's location, without the names of the union's branches."""
    loc = list(error["loc"][skip:])
    if loc and loc[0] in TYPES and (len(loc) > 1 or error["type"] != "extra_forbidden"):
        del loc[0]
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        loc.append("type")
    parts = [part for at, part in enumerate(loc) if at == 0 or part not in _BRANCHES]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1")[:128] for part in parts)


def _message(error: Mapping[str, Any]) -> str:
    kind = str(error["type"])
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    if kind == "string_too_short" and error["ctx"]["min_length"] == 1:
        return "must not be empty"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format_map({name: _JSON.get(fact, fact) for name, fact in error["ctx"].items()})
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "string_pattern_mismatch":
        return "has the wrong form: see the field's description"
    return str(error["msg"])[:200]


def _suggestion(error: Mapping[str, Any], *, skip: int) -> str | None:
    if error["type"] == "union_tag_invalid":
        return nearest(str(error["ctx"]["tag"]), TYPES)
    if error["type"] != "extra_forbidden":
        return None
    loc = error["loc"][skip:]
    own = _fields_at(_EVENTS[loc[0]], loc[1:-1]) if loc[0] in _EVENTS and len(loc) > 1 else ()
    return unknown_fields(error, own) or unknown_fields(error, _all_fields())


def _fields_at(body: type[BaseModel], way: Sequence[Any]) -> tuple[str, ...]:
    """The names that are known at a place of a body, which is some fields further in."""
    models = [body]
    for name in way:
        fields = [model.model_fields[name] for model in models if name in model.model_fields]
        models = [model for field in fields for model in _models(field.annotation)] or models
    return tuple(dict.fromkeys(name for model in models for name in model.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


@cache
def _all_fields() -> tuple[str, ...]:
    """All names that any body knows."""
    bodies, names = [In], dict[str, None]()
    for body in bodies:  # grows while it is read: a tree of classes
        bodies.extend(body.__subclasses__())
        names.update(dict.fromkeys(body.model_fields))
    return tuple(names)
