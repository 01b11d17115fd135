"""Taking back what an earlier event did: returns and cancellations (semantics R, E6, L8)."""

from collections.abc import Mapping
from typing import Any

from app.domain import accrual, chain, holds, lots, messages, posting, referrals, returns, transfers, typeid
from app.domain.accrual import Occasion, Step
from app.domain.commands import (
    Activity,
    Adjustment,
    Cancellation,
    Capture,
    Hold,
    Purchase,
    Redemption,
    Return,
    Transfer,
)
from app.domain.effects import Case, Effect
from app.domain.events import Earlier, Entry, Recorded
from app.domain.lots import Place
from app.domain.posting import Tell
from app.domain.refusals import (
    MorePointsThanLeft,
    NothingLeft,
    NotReversible,
    OtherMembersEvent,
    Refused,
    UnknownEvent,
)
from app.domain.returns import Part
from app.domain.rules import Rules
from app.domain.state import MemberState, Scheduled

_SPENT = (Redemption.kind, Capture.kind)
_CANCELLABLE = (Purchase.kind, Activity.kind, Hold.kind, *_SPENT)


def bring_back(state: MemberState, facts: Return, case: Case) -> Effect:
    """A return: exact per line, for what the purchase's rules gave for it (semantics R1, R2)."""
    earlier = _named(state, case, kinds=(Purchase.kind,))
    purchase = _purchase(earlier)
    rules = case.moment.versions.numbered(earlier.event.rules_version)
    before = returns.so_far(earlier.followers)
    back = returns.asked(facts, purchase, before, decimals=rules.currencies[purchase.currency])
    return _goods_back(state, earlier, purchase, before, back, case)


def cancel(state: MemberState, facts: Cancellation, case: Case) -> Effect:
    """A cancellation: what it names is to be as if it had not been (semantics E6)."""
    meant = _CANCELLABLE if facts.points is None else _SPENT
    kinds = tuple(kind for kind in meant if facts.of.kind in ("", kind))
    if facts.of.kind == Adjustment.kind:  # only where it is named as what it is: tills do not undo what persons did
        kinds = (Adjustment.kind,)
    if facts.of.kind == Transfer.kind:  # likewise: its receiver has to be known before anybody is locked
        kinds = (Transfer.kind,)
    earlier = _named(state, case, kinds=kinds)
    if earlier.event.kind in _SPENT:
        return _points_back(state, earlier, facts.points, case)
    if earlier.event.kind == Transfer.kind:
        return transfers.give_back(state, earlier, case)
    if earlier.event.kind == Hold.kind:
        return holds.release(state, facts, case)
    if earlier.event.kind == Activity.kind:
        return _activity_back(state, earlier, case)
    if earlier.event.kind == Adjustment.kind:
        return _adjustment_back(state, earlier, case)
    purchase, before = _purchase(earlier), returns.so_far(earlier.followers)
    return _goods_back(state, earlier, purchase, before, returns.everything(purchase, before), case)


def _named(state: MemberState, case: Case, *, kinds: tuple[str, ...]) -> Earlier:
    (earlier,) = case.named
    if earlier is None:
        raise Refused(UnknownEvent())
    if earlier.event.member_id != state.id:
        raise Refused(OtherMembersEvent())
    if earlier.event.kind not in kinds:
        raise Refused(NotReversible(earlier.event.kind, kinds))
    return earlier


def _purchase(earlier: Earlier) -> Purchase:
    facts = chain.decode_facts(Purchase.kind, chain.decode_content(earlier.event.content).facts)
    assert isinstance(facts, Purchase)
    return facts


def _goods_back(
    state: MemberState,
    earlier: Earlier,
    purchase: Purchase,
    before: dict[str, Part],
    back: dict[str, Part],
    case: Case,
) -> Effect:
    """Takes f(before) less f(after), in each unit (semantics R2)."""
    after = returns.added(before, back)
    rules = case.moment.versions.numbered(earlier.event.rules_version)
    given, left = _gives(earlier.event, purchase, before, rules), _gives(earlier.event, purchase, after, rules)
    moved = [unit for unit in rules.units if given.get(unit, 0) != left.get(unit, 0)]
    steps: list[Step] = []
    for unit in moved:
        steps.append(("", unit, "given_before", str(given.get(unit, 0))))
        steps.append(("", unit, "given_after", str(left.get(unit, 0))))
    before_it = state.accounts
    wanted = {unit: given.get(unit, 0) - left.get(unit, 0) for unit in moved}
    state, entries, forgiven = _take(state, earlier, wanted, rules, case)
    steps += _forgiven_steps(forgiven)
    schedules: tuple[Scheduled, ...] = ()
    if state.referral_purchase == earlier.event.sequence:
        state, schedules = referrals.unqualified(
            state,
            rules,
            currency=purchase.currency,
            total=_total(purchase, after),
            due_at=case.moment.recorded_at,
            cause=case.command.id,
            given_at=earlier.event.recorded_at,
        )
    context = _context(earlier, forgiven) | {returns.RETURNED: returns.written(back)}
    tells = _told(entries, earlier.event)
    return Effect(state, entries, tuple(steps), context, tells, schedules, about=earlier.event.id, before=before_it)


