"""The SQL of deliveries: what is claimed, what finishing changes, and along which index it runs."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.db import claims, deliveries
from app.db.claims import Claimed
from app.db.deliveries import Attempt
from app.db.transactions import Engine, transaction
from app.webhooks import protection
from tests.builders import START
from tests.db.plans import plan
from tests.webhooks import rows
from tests.webhooks.rows import new_id

LEASE = timedelta(seconds=60)
PLENTY = 1_000
MANY = 20_000


async def claim(engine: Engine, program_id: bytes, **different: Any) -> list[Claimed]:
    """As the loop claims: rooms are worked out under the lock, then what is due is taken."""
    now, limit = different.pop("now", START), different.pop("limit", PLENTY)
    lease = different.pop("lease", new_id())
    usual: dict[str, Any] = {"flying": {}, "unrecorded": {}, "most": PLENTY, "free": limit, "after": bytes(16)}
    async with transaction(engine) as connection:
        open = await claims.endpoints(connection, program_id=program_id, now=now)
        rooms = protection.rooms(open, now=now, **{**usual, **different})
        span: dict[str, Any] = {"now": now, "until": now + LEASE, "lease": lease, "limit": limit}
        return await claims.take(connection, rooms, program_id=program_id, **span)


def made(claimed: Claimed, *, state: str | None = "delivered", **different: Any) -> Attempt:
    usual: dict[str, Any] = {
        "id": new_id(),
        "started_at": START,
        "finished_at": START,
        "duration_ms": 5,
        "status": 200,
        "outcome": "delivered" if state == "delivered" else "failed",
        "error": None,
        "answer": b"ok",
        "due_at": None if state else START + timedelta(minutes=5),
    }
    return Attempt(claimed=claimed, state=state, **{**usual, **different})


async def pending(owner: asyncpg.Connection) -> list[tuple[Any, ...]]:
    found = await owner.fetch("SELECT due_at, lease, attempts FROM pending_delivery ORDER BY message_id, endpoint_id")
    return [tuple(row) for row in found]


async def test_a_claim_brings_everything_that_sending_needs(engine: Engine, owner: asyncpg.Connection) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/", secret=b"s" * 32)
    (message,) = await rows.make_messages(engine, program, [endpoint], body=b'{"a":1}')
    lease = new_id()

    claimed = await claim(engine, program, lease=lease)

    url, secret = "https://shop.example/", b"s" * 32
    assert claimed == [
        Claimed(program, endpoint, message, lease, START + LEASE, 0, url, secret, "points.earned", b'{"a":1}')
    ]
    assert await pending(owner) == [(START + LEASE, rows.uuids([lease])[0], 0)]


async def test_what_is_leased_falls_due_again_with_the_lease(engine: Engine) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
    await rows.make_messages(engine, program, [endpoint])

    claims = [
        len(await claim(engine, program, now=START + timedelta(seconds=after))) for after in (-0.001, 0, 59.999, 60)
    ]

    assert claims == [0, 1, 0, 1]


async def test_the_oldest_come_first_and_no_more_than_asked_for(engine: Engine) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
    late = await rows.make_messages(engine, program, [endpoint], count=3)
    early = await rows.make_messages(engine, program, [endpoint], count=2, due_at=START - timedelta(hours=1))

    claimed = await claim(engine, program, limit=3)

    assert {one.message_id for one in claimed} >= set(early)
    assert len({one.message_id for one in claimed} & set(late)) == 1


async def test_an_endpoint_gives_no_more_than_there_is_room_for_it(engine: Engine) -> None:
    program = await rows.make_program(engine)
    full, busy, free = [await rows.make_endpoint(engine, program, "https://shop.example/") for _ in range(3)]
    await rows.make_messages(engine, program, [full, busy, free], count=10)

    claimed = await claim(engine, program, most=4, flying={full: 4, busy: 1})

    counts = {id: sum(one.endpoint_id == id for one in claimed) for id in (full, busy, free)}
    assert counts == {full: 0, busy: 3, free: 4}


async def test_endpoints_with_most_room_come_first_and_then_each_has_its_turn(engine: Engine) -> None:
    program = await rows.make_program(engine)
    first, second, third = [await rows.make_endpoint(engine, program, "https://shop.example/") for _ in range(3)]
    await rows.make_messages(engine, program, [first, second, third], count=10)

    turns = [
        (await claim(engine, program, limit=1, most=2, free=2, flying={third: 1}, after=after))[0].endpoint_id
        for after in (bytes(16), first, second)
    ]
    last = (await claim(engine, program, limit=1, most=2, free=2, flying={first: 1, second: 1}))[0].endpoint_id

    assert turns == [first, second, first]
    assert last == third


@pytest.mark.parametrize("state", ["disabled", "deleted"])
async def test_an_endpoint_that_is_not_enabled_gives_nothing(engine: Engine, state: str) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/", state=state)
    await rows.make_messages(engine, program, [endpoint])

    assert await claim(engine, program) == []


async def test_another_programs_deliveries_are_not_claimed(engine: Engine) -> None:
    mine, theirs = await rows.make_program(engine), await rows.make_program(engine)
    await rows.make_messages(engine, theirs, [await rows.make_endpoint(engine, theirs, "https://shop.example/")])

    assert await claim(engine, mine) == []
    assert await deliveries.programs(engine) == (theirs,)


async def test_two_workers_never_claim_the_same(engine: Engine, owner: asyncpg.Connection) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
    messages = await rows.make_messages(engine, program, [endpoint], count=20)
    locked = rows.uuids(messages[:5])

    async with owner.transaction():
        await owner.execute("SELECT 1 FROM pending_delivery WHERE message_id = ANY($1) FOR UPDATE", locked)
        first = await claim(engine, program, limit=10)
        second = await claim(engine, program)

    assert [len(first), len(second)] == [10, 5]
    assert {one.message_id for one in first + second} == set(messages[5:])


async def test_a_last_attempt_ends_the_delivery(engine: Engine, owner: asyncpg.Connection) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
    await rows.make_messages(engine, program, [endpoint])
    (claimed,) = await claim(engine, program)

    ours = await deliveries.finish(engine, [made(claimed, status=204, answer=b"\0")])

    assert ours == 1
    assert await pending(owner) == []
    (delivery,) = await owner.fetch("SELECT state, attempts, finished_at FROM delivery")
    assert tuple(delivery) == ("delivered", 1, START)
    (attempt,) = await owner.fetch("SELECT number, duration_ms, status, outcome, error, answer FROM attempt")
    assert tuple(attempt) == (1, 5, 204, "delivered", None, b"\0")


async def test_a_failed_attempt_puts_the_delivery_off(engine: Engine, owner: asyncpg.Connection) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
    await rows.make_messages(engine, program, [endpoint])
    (claimed,) = await claim(engine, program)

    ours = await deliveries.finish(engine, [made(claimed, state=None, status=None, error="timed_out")])

    assert ours == 1
    assert await pending(owner) == [(START + timedelta(minutes=5), None, 1)]
    assert await owner.fetch("SELECT 1 FROM delivery") == []


@pytest.mark.parametrize("state", ["delivered", "exhausted", None])
async def test_a_lease_that_was_taken_over_changes_nothing_but_the_attempt_is_kept(
    engine: Engine, owner: asyncpg.Connection, state: str | None
) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
    await rows.make_messages(engine, program, [endpoint])
    (frozen,) = await claim(engine, program)
    (taker,) = await claim(engine, program, now=START + LEASE)
    before = await pending(owner)

    ours = await deliveries.finish(engine, [made(frozen, state=state)])

    assert ours == 0
    assert await pending(owner) == before
    assert await owner.fetchval("SELECT count(*) FROM delivery") == 0
    assert await deliveries.finish(engine, [made(taker)]) == 1
    assert await owner.fetchval("SELECT count(*) FROM attempt WHERE number = 1") == 2


async def test_a_delivery_that_has_ended_does_not_end_again(engine: Engine, owner: asyncpg.Connection) -> None:
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
    await rows.make_messages(engine, program, [endpoint])
    (frozen,) = await claim(engine, program)
    (taker,) = await claim(engine, program, now=START + LEASE)
    await deliveries.finish(engine, [made(taker)])

    await deliveries.finish(engine, [made(frozen, state="exhausted")])

    assert await owner.fetchval("SELECT string_agg(state, ',') FROM delivery") == "delivered"


async def test_recording_twice_is_recording_once(engine: Engine, owner: asyncpg.Connection) -> None:
    """As after a commit whose answer was lost."""
    program = await rows.make_program(engine)
    endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
    await rows.make_messages(engine, program, [endpoint], count=2)
    first, second = await claim(engine, program)
    attempts = [made(first), made(second, state=None)]

    ours = [await deliveries.finish(engine, attempts) for _ in range(2)]

    assert ours == [2, 0]
    assert [due for due, _, _ in await pending(owner)] == [START + timedelta(minutes=5)]
    assert await owner.fetchval("SELECT count(*) FROM attempt") == 2


async def test_one_batch_finishes_several_programs(engine: Engine, owner: asyncpg.Connection) -> None:
    claimed = []
    for _ in range(3):
        program = await rows.make_program(engine)
        endpoint = await rows.make_endpoint(engine, program, "https://shop.example/")
        await rows.make_messages(engine, program, [endpoint], count=2)
        claimed += await claim(engine, program)

    ours = await deliveries.finish(engine, [made(one) for one in reversed(claimed)])

    assert ours == 6
    assert await pending(owner) == []


async def test_a_deleted_endpoints_deliveries_are_abandoned_in_pages_but_for_those_being_sent(
    engine: Engine, owner: asyncpg.Connection
) -> None:
    program = await rows.make_program(engine)
    gone = await rows.make_endpoint(engine, program, "https://shop.example/")
    kept = await rows.make_endpoint(engine, program, "https://shop.example/", state="disabled")
    await rows.make_messages(engine, program, [gone, kept], count=5)
    (sending,) = await claim(engine, program, limit=1)
    await rows.change_endpoint(engine, gone, state="deleted")

    pages = [await deliveries.abandon(engine, program_id=program, now=START, limit=3) for _ in range(3)]
    late = await deliveries.abandon(engine, program_id=program, now=START + LEASE, limit=3)

    assert (pages, late) == ([3, 1, 0], 1)
    assert await owner.fetchval("SELECT count(*) FROM pending_delivery") == 5
    states = await owner.fetch("SELECT endpoint_id, state, attempts FROM delivery")
    assert {tuple(row) for row in states} == {(rows.uuids([gone])[0], "abandoned", 0)}
    assert sending.endpoint_id == gone


STATEMENTS = {
    "endpoints": (claims._ENDPOINTS, ["pending_delivery_due_idx"]),
    "take": (
        claims._TAKE,
        [
            "pending_delivery_due_idx",
            "pending_delivery_leased_idx",
            "pending_delivery_order_idx",
            "pending_delivery_pkey",
            "message_pkey",
        ],
    ),
    "follow": (claims._FOLLOW, ["pending_delivery_order_idx", "pending_delivery_pkey", "message_pkey"]),
    "finish": (deliveries._FINISH, ["pending_delivery_pkey", "pending_delivery_order_idx"]),
    "release": (deliveries._RELEASE, ["pending_delivery_due_idx", "pending_delivery_pkey"]),
    "refresh": (deliveries._REFRESH, ["pending_delivery_due_idx", "pending_delivery_pkey"]),
    "of": (deliveries._OF, ["pending_delivery_pkey"]),
    "abandon": (deliveries._ABANDON, ["pending_delivery_pkey"]),
    "gone": (deliveries._GONE, ["pending_delivery_pkey"]),
}


@pytest.mark.parametrize("table", ["empty", "full", "unanalyzed", "analyzed when it was empty"])
@pytest.mark.new_copy
async def test_every_statement_runs_along_its_index(engine: Engine, owner: asyncpg.Connection, table: str) -> None:
    await owner.execute("ALTER TABLE pending_delivery SET (autovacuum_enabled = off)")
    await owner.execute("ALTER TABLE message SET (autovacuum_enabled = off)")
    if table == "analyzed when it was empty":
        await owner.execute("ANALYZE")
    if table != "empty":
        await fill(owner, await rows.make_program(engine))
    if table == "full":
        await owner.execute("ANALYZE")

    plans = {name: await plan(owner, statement) for name, (statement, _) in STATEMENTS.items()}

    for name, (_, indexes) in STATEMENTS.items():
        assert all(index in plans[name] for index in indexes), plans[name]
        assert table == "empty" or "Seq Scan on pending_delivery" not in plans[name], plans[name]
        assert table == "empty" or "Seq Scan on message" not in plans[name], plans[name]


async def fill(owner: asyncpg.Connection, program_id: bytes) -> None:
    program = rows.uuids([program_id])[0]
    await owner.execute(
        "INSERT INTO endpoint (program_id, endpoint_id, url, description, secret, state, created_at, ordering)"
        " SELECT $1, gen_random_uuid(), 'https://shop.example/', '', '\\x00',"
        " CASE n WHEN 1 THEN 'disabled' WHEN 2 THEN 'deleted' ELSE 'enabled' END, now(),"
        " CASE WHEN n < 6 THEN 'none' ELSE 'member' END FROM generate_series(1, 10) n",
        program,
    )
    await owner.execute(
        "INSERT INTO message SELECT $1, gen_random_uuid(), NULL, NULL, NULL, 'test', '\\x00', now()"
        " FROM generate_series(1, $2::int)",
        program,
        MANY // 10,
    )
    await owner.execute(
        "INSERT INTO pending_delivery SELECT $1, endpoint_id, message_id, now(), NULL,"
        " CASE ordering WHEN 'member' THEN gen_random_uuid() END, 0, NULL,"
        " CASE ordering WHEN 'member' THEN 1 END FROM endpoint, message",
        program,
    )
