"""A program document from text, or all that is wrong with it, each with its place (api C9)."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.program import checking, fields, parsing, parts, schema
from app.program.document import Document, Unit
from app.program.parsing import Path, Problem, Tree, Value

MAX_BYTES = 256 * 1024
MAX_MISTAKES = 100
MAX_NAME_SHOWN = 128

_PATTERNS = {
    fields.CODE_PATTERN: "must be small letters, digits, - and _, begin with a letter and have at most 32 characters",
    fields.ATTRIBUTE_PATTERN: "must be small letters, digits and _, begin with a letter and have at most 64 characters",
    fields.CURRENCY_PATTERN: "must be three capital letters, such as EUR",
}
_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "this name is not known here",
    "model_type": "must be a mapping of names to values",
    "dict_type": "must be a mapping of names to values",
    "tuple_type": "must be a list",
    "string_type": "must be text; a number that is meant as text stands in quotes",
    "int_type": "must be a whole number, without quotes",
    "bool_type": "must be true or false",
    "literal_error": "must be {expected}",
    "int_parsing_size": "is too large",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters long",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""What pydantic's errors mean to a shop owner; our own kinds of value word theirs in `fields`."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong at a place: a JSON pointer (RFC 6901), long names cut, and the line of the text, if any."""

    pointer: str
    line: int | None
    message: str
    suggestion: str | None

    def __str__(self) -> str:
        line = "" if self.line is None else f"line {self.line}: "
        place = f"{self.pointer}: " if self.pointer else ""
        hint = "" if self.suggestion is None else f'; did you mean "{self.suggestion}"?'
        return f"{line}{place}{self.message}{hint}"


