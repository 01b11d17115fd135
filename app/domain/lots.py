"""Accounts and lots: crediting, drawing and expiring, each giving a new state and the entry that says so (semantics L).

An account's sums are kept right for `now < next_due_at`; whoever moves points settles first (`settling`), so that
every lot here is active, pending or gone as of `now`.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from app.domain.dating import Dates
from app.domain.events import Balances, Draw, Entry
from app.domain.points import LIMIT
from app.domain.refusals import PointsOutOfRange, Refused
from app.domain.rules import Shortage
from app.domain.state import Account, MemberState, OpenLot
from app.domain.units import Unit

_NEVER = datetime.max.replace(tzinfo=UTC)


class OutOfRange(Refused):
    """A posting would leave the range of points."""

    def __init__(self, unit: str) -> None:
        super().__init__(PointsOutOfRange(unit))


class Place(NamedTuple):
    """Where a posting goes: the event's number and the position of the entry in it."""

    sequence: int
    position: int


def draw_order(lot: OpenLot) -> tuple[datetime, datetime, int, int]:
    """Earliest expiry first, never-expiring last, then what occurred first (semantics L5)."""
    return (lot.expires_at or _NEVER, lot.occurred_at, lot.sequence, lot.position)


def is_active(lot: OpenLot, *, now: datetime) -> bool:
    """Active from its availability, expired from `expires_at` on, that instant included (semantics L3)."""
    return lot.available_at <= now and (lot.expires_at is None or lot.expires_at > now)


def active(lots: Iterable[OpenLot], unit: str, *, now: datetime) -> list[OpenLot]:
    """The lots of a unit that are active, in the order in which they are drawn (semantics L5)."""
    return sorted([lot for lot in lots if lot.unit == unit and is_active(lot, now=now)], key=draw_order)


def ended(lot: OpenLot, *, now: datetime) -> bool:
    return lot.expires_at is not None and lot.expires_at <= now


def in_account(lot: OpenLot, account: Account) -> OpenLot:
    """The lot with the end that its account has, where it bears no date of its own (semantics L10)."""
    return lasting(lot, account.active_until)


def lasting(lot: OpenLot, until: datetime | None) -> OpenLot:
    """The lot with this end, if any, where it bears no date of its own."""
    return lot if until is None or lot.expires_at is not None else lot._replace(expires_at=until)


def next_due(lots: Iterable[OpenLot], *, now: datetime) -> datetime | None:
    """The next instant after `now` at which one of these lots becomes active or expires, or a hold on it lapses."""
    instants = []
    for lot in lots:
        instants.append(lot.available_at)
        if lot.expires_at is not None:
            instants.append(lot.expires_at)
        instants += [reserve.lapses_at for reserve in lot.reserves]
    return min([instant for instant in instants if instant > now], default=None)


def credit(
    account: Account, unit: Unit, amount: int, *, at: Place, dates: Dates, now: datetime
) -> tuple[Account, OpenLot | None, Entry]:
    """Posts points on an account; opens a lot in a unit with lots, and pays an open deficit from it (semantics L3, L9).

    The lot is None where nothing of it remains, or the unit has none. Raises OutOfRange.
    """
    balance, earned = account.balance + amount, account.earned + amount
    if balance > LIMIT or earned > LIMIT:
        raise OutOfRange(unit.code)
    if not unit.has_lots:
        after = account._replace(balance=balance, active=account.active + amount, earned=earned)
        return after, None, Entry(at.position, unit.code, amount, balance)
    active = dates.available_at <= now
    paid = min(amount, account.deficit)
    left = amount - paid
    after = account._replace(
        balance=balance,
        earned=earned,
        deficit=account.deficit - paid,
        active=account.active + (left if active else 0),
        pending=account.pending + (0 if active else left),
        next_due_at=sooner(account.next_due_at, sooner(dates.expires_at, None if active else dates.available_at)),
    )
    lot = OpenLot(at.sequence, at.position, unit.code, amount, left, *dates, waiting=not active) if left else None
    draws = (Draw(at.sequence, at.position, paid),) if paid else ()
    return after, lot, Entry(at.position, unit.code, amount, balance, dates.available_at, dates.expires_at, draws)


def credit_state(
    state: MemberState, credits: Iterable[tuple[Unit, int, Dates]], *, now: datetime, first: int = 0
) -> tuple[MemberState, tuple[Entry, ...]]:
    """Posts the credits of one event, in order, as entries from `first` on of the member's next event.

    Raises OutOfRange.
    """
    accounts, opened, entries = dict(state.accounts), [], []
    for position, (unit, amount, dates) in enumerate(credits, start=first):
        account = accounts.get(unit.code) or Account(unit.code)
        place = Place(state.sequence + 1, position)
        accounts[unit.code], lot, entry = credit(account, unit, amount, at=place, dates=dates, now=now)
        entries.append(entry)
        if lot is not None:
            opened.append(lot)
    if not entries:
        return state, ()
    return state._replace(accounts=accounts, lots=(*state.lots, *opened)), tuple(entries)


