"""Links and roots that a stranger must be able to recompute (architecture §5.6, RFC 6962)."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import chain
from app.domain.commands import Redemption
from app.domain.events import Draw, Entry
from tests.domain.builders import NOW, changed, decide, lot, make_state, purchase

leaves = st.binary(min_size=32, max_size=32)


def tree_hash(hashes: list[bytes]) -> bytes:
    """Merkle Tree Hash by the recursive definition of RFC 6962 §2.1."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return sha256(b"\x00" + hashes[0]).digest()
    left = 1
    while left * 2 < len(hashes):
        left *= 2
    return sha256(b"\x01" + tree_hash(hashes[:left]) + tree_hash(hashes[left:])).digest()


VECTOR_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""The leaves of the reference implementation of RFC 6962 (certificate-transparency, merkle_tree_test)."""

VECTOR_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Its roots of the first 0 to 8 of them."""


@pytest.mark.parametrize("count", range(9))
def test_the_root_is_that_of_rfc_6962(count: int) -> None:
    root = chain.merkle_root(VECTOR_LEAVES[:count])

    assert root.hex() == VECTOR_ROOTS[count]
    assert root == tree_hash(VECTOR_LEAVES[:count])


@given(st.lists(leaves, max_size=40))
def test_the_root_follows_the_recursive_definition(hashes: list[bytes]) -> None:
    assert chain.merkle_root(hashes) == tree_hash(hashes)


@given(st.lists(leaves, min_size=1, max_size=12, unique=True), st.data())
def test_a_flipped_dropped_or_swapped_leaf_changes_the_root(hashes: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(hashes) - 1))
    flipped = bytes([hashes[place][0] ^ 1]) + hashes[place][1:]
    tampered = [
        [*hashes[:place], flipped, *hashes[place + 1 :]],
        hashes[:place] + hashes[place + 1 :],
        [*hashes, flipped],
    ]
    if len(hashes) > 1:
        tampered.append([*hashes[1:], hashes[0]])

    assert all(chain.merkle_root(other) != chain.merkle_root(hashes) for other in tampered)


CONTENT = chain.Content(
    program_id=b"P" * 16,
    member_id=b"M" * 16,
    event_id=b"E" * 16,
    sequence=7,
    source="till",
    kind="purchase",
    key="p1",
    occurred_at=NOW,
    effective_at=NOW + timedelta(seconds=1),
    recorded_at=NOW + timedelta(seconds=2),
    judged_at=NOW + timedelta(seconds=3),
    rules_version=2,
    rules_digest=b"R" * 32,
    engine=1,
    silent=False,
    digest=b"D" * 16,
    facts=b"{}",
    context=b"[]",
    particulars_hash=b"",
)
ENTRY = Entry(0, "points", 12, 40, NOW, NOW + timedelta(days=1), (Draw(3, 1, 5), Draw(4, 0, 2)))
OTHER: dict[str, Any] = {
    "sequence": 8,
    "rules_version": 3,
    "engine": 2,
    "silent": True,
    "source": "till2",
    "kind": "purchases",
    "key": "p2",
    "facts": b"{ }",
    "context": b"",
    "particulars_hash": b"h" * 32,
    "rules_digest": b"r" * 32,
    "digest": b"d" * 16,
}
"""Another value for each field that is not an id or an instant."""
CONTENT_FIELDS = tuple(chain.Content.__annotations__)


def link(content: chain.Content = CONTENT, *entries: Entry, previous: bytes = bytes(32)) -> bytes:
    return chain.event_hash(previous, chain.encode_content(content), entries or (ENTRY,))


@pytest.mark.parametrize("field", CONTENT_FIELDS)
def test_each_field_of_the_content_changes_the_hash(field: str) -> None:
    """Tampering with anything that was judged is noticed (quality, Never)."""
    if field.endswith("_id"):
        other: Any = b"x" * 16
    elif field.endswith("_at"):
        other = getattr(CONTENT, field) + timedelta(microseconds=1)
    else:
        other = OTHER[field]

    assert link(changed(CONTENT, **{field: other})) != link()


@pytest.mark.parametrize(
    "entries",
    [
        (changed(ENTRY, position=1),),
        (changed(ENTRY, unit="pointz"),),
        (changed(ENTRY, points=13),),
        (changed(ENTRY, points=-12),),
        (changed(ENTRY, balance_after=41),),
        (changed(ENTRY, available_at=None),),
        (changed(ENTRY, available_at=NOW + timedelta(microseconds=1)),),
        (changed(ENTRY, expires_at=None),),
        (changed(ENTRY, expires_at=NOW),),
        (changed(ENTRY, draws=()),),
        (changed(ENTRY, draws=ENTRY.draws[:1]),),
        (changed(ENTRY, draws=ENTRY.draws[::-1]),),
        (changed(ENTRY, draws=(Draw(3, 1, 6), Draw(4, 0, 2))),),
        (changed(ENTRY, draws=(Draw(3, 2, 5), Draw(4, 0, 2))),),
        (changed(ENTRY, draws=(Draw(5, 1, 5), Draw(4, 0, 2))),),
        (ENTRY, ENTRY),
    ],
)
def test_each_part_of_an_entry_and_its_draws_changes_the_hash(entries: tuple[Entry, ...]) -> None:
    """Architecture §5.6: the hash covers content, entries and draws."""
    assert link(CONTENT, *entries) != link()


def test_the_previous_hash_is_linked_in() -> None:
    assert link(previous=b"\x01" + bytes(31)) != link()


def test_content_and_entries_cannot_be_confused() -> None:
    """The content's length is hashed with it."""
    content = chain.encode_content(CONTENT)
    cut = chain.event_hash(bytes(32), content[:-1], (ENTRY,))

    assert cut != chain.event_hash(bytes(32), content, (ENTRY,))


def test_a_members_events_form_one_chain() -> None:
    """Semantics L1, architecture §5.6: from the genesis value, each over the one before."""
    state = make_state(lot(10, expires="2026-11-21", sequence=4), sequence=4)
    first = decide(state, purchase("12.00"))
    second = decide(first.state, Redemption(12), now=NOW + timedelta(days=2))

    previous = state.head
    events = [posted.recorded for posted in (*first.events, *second.events)]
    for number, event in enumerate(events, start=5):
        content = chain.decode_content(event.content)
        assert (event.sequence, content.sequence) == (number, number)
        assert event.hash == chain.event_hash(previous, event.content, event.entries)
        assert (content.event_id, content.kind, content.recorded_at) == (event.id, event.kind, event.recorded_at)
        previous = event.hash
    assert [event.kind for event in events] == ["purchase", "expiry", "redemption"]
    assert second.state.head == previous


BLOCK: dict[str, Any] = {
    "program_id": b"P" * 16,
    "lane": 1,
    "number": 2,
    "previous": bytes(32),
    "root": b"r" * 32,
    "events": 3,
    "sums": b"{}",
}


@pytest.mark.parametrize(
    "other",
    [
        {"program_id": b"Q" * 16},
        {"lane": 2},
        {"number": 3},
        {"previous": b"\x01" * 32},
        {"root": b"s" * 32},
        {"events": 4},
        {"sums": b'{"points":{"issued":1}}'},
    ],
)
def test_each_field_of_a_block_changes_its_hash(other: dict[str, Any]) -> None:
    assert chain.block_hash(**BLOCK | other) != chain.block_hash(**BLOCK)
