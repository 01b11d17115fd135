"""A jump of the clock over the end of points: the service itself, in this process, on a clock that the demo sets.

It is played in a program of its own, with a new member each time: what is recorded in the future must not meet the
present.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx

from app.cli import keys, program
from app.cli.demo.reconciling import Check
from app.cli.demo.scene import DESCRIPTION, DOCUMENT
from app.cli.demo.shops import written
from app.cli.errors import CliError
from app.db.transactions import Engine
from app.domain.scopes import SHOP
from app.main import Options, create_app, system_clock
from app.settings import Settings

PROGRAM = "demo-clock"
_KEY_DAYS = 1_000
_HOLD, _YEAR = timedelta(minutes=20), timedelta(days=430)


class _Clock:
    """The time, and as much later as the demo wants."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return system_clock() + self.ahead


async def jump(engine: Engine, settings: Settings, *, run: str) -> tuple[Check, ...]:
    """Buys and holds today, then looks again when the hold has lapsed, and when the points have ended."""
    clock = _Clock()
    async with _service(engine, settings, clock) as client:
        member = await _post(client, "/v1/members", {"id": f"{run}-join", "identities": {"app": f"{run}-late"}})
        who = {"member": member["id"], "currency": "EUR", "channel": "app", "total": "25.00"}
        sale = {"type": "purchase", "id": f"{run}-sale", "occurred_at": written(clock()), **who}
        bought = await _post(client, "/v1/events", sale)
        today = clock()
        hold = {"id": f"{run}-hold", "member": member["id"], "points": 30, "lasts": "PT15M"}
        await _post(client, "/v1/holds", hold)
        held = await _points(client, member["id"])
        clock.ahead = _HOLD
        lapsed = await _points(client, member["id"])
        clock.ahead = _YEAR
        ended = await _points(client, member["id"])
        survey = {"type": "activity", "id": f"{run}-survey", "member": member["id"], "activity": "survey"}
        await _post(client, "/v1/events", {**survey, "occurred_at": written(clock())})
        statement = await _get(client, f"/v1/members/{member['id']}/statement")
        then = await _points(client, member["id"], as_of=written(today))
    ends = {entry["expires_at"] for entry in bought["entries"] if entry["unit"] == "points"}
    expired = [event for event in statement["events"] if event["type"] == "expiry"]
    instants = {event["effective_at"] for event in expired}
    return (
        Check(
            (held["held"], held["available"], lapsed["held"], lapsed["available"]) == (30, 45, 0, 75),
            f"a hold keeps {held['held']} of 75 points, and {_HOLD.seconds // 60} minutes later {lapsed['held']}",
        ),
        Check(
            ended["available"] == 0 and then["balance"] == 75 and instants == ends,
            f"{_YEAR.days} days later {ended['available']} are left, although no job has run; they ended at "
            f"{', '.join(sorted(instants))}, and looking back there are {then['balance']}",
        ),
    )


@asynccontextmanager
async def _service(engine: Engine, settings: Settings, clock: _Clock) -> AsyncIterator[httpx.AsyncClient]:
    """The service without a worker, asked without a network, with a shop's key."""
    await program.publish_file(settings, DOCUMENT, code=PROGRAM)
    key = await keys.make_key(
        engine, settings, program=PROGRAM, shop="app", scopes=SHOP, label=DESCRIPTION, days=_KEY_DAYS
    )
    app = create_app(settings, Options(worker=False, clock=clock))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://zegel.invalid",
            headers={"Authorization": f"Bearer {key}"},
        ) as client,
    ):
        yield client


async def _points(client: httpx.AsyncClient, member: str, **query: str) -> dict[str, Any]:
    answer = await _get(client, f"/v1/members/{member}/balance", **query)
    return dict(answer["units"]["points"])


async def _get(client: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any]:
    return _answer(await client.get(path, params=query))


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return _answer(await client.post(path, json=body))


def _answer(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        raise CliError(f"on the jump of the clock: {response.status_code} {response.text[:200]}")
    return dict(response.json())
