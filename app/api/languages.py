"""In which language an explanation is asked for: `?language=`, else what `Accept-Language` likes best (RFC 9110)."""

from typing import Any, NamedTuple

from fastapi import Request

from app.api.dependencies import Caller, Parts
from app.api.problems import malformed_query
from app.domain.rules import Versions
from app.domain.texts import Language

LANGUAGE: dict[str, Any] = {
    "name": "language",
    "in": "query",
    "description": "Explain in words too, in this language; the header `Accept-Language` asks the same.",
    "schema": {"type": "string", "enum": [language.value for language in Language]},
}
_HEADER = b"accept-language"
_RANGES = 20


class Telling(NamedTuple):
    """A language, and the versions whose rules are told of."""

    language: Language
    versions: Versions


async def telling(request: Request, mine: Parts, caller: Caller) -> Telling | None:
    """What explanations are to be told in; None where nobody asked for words. Raises Problem."""
    language = asked(request)
    return None if language is None else Telling(language, await mine.rulebook.of(caller.program_id))


def asked(request: Request) -> Language | None:
    """The language that a request asks for. Raises Problem for one that there is not."""
    if request.scope["query_string"] and (named := request.query_params.get("language")) is not None:
        if named not in set(Language):
            known = ", ".join(language.value for language in Language)
            raise malformed_query("language", f"must be one of {known}")
        return Language(named)
    for name, value in request.scope["headers"]:
        if name == _HEADER:
            return _liked_best(value.decode("latin-1"))
    return None


def _liked_best(header: str) -> Language | None:
    """The first of the languages with the highest weight; `nl-BE` is Dutch. None where none of ours is liked."""
    liked: list[tuple[float, Language]] = []
    for part in header.split(",")[:_RANGES]:
        tag, _, parameter = part.strip().partition(";")
        primary = tag.partition("-")[0].strip().lower()
        weight = parameter.strip().removeprefix("q=") if parameter else "1"
        if primary in set(Language) and weight.replace(".", "", 1).isdecimal() and weight.isascii() and float(weight):
            liked.append((float(weight), Language(primary)))
    return max(liked, key=lambda one: one[0])[1] if liked else None
