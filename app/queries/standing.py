"""A member with what the clock has made true by now, whether or not it is written down (semantics L3, T6)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import loading, transactions
from app.domain import settling, tiers
from app.domain.posting import Ids, Moment
from app.domain.rules import Rules, Versions
from app.domain.state import Account, MemberState
from app.queries import balances
from app.queries.balances import MemberAccounts

_NO_IDS = Ids(fresh=lambda: bytes(16), random=bytes)
"""Nothing that a reader settles is kept."""


async def by_now(
    engine: AsyncEngine, state: MemberState, versions: Versions, *, program_id: bytes, now: datetime
) -> MemberState:
    """The member as settling would leave them: read again from one snapshot, but only where something is due."""
    if settling.next_instant(state, now=now) is None:
        return state
    async with transactions.preview(engine) as connection:
        found = await loading.members(connection, program_id=program_id, ids=[state.id], digests=[], locked=False)
        around = await loading.circumstances(connection, found, program_id=program_id, digests=[], keys=[], now=now)
        with_lots = await loading.with_lots(connection, around.states.values(), program_id=program_id)
    member = with_lots[state.id]
    moment = Moment(
        program_id=program_id,
        versions=versions,
        recorded_at=max(now, member.recorded_at or now),
        judged_at=max(now, member.judged_at or now),
        silent=True,
        ids=_NO_IDS,
    )
    return settling.settle(member, moment)[0]


def then(state: MemberState, accounts: MemberAccounts, rules: Rules) -> Mapping[str, Mapping[str, Account]]:
    """By ladder, the accounts just before its tier is decided on, as far as time alone leaves them (semantics T6)."""
    found: dict[str, Mapping[str, Account]] = {}
    for code, term in tiers.latest(state.tiers).items():
        at = term.falls_at or term.review_at
        if at is not None and any(ladder.code == code for ladder in rules.ladders):
            shown = balances.balances(accounts, now=at - timedelta.resolution)
            found[code] = {one.account.unit: one.account for one in shown}
    return found
