"""Does it all agree? What was acknowledged, what the ledger holds, what balances say, and what webhooks brought."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from app.cli.demo import shops
from app.cli.demo.receiver import Inbox
from app.cli.demo.shops import SHOPS, Stage
from app.db.transactions import Engine
from app.domain import typeid
from app.queries import messages

DELIVERY_SECONDS = 30.0
_QUIET_SECONDS = 2.0
"""Longer than the worker rests between two looks at what is due."""
_AT_ONCE = 6
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared, in words with figures."""

    right: bool
    text: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the program's messages are read: those after `began`; from `subscribed` on each is sent to our endpoint."""

    engine: Engine
    program_id: bytes
    began: bytes
    subscribed: bytes

    async def messages(self) -> frozenset[str]:
        """What may have been sent to us."""
        found = await messages.ids_after(self.engine, program_id=self.program_id, after=self.began)
        return frozenset(typeid.encode(typeid.MESSAGE, id) for id in found)

    def due(self, sent: frozenset[str]) -> frozenset[str]:
        """What must have been: ids of a kind sort by their time."""
        since = typeid.encode(typeid.MESSAGE, self.subscribed)
        return frozenset(id for id in sent if id > since)


async def settled(ledger: Ledger, inbox: Inbox) -> None:
    """Waits until the worker rests and every message has arrived, or for as long as a retry may take."""
    ends = time.monotonic() + DELIVERY_SECONDS
    quiet_since, count = time.monotonic(), -1
    while time.monotonic() < ends:
        sent = ledger.due(await ledger.messages())
        if len(sent) != count or not sent <= inbox.verified:
            quiet_since, count = time.monotonic(), len(sent)
        elif time.monotonic() - quiet_since >= _QUIET_SECONDS:
            return
        await asyncio.sleep(0.2)


async def reconcile(stage: Stage, ledger: Ledger, inbox: Inbox) -> tuple[Check, ...]:
    """Everything compared, by the API's own answers where it can be."""
    limit = asyncio.Semaphore(_AT_ONCE)
    accounts = await asyncio.gather(*(_member(stage, id, limit) for id in stage.tally.people))
    return (
        *_events(stage, [event for events, _ in accounts for event in events]),
        _balances([(_sums(events), balances) for events, balances in accounts]),
        _replays(stage),
        await _messages(ledger, inbox),
        *(Check(False, f"a surprise: {text}") for text in stage.tally.surprises),
    )


async def _member(stage: Stage, id: str, limit: asyncio.Semaphore) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """A member's statement, and balances by unit."""
    events: list[dict[str, Any]] = []
    async with limit:
        path = f"/v1/members/{id}/statement?limit={_PAGE}"
        cursor = ""
        while True:
            page = _json(await shops.ask(stage, "till", path + cursor))
            events += page["events"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        units = _json(await shops.ask(stage, "till", f"/v1/members/{id}/balance"))["units"]
    return events, {unit: account["balance"] for unit, account in units.items()}


def _events(stage: Stage, events: list[dict[str, Any]]) -> tuple[Check, Check]:
    """Exactly what was acknowledged is recorded, each event with the points it was answered with."""
    said = stage.tally.acknowledged
    found = {_key(event): _sums([event]) for event in events if event["source"] in SHOPS}
    missing, foreign = len(said.keys() - found.keys()), len(found.keys() - said.keys())
    answered = sum(points["points"] for points in map(Counter, said.values()))
    recorded = sum(points["points"] for points in found.values())
    differing = sum(1 for key in said.keys() & found.keys() if Counter(said[key]) != found[key])
    return (
        Check(
            not missing and not foreign,
            f"{len(said):,} events acknowledged, {len(found):,} in the ledger: {missing} lost, {foreign} too many",
        ),
        Check(
            not differing and answered == recorded,
            f"{answered:,} points by the answers, {recorded:,} by the ledger: {differing} events differ",
        ),
    )


def _balances(accounts: list[tuple[Counter[str], dict[str, int]]]) -> Check:
    wrong = sum(1 for sums, balances in accounts if any(balances[unit] != sums[unit] for unit in {*balances, *sums}))
    total = sum(balances.get("points", 0) for _, balances in accounts)
    return Check(not wrong, f"{len(accounts):,} members hold {total:,} points: {wrong} balances differ from their sums")


def _replays(stage: Stage) -> Check:
    sent, right = stage.tally.duplicates, stage.tally.replayed
    return Check(sent == right, f"{sent:,} events sent twice, {right:,} answered as replays of the first")


async def _messages(ledger: Ledger, inbox: Inbox) -> Check:
    sent = await ledger.messages()
    due = ledger.due(sent)
    lost, strange = len(due - inbox.verified), len(inbox.verified - sent)
    return Check(
        not lost and not strange and not inbox.forged,
        f"{len(due):,} messages committed, {len(inbox.verified):,} received and verified: {lost} lost, "
        f"{strange} unknown, {inbox.forged} forged ({inbox.failed_on_purpose} were tried again)",
    )


def _key(event: dict[str, Any]) -> tuple[str, str, str]:
    return event["source"], event["type"], event["source_id"]


def _sums(events: list[dict[str, Any]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for event in events:
        for entry in event["entries"]:
            sums[entry["unit"]] += entry["points"]
    return sums


def _json(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    return dict(answer.json())
