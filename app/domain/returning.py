"""Goods that come back, and purchases that change: what they gave follows, exactly (semantics R1, R2, R4, R7, R8)."""

from typing import Any

from app.domain import (
    accrual,
    chain,
    gifts,
    holds,
    limits,
    messages,
    occasions,
    posting,
    referrals,
    restoring,
    returns,
    sales,
    seeing,
    taking,
    visits,
)
from app.domain.accrual import Earned
from app.domain.applying import Occasion
from app.domain.basket import Left
from app.domain.commands import LooseReturn, Purchase, PurchaseChange, Return
from app.domain.effects import Case, Effect
from app.domain.events import Earlier, Recorded
from app.domain.exact import Exact, ratio
from app.domain.refusals import OtherCurrency, PurchaseNeeded, Refused
from app.domain.returns import Part, Standing
from app.domain.rules import Rules
from app.domain.seeing import Seen
from app.domain.state import MemberState

_HOLDS_TOLD = 3
"""The engine since which a change says that it captures no holds."""
LOOSE = "without_purchase"
"""Flag: goods came back without saying which purchase they are of (semantics R7)."""


def bring_back(state: MemberState, facts: Return, case: Case) -> Effect:
    """A return: exact per line, for what the purchase's rules gave for it (semantics R1, R2)."""
    earlier = taking.named(state, case, kinds=(Purchase.kind,))
    now = returns.standing(earlier.event, earlier.followers)
    rules = case.moment.versions.numbered(earlier.event.rules_version)
    back = returns.asked(facts, now.goods, now.parts, decimals=rules.currencies[now.goods.currency])
    return _goods_back(state, earlier, now, back, case)


def bring_all_back(state: MemberState, earlier: Earlier, case: Case) -> Effect:
    """A purchase cancelled: all that is left of it comes back (semantics E6)."""
    now = returns.standing(earlier.event, earlier.followers)
    return _goods_back(state, earlier, now, returns.everything(now.goods, now.parts), case)


def change(state: MemberState, facts: PurchaseChange, case: Case) -> Effect:
    """A purchase as it is kept from now on: f of that less what stands, either sign (semantics R8)."""
    earlier = taking.named(state, case, kinds=(Purchase.kind,))
    now = returns.standing(earlier.event, earlier.followers)
    if facts.goods.currency != now.goods.currency:
        raise Refused(OtherCurrency(now.goods.currency))
    rules = case.moment.versions.numbered(earlier.event.rules_version)
    sales.check(facts.goods, rules)
    if facts.revision <= now.revision:
        return Effect(state, context=taking.context(earlier, {}), about=earlier.event.id, flags=(returns.STALE,))
    told = _told(facts.goods, rules, case)
    said = {seeing.ATTRIBUTES: told} if told else {}
    after = now._replace(goods=facts.goods, parts={}, revision=facts.revision, told=told)
    effect = _moved(state, earlier, now, after, case, said=said)
    if case.moment.engine < _HOLDS_TOLD or not _more_holds(earlier, facts.goods):
        return effect
    return effect._replace(steps=(*effect.steps, holds.UNCAPTURED), flags=(*effect.flags, holds.NOT_CAPTURED))


def _more_holds(earlier: Earlier, goods: Purchase) -> bool:
    """Whether goods are said to be paid by a hold that their purchase did not name: a change captures none (R8)."""
    paid = {payment.hold for payment in returns.standing(earlier.event, ()).goods.payments}
    return any(payment.hold is not None and payment.hold not in paid for payment in goods.payments)


def _told(goods: Purchase, rules: Rules, case: Case) -> dict[str, Any]:
    """The attributes of goods as they are kept from now on, as far as rules read them (semantics A1, R8)."""
    if not (rules.reads.event or rules.reads.line):
        return {}
    if case.beside.seen is not None:
        return seeing.attributes(case.beside.seen)
    event, lines = seeing.told(case.command.particulars, goods.lines, rules)
    return seeing.attributes(Seen(event, lines))


def bring_back_loose(state: MemberState, facts: LooseReturn, case: Case) -> Effect:
    """Goods of no purchase that is known: what the rules in force give the lowest tier for them (semantics R7).

    Without multipliers and grants; from active points in draw order, then as the program says of returns.
    """
    rules = case.rules
    if not rules.loose_returns:
        raise Refused(PurchaseNeeded())
    sales.check(facts.goods, rules)
    lowest = frozenset(ladder.tiers[0].code for ladder in rules.ladders)
    occasion = Occasion(
        kind=Purchase.kind,
        occurred_at=case.occurred_at,
        tiers=lowest,
        source=case.command.source,
        channel=facts.goods.channel,
        location=facts.goods.location,
        engine=case.moment.engine,
    )
    given = accrual.earned(facts.goods, occasion, accrual.bare(rules))
    before, known = state.accounts, {unit: points for unit, points in given.points if unit in state.accounts}
    state, entries, forgiven = taking.take(state, known, rules, case, own=())
    steps = (*given.steps, *taking.forgiven_steps(forgiven))
    context: dict[str, Any] = {"forgiven": forgiven} if forgiven else {}
    tells = ((messages.REVERSED, {"points": posting.by_unit(entries)}),) if entries else ()
    return Effect(state, entries, steps, context, tells, flags=(LOOSE,), before=before)


