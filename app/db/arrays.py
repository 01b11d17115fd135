"""Values to arrays, one a column: how states and events are written to their tables; `rows` is the way back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from app.domain import messages
from app.domain.events import Balances, Message, Posted, Recorded
from app.domain.parking import Parked, TurnedAway
from app.domain.periods import BEGINNING
from app.domain.refusals import facts_of
from app.domain.rules import Audience
from app.domain.state import Account, Floor, MemberState, Missed, OpenLot, Scheduled, TierTerm
from app.domain.usage import Used

Columns = dict[str, dict[str, list[Any]]]
"""Per kind of row, per column, the values in row order: what `writing.save` writes."""

_STATE = (
    "member_id sequence messages head recorded_at judged_at quiet_before enrolled_at referral_code referrer_id "
    "referral referral_lapses_at referral_purchase referral_rounds referral_claimed_at referral_review "
    "referral_due_at referral_version parked purchases bought_at tiers_due_at"
).split()
_ACCOUNT = (
    "member_id unit balance active pending held deficit next_due_at earned redeemed expired reversed active_until "
    "notice_at told_until"
).split()
_LOT = (
    "member_id sequence position unit credited remaining reserved occurred_at available_at expires_at waiting".split()
)
_RESERVATION = "member_id hold lot_sequence lot_position hold_id points lapses_at".split()
TERM = (
    "member_id ladder sequence tier since began_at earned confirmed review_at falls_at falls_to notice_at missed"
).split()
_FLOOR = "member_id ladder sequence rule tier given_at ends_at months days".split()
_USAGE = "member_id counter since until points times".split()
_TAG = "member_id tag sequence since until".split()
_SCHEDULE = "member_id key due_at kind facts rules_version cause".split()
_EVENT = (
    "member_id sequence event_id source kind key occurred_at effective_at recorded_at rules_version engine digest hash "
    "content explanation accounts about lane block leaf"
).split()
_ENTRY = "member_id sequence position unit points balance_after available_at expires_at".split()
_DRAW = "member_id sequence position ordinal lot_sequence lot_position points".split()
_PARKED = (
    "source kind key event_id member_id awaits_source awaits_kind awaits_key digest occurred_at parked_at lapses_at "
    "facts particulars mode"
).split()
_REFUSED = (
    "source kind key refused_id member_id identity enrols_kind enrols_value occurred_at time_said not_after refused_at "
    "code details facts particulars mode"
).split()
_PARTICULARS = ["member_id", "sequence", "salt", "body"]
_MESSAGE = ["message_id", "member_id", "sequence", "number", "type", "body", "created_at", "audience"]
_PENDING = ["message_id", "member_id", "number", "type", "created_at", "audience"]


def state_columns(pairs: Iterable[tuple[MemberState, MemberState]]) -> Columns:
    """What changed from each first state to its second, sorted by member and key."""
    states, accounts, opened, closed, terms, done = [], [], [], [], [], []
    kept, freed = [], []
    floors, ended = [], []
    counted, forgotten, later = [], [], []
    tagged, untagged = [], []
    for before, after in sorted(pairs, key=lambda pair: pair[1].id):
        id = after.id
        states.append(_state_row(id, after))
        accounts += [
            _account_row(id, after.accounts[unit])
            for unit in sorted(after.accounts)
            if after.accounts[unit] is not before.accounts.get(unit)
        ]
        if after.lots is not before.lots:
            old, new = _but(before.lots, after.lots), _but(after.lots, before.lots)
            opened += [_lot_row(id, lot) for _, lot in sorted(new.items())]
            closed += [(id, *name) for name in sorted(old.keys() - new.keys())]
            was, now = _reserves(id, old.values()), _reserves(id, new.values())
            kept += [now[name] for name in sorted(now) if now[name] != was.get(name)]
            freed += sorted(was.keys() - now.keys())
        if after.usage is not before.usage:
            counted += [(id, *row) for key, row in sorted(after.usage.items()) if row != before.usage.get(key)]
            forgotten += [(id, *key) for key in sorted(before.usage.keys() - after.usage.keys())]
        if after.tags is not before.tags:
            named = {(tag.tag, tag.sequence) for tag in after.tags}
            tagged += [(id, *tag) for tag in after.tags if tag not in before.tags]
            untagged += [(id, t.tag, t.sequence) for t in before.tags if (t.tag, t.sequence) not in named]
        known = len(before.tiers)
        terms += [term_row(id, term) for term in after.tiers[known:]]
        if after.floors is not before.floors:
            had = {_floor_key(floor): floor for floor in before.floors}
            has = {_floor_key(floor): floor for floor in after.floors}
            floors += [_floor_row(id, has[key]) for key in sorted(has) if has[key] != had.get(key)]
            ended += [(id, *key) for key in sorted(had.keys() - has.keys())]
        if after.scheduled is not before.scheduled:
            left = {row.key for row in after.scheduled}
            done += [(id, row.key) for row in before.scheduled if row.key not in left]
            due = {row.key: row.due_at for row in before.scheduled}
            later += [_schedule_row(row) for row in after.scheduled if due.get(row.key, row.due_at) != row.due_at]
    return {
        "member": _transposed(_STATE, states),
        "account": _transposed(_ACCOUNT, accounts),
        "open_lot": _transposed(_LOT, opened),
        "closed_lot": _transposed(("member_id", "sequence", "position"), closed),
        "reservation": _transposed(_RESERVATION, kept),
        "closed_reservation": _transposed(_RESERVATION[:4], freed),
        "tier_term": _transposed(TERM, terms),
        "tier_floor": _transposed(_FLOOR, floors),
        "ended_floor": _transposed(_FLOOR[:4], ended),
        "usage": _transposed(_USAGE, counted),
        "forgotten_usage": _transposed(_USAGE[:3], forgotten),
        "member_tag": _transposed(_TAG, tagged),
        "removed_tag": _transposed(_TAG[:3], untagged),
        "later_schedule": _transposed(_SCHEDULE, later),
        "closed_schedule": _transposed(("member_id", "key"), done),
    }


def event_columns(posted: Sequence[Posted], *, lane: int, block: int, first: int, audience: Audience) -> Columns:
    """Events in leaf order from leaf `first` on, with their entries, draws, messages and erasable parts."""
    events, entries, draws, particulars, messages, pending = [], [], [], [], [], []
    for leaf, one in enumerate(posted, start=first):
        event = one.recorded
        id, sequence = event.member_id, event.sequence
        events.append(_event_row(id, event, lane=lane, block=block, leaf=leaf))
        for e in event.entries:
            entries.append((id, sequence, e.position, e.unit, e.points, e.balance_after, e.available_at, e.expires_at))
            draws += [
                (id, sequence, e.position, ordinal, draw.lot_sequence, draw.lot_position, draw.points)
                for ordinal, draw in enumerate(e.draws)
            ]
        if one.particulars:
            particulars.append((id, sequence, one.salt, one.particulars))
        whom = event.source if audience is Audience.OWN else None
        for m in one.messages:
            messages.append((m.id, id, sequence, m.number, m.type, m.body, event.recorded_at, whom))
            pending.append((m.id, id, m.number, m.type, event.recorded_at, whom))
    return {
        "event": _transposed(_EVENT, events),
        "entry": _transposed(_ENTRY, entries),
        "draw": _transposed(_DRAW, draws),
        "particulars": _transposed(_PARTICULARS, particulars),
        "message": _transposed(_MESSAGE, messages),
        "pending": _transposed(_PENDING, pending),
    }


def shared_usage_columns(before: Used, after: Used) -> Columns:
    """What all members have used, where that changed; the row that is locked stays when nothing is left."""
    if before is after:
        return {}
    gone = sorted(before.keys() - after.keys())
    used = [row for key, row in sorted(after.items()) if row != before.get(key)]
    used += [before[key]._replace(points=0, times=0) for key in gone if key[1] == BEGINNING]
    forgotten = [key for key in gone if key[1] != BEGINNING]
    return {
        "shared_usage": _transposed(_USAGE[1:], sorted(used, key=lambda row: row[:2])),
        "forgotten_shared_usage": _transposed(_USAGE[1:3], forgotten),
    }


def add_notice(columns: Columns, member_id: bytes, message: Message, *, now: datetime, whom: str | None) -> None:
    """A message that belongs to no event, among those of `event_columns`; `whom` is the only shop that may see it."""
    kinds = {
        "message": (_MESSAGE, (message.id, member_id, None, message.number, message.type, message.body, now, whom)),
        "pending": (_PENDING, (message.id, member_id, message.number, message.type, now, whom)),
    }
    for kind, (names, values) in kinds.items():
        for name, value in zip(names, values, strict=True):
            columns[kind].setdefault(name, []).append(value)


def feed_columns(messages: Mapping[str, list[Any]]) -> Columns:
    """The messages of `event_columns` and `add_notice` as the feed is to have them: each member's by their numbers.

    Notices stand behind the messages of events, and may have been told before them.
    """
    if not messages:
        return {}
    ids, numbers = messages["message_id"], messages["number"]
    places = sorted(range(len(ids)), key=numbers.__getitem__) if None in messages["sequence"] else range(len(ids))
    return {"unsequenced": {"message_id": [ids[i] for i in places], "place": list(range(len(ids)))}}


def parking_columns(parked: Iterable[Parked], unparked: Iterable[Parked], refused: Iterable[TurnedAway]) -> Columns:
    """What waits from now on, what does so no longer, and what was turned away: of each event the last time."""
    last = {(one.source, one.kind, one.key): one for one in refused}
    return {
        "parked": _transposed(_PARKED, [_parked_row(one) for one in sorted(parked, key=_by_key)]),
        "unparked": _transposed(_PARKED[:3], [_by_key(one) for one in sorted(unparked, key=_by_key)]),
        "refused": _transposed(_REFUSED, [_refused_row(last[key]) for key in sorted(last)]),
    }


def schedule_columns(schedules: Iterable[Scheduled]) -> Columns:
    """New scheduled commands."""
    rows = [_schedule_row(s) for s in sorted(schedules, key=lambda s: (s.member_id, s.key))]
    return {"schedule": _transposed(_SCHEDULE, rows)}


def columns(kind: str, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Columns:
    """Rows of any other kind, already in the order of their unique key."""
    return {kind: _transposed(names, list(rows))}


def term_row(id: bytes, term: TierTerm) -> tuple[Any, ...]:
    """A tier, as `TERM` names the columns."""
    missed = None if term.missed is None else orjson.dumps(_said_missed(term.missed)).decode()
    known = (term.began_at, term.earned, term.confirmed, term.review_at, term.falls_at, term.falls_to, term.notice_at)
    return (id, term.ladder, term.sequence, term.tier, term.since, *known, missed)


def _transposed(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)} if rows else {}


def _by_key(one: Parked) -> tuple[str, str, str]:
    return (one.source, one.kind, one.key)


def _parked_row(one: Parked) -> tuple[Any, ...]:
    awaits = (one.awaits.source, one.awaits.kind, one.awaits.key)
    times = (one.occurred_at, one.parked_at, one.lapses_at)
    said = (one.facts, one.particulars, one.mode.value)
    return (*_by_key(one), one.event_id, one.member_id, *awaits, one.digest, *times, *said)


def _refused_row(one: TurnedAway) -> tuple[Any, ...]:
    facts = orjson.dumps(facts_of(one.refusal)).decode()
    enrols = (None, None) if one.enrols is None else (one.enrols.kind, one.enrols.value)
    who = (one.refused_id, one.member_id, one.identity, *enrols)
    when = (one.occurred_at, one.time_said, one.not_after, one.refused_at)
    said = (one.facts, one.particulars, one.mode.value)
    return (one.source, one.kind, one.key, *who, *when, one.refusal.code, facts, *said)


def _state_row(id: bytes, state: MemberState) -> tuple[Any, ...]:
    return (
        id,
        state.sequence,
        state.messages,
        state.head,
        state.recorded_at,
        state.judged_at,
        state.quiet_before,
        state.enrolled_at,
        state.referral_code,
        state.referrer,
        state.referral.value,
        state.referral_lapses_at,
        state.referral_purchase,
        state.referral_rounds,
        state.referral_claimed_at,
        state.referral_review or None,
        state.referral_due_at,
        state.referral_version,
        state.parked,
        state.purchases,
        state.bought_at,
        state.tiers_due_at,
    )


def _schedule_row(s: Scheduled) -> tuple[Any, ...]:
    return (s.member_id, s.key, s.due_at, s.kind, s.facts, s.rules_version, s.cause)


def _account_row(id: bytes, a: Account) -> tuple[Any, ...]:
    sums = (a.balance, a.active, a.pending, a.held, a.deficit)
    moved = (a.earned, a.redeemed, a.expired, a.reversed)
    return (id, a.unit, *sums, a.next_due_at, *moved, a.active_until, a.notice_at, a.told_until)


def _lot_row(id: bytes, lot: OpenLot) -> tuple[Any, ...]:
    sums = (lot.credited, lot.remaining, lot.reserved)
    dates = (lot.occurred_at, lot.available_at, lot.expires_at)
    return (id, lot.sequence, lot.position, lot.unit, *sums, *dates, lot.waiting)


def _but(lots: Iterable[OpenLot], others: Iterable[OpenLot]) -> dict[tuple[int, int], OpenLot]:
    """The lots that are not, as they are, among others: most of a member's are the very same."""
    known = set(map(id, others))
    return {(lot.sequence, lot.position): lot for lot in lots if id(lot) not in known}


