"""Documents written out for people: the same document is read from it, in the order and the words of our own."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.program import reading, writing
from tests.builders import PLAIN
from tests.program.samples import PROGRAMS

SAMPLES = sorted(path.stem for path in PROGRAMS.glob("*.yaml"))
NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=200)
ODD = st.sampled_from(
    [
        *("on", "no", "true", "NULL", "~", "12e4", "0o17", "0x1F", "017", "1_000", "5", "-5", ".5", "inf", "12:30"),
        *("<<", "=", "2026-12-01", "# a", "a: b", "- a", "'", '"', "a #b", " a ", "{", "a, b]", "*a", "&a", "!a"),
        *("%a", "é 😀", "?"),
    ]
)
"""Words that readers of YAML take for numbers, dates, nothing, or its own signs."""


def plain() -> dict[str, Any]:
    """A small document, to be changed."""
    found: dict[str, Any] = json.loads(reading.canonical(reading.read(PLAIN)))
    return found


def again(content: dict[str, Any]) -> tuple[bytes, bytes]:
    """The canonical document, and that of what is written out."""
    stored = reading.canonical(reading.read(json.dumps(content)))
    return stored, reading.canonical(reading.read_new(writing.written_out(stored)))


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_written_out_says_the_same(name: str) -> None:
    stored = reading.canonical(reading.read((PROGRAMS / f"{name}.yaml").read_bytes()))

    text = writing.written_out(stored)

    assert reading.canonical(reading.read_new(text)) == stored
    assert max(map(len, text.decode().splitlines())) < 2 * writing.LINE


@given(name=NAMES | ODD, word=(NAMES | ODD).map(lambda text: text[:128]), other=ODD)
def test_no_text_is_read_as_anything_else(name: str, word: str, other: str) -> None:
    content = plain() | {"name": name, "locations": {word: {}}}
    content["rules"][0] |= {"include": {"skus": sorted({other, word})}, "locations": [word]}

    stored, written = again(content)

    assert written == stored


def test_a_long_condition_goes_on_over_lines() -> None:
    condition = " || ".join(f"total >= {number} && channel == 'app-{number}'" for number in range(40))
    content = plain()
    content["rules"][0]["if"] = condition

    stored, written = again(content)

    assert written == stored


def test_it_stands_in_the_order_and_the_words_of_our_own_documents() -> None:
    text = writing.written_out(reading.canonical(reading.read(PLAIN))).decode()

    head, _, body = text.partition("\n")
    assert head.startswith("# ")
    assert [line.split(":")[0] for line in body.splitlines() if line[0] != " "] == [
        "zegel",
        "name",
        "time_zone",
        "currencies",
        "units",
        "rules",
    ]
    assert "  - id: base\n    on: purchase\n    unit: points\n    rate: {give: '1', per: '1'}\n" in body


def test_what_would_be_too_large_to_publish_again_stays_as_it_is_stored() -> None:
    content = plain()
    content["locations"] = {f"{number:010}": {} for number in range(14_400)}
    stored = reading.canonical(reading.read(json.dumps(content, separators=(",", ":"))))

    text = writing.written_out(stored)

    assert (text, len(stored) <= reading.MAX_BYTES) == (stored, True)
