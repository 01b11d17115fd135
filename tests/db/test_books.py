"""The table of the books says the same in Python, for blocks, and in SQL, for proofs and reports."""

from datetime import timedelta

import asyncpg
import pytest

from app.db import rows
from app.domain import books
from app.domain.books import DEBITS, MOVING, PASSING, RESTORING, RETURNING, REVIVING
from app.domain.events import OWED, Draw, Entry
from app.queries import books as queries
from tests.builders import START, Service

OTHERS = ("purchase", "activation", "some_kind_to_come")
KINDS = sorted({*DEBITS, *RESTORING, *RETURNING, *PASSING, *REVIVING, *MOVING, *OTHERS})
LINES = [
    Entry(0, "points", 0, 0),
    Entry(1, "points", 7, 7),
    Entry(2, "points", 30, 37, available_at=START),
    Entry(3, "points", 500, 537, available_at=START, expires_at=START + timedelta(days=1)),
    Entry(4, "points", -2000, -1463),
    Entry(5, "points", 11_000, 0, draws=(Draw(1, 0, -11_000),)),
    Entry(6, "points", 130_000, 0, draws=(Draw(*OWED, -130_000),)),
    Entry(7, "points", 1_700_000, 0, available_at=START, draws=(Draw(1, 7, 3), Draw(*OWED, -1_700_000))),
    Entry(8, "points", 19_000_000, 0, available_at=START, draws=(Draw(1, 8, 5),)),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_python_and_sql_agree_which_way_each_entry_went(
    service: Service, owner: asyncpg.Connection, kind: str
) -> None:
    """Semantics L15: the blocks' sums, told as events are recorded, are those of the entries ever after."""
    await service.buy("0.00")
    await owner.execute("UPDATE event SET kind = $1 WHERE kind = 'purchase'", kind)
    for entry in LINES:
        await owner.execute(
            "INSERT INTO entry (program_id, member_id, sequence, position, unit, points, balance_after, available_at,"
            " expires_at) SELECT program_id, member_id, sequence, $2, $3, $4, $5, $6, $7 FROM event WHERE kind = $1",
            kind,
            *entry[:-1],
        )
        for ordinal, draw in enumerate(entry.draws):
            await owner.execute(
                "INSERT INTO draw SELECT program_id, member_id, sequence, $2, $3, $4, $5, $6 FROM event"
                " WHERE kind = $1",
                kind,
                entry.position,
                ordinal,
                *draw,
            )
    program = await owner.fetchval("SELECT program_id FROM program")

    found = await queries.MOVED.fetch(owner, program_id=rows.uuid(program.bytes))

    told: dict[str, int] = {}
    for entry in LINES:
        way, points = books.way(kind, entry)
        told[way] = told.get(way, 0) + points
    assert {row["way"]: row["points"] for row in found} == told