def _goods_back(state: MemberState, earlier: Earlier, now: Standing, back: dict[str, Part], case: Case) -> Effect:
    after = now._replace(parts=returns.added(now.parts, back))
    return _moved(state, earlier, now, after, case, said={returns.RETURNED: returns.written(back)})


def _moved(
    state: MemberState, earlier: Earlier, now: Standing, after: Standing, case: Case, *, said: dict[str, Any]
) -> Effect:
    """Takes f(now) less f(after), in each unit, once what was spent on the goods is back (semantics R2, R4)."""
    event, before = earlier.event, state.accounts
    rules = case.moment.versions.numbered(event.rules_version)
    state, back = restoring.of_goods(state, earlier, _gone(event, after), rules, case)
    was, still, judged = _both(state, event, now, after, rules)
    state = limits.counted(
        state,
        rules,
        Purchase.kind,
        at=event.occurred_at,
        now=case.moment.judged_at,
        kept=case.rules.late,
        used=still.used,
        before=was.used,
    )
    given, left = dict(was.points), dict(still.points)
    moved = [unit for unit in rules.units if given.get(unit, 0) != left.get(unit, 0)]
    wanted = {unit: given.get(unit, 0) - left.get(unit, 0) for unit in moved}
    state, entries, forgiven = taking.take_back(state, earlier, wanted, rules, case, first=len(back.entries))
    steps = [
        ("", unit, name, str(sums.get(unit, 0)))
        for unit in moved
        for name, sums in (("given_before", given), ("given_after", left))
    ]
    besides = gifts.moved(was.gifts, still.gifts, rules, occurred_at=event.occurred_at, sequence=event.sequence)
    now_at, at, number = case.moment.judged_at, event.occurred_at, event.sequence
    state = gifts.into(state, besides, rules, occurred_at=at, sequence=number, now=now_at)
    state = gifts.demoted(state, was.gifts, still.gifts, rules, sequence=number, now=now_at)
    more = [gained for gained in still.gifts if gained not in was.gifts]
    state = gifts.promoted(state, more, rules, occurred_at=at, sequence=number, now=now_at)
    if times := returns.stands(after) - returns.stands(now):
        seen = chain.context_of(event.content)
        state = visits.counted(state, rules, seen, case, times=times, at=event.occurred_at)
    brought = referrals.Progress(state)
    if state.referral_purchase == event.sequence:
        currency, stays = after.goods.currency, _total(after)
        brought = referrals.unqualified(state, event, rules, case, currency=currency, left=stays)
    context = taking.context(earlier, forgiven) | said | besides.context | judged
    if back.so_far:
        context[restoring.SO_FAR] = back.so_far
    return Effect(
        brought.state,
        (*back.entries, *entries),
        (*steps, *taking.forgiven_steps(forgiven)),
        context,
        (*taking.restored(back.entries, event), *taking.told(entries, event), *besides.tells, *brought.tells),
        brought.schedules,
        about=event.id,
        before=before,
    )


def _both(
    state: MemberState, event: Recorded, now: Standing, after: Standing, rules: Rules
) -> tuple[Earned, Earned, dict[str, Any]]:
    """What the purchase's rules give before and after, and what the context tells of the room under caps.

    It is the room that the purchase was judged with (R2), unless more would then be used than is left by now: what is
    left of goods may make rules choose differently, and others may have used that room meanwhile (A5).
    """
    was, still = _gives(event, now, rules), _gives(event, after, rules)
    kind, at = Purchase.kind, event.occurred_at
    if not limits.exceeded(state, rules, kind, at, used=still.used, before=was.used):
        return was, still, {}
    free = limits.room(state, rules, kind, at)
    room = limits.again(free, was.used)
    return was, _gives(event, after._replace(room=room), rules), {limits.ROOM: room, limits.FREE: free}


def _gives(event: Recorded, now: Standing, rules: Rules) -> Earned:
    """What the purchase's rules give in its own context for what is left of it: f(goods) of semantics R2."""
    left = [line.counted for line in returns.remaining(now.goods, now.parts)] if now.parts else None
    return gives(event, now, rules, left=left)


def gives(event: Recorded, now: Standing, rules: Rules, *, left: list[Left] | None) -> Earned:
    """What a purchase's rules give in its own context for its goods, or for what is `left` of each line."""
    context, goods = chain.context_of(event.content), now.goods
    told = {} if now.told is None else {seeing.ATTRIBUTES: now.told}
    seen = seeing.again({**context, **told})
    occasion = occasions.again(event, goods, context, seen=seen, room=now.room)
    return accrual.earned(goods, occasion, rules, left=left)


def _gone(event: Recorded, after: Standing) -> Exact:
    """Which share of a purchase's goods, as they were first recorded, has come back by now, by amount."""
    left = [one for one in returns.remaining(after.goods, after.parts) if one.amount >= 0 and not one.counted.gone]
    sold = sum(line.amount for line in returns.standing(event, ()).goods.lines if line.amount > 0)
    if not left:
        return 1
    return max(0, 1 - ratio(sum(one.amount for one in left), sold)) if sold else 0


def _total(now: Standing) -> int:
    """What is left of the total; nothing where no goods are."""
    left = [one for one in returns.remaining(now.goods, now.parts) if not one.counted.gone]
    goods = [one.amount for one in left if one.amount >= 0]
    came_back = sum(line.amount for line in now.goods.lines if line.amount > 0) - sum(goods)
    return now.goods.total - came_back if goods else 0
