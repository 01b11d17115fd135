"""A process that carries out replays in small pages, for tests to kill."""

import asyncio
import sys
from datetime import UTC, datetime

from app.db import transactions
from app.operations import replays
from app.worker import replaying


async def replay(url: str) -> None:
    replays.PAGE, replays.BACKLOG = 15, 1_000_000
    engine = transactions.create_engine(url, pool_size=3)
    print("ready", flush=True)
    await replaying.replay_forever(engine, clock=lambda: datetime.now(UTC), stopping=asyncio.Event())


def main() -> None:
    """The process; its argument is the database."""
    asyncio.run(replay(sys.argv[1]))
