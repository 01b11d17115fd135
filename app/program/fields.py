"""The kinds of value a program document is made of. Nothing is coerced but number to exact decimal.

Numbers arrive as `int` or as `Decimal` of their literal text (see `parsing`), or as decimal text in quotes.
"""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.domain import calendar, conditions, holds, recurrences
from app.program import values

MAX_EARLY_MINUTES = 60

JOINING: Literal["joining"] = "joining"
"""Where periods start that are a member's own."""

CODE_PATTERN = "^[a-z][a-z0-9_-]{0,31}$"
CURRENCY_PATTERN = "^[A-Z]{3}$"
ATTRIBUTE_PATTERN = "^[a-z][a-z0-9_]{0,63}$"

_NUMBER_PATTERN = r"^(0|[1-9][0-9]{0,15})(\.[0-9]{1,9})?$"
_NUMBER = re.compile(_NUMBER_PATTERN.replace("$", r"\Z"), re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})\Z")
_CLOCK_PATTERN = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
_CLOCK = re.compile(_CLOCK_PATTERN.replace("$", r"\Z"), re.ASCII)
_MINUTES = re.compile(r"PT([0-9]{1,2})M\Z")
_YEARS = range(2000, 3000)
"""The years a document may name: far enough for any program, and no arithmetic on days leaves the calendar."""


MAX_SHORT_DAYS = 31


def whole_number(value: object) -> object:
    """The value, if it is written as a whole number: to Python, true and 1.0 also equal 1."""
    if type(value) is not int:
        raise PydanticCustomError("number", "must be a whole number, without quotes")
    return value


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise PydanticCustomError("number", 'must be a number, such as 5 or "12.50"')
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if text.startswith("-"):
        raise PydanticCustomError("number", "must not be below zero")
    if _NUMBER.match(text) is None:
        raise PydanticCustomError("number", 'must be a plain number, such as 5 or "12.50", of at most 9 decimals')
    return Decimal(text)


def _positive(number: Decimal) -> Decimal:
    if not number:
        raise PydanticCustomError("number", "must be above zero")
    return number


def _span(value: object) -> calendar.Span:
    try:
        return calendar.parse_span(value if isinstance(value, str) else "")
    except ValueError:
        text = "must be a duration of years, months, weeks or days, such as P12M or P30D"
        raise PydanticCustomError("span", text) from None


def _not_empty(span: calendar.Span) -> calendar.Span:
    if span == calendar.Span():
        raise PydanticCustomError("span", "must be at least a day")
    return span


def _in_days(span: calendar.Span) -> calendar.Span:
    if span.months:
        raise PydanticCustomError("span", "must be a duration in weeks or days, such as P30D")
    return span


def _short(span: calendar.Span) -> calendar.Span:
    if not 1 <= span.days <= MAX_SHORT_DAYS:
        raise PydanticCustomError("span", "must be a duration of 1 to 31 days, such as P1D")
    return span


def span_text(span: calendar.Span) -> str:
    """The ISO 8601 duration of a span, in months and days."""
    months = f"{span.months}M" if span.months else ""
    days = f"{span.days}D" if span.days or not span.months else ""
    return f"P{months}{days}"


