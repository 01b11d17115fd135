"""Which versions an `If-Match` names (RFC 9110, 13.1.1)."""

import pytest

from app.api import etags
from app.api.problems import Problem


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ('"3"', frozenset({"3"})),
        (' "3" , "4"', frozenset({"3", "4"})),
        ("3", frozenset()),
        ('W/"3"', frozenset()),
        ("", frozenset()),
        ('"*"', frozenset({"*"})),
    ],
)
def test_only_strong_tags_in_quotes_name_a_version(sent: str, named: frozenset[str]) -> None:
    assert etags.versions(sent) == named


def test_a_star_takes_any_version() -> None:
    assert etags.versions(" * ") is None
    assert etags.revision("*") is None


@pytest.mark.parametrize("sent", ['"3", "4"', '"x"', '"²"', '"1234567890"', '""'])
def test_what_names_no_single_revision_is_none_that_there_is(sent: str) -> None:
    assert etags.revision(sent) == etags.NO_REVISION


def test_one_tag_names_a_revision() -> None:
    assert etags.revision('"12"') == 12


def test_a_change_needs_a_condition() -> None:
    with pytest.raises(Problem) as problem:
        etags.revision(None)

    assert problem.value.code == "if_match_missing"