def _reserves(id: bytes, lots: Iterable[OpenLot]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """What holds keep of the lots, by the key of the row."""
    return {
        (id, reserve.hold, lot.sequence, lot.position): (
            id,
            reserve.hold,
            lot.sequence,
            lot.position,
            reserve.hold_id,
            reserve.points,
            reserve.lapses_at,
        )
        for lot in lots
        for reserve in lot.reserves
    }


def _said_missed(missed: Missed) -> list[Any]:
    before = [] if missed.before is None else [_said_missed(missed.before)]
    return [messages.time_text(missed.at), missed.tier, missed.had, *before]


def _floor_key(floor: Floor) -> tuple[str, int, str]:
    return (floor.ladder, floor.sequence, floor.rule)


def _floor_row(id: bytes, floor: Floor) -> tuple[Any, ...]:
    lasts = (None, None) if floor.lasts is None else (floor.lasts.months, floor.lasts.days)
    return (id, *_floor_key(floor), floor.tier, floor.given_at, floor.ends_at, *lasts)


def _said_sums(b: Balances) -> tuple[int | str, ...]:
    """What an event left of an account, as JSON: five sums, and until when, where it slides."""
    sums = (b.balance, b.available, b.pending, b.held, b.deficit)
    return sums if b.active_until is None else (*sums, messages.time_text(b.active_until))


def _event_row(id: bytes, event: Recorded, *, lane: int, block: int, leaf: int) -> tuple[Any, ...]:
    explanation: dict[str, Any] = {"steps": event.steps}
    if event.tier_changes:
        explanation["tiers"] = event.tier_changes
    if event.flags:
        explanation["flags"] = event.flags
    accounts = {u: _said_sums(b) for u, b in event.accounts.items()}
    return (
        id,
        event.sequence,
        event.id,
        event.source,
        event.kind,
        event.key,
        event.occurred_at,
        event.effective_at,
        event.recorded_at,
        event.rules_version,
        event.engine,
        event.digest,
        event.hash,
        event.content,
        orjson.dumps(explanation).decode(),
        orjson.dumps(accounts).decode(),
        event.about,
        lane,
        block,
        leaf,
    )
