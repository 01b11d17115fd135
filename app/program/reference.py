"""The reference of program documents, written from their JSON Schema: every key, what it may be, what it means."""

import json
from collections.abc import Iterator
from typing import Any

from app.program import schema

_TITLE = """# The program document, key by key

Written from the JSON Schema by `zegel program reference`; do not change it by hand. [program.md](program.md) explains
the same with examples, and [write-your-program.md](write-your-program.md) begins with an empty file."""

_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
    "null": "nothing",
}
_FORMATS = {"date": "date", "date-time": "time with its offset"}
_DURATION = "^P"
_NUMBER_PATTERN = "[0-9]{1,9}"


def markdown() -> str:
    """The reference as a page: the document itself first, then each of its parts by name."""
    whole = schema.json_schema()
    parts = whole.get("$defs", {})
    pages = [_TITLE, *_part("The document", whole)]
    for name in sorted(parts):
        pages += _part(name, parts[name])
    return "\n".join(pages).rstrip() + "\n"


def _part(name: str, part: dict[str, Any]) -> Iterator[str]:
    if "properties" not in part:
        return
    yield f"\n## {name}\n"
    if description := part.get("description"):
        yield description.strip() + "\n"
    yield "| key | may be | default | meaning |"
    yield "| --- | --- | --- | --- |"
    needed = set(part.get("required", ()))
    for key, said in part["properties"].items():
        default = "required" if key in needed else _default(said)
        meaning = " ".join(said.get("description", "").split()).replace("|", "\\|")
        yield f"| `{key}` | {_kind(said)} | {default} | {meaning} |"


def _default(said: dict[str, Any]) -> str:
    if "default" not in said or isinstance(said["default"], dict) or said["default"] in ([], ""):
        return ""  # a part's own defaults stand there
    return f"`{json.dumps(said['default'], ensure_ascii=False).strip(chr(34))}`"


def _kind(said: dict[str, Any]) -> str:
    """What may stand at a place, in words; a part of its own as a link."""
    if "$ref" in said:
        name = said["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in said:
        return f"`{_plain(said['const'])}`"
    if "enum" in said:
        return ", ".join(f"`{_plain(word)}`" for word in said["enum"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in said:
            return " or ".join(dict.fromkeys(_kind(one) for one in said[several]))
    if said.get("type") == "array":
        items = said.get("items")
        return f"list of {_kind(items)}" if isinstance(items, dict) else "list"
    if said.get("type") == "object":
        values = next(iter(said.get("patternProperties", {}).values()), said.get("additionalProperties"))
        return f"mapping of names to {_kind(values)}" if isinstance(values, dict) and values else "mapping"
    return _text(said)


def _text(said: dict[str, Any]) -> str:
    pattern = said.get("pattern", "")
    if said.get("format") in _FORMATS:
        return _FORMATS[said["format"]]
    if pattern.startswith(_DURATION):
        return "duration"
    if _NUMBER_PATTERN in pattern:
        return "number"
    kinds = said.get("type", "anything")
    return " or ".join(_KINDS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
