"""Explanations that a cashier can read, made of the recorded steps, the rules and the facts, whenever they are read.

Nothing of it is stored: the steps are numbers and codes (semantics E2), and a text is a function of them.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from app.domain import chain, encoding, money, points, reasons
from app.domain.basket import NET_SINCE, amount, covers
from app.domain.commands import Line, Purchase
from app.domain.events import Recorded
from app.domain.rules import Basis, Multiply, PerItem, Rate, Rule, Rules
from app.domain.steps import MISSING, Step
from app.domain.texts import AVAILABLE, LACKS, MOVED, OF, REASONS, ROUNDED, STEPS, WHOLE_STEPS, Language

WIDTH = 40
"""The characters of a receipt's line."""

_NAME = 20
_TIER = "tier"


class Explained(NamedTuple):
    """What an event's steps say: a text for each, what gave each unit in one line, and lines for a receipt."""

    steps: tuple[str, ...]
    summary: Mapping[str, str]
    receipt: tuple[str, ...]


class _Telling(NamedTuple):
    language: Language
    rules: Rules | None
    goods: Purchase | None
    net: bool = False
    """Whether the amounts of its lines are without tax."""
    lacks: Mapping[str, Sequence[str]] = MappingProxyType({})
    """By rule, the attributes for want of which it gave nothing."""


class _Told(NamedTuple):
    """An event with the texts of its steps, and those of them that gave or moved something."""

    event: Recorded
    telling: _Telling
    texts: tuple[str, ...]
    gave: Sequence[tuple[Step, str]]


def explained(
    event: Recorded,
    rules: Rules | None,
    language: Language,
    *,
    followed: Iterable[tuple[Recorded, Rules | None]] = (),
) -> Explained:
    """An event's explanation in a language; `rules` are the version that judged it, None where it is not at hand.

    The receipt counts in what `followed` on it, each with the version that judged that.
    """
    own = _tell(event, rules, language)
    units = dict.fromkeys(step[1] for step, _ in own.gave if step[1])
    summary = {unit: "; ".join(text for step, text in own.gave if step[1] == unit) for unit in units}
    behind = [_tell(one, of, language) for one, of in followed]
    return Explained(own.texts, summary, tuple(_receipt([own, *behind])))


def _tell(event: Recorded, rules: Rules | None, language: Language) -> _Told:
    net = rules is not None and rules.net and event.engine >= NET_SINCE
    lacks = {} if rules is None else reasons.missing(event, rules)
    telling = _Telling(language, rules, _goods(event), net, lacks)
    texts = tuple(_step(step, telling) for step in event.steps)
    gave = [(step, text) for step, text in zip(event.steps, texts, strict=True) if step[2] not in REASONS]
    return _Told(event, telling, texts, gave)


def _goods(event: Recorded) -> Purchase | None:
    if event.kind != Purchase.kind:
        return None
    facts = encoding.decode_facts(event.kind, chain.decode_content(event.content).facts)
    return facts if isinstance(facts, Purchase) else None


def _step(step: Step, telling: _Telling) -> str:
    name, unit, what, value = step
    rule = None if telling.rules is None else next((one for one in telling.rules.rules if one.code == name), None)
    number = _number(value, unit, telling)
    if what == "round" and telling.rules is not None and unit in telling.rules.units:
        return ROUNDED[telling.rules.units[unit].rounding.value][telling.language].format(number=number)
    if what == MISSING and telling.lacks.get(name):
        return LACKS[telling.language].format(rule=_called(name), number=", ".join(telling.lacks[name]))
    if rule is not None:
        told = _by_rule(rule, what, value, number, telling)
        if told is not None:
            return told
    said = STEPS.get("fixed" if what in ("rate", "per_item", "multiply") else what) or REASONS.get(what)
    if said is None:  # of a later version than this table
        return f"{_called(name)}: {what.replace('_', ' ')}"
    return said[telling.language].format(rule=_called(name), number=number)


