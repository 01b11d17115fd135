"""How far delivery is behind, as it is counted and as it is told to a scraper."""

import re
from datetime import timedelta

import asyncpg

from app.db.transactions import Engine
from app.operations import feeds
from app.queries import backlog
from tests.builders import START, Service
from tests.webhooks import rows

URL = "https://shop.example/"


async def test_nothing_is_behind_where_there_is_nothing(engine: Engine) -> None:
    assert await backlog.read(engine, now=START) == backlog.Backlog(0, None, {})


async def test_what_counts_as_late_is_due_and_could_be_sent(engine: Engine) -> None:
    program = await rows.make_program(engine)
    states = ("enabled", "paused", "disabled", "deleted")
    ids = {state: await rows.make_endpoint(engine, program, URL, state=state) for state in states}
    resting = await rows.make_endpoint(engine, program, URL, open_until=START + timedelta(seconds=1))
    old, recent = START - timedelta(hours=1), START - timedelta(minutes=1)
    await rows.make_messages(engine, program, [ids["paused"], ids["disabled"], ids["deleted"], resting], due_at=old)
    await rows.make_messages(engine, program, [ids["enabled"]], due_at=recent)
    await rows.make_messages(engine, program, [ids["enabled"]], due_at=START + timedelta(hours=1))

    found = await backlog.read(engine, now=START)
    later = await backlog.read(engine, now=START + timedelta(seconds=1))

    assert (found.pending, found.due_since) == (6, recent)
    assert found.endpoints == {"enabled": 1, "paused": 1, "disabled": 1, "resting": 1}
    assert (later.due_since, later.endpoints["enabled"]) == (old, 2)


async def test_what_has_no_place_in_the_feed_is_counted_until_it_has(
    service: Service, engine: Engine, owner: asyncpg.Connection
) -> None:
    written = service.clock()
    await service.enrol()
    await owner.execute("UPDATE unsequenced SET written_at = $1", written)  # the database's own clock is ahead
    service.clock.forward(minutes=7)
    await service.enrol("1002")
    total = await owner.fetchval("SELECT count(*) FROM message")

    before = await backlog.read(engine, now=service.clock())
    text = (await service.client.get("/metrics")).text
    await feeds.sequence(engine, now=service.clock())
    after = await backlog.read(engine, now=service.clock())

    assert (before.unsequenced, before.unsequenced_since) == (total, written)
    assert f"zegel_feed_unsequenced {float(total)}" in text
    assert "zegel_feed_oldest_unsequenced_seconds 420.0" in text
    assert (after.unsequenced, after.unsequenced_since) == (0, None)


async def test_the_gauges_say_so(service: Service, owner: asyncpg.Connection) -> None:
    made = await service.send({"url": URL}, path="/v1/webhook-endpoints", headers={"Idempotency-Key": "k1"})
    assert made.status_code == 201
    await service.enrol()
    service.clock.forward(minutes=7)

    text = (await service.client.get("/metrics")).text

    told = dict(re.findall(r"^(zegel_webhook_[a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE))
    assert float(told["zegel_webhook_pending"]) == 1
    assert float(told["zegel_webhook_oldest_pending_seconds"]) == 420
    assert float(told['zegel_webhook_endpoints{state="enabled"}']) == 1
    assert float(told['zegel_webhook_endpoints{state="disabled"}']) == 0
