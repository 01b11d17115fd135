"""The live display: a table where there is a terminal, a plain line every few seconds where there is none."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

from app.cli.demo.receiver import Inbox
from app.cli.demo.tally import Tally

LINE_SECONDS = 3.0
_FRAME_SECONDS = 0.25
_WINDOW_SECONDS = 3.0


@dataclass(slots=True)
class Pace:
    """Events per second over the last few."""

    seen: deque[tuple[float, int]] = field(default_factory=deque)

    def at(self, now: float, events: int) -> float:
        """The pace, now that there are so many."""
        self.seen.append((now, events))
        while len(self.seen) > 2 and now - self.seen[1][0] >= _WINDOW_SECONDS:
            self.seen.popleft()
        then, before = self.seen[0]
        return (events - before) / (now - then) if now > then else 0.0


async def show(
    console: Console,
    tally: Tally,
    inbox: Inbox,
    *,
    done: asyncio.Event,
    stage: Callable[[], str],
    every: float = LINE_SECONDS,
) -> None:
    """Shows how things stand until `done` is set; `stage` says what is going on, lines come `every` so often."""
    began, pace = time.monotonic(), Pace()
    if not console.is_terminal:
        while not await _waited(done, every):
            now = time.monotonic()
            console.print(line(tally, inbox, seconds=now - began, rate=pace.at(now, tally.events)), markup=False)
        return
    with Live(console=console, auto_refresh=False, transient=False) as live:
        ended = False
        while not ended:
            ended = await _waited(done, _FRAME_SECONDS)
            now = time.monotonic()
            live.update(table(tally, inbox, rate=pace.at(now, tally.events), title=stage()), refresh=True)


def line(tally: Tally, inbox: Inbox, *, seconds: float, rate: float) -> str:
    """How things stand, in a line."""
    return (
        f"{seconds:4.0f} s  {tally.events:,} events ({rate:,.0f}/s)  points {tally.issued:,} issued, "
        f"{tally.redeemed:,} redeemed  {_tiers(tally)}  webhooks {len(inbox.verified):,} verified"
    )


def table(tally: Tally, inbox: Inbox, *, rate: float, title: str) -> Table:
    """How things stand, in full."""
    shown = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    bonuses = inbox.types["referral.rewarded"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(tally.kinds.items(), key=lambda item: -item[1]))
    for name, text in (
        ("events", f"{tally.events:,}  ({rate:,.0f} a second)"),
        ("", kinds),
        ("points", f"{tally.issued:,} issued, {tally.redeemed:,} redeemed, {tally.taken_back:,} taken back"),
        ("members", f"{len(tally.people):,}:  {_tiers(tally)}"),
        ("friends", f"{tally.by_friend:,} joined by a friend's code, {bonuses:,} bonuses paid"),
        ("webhooks", f"{len(inbox.verified):,} delivered and verified, {inbox.forged:,} with a wrong signature"),
        ("", f"{inbox.failed_on_purpose:,} failed on purpose to be tried again, {inbox.again:,} came twice"),
        ("sent twice", f"{tally.duplicates:,}, of which {tally.replayed:,} answered as replays"),
        (
            "offline till",
            f"{tally.uploads:,} uploads, each sent twice; {tally.waited:,} returns came before their sale",
        ),
        ("refused", f"{tally.refused:,} redemption of more than there was"),
    ):
        shown.add_row(f"[bold]{name}[/]", text)
    return shown


def _tiers(tally: Tally) -> str:
    found = tally.tiers()
    order = ("bronze", "silver", "gold")
    return ", ".join(f"{found[tier]:,} {tier}" for tier in (*order, *sorted(set(found) - set(order))))


async def _waited(done: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return False
    return True
