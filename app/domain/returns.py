"""Goods that come back: how much of each line has, and how much is left (semantics R1).

Of a line two sums are kept, over all returns: the quantity that came back as such, which takes its part of the amount,
and what came back as an amount. So the same goods are left whatever the order of the steps.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from app.domain import chain, encoding, limits, seeing
from app.domain.basket import Left
from app.domain.combining import Room
from app.domain.commands import Line, Purchase, PurchaseChange, Return, ReturnedLine
from app.domain.events import Recorded
from app.domain.exact import Exact, exact, number, ratio
from app.domain.refusals import MoreThanLeft, NothingLeft, OtherCurrency, Refused, UnknownLine

STALE = "stale_revision"
"""Flag: a change of a purchase that came after a later one, and changes nothing (semantics R8)."""
RETURNED = "returned"
"""Where an event's context tells what came back: for each line its id, quantity and amount."""


class Part(NamedTuple):
    """What came back of a line: a quantity, and an amount in minor units besides its part of the line's."""

    quantity: Exact = 0
    amount: int = 0


class Remaining(NamedTuple):
    """What is left of a line: how many, for how much, and what rules count of it."""

    id: str
    quantity: Exact
    amount: int
    counted: Left


class Standing(NamedTuple):
    """A purchase as it stands: the goods as they are kept, what came back of them since, and the last revision.

    With the room under caps that it is judged with, where that is no longer what its own context tells; and with what
    was `told` of the goods when they changed, as that event's context keeps it, None for the first ones.
    """

    goods: Purchase
    parts: dict[str, Part]
    revision: int = 0
    room: Mapping[str, Room] | None = None
    told: Mapping[str, Any] | None = None


def standing(purchase: Recorded, followers: Iterable[Recorded]) -> Standing:
    """A purchase after what was recorded about it, in order: a change states anew what is kept (semantics R8)."""
    goods = encoding.decode_facts(Purchase.kind, chain.decode_content(purchase.content).facts)
    assert isinstance(goods, Purchase)
    now = Standing(goods, {}, goods.revision)
    for event in followers:
        context = chain.context_of(event.content)
        if event.kind == PurchaseChange.kind and STALE not in event.flags:
            facts = encoding.decode_facts(PurchaseChange.kind, chain.decode_content(event.content).facts)
            assert isinstance(facts, PurchaseChange)
            told = context.get(seeing.ATTRIBUTES, {})
            now = now._replace(goods=facts.goods, parts={}, revision=facts.revision, told=told)
        for id, quantity, amount in context.get(RETURNED, ()):
            now = now._replace(parts=added(now.parts, {id: Part(number(quantity), amount)}))
        if limits.ROOM in context:
            now = now._replace(room=context[limits.ROOM])
    return now


def stands(now: Standing) -> bool:
    """Whether anything is left of a purchase: one wholly returned is as if it had not been (semantics A11)."""
    left = zip(now.goods.lines, remaining(now.goods, now.parts), strict=True)
    return any(line.amount >= 0 and not one.counted.gone for line, one in left)


def added(parts: Mapping[str, Part], more: Mapping[str, Part]) -> dict[str, Part]:
    """Both together."""
    sums = dict(parts)
    for id, part in more.items():
        before = sums.get(id, Part())
        sums[id] = Part(exact(before.quantity + part.quantity), before.amount + part.amount)
    return sums


def written(parts: Mapping[str, Part]) -> list[list[str | int]]:
    """The parts as an event's context holds them."""
    return [[id, str(part.quantity), part.amount] for id, part in parts.items()]


def remaining(purchase: Purchase, parts: Mapping[str, Part]) -> tuple[Remaining, ...]:
    """What is left of each line, in the order of the lines; deductions never come back."""
    return tuple(_remaining(line, parts.get(line.id)) for line in purchase.lines)


