"""A worker that only delivers, as a process to be killed and frozen: its lease and pauses are short."""

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network

import uuid_utils

from app.db import transactions
from app.domain import keys
from app.main import unsealed
from app.webhooks import delivery, guard, sender
from app.webhooks.courier import Courier, Limits

LEASE = timedelta(seconds=2)
LIMITS = Limits(lease=LEASE, deadline_seconds=1.0, connect_seconds=0.5)
SCHEDULE = (timedelta(milliseconds=300),) * 200


async def work() -> None:
    """Delivers until it is killed."""
    engine = transactions.create_engine(os.environ["DATABASE_URL"], pool_size=4)
    policy = guard.AddressPolicy(allow_http=True, allowed=(ip_network("127.0.0.0/8"),))
    async with sender.open_client(policy) as client:
        courier = Courier(
            engine=engine,
            client=client,
            clock=lambda: datetime.now(UTC),
            random=random.random,
            new_id=lambda: uuid_utils.uuid7().bytes,
            unseal=partial(unsealed, key=keys.derive(os.environ["ZEGEL_SECRET"]).endpoints),
            version="0",
            schedule=SCHEDULE,
            limits=LIMITS,
        )
        print("ready", flush=True)
        await delivery.deliver_forever(courier, stopping=asyncio.Event(), hint=asyncio.Event())


def main() -> None:
    """The process."""
    asyncio.run(work())
