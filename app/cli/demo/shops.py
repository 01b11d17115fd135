"""How a till, a webshop and an app speak to the service: with patience, and sometimes twice."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from app.cli.demo.tally import Person, Tally
from app.cli.errors import CliError

SHOPS = ("till", "webshop", "app")
TIMEOUT = httpx.Timeout(20, connect=5)
_TRIES = 8


@dataclass(slots=True)
class Stage:
    """What everybody in the demo shares. `run` begins every id, so that each start of the demo has its own."""

    run: str
    clients: Mapping[str, httpx.AsyncClient]
    tally: Tally
    draw: random.Random
    clock: Callable[[], datetime]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self, shop: str) -> str:
        return f"{self.run}-{shop}-{next(self.numbers):05d}"

    def now(self) -> str:
        return written(self.clock())


def written(instant: datetime) -> str:
    """A time as a till writes it."""
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


async def ask(stage: Stage, shop: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
    """A shop's GET or, with a body, POST; again while the service is away. Raises CliError if it stays away."""
    client, pause = stage.clients[shop], 0.1
    for _ in range(_TRIES):
        try:
            answer = await client.request("GET" if body is None else "POST", path, json=body, timeout=TIMEOUT)
            if answer.status_code < 500:
                return answer
        except httpx.TransportError:
            pass
        await asyncio.sleep(pause)
        pause *= 2
    raise CliError("the service stopped answering: see its log in the data folder")


async def record(stage: Stage, shop: str, body: Mapping[str, Any], *, twice: bool = False) -> dict[str, Any] | None:
    """Sends an event and notes what came of it; `twice` sends it again, as after an answer that was lost."""
    answer = await ask(stage, shop, "/v1/events", body)
    if not answer.is_success:
        if await _knew_too_little(stage, shop, body, answer):
            stage.tally.refused += 1
        else:
            stage.tally.surprise(f"{body['type']} {body['id']}: {answer.status_code} {answer.text[:200]}")
        return None
    event: dict[str, Any] = answer.json()
    stage.tally.acknowledge(event)
    if twice:
        again = await ask(stage, shop, "/v1/events", body)
        stage.tally.duplicates += 1
        stage.tally.replayed += (
            again.status_code == httpx.codes.OK
            and again.headers.get("Idempotent-Replayed") == "true"
            and again.json() == event
        )
    return event


async def _knew_too_little(stage: Stage, shop: str, body: Mapping[str, Any], answer: httpx.Response) -> bool:
    """Whether points went that the shop had not heard of, such as a bonus for a friend: the balance says so, too."""
    facts = answer.json()
    person = next((one for one in stage.tally.people.values() if one.name == body["member"]), None)
    if person is None or facts.get("code") != "insufficient_points":
        return False
    person.available = facts["available"]
    found = await ask(stage, shop, f"/v1/members/{person.id}/balance")
    return bool(found.json()["units"]["points"]["available"] == facts["available"])


async def upload(stage: Stage, shop: str, events: Sequence[Mapping[str, Any]]) -> None:
    """An offline till's receipts in one batch; the line drops, so it sends them all again."""
    first = await ask(stage, shop, "/v1/events/batch", {"events": events})
    again = await ask(stage, shop, "/v1/events/batch", {"events": events})
    stage.tally.uploads += 1
    if first.status_code != httpx.codes.MULTI_STATUS or again.status_code != httpx.codes.MULTI_STATUS:
        stage.tally.surprise(f"batch: {first.status_code}, {again.status_code}")
        return
    for sent, one, two in zip(events, first.json()["results"], again.json()["results"], strict=True):
        if one["outcome"] != "created":
            stage.tally.surprise(f"{sent['id']}: {one['outcome']} {one.get('problem', {}).get('code')}")
            continue
        name = sent["member"] if isinstance(sent["member"], str) else sent["member"]["identity"]
        stage.tally.people.setdefault(one["event"]["member"], Person(name, one["event"]["member"]))
        stage.tally.acknowledge(one["event"])
        stage.tally.duplicates += 1
        stage.tally.replayed += two["outcome"] == "replayed" and two["event"] == one["event"]


async def parks(stage: Stage, shop: str, body: Mapping[str, Any]) -> None:
    """Sends an event before the one that it names, twice: it waits."""
    for _ in range(2):
        answer = await ask(stage, shop, "/v1/events", body)
        if answer.status_code != httpx.codes.ACCEPTED:
            stage.tally.surprise(f"{body['type']} {body['id']}: {answer.status_code}, and should wait")


async def released(stage: Stage, shop: str, body: Mapping[str, Any]) -> None:
    """Notes what came of an event that waited, once the one that it names has come."""
    found = await ask(stage, shop, f"/v1/events?source={shop}&id={body['id']}&kind={body['type']}")
    events = found.json()["events"]
    if len(events) != 1:
        stage.tally.surprise(f"{body['type']} {body['id']}: it waits although its purchase has come")
        return
    stage.tally.acknowledge(events[0])
    stage.tally.waited += 1
