"""The SQL of the write corridor that loads: built once, run on the driver's connection (architecture §3.8)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    LargeBinary,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql import ClauseElement, Select
from sqlalchemy.sql.selectable import TableValuedAlias

from app.db import statements
from app.db import tables as t
from app.db.statements import PROGRAM_PARAMETER, Questions, Statement
from app.domain import following
from app.domain.commands import CLOCK, Cancellation, PurchaseChange, Return, TransferReversal
from app.domain.events import MILESTONES, UNREACHED

STATE_COLUMNS = statements.columns(t.member)
ACCOUNT_COLUMNS = statements.columns(t.account)
TERM_COLUMNS = statements.columns(t.tier_term)
TAG_COLUMNS = statements.columns(t.member_tag)
FLOOR_COLUMNS = statements.columns(t.tier_floor)
USAGE_COLUMNS = statements.columns(t.usage)
SHARED_COLUMNS = statements.columns(t.shared_usage)
SCHEDULE_COLUMNS = statements.columns(t.schedule)
LOT_COLUMNS = statements.columns(t.open_lot)
RESERVATION_COLUMNS = statements.columns(t.reservation)
PARKED_COLUMNS = statements.columns(t.parked)
EVENT_COLUMNS = statements.columns(t.event, "lane", "leaf", "block")

_m, _i, _r, _s = t.member.c, t.member_identity.c, t.rules.c, t.schedule.c

_known_by = select(_i.member_id).where(
    _i.program_id == PROGRAM_PARAMETER, _i.digest == func.any(bindparam("digests", type_=ARRAY(LargeBinary)))
)
_members_rows = select(*STATE_COLUMNS).where(
    _m.program_id == PROGRAM_PARAMETER,
    _m.member_id
    == func.any(func.array_cat(bindparam("members", type_=ARRAY(Uuid())), func.array(_known_by.scalar_subquery()))),
)
LOCK = Statement(_members_rows.order_by(_m.member_id).with_for_update())
"""The ledger rows of these members, and of those known by these digests, locked in the order of their ids."""
PEEK = Statement(_members_rows)
"""The same without a lock, for previews."""


def _asked_keys() -> TableValuedAlias:
    """Events asked for by their natural keys (semantics E1)."""
    return statements.asked(source=Text(), kind=Text(), key=Text())


def _asked_numbers() -> TableValuedAlias:
    """Events asked for by member and number."""
    return statements.asked(member_id=Uuid(), sequence=BigInteger())


_CIRCUMSTANCES = {
    "versions": select(_r.version, _r.in_force_from).where(_r.program_id == PROGRAM_PARAMETER),
    "identities": _known_by.add_columns(_i.digest),
    "recorded": statements.each(_asked_keys(), t.event, EVENT_COLUMNS),
    "accounts": statements.of_members(t.account, ACCOUNT_COLUMNS),
    "terms": statements.of_members(t.tier_term, TERM_COLUMNS),
    "floors": statements.of_members(t.tier_floor, FLOOR_COLUMNS),
    "usage": statements.of_members(t.usage, USAGE_COLUMNS),
    "parked": statements.each(_asked_keys(), t.parked, PARKED_COLUMNS),
    "waiting": select(*PARKED_COLUMNS).where(
        t.parked.c.program_id == PROGRAM_PARAMETER,
        t.parked.c.member_id == func.any(bindparam("waiting", type_=ARRAY(Uuid()))),
    ),
    "schedules": statements.of_members(t.schedule, SCHEDULE_COLUMNS).where(
        _s.due_at <= bindparam("now", type_=t.INSTANT)
    ),
}


CIRCUMSTANCES = Questions(_CIRCUMSTANCES)
"""What a batch asks once its members are locked.

