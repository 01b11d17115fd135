"""The queue: bounded, deaf to callers who hang up, drained at the end, and no command spoils its neighbors."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.ledger import batch as batches
from app.ledger.corridor import BATCH_COMMANDS, PIECE_COMMANDS, WAITING_COMMANDS
from app.settings import Settings
from tests.builders import Clock, Service, at, open_service, publish, purchase
from tests.database import assert_whole, count

BATCH = "/v1/events/batch"


@asynccontextmanager
async def members_locked(settings: Settings) -> AsyncIterator[None]:
    """Nobody can post anything to a known member meanwhile."""
    connection = await asyncpg.connect(settings.migration_database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM member FOR UPDATE")
            yield
    finally:
        await connection.close()


async def flying(service: Service, *bodies: object, path: str = "/v1/events") -> list["asyncio.Task[httpx.Response]"]:
    """Requests that have been admitted but not answered."""
    tasks = [asyncio.create_task(service.send(body, path=path)) for body in bodies]
    await asyncio.sleep(0.2)
    assert not any(task.done() for task in tasks)
    return tasks


async def test_commands_that_arrive_together_are_committed_together(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    await service.buy()
    async with members_locked(settings):
        tasks = await flying(service, *[purchase(id=f"t{number}") for number in range(30)])

    assert Counter(answer.status_code for answer in await asyncio.gather(*tasks)) == {201: 30}
    assert await count(owner, "block") <= 3
    await assert_whole(owner)


async def test_who_gives_way_waits_for_the_batch_under_way_but_not_for_ever(
    service: Service, settings: Settings
) -> None:
    await service.buy()
    ledger = service.app.state.parts.ledger
    async with asyncio.timeout(10):
        await ledger.give_way(seconds=60)  # nothing is under way
    async with members_locked(settings):
        (task,) = await flying(service, purchase(id="under-way"))
        await ledger.give_way(seconds=0.01)
        waiting = asyncio.create_task(ledger.give_way(seconds=60))
        await asyncio.sleep(0.2)
        too_early = waiting.done()
    async with asyncio.timeout(10):
        await waiting

    assert not too_early
    assert (await task).status_code == 201


async def test_a_full_queue_turns_whole_requests_away(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    await service.buy(id="first")
    nobody = {"type": "redemption", "member": "card:0", "occurred_at": at(service.clock.now), "points": 1}
    batch = {"events": [{**nobody, "id": f"b{number}"} for number in range(BATCH_COMMANDS)]}
    async with members_locked(settings):
        under_way = await flying(service, purchase(id="under-way"))
        full = WAITING_COMMANDS // BATCH_COMMANDS
        waiting = [asyncio.create_task(service.send(batch, path=BATCH)) for _ in range(full)]
        while not _is_full(service):
            await asyncio.sleep(0.05)

        turned_away = await service.send(purchase(id="one-more"))

    assert (turned_away.status_code, turned_away.json()["code"]) == (503, "too_busy")
    assert (turned_away.json()["outcome"], turned_away.headers["Retry-After"]) == ("not_applied", "1")
    answered = await asyncio.gather(*under_way, *waiting)
    assert [answer.status_code for answer in answered] == [201] + [207] * full
    assert (await service.send(purchase(id="one-more"))).status_code == 201
    assert await count(owner, "event", "kind = 'purchase'") == 3


def _is_full(service: Service) -> bool:
    return any(queue.waiting == WAITING_COMMANDS for queue in service.app.state.parts.ledger._queues.values())


async def test_a_caller_who_hangs_up_cancels_nothing(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    await service.buy()
    async with members_locked(settings):
        tasks = await flying(service, purchase(id="gone"), purchase(id="stays"))
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)

    assert (await tasks[1]).status_code == 201
    again = await service.send(purchase(id="gone"))
    assert (again.status_code, await count(owner, "event", "key = 'gone'")) == (200, 1)


async def test_leaving_answers_everybody_who_was_admitted(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as service:
        await service.buy()
        lock = members_locked(settings)
        await lock.__aenter__()
        tasks = await flying(service, *[purchase(id=f"t{number}") for number in range(5)])
        leaving = asyncio.create_task(service.app.state.parts.ledger.drain())
        await asyncio.sleep(0.1)

        late = await service.send(purchase(id="late"))
        assert not leaving.done()
        await lock.__aexit__(None, None, None)
        await leaving
        answers = await asyncio.gather(*tasks)

    assert (late.status_code, late.json()["code"]) == (503, "too_busy")
    assert [answer.status_code for answer in answers] == [201] * 5
    assert await count(owner, "event", "key LIKE 't%'") == 5
    assert await count(owner, "event", "key = 'late'") == 0


async def test_one_poisonous_command_fails_alone(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    await service.buy(id="first", card="1")
    await owner.execute("ALTER TABLE event ADD CONSTRAINT bitter CHECK (key <> 'poison')")
    async with members_locked(settings):
        keys = ("a", "poison", "b", "c")
        tasks = await flying(service, *[purchase(id=key, card="1") for key in keys])
    answers = dict(zip(keys, await asyncio.gather(*tasks), strict=True))

    assert {key: answer.status_code for key, answer in answers.items()} == {"a": 201, "poison": 503, "b": 201, "c": 201}
    assert answers["poison"].json()["outcome"] == "not_applied"
    batch = await service.send({"events": [purchase(id="poison"), purchase(id="d")]}, path=BATCH)
    assert [one["outcome"] for one in batch.json()["results"]] == ["failed", "created"]
    await assert_whole(owner)


async def test_a_batch_blocked_by_another_transaction_is_tried_again(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    await service.buy(id="first", card="1")
    await service.buy(id="second", card="2")
    connection = await asyncpg.connect(settings.migration_database_url)
    transaction = connection.transaction()
    await transaction.start()
    members = await connection.fetch("SELECT member_id FROM member ORDER BY member_id")
    await connection.execute("SELECT 1 FROM member WHERE member_id = $1 FOR UPDATE", members[1]["member_id"])
    both = {"events": [purchase(id="x1", card="1"), purchase(id="x2", card="2")]}
    (task,) = await flying(service, both, path="/v1/events/batch")

    other = asyncio.create_task(
        connection.execute("SELECT 1 FROM member WHERE member_id = $1 FOR UPDATE", members[0]["member_id"])
    )
    deadlocked = await asyncio.gather(other, return_exceptions=True)
    await transaction.rollback()
    answer = await task
    await connection.close()

    assert [one["outcome"] for one in answer.json()["results"]] == ["created", "created"], deadlocked
    await assert_whole(owner)


async def test_what_an_earlier_piece_of_a_batch_wrote_is_known_to_the_next(
    service: Service, owner: asyncpg.Connection
) -> None:
    """Members enrolled, lots opened and drawn on, lots used up: in one piece, and found again in the others."""
    events: list[dict[str, object]] = []
    for n in range(BATCH_COMMANDS // 2):
        when = service.clock.now - timedelta(seconds=BATCH_COMMANDS - n)
        events.append(purchase("10.00", id=f"p{n}", card=str(n % 7), at=when))
        spent = {"type": "redemption", "member": f"card:{n % 7}", "points": 9 if n % 2 else 10}
        events.append({**spent, "id": f"r{n}", "occurred_at": at(when)})

    answer = await service.send({"events": events}, path=BATCH)
    again = await service.send({"events": events}, path=BATCH)

    assert Counter(one["outcome"] for one in answer.json()["results"]) == {"created": BATCH_COMMANDS}
    assert Counter(one["outcome"] for one in again.json()["results"]) == {"replayed": BATCH_COMMANDS}
    assert [one["event"] for one in again.json()["results"]] == [one["event"] for one in answer.json()["results"]]
    assert BATCH_COMMANDS > 2 * PIECE_COMMANDS
    assert await count(owner, "block") == 1
    await assert_whole(owner)


async def test_a_fault_in_a_later_piece_undoes_the_earlier_ones(
    service: Service, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    save = batches.save

    async def failing(*args: Any, **named: Any) -> Any:
        nonlocal written
        written += 1
        if written == 2:
            raise RuntimeError("planted")
        return await save(*args, **named)

    monkeypatch.setattr(batches, "save", failing)
    events = [purchase(id=f"p{n}", card=str(n % 7)) for n in range(2 * PIECE_COMMANDS)]

    answer = await service.send({"events": events}, path=BATCH)

    assert Counter(one["outcome"] for one in answer.json()["results"]) == {"created": len(events)}
    assert await count(owner, "event", "kind = 'purchase'") == len(events)
    assert await count(owner, "block") == len(events), "each by itself, after the batch had failed"
    await assert_whole(owner)


async def test_an_answer_does_not_wait_for_a_batch_that_waits_for_a_lock(
    service: Service, settings: Settings, owner: asyncpg.Connection
) -> None:
    """Under load an answer is given while the next batch is being written; one that hangs must not keep it."""
    await service.buy(id="known", card="1")
    free = {"events": [purchase(id=f"free{n}", card=f"new{n}") for n in range(PIECE_COMMANDS)]}
    async with members_locked(settings):
        first = asyncio.create_task(service.send(free, path=BATCH))
        await asyncio.sleep(0)
        stuck = asyncio.create_task(service.send(purchase(id="stuck", card="1")))

        answer = await asyncio.wait_for(first, timeout=10)

        assert {one["outcome"] for one in answer.json()["results"]} == {"created"}
        assert not stuck.done()
    assert (await stuck).status_code == 201
    await assert_whole(owner)
