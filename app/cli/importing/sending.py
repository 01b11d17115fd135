"""Batches over HTTP, sent again with patience until each of their events is settled one way or the other."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from app.cli.errors import CliError

TIMEOUT = httpx.Timeout(30, connect=5)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_AGAIN = frozenset({"failed", "unknown"})
_HOPELESS: Mapping[str, str] = {
    "unauthenticated": "the API key is not valid here: make one with `zegel keys create`, and set ZEGEL_KEY",
    "forbidden": "the API key may not do this",
    "history_scope": "the API key may not send history: make one with `zegel keys create --also events:history`",
    "shop_key_required": "the API key belongs to no shop: make one with `zegel keys create --shop NAME`",
    "no_rules": "the program has no rules yet: publish them with `zegel program publish`",
}
"""Refusals that every other event would meet too."""


class Unreachable(CliError):
    """The service did not answer for as long as we had patience."""


class Refused(CliError):
    """The service refuses, and would again; `answer` is its problem."""

    def __init__(self, text: str, answer: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is tried again, and how time passes meanwhile."""

    seconds: float = 60.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda _: None


async def get(client: httpx.AsyncClient, path: str, *, patience: Patience) -> dict[str, Any]:
    """The JSON at a path. Raises CliError where it is refused, or nobody answers."""
    answer = await _patiently(lambda: _asked(client, "GET", path), client, patience)
    return dict(answer)


async def send(
    client: httpx.AsyncClient, events: Sequence[Mapping[str, Any]], *, patience: Patience
) -> list[dict[str, Any]]:
    """What became of each event: `created`, `replayed`, `refused` (with its problem) or `parked`, in their order.

    The whole batch is sent again while it, or an event in it, may still succeed; ids keep that from doubling
    anything (semantics E1). Raises CliError where the service stays away, or refuses all there is.
    """
    settled: list[dict[str, Any] | None] = [None] * len(events)

    async def attempt() -> list[dict[str, Any]]:
        results = (await _asked(client, "POST", "/v1/events/batch", {"events": events}))["results"]
        for i, result in enumerate(results):
            if settled[i] is None and result["outcome"] not in _AGAIN:
                settled[i] = result
        left = [str(event["id"]) for event, result in zip(events, settled, strict=True) if result is None]
        if left:
            raise _Again(f"{len(left)} events could not be recorded yet, the first is {left[0]}")
        return [result for result in settled if result is not None]

    results: list[dict[str, Any]] = await _patiently(attempt, client, patience)
    for result in results:
        code = str(result.get("problem", {}).get("code"))
        if code in _HOPELESS:
            raise CliError(_HOPELESS[code])
    return results


class _Again(Exception):
    def __init__(self, reason: str, *, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


async def _patiently(attempt: Callable[[], Awaitable[Any]], client: httpx.AsyncClient, patience: Patience) -> Any:
    ends, pause, said = patience.monotonic() + patience.seconds, _FIRST_PAUSE, ""
    while True:
        try:
            return await attempt()
        except _Again as reason:
            wait = max(pause, reason.pause)
            if patience.monotonic() + wait > ends:
                raise Unreachable(f"{client.base_url} gives no answer to go on with: {reason}") from None
            if str(reason) != said:
                said = str(reason)
                patience.say(f"waiting: {reason}")
        await patience.sleep(wait)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _asked(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """A JSON answer. Raises _Again where asking again may help, CliError where it will not."""
    try:
        response = await client.request(method, path, json=body, timeout=TIMEOUT)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise CliError(f"{client.base_url} is no address of the API: {error}") from None
    except httpx.TransportError as error:
        raise _Again(str(error) or type(error).__name__) from None
    if response.status_code >= 500 or response.status_code == 429:
        raise _Again(f"it answered {response.status_code}", pause=_retry_after(response))
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise CliError(f"{client.base_url} is not Zegel's API: it answered {response.status_code} without JSON")
    if response.is_success:
        return answer
    code = str(answer.get("code"))
    scope = f" (it lacks {answer['scope']})" if "scope" in answer else ""
    raise Refused(_HOPELESS.get(code, f"the service refuses: {code}: {answer.get('detail')}") + scope, answer)


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() and len(text) < 6 else 0.0