def redeem(
    state: MemberState,
    unit: Unit,
    amount: int,
    *,
    order: Iterable[OpenLot],
    at: Place,
    owed: int = 0,
) -> tuple[MemberState, Entry]:
    """Draws points from lots in this order (semantics L5). The caller has checked what is available in them.

    Of the amount so many may be `owed`, what is missing of them becomes a deficit (L9). Raises OutOfRange.
    """
    account = state.accounts.get(unit.code) or Account(unit.code)
    state, draws, missing = drain(state, order, amount)
    if missing > owed:
        raise ValueError(f"{missing} of {amount} {unit.code} are not in the open lots")
    after = account._replace(
        balance=account.balance - amount,
        active=account.active - (amount - missing),
        deficit=account.deficit + missing,
        redeemed=account.redeemed + amount,
    )
    if after.redeemed > LIMIT or after.balance < -LIMIT:
        raise OutOfRange(unit.code)
    return with_account(state, after), Entry(at.position, unit.code, -amount, after.balance, draws=draws)


def take(
    state: MemberState,
    unit: Unit,
    amount: int,
    *,
    own: Container[int],
    shortage: Shortage,
    at: Place,
    now: datetime,
) -> tuple[MemberState, Entry | None]:
    """Takes points back that the events of these numbers gave (semantics R3); of what is forgiven the entry is short.

    From those events' pending points, what remains of their own lots, and in a spendable unit other lots in draw order;
    then they are owed. In a unit that cannot be spent only from their own lots, without lots from the balance.
    What is not there in such a unit is forgiven.
    """
    account = state.accounts[unit.code]
    if not unit.has_lots:
        amount = min(amount, account.active)  # an adjustment may have taken of it already
        if not amount:
            return state, None
        after = account._replace(
            balance=account.balance - amount, active=account.active - amount, reversed=account.reversed + amount
        )
        return with_account(state, after), Entry(at.position, unit.code, -amount, after.balance)
    mine = [lot for lot in state.lots if lot.unit == unit.code]
    given = [lot for lot in mine if lot.sequence in own]
    order = sorted(given, key=lambda lot: (lot.available_at <= now, draw_order(lot)))
    if unit.spendable and sum(lot.remaining - lot.reserved for lot in given) < amount:
        order += active([lot for lot in mine if lot.sequence not in own], unit.code, now=now)
    state, draws, missing = drain(state, order, amount)
    owed = 0
    if unit.spendable and not shortage.forgive:
        floor = shortage.floors.get(unit.code)
        owed = missing if floor is None else min(missing, max(0, floor - account.deficit))
    taken = amount - missing + owed
    if not taken:
        return state, None
    waiting = {(lot.sequence, lot.position) for lot in mine if lot.available_at > now}
    pending = sum(draw.points for draw in draws if (draw.lot_sequence, draw.lot_position) in waiting)
    after = account._replace(
        balance=account.balance - taken,
        active=account.active - (amount - missing - pending),
        pending=account.pending - pending,
        deficit=account.deficit + owed,
        reversed=account.reversed + taken,
    )
    if after.reversed > LIMIT or after.balance < -LIMIT:
        raise OutOfRange(unit.code)
    return with_account(state, after), Entry(at.position, unit.code, -taken, after.balance, draws=draws)


def activate(state: MemberState, unit: str, *, instant: datetime, at: Place) -> tuple[MemberState, int, Entry | None]:
    """Lets the unit's lots count whose wait is over by an instant (semantics L11); with how many points.

    An open deficit is paid from them (L9): that is the entry, of no points but with draws. Leaves `next_due_at` to
    `expire`, which follows at every instant (semantics T3).
    """
    account = state.accounts[unit]
    ready = [lot._replace(waiting=False) for lot in state.lots if _waited(lot, account, instant)]
    if not ready:
        return state, 0, None
    points = sum(lot.remaining for lot in ready)
    state, draws, left = drain(with_lots(state, ready), sorted(ready, key=draw_order), account.deficit)
    paid = account.deficit - left
    after = account._replace(
        active=account.active + points - paid, pending=account.pending - points, deficit=account.deficit - paid
    )
    return (
        with_account(state, after),
        points,
        Entry(at.position, unit, 0, after.balance, draws=draws) if paid else None,
    )


def _waited(lot: OpenLot, account: Account, instant: datetime) -> bool:
    """Whether its wait is over, and it has not ended meanwhile."""
    if not lot.waiting or lot.unit != account.unit or lot.available_at > instant:
        return False
    return not ended(in_account(lot, account), now=instant)


def expire(state: MemberState, unit: str, *, instant: datetime, at: Place) -> tuple[MemberState, Entry | None]:
    """Ends what is left, and not reserved, of the unit's lots that expire by an instant (semantics L3, L7)."""
    account = state.accounts[unit]
    mine = (lot for lot in state.lots if lot.unit == unit)
    over = [lot for lot in mine if ended(in_account(lot, account), now=instant)]
    state, draws, _ = drain(state, sorted(over, key=draw_order), LIMIT)
    gone = sum(draw.points for draw in draws)
    waited = sum(lot.remaining - lot.reserved for lot in over if lot.waiting)
    left = [lot for lot in state.lots if lot.unit == unit]
    following = next_due((in_account(lot, account) for lot in left), now=instant)
    if account.notice_at is not None and account.notice_at > instant:
        following = sooner(following, account.notice_at)
    after = account._replace(
        balance=account.balance - gone,
        active=account.active - (gone - waited),
        pending=account.pending - waited,
        expired=account.expired + gone,
        next_due_at=following,
        active_until=account.active_until if any(lot.expires_at is None for lot in left) else None,
    )
    return with_account(state, after), Entry(at.position, unit, -gone, after.balance, draws=draws) if gone else None


