"""The JSON Schema of program documents, for editors and forms; and what it says may stand at a place."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from app.domain import calendar
from app.program import fields
from app.program.document import Document
from app.program.parsing import Path

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of a program document (JSON Schema, draft 2020-12)."""
    schema = Document.model_json_schema(schema_generator=_Generator)
    return {"$schema": DIALECT, **schema, "title": "Zegel loyalty program"}


def known_at(schema: dict[str, Any], path: Path) -> tuple[str, ...]:
    """The names that a mapping at this place may have, or the words of which one may stand there."""
    places = list(_alternatives(schema, schema))
    for step in path:
        places = [below for place in places for below in _below(schema, place, step)]
    words = (word for place in places for word in (*place.get("enum", ()), place.get("const")))
    names = (name for place in places for name in place.get("properties", ()))
    return (*names, *(word for word in words if isinstance(word, str)))


class _Generator(GenerateJsonSchema):
    """Says what `reading` does: no nulls, no odd names in mappings, and defaults as they are written."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if "default" in made and made["default"] is None:
            del made["default"]
        return made

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return super().dict_schema(schema) | {"additionalProperties": False}

    def encode_default(self, dflt: Any) -> Any:
        if isinstance(dflt, calendar.Span):
            return fields.span_text(dflt)
        return fields.minutes_text(dflt) if isinstance(dflt, timedelta) else super().encode_default(dflt)

    def get_title_from_name(self, name: str) -> str:
        return name.replace("_", " ").capitalize()


def _below(schema: dict[str, Any], place: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(step, int):
        child = place.get("items")
    else:
        entries = next(iter(place.get("patternProperties", {}).values()), place.get("additionalProperties"))
        child = place.get("properties", {}).get(step, entries)
    if isinstance(child, dict):
        yield from _alternatives(schema, child)


def _alternatives(schema: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in place:
        place = schema["$defs"][place["$ref"].rpartition("/")[2]]
    yield place
    for either in (*place.get("oneOf", ()), *place.get("anyOf", ())):
        yield from _alternatives(schema, either)
