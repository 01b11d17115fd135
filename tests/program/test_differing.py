"""What two documents say differently."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.program import differing


def told(before: Any, after: Any) -> list[tuple[str, str]]:
    found = differing.differences(json.dumps(before).encode(), json.dumps(after).encode())
    return [(one.kind, one.pointer) for one in found]


def rules(*ids: str, **more: Any) -> dict[str, Any]:
    return {"rules": [{"id": id, **more} for id in ids]}


def test_items_are_matched_by_id_and_not_by_place() -> None:
    assert told(rules("a", "b"), rules("b")) == [("removed", "/rules/0")]
    assert told(rules("b"), rules("a", "b")) == [("added", "/rules/0")]
    assert told(rules("a", "b", n=1), rules("b", "a", n=2)) == [
        ("moved", "/rules/0"),
        ("changed", "/rules/0/n"),
        ("changed", "/rules/1/n"),
    ]


def test_of_items_that_changed_places_as_few_as_possible_have_moved() -> None:
    assert told(rules("a", "b", "c", "d"), rules("d", "a", "b", "c")) == [("moved", "/rules/0")]


def test_a_list_that_comes_or_goes_is_told_item_by_item() -> None:
    assert told({}, rules("a", "b")) == [("added", "/rules/0"), ("added", "/rules/1")]
    assert told(rules("a"), {}) == [("removed", "/rules/0")]


def test_names_with_slashes_are_escaped() -> None:
    assert told({"a/b": {"~": 1}}, {"a/b": {"~": 2}}) == [("changed", "/a~1b/~0")]


def test_the_text_is_for_people() -> None:
    before, after = rules("a", n="x" * 200), rules("a", n=["y"])

    (found,) = differing.differences(json.dumps(before).encode(), json.dumps(after).encode())

    assert str(found).startswith("rules › a › n: " + "x" * 119 + "… → ")
    assert str(found).endswith('["y"]')


TREES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.lists(inner, max_size=3)
        | st.lists(
            st.fixed_dictionaries({"id": st.sampled_from("pqr"), "n": inner}), max_size=3, unique_by=lambda i: i["id"]
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), TREES), st.dictionaries(st.sampled_from("abc"), TREES))
def test_only_what_is_the_same_has_no_differences(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert (told(before, after) == []) == (before == after)
    assert told(before, before) == []
