"""A courier that may call loopback, and endpoints to call."""

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from ipaddress import ip_network

import asyncpg
import pytest

from app.db.transactions import Engine
from app.webhooks import guard, sender
from app.webhooks.courier import Courier, Limits
from tests.builders import Clock
from tests.webhooks import rows

LOOPBACK = guard.AddressPolicy(allow_http=True, allowed=(ip_network("127.0.0.0/8"),))


@pytest.fixture
async def courier(engine: Engine, owner: asyncpg.Connection, clock: Clock) -> AsyncIterator[Courier]:
    async with sender.open_client(LOOPBACK, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as client:
        yield Courier(
            engine=engine,
            client=client,
            clock=clock,
            random=lambda: 0.5,
            new_id=rows.new_id,
            unseal=lambda claimed, now: [claimed.secret],
            version="1.2.3",
            limits=Limits(deadline_seconds=2.0),
        )


@pytest.fixture
def limited(courier: Courier) -> Callable[..., Courier]:
    """The courier with other limits."""
    return lambda **limits: replace(courier, limits=replace(courier.limits, **limits))
