"""The words of a condition: only the part of CEL passes that conditions need, and its work is known before it runs.

Comparisons, `in`, `&&`, `||`, `!`, `?:`, `+`, `-`, `%`, lists, `size`, and for texts `startsWith`, `endsWith` and
`contains`, for lists `exists`, `all` and `exists_one`. Each word has a weight; those inside a macro count once for each
text that it goes through, and no macro stands in another one, so nothing can grow beyond what is written.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple

MAX_DEPTH = 16
"""Brackets within brackets."""
MOST_TEXTS = 64
"""A list of texts has no more of them: what it weighs."""
DECIMALS = 6
MILLION = 10**DECIMALS
DIGITS = 12
"""Numbers have at most so many digits before their decimals."""
_SHOWN = 64
"""Of a name that is wrong so many characters are told."""
_MOST_COMPARED = 200
"""Variables among which one that was mistyped is looked for."""


class Kind(StrEnum):
    """What a variable holds; TEXTS is a list of texts."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    TEXTS = "texts"


class Mistake(NamedTuple):
    """What is wrong with a condition, at which of its characters, counted from 1."""

    at: int
    message: str
    suggestion: str | None = None


class Reading(NamedTuple):
    """What the words of a condition come to: the variables it reads, its work in words, and what the engine reads.

    `places` are, for each word of `source`, where it begins there and in the text.
    """

    mistakes: tuple[Mistake, ...]
    names: frozenset[str]
    work: int
    source: str
    places: tuple[tuple[int, int], ...]


class _Word(NamedTuple):
    kind: str
    text: str
    at: int