The published versions, whom the digests belong to, what is recorded under the keys, and of the members their
accounts, tiers, what they have used, and the scheduled commands due by `now`.
"""


def _of_events(table: Table, *order: str) -> Select[Any]:
    found = statements.each(_asked_numbers(), table, statements.columns(table))
    return found.order_by(*[found.selected_columns[name] for name in order])


EVENTS_BY_ID = Statement(statements.each(statements.asked(event_id=Uuid()), t.event, EVENT_COLUMNS))
_following = statements.each(statements.asked(about=Uuid()), t.event, EVENT_COLUMNS)
EVENTS_ABOUT = Statement(
    _following.order_by(_following.selected_columns.member_id, _following.selected_columns.sequence)
)
"""What was recorded about events, such as the returns of a purchase, in the order in which it was recorded."""


def behind() -> Select[Any]:
    """What may have followed on events, up to the first event behind each that did not (see `following`), in order.

    Asked by `member_ids`, `sequences` and `recorded_ats`, so that an event on which nothing followed costs one look.
    """
    asked = statements.asked(member_id=Uuid(), sequence=BigInteger(), recorded_at=t.INSTANT)
    v, after = t.event.c, t.event.alias("after")
    same = (after.c.source == literal_column(f"'{CLOCK}'")) & _is_of(after.c.kind, following.KINDS)
    end = (
        select(after.c.sequence)
        .where(after.c.program_id == PROGRAM_PARAMETER, after.c.member_id == asked.c.member_id)
        .where(after.c.sequence > asked.c.sequence, not_(same & (after.c.recorded_at == asked.c.recorded_at)))
        .order_by(after.c.sequence)
        .limit(literal_column("1"))
        .correlate(asked)
        .scalar_subquery()
    )
    most = asked.c.sequence + literal_column(str(following.MOST + 1))
    found = (
        select(*EVENT_COLUMNS)
        .where(v.program_id == PROGRAM_PARAMETER, v.member_id == asked.c.member_id)
        .where(v.sequence > asked.c.sequence, v.sequence < func.coalesce(end, most))
        .order_by(v.sequence)  # so that it runs along the key, see `statements.each`
        .limit(literal_column(str(following.MOST)))
        .lateral("found")
    )
    return select(*found.c).select_from(asked.join(found, true())).order_by(found.c.member_id, found.c.sequence)


def _firsts() -> Select[Any]:
    asked, v = statements.asked(member_id=Uuid()), t.event.c
    found = (
        select(*EVENT_COLUMNS)
        .where(v.program_id == PROGRAM_PARAMETER, v.member_id == asked.c.member_id)
        .where(v.kind != func.all(bindparam("passed", type_=ARRAY(Text()))))
        .order_by(v.sequence)
        .limit(literal_column("1"))
        .lateral("found")
    )
    return select(*found.c).select_from(asked.join(found, true()))


def _is_of(kind: ColumnElement[str], kinds: Iterable[str]) -> ColumnElement[bool]:
    """Whether an event is of one of these kinds, which are written out as indexes name them."""
    return kind.in_([literal_column(f"'{one}'") for one in kinds])


def _last_of_kinds(kinds: Sequence[str], *, most: int) -> Select[Any]:
    asked, v = statements.asked(member_id=Uuid()), t.event.c
    found = (
        select(*EVENT_COLUMNS)
        .where(v.program_id == PROGRAM_PARAMETER, v.member_id == asked.c.member_id)
        .where(_is_of(v.kind, kinds))
        .order_by(v.sequence.desc())
        .limit(literal_column(str(most)))
        .lateral("found")
    )
    return select(*found.c).select_from(asked.join(found, true())).order_by(found.c.member_id, found.c.sequence)


LAST_MILESTONES = Statement(_last_of_kinds(MILESTONES, most=200))
"""The last milestones of each member, and those taken back, in order."""

BEHIND = Statement(behind())
"""The events right behind others that may have followed on them, each member's in order."""

FIRSTS = Statement(_firsts())
"""The first event of each member that is of none of the kinds to be passed over."""


EVENTS_BY_KEY = Statement(statements.each(_asked_keys(), t.event, EVENT_COLUMNS))


