"""What the database holds, as its owner sees it: a picture of every table, and a proof that the ledger is whole."""

import json
from collections import Counter, defaultdict
from typing import Any

import asyncpg

from app.db.tables import metadata
from app.domain import chain
from app.domain.events import Draw, Entry
from app.domain.state import GENESIS

TABLES = tuple(sorted(metadata.tables))

Picture = dict[str, tuple[int, str]]
"""Per table its rows, and a digest of what is in them; without the leases of lanes, which are no history."""

_PICTURE = " UNION ALL ".join(
    f"SELECT '{table}', count(*), coalesce(md5(string_agg(x::text, '|' ORDER BY x::text)), '') FROM {table} x"
    for table in TABLES
    if table != "lane"
)


async def picture(owner: asyncpg.Connection) -> Picture:
    """Every row of every table, in short: equal only if nothing was written in between, but what was turned away."""
    return {name: (rows, digest) for name, rows, digest in await owner.fetch(_PICTURE) if name != "refused"}


async def count(owner: asyncpg.Connection, table: str, where: str = "true", *values: Any) -> int:
    """The rows of a table that meet a condition."""
    return int(await owner.fetchval(f"SELECT count(*) FROM {table} WHERE {where}", *values))


async def assert_whole(owner: asyncpg.Connection) -> int:
    """Proves members' chains, lanes, accounts, lots and messages from the stored rows alone; the number of events."""
    events = await owner.fetch("SELECT * FROM event ORDER BY program_id, member_id, sequence")
    entries = await _entries(owner)
    _assert_chains(events, entries, await owner.fetch("SELECT * FROM member"))
    _assert_blocks(events, await owner.fetch("SELECT * FROM block ORDER BY program_id, lane, number"))
    await _assert_accounts(owner, entries)
    await _assert_messages(owner, events, entries)
    return len(events)


async def _entries(owner: asyncpg.Connection) -> dict[tuple[Any, int], list[Entry]]:
    draws: dict[tuple[Any, int, int], list[Draw]] = defaultdict(list)
    for row in await owner.fetch("SELECT * FROM draw ORDER BY member_id, sequence, position, ordinal"):
        place = (row["member_id"], row["sequence"], row["position"])
        draws[place].append(Draw(row["lot_sequence"], row["lot_position"], row["points"]))
    found: dict[tuple[Any, int], list[Entry]] = defaultdict(list)
    for row in await owner.fetch("SELECT * FROM entry ORDER BY member_id, sequence, position"):
        drawn = tuple(draws.pop((row["member_id"], row["sequence"], row["position"]), ()))
        dates = (row["available_at"], row["expires_at"])
        entry = Entry(row["position"], row["unit"], row["points"], row["balance_after"], *dates, drawn)
        found[row["member_id"], row["sequence"]].append(entry)
    assert not draws, "draws without an entry"
    return found


def _assert_chains(events: list[Any], entries: dict[tuple[Any, int], list[Entry]], members: list[Any]) -> None:
    heads: dict[Any, tuple[int, bytes]] = {}
    for event in events:
        sequence, head = heads.get(event["member_id"], (0, GENESIS))
        assert event["sequence"] == sequence + 1, f"a gap before event {event['sequence']}"
        lines = entries.get((event["member_id"], event["sequence"]), [])
        assert event["hash"] == chain.event_hash(head, event["content"], lines), "a broken link"
        content = chain.decode_content(event["content"])
        assert (content.source, content.kind, content.key) == (event["source"], event["kind"], event["key"])
        heads[event["member_id"]] = (event["sequence"], event["hash"])
    assert heads == {row["member_id"]: (row["sequence"], row["head"]) for row in members}
    assert {key for key, lines in entries.items() if lines} <= {(e["member_id"], e["sequence"]) for e in events}


