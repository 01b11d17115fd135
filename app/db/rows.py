"""Rows to values: how states and events are read from their tables; `arrays` is the way back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import repeat
from typing import Any, Protocol

import orjson
from asyncpg.pgproto.pgproto import UUID  # the driver's own, made from bytes without a detour

from app.domain.calendar import Span
from app.domain.commands import Mode, Named
from app.domain.events import Balances, Draw, Entry, Recorded
from app.domain.parking import Parked
from app.domain.state import (
    Account,
    Floor,
    HeldTag,
    MemberState,
    Missed,
    OpenLot,
    ReferralState,
    Reserve,
    Scheduled,
    TierTerm,
    Usage,
)

Row = Mapping[Any, Any]

_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class _Uuid(Protocol):
    bytes: bytes


def uuid(id: bytes) -> UUID:
    """An id as the driver takes it."""
    return UUID(id)


def member_state(row: Row) -> MemberState:
    """The member's own row; accounts, lots and the rest are added by who loaded them."""
    referrer = row["referrer_id"]
    return MemberState(
        id=_bytes(row["member_id"]),
        sequence=row["sequence"],
        messages=row["messages"],
        head=row["head"],
        recorded_at=row["recorded_at"],
        judged_at=row["judged_at"],
        quiet_before=row["quiet_before"],
        enrolled_at=row["enrolled_at"],
        referral_code=row["referral_code"],
        referrer=None if referrer is None else _bytes(referrer),
        referral=ReferralState(row["referral"]),
        referral_lapses_at=row["referral_lapses_at"],
        referral_purchase=row["referral_purchase"],
        referral_rounds=row["referral_rounds"] or 0,
        referral_claimed_at=row["referral_claimed_at"],
        referral_review=row["referral_review"] or "",
        referral_due_at=row["referral_due_at"],
        referral_version=row["referral_version"],
        purchases=row["purchases"] or 0,
        bought_at=row["bought_at"],
        parked=row["parked"] or 0,
        tiers_due_at=row["tiers_due_at"],
        lots_loaded=False,
    )


def account(row: Row) -> Account:
    """One account of a member."""
    return Account(
        row["unit"],
        row["balance"],
        row["active"],
        row["pending"],
        row["held"],
        row["deficit"],
        row["next_due_at"],
        row["earned"],
        row["redeemed"],
        row["expired"],
        row["reversed"],
        row["active_until"],
        row["notice_at"],
        row["told_until"],
    )


def open_lot(row: Row) -> OpenLot:
    """One lot of which something remains."""
    return OpenLot(
        row["sequence"],
        row["position"],
        row["unit"],
        row["credited"],
        row["remaining"],
        row["occurred_at"],
        row["available_at"],
        row["expires_at"],
        waiting=row["waiting"],
    )


def open_lots(row: Row) -> Iterator[OpenLot]:
    """A member's lots, from a row that has an array for each column."""
    sums = (row["unit"], row["credited"], row["remaining"])
    dates = (map(_instant, row[name]) for name in ("occurred_at", "available_at", "expires_at"))
    return map(OpenLot, row["sequence"], row["position"], *sums, *dates, repeat(()), row["waiting"])


def with_reserves(lots: Sequence[OpenLot], reservations: Iterable[Row]) -> tuple[OpenLot, ...]:
    """A member's lots with what holds keep of each."""
    kept: dict[tuple[int, int], list[Reserve]] = {}
    for row in sorted(reservations, key=lambda row: row["hold"]):
        reserve = Reserve(row["hold"], _bytes(row["hold_id"]), row["points"], row["lapses_at"])
        kept.setdefault((row["lot_sequence"], row["lot_position"]), []).append(reserve)
    if not kept:
        return tuple(lots)
    named = ((lot, kept.get(lot[:2])) for lot in lots)
    return tuple(lot if mine is None else lot._replace(reserves=tuple(mine)) for lot, mine in named)


def closed_lot(row: Row) -> OpenLot:
    """A lot of which nothing remains, from the entry that credited it."""
    return OpenLot(
        row["sequence"],
        row["position"],
        row["unit"],
        row["points"],
        0,
        row["occurred_at"],
        row["available_at"],
        row["expires_at"],
    )


def tier_term(row: Row) -> TierTerm:
    """One tier a member held for a time."""
    return TierTerm(
        row["ladder"],
        row["tier"],
        row["since"],
        row["sequence"],
        row["began_at"],
        row["earned"],
        row["confirmed"],
        row["review_at"],
        row["falls_at"],
        row["falls_to"],
        row["notice_at"],
        _missed(row["missed"]),
    )


