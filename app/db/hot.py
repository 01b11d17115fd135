"""The SQL of the write corridor: built with SQLAlchemy Core once, run on the driver's connection (architecture §3.8).

Each statement is compiled at import, or (saving) once per set of tables that a batch writes to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, aggregate_order_by, insert
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql import ClauseElement, Select
from sqlalchemy.sql.selectable import CTE, TableValuedAlias
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.db import pending
from app.db import tables as t
from app.domain.events import MILESTONES
from app.domain.messages import time_text

PROGRAM_PARAMETER = _PROGRAM = bindparam("program_id", type_=Uuid())
_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


class Statement:
    """A compiled statement: SQL text, the order of its parameters, and the constants among them."""

    __slots__ = ("constants", "order", "sql")

    def __init__(self, clause: ClauseElement) -> None:
        compiled = clause.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self.constants = {name: value for name, value in compiled.params.items() if value is not None}
        self.order = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]

    async def fetch(self, connection: asyncpg.Connection, **values: Any) -> list[asyncpg.Record]:
        known = self.constants | values
        rows: list[asyncpg.Record] = await connection.fetch(self.sql, *[known[name] for name in self.order])
        return rows


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return type_.impl_instance if isinstance(type_, TypeDecorator) else type_


def _rows(prefix: str, columns: Sequence[Column[Any]]) -> TableValuedAlias:
    """`unnest` of one array a column: the rows of a set-based write."""
    arrays = [_array(f"{prefix}__{column.name}", _plain(column.type)) for column in columns]
    return func.unnest(*arrays).table_valued(*[column.name for column in columns]).render_derived(name=f"{prefix}_rows")


def _array(name: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """A parameter that is an array; of types in `_LITERALS` as text, which costs a third of the driver's own way."""
    if type(type_) in _LITERALS:
        return cast(bindparam(name, type_=Text()), ARRAY(type_))
    return bindparam(name, type_=ARRAY(type_))


def _hexes(values: Iterable[bytes | None]) -> str:
    return "{" + ",".join([value.hex() if value is not None else "NULL" for value in values]) + "}"


def _numbers(values: Iterable[int | None]) -> str:
    return "{" + ",".join([str(value) if value is not None else "NULL" for value in values]) + "}"


def _times(values: Iterable[datetime | None]) -> str:
    return "{" + ",".join([time_text(value) if value is not None else "NULL" for value in values]) + "}"


_LITERALS: Mapping[type, Callable[[Iterable[Any]], str]] = {
    Uuid: _hexes,
    SmallInteger: _numbers,
    Integer: _numbers,
    BigInteger: _numbers,
    TIMESTAMP: _times,
}
"""How arrays of a type are written as text; none of these can hold a sign that would need quoting."""


def members_parameter() -> Any:
    """`ANY` of the array of members asked for."""
    return func.any(bindparam("members", type_=ARRAY(Uuid())))


def _columns(table: Table, *left_out: str) -> tuple[Column[Any], ...]:
    return tuple(column for column in table.c if column.name not in ("program_id", *left_out))


STATE_COLUMNS = _columns(t.member)
ACCOUNT_COLUMNS = _columns(t.account)
TERM_COLUMNS = _columns(t.tier_term)
TAG_COLUMNS = _columns(t.member_tag)
FLOOR_COLUMNS = _columns(t.tier_floor)
USAGE_COLUMNS = _columns(t.usage)
SHARED_COLUMNS = _columns(t.shared_usage)
SCHEDULE_COLUMNS = _columns(t.schedule)
LOT_COLUMNS = _columns(t.open_lot)
RESERVATION_COLUMNS = _columns(t.reservation)
PARKED_COLUMNS = _columns(t.parked)
EVENT_COLUMNS = _columns(t.event, "lane", "leaf", "block")

_m, _i, _r, _s = t.member.c, t.member_identity.c, t.rules.c, t.schedule.c

_known_by = select(_i.member_id).where(
    _i.program_id == _PROGRAM, _i.digest == func.any(bindparam("digests", type_=ARRAY(LargeBinary)))
)
_members_rows = select(*STATE_COLUMNS).where(
    _m.program_id == _PROGRAM,
    _m.member_id
    == func.any(func.array_cat(bindparam("members", type_=ARRAY(Uuid())), func.array(_known_by.scalar_subquery()))),
)
LOCK = Statement(_members_rows.order_by(_m.member_id).with_for_update())
"""The ledger rows of these members, and of those known by these digests, locked in the order of their ids."""
PEEK = Statement(_members_rows)
"""The same without a lock, for previews."""


