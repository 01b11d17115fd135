"""The JSON Schema says what reading does, in words for a shop owner."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.program import reading, schema

SAMPLE = Path(__file__).parents[2] / "programs" / "koffiehuis.yaml"


def nodes(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(part)


def parts(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"Document": made, **made["$defs"]}


def test_it_names_its_dialect_and_every_reference_leads_somewhere() -> None:
    made = schema.json_schema()

    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    references = [node["$ref"] for node in nodes(made) if "$ref" in node]
    assert references
    for reference in references:
        assert reference.removeprefix("#/$defs/") in made["$defs"]


def test_every_part_and_every_name_is_described() -> None:
    for name, part in parts(schema.json_schema()).items():
        assert part["title"], name
        assert part["description"].endswith("."), name
        for field, described in part["properties"].items():
            assert described["description"].endswith("."), f"{name}.{field}"


def test_no_two_parts_share_a_name_so_that_readers_see_no_module_of_ours() -> None:
    assert [name for name in schema.json_schema()["$defs"] if not name.isalpha()] == []


def test_unknown_names_and_nulls_are_refused_by_the_schema_too() -> None:
    made = schema.json_schema()

    assert all(part["additionalProperties"] is False for part in parts(made).values())
    assert all(node["additionalProperties"] is False for node in nodes(made) if "patternProperties" in node)
    assert not [node for node in nodes(made) if node.get("type") == "null" or node.get("default", "") is None]


def test_defaults_are_shown_as_they_are_written() -> None:
    made = schema.json_schema()

    events, referrals = made["$defs"]["Events"]["properties"], made["$defs"]["Referrals"]["properties"]
    assert (events["late"]["default"], events["early"]["default"]) == ("P30D", "PT5M")
    assert referrals["lapse"]["default"] == "P180D"
    assert made["properties"]["payments_without_points"]["default"] == ["points"]


def test_what_is_required() -> None:
    made = schema.json_schema()

    assert made["required"] == ["zegel", "name", "time_zone", "currencies", "units"]
    assert made["$defs"]["Rule"]["required"] == ["id", "on"]
    assert [way["required"] for way in made["$defs"]["Rule"]["oneOf"]] == [
        ["rate"],
        ["per_item"],
        ["fixed"],
        ["multiply"],
        ["reward"],
        ["tag"],
        ["tier"],
    ]


def test_it_knows_what_may_stand_at_a_place() -> None:
    made = schema.json_schema()

    assert schema.known_at(made, ("units", "anything", "expires")) == (
        "after",
        "round_up",
        "at_end_of",
        "starting",
        "later",
        "on",
        "inactive",
        "events",
        "never",
    )
    assert "multiply" in schema.known_at(made, ("rules", 7))
    assert schema.known_at(made, ("tiers", 0, "levels", 1)) == ("id", "name", "from", "multiply", "benefits")
    assert schema.known_at(made, ("rules", 0, "on")) == ("purchase", "enrolment", "activity", "scheduled")
    assert schema.known_at(made, ("nowhere", 3)) == ()


def test_each_call_makes_a_schema_of_its_own() -> None:
    schema.json_schema()["properties"].clear()

    assert "units" in schema.json_schema()["properties"]


def test_every_name_in_the_sample_is_in_the_schema() -> None:
    made = schema.json_schema()
    document = reading.read_new(SAMPLE.read_bytes())

    assert document.model_fields_set <= set(made["properties"])
