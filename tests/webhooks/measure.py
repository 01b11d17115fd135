"""Deliveries per second, sent and recorded by one worker: run by hand, `python -m tests.webhooks.measure`."""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import asyncpg

from app import localpg
from app.db import tables
from app.db.deliveries import Attempt
from app.db.transactions import Engine, create_engine, operation
from app.webhooks import guard, sender
from app.webhooks.courier import Courier
from app.webhooks.delivery import deliver_forever
from tests.webhooks import receiver, rows


async def serve(behave: receiver.Behavior) -> None:
    async with receiver.receiving(behave) as healthy:
        print(healthy.port, flush=True)
        while True:
            await asyncio.sleep(1)
            healthy.requests.clear()


async def measure(server: localpg.Server, *, messages: int, endpoints: int, dead: int) -> None:
    connection = await asyncpg.connect(server.url("postgres", user=localpg.SUPERUSER))
    await connection.execute("DROP DATABASE IF EXISTS measured")
    await connection.execute("CREATE DATABASE measured")
    await connection.close()
    engine = create_engine(server.url("measured", user=localpg.SUPERUSER))
    async with operation(engine) as made:
        await made.run_sync(tables.metadata.create_all)
    owner = await asyncpg.connect(server.url("measured", user=localpg.SUPERUSER))
    await owner.close()
    program = await rows.make_program(engine)
    shops = [_shop("healthy"), _shop("hanging")]
    try:
        urls = [f"http://127.0.0.1:{int(shop.stdout.readline())}/" for shop in shops if shop.stdout]
        alive = [await rows.make_endpoint(engine, program, urls[0]) for _ in range(endpoints - dead)]
        silent = [await rows.make_endpoint(engine, program, urls[1]) for _ in range(dead)]
        everyone, now = [*alive, *silent], datetime.now(UTC)
        await rows.make_messages(engine, program, everyone, count=messages, body=b"x" * 600, due_at=now)
        await _run(engine, expected=messages * len(alive))
    finally:
        for shop in shops:
            shop.kill()
            shop.communicate()
        await engine.dispose()


async def _run(engine: Engine, *, expected: int) -> None:
    stopping, hint, counts = asyncio.Event(), asyncio.Event(), Counter[str]()

    def count(attempt: Attempt) -> None:
        counts[attempt.outcome] += 1
        if counts["delivered"] == expected:
            stopping.set()

    policy = guard.AddressPolicy(allow_http=True, allowed=(ip_network("127.0.0.0/8"),))
    async with sender.open_client(policy) as client:
        courier = Courier(
            engine=engine,
            client=client,
            clock=lambda: datetime.now(UTC),
            random=random.random,
            new_id=rows.new_id,
            unseal=lambda claimed, now: [claimed.secret],
            version="0",
            on_attempt=count,
        )
        started, cpu = time.perf_counter(), time.process_time()
        delivering = asyncio.create_task(deliver_forever(courier, stopping=stopping, hint=hint))
        await asyncio.wait([delivering, asyncio.ensure_future(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
        took, used = time.perf_counter() - started, time.process_time() - cpu
        delivering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await delivering
    print(f"{expected / took:8.0f} deliveries/s   {used / took:4.0%} of a core   {dict(counts)}")


def _shop(kind: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.webhooks.measure", kind], stdout=subprocess.PIPE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", default="run")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--endpoints", type=int, default=1)
    parser.add_argument("--dead", type=int, default=0)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.what in ("healthy", "hanging"):
        asyncio.run(serve(receiver.saying(200) if arguments.what == "healthy" else receiver.hanging))
    folder = Path(tempfile.mkdtemp(prefix="zegel-measure-", dir="/tmp"))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    with localpg.open_server(folder / "home", settings=localpg.PRODUCTION) as server:
        for _ in range(arguments.runs):
            sizes = {"messages": arguments.messages, "endpoints": arguments.endpoints, "dead": arguments.dead}
            asyncio.run(measure(server, **sizes))
    time.sleep(2)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
