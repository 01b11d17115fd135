"""API keys as text (api, Callers), and the secrets derived from one."""

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import keys, typeid

ids = st.binary(min_size=16, max_size=16)
secrets = st.binary(min_size=keys.SECRET_BYTES, max_size=keys.SECRET_BYTES)
KEY = keys.key_text(environment="test", id=bytes(range(16)), secret=bytes(range(20)))


@given(ids, secrets)
def test_a_key_names_its_id_and_carries_its_whole_secret(id: bytes, secret: bytes) -> None:
    text = keys.key_text(environment="live", id=id, secret=secret)

    parsed = keys.parse_key(text)

    assert parsed is not None
    assert parsed[0] == id
    assert text.startswith(f"zgl_live_{typeid.encode('key', id).removeprefix('key_')}_")


@given(ids, secrets, secrets)
def test_different_secrets_make_different_keys(id: bytes, one: bytes, other: bytes) -> None:
    """At least 160 random bits: no bit of the secret is lost in its text."""
    texts = {keys.key_text(environment="live", id=id, secret=secret) for secret in (one, other)}

    assert len(texts) == len({one, other})


@given(st.data())
def test_a_mistyped_sign_is_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(KEY) - 1))
    sign = data.draw(st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz_").filter(lambda sign: sign != KEY[place]))

    assert keys.parse_key(KEY[:place] + sign + KEY[place + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    ["", "zgl", KEY[:-1], KEY + "0", KEY[1:], KEY.upper(), f" {KEY}", KEY.replace("test", "live"), "é" * 80, "0" * 200],
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert keys.parse_key(text) is None


def test_what_is_stored_depends_on_the_key_and_on_the_installation() -> None:
    mine, other = keys.derive("one secret").api_keys, keys.derive("another secret").api_keys
    parsed = keys.parse_key(KEY)
    assert parsed is not None

    digests = {
        keys.key_digest(parsed[1], key=mine),
        keys.key_digest(parsed[1], key=other),
        keys.key_digest(b"", key=mine),
    }

    assert len(digests) == 3
    assert all(len(digest) == 32 for digest in digests)
    assert keys.key_digest(parsed[1], key=mine) == keys.key_digest(parsed[1], key=keys.derive("one secret").api_keys)


def test_each_purpose_has_a_secret_of_its_own() -> None:
    secrets = keys.derive("one secret")

    assert len(set(astuple(secrets))) == len(astuple(secrets))
    assert secrets == keys.derive("one secret")
    assert set(astuple(secrets)).isdisjoint(astuple(keys.derive("one secreT")))
