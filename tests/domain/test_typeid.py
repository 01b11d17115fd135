"""Ids as callers see them (api C1), held to the TypeID specification's own examples."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import typeid

ids = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize(
    ("uuid", "text"),
    [
        ("00000000-0000-0000-0000-000000000000", "00000000000000000000000000"),
        ("00000000-0000-0000-0000-000000000001", "00000000000000000000000001"),
        ("00000000-0000-0000-0000-00000000000a", "0000000000000000000000000a"),
        ("00000000-0000-0000-0000-000000000010", "0000000000000000000000000g"),
        ("00000000-0000-0000-0000-000000000020", "00000000000000000000000010"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
        ("01890a5d-ac96-774b-bcce-b302099a8057", "01h455vb4pex5vsknk084sn02q"),
    ],
)
def test_the_text_is_that_of_the_typeid_specification(uuid: str, text: str) -> None:
    id = UUID(uuid).bytes

    assert typeid.encode("mem", id) == f"mem_{text}"
    assert typeid.decode("mem", f"mem_{text}") == id


@given(ids)
def test_every_id_is_read_back(id: bytes) -> None:
    assert typeid.decode(typeid.EVENT, typeid.encode(typeid.EVENT, id)) == id


@given(ids, ids)
def test_texts_sort_like_ids(one: bytes, other: bytes) -> None:
    assert (typeid.encode("evt", one) < typeid.encode("evt", other)) == (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mem_",
        "01h455vb4pex5vsknk084sn02q",
        "evt_01h455vb4pex5vsknk084sn02q",
        "MEM_01h455vb4pex5vsknk084sn02q",
        "mem-01h455vb4pex5vsknk084sn02q",
        "mem_01H455VB4PEX5VSKNK084SN02Q",
        "mem_01h455vb4pex5vsknk084sn02",
        "mem_01h455vb4pex5vsknk084sn02qq",
        "mem_01h455vb4pex5vsknk084sn02u",
        "mem_01h455vb4pex5vsknk084sn02 ",
        "mem_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "mem_mem_01h455vb4pex5vsknk084sn02q",
        "mem_٠1h455vb4pex5vsknk084sn02q",
    ],
)
def test_what_is_no_id_of_this_prefix_is_none(text: str) -> None:
    assert typeid.decode("mem", text) is None