def _minutes(value: object) -> timedelta:
    match = _MINUTES.match(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > MAX_EARLY_MINUTES:
        raise PydanticCustomError("minutes", "must be a duration of at most 60 minutes, such as PT5M")
    return timedelta(minutes=int(match[1]))


def minutes_text(duration: timedelta) -> str:
    """The ISO 8601 duration of whole minutes."""
    return f"PT{duration // timedelta(minutes=1)}M"


def _hold_time(value: object) -> timedelta:
    try:
        found = calendar.parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        found = timedelta(0)
    if not timedelta(minutes=1) <= found <= holds.LONGEST:
        text = "must be a duration of days, hours or minutes up to 7 days, such as PT15M"
        raise PydanticCustomError("hold_time", text)
    return found


def _window_time(value: object) -> timedelta:
    try:
        found = calendar.parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        found = timedelta(0)
    if not timedelta(minutes=1) <= found <= recurrences.LONGEST:
        raise PydanticCustomError("window", "must be a duration of hours or minutes up to 24 hours, such as PT2H")
    return found


def _clock(value: object) -> time:
    if not isinstance(value, str) or _CLOCK.match(value) is None:
        raise PydanticCustomError("clock", 'must be a time of the day in quotes, such as "17:00"')
    return time.fromisoformat(value)


def _clock_text(clock: time) -> str:
    return clock.isoformat("minutes")


def _moment(value: object) -> date | datetime:
    text = value if isinstance(value, str) else ""
    moment: date | datetime | None = None
    try:
        if _DATE.match(text):
            moment = date.fromisoformat(text)
        elif _INSTANT.match(text):
            moment = datetime.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("moment", "is no day or time that exists") from None
    if moment is None:
        text = "must be a date such as 2027-06-30, or a time with its offset such as 2027-06-30T08:00:00+02:00"
        raise PydanticCustomError("moment", text)
    if moment.year not in _YEARS:
        raise PydanticCustomError("moment", "must be in the years 2000 to 2999")
    return moment


def _day(value: object) -> date:
    moment = _moment(value)
    if isinstance(moment, datetime):
        raise PydanticCustomError("day", "must be a date such as 2026-03-01")
    return moment


def _period_start(value: object) -> date | Literal["joining"]:
    if value == JOINING:
        return JOINING
    try:
        return _day(value)
    except PydanticCustomError as error:
        if error.type == "day":
            text = "must be a date such as 2026-03-01, or joining"
            raise PydanticCustomError("day", text) from None
        raise


def _period_start_text(start: date | str) -> str:
    return start if isinstance(start, str) else _moment_text(start)


def _moment_text(moment: date | datetime) -> str:
    return moment.isoformat()


def _distinct(texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(texts)) < len(texts):
        raise PydanticCustomError("twice", "names something twice")
    return texts


_NUMBER_SCHEMA = {"anyOf": [{"type": "string", "pattern": _NUMBER_PATTERN}, {"type": "number", "minimum": 0}]}
_ABOVE_ZERO_SCHEMA = {
    "anyOf": [{"type": "string", "pattern": _NUMBER_PATTERN}, {"type": "number", "exclusiveMinimum": 0}],
}
_SPAN_SCHEMA = {"type": "string", "pattern": "^P(?=.)([0-9]{1,3}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,5}D)?$"}
_DAYS_SCHEMA = {"type": "string", "pattern": "^P(?=.)([0-9]{1,4}W)?([0-9]{1,5}D)?$"}

Code = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
CurrencyCode = Annotated[str, StringConstraints(pattern=CURRENCY_PATTERN)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Codes = Annotated[tuple[Code, ...], Field(min_length=1), AfterValidator(_distinct)]
CodesOrNone = Annotated[tuple[Code, ...], AfterValidator(_distinct)]
Words = Annotated[tuple[Word, ...], Field(min_length=1), AfterValidator(_distinct)]
WordsOrNone = Annotated[tuple[Word, ...], AfterValidator(_distinct)]
EventKinds = Annotated[
    tuple[Literal["purchase", "activity", "redemption", "hold", "capture", "return", "enrolment"], ...],
    Field(min_length=1),
    AfterValidator(_distinct),
]
Currencies = Annotated[tuple[CurrencyCode, ...], Field(min_length=1), AfterValidator(_distinct)]
Number = Annotated[
    Decimal,
    PlainValidator(_number),
    PlainSerializer(values.plain),
    WithJsonSchema(_NUMBER_SCHEMA),
]
AboveZero = Annotated[
    Decimal,
    PlainValidator(_number),
    AfterValidator(_positive),
    PlainSerializer(values.plain),
    WithJsonSchema(_ABOVE_ZERO_SCHEMA),
]
Span = Annotated[
    calendar.Span,
    PlainValidator(_span),
    PlainSerializer(span_text),
    WithJsonSchema(_SPAN_SCHEMA),
]
LongSpan = Annotated[
    calendar.Span,
    PlainValidator(_span),
    AfterValidator(_not_empty),
    PlainSerializer(span_text),
    WithJsonSchema(_SPAN_SCHEMA),
]
Days = Annotated[
    calendar.Span,
    PlainValidator(_span),
    AfterValidator(_in_days),
    PlainSerializer(span_text),
    WithJsonSchema(_DAYS_SCHEMA),
]
ShortDays = Annotated[
    calendar.Span,
    PlainValidator(_span),
    AfterValidator(_in_days),
    AfterValidator(_short),
    PlainSerializer(span_text),
    WithJsonSchema(_DAYS_SCHEMA),
]
Minutes = Annotated[
    timedelta,
    PlainValidator(_minutes),
    PlainSerializer(minutes_text),
    WithJsonSchema({"type": "string", "pattern": "^PT([0-5]?[0-9]|60)M$"}),
]
HoldTime = Annotated[
    timedelta,
    PlainValidator(_hold_time),
    PlainSerializer(minutes_text),
    WithJsonSchema({"type": "string", "pattern": calendar.DURATION}),
]
Recurrence = Annotated[str, StringConstraints(min_length=1, max_length=recurrences.MAX_LENGTH)]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=conditions.MAX_LENGTH)]
Attribute = Annotated[str, StringConstraints(pattern=ATTRIBUTE_PATTERN)]
Clock = Annotated[
    time,
    PlainValidator(_clock),
    PlainSerializer(_clock_text),
    WithJsonSchema({"type": "string", "pattern": _CLOCK_PATTERN}),
]
WindowTime = Annotated[
    timedelta,
    PlainValidator(_window_time),
    PlainSerializer(minutes_text),
    WithJsonSchema({"type": "string", "pattern": calendar.DURATION}),
]
Day = Annotated[
    date,
    PlainValidator(_day),
    PlainSerializer(_moment_text),
    WithJsonSchema({"type": "string", "format": "date"}),
]
PeriodStart = Annotated[
    date | Literal["joining"],
    PlainValidator(_period_start),
    PlainSerializer(_period_start_text),
    WithJsonSchema({"anyOf": [{"const": "joining"}, {"type": "string", "format": "date"}]}),
]
Moment = Annotated[
    date | datetime,
    PlainValidator(_moment),
    PlainSerializer(_moment_text),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
]