def _each(asked: TableValuedAlias, table: Table, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """The rows of `table` that equal a row of `asked` in all its columns: one look-up of an index for each.

    A plain join leaves the planner the choice to walk all rows of the program instead, which it takes as long as it
    believes that there is only one (a table without statistics), in a plan that is kept.
    """
    same = [table.c[column.name] == column for column in asked.c]
    fence: ColumnElement[int] = literal_column("0")
    found = select(*columns).where(table.c.program_id == _PROGRAM, *same).offset(fence).lateral(f"found_{table.name}")
    return select(*found.c).select_from(asked.join(found, true()))


def _asked(**types: TypeEngine[Any]) -> TableValuedAlias:
    """The rows asked for: one array a column, called by the column's name and an s."""
    arrays = [bindparam(f"{name}s", type_=ARRAY(type_)) for name, type_ in types.items()]
    return func.unnest(*arrays).table_valued(*types).render_derived(name="asked")


def _of_members(table: Table, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    return select(*columns).where(table.c.program_id == _PROGRAM, table.c.member_id == members_parameter())


_CIRCUMSTANCES = {
    "versions": select(_r.version, _r.in_force_from).where(_r.program_id == _PROGRAM),
    "identities": _known_by.add_columns(_i.digest),
    "recorded": _each(_asked(source=Text(), kind=Text(), key=Text()), t.event, EVENT_COLUMNS),
    "accounts": _of_members(t.account, ACCOUNT_COLUMNS),
    "terms": _of_members(t.tier_term, TERM_COLUMNS),
    "floors": _of_members(t.tier_floor, FLOOR_COLUMNS),
    "usage": _of_members(t.usage, USAGE_COLUMNS),
    "parked": _each(_asked(source=Text(), kind=Text(), key=Text()), t.parked, PARKED_COLUMNS),
    "waiting": select(*PARKED_COLUMNS).where(
        t.parked.c.program_id == _PROGRAM,
        t.parked.c.member_id == func.any(bindparam("waiting", type_=ARRAY(Uuid()))),
    ),
    "schedules": _of_members(t.schedule, SCHEDULE_COLUMNS).where(_s.due_at <= bindparam("now", type_=t.INSTANT)),
}


class Questions(Statement):
    """Several questions asked in one statement, so in one round trip and one snapshot."""

    __slots__ = ("_names",)

    def __init__(self, queries: Mapping[str, Select[Any]]) -> None:
        all_of = {
            name: func.array(query.with_only_columns(func.row(*query.selected_columns)).scalar_subquery())
            for name, query in queries.items()
        }
        super().__init__(select(*[rows.label(name) for name, rows in all_of.items()]))
        self._names = {name: tuple(column.name for column in query.selected_columns) for name, query in queries.items()}

    async def ask(self, connection: asyncpg.Connection, **values: Any) -> dict[str, list[dict[str, Any]]]:
        """Per question its rows, by the names of their columns."""
        (found,) = await self.fetch(connection, **values)
        return {name: [dict(zip(of, row, strict=True)) for row in found[name]] for name, of in self._names.items()}


CIRCUMSTANCES = Questions(_CIRCUMSTANCES)
"""What a batch asks once its members are locked.

The published versions, whom the digests belong to, what is recorded under the keys, and of the members their
accounts, tiers, what they have used, and the scheduled commands due by `now`.
"""


def _of_events(table: Table, *order: str) -> Select[Any]:
    found = _each(_asked(member_id=Uuid(), sequence=BigInteger()), table, _columns(table))
    return found.order_by(*[found.selected_columns[name] for name in order])


EVENTS_BY_ID = Statement(_each(_asked(event_id=Uuid()), t.event, EVENT_COLUMNS))
_following = _each(_asked(about=Uuid()), t.event, EVENT_COLUMNS)
EVENTS_ABOUT = Statement(
    _following.order_by(_following.selected_columns.member_id, _following.selected_columns.sequence)
)
"""What was recorded about events, such as the returns of a purchase, in the order in which it was recorded."""


def _firsts() -> Select[Any]:
    asked, v = _asked(member_id=Uuid()), t.event.c
    found = (
        select(*EVENT_COLUMNS)
        .where(v.program_id == _PROGRAM, v.member_id == asked.c.member_id)
        .where(v.kind != func.all(bindparam("passed", type_=ARRAY(Text()))))
        .order_by(v.sequence)
        .limit(literal_column("1"))
        .lateral("found")
    )
    return select(*found.c).select_from(asked.join(found, true()))


def _last_of_kinds(kinds: Sequence[str], *, most: int) -> Select[Any]:
    asked, v = _asked(member_id=Uuid()), t.event.c
    found = (
        select(*EVENT_COLUMNS)
        .where(v.program_id == _PROGRAM, v.member_id == asked.c.member_id)
        .where(v.kind.in_([literal_column(f"'{kind}'") for kind in kinds]))  # as the index names them
        .order_by(v.sequence.desc())
        .limit(literal_column(str(most)))
        .lateral("found")
    )
    return select(*found.c).select_from(asked.join(found, true())).order_by(found.c.member_id, found.c.sequence)


LAST_MILESTONES = Statement(_last_of_kinds(MILESTONES, most=200))
"""The last milestones of each member, and those taken back, in order."""

FIRSTS = Statement(_firsts())
"""The first event of each member that is of none of the kinds to be passed over."""


EVENTS_BY_KEY = Statement(_each(_asked(source=Text(), kind=Text(), key=Text()), t.event, EVENT_COLUMNS))


def _recent() -> Select[Any]:
    asked, v = _asked(member_id=Uuid()), t.event.c
    found = (
        select(*EVENT_COLUMNS)
        .where(v.program_id == _PROGRAM, v.member_id == asked.c.member_id)
        .where(v.recorded_at >= bindparam("since", type_=t.INSTANT))
        .where(v.kind == func.any(bindparam("kinds", type_=ARRAY(Text()))))
        .offset(literal_column("0"))  # see _each
        .lateral("found")
    )
    return select(*found.c).select_from(asked.join(found, true())).order_by(found.c.member_id, found.c.sequence)


RECENT = Statement(_recent())
"""Each member's events of some kinds that were recorded since an instant, in order."""


def _ends() -> ColumnElement[datetime]:
    """When the lot of an entry ends: where points were put back after its end, by the last that did (semantics L8)."""
    e, d, moving = t.entry.c, t.draw.c, t.entry.alias("moving")
    m = moving.c
    into = (
        select(d.ordinal)
        .where(d.program_id == m.program_id, d.member_id == m.member_id, d.sequence == m.sequence)
        .where(d.position == m.position, d.points < 0)
        .where(d.lot_sequence == e.sequence, d.lot_position == e.position)
        .correlate(moving, t.entry)
        .offset(literal_column("0"))  # see _each
        .exists()
    )
    last = (
        select(func.max(m.expires_at))
        .where(m.program_id == e.program_id, m.member_id == e.member_id)
        .where(m.available_at.is_(None), m.expires_at.is_not(None), into)
        .correlate(t.entry)
        .scalar_subquery()
    )
    return func.greatest(e.expires_at, last)


_AS_OF_NAMED = "'purchase_change', 'return', 'cancellation', 'milestone_reversal', 'transfer_reversal'"
"""The kinds of events whose lots are dated by the event that they are about."""


def _credited_at() -> ColumnElement[Any]:
    """When a lot counts as earned: as its event occurred, or the one that this is about, such as its purchase."""
    v, named = t.event.c, t.event.alias("named")
    dated: ColumnElement[bool] = literal_column(f"event.kind IN ({_AS_OF_NAMED})")
    then = (
        select(named.c.occurred_at)
        .where(named.c.program_id == v.program_id, named.c.event_id == v.about, dated)
        .correlate(t.event)
        .scalar_subquery()
    )
    return func.coalesce(then, v.occurred_at)


def _credits() -> Select[Any]:
    asked, e, v = _asked(member_id=Uuid(), sequence=BigInteger()), t.entry.c, t.event.c
    names = ("member_id", "sequence", "position", "unit", "points", "available_at")
    columns = [*(e[name] for name in names), _ends().label("expires_at"), _credited_at().label("occurred_at"), v.kind]
    same = [table[name] == asked.c[name] for table in (e, v) for name in ("member_id", "sequence")]
    found = (
        select(*columns)
        .where(e.program_id == _PROGRAM, v.program_id == _PROGRAM, *same, e.available_at.is_not(None))
        .offset(literal_column("0"))  # see _each
        .lateral("found")
    )
    return select(*found.c).select_from(asked.join(found, true()))


CREDITS = Statement(_credits())
"""The entries that credited lots, of events named by member and number, with the end of each lot by now."""

_content = [t.event.c[name] for name in ("member_id", "sequence", "content")]
CONTENTS = Statement(_each(_asked(member_id=Uuid(), sequence=BigInteger()), t.event, _content))
"""The hashed bytes of events named by member and number."""

ENTRIES = Statement(_of_events(t.entry, "member_id", "sequence", "position"))
DRAWS = Statement(_of_events(t.draw, "member_id", "sequence", "position", "ordinal"))
TAGS = Statement(_of_members(t.member_tag, TAG_COLUMNS))
PROFILES = Statement(_of_members(t.profile, [t.profile.c.member_id, t.profile.c.attributes]))
_lot_arrays = [
    func.array_agg(func.timestamptz_send(column) if column.type is t.INSTANT else column).label(column.name)
    for column in LOT_COLUMNS
    if column.name != "member_id"
]
LOTS = Statement(_of_members(t.open_lot, [t.open_lot.c.member_id, *_lot_arrays]).group_by(t.open_lot.c.member_id))
"""A row a member, with an array a column, instants as bytes: so fifty lots take a third of the time of fifty rows."""
RESERVATIONS = Statement(_of_members(t.reservation, RESERVATION_COLUMNS))

_shared = t.shared_usage.c
_counters = (_shared.program_id == _PROGRAM, _shared.counter == func.any(bindparam("counters", type_=ARRAY(Text()))))
LOCK_COUNTERS = Statement(
    select(_shared.counter)
    .where(*_counters, _shared.since == bindparam("beginning", type_=t.INSTANT))
    .order_by(_shared.counter)
    .with_for_update()
)
"""The row of each counter that stands for all its periods, locked in the order of their names."""
SHARED = Statement(select(*SHARED_COLUMNS).where(*_counters, (_shared.points != 0) | (_shared.times != 0)))
"""What all members together have used of counters, period by period."""


def _first_use() -> ClauseElement:
    asked = _asked(counter=Text())
    names = ["program_id", "counter", "since", "points", "times"]
    none: ColumnElement[int] = literal_column("0")
    since = bindparam("beginning", type_=t.INSTANT)
    new = select(_PROGRAM, asked.c.counter, since, none, none).order_by(asked.c.counter)
    return insert(t.shared_usage).from_select(names, new).on_conflict_do_nothing()


FIRST_USE = Statement(_first_use())
"""Makes the rows that are locked, of counters that nobody has used yet."""


class _Write(NamedTuple):
    """One kind of row: the columns that come as arrays, and what is done with the rows they make."""

    columns: tuple[Column[Any], ...]
    make: Callable[[TableValuedAlias], CTE]


def _source(columns: Sequence[Column[Any]], rows: TableValuedAlias) -> tuple[list[str], Select[Any]]:
    names = ["program_id", *[column.name for column in columns]]
    return names, select(_PROGRAM, *[rows.c[column.name] for column in columns])


def _insert(table: Table, *left_out: str) -> _Write:
    columns = _columns(table, *left_out)
    return _Write(columns, lambda rows: insert(table).from_select(*_source(columns, rows)).cte(f"w_{table.name}"))


def _upsert(table: Table, changing: Sequence[str], *, prefix: str | None = None) -> _Write:
    """Adds rows or changes them; `prefix` names it where another kind is written to the same table."""
    columns = _columns(table)

    def make(rows: TableValuedAlias) -> CTE:
        statement = insert(table).from_select(*_source(columns, rows))
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: statement.excluded[name] for name in changing}
        ).cte(f"w_{prefix or table.name}")

    return _Write(columns, make)


