"""`zegel demo`: what it plays reconciles, what it would miss it tells, and its receiver trusts no one else."""

import asyncio
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from standardwebhooks import Webhook

from app.cli.demo import command, display, driving, reconciling, shops
from app.cli.demo.receiver import Delivery, Inbox, receiving, secret_bytes
from app.cli.demo.reconciling import Ledger
from app.cli.demo.shops import SHOPS, Stage
from app.cli.demo.tally import Tally
from app.cli.keys import program_id
from app.db import transactions
from app.domain.scopes import SHOP
from app.main import ROOT, fresh_id
from app.settings import Settings
from tests.builders import LADDER, PROGRAM, Clock, key_for, open_service, publish

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC).timestamp()


def signed(body: str, *, id: str = "msg_1", at: float = NOW, attempt: int = 1, secret: str = SECRET) -> Delivery:
    """A delivery that the official library has signed."""
    instant = datetime.fromtimestamp(at, UTC)
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": "v1,bm9wZQ== " + Webhook(secret).sign(id, instant, body),
        "zegel-event-type": "points.earned",
        "zegel-attempt": str(attempt),
    }
    return Delivery(headers, body.encode())


def inbox(*draws: float) -> Inbox:
    """A receiver whose moods are known."""
    return Inbox(
        draw=itertools.chain(draws, itertools.repeat(0.5)).__next__, clock=lambda: NOW, secret=secret_bytes(SECRET)
    )


def test_the_receiver_takes_what_the_official_library_signs() -> None:
    receiver = inbox()

    assert receiver.take(signed('{"a": 1}')) == 204
    assert receiver.take(signed('{"a": 1}', attempt=2)) == 204
    assert (receiver.verified, receiver.again, receiver.types) == ({"msg_1"}, 1, {"points.earned": 1})


@pytest.mark.parametrize(
    "delivery",
    [
        signed("{}", secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        signed("{}", at=NOW - 301),
        signed("{}", at=NOW + 301),
        replace(signed("{}"), body=b"{ }"),
        Delivery({}, b"{}"),
    ],
)
def test_the_receiver_takes_nothing_else(delivery: Delivery) -> None:
    receiver = inbox()

    assert receiver.take(delivery) == 400
    assert (receiver.forged, receiver.verified) == (1, set())


def test_the_receiver_fails_on_purpose_at_a_first_attempt_only() -> None:
    receiver = inbox(0.01)

    assert receiver.take(signed("{}")) == 500
    assert receiver.take(signed("{}", attempt=2)) == 204
    assert (receiver.failed_on_purpose, receiver.again, receiver.verified) == (1, 0, {"msg_1"})


async def test_the_receiver_speaks_http() -> None:
    receiver = inbox()
    delivery = signed("{}")

    async with receiving(receiver), httpx.AsyncClient() as client:
        answers = [await client.post(receiver.url, content=delivery.body, headers=delivery.headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert receiver.requests == 2


@pytest.fixture
async def stage(settings: Settings, clock: Clock, anyio_backend: str) -> AsyncIterator[Stage]:
    """The shops of the demo before the app, without a worker."""
    await publish(settings, clock=clock, document=LADDER)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service(settings, clock=clock))
        clients = {}
        for shop in SHOPS:
            key = await key_for(settings, shop=shop, scopes=SHOP)
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=service.app),
                base_url="http://zegel.test",
                headers={"Authorization": f"Bearer {key}"},
            )
            clients[shop] = await stack.enter_async_context(client)
        yield Stage("r", clients, Tally(), random.Random(1), clock)


async def test_everything_that_was_acknowledged_is_found_and_what_is_not_is_told(
    stage: Stage, settings: Settings
) -> None:
    async with AsyncExitStack() as stack:
        engine = transactions.create_engine(settings.database_url or "", pool_size=2)
        stack.push_async_callback(engine.dispose)
        ledger = Ledger(engine, await program_id(engine, PROGRAM), began := fresh_id(), began)
        receiver = inbox()

        await driving.drive(stage, seconds=2, members=8)
        receiver.verified |= await ledger.messages()
        good = await reconciling.reconcile(stage, ledger, receiver)
        lost = receiver.verified.pop()
        stage.tally.acknowledged["till", "purchase", "never-sent"] = {"points": 1}
        stage.tally.duplicates += 1
        stage.tally.surprise("a 500")
        bad = await reconciling.reconcile(stage, ledger, receiver)

    assert lost
    assert [check.right for check in good] == [True] * 5, good
    assert [check.right for check in bad] == [False, False, True, False, False, False], bad
    assert "1 lost" in bad[0].text
    assert len(stage.tally.people) >= 8
    assert 1 <= stage.tally.uploads <= driving._UPLOADS
    assert stage.tally.refused == 1
    assert stage.tally.replayed == stage.tally.duplicates - 1 > 0
    assert not [text for text in stage.tally.surprises if text != "a 500"]


async def test_an_answer_that_should_not_be_is_noted(stage: Stage) -> None:
    body = {"type": "purchase", "id": "x", "member": "card:nobody", "occurred_at": stage.now()}

    event = await shops.record(stage, "till", {**body, "currency": "EUR", "total": "1.00"})

    assert event is None
    assert "422" in stage.tally.surprises[0]


async def test_without_a_terminal_the_display_is_a_line(tmp_path: Path) -> None:
    done = asyncio.Event()
    with (tmp_path / "out").open("w") as file:
        showing = asyncio.create_task(
            display.show(Console(file=file, width=200), Tally(), inbox(), done=done, stage=lambda: "x", every=0.01)
        )
        await asyncio.sleep(0.2)
        done.set()
        await showing

    first = (tmp_path / "out").read_text().splitlines()[0]
    assert "0 events (0/s)" in first
    assert "0 bronze, 0 silver, 0 gold  webhooks 0 verified" in first


async def test_a_demo_reconciles_and_its_webhooks_are_genuine(settings: Settings, tmp_path: Path) -> None:
    options = command.Options(seconds=2, members=10, log=tmp_path / "serve.log", failing=0)

    shown = await command.play(settings, options)

    assert shown.right, shown.checks
    assert shown.tally.events > 20
    assert len(shown.inbox.kept) >= len(shown.inbox.verified) > 20
    official = Webhook(b64encode(shown.inbox.secret).decode())
    for delivery in shown.inbox.kept:
        assert official.verify(delivery.body.decode(), delivery.headers)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder that the database's own account may pass through."""
    made = Path(tempfile.mkdtemp(prefix="zegel-demo-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.slow
def test_the_command_makes_its_own_folder_and_goes_on_in_it(folder: Path) -> None:
    environment = {**os.environ, "ZEGEL_DATA": str(folder / "data")}
    arguments = ["demo", "--once", "--seconds", "3", "--members", "10"]
    code = "from app.cli import main; main()"

    runs = [
        subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        for _ in range(2)
    ]

    for run in runs:
        assert run.returncode == 0, run.stderr
        assert "everything reconciles" in run.stderr
        assert f"data folder: {folder / 'data'}" in run.stderr
