"""Building blocks of the bodies: strict, closed, with limits (api C1–C3, C9)."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

import iso4217
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema

from app.domain import messages
from app.domain.points import LIMIT

MINOR_UNITS: dict[str, int] = {
    currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None
}
"""Decimals of each ISO 4217 currency that has minor units."""

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:(?<=\.\d{6})\d{1,12})?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)\Z",
    re.ASCII,
)
"""RFC 3339, whose fractions have any number of digits: what is finer than a microsecond is left out."""


class In(BaseModel):
    """A body, or a part of one: unknown fields and other types are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Out(BaseModel):
    """An answer, or a part of one. Readers must tolerate fields they do not know."""


def instant(text: Any) -> datetime:
    """The UTC instant of an RFC 3339 text. Raises ValueError with what is wrong."""
    parts = _TIME.match(text) if isinstance(text, str) else None
    if parts is None:
        raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-21T09:41:00+01:00")
    try:
        found = datetime.fromisoformat(parts[1] + parts[2].upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time that exists") from None
    if not 1900 <= found.year <= 2199:
        raise ValueError("must lie between the years 1900 and 2199")
    return found


PRINTABLE = r"^[\x20-\x7e]+$"
"""Printable ASCII."""


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise ValueError("must be a whole number in plain digits")
    return value


Count = Annotated[int, BeforeValidator(_digits)]
"""A whole number in a query or a path, in plain digits."""

Id = Annotated[
    str,
    StringConstraints(pattern=r"^[\x20-\x7e]{1,128}$"),
    Field(description="Your own id: 1 to 128 printable ASCII characters.", examples=["till7-000123"]),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
CODE = r"^[a-z][a-z0-9_-]{0,31}$"
Code = Annotated[str, StringConstraints(pattern=CODE)]
"""What a program, or a shop, calls something: a unit, a tier, a tag, a reason."""

Note = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None,
    Field(description="Why, in words; kept where it can be erased, and never sent to shops."),
]
Amount = Annotated[
    str,
    StringConstraints(pattern=r"^-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,4})?$"),
    Field(description="Decimal text in the event's currency.", examples=["12.50"]),
]
Currency = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217 code.", examples=["EUR"])
]
Instant = Annotated[
    datetime,
    PlainValidator(instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
    Field(description="RFC 3339 with an offset.", examples=["2026-11-21T09:41:00+01:00"]),
]
NotAfter = Annotated[Instant | None, Field(description="Refuse it if it would be recorded later than this.")]
Points = Annotated[int, Field(ge=1, le=2**53 - 1, description="Whole points, in the unit's smallest part.")]
Attribute = Annotated[str, StringConstraints(max_length=1024)] | Annotated[int, Field(ge=-LIMIT, le=LIMIT)] | bool
AttributeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Attributes = Annotated[
    dict[AttributeName, Attribute],
    Field(max_length=64, description="Declared attributes; undeclared ones are kept and ignored."),
]


def time(instant: datetime) -> str:
    """A time as answers carry it: UTC, `Z`."""
    return messages.time_text(instant)


def maybe_time(instant: datetime | None) -> str | None:
    """The same for what may have no time."""
    return None if instant is None else messages.time_text(instant)


class Page(Out):
    """One page of a list; `next_cursor` null ends it."""

    next_cursor: str | None = Field(description="Send it back as `cursor` for the next page.")


def example(value: Any) -> dict[str, Any]:
    """A whole body as an example, for the OpenAPI pages; a test sends each."""
    return {"examples": [value]}