def _assert_blocks(events: list[Any], blocks: list[Any]) -> None:
    leaves: dict[tuple[Any, int, int], list[tuple[int, bytes]]] = defaultdict(list)
    for event in events:
        leaves[event["program_id"], event["lane"], event["block"]].append((event["leaf"], event["hash"]))
    heads: dict[tuple[Any, int], tuple[int, bytes]] = {}
    for block in blocks:
        number, head = heads.get((block["program_id"], block["lane"]), (0, GENESIS))
        assert block["number"] == number + 1, f"lane {block['lane']}: a gap before block {block['number']}"
        assert block["previous"] == head, f"lane {block['lane']}: block {block['number']} is not linked"
        mine = sorted(leaves.pop((block["program_id"], block["lane"], block["number"])))
        assert [leaf for leaf, _ in mine] == list(range(block["events"]))
        root = chain.merkle_root([hash for _, hash in mine])
        expected = chain.block_hash(
            program_id=block["program_id"].bytes,
            lane=block["lane"],
            number=block["number"],
            previous=head,
            root=root,
            events=len(mine),
            sums=chain.canonical(json.loads(block["sums"])),
        )
        assert (block["root"], block["hash"]) == (root, expected), "a broken block"
        heads[block["program_id"], block["lane"]] = (block["number"], expected)
    assert not leaves, "events outside every block"


async def _assert_accounts(owner: asyncpg.Connection, entries: dict[tuple[Any, int], list[Entry]]) -> None:
    sums: Counter[tuple[Any, str]] = Counter()
    for (member, _), lines in sorted(entries.items(), key=lambda item: (str(item[0][0]), item[0][1])):
        for entry in lines:
            sums[member, entry.unit] += entry.points
            assert entry.balance_after == sums[member, entry.unit], "balance_after does not run on"
            if entry.points < 0 and entry.draws:
                assert sum(draw.points for draw in entry.draws) == -entry.points
    lots = {
        (row["member_id"], row["unit"]): row["left"]
        for row in await owner.fetch(
            'SELECT member_id, unit, sum(remaining)::bigint AS "left" FROM open_lot GROUP BY 1, 2'
        )
    }
    for row in await owner.fetch("SELECT * FROM account"):
        place = (row["member_id"], row["unit"])
        assert row["balance"] == sums.pop(place, 0), "an account that its entries do not sum to"
        if place in lots:
            assert row["balance"] == lots[place] - row["deficit"], "an account that its lots do not sum to"
    assert not +sums, "entries without an account"


_TOLD = {
    "enrolment": "member.enrolled",
    "redemption": "points.redeemed",
    "expiry": "points.expired",
    "transfer": "points.transferred",
    "transfer_in": "points.transferred",
    "transfer_reversal": "points.reversed",
}
_NOT_EARNED = {"points.restored", "points.transferred"}
"""What is told of credits that nobody earned."""

_WAITING = ("event.parked", "event.unparked", "event.lapsed")
"""They tell of what lies outside the chain."""


async def _assert_messages(
    owner: asyncpg.Connection, events: list[Any], entries: dict[tuple[Any, int], list[Entry]]
) -> None:
    types: dict[tuple[Any, int], Counter[str]] = defaultdict(Counter)
    numbers: dict[Any, list[int]] = defaultdict(list)
    for row in await owner.fetch(
        "SELECT member_id, sequence, number, type FROM message WHERE member_id IS NOT NULL ORDER BY member_id, number"
    ):
        if row["type"] not in _WAITING:
            types[row["member_id"], row["sequence"]][row["type"]] += 1
        numbers[row["member_id"]].append(row["number"])
    for row in await owner.fetch("SELECT member_id, messages FROM member"):
        assert numbers[row["member_id"]] == list(range(1, row["messages"] + 1)), "messages are not numbered densely"
    for event in events:
        if chain.decode_content(event["content"]).silent:
            continue
        place = (event["member_id"], event["sequence"])
        credited = any(entry.points > 0 for entry in entries.get(place, ()))
        expected = {_TOLD[event["kind"]]} if event["kind"] in _TOLD else set()
        told = types.pop(place, Counter())
        credited = credited and not _NOT_EARNED & set(told)
        assert all(number == 1 for number in told.values()), f"{event['kind']}: a message twice"
        assert expected | ({"points.earned"} if credited else set()) <= set(told), f"{event['kind']}: not told"
    assert not types, "messages of no event"