def _insert_new(table: Table) -> _Write:
    """Adds the rows that are not there yet."""
    columns = _columns(table)

    def make(rows: TableValuedAlias) -> CTE:
        statement = insert(table).from_select(*_source(columns, rows)).on_conflict_do_nothing()
        return statement.cte(f"w_{table.name}")

    return _Write(columns, make)


def _remove(table: Table, prefix: str, *names: str) -> _Write:
    """Deletes rows by their places, each looked up by itself: a join might walk all rows of the program (`_each`)."""
    place: ColumnElement[Any] = literal_column(f"{table.name}.ctid")

    def make(rows: TableValuedAlias) -> CTE:
        places = _each(rows, table, [place.label("place")])
        return delete(table).where(place == func.any(func.array(places.scalar_subquery()))).cte(f"w_{prefix}")

    return _Write(tuple(table.c[name] for name in names), make)


def _deliver(rows: TableValuedAlias) -> CTE:
    """A pending delivery per message and endpoint that takes its type: decided where both lie, so none is missed."""
    return pending.queued(
        rows.c.message_id,
        pending.may_see(rows.c.audience),
        program_id=_PROGRAM,
        type=rows.c.type,
        created_at=rows.c.created_at,
        member_id=rows.c.member_id,
        number=rows.c.number,
    ).cte("w_pending")


