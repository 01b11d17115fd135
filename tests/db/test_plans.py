"""The corridor's statements run along their keys, whatever PostgreSQL believes of its tables.

A plan is made once a connection and kept: one that was right for an empty table must still be right for a full one.
"""

from datetime import UTC, datetime

import asyncpg
import pytest

from app.db import hot, writing
from app.db.statements import Statement
from app.queries import due
from tests.builders import Service, purchase
from tests.db.plans import plan

FULL = 400

KEYS = {
    "lock": (hot.LOCK, ["(member_id = ANY"]),
    "circumstances": (
        hot.CIRCUMSTANCES,
        ["(source = asked.source) AND (kind = asked.kind) AND (key = asked.key)", "(member_id = ANY", "(digest = ANY"],
    ),
    "entries": (hot.ENTRIES, ["(member_id = asked.member_id) AND (sequence = asked.sequence)"]),
    "draws": (hot.DRAWS, ["(member_id = asked.member_id) AND (sequence = asked.sequence)"]),
    "named": (hot.EVENTS_BY_ID, ["(event_id = asked.event_id)"]),
    "about": (hot.EVENTS_ABOUT, ["(about = asked.about)"]),
    "credits": (
        hot.CREDITS,
        [
            "(member_id = asked.member_id) AND (sequence = asked.sequence)",
            "Index Scan using entry_pkey on entry",
            "Index Scan using event_pkey on event",
        ],
    ),
    "firsts": (hot.FIRSTS, ["(member_id = asked.member_id)", "Index Scan using event_pkey on event"]),
    "behind": (
        hot.BEHIND,
        [
            "Index Scan using event_pkey on event after",
            "Index Scan using event_pkey on event ",
            "(member_id = asked.member_id) AND (sequence > asked.sequence) AND (sequence < ",
        ],
    ),
    "contents": (hot.CONTENTS, ["(member_id = asked.member_id) AND (sequence = asked.sequence)"]),
    "lots": (hot.LOTS, ["(member_id = ANY"]),
    "deleting": (
        writing.saving(frozenset({"closed_lot", "closed_schedule"})),
        ["Tid Scan on open_lot", "Tid Scan on schedule", "(sequence = closed_lot_rows.sequence)"],
    ),
}


@pytest.mark.parametrize("table", ["empty", "full", "unanalyzed", "analyzed when it was empty"])
@pytest.mark.new_copy
async def test_every_statement_looks_its_rows_up_by_their_whole_key(
    service: Service, owner: asyncpg.Connection, table: str
) -> None:
    if table == "analyzed when it was empty":
        await owner.execute("ANALYZE")
    if table != "empty":
        events = [purchase("3.00", id=f"p{n}", card=str(n % 100)) for n in range(FULL)]
        answer = await service.send({"events": events}, path="/v1/events/batch")
        assert {one["outcome"] for one in answer.json()["results"]} == {"created"}
    if table == "full":
        await owner.execute("ANALYZE")
    await owner.execute("SET enable_seqscan = off")  # of a table of one page nothing else is cheaper

    for name, (statement, conditions) in KEYS.items():
        if name == "credits" and table == "empty":  # it is asked about events that drew from lots, so there are some
            continue
        found = await plan(owner, statement)
        for condition in conditions:
            assert condition in found, f"{name}:\n{found}"
        assert "Join Filter" not in found, f"{name}:\n{found}"


@pytest.mark.new_copy
async def test_accounts_that_end_or_are_to_be_told_are_found_by_their_index(
    service: Service, owner: asyncpg.Connection
) -> None:
    """Semantics L10, L16: in their order, so that a page is enough."""
    await owner.execute("SET enable_seqscan = off")
    await owner.execute("SET enable_sort = off")
    some = due.accounts_due(program_id=bytes(16), now=datetime(2027, 1, 1, tzinfo=UTC))

    for query, index in zip(some, ("account_active_until_idx", "account_notice_idx"), strict=True):
        found = await plan(owner, Statement(query.limit(200)))
        assert f"Index Scan using {index} on account" in found, found


@pytest.mark.new_copy
async def test_tiers_that_are_due_are_found_by_their_index(service: Service, owner: asyncpg.Connection) -> None:
    """Semantics T3, K1: in their order, so that a page is enough."""
    await owner.execute("SET enable_seqscan = off")
    await owner.execute("SET enable_sort = off")
    query = due.tiers_due(program_id=bytes(16), now=datetime(2027, 1, 1, tzinfo=UTC))

    found = await plan(owner, Statement(query.limit(200)))

    assert "Index Scan using member_tiers_due_idx on member" in found, found


@pytest.mark.new_copy
async def test_what_is_parked_in_vain_is_found_by_one_look_up_for_each(
    service: Service, owner: asyncpg.Connection
) -> None:
    """Semantics E4: a round of the worker's must stay cheap however many events there are."""
    await owner.execute("SET enable_seqscan = off")
    await owner.execute("SET enable_sort = off")

    found = await plan(owner, Statement(due.parked_in_vain(program_id=bytes(16)).limit(200)))

    assert "Index Scan using parked_lapses_idx on parked" in found, found
    assert "(source = parked.awaits_source) AND (kind = parked.awaits_kind) AND (key = parked.awaits_key)" in found
