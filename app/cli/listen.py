"""`zegel listen`: the messages of a shop as they come, shown and handed on to an address of the developer's."""

import asyncio
import secrets
import time
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from app.cli import opening
from app.cli.errors import CliError
from app.cli.listening import forwarding, position, running
from app.cli.listening.position import Kept
from app.cli.listening.running import Listening
from app.webhooks import signing

SECRET_BYTES = 32
_NO_KEY = "no API key: set ZEGEL_KEY, or say --key; make one with `zegel keys create --program NAME --shop NAME`"


class Begin(StrEnum):
    """Where to begin the first time."""

    LATEST = "latest"
    OLDEST = "oldest"


Forward = Annotated[str | None, typer.Option(help="Where to POST each message, signed.", metavar="URL")]
Url = Annotated[str | None, typer.Option(help="Where the API is.", show_default="ZEGEL_URL")]
Key = Annotated[str | None, typer.Option(help="An API key that has the scope feed:read.", show_default="ZEGEL_KEY")]
From = Annotated[
    Begin | None,
    typer.Option(help="Forget the position; begin with what comes next, or the oldest there is.", show_default=False),
]
Secret = Annotated[
    str | None, typer.Option(help="Sign with this secret, whsec_….", show_default="one that is made and kept")
]
Position = Annotated[
    Path | None,
    typer.Option("--position", help="File that keeps the position.", show_default="one for each key", dir_okay=False),
]
Bodies = Annotated[bool, typer.Option("--bodies", help="Show whole messages.")]
Once = Annotated[bool, typer.Option("--once", help="End when all that there is has been shown.")]


def listen(
    forward: Forward = None,
    url: Url = None,
    key: Key = None,
    begin: From = None,
    secret: Secret = None,
    position_file: Position = None,
    bodies: Bodies = False,
    once: Once = False,
) -> None:
    """Show a shop's messages as they come and, with --forward, hand them on: webhooks for a machine without an address.

    It pulls the feed, so nothing needs to reach this machine. Stopped and started again, it goes on where it was.
    """
    settings = opening.settings()
    found, base = key or settings.key, (url or settings.url).rstrip("/")
    if found is None:
        raise CliError(_NO_KEY)
    file = position_file or position.default_file(base, found)
    kept = _kept(file, begin, secret)
    if forward is not None:
        forwarding.checked(forward)
        opening.console.print(
            f"forwarding to {forward}, signed with the development secret {kept.secret}", markup=False
        )
    shown = Console(highlight=False, soft_wrap=True)
    how = Listening(
        file=file,
        forward=forward,
        begin=(begin or Begin.LATEST).value,
        bodies=bodies,
        once=once,
        secret=forwarding.secret_bytes(kept.secret),
        version=version("zegel"),
        clock=time.time,
        say=lambda what: shown.print(what, markup=False),
    )
    asyncio.run(_run(base, found, kept, how))


async def _run(url: str, key: str, kept: Kept, how: Listening) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
        httpx.AsyncClient(trust_env=False) as outward,
    ):
        await running.listen(client, outward, kept, how)


def _kept(file: Path, begin: Begin | None, secret: str | None) -> Kept:
    """What the last run left, but for what is asked for otherwise."""
    earlier = position.load(file)
    made = signing.secret_text(secrets.token_bytes(SECRET_BYTES))
    text = secret or (earlier.secret if earlier is not None else made)
    after = earlier.after if earlier is not None and begin is None else None
    return Kept(secret=text, after=after)