def _gives(event: Recorded, purchase: Purchase, parts: dict[str, Part], rules: Rules) -> dict[str, int]:
    """What the purchase's rules give in its own context for what is left of it: f(goods) of semantics R2."""
    occasion = Occasion(
        kind=Purchase.kind,
        occurred_at=event.occurred_at,
        tiers=frozenset(chain.context_of(event.content).get("tiers", {}).values()),
        source=event.source,
        channel=purchase.channel,
        location=purchase.location,
    )
    left = [line.counted for line in returns.remaining(purchase, parts)] if parts else None
    return dict(accrual.earned(purchase, occasion, rules, left=left).points)


def _total(purchase: Purchase, parts: dict[str, Part]) -> int:
    """What is left of the total; nothing where no goods are."""
    left = [one for one in returns.remaining(purchase, parts) if not one.counted.gone]
    goods = [one.amount for one in left if one.amount >= 0]
    came_back = sum(line.amount for line in purchase.lines if line.amount > 0) - sum(goods)
    return purchase.total - came_back if goods else 0


def _take(
    state: MemberState, earlier: Earlier, wanted: Mapping[str, int], rules: Rules, case: Case
) -> tuple[MemberState, tuple[Entry, ...], dict[str, int]]:
    """Takes these points back that the event gave, unit by unit; with what had to be forgiven (semantics R3).

    Points below zero are given: what is left may earn more without what came back, where that took its share of a step.
    """
    own = {event.sequence for event in (earlier.event, *earlier.followers)}
    entries: list[Entry] = []
    forgiven: dict[str, int] = {}
    now = case.moment.judged_at
    for code, points in wanted.items():
        if points > 0:
            place = Place(state.sequence + 1, len(entries))
            state, entry = lots.take(
                state, rules.units[code], points, own=own, shortage=case.rules.shortage, at=place, now=now
            )
            if entry is not None:
                entries.append(entry)
            taken = -entry.points if entry is not None else 0
            if taken < points:
                forgiven[code] = points - taken
    credits = []
    for code, points in wanted.items():
        if points < 0:
            unit = rules.units[code]
            dates = lots.dates(unit, occurred_at=earlier.event.occurred_at, now=now, zone=rules.zone)
            credits.append((unit, -points, dates))
    state, given = lots.credit_state(state, credits, now=now, first=len(entries))
    return state, (*entries, *given), forgiven


def _activity_back(state: MemberState, earlier: Earlier, case: Case) -> Effect:
    if earlier.followers:
        raise Refused(NothingLeft())
    rules, before = case.moment.versions.numbered(earlier.event.rules_version), state.accounts
    given = {entry.unit: entry.points for entry in earlier.event.entries if entry.points > 0}
    state, entries, forgiven = _take(state, earlier, given, rules, case)
    steps, tells = tuple(_forgiven_steps(forgiven)), _told(entries, earlier.event)
    return Effect(state, entries, steps, _context(earlier, forgiven), tells, about=earlier.event.id, before=before)


def _adjustment_back(state: MemberState, earlier: Earlier, case: Case) -> Effect:
    """Takes back what it gave; for what it took there is another adjustment, since that may be paid by now (E6)."""
    if not any(entry.points > 0 for entry in earlier.event.entries):
        raise Refused(NotReversible(earlier.event.kind, _CANCELLABLE))
    return _activity_back(state, earlier, case)


def _forgiven_steps(forgiven: Mapping[str, int]) -> list[Step]:
    return [("", unit, "forgiven", str(points)) for unit, points in forgiven.items()]


def _context(earlier: Earlier, forgiven: Mapping[str, int]) -> dict[str, Any]:
    return {"of": earlier.event.id.hex()} | ({"forgiven": forgiven} if forgiven else {})


def _points_back(state: MemberState, earlier: Earlier, points: int | None, case: Case) -> Effect:
    """Undoes a redemption, wholly or in part: into the lots the points came from, with their dates (semantics L8)."""
    spent = earlier.event.entries[0]
    back = sum(entry.points for event in earlier.followers for entry in event.entries)
    left = -spent.points - back
    if not left:
        raise Refused(NothingLeft())
    points = left if points is None else points
    if points > left:
        raise Refused(MorePointsThanLeft(spent.unit, asked=points, left=left))
    place = Place(state.sequence + 1, 0)
    state, entry = lots.restore(state, spent.unit, spent.draws, points, skip=back, at=place)
    tells = ((messages.RESTORED, {"points": {spent.unit: points}, "of": _id(earlier.event)}),)
    return Effect(state, (entry,), context={"of": earlier.event.id.hex()}, tells=tells, about=earlier.event.id)


def _told(entries: tuple[Entry, ...], event: Recorded) -> tuple[Tell, ...]:
    taken = tuple(entry for entry in entries if entry.points < 0)
    given = tuple(entry for entry in entries if entry.points > 0)
    tells: list[Tell] = []
    if taken:
        tells.append((messages.REVERSED, {"points": posting.by_unit(taken), "of": _id(event)}))
    if given:
        tells.append((messages.EARNED, {"points": posting.by_unit(given)}))
    return tuple(tells)


def _id(event: Recorded) -> str:
    return typeid.encode(typeid.EVENT, event.id)