def _leave_to_sequence(rows: TableValuedAlias) -> CTE:
    """One row that names all these messages, in the order in which the feed is to have them.

    Its time is the database's own: who waited for a member's row writes later, by one clock, than whom they waited for.
    """
    ids = func.array_agg(aggregate_order_by(rows.c.message_id, rows.c.place))
    first: ColumnElement[Any] = ids[1]
    source = select(_PROGRAM, func.clock_timestamp(), first, ids).select_from(rows)
    return insert(t.unsequenced).from_select(["program_id", "written_at", "first_id", "messages"], source).cte("w_feed")


_PENDING = ("message_id", "member_id", "number", "type", "created_at", "audience")
_PLACE: Column[int] = Column("place", Integer)
_STATE_CHANGES = [column.name for column in STATE_COLUMNS if column.name not in ("member_id", "referral_code")]
_ACCOUNT_CHANGES = [column.name for column in ACCOUNT_COLUMNS if column.name not in ("member_id", "unit")]

_WRITES: Mapping[str, _Write] = {
    "member": _upsert(t.member, _STATE_CHANGES),
    "member_identity": _insert(t.member_identity),
    "profile": _insert(t.profile, "birthday_changed_at"),
    "fingerprint": _insert_new(t.fingerprint),
    "event": _insert(t.event),
    "entry": _insert(t.entry),
    "draw": _insert(t.draw),
    "particulars": _insert(t.particulars),
    "account": _upsert(t.account, _ACCOUNT_CHANGES),
    "tier_term": _insert(t.tier_term),
    "tier_floor": _upsert(t.tier_floor, ["ends_at"]),
    "ended_floor": _remove(t.tier_floor, "ended_floor", "member_id", "ladder", "sequence", "rule"),
    "usage": _upsert(t.usage, ["points", "times"]),
    "shared_usage": _upsert(t.shared_usage, ["points", "times"]),
    "forgotten_shared_usage": _remove(t.shared_usage, "forgotten_shared_usage", "counter", "since"),
    "forgotten_usage": _remove(t.usage, "forgotten_usage", "member_id", "counter", "since"),
    "member_tag": _upsert(t.member_tag, ["since", "until"]),
    "removed_tag": _remove(t.member_tag, "removed_tag", "member_id", "tag", "sequence"),
    "open_lot": _upsert(t.open_lot, ["remaining", "reserved", "waiting", "expires_at"]),
    "closed_lot": _remove(t.open_lot, "closed_lot", "member_id", "sequence", "position"),
    "parked": _insert(t.parked),
    "unparked": _remove(t.parked, "unparked", "source", "kind", "key"),
    "refused": _upsert(
        t.refused,
        [column.name for column in t.refused.c if column.name not in ("program_id", "source", "kind", "key")],
    ),
    "reservation": _upsert(t.reservation, ["points"]),
    "closed_reservation": _remove(
        t.reservation, "closed_reservation", "member_id", "hold", "lot_sequence", "lot_position"
    ),
    "schedule": _insert(t.schedule),
    "later_schedule": _upsert(t.schedule, ["due_at"], prefix="later_schedule"),
    "closed_schedule": _remove(t.schedule, "closed_schedule", "member_id", "key"),
    "block": _insert(t.block),
    "message": _insert(t.message),
    "pending": _Write(tuple(t.message.c[name] for name in _PENDING), _deliver),
    "unsequenced": _Write((t.message.c.message_id, _PLACE), _leave_to_sequence),
}
"""Each kind of row a batch writes, in the order in which the statement names them."""


@cache
def saving(kinds: frozenset[str]) -> Statement:
    """The statement that writes these kinds of rows, in one go."""
    writes = [write.make(_rows(kind, write.columns)) for kind, write in _WRITES.items() if kind in kinds]
    return Statement(select(literal_column("1")).add_cte(*writes))


async def save(
    connection: asyncpg.Connection, *, program_id: Any, columns: Mapping[str, Mapping[str, list[Any]]]
) -> None:
    """Writes a batch in one statement: per kind of row, per column, the values in row order; ids as bytes."""
    written = {kind: values for kind, values in columns.items() if values and any(values.values())}
    values = {}
    for kind, named in written.items():
        for column in _WRITES[kind].columns:
            literal = _LITERALS.get(type(_plain(column.type)))
            found = named[column.name]
            values[f"{kind}__{column.name}"] = found if literal is None else literal(found)
    await saving(frozenset(written)).fetch(connection, program_id=program_id, **values)
