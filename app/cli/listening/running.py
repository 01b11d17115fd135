"""The loop of `zegel listen`: a page of the feed, each message shown and handed on, then the position kept."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from rich.text import Text

from app.cli.importing import sending
from app.cli.importing.sending import Patience
from app.cli.listening import display, forwarding, position
from app.cli.listening.position import Kept

PAGE = 20
WAIT_SECONDS = 20
AGAIN_SECONDS = 2.0
"""How long to wait before a message is handed on again that nobody took because nobody was there."""


@dataclass(frozen=True, slots=True)
class Listening:
    """What to listen to, and what to do with it: `forward` is an address, `begin` is used without a position."""

    file: Path
    forward: str | None
    begin: str
    bodies: bool
    once: bool
    secret: bytes = field(repr=False)
    version: str
    clock: Callable[[], float]
    say: Callable[[Text | str], None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def listen(client: httpx.AsyncClient, outward: httpx.AsyncClient, kept: Kept, how: Listening) -> int:
    """Shows and hands on message after message, until it is stopped; with `once`, until there are no more. How many.

    The position moves when a page is done with: what is stopped in the middle shows a few messages again.
    """
    shown = 0
    while True:
        page = await _page(client, kept, how)
        for message in page["messages"]:
            how.say(display.whole(message) if how.bodies else display.line(message))
            if how.forward is not None:
                await _hand_on(outward, message, how, url=how.forward)
        shown += len(page["messages"])
        if page["next"] != kept.after:
            kept = replace(kept, after=page["next"])
            position.save(how.file, kept)
        if how.once and not page["more"] and not page["messages"]:
            return shown


async def _page(client: httpx.AsyncClient, kept: Kept, how: Listening) -> dict[str, Any]:
    asked = {"limit": str(PAGE), "wait": "0" if how.once else str(WAIT_SECONDS)}
    asked |= {"begin": how.begin} if kept.after is None else {"after": kept.after}
    patience = Patience(say=how.say)
    try:
        return await sending.get(client, f"/v1/feed?{urlencode(asked)}", patience=patience)
    except sending.Refused as refused:
        if refused.answer.get("code") != "feed_gone":
            raise
        how.say("what follows the last position is kept no longer: going on from the oldest message there is")
        asked["after"] = str(refused.answer["oldest"])
        return await sending.get(client, f"/v1/feed?{urlencode(asked)}", patience=patience)


async def _hand_on(client: httpx.AsyncClient, message: dict[str, Any], how: Listening, *, url: str) -> None:
    """Until somebody is there to take or refuse it."""
    said = ""
    while True:
        came = await forwarding.hand_on(
            client, url, message, secret=how.secret, timestamp=int(how.clock()), version=how.version
        )
        if came.status is not None:
            how.say(display.came(came))
            return
        if came.error != said:
            said = came.error or ""
            how.say(display.came(came))
        await how.sleep(AGAIN_SECONDS)
