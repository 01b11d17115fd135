"""What all refusals are, and the exception that carries one out of a decision."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar


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


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
