"""`zegel listen`: every message shown and handed on, signed, from where the last run came to."""

import asyncio
import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.text import Text
from standardwebhooks import Webhook
from typer.testing import CliRunner

from app.cli import main, root
from app.cli.errors import CliError
from app.cli.listening import display, forwarding, position, running
from app.cli.listening.position import Kept
from app.cli.listening.running import Listening
from app.operations import feeds
from app.settings import Settings
from app.webhooks import signing
from tests import forked
from tests.builders import Clock, Service, key_for, publish
from tests.ledger.processes import environment, serving
from tests.webhooks import receiver

SECRET = b"0123456789abcdef0123456789abcdef"
TEXT = signing.secret_text(SECRET)


async def listen(
    service: Service,
    file: Path,
    *,
    forward: str | None = None,
    kept: Kept | None = None,
    begin: str = "oldest",
    sleep: Any = asyncio.sleep,
) -> tuple[int, list[str]]:
    """One run that ends when all there is has been shown; how many, and the lines."""
    said: list[str] = []
    await feeds.sequence(service.app.state.parts.engine, now=service.clock())
    how = Listening(
        file=file,
        forward=forward,
        begin=begin,
        bodies=False,
        once=True,
        secret=SECRET,
        version="1",
        clock=time.time,
        say=lambda what: said.append(what.plain if isinstance(what, Text) else what),
        sleep=sleep,
    )
    async with httpx.AsyncClient(trust_env=False) as outward:
        return await running.listen(service.client, outward, kept or position.load(file) or Kept(TEXT), how), said


async def test_messages_are_shown_in_order_with_what_they_are_about(service: Service, tmp_path: Path) -> None:
    member = await service.enrol()
    await service.buy("12.00", id="receipt-9")

    shown, said = await listen(service, tmp_path / "p")

    assert shown == len(said) == 2
    assert "member.enrolled" in said[0]
    assert all(member["id"] in line for line in said)
    for part in ("points.earned", "12 points", "(purchase till/receipt-9)", "#2"):
        assert part in said[1]


async def test_what_is_handed_on_is_signed_as_a_webhook_is(service: Service, tmp_path: Path) -> None:
    await service.buy()
    async with receiver.receiving(receiver.saying(200)) as shop:
        await listen(service, tmp_path / "p", forward=shop.url)

    assert len(shop.requests) == len(set(shop.ids)) == 2
    for request in shop.requests:
        body = Webhook(TEXT).verify(request.body, request.headers)
        assert body["type"] == request.headers["zegel-event-type"]
        alone = await service.client.get(f"/v1/messages/{request.headers['webhook-id']}")
        assert alone.content == request.body