class MistakesInDocument(Exception):
    """A text that is no program document; `mistakes` are at most MAX_MISTAKES, in the order of the text."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)


def read(text: str | bytes) -> Document:
    """The program document of a YAML text, or of JSON if it begins with a brace.

    Raises MistakesInDocument with everything that is wrong, up to MAX_MISTAKES. Of a malformed part the names and the
    condition are checked against the others, the rest once it is well-formed; a text that is no YAML or JSON is read
    up to where it stops being so.
    Neither the text nor its canonical form may be larger than MAX_BYTES. What is published once can always be read.
    Reading the longest YAML can take a second: an event loop should leave it to a thread.
    """
    return _read(text, checking.check)


def read_new(text: str | bytes, *, shops: Collection[str] = ()) -> Document:
    """The same of a text that is to be published, which is held to more than versions that are.

    Its rules name none but the program's `shops`, once it has any, and say nothing that does nothing.
    """
    return _read(text, partial(checking.check_new, shops=shops))


def _read(text: str | bytes, check: Callable[..., Iterator[Problem]]) -> Document:
    tree = parsing.parse(_decoded(text))
    if not tree.complete:
        raise _mistakes(tree, ())
    document, malformed = _shaped(tree.value)
    checked = islice(check(tree.value, spoiled=_spoiled(tree)), MAX_MISTAKES)
    told = {problem.path for problem in malformed}
    problems = [*malformed, *(problem for problem in checked if problem.path not in told)]
    if document is None or tree.problems or problems:
        raise _mistakes(tree, problems)
    if len(canonical(document)) > MAX_BYTES:
        raise _too_large()
    return document


def units(text: str | bytes) -> tuple[Mapping[str, Unit], ZoneInfo | None]:
    """The sound units of a text that may have mistakes, and its time zone; nothing of one that cannot be read."""
    try:
        tree = parsing.parse(_decoded(text))
    except MistakesInDocument:
        return {}, None
    if not isinstance(tree.value, dict):
        return {}, None
    found = parts.sound_parts(tree.value, spoiled=_spoiled(tree))
    return {code: unit for code, unit in found.units.items() if unit is not None}, found.zone


def located(mistakes: Iterable[Mistake], text: str | bytes) -> tuple[Mistake, ...]:
    """The mistakes of a document that could be read, each with its line of the text, in the order of the text."""
    tree = parsing.parse(_decoded(text))
    lines = {_pointer(path): line for path, line in tree.lines.items()}

    def line(pointer: str) -> int | None:
        while pointer and pointer not in lines:
            pointer = pointer.rpartition("/")[0]
        return lines.get(pointer)

    placed = (mistake if mistake.line else replace(mistake, line=line(mistake.pointer)) for mistake in mistakes)
    return tuple(sorted(placed, key=lambda mistake: mistake.line or 0))


def content(document: Document) -> dict[str, Any]:
    """What a document says, as plain values in the order of the reference, defaults left out."""
    return document.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def canonical(document: Document) -> bytes:
    """The one JSON text of a document, as it is stored: sorted keys, no spaces, defaults left out."""
    return json.dumps(content(document), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(canonical: bytes) -> bytes:
    """The SHA-256 digest of a canonical document."""
    return hashlib.sha256(canonical).digest()


def worded(detail: ErrorDetails) -> str:
    """What an error of pydantic means to a shop owner, who reads no Python."""
    facts = detail.get("ctx", {})
    if detail["type"] == "string_pattern_mismatch":
        return _PATTERNS[facts["pattern"]]
    return _MESSAGES.get(detail["type"], "{0}").format(detail["msg"], **facts)


def _spoiled(tree: Tree) -> set[Path]:
    return {problem.path[:end] for problem in tree.problems for end in range(len(problem.path) + 1)}


def _decoded(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    if len(data) > MAX_BYTES:
        raise _too_large()
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise MistakesInDocument((Mistake("", line, "is not UTF-8 text", None),)) from None


def _too_large() -> MistakesInDocument:
    return MistakesInDocument((Mistake("", None, f"is larger than {MAX_BYTES // 1024} KiB", None),))


def _shaped(value: Value) -> tuple[Document | None, list[Problem]]:
    try:
        return Document.model_validate(value), []
    except ValidationError as error:
        known = schema.json_schema()
        # pydantic also calls a list too short of which every item is malformed.
        details = (it for it in error.errors(include_url=False) if it["type"] != "too_short" or not it["input"])
        return None, [_problem(detail, value, known) for detail in islice(details, MAX_MISTAKES)]


def _mistakes(tree: Tree, problems: Iterable[Problem]) -> MistakesInDocument:
    unreadable = {problem.path for problem in tree.problems}
    found = ((problem, problem.line) for problem in tree.problems)
    further = ((problem, _line(tree, problem.path)) for problem in problems if problem.path not in unreadable)
    placed = (
        Mistake(_pointer(problem.path), line, problem.message, problem.suggestion)
        for problem, line in chain(found, further)
    )
    ordered = sorted(dict.fromkeys(placed), key=lambda mistake: mistake.line or 0)
    return MistakesInDocument(tuple(ordered[:MAX_MISTAKES]))


def _line(tree: Tree, path: Path) -> int | None:
    ends = range(len(path), -1, -1)
    return next((tree.lines[path[:end]] for end in ends if path[:end] in tree.lines), None)


def _pointer(path: Path) -> str:
    steps = (parsing.UNFIT.sub("\ufffd", str(step)[:MAX_NAME_SHOWN]) for step in path)
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _problem(detail: ErrorDetails, value: Value, known: dict[str, Any]) -> Problem:
    path = _place(detail, value)
    suggestion = None
    if detail["type"] == "extra_forbidden":
        suggestion = checking.nearest(str(path[-1]), schema.known_at(known, path[:-1]))
    elif detail["type"] == "literal_error" and isinstance(detail["input"], str):
        suggestion = checking.nearest(detail["input"], schema.known_at(known, path))
    return Problem(path, worded(detail), suggestion)


def _place(detail: ErrorDetails, value: Value) -> Path:
    """The place of an error in the tree: pydantic also names the branch of a union it tried, and `[key]`."""
    path: Path = ()
    for step in detail["loc"]:
        if isinstance(value, dict) and isinstance(step, str) and step in value:
            path, value = (*path, step), value[step]
        if isinstance(value, tuple) and isinstance(step, int):
            path, value = (*path, step), value[step]
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else path
