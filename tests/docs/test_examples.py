"""The code that the documentation shows, run: verifying webhooks, recomputing hashes, and the walk of the README."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import localpg
from app.domain import chain, typeid
from app.domain.events import Draw, Entry
from app.webhooks import signing
from tests.docs.reading import ROOT, blocks

SECRET = bytes(range(32))
BODY = '{"type":"points.earned","data":{"name":"é"}}'.encode()
READY_SECONDS = 40
WALK_SECONDS = 180


def delivery(body: bytes = BODY, *, age: int = 0) -> dict[str, str]:
    return signing.headers(
        (b"a newer secret of the same endpoint", SECRET),
        id=typeid.encode(typeid.MESSAGE, bytes(16)),
        timestamp=int(time.time()) - age,
        body=body,
        type="points.earned",
        attempt=1,
        version="0.1.0",
    )


def snippet(page: str, language: str, mark: str) -> str:
    (found,) = [block.text for block in blocks(page, language) if mark in block.text]
    return found


def defined(code: str, **known: Any) -> dict[str, Any]:
    names = dict(known)
    exec(compile(code, "example", "exec"), names)
    return names


# Verifying webhooks.


def test_the_python_example_takes_what_we_sign() -> None:
    verify = defined(snippet("docs/webhooks.md", "python", "def verify"))["verify"]

    assert verify(signing.secret_text(SECRET), delivery(), BODY) == json.loads(BODY)


@pytest.mark.parametrize(
    ("headers", "body"), [(delivery(), BODY + b" "), (delivery(age=3600), BODY), (delivery(b"{}"), BODY)]
)
def test_the_python_example_refuses_what_is_forged_or_old(headers: dict[str, str], body: bytes) -> None:
    verify = defined(snippet("docs/webhooks.md", "python", "def verify"))["verify"]

    with pytest.raises(ValueError, match=r"signature|old"):
        verify(signing.secret_text(SECRET), headers, body)


def test_the_example_with_the_official_library_takes_what_we_sign() -> None:
    code = snippet("docs/webhooks.md", "python", "standardwebhooks")

    names = defined(code, secret=signing.secret_text(SECRET), headers=delivery(), body=BODY)

    assert names["message"] == json.loads(BODY)


def test_the_javascript_example_takes_what_we_sign_and_refuses_what_is_forged_or_old(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    (tmp_path / "verify.mjs").write_text(snippet("docs/webhooks.md", "js", "export function verify"))
    cases = [(delivery(), BODY), (delivery(), BODY + b" "), (delivery(age=3600), BODY)]
    (tmp_path / "run.mjs").write_text(
        'import { verify } from "./verify.mjs";\n'
        f"const cases = {json.dumps([[headers, body.decode()] for headers, body in cases])};\n"
        f"const secret = {json.dumps(signing.secret_text(SECRET))};\n"
        "const tried = cases.map(([headers, body]) => {\n"
        "  try { return verify(secret, headers, Buffer.from(body)); } catch (error) { return error.message; }\n"
        "});\n"
        "console.log(JSON.stringify(tried));\n"
    )

    run = subprocess.run([node, tmp_path / "run.mjs"], capture_output=True, text=True, timeout=30, check=True)

    assert json.loads(run.stdout) == [json.loads(BODY), "wrong signature", "too old"]


# Recomputing hashes.


def test_the_hashes_of_the_architecture_page_are_those_of_the_ledger() -> None:
    names = defined(snippet("docs/architecture.md", "python", "def event_hash"))
    instant = datetime(2026, 11, 21, 9, 41, tzinfo=UTC)
    entries = (
        Entry(0, "points", 49, 99, instant, None, (Draw(1, 0, 3), Draw(2, 1, -4))),
        Entry(1, "spent", -4995, -7, None, instant),
    )
    plain = [
        (e.unit, e.position, e.points, e.balance_after, _micros(e.available_at), _micros(e.expires_at), e.draws)
        for e in entries
    ]
    hashes = [bytes([i]) * 32 for i in range(11)]

    assert names["event_hash"](hashes[0], b"content", plain) == chain.event_hash(hashes[0], b"content", entries)
    for count in range(1, 12):
        assert names["root"](hashes[:count]) == chain.merkle_root(hashes[:count])
    assert names["block_hash"](bytes(16), 3, 8, 5, hashes[1], hashes[2], b"{}") == chain.block_hash(
        program_id=bytes(16), lane=3, number=8, previous=hashes[1], root=hashes[2], events=5, sums=b"{}"
    )


def test_the_content_is_laid_out_as_the_architecture_page_says() -> None:
    names = defined(snippet("docs/architecture.md", "python", "def event_hash"))
    start = datetime(1970, 1, 1, tzinfo=UTC)
    content = chain.Content(
        program_id=b"p" * 16, member_id=b"m" * 16, event_id=b"e" * 16, sequence=2, source="till", kind="purchase",
        key="1", occurred_at=start, effective_at=start, recorded_at=start, judged_at=start, rules_version=3, engine=1,
        silent=True, rules_digest=b"r" * 32, digest=b"d" * 16, facts=b"{}", context=b"", particulars_hash=b"",
    )  # fmt: skip
    numbers = (2).to_bytes(8) + bytes(32) + (3).to_bytes(4) + (1).to_bytes(2) + b"\x01"

    assert chain.encode_content(content) == names["fields"](
        b"zegel-event/1", b"p" * 16, b"m" * 16, b"e" * 16, b"till", b"purchase", b"1", numbers, b"r" * 32, b"d" * 16,
        b"{}", b"", b"",
    )  # fmt: skip


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else chain.micros(instant)


# The walk of the README.


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A data folder that the database's own account may enter, removed once its server has stopped.

    The server is started here, without the waits for the disk that nobody needs in a test; `zegel serve` finds it.
    """
    home = Path(tempfile.mkdtemp(prefix="zegel-docs-", dir="/tmp"))
    home.chmod(0o755)
    with localpg.open_server(home, settings=localpg.TEST):
        yield home
    deadline = time.monotonic() + 20
    while any(home.glob("*/data/postmaster.pid")) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running(home: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A service of its own, with its database: its address, and the environment that leads to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZEGEL_")}
    kept = {name: value for name, value in kept.items() if not name.endswith("DATABASE_URL")}
    environment = {**kept, "ZEGEL_DATA": str(home), "ZEGEL_PORT": str(port), "NO_PROXY": "127.0.0.1"}
    url = f"http://127.0.0.1:{port}"
    log = home / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([zegel(), "serve"], cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:
        _wait(url, process, log)
        yield url, environment
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def zegel() -> str:
    return str(Path(sys.executable).with_name("zegel"))


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the service did not start: {log.read_text()[-2000:]}")


def walk(url: str, environment: dict[str, str]) -> list[str]:
    """What each block of the README's walk prints, its commands run one after another in one shell."""
    mark = "--- the next block ---"
    commands = [block.text for block in blocks("README.md", "bash")]
    script = f"\necho; echo '{mark}'\n".join(["set -eu", *commands])
    script = script.replace(".venv/bin/zegel", zegel()).replace("http://127.0.0.1:8080", url)
    run = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WALK_SECONDS
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split(f"\n{mark}\n")[1:]


def assert_shows(shown: Any, answered: Any, place: str = "") -> None:
    """An answer has all that the README shows of it; a text that ends in an ellipsis may go on."""
    match shown:
        case dict():
            for name, value in shown.items():
                assert name in answered, f"{place}/{name} is not in the answer"
                assert_shows(value, answered[name], f"{place}/{name}")
        case list():
            assert len(shown) == len(answered), place
            for i, (one, other) in enumerate(zip(shown, answered, strict=True)):
                assert_shows(one, other, f"{place}/{i}")
        case str() if shown.endswith("…"):
            assert re.match(re.escape(shown.removesuffix("…")), answered), place
        case _:
            assert shown == answered, place


@pytest.mark.timeout(300)
def test_the_walk_of_the_readme_answers_what_it_shows() -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("curl or bash is not installed")
    shown = [json.loads(block.text) for block in blocks("README.md", "json")]

    with scratch_folder() as home, running(home) as (url, environment):
        printed = walk(url, environment)

    answers = [json.loads(text) for text in printed[1:]]
    assert len(answers) == len(shown)
    for one, other in zip(shown, answers, strict=True):
        assert_shows(one, other)


def test_the_readme_shows_what_really_matters() -> None:
    """The check above can fail: a wrong figure is noticed."""
    with pytest.raises(AssertionError):
        assert_shows({"points": 50}, {"points": 49})
    with pytest.raises(AssertionError):
        assert_shows({"id": "evt_…"}, {"id": "mem_1"})
    with pytest.raises(AssertionError):
        assert_shows({"lines": [1]}, {"lines": []})