def asked(facts: Return, purchase: Purchase, parts: Mapping[str, Part], *, decimals: int) -> dict[str, Part]:
    """What a return brings back, line by line. Raises Refused where that is more than is left."""
    if facts.currency is not None and facts.currency != purchase.currency:
        raise Refused(OtherCurrency(purchase.currency))
    goods = _goods(purchase, parts)
    if facts.lines:
        left = remaining(purchase, parts)
        known = {line.id: (line, one) for line, one in zip(purchase.lines, left, strict=True) if line.amount >= 0}
        return {line.id: _of_line(line, known, purchase, parts, decimals=decimals) for line in facts.lines}
    total = sum(one.amount for one in goods)
    if facts.amount is not None and facts.amount > total:
        raise Refused(MoreThanLeft(None, None, total, purchase.currency, decimals))
    if facts.amount is not None and facts.amount < total:
        return _spread(facts.amount, goods)
    return {one.id: _all_of(one) for one in goods}


def everything(purchase: Purchase, parts: Mapping[str, Part]) -> dict[str, Part]:
    """What brings back all that is left. Raises Refused where nothing is."""
    return {one.id: _all_of(one) for one in _goods(purchase, parts)}


def _goods(purchase: Purchase, parts: Mapping[str, Part]) -> list[Remaining]:
    left = zip(purchase.lines, remaining(purchase, parts), strict=True)
    goods = [one for line, one in left if line.amount >= 0 and not one.counted.gone]
    if not goods:
        raise Refused(NothingLeft())
    return goods


@lru_cache(maxsize=64)
def _remaining(line: Line, part: Part | None) -> Remaining:
    quantity = number(line.quantity)
    if part is None or line.amount < 0:
        return Remaining(line.id, quantity, line.amount, Left(1, quantity))
    still = exact(quantity - part.quantity)
    if not line.amount:
        return Remaining(line.id, still, 0, Left(1 if still else 0, still))
    base = _unreturned(line, part.quantity)
    amount = base - part.amount
    counted = Left(ratio(amount, line.amount), exact(still * ratio(amount, base)) if base else still)
    return Remaining(line.id, still if counted.quantity else 0, amount, counted)


def _unreturned(line: Line, came_back: Exact) -> int:
    """The line's amount without the part of a quantity that came back, that part rounded half up."""
    quantity = number(line.quantity)
    if not quantity:
        return line.amount
    return line.amount - (2 * line.amount * came_back + quantity) // (2 * quantity)


def _all_of(left: Remaining) -> Part:
    """What brings back all that is left of a line: as an amount, so that nothing remains by rounding."""
    return Part(0, left.amount) if left.amount else Part(left.quantity, 0)


def _of_line(
    asked: ReturnedLine,
    known: Mapping[str, tuple[Line, Remaining]],
    purchase: Purchase,
    parts: Mapping[str, Part],
    *,
    decimals: int,
) -> Part:
    if asked.id not in known:
        raise Refused(UnknownLine(asked.id, tuple(known)))
    line, left = known[asked.id]
    quantity = left.quantity if asked.quantity is None else number(asked.quantity)
    amount = left.amount if asked.amount is None else asked.amount
    if left.counted.gone or quantity > left.quantity or amount > left.amount:
        raise Refused(MoreThanLeft(asked.id, text(left.quantity), left.amount, purchase.currency, decimals))
    if asked.amount is not None and amount < left.amount:
        return Part(0, amount)
    if asked.amount is None and quantity < left.quantity:
        return _some_of(line, left, quantity, parts.get(asked.id, Part()))
    return _all_of(left)


def _some_of(line: Line, left: Remaining, quantity: Exact, before: Part) -> Part:
    """A quantity with its part of the line's amount; where some of that is back already, of what is left of it."""
    if not before.amount:
        return Part(quantity)
    priced = _unreturned(line, before.quantity) - _unreturned(line, before.quantity + quantity)
    worth = (2 * left.amount * quantity + left.quantity) // (2 * left.quantity)
    return Part(quantity, worth - priced)


def _spread(amount: int, goods: Sequence[Remaining]) -> dict[str, Part]:
    """An amount over what is left, in proportion, to the minor unit: rounded down on the running total (R1)."""
    total = sum(one.amount for one in goods)
    spread: dict[str, Part] = {}
    passed = given = 0
    for one in goods:
        passed += one.amount
        upto = amount * passed // total
        if upto > given:
            spread[one.id] = Part(0, upto - given)
        given = upto
    return spread


def text(quantity: Exact) -> str:
    """A quantity as decimal text; it has six decimals at most, as lines do."""
    return format(Decimal(quantity.numerator) / Decimal(quantity.denominator), "f")
