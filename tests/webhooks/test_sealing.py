"""The secrets of endpoints, as they are stored (webhooks W4)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app.db import sealing
from app.db.sealing import Secret
from app.main import unsealed
from app.operations import endpoints
from app.webhooks import delivery, signing
from app.webhooks.courier import Courier
from tests.builders import START, Clock
from tests.webhooks import rows
from tests.webhooks.receiver import Receiver, receiving, saying

KEY, NONCE = b"k" * 32, b"n" * 12
PLACE: dict[str, bytes] = {"program_id": b"p" * 16, "endpoint_id": b"e" * 16}
NEW, OLD = Secret(b"n" * 32), Secret(b"o" * 32, START + timedelta(hours=1))


@pytest.fixture
async def shop() -> AsyncIterator[Receiver]:
    async with receiving(saying(200)) as running:
        yield running


@given(
    st.lists(
        st.builds(
            Secret,
            st.binary(min_size=24, max_size=64),
            st.none() | st.integers(1, 10**9).map(lambda seconds: START + timedelta(seconds=seconds)),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_what_was_sealed_comes_back(secrets: list[Secret]) -> None:
    stored = sealing.seal(secrets, key=KEY, nonce=NONCE, **PLACE)

    assert sealing.unseal(stored, key=KEY, **PLACE) == tuple(secrets)
    assert sealing.is_sealed(stored)
    assert not [one for one in secrets if one.value in stored]


@pytest.mark.parametrize("other", [{"program_id": b"q" * 16}, {"endpoint_id": b"f" * 16}, {"key": b"l" * 32}])
def test_it_opens_nowhere_else(other: dict[str, bytes]) -> None:
    stored = sealing.seal([NEW], key=KEY, nonce=NONCE, **PLACE)
    asked: dict[str, Any] = {"key": KEY, **PLACE, **other}

    with pytest.raises(sealing.Unreadable):
        sealing.unseal(stored, **asked)


def test_a_changed_byte_is_noticed() -> None:
    stored = sealing.seal([NEW, OLD], key=KEY, nonce=NONCE, **PLACE)

    for at in range(1, len(stored)):
        with pytest.raises(sealing.Unreadable):
            sealing.unseal(stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :], key=KEY, **PLACE)


def test_a_secret_from_before_there_was_encryption_is_taken_as_it_is() -> None:
    for bare in (b"s" * 32, b"\x01" * 32):
        assert sealing.unseal(bare, key=KEY, **PLACE) == (Secret(bare),)


def test_the_newest_signs_first_and_a_former_one_until_its_end() -> None:
    assert sealing.live([NEW, OLD], now=START) == [NEW.value, OLD.value]
    assert sealing.live([NEW, OLD], now=START + timedelta(hours=1)) == [NEW.value]


@pytest.mark.parametrize(("hours", "left"), [(0, []), (24, [24, 1])])
def test_no_former_secret_signs_for_longer_than_the_overlap_or_than_it_would_have(hours: int, left: list[int]) -> None:
    rotated = sealing.rotated([NEW, OLD], b"f" * 32, overlap=timedelta(hours=hours), now=START)

    assert rotated[0] == Secret(b"f" * 32)
    assert [one.until for one in rotated[1:]] == [START + timedelta(hours=one) for one in left]


async def test_a_delivery_is_signed_with_every_live_secret_of_what_is_stored(
    courier: Courier, shop: Receiver, clock: Clock
) -> None:
    clock.now = datetime.now(UTC)
    program = await rows.make_program(courier.engine)
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    shop.secrets = (NEW.value,)
    secrets = sealing.rotated([NEW], b"f" * 32, overlap=timedelta(hours=1), now=clock.now)
    place = {"program_id": program, "endpoint_id": endpoint}
    stored = sealing.seal(secrets, key=KEY, nonce=NONCE, **place)
    await rows.change_endpoint(courier.engine, endpoint, secret=stored)
    courier = replace(courier, unseal=partial(unsealed, key=KEY))

    await rows.make_messages(courier.engine, program, [endpoint])
    await delivery.deliver_once(courier)

    (request,) = shop.requests
    for secret in (b"f" * 32, NEW.value):
        Webhook(signing.secret_text(secret)).verify(request.body, request.headers)
    assert len(request.headers["webhook-signature"].split(" ")) == 2


async def test_bare_secrets_are_encrypted_and_sign_as_before(
    courier: Courier, shop: Receiver, owner: asyncpg.Connection, clock: Clock
) -> None:
    clock.now = datetime.now(UTC)
    program = await rows.make_program(courier.engine)
    endpoint = await rows.make_endpoint(courier.engine, program, shop.url)
    nonces = iter(range(100))

    sealed = [
        await endpoints.seal_bare(courier.engine, key=KEY, random=lambda size: next(nonces).to_bytes(size))
        for _ in range(2)
    ]
    await rows.make_messages(courier.engine, program, [endpoint])
    await delivery.deliver_once(replace(courier, unseal=partial(unsealed, key=KEY)))

    assert sealed == [1, 0]
    assert rows.SECRET not in await owner.fetchval("SELECT secret FROM endpoint")
    Webhook(signing.secret_text(rows.SECRET)).verify(shop.requests[0].body, shop.requests[0].headers)
