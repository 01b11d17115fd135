"""Whatever is changed in the ledger's tables behind the service's back is found by `zegel verify` (quality, Never)."""

import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from app.cli import verify
from app.settings import Settings
from tests.api.test_random_stories import PROGRAMS, Story
from tests.builders import Clock, at, open_service, publish, purchase

TABLES = (
    "event entry draw particulars message block member account open_lot reservation tier_term tier_floor usage parked"
).split()
"""What the ledger is, and what is derived from it."""

SOMETHING_ELSE = {
    "bigint": "{} + 1",
    "integer": "{} + 1",
    "smallint": "{} + 1",
    "text": "{} || 'x'",
    "bytea": "set_byte({0}, 0, 255 - get_byte({0}, 0))",
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": "{} + interval '1 second'",
    "boolean": "NOT {}",
    "json": "'{{\"x\": 1}}'::json",
    "jsonb": "'{{\"x\": 1}}'::jsonb",
}
"""How a value of each type becomes another one."""

UNPROVEN = {
    "draw.ordinal": "only the order of the draws is hashed",
    "message.message_id": "is by chance, and nothing else says it",
    "block.recorded_at": "the events say theirs",
    **dict.fromkeys(
        (
            f"parked.{name}"
            for name in (
                "source kind key event_id awaits_source awaits_kind awaits_key digest occurred_at parked_at lapses_at "
                "facts particulars mode"
            ).split()
        ),
        "waits outside the chain, and is judged when its turn comes",
    ),
}
"""What may be changed unseen, and why."""

LEAST = 100
"""So many places are tried at full size (quality, Never)."""


async def columns(owner: asyncpg.Connection, table: str) -> Sequence[tuple[str, str]]:
    found = await owner.fetch(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
        table,
    )
    return [(row["column_name"], row["data_type"]) for row in found]


async def told(settings: Settings, clock: Clock) -> None:
    """A story in which all tables have rows."""
    await publish(settings, clock=clock, document=PROGRAMS["waiting"])
    async with open_service(settings, clock=clock) as service:
        await Story(service, random.Random(1)).tell(steps=30)
        await service.send(purchase("90.00", id="last", at=clock()))
        clock.forward(days=6)
        for kind, said in (("hold", {"points": 20}), ("return", {"purchase": "has yet to come", "all": True})):
            body: dict[str, Any] = {"type": kind, "id": f"last-{kind}", "member": "card:1001", **said}
            answer = await service.send({**body, "occurred_at": at(clock())})
            assert answer.status_code in (201, 202), answer.text


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", [pytest.param(1, marks=pytest.mark.slow), 8])
async def test_what_is_changed_by_hand_is_found(
    settings: Settings, clock: Clock, owner: asyncpg.Connection, share: int
) -> None:
    """Semantics L15: some row of each table taken out, and a value of some row of each column changed.

    Of every so many places one is tried.
    """
    await told(settings, clock)
    await owner.execute("SET session_replication_role = replica")
    chance = random.Random(share)
    places = [(table, name, type) for table in TABLES for name, type in [("", ""), *await columns(owner, table)]]
    proven = [place for place in places if f"{place[0]}.{place[1]}" not in UNPROVEN]
    tried, unseen = 0, []
    for table, name, type in chance.sample(proven, len(proven) // share):
        rows = await owner.fetch(f"SELECT ctid::text FROM {table} WHERE {name or 'program_id'} IS NOT NULL")
        if not rows:
            continue
        await owner.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}")
        place = f"ctid = '{chance.choice(rows)['ctid']}'"
        change = f"UPDATE {table} SET {name} = {SOMETHING_ELSE[type].format(name)}" if name else f"DELETE FROM {table}"
        try:
            await owner.execute(f"{change} WHERE {place}")
        except asyncpg.IntegrityConstraintViolationError:
            pass  # the database is the last guard
        else:
            tried += 1
            if not await verify.run(settings):
                unseen.append((table, name))
        await owner.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept")

    assert unseen == []
    assert tried >= LEAST / share / 2
    assert await verify.run(settings) == []