def _by_rule(rule: Rule, what: str, value: str, number: str, telling: _Telling) -> str | None:
    """What a rate, an item or a factor gave, worked out; None where the facts do not show it."""
    goods, language = telling.goods, telling.language
    said = STEPS[what][language] if what in STEPS else ""
    match rule.gives:
        case Multiply(factor=factor) if what == "multiply":
            return said.format(rule=_called(rule.code), factor=_plain(points.text(factor), language), number=number)
        case PerItem(give=give) if what == "per_item" and goods is not None:
            each = _number(points.text(give), rule.unit, telling)
            return said.format(goods=_items(rule, goods, language), give=each, number=number)
        case Rate(give=give, per=per, whole_steps=whole) if what == "rate" and goods is not None:
            step = per.get(goods.currency)
            covered = _covered(rule, goods)
            if step is None or not covered:
                return None
            basis = None if whole or not give else Fraction(value) / give * step
            worth = _worth(covered, rule.gives.basis, basis, goods, telling)
            each, money_text = _number(points.text(give), rule.unit, telling), _money(step, goods, telling)
            said = WHOLE_STEPS[language] if whole else said
            return said.format(goods=worth, give=each, per=money_text, number=number)
        case _:
            return None


def _worth(covered: Sequence[Line], kind: Basis, basis: Fraction | None, goods: Purchase, telling: _Telling) -> str:
    """What a rate counted: the line, if it is one; else the sum; or so much of it, where a part did not count."""
    sum_of = sum(amount(line, kind, net=telling.net) or 0 for line in covered)
    whole = _money(sum_of, goods, telling)
    if basis is not None and abs(basis - sum_of) >= 1:  # beyond what the six decimals of a step cut off
        return OF[telling.language].format(part=_money(round(basis), goods, telling), whole=whole)
    if len(covered) > 1:
        return whole
    (line,) = covered
    quantity = Fraction(line.quantity)
    name = (line.categories[0] if line.categories else line.sku) or ""
    if quantity > 1 and sum_of % quantity == 0:
        whole = f"{_plain(line.quantity, telling.language)} × {_money(int(sum_of / quantity), goods, telling)}"
    return f"{whole} {name[:_NAME]}".rstrip()


def _items(rule: Rule, goods: Purchase, language: Language) -> str:
    covered = _covered(rule, goods)
    count = _plain(points.text(sum((Fraction(line.quantity) for line in covered), Fraction(0))), language)
    name = (covered[0].categories[0] if covered[0].categories else covered[0].sku) if len(covered) == 1 else None
    return f"{count} × {name[:_NAME]}" if name else f"{count} ×"


def _covered(rule: Rule, goods: Purchase) -> list[Line]:
    return [line for line in goods.lines if line.amount >= 0 and covers(rule, line)]


def _receipt(told: Sequence[_Told]) -> Iterable[str]:
    """What gave points, what moved, and what is available once the last has been counted in."""
    for one in told:
        for _, text in one.gave:
            yield from textwrap.wrap(text, WIDTH)
    for one in told:
        for entry in one.event.entries:
            if entry.points:
                yield _line(MOVED, entry.unit, f"{entry.points:+d}", one.telling)
    for unit, balances in told[-1].event.accounts.items():
        yield _line(AVAILABLE, unit, str(balances.available), told[-1].telling)


def _line(said: Mapping[Language, str], unit: str, number: str, telling: _Telling) -> str:
    shown = ("+" if number.startswith("+") else "") + _number(number.removeprefix("+"), unit, telling)
    return said[telling.language].format(unit=_shown_name(unit, telling)[:_NAME], number=shown)[:WIDTH]


def _shown_name(unit: str, telling: _Telling) -> str:
    known = {} if telling.rules is None else telling.rules.units
    return known[unit].name if unit in known else unit


def _called(rule: str) -> str:
    """A rule by its id; the multiplier of a tier by the tier's."""
    parts = rule.split(":")
    return parts[1] if len(parts) == 3 and parts[0] == _TIER else rule


def _number(value: str, unit: str, telling: _Telling) -> str:
    """Points as members see them, cut after one decimal more than their unit has."""
    known = {} if telling.rules is None else telling.rules.units
    decimals = known[unit].decimals if unit in known else 0
    try:
        exact = Fraction(value) / 10**decimals
    except ValueError:  # what was given is a name
        return value
    whole, _, part = points.text(exact).partition(".")
    part = part[: decimals + 1].rstrip("0").ljust(decimals, "0") if part.strip("0") or decimals else ""
    return _plain(f"{whole}.{part}".rstrip("."), telling.language)


def _money(minor: int, goods: Purchase, telling: _Telling) -> str:
    decimals = 2 if telling.rules is None else telling.rules.currencies.get(goods.currency, 2)
    return _plain(money.decimal_text(minor, decimals=decimals), telling.language)


def _plain(number: str, language: Language) -> str:
    return number.replace(".", ",") if language is Language.DUTCH else number
