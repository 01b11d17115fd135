"""What all refusals are, and the exception that carries one out of a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, get_args


@dataclass(frozen=True, slots=True)
class Refusal:
    """The base of all refusals."""

    code: ClassVar[str] = "refused"


class Refused(Exception):
    """Ends a decision with a refusal; what was decided on the way is dropped."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def facts_of(refusal: Refusal) -> dict[str, Any]:
    """The refusal's facts as JSON values."""
    return {field.name: _plain(getattr(refusal, field.name)) for field in fields(refusal)}


def read(kind: type[Refusal], facts: Mapping[str, Any]) -> Refusal:
    """The refusal whose facts these are: the inverse of `facts_of`. Raises KeyError where one is not there."""
    return kind(**{field.name: _typed(facts[field.name], field.type) for field in fields(kind)})


def _typed(value: Any, said: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str):
        return value
    kinds = get_args(said) or (said,)
    return bytes.fromhex(value) if bytes in kinds else datetime.fromisoformat(value) if datetime in kinds else value


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
