"""A message handed on to an address of the developer's, signed like a webhook."""

import time
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from app.cli.errors import CliError
from app.webhooks import signing

TIMEOUT = httpx.Timeout(15, connect=5)
_PREFIX = "whsec_"
SECRET_BYTES = (16, 64)
MOST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Came:
    """What came of handing one on: a status, or why there is none, after so many milliseconds."""

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def taken(self) -> bool:
        """Whether the address said that the message is its own now."""
        return self.status is not None and 200 <= self.status < 300


def secret_bytes(text: str) -> bytes:
    """The key of a secret as `whsec_…`. Raises CliError."""
    try:
        found = b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        found = b""
    if not text.startswith(_PREFIX) or not SECRET_BYTES[0] <= len(found) <= SECRET_BYTES[1]:
        raise CliError("--secret must be `whsec_` and 16 to 64 bytes in base64")
    return found


def checked(url: str) -> str:
    """An address to forward to. Raises CliError where it is none."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = None
    named = parsed is not None and parsed.scheme in ("http", "https") and bool(parsed.host)
    if parsed is None or not named or (parsed.port is not None and not 0 < parsed.port <= MOST_PORT):
        raise CliError(f"{url} is no address to forward to: name one such as http://127.0.0.1:3000/hook")
    return url


async def hand_on(
    client: httpx.AsyncClient, url: str, message: dict[str, Any], *, secret: bytes, timestamp: int, version: str
) -> Came:
    """Posts the message as a webhook is posted."""
    body = orjson.dumps(message["message"])
    headers = signing.headers(
        [secret],
        id=message["id"],
        timestamp=timestamp,
        body=body,
        type=message["type"],
        attempt=1,
        version=version,
    )
    began = time.monotonic()
    status, error = None, None
    try:
        async with client.stream("POST", url, content=body, headers=headers, timeout=TIMEOUT) as answer:
            status = answer.status_code  # what follows it is of no account, and may be endless or garbled
    except httpx.TransportError as problem:
        error = str(problem) or type(problem).__name__
    return Came(status, error, round((time.monotonic() - began) * 1000))
