"""What is wrong with a part of a document is said in our words, whatever stands in its place."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from app.program import reading
from app.program.document import Document, Part
from tests.builders import FRIENDS

TEXTS = ("", "x", "-1", "1.5", "1e3", "true", "9" * 9, "9" * 5_000, "x" * 3_000, "é", "2026-13-01", " ")
VALUES: tuple[Any, ...] = (
    *TEXTS, None, True, 0, -1, 2**70, Decimal("1.5"), (), ("", 1), {}, {"": ""}, {"x": {"y": ()}}, {"x" * 300: 1},
    ("x",) * 2_000, tuple({"rule": "x"} for _ in range(40)), {f"a{number}": 1 for number in range(200)},
)  # fmt: skip


def parts() -> Iterator[type[Part]]:
    """Every part of a document."""
    found: list[type[Part]] = [Part]
    for part in found:  # grows while it is read: a tree of classes
        found.extend(part.__subclasses__())
        yield part


def words(part: type[Part], value: Any) -> list[str]:
    """What is said of a wrong part."""
    try:
        part.model_validate(value)
    except ValidationError as error:
        return [reading.worded(detail) for detail in error.errors(include_url=False)]
    return []


def test_every_mistake_in_a_part_is_said_in_our_words() -> None:
    said = {
        (message, part.__name__, name)
        for part in parts()
        for name, field in part.model_fields.items()
        for value in VALUES
        for message in words(part, {field.alias or name: value})
    }

    assert Document in parts()
    assert len(said) > 200
    assert sorted(one for one in said if not one[0][:1].islower()) == []


@pytest.mark.parametrize("name", ["at", "every"])
def test_a_number_of_friends_that_is_not_written_is_told(name: str) -> None:
    text = FRIENDS + f"  milestones:\n    - {{points: 5, {name}: }}\n"

    with pytest.raises(reading.MistakesInDocument) as caught:
        reading.read(text)

    assert caught.value.mistakes[0].message == "nothing is written here; leave the name out"
