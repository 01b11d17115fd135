"""Which version judges an instant (semantics E3)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.rules import Rules, Versions
from app.program import compiling, reading
from tests.builders import PLAIN

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ONE = compiling.compile_rules(reading.read(PLAIN), version=1, digest=bytes(32), in_force_from=NOON)


def version(number: int, hours: float) -> Rules:
    return replace(ONE, version=number, in_force_from=NOON + timedelta(hours=hours))


def numbers(versions: Versions, *hours: float) -> list[int]:
    return [versions.at(NOON + timedelta(hours=hour)).version for hour in hours]


def test_a_version_judges_from_its_instant_on_until_the_next_ones() -> None:
    versions = Versions((ONE, version(2, 10), version(3, 5)))

    assert numbers(versions, -1, 0, 4.9, 5, 9.9, 10, 99) == [1, 1, 1, 3, 3, 2, 2]


def test_of_two_for_the_same_instant_the_later_published_counts() -> None:
    assert numbers(Versions((ONE, version(2, 5), version(3, 5))), 4, 5) == [1, 3]


def test_a_trial_judges_from_its_instant_on_whatever_else_is_in_force() -> None:
    versions = Versions((ONE, version(2, 5)), trial=version(9, 3))

    assert numbers(versions, 2, 3, 6) == [1, 9, 9]
    assert versions.numbered(9).version == 9


def test_what_was_judged_before_a_version_was_known_is_judged_so_again() -> None:
    versions = Versions((ONE, version(2, 5), version(3, 7)))

    known = versions.as_judged([(NOON + timedelta(hours=6), 1)])

    assert numbers(known, 6, 8) == [1, 3]
    assert versions.as_judged([(NOON + timedelta(hours=6), 2)]) is versions