async def test_the_next_run_goes_on_where_the_last_one_came_to(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "new" / "p"
    await service.enrol("1")
    assert (await listen(service, file))[0] == 1
    assert (await listen(service, file))[0] == 0
    await service.enrol("2")

    assert (await listen(service, file))[0] == 1
    assert position.load(file) is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_the_first_run_may_begin_with_what_comes_next(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "p"
    await service.enrol("1")

    assert (await listen(service, file, begin="latest"))[0] == 0
    await service.enrol("2")
    assert (await listen(service, file, begin="latest"))[0] == 1


async def test_a_refusal_is_told_and_the_next_message_follows(service: Service, tmp_path: Path) -> None:
    await service.buy()
    async with receiver.receiving(receiver.saying(500)) as shop:
        shown, said = await listen(service, tmp_path / "p", forward=shop.url)

    assert shown == len(shop.requests) == 2
    assert sum("500" in line for line in said) == 2


@pytest.mark.parametrize("behave", [receiver.saying(200, b"junk", content_encoding="gzip"), receiver.dripping])
async def test_an_answer_is_judged_by_its_status_whatever_follows(
    service: Service, tmp_path: Path, behave: receiver.Behavior
) -> None:
    await service.buy()
    async with receiver.receiving(behave) as shop:
        shown, said = await listen(service, tmp_path / "p", forward=shop.url)

    assert shown == len(shop.requests) > 0
    assert sum("→ 200" in line for line in said) == shown


async def test_who_is_not_there_yet_is_waited_for(service: Service, tmp_path: Path) -> None:
    await service.enrol()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await listen(service, tmp_path / "p", forward="http://127.0.0.1:1/hook", sleep=sleep)

    assert pauses == [running.AGAIN_SECONDS] * 3
    assert position.load(tmp_path / "p") is None, "it comes again"
    async with receiver.receiving(receiver.saying(200)) as shop:
        assert (await listen(service, tmp_path / "p", forward=shop.url))[0] == 1


async def test_a_position_that_is_kept_no_longer_is_told(service: Service, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "p"
    assert (await listen(service, file))[0] == 0
    await service.enrol("1")
    await feeds.sequence(service.app.state.parts.engine, now=clock())
    clock.forward(days=91)
    (caller,) = {caller.program_id for _, caller in service.app.state.parts.callers.values()}
    await feeds.trim(service.app.state.parts.engine, program_id=caller, now=clock())
    await service.enrol("2")

    shown, said = await listen(service, file)

    assert shown == 1
    assert "kept no longer" in said[0]


async def test_a_key_without_the_scope_is_told_which(service: Service, settings: Settings, tmp_path: Path) -> None:
    service.client.headers["Authorization"] = f"Bearer {await key_for(settings, scopes=())}"

    with pytest.raises(CliError, match="feed:read"):
        await listen(service, tmp_path / "p")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--forward", "ftp://x"], "no address to forward to"),
        (["--forward", "localhost:3000"], "no address to forward to"),
        (["--forward", "http://127.0.0.1:99999/"], "no address to forward to"),
        (["--forward", "http://127.0.0.1:0/"], "no address to forward to"),
        (["--secret", "whsec_short"], "--secret"),
        (["--secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "--secret"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    file = ["--key", "zgl_live_x_y", "--position", str(tmp_path / "p")]

    ended = CliRunner().invoke(root.app, ["listen", *file, *arguments])

    assert isinstance(ended.exception, CliError)
    assert said in str(ended.exception)


def test_without_a_key_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZEGEL_KEY", raising=False)

    ended = CliRunner().invoke(root.app, ["listen"])

    assert isinstance(ended.exception, CliError)
    assert "zegel keys create" in str(ended.exception)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"secret": 1}', "\0"])
def test_a_file_that_is_no_position_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "p"
    file.write_text(content)

    with pytest.raises(CliError, match="no position"):
        position.load(file)


def test_files_of_positions_tell_neither_key_nor_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    files = {position.default_file(url, key) for url in ("http://a", "http://b") for key in ("k1", "k2")}

    assert len(files) == 4
    assert all(file.is_relative_to(tmp_path / "zegel") for file in files)
    assert not any("k1" in str(file) for file in files)


def test_every_message_has_a_line() -> None:
    for type in ("test", "endpoint.disabled"):
        assert type in display.line({"type": type, "message": {"type": type, "timestamp": "x", "data": {}}}).plain
    assert forwarding.Came(None, "gone", 3).taken is False


def test_the_command_listens_to_a_service_and_hands_on(settings: Settings, tmp_path: Path) -> None:
    """The whole of it: a served API with its worker, the command as a process, a receiver."""
    publishing = Clock()
    asyncio.run(publish(settings, clock=publishing))
    key = asyncio.run(key_for(settings))
    env = environment(settings, folder=tmp_path)

    async def through() -> tuple[list[receiver.Request], str]:
        async with receiver.receiving(receiver.saying(200)) as shop:
            with serving(env, folder=tmp_path) as served:
                await served.ready()
                url = served.url
                options = ["--url", url, "--key", key, "--forward", shop.url, "--begin", "oldest", "--secret", TEXT]
                process = forked.Process(main, "listen", *options, env=env, folder=tmp_path)
                try:
                    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
                        body = {"id": "e1", "identities": {"card": "1"}}
                        assert (await client.post("/v1/members", json=body)).status_code == 201
                    await _until(lambda: len(shop.requests) == 1)
                finally:
                    process.terminate()
                    await asyncio.to_thread(process.wait)
                assert TEXT in process.err
                return list(shop.requests), process.out

    requests, out = asyncio.run(through())

    assert json.loads(requests[0].body)["type"] == "member.enrolled"
    assert Webhook(TEXT).verify(requests[0].body, requests[0].headers)
    assert "member.enrolled" in out


async def _until(there: Callable[[], bool]) -> None:
    for _ in range(300):
        if there():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen in time")