def _recent() -> Select[Any]:
    asked, v = statements.asked(member_id=Uuid()), t.event.c
    found = (
        select(*EVENT_COLUMNS)
        .where(v.program_id == PROGRAM_PARAMETER, v.member_id == asked.c.member_id)
        .where(v.recorded_at >= bindparam("since", type_=t.INSTANT))
        .where(v.kind == func.any(bindparam("kinds", type_=ARRAY(Text()))))
        .offset(literal_column("0"))  # see `statements.each`
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
        .offset(literal_column("0"))  # see `statements.each`
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


_DATED_BY_ANOTHER = (PurchaseChange.kind, Return.kind, Cancellation.kind, UNREACHED, TransferReversal.kind)
"""The kinds of events whose lots are dated by the event that they are about."""


def credited_at(lot: Any) -> ColumnElement[Any]:
    """When a lot counts as earned: as its event occurred, or the one that this is about, such as its purchase.

    `lot` has its dates: what waits for goods that have yet to come is of its own event.
    """
    v, named = t.event.c, t.event.alias("named")
    then = (
        select(named.c.occurred_at)
        .where(named.c.program_id == v.program_id, named.c.event_id == v.about, _is_of(v.kind, _DATED_BY_ANOTHER))
        .correlate(t.event)
        .scalar_subquery()
    )
    own = or_(v.about.is_(None), lot.available_at == lot.expires_at)
    return case((own, v.occurred_at), else_=func.coalesce(then, v.occurred_at))


def _credits() -> Select[Any]:
    asked, e, v = _asked_numbers(), t.entry.c, t.event.c
    names = ("member_id", "sequence", "position", "unit", "points", "available_at")
    columns = [*(e[name] for name in names), _ends().label("expires_at"), credited_at(e).label("occurred_at"), v.kind]
    same = [table[name] == asked.c[name] for table in (e, v) for name in ("member_id", "sequence")]
    found = (
        select(*columns)
        .where(e.program_id == PROGRAM_PARAMETER, v.program_id == PROGRAM_PARAMETER, *same, e.available_at.is_not(None))
        .offset(literal_column("0"))  # see `statements.each`
        .lateral("found")
    )
    return select(*found.c).select_from(asked.join(found, true()))


CREDITS = Statement(_credits())
"""The entries that credited lots, of events named by member and number, with the end of each lot by now."""

_content = [t.event.c[name] for name in ("member_id", "sequence", "content")]
CONTENTS = Statement(statements.each(_asked_numbers(), t.event, _content))
"""The hashed bytes of events named by member and number."""

ENTRIES = Statement(_of_events(t.entry, "member_id", "sequence", "position"))
DRAWS = Statement(_of_events(t.draw, "member_id", "sequence", "position", "ordinal"))
TAGS = Statement(statements.of_members(t.member_tag, TAG_COLUMNS))
PROFILES = Statement(statements.of_members(t.profile, [t.profile.c.member_id, t.profile.c.attributes]))
_lot_arrays = [
    func.array_agg(func.timestamptz_send(column) if column.type is t.INSTANT else column).label(column.name)
    for column in LOT_COLUMNS
    if column.name != "member_id"
]
LOTS = Statement(
    statements.of_members(t.open_lot, [t.open_lot.c.member_id, *_lot_arrays]).group_by(t.open_lot.c.member_id)
)
"""A row a member, with an array a column, instants as bytes: so fifty lots take a third of the time of fifty rows."""
RESERVATIONS = Statement(statements.of_members(t.reservation, RESERVATION_COLUMNS))

_shared = t.shared_usage.c
_counters = (
    _shared.program_id == PROGRAM_PARAMETER,
    _shared.counter == func.any(bindparam("counters", type_=ARRAY(Text()))),
)
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
    asked = statements.asked(counter=Text())
    names = ["program_id", "counter", "since", "points", "times"]
    none: ColumnElement[int] = literal_column("0")
    since = bindparam("beginning", type_=t.INSTANT)
    new = select(PROGRAM_PARAMETER, asked.c.counter, since, none, none).order_by(asked.c.counter)
    return insert(t.shared_usage).from_select(names, new).on_conflict_do_nothing()


FIRST_USE = Statement(_first_use())
"""Makes the rows that are locked, of counters that nobody has used yet."""
