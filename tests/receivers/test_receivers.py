"""The receivers that docs/receiving.md shows, each a process of its own, take real deliveries and no forged ones."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.operations import feeds
from app.settings import Settings
from tests.api.test_deliveries import PATH, listed, resend
from tests.builders import Clock, Service, open_service, publish
from tests.docs.reading import blocks
from tests.ledger.processes import free_port
from tests.receivers.worker import work

HERE = Path(__file__).parent


def of_python(folder: Path) -> list[str]:
    return [sys.executable, str(HERE / "receiver.py")]


def of_node(folder: Path) -> list[str]:
    """In a folder that has the library beside it, as scripts of modules look for it."""
    node = shutil.which("node")
    modules = Path(os.environ.get("ZEGEL_TEST_NODE_MODULES", HERE / "node_modules"))
    if node is None:
        pytest.skip("Node is not installed")
    if not (modules / "standardwebhooks").is_dir():
        pytest.skip("the library for Node is not installed: run `npm install` in tests/receivers")
    shutil.copy(HERE / "receiver.mjs", folder)
    (folder / "node_modules").symlink_to(modules)
    return [node, str(folder / "receiver.mjs")]


def of_php(folder: Path) -> list[str]:
    """Behind PHP's own server, which each request starts anew."""
    php = shutil.which("php")
    vendor = Path(os.environ.get("ZEGEL_TEST_PHP_VENDOR", HERE / "vendor"))
    if php is None:
        pytest.skip("PHP is not installed")
    if not (vendor / "autoload.php").is_file():
        pytest.skip("the library for PHP is not installed: run `composer install` in tests/receivers")
    shutil.copy(HERE / "receiver.php", folder)
    (folder / "vendor").symlink_to(vendor)
    return [php, "-S", "127.0.0.1:PORT", str(folder / "receiver.php")]


def of_database(folder: Path) -> dict[str, bytes]:
    """What the receiver in Python has kept, by id."""
    inbox = sqlite3.connect(folder / "inbox.db")
    try:
        return dict(inbox.execute("SELECT id, body FROM inbox"))
    finally:
        inbox.close()


def of_files(folder: Path) -> dict[str, bytes]:
    """What the others have kept."""
    return {path.stem: path.read_bytes() for path in folder.glob("msg_*.json")}


Kept = Callable[[Path], dict[str, bytes]]


@asynccontextmanager
async def receiving(command: list[str], folder: Path, *, port: int, secret: str) -> AsyncIterator[str]:
    """The receiver as a process, which has begun to listen; its address."""
    env = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret, "INBOX": str(folder), "PORT": str(port)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [part.replace("PORT", str(port)) for part in command], env=env, cwd=folder, stdout=log, stderr=log
        )
    try:
        for _ in range(200):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("command", "kept"), [(of_python, of_database), (of_node, of_files), (of_php, of_files)],
    ids=["python", "node", "php"],
)  # fmt: skip
async def test_a_receiver_keeps_each_message_once_and_refuses_what_is_forged(
    settings: Settings, clock: Clock, tmp_path: Path, command: Callable[[Path], list[str]], kept: Kept
) -> None:
    started, port = command(tmp_path), free_port()
    await publish(settings, clock=clock)
    clock.now = _now()  # receivers judge the time of a signature
    async with open_service(settings, clock=clock, worker=True) as service:
        endpoint = await _endpoint(service, f"http://127.0.0.1:{port}/")
        async with receiving(started, tmp_path, port=port, secret=endpoint["secret"]) as url:
            for n in range(4):
                await service.buy(card=str(n % 2))
            path = f"{PATH}/{endpoint['id']}"
            found = await _delivered(service, path, count=6)
            again = await resend(service, path, found[0]["message"])
            assert again.status_code == 201
            await _delivered(service, path, count=6)

            got = kept(tmp_path)
            assert set(got) == {one["message"] for one in found}
            for id, body in got.items():
                assert (await service.client.get(f"/v1/messages/{id}")).content == body
            await _assert_refuses_forged(url, found[0]["message"])
            assert kept(tmp_path) == got


async def test_the_worker_of_the_guide_takes_the_newest_state_however_often_and_in_which_order(
    settings: Settings, clock: Clock, tmp_path: Path
) -> None:
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as service:
        for _ in range(3):
            await service.buy("10.00", card="1")
        member = (await service.send({"member": "card:1"}, path="/v1/members/lookup")).json()["id"]
        bodies = await _bodies(service)
    inbox = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    inbox.execute("CREATE TABLE inbox (id TEXT PRIMARY KEY, body BLOB NOT NULL, done INTEGER NOT NULL)")
    for id, body in reversed(bodies.items()):
        inbox.execute("INSERT INTO inbox VALUES (?, ?, 0)", (id, body))
        work(str(tmp_path))
        work(str(tmp_path))

    assert inbox.execute("SELECT * FROM balance").fetchall() == [(member, len(bodies), 30)]
    inbox.close()


@pytest.mark.parametrize(
    ("language", "name"),
    [("python", "receiver.py"), ("python", "worker.py"), ("js", "receiver.mjs"), ("php", "receiver.php")],
)
def test_the_guide_shows_what_is_tested(language: str, name: str) -> None:
    shown = [block.text.strip() for block in blocks("docs/receiving.md", language)]

    assert (HERE / name).read_text().strip() in shown


def _now() -> datetime:
    return datetime.now(UTC)


async def _endpoint(service: Service, url: str) -> dict[str, Any]:
    answer = await service.send({"url": url}, path=PATH, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def _delivered(service: Service, path: str, *, count: int) -> list[dict[str, Any]]:
    for _ in range(300):
        found = await listed(service, path)
        if len(found) == count and {one["state"] for one in found} == {"delivered"}:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def _bodies(service: Service) -> dict[str, bytes]:
    await feeds.sequence(service.app.state.parts.engine, now=service.clock())
    page = (await service.client.get("/v1/feed")).json()
    return {one["id"]: json.dumps(one["message"]).encode() for one in page["messages"]}


async def _assert_refuses_forged(url: str, id: str) -> None:
    forged = {"webhook-id": id, "webhook-timestamp": str(int(_now().timestamp())), "webhook-signature": "v1,AAAA"}
    async with httpx.AsyncClient(trust_env=False) as client:
        for headers in (forged, {**forged, "webhook-signature": "v2,x"}, {}):
            answer = await client.post(url, content=b'{"type":"points.earned"}', headers=headers)
            assert answer.status_code == 400, headers