_WORD = re.compile(
    r"""(?P<space>[ ]+)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?![0-9A-Za-z_.]))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[<>!?:+\-%(),.\[\]])
    |(?P<other>.)""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_MEANT = {"=": "==", "&": "&&", "|": "||", "and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!"}
_CONSTANTS = ("true", "false")
_METHODS = ("startsWith", "endsWith", "contains")
_MACROS = ("exists", "all", "exists_one")
_CLOSES = {"(": ")", "[": "]"}


def read(text: str, variables: Mapping[str, Kind]) -> Reading:
    """What the words of a text come to; nothing is told to the engine where there are mistakes."""
    mistakes: list[Mistake] = []
    words = tuple(_words(text, mistakes))
    pairs = _pairs(words, len(text), mistakes)
    scopes = tuple(_scopes(words, pairs, mistakes))
    names = frozenset(_names(words, scopes, variables, mistakes))
    if not mistakes:  # what cannot be read would be told of once more
        _grammar(words, mistakes)
    source, places = _source(words, pairs)
    return Reading(tuple(sorted(mistakes)), names, _work(words, pairs, scopes, variables), source, places)


class _Scope(NamedTuple):
    """Where a macro stands, the name it gives to each text, and the words between which it does."""

    macro: int
    name: str
    first: int
    last: int


def _words(text: str, mistakes: list[Mistake]) -> Iterator[_Word]:
    for match in _WORD.finditer(text):
        if match.lastgroup == "other":
            mistakes.append(_unreadable(match[0], match.start()))
        elif match.lastgroup != "space":
            yield _Word(str(match.lastgroup), match[0], match.start())


def _unreadable(sign: str, at: int) -> Mistake:
    if sign in "*/":
        return Mistake(at + 1, f"{sign} is not read: conditions compare, add and subtract")
    if sign in "\"'":
        return Mistake(at + 1, "the quote that begins here never ends")
    if sign.isdigit():
        return Mistake(at + 1, "is no plain number, such as 20 or 19.99")
    return Mistake(at + 1, f"{sign} is not read here", _MEANT.get(sign))


def _text_at(words: Sequence[_Word], index: int) -> str:
    """What is written there, other than in quotes; nothing beyond the ends."""
    return words[index].text if 0 <= index < len(words) and words[index].kind != "text" else ""


def _pairs(words: Sequence[_Word], end: int, mistakes: list[Mistake]) -> dict[int, int]:
    """Each bracket that opens, and each that closes, with its other one."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    for index, word in enumerate(words):
        if word.kind != "sign":
            continue
        if word.text in _CLOSES:
            if len(waiting) == MAX_DEPTH:
                mistakes.append(Mistake(word.at + 1, f"brackets are nested deeper than {MAX_DEPTH}"))
            waiting.append(index)
        elif word.text in _CLOSES.values():
            if not waiting or _CLOSES[words[waiting[-1]].text] != word.text:
                mistakes.append(Mistake(word.at + 1, f"{word.text} closes nothing"))
                continue
            pairs[index] = waiting.pop()
            pairs[pairs[index]] = index
    mistakes += [Mistake(end + 1, f"{_CLOSES[words[index].text]} is missing") for index in waiting]
    return pairs


def _scopes(words: Sequence[_Word], pairs: Mapping[int, int], mistakes: list[Mistake]) -> Iterator[_Scope]:
    """The macros, such as `tags.exists(tag, …)`, and where the names count that they give."""
    inside = -1
    for index, word in enumerate(words):
        if word.kind != "name" or word.text not in _MACROS or _text_at(words, index - 1) != ".":
            continue
        last = pairs.get(index + 1, len(words))
        if index < inside:
            mistakes.append(Mistake(word.at + 1, "stands in another one of its kind: one list at a time"))
        name = words[index + 2] if index + 2 < len(words) else word
        if _text_at(words, index + 1) != "(" or name.kind != "name" or _text_at(words, index + 3) != ",":
            mistakes.append(Mistake(word.at + 1, f"is written as tags.{word.text}(tag, tag == 'a')"))
        inside = max(inside, last)
        yield _Scope(index, name.text, index + 2, last)


def _names(
    words: Sequence[_Word], scopes: Sequence[_Scope], variables: Mapping[str, Kind], mistakes: list[Mistake]
) -> Iterator[str]:
    """The variables that are read. Tells names that are none, and functions that there are not."""
    for scope in scopes:
        if scope.name in variables:
            at = words[min(scope.first, len(words) - 1)].at
            mistakes.append(Mistake(at + 1, f"{scope.name} is a variable already: choose another name"))
    for index, word in enumerate(words):
        if word.kind != "name" or word.text in ("in", *_CONSTANTS):
            continue
        called = _text_at(words, index + 1) == "("
        if _text_at(words, index - 1) == ".":
            if not called or word.text not in (*_METHODS, *_MACROS):
                known = _nearest(word.text, (*_METHODS, *_MACROS))
                mistakes.append(Mistake(word.at + 1, f"there is no function {word.text[:_SHOWN]}", known))
        elif called:
            if word.text != "size":
                message = f"there is no function {word.text[:_SHOWN]}"
                mistakes.append(Mistake(word.at + 1, message, _nearest(word.text, ("size",))))
        elif any(scope.name == word.text and scope.first <= index < scope.last for scope in scopes):
            continue
        elif word.text in variables:
            yield word.text
        else:
            nearest = _MEANT.get(word.text) or _nearest(word.text, (*variables, *_CONSTANTS))
            mistakes.append(Mistake(word.at + 1, f"there is no variable {word.text[:_SHOWN]}", nearest))


def _grammar(words: Sequence[_Word], mistakes: list[Mistake]) -> None:
    """What the engine reads and conditions do not: other kinds of texts, of numbers, and members of lists."""
    for index, word in enumerate(words):
        before = words[index - 1] if index else _Word("sign", "(", 0)
        value = before.kind in ("text", "number") or before.text in _CLOSES.values()
        value = value or (before.kind == "name" and before.text != "in")
        if word.kind in ("text", "number") and value:
            mistakes.append(Mistake(word.at + 1, "something is missing before this"))
        if word.text == "[" and word.kind == "sign" and value:
            mistakes.append(Mistake(word.at + 1, "nothing is taken out of a list by its number: ask with `in`"))
        if word.kind == "number":
            whole, _, decimals = word.text.partition(".")
            if len(whole) > DIGITS or len(decimals) > DECIMALS:
                mistakes.append(
                    Mistake(word.at + 1, f"has more than {DIGITS} digits, or more than {DECIMALS} decimals")
                )


def _work(
    words: Sequence[_Word], pairs: Mapping[int, int], scopes: Sequence[_Scope], variables: Mapping[str, Kind]
) -> int:
    """The words, each as often as it may be read; a list of texts weighs as much as the longest one."""
    weights = [MOST_TEXTS if variables.get(word.text) is Kind.TEXTS else 1 for word in words]
    work = sum(weights)
    for scope in scopes:
        ends = scope.macro - 2
        through = sum(weights[pairs.get(ends, ends) : ends + 1]) if ends >= 0 else 0
        work += through * sum(weights[scope.first : scope.last])
    return work


def _source(words: Sequence[_Word], pairs: Mapping[int, int]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """What the engine reads: numbers in millionths, and `size` as such a number."""
    counted = {pairs.get(index + 1) for index, word in enumerate(words) if word.kind == "name" and word.text == "size"}
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    length = 0
    for index, word in enumerate(words):
        piece = word.text
        if word.kind == "number":
            whole, _, decimals = word.text.partition(".")
            piece = str(int(whole[:DIGITS]) * MILLION + int(decimals[:DECIMALS].ljust(DECIMALS, "0")))
        elif word.kind == "name" and word.text == "size":
            piece = f"({MILLION} * size"
        elif index in counted:
            piece = "))"
        places.append((length, word.at))
        pieces.append(piece)
        length += len(piece) + 1
    return " ".join(pieces), tuple(places)


def _nearest(name: str, known: Collection[str]) -> str | None:
    close = get_close_matches(name[:64], known, n=1) if len(known) <= _MOST_COMPARED else []
    return close[0] if close else None
