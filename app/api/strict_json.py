"""JSON as strict as the ledger needs it: nothing is guessed, dropped or coerced (api C9)."""

import json
import math
from typing import Any

from app.api.problems import Problem


def loads(body: bytes) -> Any:
    """The value of a body. Raises Problem `malformed_json` for anything doubtful, without echoing it."""
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_no_float)
        if "\\u" in text:
            _no_odd_characters(value)
    except UnicodeDecodeError:
        raise Problem("malformed_json", detail="The body is not UTF-8.") from None
    except RecursionError:
        raise Problem("malformed_json", detail="The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        place = f"The body is not JSON: line {error.lineno}, column {error.colno}."
        raise Problem("malformed_json", detail=place) from None
    except ValueError:  # more digits than Python converts
        raise Problem("malformed_json", detail="A number is too long.") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Problem("malformed_json", detail="An object has the same key twice.")
    return value


def _no_constant(name: str) -> Any:
    raise Problem("malformed_json", detail="NaN and Infinity are not JSON.")


def _no_float(text: str) -> float:
    """Stands for any number with a point or an exponent: no schema takes it, so it is refused at its place."""
    return math.nan


def _no_odd_characters(value: Any) -> None:
    """Escapes can spell what UTF-8 cannot carry (lone surrogates) and what PostgreSQL cannot keep (NUL)."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in item):
            raise Problem("malformed_json", detail="A string holds NUL or a lone surrogate.")
