"""YAML or JSON text into a tree of plain values that knows its lines.

Only what both can say the same way is read: mappings with text keys, lists, text, true and false, and numbers
written out in digits. Numbers become `int` or the `Decimal` of their literal text. The words yes, no, on and off
are text, as in YAML 1.2. Whatever readers of YAML disagree on is a problem, not a guess.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import yaml

MAX_DEPTH = 16
MAX_VALUES = 30_000
_FOLDED = ">"
"""The style of a text that goes on over lines, as one: the end of its last line is no part of it."""
MAX_NUMBER_LENGTH = 40

UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no name or text of a document holds: controls, line breaks, halves of a character."""

Path = tuple[str | int, ...]
Value = str | int | Decimal | bool | None | tuple["Value", ...] | dict[str, "Value"]

_NULL = re.compile(r"(?:|~|null|Null|NULL)\Z")
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<decimals>\.[0-9]+)?\Z", re.ASCII)
OTHER_NUMBER = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z"
    r"|[-+]?\.?(?:inf|Inf|INF|Infinity)\Z|\.?(?:nan|NaN|NAN)\Z",
    re.ASCII,
)
"""What some readers of YAML take for a number, and others for text."""
_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|[^\s{}\[\],:"]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake at a place of the tree; `line` where the text cannot be read, otherwise that of the place is meant."""

    path: Path
    message: str
    suggestion: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """What a text says, the line on which each place begins, and what could not be read.

    If not `complete`, reading stopped at the last problem, and `value` says nothing.
    """

    value: Value
    lines: dict[Path, int]
    problems: tuple[Problem, ...]
    complete: bool


def parse(text: str) -> Tree:
    """The tree of a text, which is JSON if it begins with a brace, otherwise YAML."""
    found = _Found()
    try:
        tokens = _json_tokens(text) if text.lstrip(" \t\r\n").startswith("{") else _yaml_tokens(text)
        value = _root(_limited(tokens), found)
    except _Unreadable as stop:
        problem = Problem(stop.path, stop.message, line=stop.line)
        return Tree(None, found.lines, (*found.problems, problem), complete=False)
    return Tree(value, found.lines, tuple(found.problems), complete=True)


@dataclass(frozen=True, slots=True)
class _Scalar:
    line: int
    value: Value
    problem: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Open:
    line: int
    mapping: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Close:
    line: int


_Token = _Scalar | _Open | _Close


@dataclass(frozen=True, slots=True)
class _Found:
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Unreadable(Exception):
    def __init__(self, message: str, *, line: int | None = None, path: Path = ()) -> None:
        super().__init__(message)
        self.message, self.line, self.path = message, line, path


def _limited(tokens: Iterator[_Token]) -> Iterator[_Token]:
    read = 0
    for token in tokens:
        read += not isinstance(token, _Close)
        if read > MAX_VALUES:
            raise _Unreadable(f"more than {MAX_VALUES:,} names and values cannot be read", line=token.line)
        yield token


def _root(tokens: Iterator[_Token], found: _Found) -> Value:
    first = next(tokens, None)
    if first is None:
        raise _Unreadable("nothing is written here")
    value = _value(first, tokens, (), found)
    if (rest := next(tokens, None)) is not None:
        raise _Unreadable("only one document can be read; a second one begins here", line=rest.line)
    return value


def _value(token: _Token, tokens: Iterator[_Token], path: Path, found: _Found) -> Value:
    found.lines.setdefault(path, token.line)
    if isinstance(token, _Close):
        raise _Unreadable("something is missing here", line=token.line, path=path)
    if token.problem is not None:
        found.problems.append(Problem(path, token.problem, line=token.line))
    if isinstance(token, _Scalar):
        return token.value
    if len(path) >= MAX_DEPTH:
        raise _Unreadable(f"is nested deeper than {MAX_DEPTH} levels", line=token.line, path=path)
    return _mapping(tokens, path, found) if token.mapping else _list(tokens, path, found)


def _list(tokens: Iterator[_Token], path: Path, found: _Found) -> Value:
    items: list[Value] = []
    while not isinstance(token := next(tokens), _Close):
        items.append(_value(token, tokens, (*path, len(items)), found))
    return tuple(items)


def _mapping(tokens: Iterator[_Token], path: Path, found: _Found) -> Value:
    entries: dict[str, Value] = {}
    while not isinstance(token := next(tokens), _Close):
        if not isinstance(token, _Scalar):
            found.problems.append(Problem(path, "names must be plain text", line=token.line))
            _value(token, tokens, (*path, ""), _Found())
            _value(next(tokens), tokens, (*path, ""), _Found())
            continue
        place = (*path, token.text)
        if (problem := _key_problem(token, place, entries, found)) is not None:
            found.problems.append(Problem(place, problem, line=token.line))
        found.lines.setdefault(place, token.line)
        value = _value(next(tokens), tokens, place, found)
        entries.setdefault(token.text, value)
    return entries


def _key_problem(token: _Scalar, place: Path, entries: dict[str, Value], found: _Found) -> str | None:
    if token.text in entries:
        return f"is written twice, first on line {found.lines[place]}"
    if token.problem is not None and token.value is None:
        return token.problem
    return "this name contains a line break or another control character" if UNFIT.search(token.text) else None


def _scalar(text: str, line: int, *, plain: bool) -> _Scalar:
    if UNFIT.search(text):
        return _Scalar(line, text, "contains a line break or another control character", text)
    return _plain_scalar(text, line) if plain else _Scalar(line, text, text=text)


def _plain_scalar(text: str, line: int) -> _Scalar:
    if _NULL.match(text):
        return _Scalar(line, None, "nothing is written here; leave the name out", text)
    if text in _BOOLEAN:
        return _Scalar(line, _BOOLEAN[text], text=text)
    number = _NUMBER.match(text)
    if number is not None and len(text) <= MAX_NUMBER_LENGTH:
        return _Scalar(line, Decimal(text) if number["decimals"] else int(text), text=text)
    if number is not None or OTHER_NUMBER.match(text):
        problem = "is a number that can be read in several ways: write it in digits, or in quotes if it is text"
        return _Scalar(line, text, problem, text)
    return _Scalar(line, text, text=text)


def _json_tokens(text: str) -> Iterator[_Token]:
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise _Unreadable(f"this is not valid JSON: {error.msg}", line=error.lineno) from None
    except RecursionError:
        pass  # Far beyond MAX_DEPTH, where reading the tokens stops with the place.
    line, last = 1, 0
    for match in _JSON_TOKEN.finditer(text):
        line, last = line + text.count("\n", last, match.start()), match.start()
        written = match[0]
        if written in "{[":
            yield _Open(line, mapping=written == "{")
        elif written in "}]":
            yield _Close(line)
        elif written.startswith('"'):
            yield _scalar(json.loads(written), line, plain=False)
        else:
            yield _scalar(written, line, plain=True)


def _yaml_tokens(text: str) -> Iterator[_Token]:
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            yield from _yaml_token(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise _Unreadable(f"this is not valid YAML: {error.problem}", line=line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Unreadable("contains a character that may not be written in YAML", line=line) from None
    except (ValueError, OverflowError):  # PyYAML passes on chr() and int() of absurd escapes and versions.
        raise _Unreadable("this is not valid YAML: a number in it is out of range") from None


def _yaml_token(event: yaml.Event) -> Iterator[_Token]:
    line = 1 if event.start_mark is None else event.start_mark.line + 1
    match event:
        case yaml.ScalarEvent():
            problem = _yaml_problem(event)
            text = event.value.removesuffix("\n") if event.style == _FOLDED else event.value
            scalar = _scalar(text, line, plain=event.style is None)
            yield scalar if problem is None else _Scalar(line, None, problem, event.value)
        case yaml.CollectionStartEvent():
            yield _Open(line, isinstance(event, yaml.MappingStartEvent), _yaml_problem(event))
        case yaml.CollectionEndEvent():
            yield _Close(line)
        case yaml.AliasEvent():
            yield _Scalar(line, None, "aliases (*) are not read: write it out", f"*{event.anchor}")
        case _:
            return


def _yaml_problem(event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> str | None:
    if event.anchor is not None:
        return "anchors (&) are not read: leave it out"
    return None if event.tag is None else "tags (!) are not read: leave it out"
