"""The database is the last guard: every CHECK refuses a bad row, and a good row passes."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from app.db.tables import metadata
from app.domain.points import LIMIT
from tests.db import catalog

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
PROGRAM, MEMBER = UUID(int=1), UUID(int=2)

GOOD: dict[str, Any] = {
    "uuid": UUID(int=3),
    "text": "x",
    "bytea": bytes(32),
    "bigint": 1,
    "integer": 1,
    "smallint": 1,
    "boolean": False,
    "date": date(1990, 2, 28),
    "json": "{}",
    "text[]": [],
    "uuid[]": [],
    "timestamp with time zone": NOW,
}
"""A value of each type that most columns take."""

SPECIAL: dict[str, dict[str, Any]] = {
    "account": dict.fromkeys(("balance", "active", "pending", "held", "deficit"), 0),
    "event": {"digest": bytes(16)},
    "fingerprint": {"digest": bytes(16)},
    "entry": {"available_at": None, "expires_at": None},
    "endpoint": {"state": "enabled", "ordering": "none", "exhausted": "skip"},
    "delivery": {"state": "delivered"},
    "adjustment": {"state": "approved", "digest": bytes(16), "decided_by": "y"},
    "replay": {"state": "done", "which": "all"},
}
"""What a good row has beyond that."""

BY_HAND: dict[str, list[dict[str, Any]]] = {
    "account_sum_check": [{"balance": 1}, {"active": 5, "pending": 5, "deficit": 3, "balance": 8}],
    "account_not_negative_check": [{name: -1} for name in ("active", "pending", "held", "deficit")],
    "draw_points_check": [{"points": 0}],
    "entry_points_check": [{"points": 0}],
    "entry_lot_is_credit_check": [{"points": -1, "available_at": NOW}, {"points": -1, "expires_at": NOW}],
    "endpoint_state_check": [{"state": "asleep"}, {"state": ""}],
    "endpoint_ordering_check": [{"ordering": "shop"}],
    "endpoint_exhausted_check": [{"exhausted": "drop"}],
    "delivery_state_check": [{"state": "sent"}],
    "member_own_referrer_check": [{"member_id": MEMBER, "referrer_id": MEMBER}],
    "open_lot_bounds_check": [
        {"credited": 5, "remaining": 6, "reserved": 0},
        {"credited": 5, "remaining": 3, "reserved": 4},
        {"credited": 5, "remaining": 3, "reserved": -1},
    ],
    "open_lot_range_check": [{"credited": LIMIT + 1, "remaining": 1, "reserved": 0}],
    "tier_floor_lasts_check": [{"months": None}, {"days": None}],
    "tier_term_falls_check": [{"falls_to": None}, {"falls_at": None}],
    "shop_source_reserved_check": [{"source": "zegel"}, {"source": "ops"}],
    "adjustment_points_check": [{"points": 0}],
    "adjustment_state_check": [{"state": "lapsed", "event_id": None}],
    "adjustment_decided_check": [{"decided_at": None}, {"state": "waiting", "event_id": None}],
    "adjustment_lapses_check": [{"state": "waiting", "event_id": None, "decided_at": None, "lapses_at": None}],
    "adjustment_second_person_check": [{"requested_by": "y"}],
    "adjustment_recorded_check": [{"state": "rejected"}],
    "feed_position_check": [{"position": 0}],
    "feed_head_positions_check": [{"removed": -1}, {"removed": 2}],
    "replay_which_check": [{"which": "some"}],
    "replay_state_check": [{"state": "waiting"}],
    "replay_finished_check": [{"finished_at": None}, {"state": "running"}],
    "replay_positions_check": [{"first": -1}, {"first": 2}, {"position": 2}, {"queued": -1}],
}
"""Bad rows of the constraints whose definition is no plain bound."""

_BOUND = re.compile(r"\(?(?:(length|octet_length)\()?(\w+)\)? (>=|<=|=) '?(-?\d+)'?(?:::bigint)?\)?")


def bad_rows(name: str, definition: str) -> Iterator[dict[str, Any]]:
    """Values just beyond each bound of a constraint."""
    if name in BY_HAND:
        yield from BY_HAND[name]
        return
    for part in definition.removeprefix("CHECK (").split(" AND "):
        bound = _BOUND.search(part)
        assert bound is not None, f"say in BY_HAND what breaks {name}: {definition}"
        measure, column, sign, number = bound[1], bound[2], bound[3], int(bound[4])
        for wrong in {">=": [number - 1], "<=": [number + 1], "=": [number - 1, number + 1]}[sign]:
            if measure is None:
                yield {column: wrong}
            elif wrong >= 0:
                yield {column: "x" * wrong if measure == "length" else bytes(wrong)}


def good_row(table: str) -> dict[str, Any]:
    """A row that the table takes."""
    row = {"program_id": PROGRAM, "member_id": MEMBER}
    for column in metadata.tables[table].c:
        if column.name not in row or column.name == "referrer_id":
            row[column.name] = GOOD[_TYPES[table, column.name]]
    known = {column.name for column in metadata.tables[table].c}
    return {name: value for name, value in row.items() if name in known} | SPECIAL.get(table, {})


_TYPES: dict[tuple[str, str], str] = {}


async def insert(owner: asyncpg.Connection, table: str, row: dict[str, Any]) -> None:
    """Tries a row, and takes it back."""
    names = ", ".join(f'"{name}"' for name in row)
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    transaction = owner.transaction()
    await transaction.start()
    try:
        if table != "program":
            await owner.execute("INSERT INTO program VALUES ($1, 'x', 'x', $2) ON CONFLICT DO NOTHING", PROGRAM, NOW)
        await owner.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *row.values())
    finally:
        await transaction.rollback()


async def test_every_check_refuses_what_lies_beyond_it(owner: asyncpg.Connection) -> None:
    _TYPES.update({(row["table"], row["column"]): row["type"] for row in await catalog.columns(owner)})
    checks = [row for row in await catalog.constraints(owner) if row["kind"] == "c"]
    bitten = set()

    for table in metadata.tables:
        await insert(owner, table, good_row(table))
    for check in checks:
        for bad in bad_rows(check["name"], check["definition"]):
            row = good_row(check["table"]) | bad
            if check["table"] == "account" and "balance" not in bad and "active" not in bad and "pending" not in bad:
                row["balance"] = row["active"] + row["pending"] - row["deficit"]
            try:
                await insert(owner, check["table"], row)
            except asyncpg.CheckViolationError as error:
                bitten.add(error.constraint_name)
            else:
                raise AssertionError(f"{check['name']} takes {bad}")

    assert len(checks) >= 30
    assert bitten == {check["name"] for check in checks}


async def test_every_amount_of_points_has_a_range(owner: asyncpg.Connection) -> None:
    bounded = {
        (row["table"], column)
        for row in await catalog.constraints(owner)
        if row["kind"] == "c" and str(LIMIT) in row["definition"]
        for column in row["columns"]
    }
    amounts = {
        ("account", name) for name in ("balance", "active", "pending", "earned", "redeemed", "expired", "reversed")
    } | {
        ("entry", "points"),
        ("entry", "balance_after"),
        ("draw", "points"),
        ("open_lot", "credited"),
        ("reservation", "points"),
        ("adjustment", "points"),
        ("usage", "points"),
        ("usage", "times"),
        ("shared_usage", "points"),
        ("shared_usage", "times"),
    }

    assert bounded == amounts


async def test_every_text_that_names_something_is_length_checked(owner: asyncpg.Connection) -> None:
    checked = {
        (row["table"], column)
        for row in await catalog.constraints(owner)
        if row["kind"] == "c" and "length(" in row["definition"]
        for column in row["columns"]
    }
    given = {
        (table, column)
        for table, columns in {
            "event": ("source", "kind", "key"),
            "schedule": ("key",),
            "idempotency": ("key",),
            "shop": ("source",),
            "program": ("code", "name"),
            "member_identity": ("value",),
            "endpoint": ("url",),
            "api_key": ("label", "owner"),
            "adjustment": ("key", "unit", "requested_by", "decided_by"),
        }.items()
        for column in columns
    }

    assert given <= checked
