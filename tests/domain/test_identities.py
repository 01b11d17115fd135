"""Identities are found by a keyed hash (semantics M1)."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.identities import identity

KEY = b"k" * 32
texts = st.text(min_size=1, max_size=12)


def test_the_same_value_is_another_identity_under_another_kind_or_key() -> None:
    """Semantics M1: unique per kind, and worth nothing without the installation's secret."""
    digests = {
        identity("card", "1001", key=KEY).digest,
        identity("customer", "1001", key=KEY).digest,
        identity("card", "1002", key=KEY).digest,
        identity("card", "1001", key=b"j" * 32).digest,
    }

    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {16}


@given(st.sampled_from(["card", "email", "phone"]), texts)
def test_an_identity_keeps_what_it_was_made_of_and_is_found_again(kind: str, value: str) -> None:
    one, same = identity(kind, value, key=KEY), identity(kind, value, key=KEY)

    assert (one.kind, one.value) == (kind, value)
    assert one == same
