"""Where a webhook may go: judged on the address about to be dialled, from an explicit table (webhooks W8).

Names are looked up once per connection, through `CheckedResolver`; every socket is opened by `checked_sockets`, which
judges the very address it is opened for, and so also the literal ones that are never looked up.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

LONGEST_URL = 2048
LONGEST_NAME = 253
LOOKUP_THREADS = 32

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str, int], Awaitable[list[tuple[Any, ...]]]]
"""A host and a port to what `getaddrinfo` says of them."""
OpenSocket = Callable[[int, int, int], socket.socket]

_RANGES = {
    "this network": "0.0.0.0/8",
    "private": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
    "shared by a carrier (CGNAT)": "100.64.0.0/10",
    "loopback": "127.0.0.0/8 ::1/128",
    "link-local": "169.254.0.0/16 fe80::/10",
    "a cloud's metadata": "168.63.129.16/32",
    "kept for protocols": "192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.175.48.0/24 2001::/23 2620:4f:8000::/48",
    "for documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
    "for benchmarks": "198.18.0.0/15 2001:2::/48",
    "multicast": "224.0.0.0/4 ff00::/8",
    "unspecified": "::/128",
    "IPv4 in IPv6": "::/96 ::ffff:0:0/96 ::ffff:0:0:0/96",
    "NAT64": "64:ff9b::/96 64:ff9b:1::/48",
    "6to4": "192.88.99.0/24 2002::/16",
    "Teredo": "2001::/32",
    "unique local": "fc00::/7",
    "site-local": "fec0::/10",
    "for discarding": "100::/64 100:0:0:1::/64",
    "of a former test network": "3ffe::/16",
    "reserved": "240.0.0.0/4 ::/3 4000::/2 8000::/1",
}
_MOST_SPECIFIC_FIRST = sorted(
    ((ip_network(network), kind) for kind, networks in _RANGES.items() for network in networks.split()),
    key=lambda row: -row[0].prefixlen,
)

FORBIDDEN: tuple[tuple[Network, str], ...] = tuple(_MOST_SPECIFIC_FIRST)
"""Networks that are nobody's shop, each with what it is; of IPv6 all but the global unicast addresses, 2000::/3."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What the operator allows beyond https to public addresses."""

    allow_http: bool = False
    allowed: tuple[Network, ...] = ()


class AddressRefused(OSError):
    """A connection that must not be made; the text says what kind of address it would have led to."""


def refusal(address: str, policy: AddressPolicy) -> str | None:
    """What kind of forbidden address this is, or None where a connection may be made."""
    try:
        found: Address = ip_address(address)
    except ValueError:
        return "not an address"
    if any(found in network for network in policy.allowed):
        return None
    return next((kind for network, kind in FORBIDDEN if found in network), None)


def check_url(url: str, policy: AddressPolicy) -> str | None:
    """Why no endpoint can have this URL, as a sentence, or None. Looks nothing up: names are judged when dialled."""
    if len(url) > LONGEST_URL:
        return f"The URL is longer than {LONGEST_URL} characters."
    if not _URL.fullmatch(url):
        return "The URL has characters that must be percent-encoded, or in a host name written as xn--."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "The URL cannot be understood."
    return _check_form(url, parts, port, policy) or _check_host(parts, policy)


class CheckedResolver(AbstractResolver):
    """Looks names up, and refuses a name with any forbidden address among its answers."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        results: list[ResolveResult] = []
        for found, _, _, _, where in await self._lookup(host, port):
            _judge(where[0], self._policy)
            numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            results.append(ResolveResult(hostname=host, host=where[0], port=port, family=found, proto=0, flags=numeric))
        return results

    async def close(self) -> None:
        """Nothing is held."""


@contextmanager
def system_lookup() -> Iterator[Lookup]:
    """The system's own resolver, in threads of its own: one name server that hangs holds up no other name."""
    threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")

    async def lookup(host: str, port: int) -> list[tuple[Any, ...]]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        return await asyncio.get_running_loop().run_in_executor(threads, ask)

    try:
        yield lookup
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def checked_sockets(
    policy: AddressPolicy, open_socket: OpenSocket = socket.socket
) -> Callable[[tuple[Any, ...]], socket.socket]:
    """Opens the socket for an address that may be dialled; raises AddressRefused for any other."""

    def open_checked(info: tuple[Any, ...]) -> socket.socket:
        family, type, protocol, _, where = info
        _judge(where[0], policy)
        return open_socket(family, type, protocol)

    return open_checked


_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
_BRACKETED = re.compile(r"\[[^\[\]]*\](:[0-9]+)?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def _judge(address: str, policy: AddressPolicy) -> None:
    if (kind := refusal(address, policy)) is not None:
        raise AddressRefused(kind)


def _check_form(url: str, parts: SplitResult, port: int | None, policy: AddressPolicy) -> str | None:
    if parts.scheme != "https" and not (policy.allow_http and parts.scheme == "http"):
        return "The URL must start with https://."
    if "@" in parts.netloc:
        return "The URL must not hold a user name or password."
    if "#" in url:
        return "The URL must not have a fragment (#)."
    if port == 0 or parts.netloc.endswith(":"):
        return "The URL's port must be a number from 1 to 65535."
    return None if parts.hostname else "The URL has no host."


def _check_host(parts: SplitResult, policy: AddressPolicy) -> str | None:
    host, bracketed = parts.hostname or "", "[" in parts.netloc
    name = host.removesuffix(".")
    if bracketed and not _BRACKETED.fullmatch(parts.netloc):
        return "The URL cannot be understood."
    if bracketed or _is_literal(name):
        try:
            address = str(IPv6Address(host) if bracketed else IPv4Address(name))
        except AddressValueError:
            address = ""
        if not address or "%" in address:
            return "The host looks like an address, but is not one in plain form, such as 192.0.2.1 or [2001:db8::1]."
    else:
        if len(name) > LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
            return "The host is neither a name nor an address."
        if name != "localhost" and not name.endswith(".localhost"):
            return None
        address = "127.0.0.1"
    kind = refusal(address, policy)
    return kind and f"The host is an address we do not call: {kind}."


def _is_literal(name: str) -> bool:
    """Whether anything takes this for an address: a last label that is a number makes it one (WHATWG URL §3.5)."""
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None
