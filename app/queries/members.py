"""Who a member is and where they stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import hot, profiles, rows
from app.db import tables as t
from app.db.transactions import reading
from app.domain import identities, lots
from app.domain.profiles import Profile
from app.domain.state import MemberState, OpenLot


@dataclass(frozen=True, slots=True)
class Person:
    """What lies apart from the ledger: how a member is known (semantics M1)."""

    identities: tuple[tuple[str, str], ...]
    profile: Profile


async def state(engine: AsyncEngine, member_id: bytes, *, program_id: bytes) -> MemberState | None:
    """The member's ledger row with accounts and tiers, as stored; None where there is no such member."""
    m, a, terms, floors = t.member.c, t.account.c, t.tier_term.c, t.tier_floor.c
    async with reading(engine) as connection:
        row = (
            (
                await connection.execute(
                    select(*hot.STATE_COLUMNS).where(m.program_id == program_id, m.member_id == member_id)
                )
            )
            .mappings()
            .first()
        )
        if row is None:
            return None
        accounts = await connection.execute(
            select(*hot.ACCOUNT_COLUMNS).where(a.program_id == program_id, a.member_id == member_id).order_by(a.unit)
        )
        tiers = await connection.execute(
            select(*hot.TERM_COLUMNS)
            .where(terms.program_id == program_id, terms.member_id == member_id)
            .order_by(terms.sequence)
        )
        given = await connection.execute(
            select(*hot.FLOOR_COLUMNS).where(floors.program_id == program_id, floors.member_id == member_id)
        )
    return rows.member_state(row)._replace(
        accounts={found["unit"]: rows.account(found) for found in accounts.mappings()},
        tiers=tuple(rows.tier_term(found) for found in tiers.mappings()),
        floors=tuple(sorted(rows.floor(found) for found in given.mappings())),
    )


async def person(engine: AsyncEngine, member_id: bytes, *, program_id: bytes) -> Person:
    """The member's identities, without the referral code, and profile."""
    i = t.member_identity.c
    async with reading(engine) as connection:
        named = await connection.execute(
            select(i.kind, i.value)
            .where(i.program_id == program_id, i.member_id == member_id, i.kind != identities.REFERRAL_CODE)
            .order_by(i.kind, i.value)
        )
        profile = await profiles.read(connection, member_id, program_id=program_id)
    return Person(tuple((row.kind, row.value) for row in named), profile)


async def known_as(engine: AsyncEngine, digest: bytes, *, program_id: bytes) -> bytes | None:
    """The member an identity belongs to, or None."""
    i = t.member_identity.c
    async with reading(engine) as connection:
        found = await connection.execute(select(i.member_id).where(i.program_id == program_id, i.digest == digest))
        return found.scalar_one_or_none()


async def open_lots(
    engine: AsyncEngine,
    member_id: bytes,
    *,
    program_id: bytes,
    after: tuple[int, int] | None,
    limit: int,
    now: datetime,
) -> tuple[OpenLot, ...]:
    """The member's open lots in the order of their credit entries, after the entry named.

    One without a date has the end of its account once that is over, and what is owed is paid by lots that may pay it,
    also where that is not written down (semantics L4, L9, L10).
    """
    o, a = t.open_lot.c, t.account.c
    over = case((a.active_until <= now, a.active_until)).label("over_at")
    of_unit = and_(a.program_id == o.program_id, a.member_id == o.member_id, a.unit == o.unit)
    mine = (
        select(*hot.LOT_COLUMNS, over, a.deficit)
        .join(t.account, of_unit)
        .where(o.program_id == program_id, o.member_id == member_id)
        .order_by(o.sequence, o.position)
    )
    rest = mine if after is None else mine.where(tuple_(o.sequence, o.position) > tuple_(*after))
    async with reading(engine) as connection:
        found = (await connection.execute(rest.limit(limit))).mappings().all()
        if not any(row["deficit"] for row in found):
            shown = (lots.lasting(rows.open_lot(row), row["over_at"]) for row in found)
            return await _with_reserves(connection, shown, member_id, program_id=program_id)
        found = (await connection.execute(mine)).mappings().all()
        every = await _with_reserves(connection, map(rows.open_lot, found), member_id, program_id=program_id)
    owed = {row["unit"]: (row["deficit"], row["over_at"]) for row in found}
    left = [lot for unit in owed for lot in _repaid([x for x in every if x.unit == unit], *owed[unit], now=now)]
    asked = [lot for lot in left if after is None or lot[:2] > after]
    return tuple(sorted(asked, key=lambda lot: lot[:2])[:limit])


def _repaid(mine: Sequence[OpenLot], owed: int, over_at: datetime | None, *, now: datetime) -> list[OpenLot]:
    """The lots of which something is left once they have paid what is owed by the clock."""
    left, _ = lots.repaid(mine, owed, until=over_at, now=now)
    return [lots.lasting(lot, over_at) for lot in left if lot.remaining]


async def _with_reserves(
    connection: AsyncConnection, shown: Iterable[OpenLot], member_id: bytes, *, program_id: bytes
) -> tuple[OpenLot, ...]:
    r = t.reservation.c
    kept = select(*hot.RESERVATION_COLUMNS).where(r.program_id == program_id, r.member_id == member_id)
    return rows.with_reserves(tuple(shown), (await connection.execute(kept)).mappings().all())
