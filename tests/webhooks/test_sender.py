import asyncio
import gzip
import ipaddress
import socket
import ssl
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.webhooks import guard, sender
from app.webhooks.guard import AddressPolicy
from app.webhooks.sender import Answer
from tests.webhooks import receiver
from tests.webhooks.receiver import receiving, reply, saying
from tests.webhooks.test_guard import answers

LOOPBACK = AddressPolicy(allow_http=True, allowed=(ipaddress.ip_network("127.0.0.0/8"),))
STRICT = AddressPolicy(allow_http=True)
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
QUICK: dict[str, Any] = {"deadline_seconds": 0.5, "connect_seconds": 0.2}


class Dialer:
    """Stands in for the socket module: notes what was to be dialled, and opens nothing."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self, family: int, type: int, protocol: int) -> socket.socket:
        self.opened += 1
        raise ConnectionRefusedError("nothing is opened in tests")


def open_client(policy: AddressPolicy, **stubs: Any) -> AbstractAsyncContextManager[httpx.AsyncBaseTransport]:
    return sender.open_client(policy, tls=TLS, **stubs)  # to read the usual certificates takes a tenth of a second


def strict(lookup: guard.Lookup, dialer: Dialer) -> AbstractAsyncContextManager[httpx.AsyncBaseTransport]:
    return open_client(STRICT, lookup=lookup, open_socket=dialer)


async def post(client: httpx.AsyncBaseTransport, url: str, body: bytes = b"{}", **limits: float) -> Answer:
    return await sender.post(client, url, headers={"webhook-id": "msg_1"}, body=body, **limits)


async def test_a_post_brings_the_body_and_headers_and_returns_the_answer() -> None:
    async with receiving(saying(202, b"thanks", retry_after="9")) as shop, open_client(LOOPBACK) as client:
        answer = await post(client, f"{shop.url}?a=%20b", b'{"a": 1}')

    (request,) = shop.requests
    assert (answer.status, answer.body, answer.retry_after, answer.error) == (202, b"thanks", "9", None)
    assert request.path == "/hook?a=%20b"
    assert request.body == b'{"a": 1}'
    assert request.headers == {
        "host": f"127.0.0.1:{shop.port}",
        "webhook-id": "msg_1",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-length": "8",
        "content-type": "application/octet-stream",
        "user-agent": request.headers["user-agent"],
    }


async def test_connections_are_used_again() -> None:
    async with receiving(saying(200)) as shop, open_client(LOOPBACK) as client:
        for _ in range(3):
            await post(client, shop.url)

    assert len(shop.requests) == 3
    assert shop.opened == 1


async def test_an_answer_is_read_up_to_4_kib_and_then_closed() -> None:
    async with receiving(receiver.flooding) as shop, open_client(LOOPBACK) as client:
        answer = await post(client, shop.url)
        again = await post(client, shop.url)

    assert (answer.status, answer.body, answer.error) == (200, b"x" * 4096, None)
    assert again.status == 200
    assert shop.opened == 2


async def test_a_slow_drip_is_cut_at_the_deadline_and_what_was_read_is_kept() -> None:
    async with receiving(receiver.dripping) as shop, open_client(LOOPBACK) as client:
        started = time.monotonic()
        answer = await post(client, shop.url, **QUICK)
        took = time.monotonic() - started

    assert (answer.status, answer.error, answer.timed_out) == (200, "timed_out", True)
    assert 0 < len(answer.body) < 100
    assert 450 <= answer.duration_ms <= took * 1000
    assert took < 2


async def test_a_shop_that_never_answers_times_out() -> None:
    async with receiving(receiver.hanging) as shop, open_client(LOOPBACK) as client:
        answer = await post(client, shop.url, **QUICK)

    assert (answer.status, answer.body, answer.error, answer.timed_out) == (None, b"", "timed_out", True)


async def test_a_shop_that_takes_nothing_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with open_client(LOOPBACK) as client:
            answer = await post(client, f"http://127.0.0.1:{silent.getsockname()[1]}/", b"x" * 262_144, **QUICK)

    assert answer.timed_out


async def test_a_name_server_that_hangs_times_out_as_connecting() -> None:
    async def lookup(host: str, port: int) -> list[tuple[Any, ...]]:
        await asyncio.sleep(5)
        return []

    started = time.monotonic()
    async with open_client(LOOPBACK, lookup=lookup) as client:
        answer = await post(client, "http://shop.example/", deadline_seconds=5.0, connect_seconds=0.2)

    assert answer.timed_out
    assert time.monotonic() - started < 2


async def test_a_redirect_is_not_followed() -> None:
    async with receiving(saying(200)) as trap:
        redirect = saying(307, location=trap.url)
        async with receiving(redirect) as shop, open_client(LOOPBACK) as client:
            answer = await post(client, shop.url)

    assert answer.status == 307
    assert trap.requests == []


async def test_cookies_are_forgotten() -> None:
    crumbs = saying(200, set_cookie="a=b; Path=/")
    async with receiving(crumbs) as shop, open_client(LOOPBACK, lookup=answers("127.0.0.1")) as client:
        for _ in range(2):
            await post(client, f"http://shop.example:{shop.port}/")

    assert ["cookie" in request.headers for request in shop.requests] == [False, False]


async def test_an_environment_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(saying(200)) as proxy, receiving(saying(200)) as shop:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with open_client(LOOPBACK) as client:
            await post(client, shop.url)

    assert (len(proxy.requests), len(shop.requests)) == (0, 1)


async def test_a_compressed_answer_stays_compressed() -> None:
    bomb = gzip.compress(b"0" * 1_000_000)
    async with receiving(saying(200, bomb, content_encoding="gzip")) as shop, open_client(LOOPBACK) as client:
        answer = await post(client, shop.url)

    assert (answer.status, answer.body, answer.error) == (200, bomb, None)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "disconnected"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "bad_answer"),
        (b"HTTP/1.1 banana\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * 100_000 + b"\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", "disconnected"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "bad_answer"),
    ],
)
async def test_a_broken_answer_is_an_error_and_never_an_exception(said: bytes, error: str) -> None:
    def behave(_: receiver.Request) -> receiver.Slow:
        async def hang_up(connection: asyncio.Transport) -> None:
            connection.write(said)
            connection.close()

        return hang_up

    async with receiving(behave) as shop, open_client(LOOPBACK) as client:
        answer = await post(client, shop.url, **QUICK)

    assert (answer.error, answer.timed_out) == (error, False)


async def test_a_closed_port_is_not_connected() -> None:
    async with receiving(saying(200)) as shop:
        gone = shop.url
    async with open_client(LOOPBACK) as client:
        answer = await post(client, gone)

    assert (answer.status, answer.error) == (None, "not_connected")


async def test_an_unknown_name_is_not_found() -> None:
    async def lookup(host: str, port: int) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with open_client(STRICT, lookup=lookup) as client:
        answer = await post(client, "http://shop.example/")

    assert answer.error == "name_not_found"


@pytest.mark.parametrize("url", ["http://[::1/", "http:///", "http://", "nonsense", "ftp://1.1.1.1/"])
async def test_a_url_that_is_none_is_an_error(url: str) -> None:
    dialer = Dialer()
    async with strict(answers("1.1.1.1"), dialer) as client:
        answer = await post(client, url)

    assert answer.error == "bad_url"
    assert dialer.opened == 0


async def test_http_is_not_spoken_where_the_operator_does_not_allow_it() -> None:
    dialer = Dialer()
    async with open_client(AddressPolicy(), lookup=answers("1.1.1.1"), open_socket=dialer) as client:
        refused, dialled = await post(client, "http://shop.example/"), await post(client, "https://shop.example/")

    assert (refused.error, dialled.error) == ("bad_url", "not_connected")
    assert dialer.opened == 1


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]", "[fe80::1]"],
)
async def test_a_literal_address_is_judged_as_it_is_dialled(host: str) -> None:
    dialer = Dialer()
    async with strict(answers("1.1.1.1"), dialer) as client:
        answer = await post(client, f"http://{host}/")

    assert answer.error is not None
    assert answer.error.startswith("address_refused: ")
    assert dialer.opened == 0


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "localhost"])
async def test_no_other_spelling_of_an_address_gets_through(host: str) -> None:
    dialer = Dialer()
    with guard.system_lookup() as lookup:
        async with strict(lookup, dialer) as client:
            answer = await post(client, f"http://{host}/")

    assert answer.status is None
    assert dialer.opened == 0


async def test_a_public_literal_is_dialled() -> None:
    dialer = Dialer()
    async with strict(answers(), dialer) as client:
        answer = await post(client, "http://1.1.1.1/")

    assert (answer.error, dialer.opened) == ("not_connected", 1)


async def test_one_bad_answer_among_good_ones_refuses_them_all() -> None:
    dialer = Dialer()
    async with strict(answers("1.1.1.1", "8.8.8.8", "10.0.0.1"), dialer) as client:
        answer = await post(client, "http://shop.example/")

    assert (answer.error, dialer.opened) == ("address_refused: private", 0)


async def test_a_name_that_changes_its_address_is_judged_on_the_one_that_is_dialled() -> None:
    """DNS rebinding: public when it is judged, loopback a moment later."""
    asked: list[str] = []
    dialled: list[Any] = []

    async def rebinding(host: str, port: int) -> list[tuple[Any, ...]]:
        asked.append(host)
        return await answers("1.1.1.1" if len(asked) == 1 else "127.0.0.1")(host, port)

    def dial(family: int, type: int, protocol: int) -> socket.socket:
        dialled.append(asked[-1])
        raise ConnectionRefusedError

    async with open_client(STRICT, lookup=rebinding, open_socket=dial) as client:
        first = await post(client, "http://shop.example/")
    asked_for_first = len(asked)
    async with open_client(STRICT, lookup=rebinding, open_socket=dial) as client:
        second = await post(client, "http://shop.example/")

    assert (first.error, asked_for_first, len(dialled)) == ("not_connected", 1, 1)
    assert second.error == "address_refused: loopback"


async def test_a_name_is_looked_up_by_us_and_its_checked_address_dialled() -> None:
    async with receiving(saying(200)) as shop, open_client(LOOPBACK, lookup=answers("127.0.0.1")) as client:
        answer = await post(client, f"http://shop.example:{shop.port}/")

    assert answer.status == 200
    assert shop.requests[0].headers["host"] == f"shop.example:{shop.port}"


async def test_tls_is_asked_for_by_the_name_and_must_prove_it() -> None:
    named: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda connection, name, _: named.append(name)

    async with (
        receiving(saying(200), tls=context) as shop,
        open_client(LOOPBACK, lookup=answers("127.0.0.1")) as client,
    ):
        answer = await post(client, f"https://shop.example:{shop.port}/")

    assert named == ["shop.example"]
    assert (answer.status, shop.requests) == (None, [])


async def test_a_certificate_that_nobody_vouches_for_ends_it(tmp_path: Path) -> None:
    async with (
        receiving(saying(200), tls=self_signed(tmp_path)) as shop,
        open_client(LOOPBACK, lookup=answers("127.0.0.1")) as client,
    ):
        answer = await post(client, f"https://shop.example:{shop.port}/")

    assert (answer.status, answer.error, shop.requests) == (None, "tls", [])


def self_signed(folder: Path) -> ssl.SSLContext:
    """A shop's certificate for its own name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    dated = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    named = dated.add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
    pem = folder / "shop.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    pem.write_bytes(private + named.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_a_shop_that_speaks_no_tls_gets_nothing() -> None:
    async with receiving(saying(200)) as shop, open_client(LOOPBACK) as client:
        answer = await post(client, shop.url.replace("http:", "https:"), **QUICK)

    assert (answer.status, shop.requests) == (None, [])
    assert answer.error in ("tls", "timed_out")


async def test_a_hundred_posts_at_once_all_arrive() -> None:
    async with receiving(saying(200)) as shop, open_client(LOOPBACK) as client:
        got = await asyncio.gather(*[post(client, shop.url, str(n).encode()) for n in range(100)])

    assert {answer.status for answer in got} == {200}
    assert sorted(int(request.body) for request in shop.requests) == list(range(100))


def test_the_receiver_of_these_tests_speaks_http() -> None:
    assert reply(201, b"hi", retry_after="3") == b"HTTP/1.1 201 Said\r\ncontent-length: 2\r\nretry-after: 3\r\n\r\nhi"
