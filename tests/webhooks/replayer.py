"""A process that carries out replays in small pages, for tests to kill: `python -m tests.webhooks.replayer URL`."""

import asyncio
import sys
from datetime import UTC, datetime

from app.db import transactions
from app.operations import replays
from app.worker import replaying


async def main(url: str) -> None:
    replays.PAGE, replays.BACKLOG = 15, 1_000_000
    engine = transactions.create_engine(url, pool_size=3)
    print("ready", flush=True)
    await replaying.replay_forever(engine, clock=lambda: datetime.now(UTC), stopping=asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