def floor(row: Row) -> Floor:
    """One tier that a member was given."""
    lasts = None if row["months"] is None else Span(row["months"], row["days"])
    named = (row["ladder"], row["tier"], row["sequence"], row["rule"])
    return Floor(*named, row["given_at"], row["ends_at"], lasts)


def usage(row: Row) -> Usage:
    """What a member, or all of them, have used of a counter in a period."""
    return Usage(row["counter"], row["since"], row["until"], row["points"], row["times"])


def held_tag(row: Row) -> HeldTag:
    """A tag on a member."""
    return HeldTag(row["tag"], row["sequence"], row["since"], row["until"])


def scheduled(row: Row) -> Scheduled:
    """One command that waits for its instant."""
    return Scheduled(
        row["member_id"].bytes,
        row["due_at"],
        row["key"],
        row["kind"],
        row["facts"],
        row["rules_version"],
        row["cause"].bytes,
    )


def parked(row: Row) -> Parked:
    """An event that waits."""
    return Parked(
        event_id=_bytes(row["event_id"]),
        member_id=_bytes(row["member_id"]),
        source=row["source"],
        kind=row["kind"],
        key=row["key"],
        awaits=Named(None, row["awaits_source"], row["awaits_kind"], row["awaits_key"]),
        digest=row["digest"],
        occurred_at=row["occurred_at"],
        parked_at=row["parked_at"],
        lapses_at=row["lapses_at"],
        facts=row["facts"],
        particulars=row["particulars"],
        mode=Mode(row["mode"]),
    )


def recorded(row: Row, entries: Iterable[Row], draws: Iterable[Row]) -> Recorded:
    """One recorded event with its entries, each with its draws, in their order."""
    drawn: dict[int, list[Draw]] = {}
    for draw in draws:
        drawn.setdefault(draw["position"], []).append(Draw(draw["lot_sequence"], draw["lot_position"], draw["points"]))
    why = json_value(row["explanation"])
    return Recorded(
        id=_bytes(row["event_id"]),
        member_id=_bytes(row["member_id"]),
        sequence=row["sequence"],
        source=row["source"],
        kind=row["kind"],
        key=row["key"],
        occurred_at=row["occurred_at"],
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        rules_version=row["rules_version"],
        engine=row["engine"],
        digest=row["digest"],
        content=row["content"],
        hash=row["hash"],
        entries=tuple(
            Entry(
                entry["position"],
                entry["unit"],
                entry["points"],
                entry["balance_after"],
                entry["available_at"],
                entry["expires_at"],
                tuple(drawn.get(entry["position"], ())),
            )
            for entry in entries
        ),
        steps=tuple((rule, unit, what, value) for rule, unit, what, value in why["steps"]),
        accounts={unit: _balances(*said) for unit, said in json_value(row["accounts"]).items()},
        tier_changes=tuple((ladder, before, after) for ladder, before, after in why.get("tiers", ())),
        flags=tuple(why.get("flags", ())),
        about=None if row["about"] is None else _bytes(row["about"]),
    )


def _balances(
    balance: int, available: int, pending: int, held: int, deficit: int, until: str | None = None
) -> Balances:
    ends = None if until is None else datetime.fromisoformat(until)
    return Balances(balance, available, pending, held, deficit, ends)


def json_value(value: Any) -> Any:
    """JSON comes as text from the driver and as a value through SQLAlchemy."""
    return orjson.loads(value) if isinstance(value, str) else value


@lru_cache(maxsize=4_096)
def _instant(sent: bytes | None) -> datetime | None:
    """An instant as PostgreSQL sends it; few stand in many lots, and making each anew takes half of the reading."""
    if sent is None:
        return None
    return _POSTGRES_EPOCH + timedelta(microseconds=int.from_bytes(sent, "big", signed=True))


def _missed(text: str | None) -> Missed | None:
    if text is None:
        return None
    return _missed_in(orjson.loads(text))


def _missed_in(said: list[Any] | None) -> Missed | None:
    """What a review missed: when, of which tier, what there was, and what the one before it missed, if so."""
    if said is None:
        return None
    at, tier, had, *before = said
    found = tuple((unit, points) for unit, points in had)
    return Missed(datetime.fromisoformat(at), tier, found, _missed_in(before[0]) if before else None)


def _bytes(value: "bytes | _Uuid") -> bytes:
    """Ids come as UUIDs from the driver and as bytes through SQLAlchemy."""
    return value if isinstance(value, bytes) else value.bytes
