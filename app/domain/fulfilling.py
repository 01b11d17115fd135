"""Points that wait until the goods have reached the customer (semantics L11)."""

from collections.abc import Iterable

from app.domain import chain, lots, messages, posting, returning, returns, taking
from app.domain.basket import Left
from app.domain.commands import Fulfilment, Purchase
from app.domain.dating import Dates
from app.domain.effects import Case, Effect
from app.domain.events import Earlier, Entry, Recorded
from app.domain.lots import Place
from app.domain.refusals import AlreadyFulfilled, Refused, UnknownLine
from app.domain.returns import Standing
from app.domain.rules import Rules
from app.domain.state import MemberState, OpenLot
from app.domain.units import AwaitsFulfilment, Unit, expires_at

FULFILLED = "fulfilled"
"""Where an event's context tells which lines it fulfilled."""
_GONE = Left(0, 0)


def fulfil(state: MemberState, facts: Fulfilment, case: Case) -> Effect:
    """Lets points of a purchase count that waited for its goods, or for those of its lines that are named.

    They move from the lot in which they waited to one with the dates that they have from now on: entries that sum to
    nothing. Raises Refused where all of that has been fulfilled already.
    """
    earlier = taking.named(state, case, kinds=(Purchase.kind,))
    rules = case.moment.versions.numbered(earlier.event.rules_version)
    now = returns.standing(earlier.event, earlier.followers)
    goods = tuple(line.id for line in now.goods.lines if line.amount >= 0)
    for line in facts.lines:
        if line not in goods:
            raise Refused(UnknownLine(line, goods))
    before = _fulfilled(earlier.followers)
    done = before | set(facts.lines or goods)
    ready = _ready(state, earlier, now, done, rules)
    if done == before and not ready:  # a change may have brought more goods of a line (semantics R8)
        raise Refused(AlreadyFulfilled())
    entries: tuple[Entry, ...] = ()
    for unit, points in ready.items():
        state, moved = _move(state, rules.units[unit], points, earlier, rules, case, first=len(entries))
        entries = (*entries, *moved)
    said = {"points": posting.by_unit(tuple(e for e in entries if e.points > 0)), "of": taking.id_of(earlier.event)}
    context = taking.context(earlier, {}) | {FULFILLED: sorted(done - before)}
    tells = ((messages.AVAILABLE, said),) if entries else ()
    return Effect(state, entries, context=context, tells=tells, about=earlier.event.id)


def _fulfilled(followers: Iterable[Recorded]) -> set[str]:
    done: set[str] = set()
    for event in followers:
        done.update(chain.context_of(event.content).get(FULFILLED, ()))
    return done


def _ready(state: MemberState, earlier: Earlier, now: Standing, done: set[str], rules: Rules) -> dict[str, int]:
    """Per unit that waits for it, how many points wait no longer: all but what the other lines gave."""
    left = [one.counted for one in returns.remaining(now.goods, now.parts)]
    reached = [part if line.id in done else _GONE for line, part in zip(now.goods.lines, left, strict=True)]
    open_still = any(not part.gone for line, part in zip(now.goods.lines, left, strict=True) if line.id not in done)
    whole = dict(returning.gives(earlier.event, now, rules, left=left).points)
    some = dict(returning.gives(earlier.event, now, rules, left=reached).points) if open_still else whole
    ready = {}
    for code, unit in rules.units.items():
        if isinstance(unit.pending, AwaitsFulfilment):
            waiting = sum(lot.remaining for lot in _waiting(state, code, earlier))
            points = waiting - max(0, whole.get(code, 0) - some.get(code, 0))
            if points > 0:
                ready[code] = points
    return ready


def _waiting(state: MemberState, unit: str, earlier: Earlier) -> list[OpenLot]:
    own = {event.sequence for event in (earlier.event, *earlier.followers)}
    mine = (lot for lot in state.lots if lot.unit == unit and lot.waiting and lot.sequence in own)
    return sorted(mine, key=lots.draw_order)


def _move(
    state: MemberState, unit: Unit, points: int, earlier: Earlier, rules: Rules, case: Case, *, first: int
) -> tuple[MemberState, tuple[Entry, ...]]:
    state, draws, _ = lots.drain(state, _waiting(state, unit.code, earlier), points)
    account = state.accounts[unit.code]
    account = account._replace(
        balance=account.balance - points, pending=account.pending - points, earned=account.earned - points
    )
    out = Entry(first, unit.code, -points, account.balance, draws=draws)
    ends = expires_at(unit, available_from=case.occurred_at, zone=rules.zone, joined=state.enrolled_at)
    dates = Dates(case.occurred_at, min(case.occurred_at, case.moment.judged_at), ends)
    place = Place(state.sequence + 1, first + 1)
    account, lot, entry = lots.credit(account, unit, points, at=place, dates=dates, now=case.moment.judged_at)
    state = lots.with_account(state, account)
    return (state if lot is None else state._replace(lots=(*state.lots, lot))), (out, entry)
