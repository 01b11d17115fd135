"""Conditions of rules: CEL over flat typed variables, with exact numbers and bounded work (semantics A3).

Numbers, of variables as well as written ones, are counted in millionths, so that 19.99 is exactly that and 20 is the
same kind of number. That is why conditions do not multiply or divide. What may be written is said by `condition_words`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from app.domain import condition_words
from app.domain.condition_words import DECIMALS, DIGITS, MOST_TEXTS, Kind, Mistake, Reading

__all__ = ["MOST_TEXTS", "BadCondition", "Bound", "Condition", "Kind", "Mistake", "bind", "holds", "number", "parse"]

MAX_LENGTH = 2_000
MAX_WORK = 20_000
"""What one evaluation may cost, in words."""
MAX_MISTAKES = 10

Bound = Any
"""Values of variables, as `holds` takes them."""


class BadCondition(ValueError):
    """A text that is no condition, with what is wrong with it."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(f"character {one.at}: {one.message}" for one in mistakes))
        self.mistakes = mistakes[:MAX_MISTAKES]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was checked; `names` are the variables that it reads, `work` what it may cost, in words."""

    text: str
    names: frozenset[str] = field(compare=False)
    work: int = field(compare=False)
    compiled: Any = field(compare=False, repr=False)
    of_lines: bool = field(init=False, compare=False)
    """Whether it reads variables of lines, and so decides for each line by itself."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "of_lines", any(name.startswith("line_") for name in self.names))


def parse(text: str, variables: Mapping[str, Kind]) -> Condition:
    """The condition that a text states over these variables. Raises BadCondition."""
    if len(text) > MAX_LENGTH:
        raise BadCondition(Mistake(1, f"is longer than {MAX_LENGTH} characters"))
    if (half := _HALF.search(text)) is not None:
        raise BadCondition(Mistake(half.start() + 1, "is half of a character"))
    reading = condition_words.read(text, variables)
    if reading.mistakes:
        raise BadCondition(*reading.mistakes)
    if reading.work > MAX_WORK:
        raise BadCondition(Mistake(1, f"asks for too much work: {reading.work} words, of {MAX_WORK} at most"))
    return Condition(text, reading.names, reading.work, _compiled(reading, variables))


def bind(values: Mapping[str, object]) -> Bound:
    """Values for conditions to read, numbers as `number` makes them. A variable that is left out has none."""
    return _PLAIN.Activation(values)


def holds(condition: Condition, bound: Bound) -> bool | None:
    """Whether it holds; None where that cannot be told, such as for want of a value that it depends on."""
    try:
        value = condition.compiled.eval(bound).value()
    except RuntimeError:  # so the engine says that its own budget is spent
        return None
    return value if isinstance(value, bool) else None


def number(value: int | Decimal | Fraction, *, decimals: int = 0) -> int | None:
    """A number as conditions count it, rounded down to a millionth; None if it is too large.

    With `decimals`, the value is in so small parts, such as money in minor units.
    """
    exact = value if isinstance(value, int) else Fraction(value)
    counted = int(exact * 10 ** (DECIMALS - decimals) // 1)
    return counted if -_LARGEST < counted < _LARGEST else None


_HALF = re.compile("[\ud800-\udfff]")
_LARGEST = 10 ** (DIGITS + DECIMALS)
_PLAIN = cel.NewEnv()
_TYPES = {
    Kind.NUMBER: cel.Type.INT,
    Kind.BOOLEAN: cel.Type.BOOL,
    Kind.TEXT: cel.Type.STRING,
    Kind.TEXTS: cel.Type.List(cel.Type.STRING),
}


@lru_cache(maxsize=64)
def _environment(variables: tuple[tuple[str, Kind], ...]) -> Any:
    return cel.NewEnv(variables={name: _TYPES[kind] for name, kind in variables})


def _compiled(reading: Reading, variables: Mapping[str, Kind]) -> Any:
    try:
        compiled = _environment(tuple(sorted(variables.items()))).compile(reading.source)
    except RuntimeError as error:
        raise BadCondition(*_mistakes(str(error), reading)) from None
    if compiled.return_type() != cel.Type.BOOL:
        raise BadCondition(Mistake(1, "is neither true nor false: a condition compares something"))
    return compiled


_ERROR = re.compile(r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:1:(\d+): (.*)$", re.MULTILINE)
_OVERLOAD = re.compile(r"found no matching overload for '(.+?)' applied to '(.*?)'")
_WORDS = {"int": "number", "string": "text", "bool": "true or false", "dyn": "anything", "list": "list"}


def _mistakes(said: str, reading: Reading) -> list[Mistake]:
    """What the engine says, in our words and at the character of the text that it is about."""
    found = [Mistake(_place(int(column), reading), _message(why)) for column, why in _ERROR.findall(said)]
    return list(dict.fromkeys(found)) or [Mistake(1, "is nested too deep, or too long a chain")]


def _place(column: int, reading: Reading) -> int:
    """The character of the text, counted from 1, of a column of the source, likewise counted."""
    starts = [at for start, at in reading.places if start < column]
    return (starts[-1] if starts else 0) + 1


def _message(why: str) -> str:
    overload = _OVERLOAD.search(why)
    if overload is None:
        return "cannot be read from here on" if why.startswith("Syntax error") else "cannot be judged"
    name = overload[1].replace("@in", "in").replace("_?_:_", "?:").strip("_")
    kinds = [
        _WORDS.get(kind.partition("(")[0], "this") for kind in re.split(r",\s*(?![^(]*\))", overload[2].strip("()"))
    ]
    return f"{name} does not go with {' and '.join(kinds)}"
