"""Whether entries, draws, lots and accounts sum to each other (semantics L9, L15)."""

from collections.abc import Iterator, Mapping

from app.domain.events import OWED
from app.domain.verifying import places
from app.domain.verifying.history import History
from app.domain.verifying.places import Finding


def findings(history: History) -> Iterator[Finding]:
    """Entries run on and sum to the account; what is left of each lot is what was credited less what was drawn."""
    balances: dict[str, int] = {}
    for stored in history.events:
        for entry in stored.recorded.entries:
            balances[entry.unit] = balances.get(entry.unit, 0) + entry.points
            if entry.balance_after != balances[entry.unit]:
                place = f"{places.of_event(stored.recorded)} entry {entry.position}"
                yield Finding(
                    place, f"balance_after is {entry.balance_after}, the entries sum to {balances[entry.unit]}"
                )
                balances[entry.unit] = entry.balance_after
    yield from _accounts(history, balances)
    yield from _lots(history)


def _accounts(history: History, balances: Mapping[str, int]) -> Iterator[Finding]:
    """Each account is what its entries sum to, and what its lots have left."""
    for unit, account in history.state.accounts.items():
        place = f"{places.of_member(history.state.id)} account {unit}"
        if account.balance != balances.get(unit, 0):
            yield Finding(place, f"balance is {account.balance}, the entries sum to {balances.get(unit, 0)}")
        if account.balance != account.active + account.pending - account.deficit:
            yield Finding(place, "balance is not active and pending less deficit")
        lots = [lot for lot in history.state.lots if lot.unit == unit]
        if min(account.active, account.pending, account.held, account.deficit) < 0:
            yield Finding(place, "holds less than nothing of something")
        if lots and account.active + account.pending != sum(lot.remaining for lot in lots):
            yield Finding(place, "active and pending are not what its lots have left")
        for lot in lots:
            if not 0 <= lot.reserved <= lot.remaining <= lot.credited:
                yield Finding(
                    f"{places.of_member(history.state.id)} lot {lot.sequence}.{lot.position}", "is out of its bounds"
                )
        if sum(lot.reserved for lot in lots) != account.held:
            yield Finding(place, "held is not what the lots have reserved")
    yield from (
        Finding(f"{places.of_member(history.state.id)} account {unit}", "is missing, though it has entries")
        for unit in balances.keys() - history.state.accounts.keys()
    )


def _lots(history: History) -> Iterator[Finding]:
    """What is left of each lot, and what is owed, follow from the draws: a debit owes what it did not draw (L9)."""
    left: dict[tuple[int, int], int] = {}
    owed: dict[str, int] = {}
    with_lots = {e.unit for s in history.events for e in s.recorded.entries if e.available_at is not None}
    with_lots |= {unit for unit, account in history.state.accounts.items() if account.deficit}  # taken, never given
    for stored in history.events:
        event = stored.recorded
        for entry in event.entries:
            if entry.points > 0 and entry.available_at is not None:
                left[event.sequence, entry.position] = entry.points
            draws = [draw for draw in entry.draws if draw[:2] != OWED]
            for draw in draws:
                name = (draw.lot_sequence, draw.lot_position)
                if name not in left:
                    yield Finding(places.of_event(event), f"draws from lot {name[0]}.{name[1]}, which is not there")
                left[name] = left.get(name, 0) - draw.points
            drawn = sum(draw.points for draw in draws)
            short = -entry.points - drawn if entry.available_at is None else -drawn
            if entry.unit in with_lots and short:
                owed[entry.unit] = owed.get(entry.unit, 0) + short
            if entry.points < 0 and short < 0:
                yield Finding(
                    f"{places.of_event(event)} entry {entry.position}", f"takes {-entry.points}, its draws {drawn}"
                )
    opened = {(lot.sequence, lot.position): lot for lot in history.state.lots}
    for name in sorted(opened.keys() | {name for name, points in left.items() if points}):
        found = opened[name].remaining if name in opened else 0
        if found != left.get(name, 0):
            place = f"{places.of_member(history.state.id)} lot {name[0]}.{name[1]}"
            yield Finding(place, f"has {found} remaining, and should have {left.get(name, 0)}")
    for unit, account in history.state.accounts.items():
        if account.deficit != owed.get(unit, 0):
            place = f"{places.of_member(history.state.id)} account {unit}"
            yield Finding(place, f"owes {account.deficit}, and should owe {owed.get(unit, 0)}")