def folded(account: Account, lots: Iterable[OpenLot], *, now: datetime) -> Account:
    """The account by the instant: from the open lots once something has fallen due since it was stored (semantics L4).

    Points past their instant count nowhere, whether or not an expiry has been written down yet, unless a hold keeps
    them (L12).
    """
    if account.next_due_at is None or now < account.next_due_at:
        return account
    mine = [lot for lot in lots if lot.unit == account.unit]
    deficit = account.deficit
    if deficit:
        mine, deficit = repaid(mine, deficit, until=account.active_until, now=now)
    mine = [in_account(lot, account) for lot in mine]
    active = sum(lot.remaining if is_active(lot, now=now) else lot.kept(now) for lot in mine)
    pending = sum(lot.remaining for lot in mine if lot.available_at > now and not ended(lot, now=now))
    return account._replace(
        balance=active + pending - deficit,
        active=active,
        pending=pending,
        deficit=deficit,
        held=sum(lot.kept(now) for lot in mine),
        next_due_at=next_due(mine, now=now),
    )


def repaid(
    mine: Sequence[OpenLot], deficit: int, *, until: datetime | None, now: datetime
) -> tuple[list[OpenLot], int]:
    """An account's lots once holds that lapsed, and waits that are over, have paid a deficit; with what is left of it.

    Instant by instant, whether or not that has been written down (semantics L4, L9). Those without a date of their own
    last as long as the account, `until` then, and pay last.
    """
    left = list(mine)
    instants = {r.lapses_at for lot in mine for r in lot.reserves} | {lot.available_at for lot in mine if lot.waiting}
    for instant in sorted(one for one in instants if one <= now):
        payers = []
        for place, lot in enumerate(left):
            free = sum(r.points for r in lot.reserves if r.lapses_at <= instant)
            if free:
                left[place] = lot._replace(reserves=tuple(r for r in lot.reserves if r.lapses_at > instant))
            elif lot.waiting and lot.available_at <= instant and not ended(lasting(lot, until), now=instant):
                left[place], free = lot._replace(waiting=False), lot.remaining
            if free:
                payers.append((draw_order(lot), place, free))
        for _, place, free in sorted(payers):
            paid = min(deficit, free)
            deficit -= paid
            left[place] = left[place]._replace(remaining=left[place].remaining - paid)
    return left, deficit


def by_the_instant(accounts: Mapping[str, Account], lots: Iterable[OpenLot], *, now: datetime) -> Mapping[str, Account]:
    """All accounts by the instant; needs the open lots of those on which something has fallen due."""
    for account in accounts.values():
        if account.next_due_at is not None and account.next_due_at <= now:
            break
    else:
        return accounts
    known = tuple(lots)
    return {unit: folded(account, known, now=now) for unit, account in accounts.items()}


def balances(accounts: Mapping[str, Account], *, ends: bool) -> dict[str, Balances]:
    """The accounts as an event leaves them, by unit: the order must not depend on how they were found.

    `ends` says whether they tell when they end, where they slide.
    """
    return {
        unit: Balances(a.balance, a.available, a.pending, a.held, a.deficit, a.active_until if ends else None)
        for unit, a in sorted(accounts.items())
    }


def drain(state: MemberState, order: Iterable[OpenLot], amount: int) -> tuple[MemberState, tuple[Draw, ...], int]:
    """Takes up to `amount` from lots in this order, but nothing reserved; with the draws, and what is missing."""
    draws, left, missing = [], [], amount
    for lot in order:
        if not missing:
            break
        taken = min(missing, lot.remaining - lot.reserved)
        if taken:
            draws.append(Draw(lot.sequence, lot.position, taken))
            left.append(lot._replace(remaining=lot.remaining - taken))
            missing -= taken
    return with_lots(state, left) if left else state, tuple(draws), missing


def with_lots(state: MemberState, changed: Iterable[OpenLot]) -> MemberState:
    """The state with lots as they are now: open while something remains, else closed."""
    now = {(lot.sequence, lot.position): lot for lot in changed}
    closed = {name: lot for name, lot in {**state.closed, **now}.items() if not lot.remaining}
    kept = [now.pop(lot[:2], lot) for lot in state.lots]
    return state._replace(lots=tuple([lot for lot in (*kept, *now.values()) if lot.remaining]), closed=closed)


def with_account(state: MemberState, account: Account) -> MemberState:
    """The state with the account as it is now: where nothing is left, nothing slides any longer."""
    if account.active_until is not None and not (account.active or account.pending):
        account = account._replace(active_until=None)
    return state._replace(accounts={**state.accounts, account.unit: account})


def sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
