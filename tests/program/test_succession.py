"""What a new version may and may not change of a unit."""

import pytest

from app.program import reading, succession
from app.program.document import Document
from app.program.reading import MistakesInDocument

DOCUMENT = """
zegel: 1
name: Shop
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points%s}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
"""
ANOTHER = DOCUMENT.replace("points", "stars")


def read(more: str = "", text: str = DOCUMENT) -> Document:
    return reading.read(text % more)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ", expires: {after: P12M}"),
        (", expires: {after: P12M}", ", expires: {after: P6M}"),
        (", spendable: false, expires: {after: P12M}", ""),
        (", spendable: false, expires: {at_end_of: year}", ", spendable: false, pending: P14D"),
        ("", ", pending: P14D"),
        ("", ", rounding: up"),
        (", expires: {inactive: P12M}", ", expires: {inactive: P2Y, events: [redemption]}"),
    ],
)
def test_what_keeps_its_lots_may_change(before: str, after: str) -> None:
    succession.check(read(after), [(1, read(before))])
    succession.check(read(before), [(1, read(after))])


@pytest.mark.parametrize(
    ("before", "after", "pointer"),
    [
        (", spendable: false", "", "/units/points/spendable"),
        (", spendable: false", ", spendable: false, expires: {after: P12M}", "/units/points/spendable"),
        ("", ", decimals: 2", "/units/points/decimals"),
        ("", ", expires: {inactive: P12M}", "/units/points/expires"),
        (", expires: {after: P12M}", ", expires: {inactive: P12M}", "/units/points/expires"),
    ],
)
def test_what_would_lose_points_is_refused(before: str, after: str, pointer: str) -> None:
    for one, other in ((before, after), (after, before)):
        with pytest.raises(MistakesInDocument) as refused:
            succession.check(read(other), [(1, read(one))])
        assert [mistake.pointer for mistake in refused.value.mistakes] == [pointer]
        assert "(version 1)" in str(refused.value)


def test_a_unit_that_was_left_out_for_a_while_is_remembered() -> None:
    versions = [(1, read(", decimals: 2")), (2, read("", ANOTHER))]

    with pytest.raises(MistakesInDocument, match=r"/units/points/decimals.*version 1"):
        succession.check(read(), versions)
    succession.check(read(", decimals: 2"), versions)
